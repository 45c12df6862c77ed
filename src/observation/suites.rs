//! Which cipher suites the recorded bytes settle, and by what rule.
//!
//! The probe asks this to know which hello is still worth a connection; `assess` asks it for the
//! verdict. A suite is accepted only where a ServerHello chose it, and refused only where a hello
//! that offered it, besides suites that were refused with it, was turned down.

use std::collections::{BTreeMap, BTreeSet};

use super::versions::{Settled, alert_name, describe, settle_beside};
use super::{Connection, HelloAnswer, HelloForm, StreamEnd, SuiteEnd, SuiteRun, TlsVersion};
use crate::cipher_suite::{CipherClass, CipherSuite};

/// What the bytes say of a class of suites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassSettled {
    /// Those that were chosen, newest version first. There may be more.
    Accepted(Vec<(TlsVersion, CipherSuite)>),
    Refused(String),
    Open(String),
}

/// All that was recorded about suites.
#[derive(Clone, Debug, Default)]
pub struct SuiteEvidence {
    versions: BTreeMap<TlsVersion, Settled>,
    accepted: BTreeMap<TlsVersion, Vec<u16>>,
    refused: BTreeMap<TlsVersion, BTreeMap<u16, String>>,
    /// Why the last hello that settled nothing did not.
    unsettled: BTreeMap<TlsVersion, String>,
    /// Versions up to TLS 1.2 that were refused in a way that may have been about the suites: the
    /// hellos for versions offer no NULL, anonymous or export ones.
    refused_otherwise: BTreeSet<TlsVersion>,
}

impl SuiteEvidence {
    pub fn new(connections: &[Connection], runs: &[SuiteRun]) -> Self {
        let versions = with_suites(connections, runs);
        let refused_otherwise = refused_otherwise(connections, &versions);
        let mut evidence = Self { versions, refused_otherwise, ..Self::default() };
        for (version, suite) in connections.iter().filter_map(chosen) {
            evidence.accept(version, suite);
        }
        let runs = runs.get(..MAX_RUNS).unwrap_or(runs);
        for (number, run) in runs.iter().enumerate() {
            for suite in run.chosen.iter().take(MAX_OFFERED) {
                evidence.accept(run.version, *suite);
            }
            if let Some(SuiteEnd::Other { version, cipher_suite }) = run.end
                && let Some(lower) = TlsVersion::from_wire(version).filter(|v| *v < run.version)
                && remaining(run).any(|suite| suite == cipher_suite)
            {
                evidence.accept(lower, cipher_suite);
            }
            match refusal(run, is_confirmed(runs, number)) {
                Some(Ok(how)) => {
                    let refused = evidence.refused.entry(run.version).or_default();
                    for suite in remaining(run) {
                        refused.entry(suite).or_insert_with(|| how.clone());
                    }
                }
                Some(Err(why)) => {
                    evidence.unsettled.insert(run.version, why);
                }
                None => {}
            }
        }
        evidence.refuse_versions();
        evidence
    }

    /// A version of which every suite was refused.
    fn refuse_versions(&mut self) {
        for version in LEGACY {
            if !self.version_is_open(version) {
                continue;
            }
            let Some(refused) = self.refused.get(&version) else { continue };
            let mut reasons = strangers_suites(version).map(|suite| refused.get(&suite.id));
            let reason = reasons.next().flatten();
            if let Some(reason) = reason.filter(|_| reasons.all(|reason| reason.is_some())) {
                let reason = format!("every suite of {version} was refused: {reason}");
                self.versions.insert(version, Settled::Refused(reason));
            }
        }
    }

