//! Containers that are as good as the host. Judged where containers were asked for.

use super::{Rule, Subject, Verdict, Violation};
use crate::finding::Severity;
use crate::observation::posture::ContainerBody;

const RUN: &str = "https://docs.docker.com/reference/cli/docker/container/run/";

pub static CONTAINER_PRIVILEGED: Rule = Rule {
    name: "container-privileged",
    severity: Severity::High,
    title: "Privileged container",
    why: "It has every capability and device of the host, and no confinement: root in it is root \
          outside.",
    detection: "HostConfig.Privileged of the container is true.",
    remediation: "Create it anew without --privileged, with only what it needs:\n\
                  \n    docker run --cap-add NAME --device /dev/NAME ...\n",
    cwe: Some(250),
    references: &[RUN, "CIS Docker Benchmark 1.6.0, 5.5 (privileged containers)"],
    check: |subject| {
        each(subject, |container| {
            (container.privileged == Some(true)).then(|| "Privileged is true".to_owned())
        })
    },
};

pub static CONTAINER_SOCKET_MOUNT: Rule = Rule {
    name: "container-socket-mount",
    severity: Severity::High,
    title: "Container holds the engine's socket",
    why: "Whoever is in the container can start another one as root on the host. A read-only \
          mount changes nothing about that.",
    detection: "A mount's source is an engine's socket, or a directory that holds it.",
    remediation: "Take the mount away, or put a proxy in between that passes only the calls the \
                  container makes.",
    cwe: Some(250),
    references: &[
        "https://docs.docker.com/engine/security/#docker-daemon-attack-surface",
        "CIS Docker Benchmark 1.6.0, 5.32 (Docker's socket in containers)",
    ],
    check: |subject| {
        each(subject, |container| {
            let bind = container.binds.iter().find(|bind| holds_socket(&bind.source))?;
            Some(format!("{} is mounted at {}", bind.source, bind.destination))
        })
    },
};

pub static CONTAINER_HOST_NAMESPACE: Rule = Rule {
    name: "container-host-namespace",
    severity: Severity::Medium,
    title: "Container shares a namespace of the host",
    why: "With the host's network it reaches what listens on loopback only, with its processes it \
          can see and signal them, with its IPC it can read their shared memory.",
    detection: "NetworkMode, PidMode, IpcMode, UTSMode or UsernsMode of the container is \"host\".",
    remediation: "Create it anew without --network host, --pid host, --ipc host, --uts host and \
                  --userns host; publish the ports that it serves.",
    cwe: Some(653),
    references: &[
        RUN,
        "CIS Docker Benchmark 1.6.0, 5.10, 5.16, 5.17, 5.21 and 5.31 (host namespaces)",
    ],
    check: |subject| {
        each(subject, |container| {
            let shared: Vec<&str> = [
                ("NetworkMode", &container.network_mode),
                ("PidMode", &container.pid_mode),
                ("IpcMode", &container.ipc_mode),
                ("UTSMode", &container.uts_mode),
                ("UsernsMode", &container.userns_mode),
            ]
            .into_iter()
            .filter(|(_, mode)| mode.as_deref() == Some("host"))
            .map(|(name, _)| name)
            .collect();
            (!shared.is_empty()).then(|| format!("\"host\" for {}", shared.join(", ")))
        })
    },
};

pub static CONTAINER_HOST_MOUNT: Rule = Rule {
    name: "container-host-mount",
    severity: Severity::High,
    title: "Container holds a directory that rules the host",
    why: "Writing there is a way to root on the host: units, accounts, keys, boot files, the \
          engine's own data. Reading there gives away its secrets.",
    detection: "A mount's source is /, /boot, /dev, /etc, /lib, /proc, /root, /sys, /usr, /var, \
                /var/lib/docker or below them where that is as bad. Medium where it is read-only.",
    remediation: "Mount only the directory that the container works on, or a volume:\n\
                  \n    docker run -v NAME:/data ...\n",
    cwe: Some(653),
    references: &[RUN, "CIS Docker Benchmark 1.6.0, 5.6 (sensitive host directories)"],
    check: |subject| {
        each_violation(subject, |container| {
            let held = |writable: bool| {
                container
                    .binds
                    .iter()
                    .find(|bind| bind.writable == writable && rules_the_host(&bind.source))
            };
            let (bind, severity) = match (held(true), held(false)) {
                (Some(bind), _) => (bind, Severity::High),
                (None, Some(bind)) => (bind, Severity::Medium),
                (None, None) => return None,
            };
            let mode = if bind.writable { "for writing" } else { "read-only" };
            let evidence = format!("{} is mounted at {} {mode}", bind.source, bind.destination);
            Some((evidence, severity))
        })
    },
};

