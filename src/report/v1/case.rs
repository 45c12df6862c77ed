//! Findings of endpoints and of the fleet, in one row.

use super::{Endpoint, Finding, FleetFinding, Report};

/// A finding and where it was found.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub finding: &'a Finding,
    /// Of the endpoints that it is about.
    pub ids: &'a [String],
    /// `None` for what spans endpoints.
    pub endpoint: Option<&'a Endpoint>,
}

impl Report {
    /// Every finding, those of the fleet last.
    pub fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        let of_endpoints = self.endpoints.iter().flat_map(|endpoint| {
            let ids = std::slice::from_ref(&endpoint.id);
            let case = move |finding| Case { finding, ids, endpoint: Some(endpoint) };
            endpoint.findings.iter().map(case)
        });
        let of_fleet = self.fleet_findings.iter().map(|FleetFinding { finding, endpoints }| Case {
            finding,
            ids: endpoints,
            endpoint: None,
        });
        of_endpoints.chain(of_fleet)
    }
}
