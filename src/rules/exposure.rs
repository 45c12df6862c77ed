//! What a stranger may do with a Docker API. Only where an API was seen: a web server that denies
//! is no finding here.

use super::{Rule, Subject, Verdict, Violation, address};
use crate::assess::{
    Access, Answer, Assessment, DockerApi, PathStatus, Product, Transport, Verified,
};
use crate::finding::Severity;

const PROTECT: &str = "https://docs.docker.com/engine/security/protect-access/";
const REMOTE: &str = "https://docs.docker.com/engine/daemon/remote-access/";
const SURFACE: &str = "https://docs.docker.com/engine/security/#docker-daemon-attack-surface";
const CIS_TLS: &str =
    "CIS Docker Benchmark: Ensure TLS authentication for Docker daemon is configured";

macro_rules! mutual_tls {
    () => {
        "If nobody needs the API over the network, stop listening: take every tcp:// address out \
         of \"hosts\" in /etc/docker/daemon.json and every -H tcp:// out of the unit \
         (systemctl cat docker), then restart. From elsewhere, SSH does without a port:\n\
         \n    docker -H ssh://user@host ps\n\
         \nOtherwise let in only holders of a client certificate of your own CA, in \
         /etc/docker/daemon.json:\n\
         \n    {\n      \"hosts\": [\"unix:///var/run/docker.sock\", \"tcp://10.0.0.5:2376\"],\
         \n      \"tlsverify\": true,\
         \n      \"tlscacert\": \"/etc/docker/tls/ca.pem\",\
         \n      \"tlscert\": \"/etc/docker/tls/server-cert.pem\",\
         \n      \"tlskey\": \"/etc/docker/tls/server-key.pem\"\n    }\n\
         \nA unit that passes -H itself conflicts with \"hosts\"; override it, and restart:\n\
         \n    mkdir -p /etc/systemd/system/docker.service.d\
         \n    printf '%s\\n' '[Service]' 'ExecStart=' \\\
         \n      \"ExecStart=$(command -v dockerd) --containerd=/run/containerd/containerd.sock\" \\\
         \n      > /etc/systemd/system/docker.service.d/hosts.conf\
         \n    systemctl daemon-reload && systemctl restart docker\n\
         \nIn both cases let a firewall admit only the machines that use the API."
    };
}

pub static API_UNAUTHENTICATED_PLAINTEXT: Rule = Rule {
    name: "api-unauthenticated-plaintext",
    severity: Severity::Critical,
    title: "Docker API open to anyone, without TLS",
    why: "Whoever reaches the port can start a container that mounts the host's disk, and so \
          become root on the host. Without TLS, whoever is on the path can also read and change \
          every request of those who are meant to be there.",
    detection: "Over plain HTTP, /version, /info, /networks and /containers/json?limit=1 all \
                answer 200 with what Docker sends there, to a client that showed no credentials. \
                Nothing is created, changed or deleted to prove it.",
    remediation: mutual_tls!(),
    cwe: Some(306),
    references: &[PROTECT, SURFACE, REMOTE, CIS_TLS],
    check: |subject| unauthenticated(subject, Transport::Plain),
};

pub static API_UNAUTHENTICATED_TLS: Rule = Rule {
    name: "api-unauthenticated-tls",
    severity: Severity::Critical,
    title: "Docker API open to anyone, over TLS without client authentication",
    why: "TLS hides the traffic, but here it asks nobody who they are: whoever reaches the port \
          can start a container that mounts the host's disk, and so become root on the host.",
    detection: "Inside TLS and without a client certificate, /version, /info, /networks and \
                /containers/json?limit=1 all answer 200 with what Docker sends there. Nothing is \
                created, changed or deleted to prove it.",
    remediation: concat!(
        "Look for tlsverify set to false, on the command line or in daemon.json: that turns off \
         the check that \"tls\" alone would make.\n\
         \n    systemctl cat docker | grep -i tls; grep -i tls /etc/docker/daemon.json\n\n",
        mutual_tls!()
    ),
    cwe: Some(306),
    references: &[PROTECT, SURFACE, REMOTE, CIS_TLS],
    check: |subject| unauthenticated(subject, Transport::Tls),
};

