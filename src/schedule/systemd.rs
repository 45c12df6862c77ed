//! A timer and a service, sandboxed as far as a scan bears it.

use std::path::{Path, PathBuf};

use super::{Credential, Job, TimeOfDay, When, Word, has_control_characters};

/// What the service is called and who it is.
#[derive(Clone, Debug)]
pub struct Service<'a> {
    /// Without `.service`.
    pub name: &'a str,
    pub job: Job<'a>,
    pub user: User<'a>,
    pub priority: Priority,
    pub credentials: &'a [Credential],
    /// Directories outside of its own that it writes to.
    pub writable: &'a [PathBuf],
}

/// As whom the service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User<'a> {
    /// One that exists only while it runs.
    Dynamic,
    Named(&'a str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    Usual,
    /// Only when nobody else wants to.
    Low,
}

/// The directory that is the service's own, by the name systemd knows it by.
const STATE: &str = "docksweep";

/// Where the service's relative paths are.
pub fn state_directory() -> PathBuf {
    Path::new("/var/lib").join(STATE)
}

/// Whether `name` can be a unit's.
pub fn is_unit_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    (1..=100).contains(&name.len())
        && name.chars().all(allowed)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Whether `name` can be a user's.
pub fn is_user_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    (1..=31).contains(&name.len())
        && name.chars().all(allowed)
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
}

/// Whether a unit has a place for this text.
pub fn can_hold(text: &str) -> bool {
    !has_control_characters(text)
}

/// The service's unit file.
pub fn service(service: &Service<'_>) -> String {
    let Service { job, user, priority, credentials, writable, .. } = service;
    let program = quoted_path(&job.program.to_string_lossy());
    let words = job.words.iter().map(|word| match word {
        Word::Plain(text) => quoted(text),
        Word::Credential { before, name } => format!("\"{}%d/{name}\"", escaped(before)),
    });
    let command = std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ");
    let user = match user {
        // The same for all services by this program, as they share a directory.
        User::Dynamic => format!("DynamicUser=yes\nUser={STATE}\n"),
        User::Named(name) => format!("User={name}\n"),
    };
    let mut own = String::new();
    for Credential { name, path } in *credentials {
        own.push_str(&format!("LoadCredential={name}:{}\n", specifiers(&path.to_string_lossy())));
    }
    for directory in *writable {
        // Where it is not there, the run says so better than systemd would.
        let path = format!("-{}", directory.display());
        own.push_str(&format!("ReadWritePaths={}\n", quoted_path(&path)));
    }
    if *priority == Priority::Low {
        // The niceness is the scan's own doing: here, it would be lowered twice.
        own.push_str("CPUSchedulingPolicy=batch\nIOSchedulingClass=idle\n");
    }
    format!(
        "[Unit]
Description=Sweep for Docker daemons that a stranger could take over
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={command}
# 11 is a scan that was stopped, as by systemctl stop: its report is there, and partial. With 10, a
# finding from --fail-on up, the service counts as failed, so that OnFailure= can tell of it.
SuccessExitStatus=11
TimeoutStartSec=infinity
TimeoutStopSec=2min
{user}{own}
# Relative paths are in here, and advisories that were imported to it are used.
StateDirectory={STATE}
StateDirectoryMode=0750
WorkingDirectory=%S/{STATE}
Environment=XDG_DATA_HOME=%S
UMask=0077
LimitNOFILE=65536

# All that it may do beyond a plain user: send and receive raw packets.
AmbientCapabilities=CAP_NET_RAW
CapabilityBoundingSet=CAP_NET_RAW
{SANDBOX}"
    )
}

/// Not here, as they would take away what a scan needs: `PrivateNetwork`, `IPAddressDeny`,
/// `PrivateUsers` (there, CAP_NET_RAW is none), `ProcSubset=pid` (the size of the connection
/// tracking table is read).
const SANDBOX: &str = "\
NoNewPrivileges=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_PACKET AF_UNIX
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @keyring @memlock @setuid @chown
SystemCallErrorNumber=EPERM
SystemCallArchitectures=native
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
PrivateIPC=yes
PrivateMounts=yes
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
KeyringMode=private
";

/// The timer's unit file.
pub fn timer(name: &str, when: When) -> String {
    let at = |TimeOfDay { hour, minute }: TimeOfDay| format!("{hour:02}:{minute:02}:00");
    let (calendar, spread) = match when {
        When::Hourly { minute } => (format!("*-*-* *:{minute:02}:00"), "2min"),
        When::Daily(time) => (format!("*-*-* {}", at(time)), "10min"),
        When::Weekly(time) => (format!("Mon *-*-* {}", at(time)), "10min"),
        When::Monthly(time) => (format!("*-*-01 {}", at(time)), "10min"),
    };
    format!(
        "[Unit]
Description=Sweep for Docker daemons that a stranger could take over, when it is time

[Timer]
Unit={name}.service
OnCalendar={calendar}
# A run that was missed while the machine was off is made up for.
Persistent=true
RandomizedDelaySec={spread}

[Install]
WantedBy=timers.target
"
    )
}

/// As an argument in `ExecStart=`.
fn quoted(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { format!("\"{}\"", escaped(text)) }
}

/// Where systemd knows no variables.
fn quoted_path(text: &str) -> String {
    let escaped = || specifiers(&text.replace('\\', r"\\").replace('"', "\\\""));
    if is_plain(text) { text.to_owned() } else { format!("\"{}\"", escaped()) }
}

fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+:,./@".contains(c);
    !text.is_empty() && text.chars().all(plain)
}

/// For between double quotes: there are escapes, specifiers and variables.
fn escaped(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('"', "\\\"").replace('$', "$$");
    specifiers(&escaped)
}

fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}
