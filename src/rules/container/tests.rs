use super::super::fixture::*;
use super::*;
use crate::assess::{Assessment, Containers};
use crate::observation::posture::Bind;

fn with(containers: Vec<ContainerBody>) -> Assessment {
    let mut assessment = open_plain();
    assessment.api.containers = Some(Containers { total: containers.len(), inspected: containers });
    assessment
}

fn container() -> ContainerBody {
    ContainerBody {
        id: Some("0123456789ab".into()),
        name: Some("web".into()),
        image: Some("nginx".into()),
        privileged: Some(false),
        network_mode: Some("bridge".into()),
        ipc_mode: Some("private".into()),
        ..ContainerBody::default()
    }
}

fn bind(source: &str, writable: bool) -> ContainerBody {
    let bind = Bind { source: source.into(), destination: "/x".into(), writable };
    ContainerBody { binds: vec![bind], ..container() }
}

static ALL_CONTAINER_RULES: [&Rule; 5] = [
    &CONTAINER_PRIVILEGED,
    &CONTAINER_SOCKET_MOUNT,
    &CONTAINER_HOST_NAMESPACE,
    &CONTAINER_HOST_MOUNT,
    &CONTAINER_CAPABILITIES,
];

#[test]
fn an_ordinary_container_passes_and_none_asked_for_is_not_judged() {
    for rule in ALL_CONTAINER_RULES {
        assert_eq!(verdict(rule, &with(vec![container()])), Verdict::Passed, "{}", rule.name);
        assert_eq!(verdict(rule, &open_plain()), Verdict::NotApplicable, "{}", rule.name);
    }
}

#[test]
fn containers_that_were_not_inspected_leave_the_rule_open() {
    let mut assessment = with(vec![container()]);
    assessment.api.containers.as_mut().unwrap().total = 1_000_000;
    for rule in ALL_CONTAINER_RULES {
        let Verdict::Undetermined { because } = verdict(rule, &assessment) else {
            panic!("{}", rule.name)
        };
        assert!(because.contains("999999 of 1000000"), "{because}");
    }
}

#[test]
fn each_way_out_is_found() {
    let privileged = ContainerBody { privileged: Some(true), ..container() };
    let host_pid = ContainerBody { pid_mode: Some("host".into()), ..container() };
    let caps = |name: &str| ContainerBody { cap_add: Some(vec![name.into()]), ..container() };
    for (rule, bad, severity) in [
        (&CONTAINER_PRIVILEGED, privileged, Severity::High),
        (&CONTAINER_SOCKET_MOUNT, bind("/var/run/docker.sock", false), Severity::High),
        (&CONTAINER_SOCKET_MOUNT, bind("/run/", true), Severity::High),
        (&CONTAINER_HOST_NAMESPACE, host_pid, Severity::Medium),
        (&CONTAINER_HOST_MOUNT, bind("/", true), Severity::High),
        (&CONTAINER_HOST_MOUNT, bind("/etc/systemd", true), Severity::High),
        (&CONTAINER_HOST_MOUNT, bind("/", false), Severity::Medium),
        (&CONTAINER_CAPABILITIES, caps("CAP_SYS_ADMIN"), Severity::High),
        (&CONTAINER_CAPABILITIES, caps("SYS_PTRACE"), Severity::Medium),
    ] {
        let Verdict::Found(found) = verdict(rule, &with(vec![container(), bad])) else {
            panic!("{}", rule.name)
        };
        assert_eq!(found.len(), 1, "{}", rule.name);
        assert_eq!(found[0].severity.unwrap_or(rule.severity), severity, "{}", rule.name);
        assert!(found[0].evidence.contains("web"), "{}", found[0].evidence);
    }
}

#[test]
fn look_alikes_are_let_be() {
    for source in ["/etcetera", "/etc/localtime", "/srv/data", "/var/lib/docker-data", "/usr/share"]
    {
        let assessment = with(vec![bind(source, true)]);
        assert_eq!(verdict(&CONTAINER_HOST_MOUNT, &assessment), Verdict::Passed, "{source}");
    }
    let capability =
        ContainerBody { cap_add: Some(vec!["NET_BIND_SERVICE".into()]), ..container() };
    assert_eq!(verdict(&CONTAINER_CAPABILITIES, &with(vec![capability])), Verdict::Passed);
    let shared = ContainerBody { network_mode: Some("container:abc".into()), ..container() };
    assert_eq!(verdict(&CONTAINER_HOST_NAMESPACE, &with(vec![shared])), Verdict::Passed);
}
