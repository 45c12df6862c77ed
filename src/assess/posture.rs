//! How an engine is set up, from its own `/info` and `/networks`. Each setting is a value with
//! what shows it, or unknown with the reason.

use std::sync::Arc;

use crate::assess::Product;
use crate::observation::posture::{InfoBody, NetworksBody};

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    Known {
        value: T,
        /// The field that shows it, as sent.
        shown_by: Arc<str>,
    },
    Unknown {
        because: String,
    },
    /// This kind of engine has no such setting.
    NotApplicable {
        because: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posture {
    pub os_type: Option<String>,
    pub operating_system: Option<String>,
    pub rootless: Fact<bool>,
    pub userns_remap: Fact<bool>,
    /// Containers on the default bridge may talk to each other.
    pub icc: Fact<bool>,
    pub seccomp: Fact<bool>,
    /// AppArmor or SELinux.
    pub mandatory_access_control: Fact<bool>,
    /// New privileges are denied to all containers.
    pub no_new_privileges: Fact<bool>,
    pub live_restore: Fact<bool>,
    pub experimental: Fact<bool>,
    pub authorization_plugins: Fact<Vec<String>>,
    /// But for this machine's own addresses, which every engine lists.
    pub insecure_registries: Fact<Vec<String>>,
    pub swarm: Fact<Swarm>,
    pub unencrypted_overlays: Fact<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swarm {
    pub active: bool,
    pub manager: bool,
    pub managers: Option<u64>,
    /// `None`: only managers say.
    pub auto_lock: Option<bool>,
    pub node_cert_expiry_days: Option<u64>,
}

/// The first release that lists `no-new-privileges` among its security options.
const REPORTS_NO_NEW_PRIVILEGES: u64 = 24;
const NANOSECONDS_A_DAY: u64 = 86_400_000_000_000;

impl Posture {
    /// `networks` is `None` where that path was not answered.
    pub fn new(info: &InfoBody, networks: Option<&NetworksBody>, product: Option<Product>) -> Self {
        let podman = product == Some(Product::Podman);
        let options = SecurityOptions::of(info);
        let daemon_setting = |fact| if podman { daemonless() } else { fact };
        Self {
            os_type: info.os_type.clone(),
            operating_system: info.operating_system.clone(),
            rootless: options.has("rootless"),
            userns_remap: if podman {
                not_applicable("Podman maps users for each container, not for the engine")
            } else {
                options.has("userns")
            },
            icc: if podman {
                not_applicable("Podman's networks have no such option")
            } else if is_windows(info) {
                not_applicable("Windows has no default bridge of this kind")
            } else {
                icc(networks)
            },
            seccomp: options.seccomp(),
            mandatory_access_control: options.mandatory_access_control(),
            no_new_privileges: daemon_setting(options.no_new_privileges()),
            live_restore: daemon_setting(field("LiveRestoreEnabled", info.live_restore)),
            experimental: daemon_setting(field("ExperimentalBuild", info.experimental)),
            authorization_plugins: if podman {
                not_applicable("Podman has no authorization plugins")
            } else {
                list("Plugins.Authorization", info.authorization_plugins.as_ref())
            },
            insecure_registries: insecure_registries(info),
            swarm: if podman { not_applicable("Podman has no swarm") } else { swarm(info) },
            unencrypted_overlays: if podman {
                not_applicable("Podman has no swarm")
            } else {
                unencrypted_overlays(networks)
            },
        }
    }
}

/// `SecurityOptions`, and what shows all that is read from them.
struct SecurityOptions<'a> {
    info: &'a InfoBody,
    shown_by: Arc<str>,
}

impl<'a> SecurityOptions<'a> {
    fn of(info: &'a InfoBody) -> Self {
        let shown = info.security_options.as_deref().map(|options| some(options, " "));
        let shown_by = format!("SecurityOptions is [{}]", shown.unwrap_or_default()).into();
        Self { info, shown_by }
    }

    /// A named entry, whose absence is an answer too.
    fn has(&self, name: &str) -> Fact<bool> {
        if is_windows(self.info) {
            return not_applicable("Windows containers are kept apart in another way");
        }
        match self.info.security_options {
            Some(_) => known(self.entry(name).is_some(), Arc::clone(&self.shown_by)),
            None => unknown("/info has no SecurityOptions: the engine is older than they are"),
        }
    }

    /// The entry by its name: `name=seccomp,profile=default`, or plain `seccomp` before API 1.25.
    fn entry(&self, name: &str) -> Option<&'a str> {
        let options = self.info.security_options.as_deref().unwrap_or_default();
        options.iter().map(String::as_str).find(|entry| {
            let first = entry.split(',').next().unwrap_or_default();
            first.strip_prefix("name=").unwrap_or(first) == name
        })
    }

    fn seccomp(&self) -> Fact<bool> {
        match (self.has("seccomp"), self.entry("seccomp")) {
            (Fact::Known { shown_by, .. }, Some(entry)) => {
                let confined = !entry.split(',').any(|part| part == "profile=unconfined");
                Fact::Known { value: confined, shown_by }
            }
            (fact, _) => fact,
        }
    }

    fn mandatory_access_control(&self) -> Fact<bool> {
        match (self.has("apparmor"), self.has("selinux")) {
            (Fact::Known { value: apparmor, shown_by }, Fact::Known { value: selinux, .. }) => {
                Fact::Known { value: apparmor || selinux, shown_by }
            }
            (fact, _) => fact,
        }
    }

    fn no_new_privileges(&self) -> Fact<bool> {
        let major = self.info.server_version.as_deref().and_then(|version| {
            version.trim_start_matches('v').split('.').next()?.parse::<u64>().ok()
        });
        match (self.has("no-new-privileges"), major) {
            (Fact::Known { value: false, .. }, Some(major))
                if major < REPORTS_NO_NEW_PRIVILEGES =>
            {
                unknown("engines before 24.0 do not say")
            }
            (Fact::Known { value: false, .. }, None) => {
                unknown("engines before 24.0 do not say, and this one's version cannot be read")
            }
            (fact, _) => fact,
        }
    }
}