    /// In the order in which they were first chosen.
    pub fn accepted(&self, version: TlsVersion) -> &[u16] {
        self.accepted.get(&version).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn is_settled(&self, version: TlsVersion, suite: u16) -> bool {
        self.accepted(version).contains(&suite) || self.is_refused(version, suite)
    }

    pub fn is_refused(&self, version: TlsVersion, suite: u16) -> bool {
        self.refused.get(&version).is_some_and(|refused| refused.contains_key(&suite))
    }

    /// Why something at this version is open, if a hello was sent that should have settled it.
    pub fn unsettled(&self, version: TlsVersion) -> Option<&str> {
        self.unsettled.get(&version).map(String::as_str)
    }

    pub fn accepts_version(&self, version: TlsVersion) -> bool {
        matches!(self.versions.get(&version), Some(Settled::Accepted(_)))
    }

    /// Accepted, open, or refused in a way that may have been about the suites.
    pub fn may_accept(&self, version: TlsVersion) -> bool {
        self.accepts_version(version)
            || self.version_is_open(version)
            || self.refused_otherwise.contains(&version)
    }

    pub fn version_is_open(&self, version: TlsVersion) -> bool {
        matches!(self.versions.get(&version), None | Some(Settled::Open(_)))
    }

    /// At which versions a class must be refused to be refused at all.
    ///
    /// TLS 1.2 has suites that the others lack, and some servers keep export suites and DES to what
    /// is older (RFC 4346, RFC 5469). The three older versions have one list of suites, which loses
    /// some with each step up (export in 1.1), and curves with the step down to SSL 3.0, so TLS 1.0
    /// has them all: where it is accepted it speaks for the three.
    pub fn telling_versions(&self) -> Vec<TlsVersion> {
        let newest = Some(TlsVersion::Tls12).filter(|version| self.accepts_version(*version));
        let older = OLDER.into_iter().find(|version| self.accepts_version(*version));
        let telling: Vec<TlsVersion> = newest.into_iter().chain(older).collect();
        if !telling.is_empty() {
            return telling;
        }
        // Nothing is accepted there, so one of them stands for what the hellos may have missed. A
        // server that has TLS 1.3 and not 1.2 has nothing older.
        let hidden = self.refused_otherwise.last().copied().filter(|version| {
            *version == TlsVersion::Tls12 || !self.accepts_version(TlsVersion::Tls13)
        });
        hidden.into_iter().collect()
    }

    /// What the versions come to, by all hellos.
    pub fn versions(&self) -> &BTreeMap<TlsVersion, Settled> {
        &self.versions
    }

    /// What a class was seen to come to.
    pub fn class(&self, class: CipherClass) -> ClassSettled {
        let accepted = self.accepted_where(|suite| suite.is(class));
        if !accepted.is_empty() {
            return ClassSettled::Accepted(accepted);
        }
        match self.refused_where(|suite| suite.is(class)) {
            Ok(how) => ClassSettled::Refused(how),
            Err(why) => ClassSettled::Open(why),
        }
    }

    /// Whether any suite with forward secrecy is accepted, at any version.
    pub fn forward_secrecy(&self) -> Settled {
        if let Some(Settled::Accepted(reason)) = self.versions.get(&TlsVersion::Tls13) {
            return Settled::Accepted(format!("TLSv1.3 has no suite without it: {reason}"));
        }
        if let Some((version, suite)) =
            self.accepted_where(|suite| suite.has_forward_secrecy()).first()
        {
            return Settled::Accepted(format!("{version} accepts {}", suite.name));
        }
        if let Some(Settled::Open(why)) = self.versions.get(&TlsVersion::Tls13) {
            return Settled::Open(format!("whether TLSv1.3 is accepted is open: {why}"));
        }
        match self.refused_where(|suite| suite.has_forward_secrecy()) {
            Ok(how) => Settled::Refused(how),
            Err(why) => Settled::Open(why),
        }
    }

    /// Suites without a shared secret that a stranger's hello would have to be refused, at a version.
    pub fn open_suites(
        &self,
        version: TlsVersion,
        wanted: impl Fn(CipherSuite) -> bool,
    ) -> Vec<CipherSuite> {
        strangers_suites(version)
            .filter(|suite| wanted(*suite) && !self.is_settled(version, suite.id))
            .collect()
    }

    /// What nobody knows, a broken server may choose all the same.
    fn accept(&mut self, version: TlsVersion, suite: u16) {
        if CipherSuite::from_id(suite).is_none() {
            return;
        }
        let accepted = self.accepted.entry(version).or_default();
        if !accepted.contains(&suite) {
            accepted.push(suite);
        }
    }

    fn accepted_where(
        &self,
        wanted: impl Fn(CipherSuite) -> bool,
    ) -> Vec<(TlsVersion, CipherSuite)> {
        let accepted = self.accepted.iter().rev();
        accepted
            .flat_map(|(version, suites)| suites.iter().map(|suite| (*version, *suite)))
            .filter_map(|(version, suite)| Some((version, CipherSuite::from_id(suite)?)))
            .filter(|(_, suite)| wanted(*suite))
            .collect()
    }

    /// How all of these suites are refused, or why that is open.
    fn refused_where(&self, wanted: impl Fn(CipherSuite) -> bool) -> Result<String, String> {
        let open = |version: &TlsVersion| match self.versions.get(version) {
            Some(Settled::Open(why)) if !self.refused_otherwise.contains(version) => {
                Some(format!("whether {version} is accepted is open: {why}"))
            }
            _ => None,
        };
        let telling = self.telling_versions();
        let older_told = OLDER.iter().any(|version| telling.contains(version));
        let untold = open(&TlsVersion::Tls12)
            .or_else(|| OLDER.iter().filter(|_| !older_told).find_map(open));
        if let Some(why) = untold {
            return Err(why);
        }
        // Who refuses everything refuses it for another reason.
        if !TlsVersion::ALL.into_iter().any(|version| self.accepts_version(version)) {
            return Err("no version is accepted".to_owned());
        }
        if telling.is_empty() {
            return Ok("no version below TLSv1.3 is accepted".to_owned());
        }
        let mut reasons = Vec::new();
        for version in telling {
            let mut count = 0usize;
            let mut how = BTreeSet::new();
            for suite in strangers_suites(version).filter(|suite| wanted(*suite)) {
                let refused = self.refused.get(&version).and_then(|refused| refused.get(&suite.id));
                how.insert(refused.ok_or_else(|| self.why_open(version))?.as_str());
                count += 1;
            }
            if count > 0 {
                let how: Vec<&str> = how.into_iter().collect();
                let suites = if count == 1 { "suite" } else { "suites" };
                reasons.push(format!("{version}: {count} {suites} offered, {}", how.join(", ")));
            }
        }
        Ok(reasons.join("; "))
    }

    fn why_open(&self, version: TlsVersion) -> String {
        match self.unsettled(version) {
            Some(why) => format!("{version}: {why}"),
            None => format!("{version}: no hello asked for it"),
        }
    }
}

const LEGACY: [TlsVersion; 4] =
    [TlsVersion::Tls12, TlsVersion::Tls11, TlsVersion::Tls10, TlsVersion::Ssl3];

/// The older versions, in the order in which one speaks for the others.
const OLDER: [TlsVersion; 3] = [TlsVersion::Tls10, TlsVersion::Tls11, TlsVersion::Ssl3];

/// Bounds on what is read of a stored observation; the probe stays far below them.
const MAX_RUNS: usize = 256;
const MAX_OFFERED: usize = 512;

const CLOSE_NOTIFY: u8 = 0;
const PROTOCOL_VERSION: u8 = 70;
const UNRECOGNIZED_NAME: u8 = 112;

/// What was offered and not chosen.
pub fn remaining(run: &SuiteRun) -> impl Iterator<Item = u16> {
    let chosen = run.chosen.get(..MAX_OFFERED).unwrap_or(&run.chosen);
    run.offered.iter().take(MAX_OFFERED).copied().filter(|suite| !chosen.contains(suite))
}

/// The last hello of this run ended without a word.
pub fn is_drop(run: &SuiteRun) -> bool {
    matches!(
        run.end,
        Some(
            SuiteEnd::NoAnswer { end: StreamEnd::Closed { received: 0 } | StreamEnd::Reset }
                | SuiteEnd::Alert { description: CLOSE_NOTIFY, .. }
        )
    )
}

/// Whether a drop was about the suites: neither about the hello's length, as one as long was
/// answered, nor about how often we ask, as the server answered again afterwards.
pub fn is_confirmed(runs: &[SuiteRun], number: usize) -> bool {
    let Some(run) = runs.get(number) else { return false };
    let length = remaining(run).count();
    let as_long = |other: &SuiteRun| !other.chosen.is_empty() && other.offered.len() >= length;
    let answered = |other: &SuiteRun| match other.end {
        None => !other.chosen.is_empty(),
        Some(_) => matches!(other.end, Some(SuiteEnd::Alert { .. })) && !is_drop(other),
    };
    // Begun before the drop, it would say nothing of what the server did after that.
    let later = |(place, other): (usize, &SuiteRun)| {
        place.saturating_sub(other.beside) > number && answered(other)
    };
    runs.iter().any(as_long) && runs.iter().enumerate().any(later)
}

/// How the run's last hello was refused, or why that is open; `None` where it was not.
fn refusal(run: &SuiteRun, confirmed: bool) -> Option<Result<String, String>> {
    if is_drop(run) {
        let how = match run.end.as_ref()? {
            SuiteEnd::NoAnswer { end } => describe(end),
            _ => "alert 0 close_notify".to_owned(),
        };
        return Some(if confirmed {
            Ok(format!("{how}, while other hellos were answered before and after"))
        } else {
            Err(how)
        });
    }
    Some(match run.end.as_ref()? {
        SuiteEnd::Alert { description: UNRECOGNIZED_NAME, .. } => {
            Err("alert 112 unrecognized_name".to_owned())
        }
        SuiteEnd::Alert { description, .. } => {
            Ok(format!("alert {description} {}", alert_name(*description)))
        }
        SuiteEnd::NoAnswer { end } => Err(describe(end)),
        SuiteEnd::Other { version, cipher_suite } => Err(format!(
            "a ServerHello chose {cipher_suite:#06x} in version {version:#06x}, which was not asked for"
        )),
    })
}

/// A ServerHello to a hello with weak suites alone shows a version as well. Where no other hello
/// did, the refusals of the others may have been about their suites.
fn with_suites(connections: &[Connection], runs: &[SuiteRun]) -> BTreeMap<TlsVersion, Settled> {
    let runs = runs.get(..MAX_RUNS).unwrap_or(runs);
    let mut versions = settle_beside(connections, runs.iter().find_map(version_shown));
    for shown in runs.iter().filter_map(version_shown) {
        if matches!(versions.get(&shown), Some(Settled::Accepted(_))) {
            continue;
        }
        let reason = format!("a ServerHello chose {shown}, and a suite that clients seldom offer");
        versions.insert(shown, Settled::Accepted(reason));
        for (version, settled) in versions.iter_mut().filter(|(version, _)| **version < shown) {
            let by_version = connections
                .iter()
                .any(|connection| alert_to(connection, *version) == Some(PROTOCOL_VERSION));
            if let (Settled::Refused(why), false) = (&settled, by_version) {
                let why = format!("{version} was refused to a hello without such suites: {why}");
                *settled = Settled::Open(why);
            }
        }
    }
    versions
}

fn version_shown(run: &SuiteRun) -> Option<TlsVersion> {
    let lower = match run.end {
        Some(SuiteEnd::Other { version, .. }) => {
            TlsVersion::from_wire(version).filter(|version| *version < run.version)
        }
        _ => None,
    };
    if run.chosen.is_empty() { lower } else { Some(run.version) }
}

/// A server that has no version in common with us says so by alert 70, and one that wants a name by
/// alert 112.
fn refused_otherwise(
    connections: &[Connection],
    versions: &BTreeMap<TlsVersion, Settled>,
) -> BTreeSet<TlsVersion> {
    let refused = LEGACY
        .into_iter()
        .filter(|version| !matches!(versions.get(version), Some(Settled::Accepted(_))));
    let otherwise = refused.filter(|version| {
        let alerts = || connections.iter().filter_map(|connection| alert_to(connection, *version));
        let about_suites = |alert| ![PROTOCOL_VERSION, UNRECOGNIZED_NAME].contains(&alert);
        alerts().next().is_some() && alerts().all(about_suites)
    });
    otherwise.collect()
}

/// The alert to a hello that offered this version, and nothing above TLS 1.2.
fn alert_to(connection: &Connection, version: TlsVersion) -> Option<u8> {
    match connection {
        Connection::Hello(hello)
            if hello.offered.contains(&version)
                && !hello.offered.contains(&TlsVersion::Tls13)
                && hello.form != HelloForm::RareSuites =>
        {
            match &hello.answer {
                HelloAnswer::Alert { description, .. } => Some(*description),
                _ => None,
            }
        }
        _ => None,
    }
}

/// By whose list a server chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerOrder {
    Server,
    Client,
    /// Fewer than two suites, or choices that fit neither.
    Undetermined,
}