fn unauthenticated(subject: &Subject<'_>, transport: Transport) -> Verdict {
    let assessment = subject.assessment;
    let api = &assessment.api;
    if api.docker != DockerApi::Seen || assessment.transport != transport {
        return Verdict::NotApplicable;
    }
    match api.access {
        Access::Undetermined => Verdict::undetermined(&api.reason),
        Access::Open => {
            let mut evidence = format!(
                "Without credentials: {}. {}. Whether writing is allowed was never tried; \
                 Docker's API has no separate right for it.",
                paths(&api.paths),
                identity(assessment),
            );
            if transport == Transport::Tls
                && let Some(tls) = &assessment.tls
            {
                evidence +=
                    &format!(" Client certificates: {}.", sentence(&tls.client_auth.reason));
            }
            let address = subject.observation.endpoint.address;
            if !address::is_public(address) {
                return Verdict::found(evidence);
            }
            evidence += &format!(
                " {address} is a public address: the whole internet can reach for this port, and \
                 automated scans look for nothing else."
            );
            Verdict::Found(vec![Violation::new(evidence).remediation(public_remediation(subject))])
        }
        // Nothing refused: some of the paths were only not answered, or not asked.
        Access::Filtered if nothing_refused(&api.paths) => Verdict::undetermined(&api.reason),
        _ => Verdict::Passed,
    }
}

/// Every path that got an HTTP answer was answered 200; bodies that broke off are no refusal.
fn nothing_refused(paths: &[PathStatus]) -> bool {
    paths.iter().all(|path| match path.status {
        None => true,
        Some(200) => path.problem.as_deref().is_none_or(|p| p.starts_with("the body broke off")),
        Some(_) => path.path == "/_ping",
    })
}

/// First stop it, then find out what happened, then repair it.
fn public_remediation(subject: &Subject<'_>) -> String {
    let port = subject.observation.endpoint.port;
    format!(
        "Close the port now, before anything else:\n\
         \n    iptables -I INPUT -p tcp --dport {port} -j DROP\
         \n    ip6tables -I INPUT -p tcp --dport {port} -j DROP\n\
         \nIf a container publishes the port, use the chain DOCKER-USER in place of INPUT. Then \
         assume that others were here first: look for containers, images, cron jobs, SSH keys and \
         accounts that nobody of yours made, and rebuild the host if there are any.\n\
         \n    docker ps -a --no-trunc; docker images --digests; docker events --since 720h --until 0s\n\
         \n{}",
        mutual_tls!()
    )
}

pub static API_FILTERED: Rule = Rule {
    name: "api-filtered",
    severity: Severity::High,
    title: "Part of a Docker API answers anyone",
    why: "Something lets strangers use part of the API. Reading alone gives away what runs here, \
          and a filter that works by path or verb is often one unlisted call away from the host.",
    detection: "/version is a real engine's, without credentials, and at least one of /info, \
                /networks and /containers/json?limit=1 is refused or answered by something else. \
                Medium where nothing but /_ping and /version answers.",
    remediation: "Bind the filter to an address that only its own clients reach, such as a Docker \
                  network of its own, and publish no port of it:\n\
                  \n    docker network create --internal socket-proxy\
                  \n    docker run -d --network socket-proxy -v /var/run/docker.sock:/var/run/docker.sock:ro PROXY-IMAGE\n\
                  \nLet it pass only the calls that its clients make, and nothing that creates or \
                  runs (POST, /exec, /build). A read-only bind of the socket does not make the \
                  API read-only. If it has to be reached over the network, ask for client \
                  certificates in front of it.",
    cwe: Some(306),
    references: &[PROTECT, SURFACE, "https://docs.docker.com/engine/extend/plugins_authorization/"],
    check: filtered,
};

