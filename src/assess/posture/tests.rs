use super::*;
use crate::observation::posture::{NetworkBody, SwarmBody};

fn engine(version: &str, options: &[&str]) -> InfoBody {
    InfoBody {
        server_version: Some(version.to_owned()),
        os_type: Some("linux".to_owned()),
        security_options: Some(options.iter().map(|o| (*o).to_owned()).collect()),
        ..InfoBody::default()
    }
}

fn of(info: &InfoBody) -> Posture {
    Posture::new(info, None, Some(Product::DockerEngine))
}

/// `+`, `-`, `?` or `.` (not applicable).
fn sign(fact: &Fact<bool>) -> char {
    match fact {
        Fact::Known { value: true, .. } => '+',
        Fact::Known { value: false, .. } => '-',
        Fact::Unknown { .. } => '?',
        Fact::NotApplicable { .. } => '.',
    }
}

#[test]
fn security_options_old_and_new() {
    for (options, expected) in [
        (vec!["name=seccomp,profile=default"], "--+-"),
        (vec!["name=apparmor", "name=seccomp,profile=builtin", "name=userns"], "-+++"),
        (vec!["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"], "+-+-"),
        (vec!["name=seccomp,profile=unconfined", "name=selinux"], "---+"),
        // Before API 1.25.
        (vec!["apparmor", "seccomp"], "--++"),
        (vec![], "----"),
        (vec!["name=rootlesskit", "username=userns"], "----"),
    ] {
        let posture = of(&engine("28.5.2", &options));
        let signs: String = [
            &posture.rootless,
            &posture.userns_remap,
            &posture.seccomp,
            &posture.mandatory_access_control,
        ]
        .map(sign)
        .iter()
        .collect();
        assert_eq!(signs, expected, "{options:?}");
    }
}

#[test]
fn what_an_old_engine_does_not_say_is_unknown() {
    let posture = of(&InfoBody::default());
    for fact in [
        &posture.rootless,
        &posture.userns_remap,
        &posture.icc,
        &posture.seccomp,
        &posture.no_new_privileges,
        &posture.live_restore,
    ] {
        assert_eq!(sign(fact), '?');
    }
    assert!(matches!(posture.swarm, Fact::Unknown { .. }));
    for (version, options, expected) in [
        ("20.10.24", vec![], '?'),
        ("24.0.7", vec![], '-'),
        ("garbage", vec![], '?'),
        ("20.10.24", vec!["name=no-new-privileges"], '+'),
        ("28.5.2", vec!["name=no-new-privileges"], '+'),
    ] {
        let fact = of(&engine(version, &options)).no_new_privileges;
        assert_eq!(sign(&fact), expected, "{version} {options:?}");
    }
}

#[test]
fn windows_and_podman_have_other_settings() {
    let windows = InfoBody { os_type: Some("windows".into()), ..engine("28.5.2", &[]) };
    let posture = Posture::new(&windows, Some(&NetworksBody::default()), None);
    for fact in [&posture.rootless, &posture.userns_remap, &posture.icc, &posture.seccomp] {
        assert_eq!(sign(fact), '.');
    }
    let podman = engine("5.4.2", &["name=seccomp,profile=default", "name=rootless"]);
    let posture = Posture::new(&podman, None, Some(Product::Podman));
    assert_eq!((sign(&posture.rootless), sign(&posture.userns_remap)), ('+', '.'));
    assert_eq!((sign(&posture.icc), sign(&posture.live_restore)), ('.', '.'));
}

fn networks(networks: Vec<NetworkBody>) -> NetworksBody {
    NetworksBody { total: networks.len(), networks }
}

fn bridge(icc: Option<&str>) -> NetworkBody {
    NetworkBody {
        name: Some("bridge".into()),
        driver: Some("bridge".into()),
        enable_icc: icc.map(str::to_owned),
        ..NetworkBody::default()
    }
}

#[test]
fn inter_container_communication_is_the_default_bridges() {
    let other = NetworkBody { name: Some("docker_gwbridge".into()), ..bridge(Some("false")) };
    for (list, expected) in [
        (vec![bridge(Some("true"))], '+'),
        (vec![other.clone(), bridge(Some("true"))], '+'),
        (vec![bridge(Some("false"))], '-'),
        (vec![bridge(None)], '?'),
        (vec![bridge(Some("maybe"))], '?'),
        (vec![other], '.'),
        (vec![], '.'),
    ] {
        let list = networks(list);
        let posture = Posture::new(&engine("28.5.2", &[]), Some(&list), None);
        assert_eq!(sign(&posture.icc), expected, "{list:?}");
    }
    let many = NetworksBody { total: 500, networks: Vec::new() };
    assert_eq!(sign(&Posture::new(&engine("28.5.2", &[]), Some(&many), None).icc), '?');
}

#[test]
fn swarm_nodes() {
    let state = |state: &str, control| InfoBody {
        swarm: Some(SwarmBody {
            local_node_state: Some(state.into()),
            control_available: Some(control),
            node_cert_expiry: Some(90 * NANOSECONDS_A_DAY),
            ..SwarmBody::default()
        }),
        ..engine("28.5.2", &[])
    };
    for (info, active, manager) in [
        (state("inactive", false), false, false),
        (state("active", true), true, true),
        (state("active", false), true, false),
        (state("locked", true), true, true),
    ] {
        let Fact::Known { value, .. } = of(&info).swarm else { panic!("{info:?}") };
        assert_eq!((value.active, value.manager), (active, manager));
        assert_eq!(value.node_cert_expiry_days, Some(90));
    }
}

#[test]
fn the_machines_own_addresses_are_no_insecure_registries() {
    let list = ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "reg.example:5000"];
    let info = InfoBody {
        insecure_registries: Some(list.iter().map(|e| (*e).to_owned()).collect()),
        ..engine("28.5.2", &[])
    };
    let Fact::Known { value, .. } = of(&info).insecure_registries else { panic!() };
    assert_eq!(value, ["10.0.0.0/8", "reg.example:5000"]);
}
