use super::*;

fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
    Answer::whole(status, headers, body.to_vec())
}

fn kept(path: &str, answer: Answer) -> HttpAnswer {
    match keep(path, Ok(answer), Depth::Posture).result {
        ExchangeResult::Answered(answer) => *answer,
        ExchangeResult::Unanswered(end) => panic!("{end:?}"),
    }
}

const REAL: &[u8] =
    br#"{"Version":"20.10.24","ApiVersion":"1.41","GitCommit":"5d6db84","Experimental":false}"#;

#[test]
fn a_version_is_kept_by_field_and_swapped_types_count_as_absent() {
    let version = kept(VERSION, answer(200, &[], REAL)).body.version.unwrap();
    assert_eq!(version.api_version.as_deref(), Some("1.41"));
    let swapped =
        br#"{"Version":["x"],"ApiVersion":1.41,"Components":{"Name":"Engine"},"Platform":3}"#;
    let version = kept(VERSION, answer(200, &[], swapped)).body.version.unwrap();
    assert_eq!(*version, VersionBody::default());
}

#[test]
fn long_texts_and_lists_are_cut() {
    let components = vec![serde_json::json!({"Name": "n".repeat(5000), "Version": "v"}); 500];
    let body = serde_json::json!({"Version": "é".repeat(5000), "Components": components});
    let body = serde_json::to_vec(&body).unwrap();
    assert!(body.len() > MAX_PARSED, "the cap is not what is tested here");
    assert_eq!(kept(VERSION, answer(200, &[], &body)).body.version, None);

    let components = vec![serde_json::json!({"Name": "n".repeat(500), "Version": "v"}); 100];
    let body = serde_json::json!({"Version": "é".repeat(5000), "Components": components});
    let version =
        kept(VERSION, answer(200, &[], &serde_json::to_vec(&body).unwrap())).body.version.unwrap();
    assert_eq!(version.version.as_ref().unwrap().chars().count(), MAX_TEXT);
    assert_eq!(version.components.len(), MAX_COMPONENTS);
    assert!(version.components.iter().all(|c| c.name.len() == MAX_TEXT));
}

#[test]
fn json_nested_without_end_is_not_parsed() {
    let mut body = vec![b'['; 100_000];
    assert_eq!(kept(NETWORKS, answer(200, &[], &body)).body.json, JsonShape::NotJson);
    body.extend(vec![b']'; 100_000]);
    // Well-formed all the same, and read through without recursion.
    assert_eq!(kept(NETWORKS, answer(200, &[], &body)).body.json, JsonShape::Array);
    let mut body = br#"{"Version":"1","ApiVersion":"1.41","x":"#.to_vec();
    body.extend(vec![b'['; 100_000]);
    body.extend(vec![b']'; 100_000]);
    body.push(b'}');
    assert_eq!(kept(VERSION, answer(200, &[], &body)).body.version, None);
}