fn filtered(subject: &Subject<'_>) -> Verdict {
    let api = &subject.assessment.api;
    match (&api.docker, api.access) {
        (DockerApi::Seen, Access::Undetermined) => Verdict::undetermined(&api.reason),
        (DockerApi::Seen, Access::Denied | Access::ClientCertificateRequired) => Verdict::Passed,
        (DockerApi::Seen, Access::Filtered) => {
            let (answered, refused): (Vec<_>, Vec<_>) = api.paths.iter().partition(|p| served(p));
            let intermediary = match &api.intermediary {
                Some(name) => format!("In between: {name}"),
                None => "Nothing in between names itself".to_owned(),
            };
            let evidence = format!(
                "Without credentials these answer: {}. These do not: {}. {intermediary}. {}. \
                 Whether writing is allowed was never tried.",
                paths(answered.iter().copied()),
                paths(refused),
                identity(subject.assessment),
            );
            let harmless = |path: &PathStatus| matches!(path.path.as_str(), "/_ping" | "/version");
            // Refused in so many words: what only failed to answer may answer the next one.
            let told = ["/info", "/networks", "/containers/json?limit=1"].iter().all(|wanted| {
                api.paths.iter().any(|p| p.path == *wanted && p.status.is_some_and(|s| s != 200))
            });
            let mut violation = Violation::new(evidence);
            if told && answered.iter().all(|path| harmless(path)) {
                violation = violation.severity(Severity::Medium);
            }
            Verdict::Found(vec![violation])
        }
        _ => Verdict::NotApplicable,
    }
}

pub static API_PLAINTEXT_DENIED: Rule = Rule {
    name: "api-plaintext-denied",
    severity: Severity::Medium,
    title: "Docker API asks for credentials over plain HTTP",
    why: "Strangers are refused, but those who are let in send their credentials and every \
          request in clear: whoever is on the path can take them and use them.",
    detection: "A Docker API answers 401 or 403 over HTTP without TLS.",
    remediation: concat!("Put the API behind TLS, and do not serve it without. ", mutual_tls!()),
    cwe: Some(319),
    references: &[PROTECT, CIS_TLS, "RFC 9110, section 17.16.1 (confidentiality of credentials)"],
    check: plaintext_denied,
};

fn plaintext_denied(subject: &Subject<'_>) -> Verdict {
    denied(subject, |assessment| match assessment.transport {
        Transport::Plain => Verdict::found(format!(
            "Plain HTTP: {}. {}. {}.",
            paths(&assessment.api.paths),
            identity(assessment),
            sentence(&assessment.api.reason)
        )),
        Transport::Tls => Verdict::Passed,
        Transport::Undetermined => Verdict::undetermined(&assessment.api.reason),
    })
}

pub static API_DENIED_NO_CLIENT_CERT: Rule = Rule {
    name: "api-denied-no-client-cert",
    severity: Severity::Medium,
    title: "Docker API refuses strangers by HTTP only, without client certificates",
    why: "All that stands between a stranger and the host is a check inside HTTP: a password to \
          guess or an authorization plugin to get around. The handshake keeps nobody out.",
    detection: "A Docker API answers 401 or 403 inside TLS, and the server sent no \
                CertificateRequest.",
    remediation: concat!(
        "Ask for client certificates as well; the check inside HTTP can stay. ",
        mutual_tls!()
    ),
    cwe: None,
    references: &[
        PROTECT,
        CIS_TLS,
        "RFC 8446, section 4.3.2 (CertificateRequest)",
        "https://docs.docker.com/engine/extend/plugins_authorization/",
    ],
    check: denied_no_client_cert,
};