fn icc(networks: Option<&NetworksBody>) -> Fact<bool> {
    let Some(networks) = networks else { return unknown("/networks was not answered") };
    let bridge = networks.networks.iter().find(|network| {
        network.default_bridge.as_deref() == Some("true")
            || (network.name.as_deref() == Some("bridge")
                && network.driver.as_deref() == Some("bridge"))
    });
    let Some(bridge) = bridge else {
        return if networks.total > networks.networks.len() {
            unknown(
                "there are more networks than were looked at, and no default bridge among those",
            )
        } else {
            not_applicable("the engine has no default bridge")
        };
    };
    match bridge.enable_icc.as_deref() {
        Some(text @ ("true" | "false")) => known(
            text == "true",
            format!("com.docker.network.bridge.enable_icc is {text} on the default bridge"),
        ),
        Some(_) => unknown("enable_icc of the default bridge is neither true nor false"),
        None => unknown("the default bridge does not say whether enable_icc is set"),
    }
}

fn insecure_registries(info: &InfoBody) -> Fact<Vec<String>> {
    match list("RegistryConfig", info.insecure_registries.as_ref()) {
        Fact::Known { value, shown_by } => Fact::Known {
            value: value
                .into_iter()
                .filter(|entry| !matches!(entry.as_str(), "127.0.0.0/8" | "::1/128"))
                .collect(),
            shown_by,
        },
        fact => fact,
    }
}

fn swarm(info: &InfoBody) -> Fact<Swarm> {
    let Some(swarm) = &info.swarm else {
        return unknown("/info has no Swarm: the engine is older than it");
    };
    let Some(state) = swarm.local_node_state.as_deref() else {
        return unknown("/info does not tell the state of the swarm node");
    };
    // A locked or failing node belongs to a swarm all the same.
    let active = !matches!(state, "inactive" | "");
    known(
        Swarm {
            active,
            manager: active && swarm.control_available == Some(true),
            managers: swarm.managers,
            auto_lock: swarm.auto_lock_managers,
            node_cert_expiry_days: swarm.node_cert_expiry.map(|nanos| nanos / NANOSECONDS_A_DAY),
        },
        format!("Swarm.LocalNodeState is \"{state}\""),
    )
}

fn unencrypted_overlays(networks: Option<&NetworksBody>) -> Fact<Vec<String>> {
    let Some(networks) = networks else { return unknown("/networks was not answered") };
    let names: Vec<String> = networks
        .networks
        .iter()
        // The ingress network carries what comes from outside, and cannot be told to encrypt.
        .filter(|network| {
            network.driver.as_deref() == Some("overlay")
                && network.encrypted.is_none()
                && network.name.as_deref() != Some("ingress")
        })
        .map(|network| network.name.clone().unwrap_or_else(|| "without a name".to_owned()))
        .collect();
    if names.is_empty() && networks.total > networks.networks.len() {
        return unknown("there are more networks than were looked at");
    }
    known(names, "the overlay networks of /networks and their \"encrypted\" option")
}

fn is_windows(info: &InfoBody) -> bool {
    info.os_type.as_deref() == Some("windows")
}

fn field(name: &str, value: Option<bool>) -> Fact<bool> {
    match value {
        Some(value) => known(value, format!("{name} is {value}")),
        None => unknown(&format!("/info has no {name}")),
    }
}

fn list(name: &str, value: Option<&Vec<String>>) -> Fact<Vec<String>> {
    match value {
        Some(entries) => known(entries.clone(), format!("{name} is [{}]", some(entries, ", "))),
        None => unknown(&format!("/info has no {name}")),
    }
}

/// Enough of a list for evidence.
fn some(entries: &[String], separator: &str) -> String {
    const SHOWN: usize = 12;
    let mut text = entries.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(separator);
    if let Some(more) = entries.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!("{separator}and {more} more"));
    }
    text
}

fn known<T>(value: T, shown_by: impl Into<Arc<str>>) -> Fact<T> {
    Fact::Known { value, shown_by: shown_by.into() }
}

fn unknown<T>(because: &str) -> Fact<T> {
    Fact::Unknown { because: because.to_owned() }
}

fn not_applicable<T>(because: &str) -> Fact<T> {
    Fact::NotApplicable { because: because.to_owned() }
}

fn daemonless<T>() -> Fact<T> {
    not_applicable("Podman has no daemon to set this for")
}

#[cfg(test)]
mod tests;
