//! What an engine says of its own settings: of `/info` and `/networks`, the fields that bear on
//! security, each as it was sent or absent. Nothing secret is among them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Of `GET /info`. A field of another type than Docker sends counts as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InfoBody {
    pub name: Option<String>,
    pub server_version: Option<String>,
    /// `linux` or `windows`.
    pub os_type: Option<String>,
    pub operating_system: Option<String>,
    pub kernel_version: Option<String>,
    /// With `name=` since API 1.25 or without before, e.g. `name=seccomp,profile=default`.
    pub security_options: Option<Vec<String>>,
    pub live_restore: Option<bool>,
    pub experimental: Option<bool>,
    /// Names; `Some` and empty where the engine sends `null` for "none".
    pub authorization_plugins: Option<Vec<String>>,
    /// `RegistryConfig`: CIDRs and names that are spoken to without TLS or verification.
    pub insecure_registries: Option<Vec<String>>,
    pub swarm: Option<SwarmBody>,
    /// A remapped engine appends the range to it, as `/var/lib/docker/100000.100000`.
    pub docker_root_dir: Option<String>,
    pub containers: Option<u64>,
    pub containers_running: Option<u64>,
    pub images: Option<u64>,
}

/// Of `/info`'s `Swarm`; the join tokens are elsewhere and are never asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SwarmBody {
    /// `inactive`, `pending`, `active`, `error` or `locked`.
    pub local_node_state: Option<String>,
    /// This node is a manager.
    pub control_available: Option<bool>,
    pub node_address: Option<String>,
    pub managers: Option<u64>,
    pub nodes: Option<u64>,
    /// `Cluster.Spec.EncryptionConfig.AutoLockManagers`, on managers.
    pub auto_lock_managers: Option<bool>,
    /// `Cluster.Spec.CAConfig.NodeCertExpiry`, in nanoseconds, on managers.
    pub node_cert_expiry: Option<u64>,
    /// `Cluster.RootRotationInProgress`, on managers.
    pub root_rotation_in_progress: Option<bool>,
}

/// Of `GET /networks`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetworksBody {
    /// How many there are.
    pub total: usize,
    /// At most `MAX`, first those that settings are read from: the default bridge and overlays.
    pub networks: Vec<NetworkBody>,
}

impl NetworksBody {
    pub const MAX: usize = 64;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkBody {
    pub name: Option<String>,
    pub driver: Option<String>,
    pub scope: Option<String>,
    /// `com.docker.network.bridge.default_bridge`.
    pub default_bridge: Option<String>,
    /// `com.docker.network.bridge.enable_icc`: `true` or `false`, as text.
    pub enable_icc: Option<String>,
    /// `encrypted` of an overlay, which has no value: `Some` where the option is there.
    pub encrypted: Option<String>,
}

/// Of `GET /containers/json?all=1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerList {
    /// How many there are.
    pub total: usize,
    /// The first of them, at most `MAX`.
    pub ids: Vec<String>,
}

impl ContainerList {
    /// How many containers of one engine are inspected.
    pub const MAX: usize = 256;
}

/// Of `GET /containers/ID/json`: security settings only, never the environment or the command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerBody {
    pub id: Option<String>,
    pub name: Option<String>,
    pub image: Option<String>,
    pub running: Option<bool>,
    pub privileged: Option<bool>,
    pub cap_add: Option<Vec<String>>,
    pub security_opt: Option<Vec<String>>,
    /// `host`, `bridge`, `container:ID` or a network's name.
    pub network_mode: Option<String>,
    pub pid_mode: Option<String>,
    pub ipc_mode: Option<String>,
    pub uts_mode: Option<String>,
    pub userns_mode: Option<String>,
    /// What of the host is mounted, by `Mounts` and `HostConfig.Binds`.
    pub binds: Vec<Bind>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bind {
    pub source: String,
    pub destination: String,
    pub writable: bool,
}