#[test]
fn what_the_api_serves_is_not_kept() {
    for path in [INFO, NETWORKS, CONTAINERS] {
        let kept = kept(path, answer(200, &[], br#"{"ID":"me","Secret":"token"}"#));
        assert!(!serde_json::to_string(&kept).unwrap().contains("token"), "{path}");
    }
    assert_eq!(
        kept(INFO, answer(200, &[], br#"{"ID":"me"}"#)).body.engine_id.as_deref(),
        Some("me")
    );
    let refusal = kept(INFO, answer(403, &[("server", "nginx")], b"<html>no</html>"));
    assert_eq!(refusal.body.excerpt.as_deref(), Some("<html>no</html>"));
}

#[test]
fn a_docker_api_is_asked_all_five_paths() {
    let mut asked = Vec::new();
    let mut order = Vec::new();
    while let Some(path) = next_path(&asked, Cost::Connection, Depth::Posture) {
        let body: &[u8] = if path == VERSION { REAL } else { b"{}" };
        asked.push(keep(&path, Ok(answer(200, &[], body)), Depth::Posture));
        order.push(path);
    }
    assert_eq!(order, ORDER);
}

#[test]
fn others_are_asked_no_more_than_can_tell() {
    let page = || vec![keep(VERSION, Ok(answer(200, &[], b"<html>")), Depth::Posture)];
    assert_eq!(next_path(&page(), Cost::Connection, Depth::Posture), None);
    assert_eq!(next_path(&page(), Cost::Request, Depth::Posture), Some(PING.into()));
    let mut refused = vec![keep(VERSION, Ok(answer(403, &[], b"no")), Depth::Posture)];
    assert_eq!(next_path(&refused, Cost::Connection, Depth::Posture), Some(PING.into()));
    refused.push(keep(PING, Ok(answer(403, &[], b"no")), Depth::Posture));
    assert_eq!(next_path(&refused, Cost::Request, Depth::Posture), None);
    let mute = vec![keep(VERSION, Err(StreamEnd::Reset), Depth::Posture)];
    assert_eq!(next_path(&mute, Cost::Request, Depth::Posture), None);
}

#[test]
fn containers_are_listed_and_inspected_only_when_asked_for() {
    let list = br#"[{"Id":"abc1"},{"Id":"../../swarm"},{"Id":"x\r\nHost: y"},{"Id":"def2"}]"#;
    let inspected = br#"{"Id":"abc1","Name":"/db","Config":{"Image":"db","Env":["SECRET=hunter2"],
        "Cmd":["-phunter2"]},"HostConfig":{"Privileged":true,"NetworkMode":"host","CapAdd":null,
        "Binds":["/var/run/docker.sock:/s:ro","volume:/data"]},"Mounts":[]}"#;
    let mut asked = Vec::new();
    while let Some(path) = next_path(&asked, Cost::Request, Depth::Containers) {
        assert!(asked.len() < 20, "{asked:?}");
        let body: &[u8] = match path.as_ref() {
            VERSION => REAL,
            INFO => b"{}",
            ALL_CONTAINERS => list,
            path if path.starts_with("/containers/") && path.ends_with("/json") => inspected,
            _ => b"[]",
        };
        asked.push(keep(&path, Ok(answer(200, &[], body)), Depth::Containers));
    }
    let paths: Vec<&str> = asked.iter().map(|exchange| exchange.path.as_str()).collect();
    // An ID that could not stand in a path is not sent back.
    assert_eq!(paths[5..], [ALL_CONTAINERS, "/containers/abc1/json", "/containers/def2/json"]);
    let stored = serde_json::to_string(&asked).unwrap();
    assert!(!stored.contains("hunter2"), "{stored}");
    let ExchangeResult::Answered(answer) = &asked[6].result else { panic!() };
    let container = answer.body.container.as_ref().unwrap();
    assert_eq!((container.name.as_deref(), container.privileged), (Some("db"), Some(true)));
    assert_eq!(container.binds.len(), 1, "{:?}", container.binds);
    assert_eq!(
        (container.binds[0].source.as_str(), container.binds[0].writable),
        ("/var/run/docker.sock", false)
    );
}

#[test]
fn settings_survive_whatever_types_are_sent() {
    for body in [
        r#"{"SecurityOptions":{"a":1},"Swarm":[1],"RegistryConfig":"x","Plugins":7,"Name":[]}"#,
        r#"{"SecurityOptions":[1,null,{}],"Swarm":{"LocalNodeState":3,"Cluster":{"Spec":[]}}}"#,
    ] {
        let kept = kept(INFO, answer(200, &[], body.as_bytes())).body.info.unwrap();
        assert!(kept.security_options.is_none_or(|options| options.is_empty()));
        assert_eq!(kept.name, None);
    }
    let long = format!(r#"{{"SecurityOptions":{:?}}}"#, vec!["x".repeat(1000); 500]);
    let kept = kept(INFO, answer(200, &[], long.as_bytes())).body.info.unwrap();
    let options = kept.security_options.unwrap();
    assert!(options.len() <= 64 && options.iter().all(|option| option.len() == MAX_TEXT));
}
