use super::*;

fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
    Answer::whole(status, headers, body.to_vec())
}

fn kept(path: &str, answer: Answer) -> HttpAnswer {
    match keep(path, Ok(answer)).result {
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
    assert_eq!(version, VersionBody::default());
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
    assert_eq!(version.version.unwrap().chars().count(), MAX_TEXT);
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
    while let Some(path) = next_path(&asked, Cost::Connection) {
        order.push(path);
        let body: &[u8] = if path == VERSION { REAL } else { b"{}" };
        asked.push(keep(path, Ok(answer(200, &[], body))));
    }
    assert_eq!(order, ORDER);
}

#[test]
fn others_are_asked_no_more_than_can_tell() {
    let page = || vec![keep(VERSION, Ok(answer(200, &[], b"<html>")))];
    assert_eq!(next_path(&page(), Cost::Connection), None);
    assert_eq!(next_path(&page(), Cost::Request), Some(PING));
    let mut refused = vec![keep(VERSION, Ok(answer(403, &[], b"no")))];
    assert_eq!(next_path(&refused, Cost::Connection), Some(PING));
    refused.push(keep(PING, Ok(answer(403, &[], b"no"))));
    assert_eq!(next_path(&refused, Cost::Request), None);
    let mute = vec![keep(VERSION, Err(StreamEnd::Reset))];
    assert_eq!(next_path(&mute, Cost::Request), None);
}
