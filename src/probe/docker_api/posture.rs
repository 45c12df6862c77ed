//! `/info`, `/networks` and containers → the facts kept of them, bounded, whatever types were
//! sent.

use serde_json::Value;

use super::text_at;
use crate::observation::posture::{
    Bind, ContainerBody, ContainerList, InfoBody, NetworkBody, NetworksBody, SwarmBody,
};

const MAX_LIST: usize = 64;

pub(super) fn info(value: &Value) -> InfoBody {
    let text = |name: &str| text_at(value, name);
    InfoBody {
        name: text("Name"),
        server_version: text("ServerVersion"),
        os_type: text("OSType"),
        operating_system: text("OperatingSystem"),
        kernel_version: text("KernelVersion"),
        security_options: value.get("SecurityOptions").and_then(texts),
        live_restore: truth(value, "LiveRestoreEnabled"),
        experimental: truth(value, "ExperimentalBuild"),
        authorization_plugins: value
            .get("Plugins")
            .and_then(|plugins| plugins.get("Authorization"))
            .and_then(texts),
        insecure_registries: value.get("RegistryConfig").and_then(insecure_registries),
        swarm: value.get("Swarm").filter(|swarm| swarm.is_object()).map(swarm),
        docker_root_dir: text("DockerRootDir"),
        containers: number(value, "Containers"),
        containers_running: number(value, "ContainersRunning"),
        images: number(value, "Images"),
    }
}

pub(super) fn networks(value: &Value) -> Option<NetworksBody> {
    let all = value.as_array()?;
    let (telling, others): (Vec<&Value>, Vec<&Value>) =
        all.iter().partition(|network| is_telling(network));
    let kept = telling.into_iter().chain(others).take(NetworksBody::MAX);
    Some(NetworksBody { total: all.len(), networks: kept.map(network).collect() })
}

/// Whether the list is judged by this network: it must not fall behind a thousand others.
fn is_telling(network: &Value) -> bool {
    let is = |name: &str, text: &str| network.get(name).and_then(Value::as_str) == Some(text);
    is("Name", "bridge") || is("Driver", "overlay")
}

fn network(value: &Value) -> NetworkBody {
    let option = |name: &str| value.get("Options").and_then(|options| text_at(options, name));
    NetworkBody {
        name: text_at(value, "Name"),
        driver: text_at(value, "Driver"),
        scope: text_at(value, "Scope"),
        default_bridge: option("com.docker.network.bridge.default_bridge"),
        enable_icc: option("com.docker.network.bridge.enable_icc"),
        encrypted: option("encrypted"),
    }
}

fn swarm(value: &Value) -> SwarmBody {
    let cluster = value.get("Cluster");
    let spec = |part: &str| cluster.and_then(|c| c.get("Spec")).and_then(|spec| spec.get(part));
    SwarmBody {
        local_node_state: text_at(value, "LocalNodeState"),
        control_available: truth(value, "ControlAvailable"),
        node_address: text_at(value, "NodeAddr"),
        managers: number(value, "Managers"),
        nodes: number(value, "Nodes"),
        auto_lock_managers: spec("EncryptionConfig").and_then(|c| truth(c, "AutoLockManagers")),
        node_cert_expiry: spec("CAConfig").and_then(|config| number(config, "NodeCertExpiry")),
        root_rotation_in_progress: cluster.and_then(|c| truth(c, "RootRotationInProgress")),
    }
}

/// Only IDs that can stand in a path are kept: they come from the peer and go back to it.
pub(super) fn container_list(value: &Value) -> Option<ContainerList> {
    let all = value.as_array()?;
    let ids = all
        .iter()
        .filter_map(|container| text_at(container, "Id"))
        .filter(|id| {
            (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
        .take(ContainerList::MAX)
        .collect();
    Some(ContainerList { total: all.len(), ids })
}

pub(super) fn container(value: &Value) -> ContainerBody {
    let host = value.get("HostConfig");
    let text = |name: &str| host.and_then(|host| text_at(host, name));
    let list = |name: &str| host.and_then(|host| host.get(name)).and_then(texts);
    ContainerBody {
        id: text_at(value, "Id").map(|id| id.chars().take(12).collect()),
        name: text_at(value, "Name").map(|name| name.trim_start_matches('/').to_owned()),
        image: value.get("Config").and_then(|config| text_at(config, "Image")),
        running: value.get("State").and_then(|state| truth(state, "Running")),
        privileged: host.and_then(|host| truth(host, "Privileged")),
        cap_add: list("CapAdd"),
        security_opt: list("SecurityOpt"),
        network_mode: text("NetworkMode"),
        pid_mode: text("PidMode"),
        ipc_mode: text("IpcMode"),
        uts_mode: text("UTSMode"),
        userns_mode: text("UsernsMode"),
        binds: binds(value),
    }
}

/// `Mounts` tells what is mounted; `Binds` also what will be, of a container not yet started.
fn binds(value: &Value) -> Vec<Bind> {
    let mounts = value.get("Mounts").and_then(Value::as_array).into_iter().flatten();
    let mut binds: Vec<Bind> = mounts
        .filter(|mount| text_at(mount, "Type").is_none_or(|kind| kind == "bind"))
        .filter_map(|mount| {
            Some(Bind {
                source: text_at(mount, "Source")?,
                destination: text_at(mount, "Destination")?,
                writable: truth(mount, "RW").unwrap_or(true),
            })
        })
        .take(MAX_LIST)
        .collect();
    let host = value.get("HostConfig");
    let texts = host.and_then(|host| host.get("Binds")).and_then(texts).unwrap_or_default();
    for text in texts.iter().take(MAX_LIST) {
        let mut parts = text.split(':');
        if let (Some(source), Some(destination)) = (parts.next(), parts.next())
            && source.starts_with('/')
            && !binds.iter().any(|bind| bind.destination == destination)
        {
            binds.push(Bind {
                source: source.to_owned(),
                destination: destination.to_owned(),
                writable: !parts.next().unwrap_or_default().split(',').any(|mode| mode == "ro"),
            });
        }
    }
    binds
}

/// CIDRs as they are, and the index names that are marked as not secure.
fn insecure_registries(config: &Value) -> Option<Vec<String>> {
    let cidrs = config.get("InsecureRegistryCIDRs").and_then(texts);
    let names = config.get("IndexConfigs").and_then(Value::as_object).map(|indexes| {
        indexes
            .iter()
            .filter(|(_, index)| truth(index, "Secure") == Some(false))
            .map(|(name, _)| super::bounded(name, super::MAX_TEXT))
            .take(MAX_LIST)
            .collect::<Vec<_>>()
    });
    match (cidrs, names) {
        (None, None) => None,
        (cidrs, names) => {
            Some(cidrs.into_iter().flatten().chain(names.into_iter().flatten()).collect())
        }
    }
}

/// A list of texts; Go sends `null` for an empty one.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(items) => Some(
            items
                .iter()
                .filter_map(Value::as_str)
                .take(MAX_LIST)
                .map(|text| super::bounded(text, super::MAX_TEXT))
                .collect(),
        ),
        _ => None,
    }
}

fn truth(value: &Value, name: &str) -> Option<bool> {
    value.get(name).and_then(Value::as_bool)
}

fn number(value: &Value, name: &str) -> Option<u64> {
    value.get(name).and_then(Value::as_u64)
}
