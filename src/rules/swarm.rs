//! What a swarm node tells of its swarm.

use super::setting::setting;
use super::{Rule, Verdict};
use crate::assess::posture::Swarm;
use crate::finding::Severity;

const SWARM: &str = "https://docs.docker.com/engine/swarm/how-swarm-mode-works/nodes/";

pub static SWARM_MANAGER_EXPOSED: Rule = Rule {
    name: "swarm-manager-exposed",
    severity: Severity::Info,
    title: "Manager of a swarm",
    why: "Whoever holds a manager's API holds every node of the swarm, its secrets and its \
          services.",
    detection: "Swarm in /info says that the node is active and has control.",
    remediation: "Keep the API of managers off the network, or behind client certificates of \
                  their own, and let only the nodes reach ports 2377, 7946 and 4789. Where no \
                  swarm is needed: docker swarm leave --force.",
    cwe: None,
    references: &[SWARM, "CIS Docker Benchmark 1.6.0, 5.1 (swarm mode only where needed)"],
    check: |subject| {
        setting(
            subject,
            |p| &p.swarm,
            |swarm, shown_by| match swarm {
                Swarm { active: false, .. } => Verdict::NotApplicable,
                Swarm { manager: true, .. } => Verdict::found(format!(
                    "This node manages a swarm of {} managers: {shown_by}, with control.",
                    swarm
                        .managers
                        .map_or_else(|| "an unknown number of".to_owned(), |n| n.to_string())
                )),
                _ => Verdict::Passed,
            },
        )
    },
};

pub static SWARM_MANAGERS_EVEN: Rule = Rule {
    name: "swarm-managers-even",
    severity: Severity::Info,
    title: "Swarm without a spare manager",
    why: "The managers decide by majority. With one, its loss is the loss of the swarm; an even \
          number survives no more losses than one manager less would.",
    detection: "Managers in /info of a manager is 1 or an even number.",
    remediation: "Have three, five or seven managers:\n\
                  \n    docker node promote NODE\
                  \n    docker node demote NODE\n",
    cwe: None,
    references: &[
        "https://docs.docker.com/engine/swarm/raft/",
        "CIS Docker Benchmark 1.6.0, 7.1 (number of managers)",
    ],
    check: |subject| {
        setting(
            subject,
            |p| &p.swarm,
            |swarm, _| match (swarm.manager, swarm.managers) {
                (false, _) => Verdict::NotApplicable,
                (true, None) => Verdict::undetermined("/info does not tell the number of managers"),
                (true, Some(count)) if count == 1 || count % 2 == 0 => {
                    Verdict::found(format!("The swarm has {count} managers."))
                }
                (true, Some(_)) => Verdict::Passed,
            },
        )
    },
};

pub static SWARM_AUTOLOCK_OFF: Rule = Rule {
    name: "swarm-autolock-off",
    severity: Severity::Low,
    title: "Swarm keys lie open on the managers' disks",
    why: "The keys of the swarm's log, and so of its secrets, are read at start from the disk. \
          Whoever has a copy of a manager's disk has them.",
    detection: "AutoLockManagers in a manager's /info is false.",
    remediation: "docker swarm update --autolock=true, and keep the key that it prints in a safe: \
                  a manager that restarts asks for it.",
    cwe: Some(312),
    references: &[
        "https://docs.docker.com/engine/swarm/swarm_manager_locking/",
        "CIS Docker Benchmark 1.6.0, 7.5 (auto-lock)",
    ],
    check: |subject| {
        setting(
            subject,
            |p| &p.swarm,
            |swarm, _| match (swarm.manager, swarm.auto_lock) {
                (false, _) => Verdict::NotApplicable,
                (true, None) => Verdict::undetermined("/info does not tell whether managers lock"),
                (true, Some(false)) => {
                    Verdict::found("AutoLockManagers is false: managers start without a key.")
                }
                (true, Some(true)) => Verdict::Passed,
            },
        )
    },
};

pub static SWARM_NODE_CERTIFICATES_LONG: Rule = Rule {
    name: "swarm-node-certificates-long",
    severity: Severity::Info,
    title: "Swarm nodes keep their certificates for long",
    why: "A node's stolen key is good for as long as its certificate.",
    detection: "NodeCertExpiry in a manager's /info is above 90 days, which is the default.",
    remediation: "Shorten them to what the nodes can renew in time:\n\n    docker swarm update --cert-expiry 720h\n",
    cwe: None,
    references: &[
        "https://docs.docker.com/engine/swarm/how-swarm-mode-works/pki/",
        "CIS Docker Benchmark 1.6.0, 7.7 (rotation of node certificates)",
    ],
    check: |subject| {
        const DEFAULT_DAYS: u64 = 90;
        setting(
            subject,
            |p| &p.swarm,
            |swarm, _| match (swarm.manager, swarm.node_cert_expiry_days) {
                (false, _) => Verdict::NotApplicable,
                (true, None) => {
                    Verdict::undetermined("/info does not tell how long they are valid")
                }
                (true, Some(days)) if days > DEFAULT_DAYS => {
                    Verdict::found(format!("Node certificates are valid for {days} days."))
                }
                (true, Some(_)) => Verdict::Passed,
            },
        )
    },
};

pub static SWARM_OVERLAY_UNENCRYPTED: Rule = Rule {
    name: "swarm-overlay-unencrypted",
    severity: Severity::Low,
    title: "Overlay network without encryption",
    why: "What containers say to each other across nodes passes the network in clear, and anyone \
          who can send to port 4789 can put packets into it.",
    detection: "An overlay network in /networks has no \"encrypted\" option; the ingress network \
                is left out, for it cannot have it.",
    remediation: "docker network create --driver overlay --opt encrypted NAME, and move the \
                  services there.",
    cwe: Some(319),
    references: &[
        "https://docs.docker.com/engine/network/drivers/overlay/",
        "CIS Docker Benchmark 1.6.0, 7.3 (encrypted overlay networks)",
    ],
    check: |subject| {
        let active = setting(
            subject,
            |p| &p.swarm,
            |swarm, _| {
                if swarm.active { Verdict::Passed } else { Verdict::NotApplicable }
            },
        );
        if active != Verdict::Passed {
            return active;
        }
        setting(
            subject,
            |p| &p.unencrypted_overlays,
            |names, _| {
                if names.is_empty() {
                    return Verdict::Passed;
                }
                let names: Vec<&str> = names.iter().take(8).map(String::as_str).collect();
                Verdict::found(format!(
                    "Overlay networks without encryption: {}.",
                    names.join(", ")
                ))
            },
        )
    },
};
