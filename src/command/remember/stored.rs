//! The same for runs that are judged anew, whose endpoints come one at a time: `merge` keeps the joined
//! run, `report` only looks at earlier ones.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;

use crate::command::diff::{Endpoints, Source};
use crate::command::history::kept_before;
use crate::command::{Failure, warn};
use crate::diff::{Comparison, Pairs, Seen, Side};
use crate::history::{Begun, History, Recording};
use crate::report::v1::{self, AbsentState};
use crate::rules::fleet::{EndpointKeys, Past};
use crate::target::{Ports, TargetList, TargetSet};

/// A history beside a run that is judged anew.
pub(in crate::command) struct Beside<'h> {
    past: Past,
    /// With the run before, if there is one.
    comparing: Option<(Comparison, Pairs<Endpoints>)>,
    /// Where the run is to be kept.
    recording: Option<Box<Recording<'h>>>,
    /// What went wrong first; the report is written all the same.
    trouble: Option<Failure>,
}

impl<'h> Beside<'h> {
    /// Compares, and keeps nothing.
    pub(in crate::command) fn looking(
        path: &Path,
        history: &History,
        scan: &v1::Scan,
        tool: &v1::Tool,
    ) -> Result<Self, Failure> {
        let targets = targets(scan);
        let is_target = |pair: SocketAddr| targets.as_ref().is_none_or(|set| set.contains(pair));
        let comparing = match history.previous(scan)? {
            Some(run) => {
                let after = Side::new(scan, Some(tool)).with_fleet(&[]);
                let before = Source::Run { history: path.to_owned(), run }.endpoints()?;
                Some((Comparison::new(history.side(run)?, after), Pairs::new(before)?))
            }
            None => None,
        };
        let past = history.keys(scan, is_target)?;
        Ok(Self { past, comparing, recording: None, trouble: None })
    }

    /// Compares, and keeps the run.
    pub(in crate::command) fn keeping(
        path: &Path,
        history: &'h mut History,
        scan: &v1::Scan,
        tool: &v1::Tool,
    ) -> Result<Self, Failure> {
        let mut beside = Self::looking(path, history, scan, tool)?;
        match history.begin(scan, tool)? {
            Begun::New(recording) => beside.recording = Some(recording),
            Begun::Before(run) => warn(&kept_before(&scan.id, run)),
        }
        Ok(beside)
    }

    /// Endpoints come by address and port.
    pub(in crate::command) fn endpoint(&mut self, endpoint: &v1::Endpoint, keys: &EndpointKeys) {
        if let Some((comparison, pairs)) = &mut self.comparing {
            let each = |before, after| comparison.endpoint(before, after);
            if let Err(failure) = pairs.meet(Seen::from(endpoint), each) {
                self.give_up(failure);
            }
        }
        if let Some(recording) = &mut self.recording
            && let Err(error) = recording.add(endpoint, keys)
        {
            self.give_up(error.into());
        }
    }

    /// Half a run is none, and who cannot be read is not written to.
    fn give_up(&mut self, failure: Failure) {
        let kept = self.recording.take();
        self.comparing = None;
        self.trouble.get_or_insert(if kept.is_some() { not_kept(failure) } else { failure });
    }

    /// Keys of earlier runs, without those whose port the run found closed.
    pub(in crate::command) fn past(&mut self, scan: &v1::Scan) -> Past {
        let mut past = std::mem::take(&mut self.past);
        let closed = scan.absent.iter().filter(|it| it.state == AbsentState::Closed);
        let closed: HashSet<&str> = closed.map(|it| it.id.as_str()).collect();
        past.holders.retain(|holder| !closed.contains(holder.endpoint.as_str()));
        past
    }

    /// All endpoints have come.
    pub(in crate::command) fn changes(
        &mut self,
        fleet_findings: &[v1::FleetFinding],
    ) -> Option<v1::Changes> {
        let (mut comparison, pairs) = self.comparing.take()?;
        if let Err(failure) = pairs.finish(|before, after| comparison.endpoint(before, after)) {
            self.give_up(failure);
            return None;
        }
        comparison.after_fleet(fleet_findings);
        Some(comparison.finish().counts())
    }

    /// Keeps the run if it is to be kept. Called also where the report could not be written.
    pub(in crate::command) fn finish(
        self,
        scan: &v1::Scan,
        fleet_findings: &[v1::FleetFinding],
    ) -> Result<(), Failure> {
        match (self.trouble, self.recording) {
            (Some(failure), _) => Err(failure),
            (None, Some(recording)) => {
                let kept = recording.finish(scan, fleet_findings);
                kept.map(drop).map_err(|error| not_kept(error.into()))
            }
            (None, None) => Ok(()),
        }
    }
}

/// The stored reports are still there: nothing is lost.
fn not_kept(failure: Failure) -> Failure {
    Failure::failed(format!("the run is not in the history: {}", failure.message))
        .hint("the same command keeps it when that works again")
}

/// What a stored scan asked, where its words tell: names led somewhere then, and files may have
/// changed.
fn targets(scan: &v1::Scan) -> Option<TargetSet> {
    let mut list = TargetList::new();
    scan.targets.iter().try_for_each(|word| list.add(word)).ok()?;
    scan.excluded.iter().try_for_each(|word| list.exclude(word)).ok()?;
    let set = list.into_set(&Ports::new(scan.ports.iter().copied())?).ok()?;
    (scan.targets_digest.as_ref() == Some(&set.digest().to_string())).then_some(set)
}
