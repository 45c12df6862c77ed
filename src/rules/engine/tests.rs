use super::super::fixture::*;
use super::super::swarm::*;
use super::*;
use crate::assess::{Assessment, Product};
use crate::observation::posture::{InfoBody, NetworkBody, NetworksBody, SwarmBody};

fn with(info: &InfoBody, bridge_icc: Option<&str>) -> Assessment {
    let bridge = NetworkBody {
        name: Some("bridge".into()),
        driver: Some("bridge".into()),
        enable_icc: bridge_icc.map(str::to_owned),
        ..NetworkBody::default()
    };
    let overlay = NetworkBody {
        name: Some("backend".into()),
        driver: Some("overlay".into()),
        ..NetworkBody::default()
    };
    let networks = NetworksBody { total: 2, networks: vec![bridge, overlay] };
    let mut assessment = open_plain();
    assessment.api.posture = Some(Posture::new(info, Some(&networks), Some(Product::DockerEngine)));
    assessment
}

fn info(options: &[&str]) -> InfoBody {
    InfoBody {
        server_version: Some("28.5.2".into()),
        os_type: Some("linux".into()),
        security_options: Some(options.iter().map(|o| (*o).to_owned()).collect()),
        live_restore: Some(true),
        experimental: Some(false),
        authorization_plugins: Some(vec!["opa".into()]),
        insecure_registries: Some(vec!["127.0.0.0/8".into()]),
        swarm: Some(SwarmBody {
            local_node_state: Some("inactive".into()),
            ..SwarmBody::default()
        }),
        ..InfoBody::default()
    }
}

const HARDENED: [&str; 4] =
    ["name=seccomp,profile=builtin", "name=apparmor", "name=userns", "name=no-new-privileges"];

static SETTINGS: [&Rule; 10] = [
    &ENGINE_ROOTFUL,
    &ENGINE_USERNS_OFF,
    &ENGINE_ICC_ON,
    &ENGINE_SECCOMP_OFF,
    &ENGINE_NO_MAC,
    &ENGINE_NO_NEW_PRIVILEGES_OFF,
    &ENGINE_LIVE_RESTORE_OFF,
    &ENGINE_INSECURE_REGISTRY,
    &ENGINE_NO_AUTHORIZATION_PLUGIN,
    &ENGINE_EXPERIMENTAL,
];

#[test]
fn a_hardened_engine_passes_all_but_rootless() {
    let assessment = with(&info(&HARDENED), Some("false"));
    for rule in SETTINGS {
        let passed = verdict(rule, &assessment) == Verdict::Passed;
        assert_eq!(passed, rule.name != "engine-rootful", "{}", rule.name);
    }
}

#[test]
fn a_careless_engine_breaks_them_all() {
    let info = InfoBody {
        live_restore: Some(false),
        experimental: Some(true),
        authorization_plugins: Some(vec![]),
        insecure_registries: Some(vec!["reg.example:5000".into()]),
        ..info(&[])
    };
    let assessment = with(&info, Some("true"));
    for rule in SETTINGS {
        assert!(matches!(verdict(rule, &assessment), Verdict::Found(_)), "{}", rule.name);
    }
}

#[test]
fn without_info_the_settings_of_a_docker_api_are_open_questions() {
    for rule in SETTINGS {
        let verdict = verdict(rule, &open_plain());
        assert!(matches!(verdict, Verdict::Undetermined { .. }), "{}", rule.name);
    }
}

#[test]
fn a_rootless_engine_needs_no_remapping() {
    let assessment = with(&info(&["name=rootless", "name=seccomp,profile=builtin"]), None);
    assert_eq!(verdict(&ENGINE_ROOTFUL, &assessment), Verdict::Passed);
    assert_eq!(verdict(&ENGINE_USERNS_OFF, &assessment), Verdict::NotApplicable);
    assert!(matches!(verdict(&ENGINE_ICC_ON, &assessment), Verdict::Undetermined { .. }));
}

#[test]
fn swarm_rules_are_about_managers() {
    let swarm = |state: &str, control, managers, lock, days: u64| SwarmBody {
        local_node_state: Some(state.into()),
        control_available: Some(control),
        managers: Some(managers),
        auto_lock_managers: Some(lock),
        node_cert_expiry: Some(days * 86_400_000_000_000),
        ..SwarmBody::default()
    };
    let judge = |swarm: SwarmBody| {
        let info = InfoBody { swarm: Some(swarm), live_restore: Some(false), ..info(&HARDENED) };
        let assessment = with(&info, None);
        [
            &SWARM_MANAGER_EXPOSED,
            &SWARM_MANAGERS_EVEN,
            &SWARM_AUTOLOCK_OFF,
            &SWARM_NODE_CERTIFICATES_LONG,
            &SWARM_OVERLAY_UNENCRYPTED,
            &ENGINE_LIVE_RESTORE_OFF,
        ]
        .map(|rule| match verdict(rule, &assessment) {
            Verdict::Found(_) => 'f',
            Verdict::Passed => 'p',
            Verdict::NotApplicable => '.',
            Verdict::Undetermined { .. } => '?',
        })
        .iter()
        .collect::<String>()
    };
    assert_eq!(judge(swarm("inactive", false, 0, false, 90)), ".....f");
    assert_eq!(judge(swarm("active", true, 1, false, 365)), "fffff.");
    assert_eq!(judge(swarm("active", true, 3, true, 90)), "fpppf.");
    assert_eq!(judge(swarm("active", false, 0, false, 0)), "p...f.");
}
