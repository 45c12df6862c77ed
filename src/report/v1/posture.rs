//! An engine's settings as the report says them.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::assess;
use crate::assess::posture::Fact;
use crate::observation::posture::ContainerBody;

/// How an engine is set up, by its own `/info` and `/networks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Posture {
    pub os_type: Option<String>,
    pub operating_system: Option<String>,
    pub rootless: Setting<bool>,
    pub userns_remap: Setting<bool>,
    /// Inter-container communication on the default bridge.
    pub icc: Setting<bool>,
    pub seccomp: Setting<bool>,
    /// AppArmor or SELinux.
    pub mandatory_access_control: Setting<bool>,
    pub no_new_privileges: Setting<bool>,
    pub live_restore: Setting<bool>,
    pub experimental: Setting<bool>,
    pub authorization_plugins: Setting<Vec<String>>,
    pub insecure_registries: Setting<Vec<String>>,
    pub swarm: Setting<Swarm>,
}

/// A value with what shows it, or null with why it is not known or does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Setting<T> {
    pub status: SettingStatus,
    pub value: Option<T>,
    pub reason: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SettingStatus {
    Known,
    Unknown,
    NotApplicable,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Swarm {
    pub active: bool,
    pub manager: bool,
    pub managers: Option<u64>,
    pub auto_lock: Option<bool>,
    pub node_cert_expiry_days: Option<u64>,
}

/// The engine's containers: security settings only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Containers {
    pub total: usize,
    pub inspected: Vec<ContainerBody>,
}

impl From<&assess::posture::Posture> for Posture {
    fn from(posture: &assess::posture::Posture) -> Self {
        Self {
            os_type: posture.os_type.clone(),
            operating_system: posture.operating_system.clone(),
            rootless: (&posture.rootless).into(),
            userns_remap: (&posture.userns_remap).into(),
            icc: (&posture.icc).into(),
            seccomp: (&posture.seccomp).into(),
            mandatory_access_control: (&posture.mandatory_access_control).into(),
            no_new_privileges: (&posture.no_new_privileges).into(),
            live_restore: (&posture.live_restore).into(),
            experimental: (&posture.experimental).into(),
            authorization_plugins: (&posture.authorization_plugins).into(),
            insecure_registries: (&posture.insecure_registries).into(),
            swarm: Setting::from_fact(&posture.swarm, |swarm| swarm.into()),
        }
    }
}

impl<T> Setting<T> {
    fn from_fact<F>(fact: &Fact<F>, convert: impl Fn(&F) -> T) -> Self {
        let (status, value, reason) = match fact {
            Fact::Known { value, shown_by } => {
                (SettingStatus::Known, Some(convert(value)), Arc::clone(shown_by))
            }
            Fact::Unknown { because } => (SettingStatus::Unknown, None, because.as_str().into()),
            Fact::NotApplicable { because } => {
                (SettingStatus::NotApplicable, None, because.as_str().into())
            }
        };
        Self { status, value, reason }
    }
}

impl<T: Clone> From<&Fact<T>> for Setting<T> {
    fn from(fact: &Fact<T>) -> Self {
        Self::from_fact(fact, T::clone)
    }
}

impl From<&assess::posture::Swarm> for Swarm {
    fn from(swarm: &assess::posture::Swarm) -> Self {
        Self {
            active: swarm.active,
            manager: swarm.manager,
            managers: swarm.managers,
            auto_lock: swarm.auto_lock,
            node_cert_expiry_days: swarm.node_cert_expiry_days,
        }
    }
}

impl From<&assess::Containers> for Containers {
    fn from(containers: &assess::Containers) -> Self {
        Self { total: containers.total, inspected: containers.inspected.clone() }
    }
}
