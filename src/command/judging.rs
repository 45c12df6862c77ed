//! Stored facts judged anew, one endpoint at a time: shared by `report` and `merge`.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::advisories::Advisories;
use crate::certificate::key::known::KnownKeys;
use crate::cli::JudgingArgs;
use crate::command::advisories::{self, Known};
use crate::command::invocation::Invocation;
use crate::command::remember::Beside;
use crate::command::scan::{TRUST_NOTE, exit_code, rules_version, trust_note};
use crate::command::{Failure, warn};
use crate::config;
use crate::exit_code::ExitCode;
use crate::finding::Severity;
use crate::observation::Observation;
use crate::report::v1::{self, Report, Summary};
use crate::report::{Destination, Format, Reporters, TextOptions};
use crate::rules::Basis;
use crate::rules::fleet::Fleet;
use crate::scan;
use crate::suppress::{self, Suppressing, Suppressions};
use crate::trust::Anchors;

/// By what is judged, and where the report goes.
pub(super) struct Judging {
    known: Known,
    anchors: Option<Anchors>,
    known_keys: KnownKeys,
    outputs: Vec<(Destination, Format)>,
    text: TextOptions,
    fail_on: Option<Severity>,
    suppressions: Suppressions,
    show_suppressed: bool,
    /// On which it is judged what is expired.
    today: Date,
}

impl Judging {
    pub(super) fn new(args: &JudgingArgs, invocation: &Invocation) -> Result<Self, Failure> {
        let mut suppressions = config::suppressions(&args.suppress)?;
        suppressions.add(invocation.suppressions.clone());
        let today = scan::today();
        suppressions.expired(today).iter().for_each(|note| warn(note));
        Ok(Self {
            today,
            suppressions,
            show_suppressed: args.suppress.show_suppressed,
            outputs: config::outputs(&args.outputs, args.format, config::Stdout::TextAlone)?,
            text: config::text_options(args.color, args.severity, &args.suppress),
            known: advisories::load(args.advisories.as_deref())?,
            anchors: config::anchors(&args.trust).map_err(config::ConfigError::from)?,
            known_keys: config::known_keys(&args.key_blocklists)?,
            fail_on: args.fail_on,
        })
    }

    /// Replaces the notes on what an earlier judgement went by. `how` says what was done, as in
    /// `judged again`.
    pub(super) fn note(&self, scan: &mut v1::Scan, how: &str) {
        let tool = self.tool();
        scan.notes.retain(|note| {
            let is_of_trust = note.starts_with(TRUST_NOTE);
            !advisories::is_note(note) && !is_of_trust && !suppress::is_note(note)
        });
        scan.notes.push(format!(
            "{how} by {} {} on {}, from what was seen then",
            tool.name,
            tool.version,
            Timestamp::now().strftime("%Y-%m-%d")
        ));
        scan.notes.extend(self.known.notes(Timestamp::now()));
        scan.notes.extend(self.anchors.as_ref().map(trust_note));
        scan.notes.extend(self.suppressions.expired(self.today));
    }

    /// Opens the outputs. `scan` is as for [`crate::report::Reporter::begin`].
    pub(super) fn begin<'a>(
        &'a self,
        scan: &v1::Scan,
        beside: Option<Beside<'a>>,
    ) -> Result<Judged<'a>, Failure> {
        let mut reporters = Reporters::default();
        for (destination, format) in &self.outputs {
            let text = match destination {
                Destination::Stdout => self.text,
                Destination::File(_) => self.text.for_file(),
            };
            reporters.add_ordered(destination, *format, text).map_err(|e| Failure::error(&e))?;
        }
        reporters.begin(&self.tool(), scan);
        Ok(Judged {
            judging: self,
            reporters,
            summary: Summary::default(),
            // None of the formats that need all endpoints at once need what they were judged by.
            keeps: self.outputs.iter().any(|(_, format)| format.needs_all_endpoints()),
            kept: Vec::new(),
            fleet: Fleet::default(),
            suppressing: Suppressing::new(&self.suppressions, self.today),
            beside,
        })
    }

    fn basis(&self) -> Basis<'_> {
        let advisories: &Advisories = &self.known.advisories;
        Basis { advisories, anchors: self.anchors.as_ref(), known_keys: &self.known_keys }
    }

    pub(super) fn tool(&self) -> v1::Tool {
        v1::Tool::current(rules_version(), self.known.advisories.date())
    }
}

/// What was judged so far.
pub(super) struct Judged<'a> {
    judging: &'a Judging,
    reporters: Reporters,
    summary: Summary,
    keeps: bool,
    kept: Vec<v1::Endpoint>,
    fleet: Fleet,
    suppressing: Suppressing<'a>,
    /// What earlier runs know, where a history is given.
    beside: Option<Beside<'a>>,
}

impl Judged<'_> {
    /// Endpoints come by address and port.
    pub(super) fn add(&mut self, observation: Observation) {
        let (mut endpoint, keys) = scan::judge_for_fleet(observation, self.judging.basis());
        self.suppressing.endpoint(&mut endpoint);
        if let Some(beside) = &mut self.beside {
            beside.endpoint(&endpoint, &keys);
        }
        self.fleet.add(keys);
        self.summary.add(&endpoint);
        self.reporters.endpoint(&endpoint);
        if self.keeps {
            endpoint.observation.connections = Vec::new();
            endpoint.observation.certificates = Vec::new();
            self.kept.push(endpoint);
        }
    }

    /// Judges what spans the endpoints, and commits the outputs.
    pub(super) fn finish(self, mut scan: v1::Scan) -> Result<ExitCode, Failure> {
        let Self { judging, reporters, mut summary, kept, mut fleet, mut suppressing, .. } = self;
        let mut beside = self.beside;
        if let Some(beside) = &mut beside {
            fleet.remember(beside.past(&scan));
        }
        let mut fleet_findings: Vec<v1::FleetFinding> =
            fleet.judge().iter().map(v1::FleetFinding::from).collect();
        for found in &mut fleet_findings {
            suppressing.fleet(found);
            summary.add_fleet(found);
        }
        if judging.show_suppressed {
            scan.notes.extend(suppressing.idle());
        }
        let (schema, tool) = (v1::Schema::V1, judging.tool());
        let changes = beside.as_mut().and_then(|beside| beside.changes(&fleet_findings));
        let report =
            Report { schema, tool, scan, summary, fleet_findings, changes, endpoints: kept };
        let written = reporters.finish(&report);
        let kept_run = beside.map(|beside| beside.finish(&report.scan, &report.fleet_findings));
        // The stored reports are still there: nothing is lost.
        written.map_err(|error| Failure::error(&error))?;
        kept_run.transpose()?;
        Ok(exit_code(&report, judging.fail_on))
    }
}