fn denied_no_client_cert(subject: &Subject<'_>) -> Verdict {
    denied(subject, |assessment| {
        let Some(tls) = assessment.tls.as_ref().filter(|_| assessment.transport == Transport::Tls)
        else {
            return Verdict::NotApplicable;
        };
        let reason = &tls.client_auth.reason;
        match tls.client_auth.requested {
            Answer::Yes => Verdict::Passed,
            Answer::Undetermined => Verdict::undetermined(reason),
            Answer::No => Verdict::found(format!(
                "Inside TLS: {}. Client certificates: {}. {}.",
                paths(&assessment.api.paths),
                sentence(reason),
                identity(assessment)
            )),
        }
    })
}

/// Applies a check to a Docker API that refuses for another reason than a missing certificate.
fn denied(subject: &Subject<'_>, check: impl Fn(&Assessment) -> Verdict) -> Verdict {
    let api = &subject.assessment.api;
    match (&api.docker, api.access) {
        (DockerApi::Seen, Access::Denied) => check(subject.assessment),
        (DockerApi::Seen, Access::Undetermined) => Verdict::undetermined(&api.reason),
        _ => Verdict::NotApplicable,
    }
}

pub static API_EXPOSED: Rule = Rule {
    name: "api-exposed",
    severity: Severity::Low,
    title: "Docker API reachable over the network",
    why: "The API is root on its host for whoever is let in. Every network that reaches the port \
          is one more from which stolen keys and flaws in the engine can be used.",
    detection: "A Docker API answers on a TCP port, whatever it asks for. Info where a client \
                certificate is enforced.",
    remediation: "Prefer the local socket and SSH, which needs no port of its own:\n\
                  \n    docker context create HOST --docker host=ssh://user@HOST\n\
                  \nIf TCP it has to be, bind one address of a management network \
                  (tcp://10.0.0.5:2376, not tcp://0.0.0.0:2376) and let a firewall admit only the \
                  machines that use it:\n\
                  \n    iptables -A INPUT -p tcp --dport 2376 -s 10.0.0.0/28 -j ACCEPT\
                  \n    iptables -A INPUT -p tcp --dport 2376 -j DROP",
    cwe: None,
    references: &[PROTECT, REMOTE, SURFACE],
    check: exposed,
};

fn exposed(subject: &Subject<'_>) -> Verdict {
    let assessment = subject.assessment;
    let api = &assessment.api;
    let client_auth = assessment.tls.as_ref().map(|tls| &tls.client_auth);
    // Where any certificate will do, none keeps anybody out.
    let enforced =
        client_auth.filter(|auth| auth.required == Answer::Yes && auth.verified != Verified::No);
    let behind = |reason: &str| format!("A client certificate is enforced: {}.", sentence(reason));
    match (&api.docker, enforced) {
        (DockerApi::NotSeen, _) => Verdict::NotApplicable,
        (DockerApi::Seen, Some(auth)) => Verdict::Found(vec![
            Violation::new(format!("{}. {}", identity(assessment), behind(&auth.reason)))
                .severity(Severity::Info),
        ]),
        (DockerApi::Seen, None) => {
            let reason = sentence(&api.reason);
            Verdict::found(format!("{}. Seen by a stranger: {reason}.", identity(assessment)))
        }
        (DockerApi::Probable(because), Some(auth)) => Verdict::Found(vec![
            Violation::new(format!("Probably Docker: {because}. {}", behind(&auth.reason)))
                .severity(Severity::Info),
        ]),
        (DockerApi::Probable(because), None)
            if client_auth.is_some_and(|auth| auth.verified == Verified::No) =>
        {
            Verdict::found(format!(
                "Probably Docker: {because}. A client certificate is demanded, and any will do."
            ))
        }
        (DockerApi::Probable(because), None) => {
            Verdict::undetermined(format!("only probably Docker: {because}"))
        }
    }
}

fn served(path: &PathStatus) -> bool {
    path.status == Some(200) && path.problem.is_none()
}

