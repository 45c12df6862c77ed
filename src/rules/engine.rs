//! How the engine is set up: rootless, user namespaces, networks, confinement, registries.

use super::setting::{setting, unwanted, wanted};
use super::{Rule, Subject, Verdict, Violation};
use crate::assess::posture::{Fact, Posture};
use crate::finding::Severity;

macro_rules! daemon_json {
    ($setting:literal) => {
        concat!(
            "In /etc/docker/daemon.json, then systemctl restart docker:\n\n    { ",
            $setting,
            " }\n"
        )
    };
}

pub static ENGINE_ROOTFUL: Rule = Rule {
    name: "engine-rootful",
    severity: Severity::Low,
    title: "Engine runs as root",
    why: "Whoever gets out of a container, or into the API, is root on the host. A rootless engine \
          leaves them with the rights of one ordinary user.",
    detection: "SecurityOptions in /info has no \"rootless\".",
    remediation: "Run the engine as a user of its own, where its limits allow (no AppArmor, \
                  overlay networks or ports below 1024 without further set-up):\n\
                  \n    apt-get install uidmap docker-ce-rootless-extras\
                  \n    systemctl disable --now docker.service docker.socket\
                  \n    dockerd-rootless-setuptool.sh install    # as that user\n",
    cwe: Some(250),
    references: &[
        "https://docs.docker.com/engine/security/rootless/",
        "CIS Docker Benchmark 1.6.0, 2.1 (daemon as a user other than root)",
    ],
    check: |subject| wanted(subject, |p| &p.rootless, "The engine is not rootless"),
};

pub static ENGINE_USERNS_OFF: Rule = Rule {
    name: "engine-userns-off",
    severity: Severity::Low,
    title: "No user namespaces for containers",
    why: "Root in a container is then the host's root, kept in only by the kernel's other fences. \
          With remapping it is a user without rights outside.",
    detection: "SecurityOptions in /info has no \"userns\"; a rootless engine needs none.",
    remediation: concat!(
        daemon_json!("\"userns-remap\": \"default\""),
        "\nImages and containers move to a directory of their own, so pull and create them again. \
         Containers that need the host's namespaces opt out with --userns=host."
    ),
    cwe: Some(250),
    references: &[
        "https://docs.docker.com/engine/security/userns-remap/",
        "CIS Docker Benchmark 1.6.0, 2.9 (user namespaces)",
    ],
    check: |subject| {
        let rootless = subject.assessment.posture().map(|posture| &posture.rootless);
        if matches!(rootless, Some(Fact::Known { value: true, .. })) {
            return Verdict::NotApplicable;
        }
        wanted(subject, |p| &p.userns_remap, "Users are not remapped")
    },
};

pub static ENGINE_ICC_ON: Rule = Rule {
    name: "engine-icc-on",
    severity: Severity::Low,
    title: "Containers on the default bridge reach each other",
    why: "One container that is taken over can attack all others on the bridge, on ports that were \
          never published.",
    detection: "The default bridge in /networks has com.docker.network.bridge.enable_icc set to \
                true.",
    remediation: concat!(
        daemon_json!("\"icc\": false"),
        "\nContainers that belong together get a network of their own (docker network create)."
    ),
    cwe: Some(653),
    references: &[
        "https://docs.docker.com/engine/network/drivers/bridge/",
        "CIS Docker Benchmark 1.6.0, 2.2 (traffic on the default bridge)",
    ],
    check: |subject| unwanted(subject, |p| &p.icc, "Inter-container communication is on"),
};

pub static ENGINE_SECCOMP_OFF: Rule = Rule {
    name: "engine-seccomp-off",
    severity: Severity::Medium,
    title: "Containers run without a seccomp profile",
    why: "Every system call of the kernel is open to a container, also those that most escapes \
          begin with.",
    detection: "SecurityOptions in /info has no \"seccomp\", or its profile is \"unconfined\".",
    remediation: "Take \"seccomp-profile\": \"unconfined\" out of /etc/docker/daemon.json and \
                  --seccomp-profile=unconfined out of the unit, and restart; where the kernel has \
                  no CONFIG_SECCOMP_FILTER, run one that has.\n\
                  \n    docker info --format '{{.SecurityOptions}}'\n",
    cwe: None,
    references: &[
        "https://docs.docker.com/engine/security/seccomp/",
        "CIS Docker Benchmark 1.6.0, 2.17 (daemon-wide seccomp profile)",
    ],
    check: |subject| wanted(subject, |p| &p.seccomp, "Seccomp does not confine containers"),
};

pub static ENGINE_NO_MAC: Rule = Rule {
    name: "engine-no-mac",
    severity: Severity::Low,
    title: "Neither AppArmor nor SELinux confines containers",
    why: "What a container may do to files and devices of the host is then decided by users and \
          capabilities alone.",
    detection: "SecurityOptions in /info has neither \"apparmor\" nor \"selinux\".",
    remediation: "Debian, Ubuntu and SUSE have AppArmor: install it and start with apparmor=1 \
                  security=apparmor. On Red Hat's systems turn SELinux on for containers:\n\
                  \n    { \"selinux-enabled\": true }    # /etc/docker/daemon.json\n",
    cwe: None,
    references: &[
        "https://docs.docker.com/engine/security/apparmor/",
        "CIS Docker Benchmark 1.6.0, 5.2 (AppArmor) and 5.3 (SELinux)",
    ],
    check: |subject| {
        wanted(subject, |p| &p.mandatory_access_control, "No mandatory access control")
    },
};

