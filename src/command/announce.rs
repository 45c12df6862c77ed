//! What `scan` does for `--lock`, `--nice`, `--notify` and `--heartbeat`: one run at a time, out of
//! others' way, and others told that it is over and what is new.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use crate::cli::{NotifyFormat, UnattendedArgs};
use crate::command::{Failure, warn};
use crate::exit_code::ExitCode;
use crate::finding::Severity;
use crate::lock::{LockError, RunLock};
use crate::notify::{Notification, generic, slack, teams};
use crate::report::v1::Report;
use crate::webhook::{Address, AddressError, Client, Heartbeat};

/// For all posts together: they run at the same time.
const NOTIFY: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How much lower the priority is with `--nice`; the scale has 20 steps below the usual one.
const NICE: i32 = 10;
const LONGEST_ADDRESS: u64 = 8 * 1024;

/// Who is to be told, and how the run goes about it.
#[derive(Debug)]
pub(super) struct Announcing {
    lock: Option<PathBuf>,
    is_nice: bool,
    recipients: Vec<Address>,
    format: NotifyFormat,
    least: Severity,
    /// Also without news.
    always: bool,
    heartbeat: Option<Heartbeat>,
    /// What the heartbeat says of the report, once there is one.
    found: OnceLock<String>,
}

impl Announcing {
    /// Checks the addresses.
    pub(super) fn new(args: &UnattendedArgs) -> Result<Self, Failure> {
        let recipients = args.notify.iter().map(|text| {
            let refused = |error: AddressError| refused("--notify", &error);
            Address::parse(&secret("--notify", text)?).map_err(refused)
        });
        let heartbeat = args.heartbeat.as_ref().map(|text| {
            let refused = |error: AddressError| refused("--heartbeat", &error);
            Heartbeat::parse(&secret("--heartbeat", text)?).map_err(refused)
        });
        Ok(Self {
            lock: args.lock.clone(),
            is_nice: args.nice,
            recipients: recipients.collect::<Result<_, _>>()?,
            format: args.notify_format,
            least: args.notify_from,
            always: args.notify_always,
            heartbeat: heartbeat.transpose()?,
            found: OnceLock::new(),
        })
    }

    /// Before the first packet, and before there are threads, since each has its own priority. The
    /// run lasts as long as the lock lives.
    pub(super) fn begin(&self) -> Result<Option<RunLock>, Failure> {
        let lock = self.lock.as_deref().map(RunLock::take).transpose()?;
        if self.is_nice
            && let Err(error) = rustix::process::nice(NICE)
        {
            warn(&format!("--nice: the priority stays as it is: {error}"));
        }
        Ok(lock)
    }

    /// After the report is written. `new` has the ids of findings that the run before did not have;
    /// none where nothing is known of an earlier run.
    pub(super) fn report(&self, report: &Report, new: Option<&HashSet<String>>) {
        let _ = self.found.set(summary(report));
        if self.recipients.is_empty() {
            return;
        }
        let notification = Notification::new(report, self.least, new);
        if !notification.has_news() && !self.always {
            tracing::info!("there is nothing new to post");
            return;
        }
        let message = match self.format {
            NotifyFormat::Generic => serde_json::to_vec(&generic::Message::new(&notification)),
            NotifyFormat::Slack => serde_json::to_vec(&slack::message(&notification)),
            NotifyFormat::Teams => serde_json::to_vec(&teams::message(&notification)),
        };
        match message {
            Ok(message) => self.post_to_all(&message),
            Err(error) => warn(&format!("--notify: the message cannot be made: {error}")),
        }
    }

    /// To all at the same time, so that one that does not answer takes no time from the others.
    fn post_to_all(&self, message: &[u8]) {
        let client = Client::new(self.recipients.iter());
        std::thread::scope(|scope| {
            for address in &self.recipients {
                let post = || {
                    let posted = client.post(address, "application/json", message, NOTIFY);
                    if let Err(error) = posted {
                        warn(&format!("--notify {error}"));
                    }
                };
                scope.spawn(post);
            }
        });
    }