/// `GET /info 403 (problem), GET /version 200`.
fn paths<'a>(paths: impl IntoIterator<Item = &'a PathStatus>) -> String {
    let listed: Vec<String> = paths
        .into_iter()
        .map(|path| {
            let status = path.status.map_or("no HTTP answer".to_owned(), |code| code.to_string());
            match &path.problem {
                Some(problem) => format!("GET {} {status} ({problem})", path.path),
                None => format!("GET {} {status}", path.path),
            }
        })
        .collect();
    if listed.is_empty() { "none".to_owned() } else { listed.join(", ") }
}

/// Who answered, as far as it says.
fn identity(assessment: &Assessment) -> String {
    let api = &assessment.api;
    let mut text = match api.product {
        Some(Product::DockerEngine) => "Docker Engine",
        Some(Product::Podman) => "Podman, which serves Docker's API",
        Some(Product::Unknown) | None => "A Docker API whose engine does not name itself",
    }
    .to_owned();
    if let Some(body) = &api.version {
        for (what, value) in [
            ("version", &body.version),
            ("API version", &body.api_version),
            ("system", &body.os),
            ("kernel", &body.kernel_version),
        ] {
            if let Some(value) = value {
                text += &format!(", {what} {value}");
            }
        }
    }
    if let Some(server) = &api.server {
        text += &format!(", Server header \"{server}\"");
    }
    text
}