/// Judged by every choice among several accepted suites. Choices that contradict each other follow
/// the client's list if each is the first in it; choices that do not are the server's own if some
/// are not.
pub fn server_order(
    version: TlsVersion,
    evidence: &SuiteEvidence,
    runs: &[SuiteRun],
) -> ServerOrder {
    let accepted = evidence.accepted(version);
    let mut preferred: BTreeSet<(u16, u16)> = BTreeSet::new();
    let mut always_first = true;
    for run in runs.iter().take(MAX_RUNS).filter(|run| run.version == version) {
        let mut left: Vec<u16> = run
            .offered
            .iter()
            .take(MAX_OFFERED)
            .copied()
            .filter(|suite| accepted.contains(suite))
            .collect();
        for choice in run.chosen.iter().take(MAX_OFFERED) {
            if left.first() != Some(choice) {
                always_first = false;
            }
            left.retain(|suite| suite != choice);
            preferred.extend(left.iter().map(|other| (*choice, *other)));
        }
    }
    let contradicted = preferred.iter().any(|(a, b)| preferred.contains(&(*b, *a)));
    match (contradicted, always_first) {
        (true, true) => ServerOrder::Client,
        (false, false) => ServerOrder::Server,
        _ => ServerOrder::Undetermined,
    }
}