    /// Last of all, however the run ended.
    pub(super) fn end(self, code: ExitCode) {
        // Somebody is there who wants to leave at once.
        if code == ExitCode::Interrupted {
            return;
        }
        let Some(heartbeat) = &self.heartbeat else { return };
        let found = self.found.into_inner().unwrap_or_else(|| "there is no report".to_owned());
        let line = format!("docksweep: {}; {found}\n", code.meaning());
        match heartbeat.address(code as u8) {
            Ok(address) => {
                let client = Client::new(std::iter::once(&address));
                let posted = client.post(&address, "text/plain", line.as_bytes(), HEARTBEAT);
                if let Err(error) = posted {
                    warn(&format!("--heartbeat {error}"));
                }
            }
            Err(error) => warn(&format!("--heartbeat: {error}")),
        }
    }
}

/// `12 endpoints on 65536 addresses, 1 critical, 2 high`.
fn summary(report: &Report) -> String {
    let summary = &report.summary;
    let mut text =
        format!("{} endpoints on {} addresses", summary.endpoints, report.scan.addresses);
    for severity in Severity::WORST_FIRST {
        let count = summary.by_severity.of(severity);
        if count > 0 {
            text.push_str(&format!(", {count} {severity}"));
        }
    }
    text
}

/// The address itself, or what the file holds that stands in its place.
fn secret(flag: &str, text: &str) -> Result<String, Failure> {
    let Some(path) = text.strip_prefix('@') else { return Ok(text.to_owned()) };
    let mut content = String::new();
    File::open(Path::new(path))
        .and_then(|file| file.take(LONGEST_ADDRESS).read_to_string(&mut content))
        .map_err(|error| Failure::usage(format!("{flag} @{path}: {error}")))?;
    Ok(content.trim().to_owned())
}

fn refused(flag: &str, error: &AddressError) -> Failure {
    Failure::usage(format!("{flag}: {error}"))
        .hint(format!("{flag} https://hooks.example/…, or @FILE, which holds such a line"))
}

/// The words of a command line, with what `--notify` and `--heartbeat` post to cut down to the
/// host: a report is read by people who are not to post there.
pub(super) fn without_addresses(words: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut is_address = false;
    let mut are_flags = true;
    let words = words.into_iter().map(|word| {
        if std::mem::take(&mut is_address) {
            return shown(&word);
        }
        are_flags &= word != "--";
        if !are_flags {
            return word;
        }
        is_address = FLAGS.contains(&word.as_str());
        match word.split_once('=') {
            Some((flag, address)) if FLAGS.contains(&flag) => format!("{flag}={}", shown(address)),
            _ => word,
        }
    });
    words.collect()
}

/// What a flag is set to, without such an address.
pub(super) fn setting(flag: &str, value: &str) -> String {
    let is_address = FLAGS.iter().any(|name| name.trim_start_matches('-') == flag);
    if is_address { shown(value) } else { value.to_owned() }
}

/// The flags whose values are secrets.
pub(super) const FLAGS: [&str; 2] = ["--notify", "--heartbeat"];

fn shown(address: &str) -> String {
    if address.starts_with('@') {
        return address.to_owned();
    }
    let known = Heartbeat::parse(address).and_then(|heartbeat| heartbeat.address(0));
    known.map_or_else(|_| "…".to_owned(), |address| address.to_string())
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let code = match error {
            LockError::Held { .. } => ExitCode::Locked,
            _ => ExitCode::Usage,
        };
        Self { code, message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_keeps_no_address() {
        let words = "docksweep scan --notify https://h.example/T0/secret 10.0.0.1 \
                     --notify=https://me:secret@h.example:8443/x?sig=secret --notify @/etc/slack \
                     --heartbeat http://hc.example/secret/{code} --heartbeat=secret --notify secret \
                     -q -- --notify";
        let shown = without_addresses(words.split_whitespace().map(str::to_owned)).join(" ");
        assert_eq!(
            shown,
            "docksweep scan --notify https://h.example/… 10.0.0.1 \
             --notify=https://h.example:8443/… --notify @/etc/slack \
             --heartbeat http://hc.example/… --heartbeat=… --notify … -q -- --notify"
        );
    }

    #[test]
    fn an_address_may_lie_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slack");
        std::fs::write(&path, " https://h.example/T0\n").unwrap();
        let read = secret("--notify", &format!("@{}", path.display())).unwrap();
        assert_eq!(read, "https://h.example/T0");
        let missing = secret("--notify", "@/nonexistent/slack").unwrap_err();
        assert_eq!(missing.code, ExitCode::Usage);
        assert!(missing.message.starts_with("--notify @/nonexistent/slack: "));
    }
}
