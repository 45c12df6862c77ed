//! How many of what: the part of a report that fits on one screen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Access, Endpoint, Finding, FleetFinding, Grade};
use crate::finding::Severity;

/// Counts over the whole report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    pub endpoints: u64,
    pub by_access: ByAccess,
    pub by_severity: BySeverity,
    pub by_grade: ByGrade,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ByAccess {
    pub open: u64,
    pub filtered: u64,
    pub denied: u64,
    pub client_certificate_required: u64,
    pub not_docker: u64,
    pub undetermined: u64,
}

/// Findings of endpoints and fleet together, without the suppressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BySeverity {
    pub critical: u64,
    pub high: u64,
    pub medium: u64,
    pub low: u64,
    pub info: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ByGrade {
    #[serde(rename = "A")]
    pub a: u64,
    #[serde(rename = "B")]
    pub b: u64,
    #[serde(rename = "C")]
    pub c: u64,
    #[serde(rename = "D")]
    pub d: u64,
    #[serde(rename = "F")]
    pub f: u64,
    /// Endpoints whose access is undetermined have no grade.
    pub ungraded: u64,
}

impl Summary {
    pub fn of(fleet_findings: &[FleetFinding], endpoints: &[Endpoint]) -> Self {
        let mut summary = Self::default();
        endpoints.iter().for_each(|endpoint| summary.add(endpoint));
        fleet_findings.iter().for_each(|fleet| summary.add_fleet(fleet));
        summary
    }

    /// Counts one more endpoint.
    pub fn add(&mut self, endpoint: &Endpoint) {
        self.endpoints += 1;
        *self.by_access.of_mut(endpoint.api.access) += 1;
        *self.by_grade.of_mut(endpoint.grade) += 1;
        endpoint.findings.iter().for_each(|finding| self.add_finding(finding));
    }

    /// Counts one more finding of the fleet.
    pub fn add_fleet(&mut self, fleet: &FleetFinding) {
        self.add_finding(&fleet.finding);
    }

    fn add_finding(&mut self, finding: &Finding) {
        if !finding.is_suppressed() {
            *self.by_severity.of_mut(finding.severity) += 1;
        }
    }
}

impl ByAccess {
    fn of_mut(&mut self, access: Access) -> &mut u64 {
        match access {
            Access::Open => &mut self.open,
            Access::Filtered => &mut self.filtered,
            Access::Denied => &mut self.denied,
            Access::ClientCertificateRequired => &mut self.client_certificate_required,
            Access::NotDocker => &mut self.not_docker,
            Access::Undetermined => &mut self.undetermined,
        }
    }
}

impl BySeverity {
    pub fn of(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
            Severity::Info => self.info,
        }
    }

    fn of_mut(&mut self, severity: Severity) -> &mut u64 {
        match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
            Severity::Info => &mut self.info,
        }
    }
}

impl ByGrade {
    fn of_mut(&mut self, grade: Option<Grade>) -> &mut u64 {
        match grade {
            Some(Grade::A) => &mut self.a,
            Some(Grade::B) => &mut self.b,
            Some(Grade::C) => &mut self.c,
            Some(Grade::D) => &mut self.d,
            Some(Grade::F) => &mut self.f,
            None => &mut self.ungraded,
        }
    }
}