pub static ENGINE_NO_NEW_PRIVILEGES_OFF: Rule = Rule {
    name: "engine-no-new-privileges-off",
    severity: Severity::Low,
    title: "Containers may gain privileges",
    why: "A set-user-ID program in an image makes its user root in the container. Few images need \
          that, and each can ask for it.",
    detection: "SecurityOptions in /info has no \"no-new-privileges\", which engines report since \
                24.0.",
    remediation: daemon_json!("\"no-new-privileges\": true"),
    cwe: None,
    references: &[
        "https://docs.docker.com/reference/cli/dockerd/",
        "CIS Docker Benchmark 1.6.0, 2.14 (new privileges)",
    ],
    check: |subject| {
        wanted(subject, |p| &p.no_new_privileges, "New privileges are not denied by default")
    },
};

pub static ENGINE_LIVE_RESTORE_OFF: Rule = Rule {
    name: "engine-live-restore-off",
    severity: Severity::Info,
    title: "Containers stop with the engine",
    why: "An update of the engine stops every container, which is why updates are put off.",
    detection: "LiveRestoreEnabled in /info is false, and the node is in no swarm, which excludes \
                it.",
    remediation: daemon_json!("\"live-restore\": true"),
    cwe: None,
    references: &[
        "https://docs.docker.com/engine/daemon/live-restore/",
        "CIS Docker Benchmark 1.6.0, 2.15 (live restore)",
    ],
    check: live_restore,
};

fn live_restore(subject: &Subject<'_>) -> Verdict {
    match subject.assessment.posture().map(|posture| &posture.swarm) {
        Some(Fact::Known { value, .. }) if value.active => Verdict::NotApplicable,
        _ => wanted(subject, |p| &p.live_restore, "Live restore is off"),
    }
}

pub static ENGINE_INSECURE_REGISTRY: Rule = Rule {
    name: "engine-insecure-registry",
    severity: Severity::Medium,
    title: "Images may come from an unverified registry",
    why: "Whoever stands between the engine and such a registry can put any image in the place of \
          the one asked for, and it runs.",
    detection: "RegistryConfig in /info lists an address range other than this machine's own, or \
                an index that is not secure.",
    remediation: "Give the registry a certificate, put its CA where the engine looks, and take it \
                  out of \"insecure-registries\" in /etc/docker/daemon.json:\n\
                  \n    /etc/docker/certs.d/registry.example:5000/ca.crt\n",
    cwe: Some(295),
    references: &[
        "https://docs.docker.com/engine/security/certificates/",
        "CIS Docker Benchmark 1.6.0, 2.5 (insecure registries)",
    ],
    check: |subject| {
        unwanted_list(subject, |p| &p.insecure_registries, "Spoken to without verified TLS")
    },
};

/// For a list that ought to be empty.
fn unwanted_list(
    subject: &Subject<'_>,
    fact: impl Fn(&Posture) -> &Fact<Vec<String>>,
    what: &str,
) -> Verdict {
    setting(subject, fact, |entries, shown_by| {
        if entries.is_empty() {
            return Verdict::Passed;
        }
        let names: Vec<&str> = entries.iter().take(8).map(String::as_str).collect();
        Verdict::Found(vec![Violation::new(format!("{what}: {}. {shown_by}.", names.join(", ")))])
    })
}

pub static ENGINE_NO_AUTHORIZATION_PLUGIN: Rule = Rule {
    name: "engine-no-authorization-plugin",
    severity: Severity::Info,
    title: "No authorization plugin",
    why: "Docker's own API is all or nothing: whoever may list containers may also run one as \
          root. Only a plugin can tell users apart.",
    detection: "Plugins.Authorization in /info is null or an empty list.",
    remediation: "Where several people or programs use the API, put a plugin in front:\n\
                  \n    { \"authorization-plugins\": [\"NAME\"] }    # /etc/docker/daemon.json\n",
    cwe: Some(862),
    references: &[
        "https://docs.docker.com/engine/extend/plugins_authorization/",
        "CIS Docker Benchmark 1.6.0, 2.12 (authorization for client commands)",
    ],
    check: |subject| {
        setting(
            subject,
            |p| &p.authorization_plugins,
            |plugins, shown_by| {
                if plugins.is_empty() {
                    Verdict::found(format!("Every client may do everything: {shown_by}."))
                } else {
                    Verdict::Passed
                }
            },
        )
    },
};

pub static ENGINE_EXPERIMENTAL: Rule = Rule {
    name: "engine-experimental",
    severity: Severity::Low,
    title: "Experimental features are on",
    why: "What is experimental has seen less review, and changes without notice.",
    detection: "ExperimentalBuild, which /info reports, is true.",
    remediation: "Take \"experimental\": true out of /etc/docker/daemon.json, and --experimental \
                  out of the unit, then restart.",
    cwe: None,
    references: &[
        "https://docs.docker.com/reference/cli/dockerd/",
        "CIS Docker Benchmark 1.6.0, 2.18 (experimental features)",
    ],
    check: |subject| unwanted(subject, |p| &p.experimental, "Experimental features are on"),
};

#[cfg(test)]
mod tests;