pub static CONTAINER_CAPABILITIES: Rule = Rule {
    name: "container-capabilities",
    severity: Severity::Medium,
    title: "Container with a capability that is as good as root",
    why: "Such a capability lets a container mount, load, trace or open what the host guards.",
    detection: "CapAdd of the container has ALL, SYS_ADMIN, SYS_MODULE, SYS_PTRACE, SYS_RAWIO, \
                DAC_READ_SEARCH, BPF, PERFMON, SYS_BOOT, MAC_ADMIN or MAC_OVERRIDE. High for ALL \
                and SYS_ADMIN.",
    remediation: "Create it anew without --cap-add, or with a smaller one:\n\
                  \n    docker run --cap-drop ALL --cap-add NET_BIND_SERVICE ...\n",
    cwe: Some(250),
    references: &[
        "https://docs.docker.com/engine/security/#linux-kernel-capabilities",
        "CIS Docker Benchmark 1.6.0, 5.4 (capabilities)",
    ],
    check: |subject| {
        each_violation(subject, |container| {
            let added: Vec<&str> = container
                .cap_add
                .iter()
                .flatten()
                .map(|name| name.strip_prefix("CAP_").unwrap_or(name))
                .filter(|name| MIGHTY.contains(name))
                .collect();
            let worst = added.iter().any(|name| matches!(*name, "ALL" | "SYS_ADMIN"));
            let severity = if worst { Severity::High } else { Severity::Medium };
            (!added.is_empty()).then(|| (format!("CapAdd has {}", added.join(", ")), severity))
        })
    },
};

const MIGHTY: [&str; 11] = [
    "ALL",
    "SYS_ADMIN",
    "SYS_MODULE",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "DAC_READ_SEARCH",
    "BPF",
    "PERFMON",
    "SYS_BOOT",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
];

/// Judges every inspected container.
fn each(subject: &Subject<'_>, found: impl Fn(&ContainerBody) -> Option<String>) -> Verdict {
    each_found(subject, |container| found(container).map(|evidence| (evidence, None)))
}

/// As `each`, for a rule whose severity depends on the case.
fn each_violation(
    subject: &Subject<'_>,
    found: impl Fn(&ContainerBody) -> Option<(String, Severity)>,
) -> Verdict {
    each_found(subject, |container| {
        found(container).map(|(evidence, severity)| (evidence, Some(severity)))
    })
}

fn each_found(
    subject: &Subject<'_>,
    found: impl Fn(&ContainerBody) -> Option<(String, Option<Severity>)>,
) -> Verdict {
    let Some(containers) = subject.assessment.containers() else { return Verdict::NotApplicable };
    let violations: Vec<Violation> = containers
        .inspected
        .iter()
        .filter_map(|container| {
            let (evidence, severity) = found(container)?;
            let violation = Violation::new(format!("{}: {evidence}.", described(container)))
                .subject(format!("container {}", container.id.as_deref().unwrap_or("?")));
            Some(match severity {
                Some(severity) => violation.severity(severity),
                None => violation,
            })
        })
        .collect();
    if !violations.is_empty() {
        return Verdict::Found(violations);
    }
    let missing = containers.total.saturating_sub(containers.inspected.len());
    if missing > 0 {
        return Verdict::undetermined(format!(
            "{missing} of {} containers were not inspected",
            containers.total
        ));
    }
    Verdict::Passed
}

fn described(container: &ContainerBody) -> String {
    let name = container.name.as_deref().unwrap_or("without a name");
    let image = container.image.as_deref().unwrap_or("an unknown image");
    let state = if container.running == Some(true) { "running" } else { "not running" };
    format!("Container {name} of {image} ({state})")
}

fn holds_socket(source: &str) -> bool {
    let source = source.trim_end_matches('/');
    source.ends_with("docker.sock")
        || source.ends_with("podman.sock")
        || source.ends_with("containerd.sock")
        || matches!(source, "/var/run" | "/run" | "/run/docker" | "/run/containerd")
}

/// Directories that make a host what it is, and those in which anything below is as bad.
fn rules_the_host(source: &str) -> bool {
    const EXACTLY: [&str; 8] = ["", "/dev", "/lib", "/proc", "/sys", "/usr", "/var", "/home"];
    const WITH_ALL_BELOW: [&str; 5] = ["/boot", "/etc", "/root", "/var/lib/docker", "/usr/lib"];
    // Files that the engine itself would have mounted harmlessly.
    const HARMLESS: [&str; 4] =
        ["/etc/localtime", "/etc/timezone", "/etc/resolv.conf", "/etc/hosts"];
    let source = source.trim_end_matches('/');
    !HARMLESS.contains(&source)
        && (EXACTLY.contains(&source)
            || WITH_ALL_BELOW.iter().any(|folder| {
                source
                    .strip_prefix(folder)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }))
}

#[cfg(test)]
mod tests;