fn strangers_suites(version: TlsVersion) -> impl Iterator<Item = CipherSuite> {
    let all = CipherSuite::all().iter().copied();
    all.filter(move |suite| suite.exists_in(version) && !suite.needs_secret())
}

/// What a hello for versions was answered with. Only those for rare suites offer what is in the rare
/// classes, so a server that chooses such a suite elsewhere proves nothing.
fn chosen(connection: &Connection) -> Option<(TlsVersion, u16)> {
    let (version, suite) = chosen_suite(connection)?;
    let rare = [CipherClass::Null, CipherClass::Anonymous, CipherClass::Export];
    let suite = CipherSuite::from_id(suite)?;
    let asked_for_rare = match connection {
        Connection::Hello(hello) => hello.form == HelloForm::RareSuites,
        _ => false,
    };
    let is_rare = rare.iter().any(|class| suite.is(*class)) || suite.needs_secret();
    let offered = suite.exists_in(version) && is_rare == asked_for_rare;
    offered.then_some((version, suite.id))
}

fn chosen_suite(connection: &Connection) -> Option<(TlsVersion, u16)> {
    match connection {
        Connection::Plain(_) => None,
        Connection::Tls(tls) => {
            let negotiated = tls.negotiated.as_ref()?;
            Some((negotiated.version, CipherSuite::from_name(&negotiated.cipher_suite)?.id))
        }
        Connection::Hello(hello) => match &hello.answer {
            HelloAnswer::ServerHello(flight) => {
                Some((TlsVersion::from_wire(flight.version)?, flight.cipher_suite))
            }
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests;