/// A reason without its full stop, to be put inside a sentence.
fn sentence(reason: &str) -> &str {
    reason.trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    #[test]
    fn an_open_plain_api_is_critical() {
        let violation = only(&API_UNAUTHENTICATED_PLAINTEXT, &open_plain());
        for part in ["/version 200", "/containers/json?limit=1 200", "29.9.0", "never tried"] {
            assert!(violation.evidence.contains(part), "{}", violation.evidence);
        }
        assert!(!violation.evidence.contains("public address"));
        assert_eq!(violation.remediation, None);
        assert_eq!(verdict(&API_UNAUTHENTICATED_TLS, &open_plain()), Verdict::NotApplicable);
    }

    #[test]
    fn a_public_address_is_said_to_be_one() {
        let mut observation = observation();
        observation.endpoint.address = "1.1.1.1".parse().unwrap();
        let assessment = open_plain();
        let subject = Subject::new(&observation, &assessment, basis(), now());
        let Verdict::Found(found) = (API_UNAUTHENTICATED_PLAINTEXT.check)(&subject) else {
            panic!("not found")
        };
        assert!(found[0].evidence.contains("1.1.1.1 is a public address"));
        assert!(found[0].remediation.as_ref().unwrap().starts_with("Close the port now"));
    }

    #[test]
    fn an_open_tls_api_is_critical() {
        let mut assessment = open_tls();
        let violation = only(&API_UNAUTHENTICATED_TLS, &assessment);
        assert!(violation.evidence.contains("no CertificateRequest"), "{}", violation.evidence);
        assert_eq!(verdict(&API_UNAUTHENTICATED_PLAINTEXT, &assessment), Verdict::NotApplicable);
        assessment.api.access = Access::Denied;
        assert_eq!(verdict(&API_UNAUTHENTICATED_TLS, &assessment), Verdict::Passed);
        assessment.api.access = Access::Undetermined;
        assert!(undetermined(&API_UNAUTHENTICATED_TLS, &assessment).contains("reason"));
    }

    #[test]
    fn what_is_not_seen_to_be_docker_has_no_api_rules() {
        let mut assessment = open_plain();
        assessment.api.docker = DockerApi::NotSeen;
        assessment.api.access = Access::NotDocker;
        for rule in [
            &API_UNAUTHENTICATED_PLAINTEXT,
            &API_UNAUTHENTICATED_TLS,
            &API_FILTERED,
            &API_PLAINTEXT_DENIED,
            &API_DENIED_NO_CLIENT_CERT,
            &API_EXPOSED,
        ] {
            assert_eq!(verdict(rule, &assessment), Verdict::NotApplicable, "{}", rule.name);
        }
    }

    fn filtered_api(answering: &[&str]) -> Assessment {
        let mut assessment = open_plain();
        assessment.api.access = Access::Filtered;
        assessment.api.intermediary = Some("HAProxy".into());
        for path in &mut assessment.api.paths {
            if !answering.contains(&path.path.as_str()) {
                path.status = Some(403);
                path.problem = Some("text/html".into());
            }
        }
        assessment
    }

    #[test]
    fn a_filtered_api_is_as_bad_as_what_it_lets_through() {
        let violation = only(&API_FILTERED, &filtered_api(&["/_ping", "/version"]));
        assert_eq!(violation.severity, Some(Severity::Medium));
        let violation = only(&API_FILTERED, &filtered_api(&["/_ping", "/version", "/networks"]));
        assert_eq!(violation.severity, None);
        for part in ["HAProxy", "these answer: GET /_ping 200", "not: GET /info 403 (text/html)"] {
            assert!(violation.evidence.contains(part), "{}", violation.evidence);
        }
        assert_eq!(verdict(&API_FILTERED, &open_plain()), Verdict::NotApplicable);
        let mut other = filtered_api(&[]);
        other.api.access = Access::Denied;
        assert_eq!(verdict(&API_FILTERED, &other), Verdict::Passed);
        other.api.access = Access::Undetermined;
        undetermined(&API_FILTERED, &other);
    }

    #[test]
    fn a_denial_over_plain_http() {
        let mut assessment = open_plain();
        assessment.api.access = Access::Denied;
        only(&API_PLAINTEXT_DENIED, &assessment);
        assert_eq!(verdict(&API_DENIED_NO_CLIENT_CERT, &assessment), Verdict::NotApplicable);
        assert_eq!(verdict(&API_PLAINTEXT_DENIED, &open_plain()), Verdict::NotApplicable);
        let mut assessment = open_tls();
        assessment.api.access = Access::Denied;
        assert_eq!(verdict(&API_PLAINTEXT_DENIED, &assessment), Verdict::Passed);
        assessment.api.access = Access::Undetermined;
        undetermined(&API_PLAINTEXT_DENIED, &assessment);
    }

    #[test]
    fn a_denial_over_tls_without_client_certificates() {
        let mut assessment = open_tls();
        assessment.api.access = Access::Denied;
        only(&API_DENIED_NO_CLIENT_CERT, &assessment);
        client_auth(&mut assessment).requested = Answer::Yes;
        assert_eq!(verdict(&API_DENIED_NO_CLIENT_CERT, &assessment), Verdict::Passed);
        client_auth(&mut assessment).requested = Answer::Undetermined;
        undetermined(&API_DENIED_NO_CLIENT_CERT, &assessment);
    }

    #[test]
    fn any_docker_api_on_tcp_is_exposed() {
        assert_eq!(only(&API_EXPOSED, &open_plain()).severity, None);
        let mut assessment = hardened();
        let violation = only(&API_EXPOSED, &assessment);
        assert_eq!(violation.severity, Some(Severity::Info));
        assert!(violation.evidence.starts_with("Probably Docker"));
        client_auth(&mut assessment).required = Answer::Undetermined;
        undetermined(&API_EXPOSED, &assessment);
        assessment.api.docker = DockerApi::Seen;
        assert_eq!(only(&API_EXPOSED, &assessment).severity, None);
        client_auth(&mut assessment).required = Answer::Yes;
        assert_eq!(only(&API_EXPOSED, &assessment).severity, Some(Severity::Info));
        client_auth(&mut assessment).verified = Verified::No;
        assert_eq!(only(&API_EXPOSED, &assessment).severity, None);
        assessment.api.docker = DockerApi::Probable("it asks".into());
        let violation = only(&API_EXPOSED, &assessment);
        assert_eq!(violation.severity, None);
        assert!(violation.evidence.ends_with("any will do."), "{}", violation.evidence);
    }
}
