//! Paths that verify and paths that do not, each made for one reason, in the manner of x509-limbo.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, SanType, date_time_ymd,
};

use super::*;

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

/// A CA's name and key; certificates for it can be made more than once.
struct Ca {
    name: DistinguishedName,
    key: KeyPair,
    der: Vec<u8>,
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Ca {
    fn root(name: &str) -> Self {
        Self::root_with(authority(name))
    }

    fn root_with(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { name: params.distinguished_name, key, der }
    }

    fn below(issuer: &Ca, name: &str) -> Self {
        Self::below_with(issuer, authority(name))
    }

    fn below_with(issuer: &Ca, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let der = issuer.sign(&params, &key);
        Self { name: params.distinguished_name, key, der }
    }

    /// What it does not check is what it is for: any CA signs anything.
    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
        let mut issuer = CertificateParams::default();
        issuer.distinguished_name = self.name.clone();
        params.signed_by(key, &Issuer::new(issuer, &self.key)).unwrap().der().to_vec()
    }

    fn leaf(&self) -> Vec<u8> {
        self.leaf_with(server())
    }

    fn leaf_with(&self, params: CertificateParams) -> Vec<u8> {
        self.sign(&params, &KeyPair::generate().unwrap())
    }
}

fn server() -> CertificateParams {
    let mut params = named("server");
    params.subject_alt_names = vec![
        SanType::DnsName("docker.example".try_into().unwrap()),
        SanType::IpAddress([10, 0, 0, 5].into()),
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn given(certificates: &[&[u8]]) -> Anchors {
    let mut anchors = Anchors::default();
    let text: String = certificates
        .iter()
        .map(|der| {
            format!(
                "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
                BASE64.encode(der)
            )
        })
        .collect();
    anchors.add_pem("ca.pem", text.as_bytes()).unwrap();
    anchors
}

fn judged(sent: &[&[u8]], anchors: &[&[u8]]) -> Trust {
    verify(sent, &given(anchors), now())
}

#[track_caller]
fn trusted(sent: &[&[u8]], anchors: &[&[u8]], end: &str) {
    match judged(sent, anchors) {
        Trust::Trusted(to) => assert!(to.starts_with(end), "{to}"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn untrusted(sent: &[&[u8]], anchors: &[&[u8]], parts: &[&str]) {
    match judged(sent, anchors) {
        Trust::Untrusted(reason) => {
            parts.iter().for_each(|part| assert!(reason.contains(part), "{part}: {reason}"));
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn undetermined(sent: &[&[u8]], anchors: &[&[u8]], part: &str) {
    match judged(sent, anchors) {
        Trust::Undetermined(because) => assert!(because.contains(part), "{because}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn chains_that_lead_to_a_given_root() {
    let root = Ca::root("root");
    let leaf = root.leaf();
    trusted(&[&leaf], &[&root.der], "CN=root");
    trusted(&[&leaf, &root.der], &[&root.der], "CN=root");
    let (one, two) = (Ca::below(&root, "one"), Ca::root("two"));
    let three = Ca::below(&one, "three");
    let leaf = three.leaf();
    let (one, three, two) = (&one.der, &three.der, &two.der);
    trusted(&[&leaf, three, one], &[&root.der], "CN=root");
    trusted(&[&leaf, three, one], &[two, &root.der], "CN=root");
    // Misordered, with strangers, twice.
    trusted(&[&leaf, one, two, three, one, three, &root.der], &[&root.der], "CN=root");
    trusted(&[&leaf, three], &[one], "CN=one");
}

#[test]
fn a_leaf_that_is_given_itself() {
    let alone = Ca::root_with(server()).der;
    trusted(&[&alone], &[&alone], "itself");
    let ca = Ca::root("ca as a server").der;
    trusted(&[&ca], &[&ca], "itself");
    let root = Ca::root("root");
    let leaf = root.leaf();
    trusted(&[&leaf], &[&leaf], "itself");
    // Another certificate of the same name is another.
    let other = Ca::root_with(server()).der;
    let parts = ["signature of CN=server", "does not verify with the key of CN=server"];
    untrusted(&[&alone], &[&other], &parts);
    untrusted(&[&alone], &[&root.der], &["CN=server", "self-issued, and not among the given"]);
}

#[test]
fn an_issuer_that_is_nowhere_is_named() {
    let (root, other) = (Ca::root("root"), Ca::root("other"));
    let between = Ca::below(&root, "between");
    let leaf = between.leaf();
    let text = "CN=server (SHA-256";
    untrusted(&[&leaf], &[&root.der], &[text, "issued by CN=between, which was neither"]);
    let text = "ends in the self-signed CN=root (SHA-256";
    untrusted(&[&leaf, &between.der, &root.der], &[&other.der], &[text]);
    let parts = ["CN=between (SHA-256", "issued by CN=root, which was neither"];
    untrusted(&[&leaf, &between.der], &[&other.der], &parts);
}

#[test]
fn the_same_name_is_not_the_same_key() {
    let (root, impostor) = (Ca::root("root"), Ca::root("root"));
    let leaf = root.leaf();
    let parts = ["signature of CN=server", "does not verify with the key of CN=root"];
    untrusted(&[&leaf], &[&impostor.der], &parts);
    untrusted(&[&leaf, &root.der], &[&impostor.der], &parts);
    // Both given: the right one is found.
    trusted(&[&leaf], &[&impostor.der, &root.der], "CN=root");
    let mut forged = leaf.clone();
    *forged.last_mut().unwrap() ^= 1;
    untrusted(&[&forged], &[&root.der], &parts);
}

#[test]
fn dates_of_the_links_count_and_those_of_the_leaf_do_not() {
    let root = Ca::root("root");
    let mut old = authority("old");
    old.not_after = date_time_ymd(2026, 5, 1);
    let old = Ca::below_with(&root, old);
    let parts = ["CN=old", "expired on 2026-05-01"];
    untrusted(&[&old.leaf(), &old.der], &[&root.der], &parts);
    let mut early = authority("early");
    early.not_before = date_time_ymd(2026, 7, 1);
    let early = Ca::below_with(&root, early);
    untrusted(
        &[&early.leaf(), &early.der],
        &[&root.der],
        &["CN=early", "not valid before 2026-07"],
    );

    let mut expired = server();
    expired.not_after = date_time_ymd(2026, 3, 1);
    trusted(&[&root.leaf_with(expired.clone())], &[&root.der], "CN=root");
    let mut future = server();
    future.not_before = date_time_ymd(2026, 9, 1);
    trusted(&[&root.leaf_with(future)], &[&root.der], "CN=root");
    // The leaf expired before its issuer did, and both did before now.
    untrusted(&[&old.leaf_with(expired), &old.der], &[&root.der], &parts);
    // A renewed issuer was not there yet when the leaf was valid.
    let mut renewed = authority("renewed");
    renewed.not_before = date_time_ymd(2026, 4, 1);
    let renewed = Ca::below_with(&root, renewed);
    let mut expired = server();
    expired.not_after = date_time_ymd(2026, 3, 1);
    let leaf = renewed.leaf_with(expired);
    undetermined(&[&leaf, &renewed.der], &[&root.der], "never valid all at the same time");

    let mut past = authority("past root");
    past.not_after = date_time_ymd(2026, 5, 1);
    let past_root = Ca::root_with(past.clone());
    let leaf = past_root.leaf();
    untrusted(&[&leaf], &[&past_root.der], &["the given CN=past root", "expired on 2026-05-01"]);
    // The same key in a newer edition is enough.
    past.not_after = date_time_ymd(2027, 5, 1);
    let newer = past.self_signed(&past_root.key).unwrap().der().to_vec();
    trusted(&[&leaf], &[&past_root.der, &newer], "CN=past root");
    trusted(&[&leaf], &[&newer, &past_root.der], "CN=past root");
}

#[test]
fn issuers_must_be_cas() {
    let root = Ca::root("root");
    for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa] {
        let mut params = named("no ca");
        params.is_ca = is_ca;
        // Makes it version 3 where there is no basicConstraints.
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let no_ca = Ca::below_with(&root, params.clone());
        let parts = ["CN=no ca", "is no CA (basicConstraints)"];
        untrusted(&[&no_ca.leaf(), &no_ca.der], &[&root.der], &parts);
        let given = Ca::root_with(params);
        untrusted(&[&given.leaf()], &[&given.der], &["the given CN=no ca", "is no CA"]);
    }
}

#[test]
fn a_key_usage_must_allow_issuing() {
    let root = Ca::root("root");
    let mut params = authority("limited");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let limited = Ca::below_with(&root, params.clone());
    let parts = ["CN=limited", "keyUsage without keyCertSign"];
    untrusted(&[&limited.leaf(), &limited.der], &[&root.der], &parts);
    let given = Ca::root_with(params.clone());
    untrusted(&[&given.leaf()], &[&given.der], &["the given CN=limited", "without keyCertSign"]);
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    let able = Ca::below_with(&root, params);
    trusted(&[&able.leaf(), &able.der], &[&root.der], "CN=root");
}

#[test]
fn path_lengths_are_kept() {
    let constrained = |name: &str, length| {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
        params
    };
    let root = Ca::root("root");
    let zero = Ca::below_with(&root, constrained("zero", 0));
    trusted(&[&zero.leaf(), &zero.der], &[&root.der], "CN=root");
    let below = Ca::below(&zero, "below");
    let leaf = below.leaf();
    let parts = ["CN=zero", "fewer CAs below it"];
    untrusted(&[&leaf, &below.der, &zero.der], &[&root.der], &parts);
    let one = Ca::below_with(&root, constrained("one", 1));
    let below = Ca::below(&one, "below");
    trusted(&[&below.leaf(), &below.der, &one.der], &[&root.der], "CN=root");
    // Of the given root as well.
    let root = Ca::root_with(constrained("short root", 0));
    trusted(&[&root.leaf()], &[&root.der], "CN=short root");
    let below = Ca::below(&root, "below");
    let parts = ["the given CN=short root", "allows 0 CAs below it", "there are 1"];
    untrusted(&[&below.leaf(), &below.der], &[&root.der], &parts);
}

#[test]
fn name_constraints_are_kept() {
    let dns = |name: &str| GeneralSubtree::DnsName(name.to_owned());
    let ip =
        |first: u8| GeneralSubtree::IpAddress(CidrSubnet::V4([first, 0, 0, 0], [255, 0, 0, 0]));
    let (docker, other) = ("example", "elsewhere");
    for (permitted, excluded, good) in [
        (vec![dns(docker)], vec![], true),
        (vec![dns(other)], vec![], false),
        (vec![dns(other), dns(docker)], vec![], true),
        (vec![], vec![dns(docker)], false),
        (vec![], vec![dns("docker.example")], false),
        (vec![], vec![dns(other)], true),
        (vec![dns(docker)], vec![dns("docker.example")], false),
        (vec![ip(10)], vec![], true),
        (vec![ip(11)], vec![], false),
        (vec![], vec![ip(10)], false),
        (vec![], vec![ip(11)], true),
        (vec![dns(docker), ip(10)], vec![], true),
        (vec![dns(docker), ip(11)], vec![], false),
    ] {
        let mut params = authority("constrained");
        params.name_constraints =
            Some(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded });
        let root = Ca::root("root");
        let between = Ca::below_with(&root, params.clone());
        let sent = [between.leaf(), between.der.clone()];
        let sent = [sent[0].as_slice(), sent[1].as_slice()];
        // A given root's own constraints bind as well.
        let constrained = Ca::root_with(params);
        let leaf = constrained.leaf();
        if good {
            trusted(&sent, &[&root.der], "CN=root");
            trusted(&[&leaf], &[&constrained.der], "CN=constrained");
        } else {
            let parts = ["CN=server", "not among the names that CN=constrained", "may issue to"];
            untrusted(&sent, &[&root.der], &parts);
            untrusted(&[&leaf], &[&constrained.der], &parts);
        }
    }
}

#[test]
fn extended_key_usages_must_include_servers() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    let root = Ca::root("root");
    let with = |mut params: CertificateParams, uses: &[ExtendedKeyUsagePurpose]| {
        params.extended_key_usages = uses.to_vec();
        params
    };
    trusted(&[&root.leaf_with(with(server(), &[]))], &[&root.der], "CN=root");
    trusted(&[&root.leaf_with(with(server(), &[ClientAuth, ServerAuth]))], &[&root.der], "CN=root");
    let client = root.leaf_with(with(server(), &[ClientAuth]));
    untrusted(&[&client], &[&root.der], &["CN=server", "extKeyUsage without serverAuth"]);
    let any = root.leaf_with(with(server(), &[Any]));
    undetermined(&[&any], &[&root.der], "for any use");
    let clients_only = Ca::below_with(&root, with(authority("clients"), &[ClientAuth]));
    let parts = ["CN=clients", "extKeyUsage without serverAuth"];
    untrusted(&[&clients_only.leaf(), &clients_only.der], &[&root.der], &parts);
    let servers = Ca::below_with(&root, with(authority("servers"), &[ServerAuth]));
    trusted(&[&servers.leaf(), &servers.der], &[&root.der], "CN=root");
}

#[test]
fn cross_signed_issuers_are_followed_to_whichever_root_is_given() {
    let (old, new) = (Ca::root("old root"), Ca::root("new root"));
    let issuer = Ca::below(&new, "issuer");
    let leaf = issuer.leaf();
    let cross = old.sign(&authority("new root"), &new.key);
    let sent: [&[u8]; 3] = [&leaf, &issuer.der, &cross];
    trusted(&sent, &[&old.der], "CN=old root");
    trusted(&sent, &[&new.der], "CN=new root");
    trusted(&[&leaf, &issuer.der, &cross, &new.der], &[&old.der], "CN=old root");
    // One of two ways has expired.
    let mut expired = authority("new root");
    expired.not_after = date_time_ymd(2026, 2, 1);
    let expired = old.sign(&expired, &new.key);
    trusted(&[&leaf, &issuer.der, &expired, &cross], &[&old.der], "CN=old root");
    let parts = ["CN=new root", "expired"];
    untrusted(&[&leaf, &issuer.der, &expired], &[&old.der], &parts);
}

#[test]
fn loops_end() {
    let (a, b, root) = (Ca::root("a"), Ca::root("b"), Ca::root("root"));
    let a_by_b = b.sign(&authority("a"), &a.key);
    let b_by_a = a.sign(&authority("b"), &b.key);
    let leaf = a.leaf();
    untrusted(&[&leaf, &a_by_b, &b_by_a], &[&root.der], &["are issued by one another"]);
    trusted(&[&leaf, &a_by_b, &b_by_a], &[&b.der], "CN=b");
    // A self-issued certificate with another's signature leads to itself.
    let (one, two) = (Ca::root("twin"), Ca::root("twin"));
    let rollover = two.sign(&authority("twin"), &one.key);
    let leaf = one.leaf();
    trusted(&[&leaf, &rollover], &[&two.der], "CN=twin");
    untrusted(&[&leaf, &rollover], &[&root.der], &["are issued by one another"]);
}

#[test]
fn what_the_verifier_cannot_judge_is_undetermined() {
    let root = Ca::root("root");
    let ca_leaf = root.leaf_with(authority("a CA as a server"));
    undetermined(&[&ca_leaf], &[&root.der], "itself a CA");
    let mut critical = server();
    let mut extension =
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 55555, 1], vec![5, 0]);
    extension.set_criticality(true);
    critical.custom_extensions = vec![extension];
    undetermined(&[&root.leaf_with(critical)], &[&root.der], "critical extension");
    undetermined(&[b"garbage"], &[&root.der], "cannot be read");
    undetermined(&[], &[&root.der], "no certificate");
    // Seven CAs in a row are one too many for it.
    let mut chain = vec![Ca::below(&root, "0")];
    for depth in 1..8 {
        let next = Ca::below(chain.last().unwrap(), &depth.to_string());
        chain.push(next);
    }
    let leaf = chain.last().unwrap().leaf();
    let mut sent: Vec<&[u8]> = vec![&leaf];
    sent.extend(chain.iter().rev().map(|ca| ca.der.as_slice()));
    undetermined(&sent, &[&root.der], "its bounds were reached");
}

/// From testdata, made by OpenSSL: keys and signatures of all kinds, each self-signed.
#[test]
fn weak_and_odd_certificates_are_not_called_forged() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/certificates");
    let der = |name: &str| {
        let pem = std::fs::read_to_string(folder.join(name)).unwrap();
        let text: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
        BASE64.decode(text).unwrap()
    };
    let root = Ca::root("root");
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".pem") {
            continue;
        }
        let sent = der(&name);
        match judged(&[&sent], &[&root.der]) {
            Trust::Untrusted(reason) => {
                assert!(!reason.contains("signature"), "{name}: {reason}");
            }
            Trust::Undetermined(because) => {
                assert!(because.contains("cannot be read"), "{name}: {because}");
            }
            Trust::Trusted(to) => panic!("{name} is trusted: {to}"),
        }
    }
}

#[test]
fn a_hundred_certificates_that_do_not_belong_change_nothing() {
    let root = Ca::root("root");
    let between = Ca::below(&root, "between");
    let leaf = between.leaf();
    let strangers: Vec<Ca> = (0..100)
        .map(|number| Ca::below(&Ca::root("stranger"), &format!("stranger {number}")))
        .collect();
    let mut sent: Vec<&[u8]> = vec![&leaf];
    sent.extend(strangers.iter().map(|ca| ca.der.as_slice()));
    sent.push(&between.der);
    trusted(&sent, &[&root.der], "CN=root");
    sent.pop();
    untrusted(&sent, &[&root.der], &["issued by CN=between, which was neither sent nor given"]);
}

/// Every certificate could have issued every other: without bounds the ways between them are more
/// than any machine can walk.
#[test]
fn hostile_meshes_are_bounded() {
    let root = Ca::root("root");
    let mesh: Vec<Ca> = (0..120).map(|_| Ca::below_with(&root, authority("mesh"))).collect();
    let by_mesh: Vec<Vec<u8>> =
        mesh.iter().map(|ca| mesh[0].sign(&authority("mesh"), &ca.key)).collect();
    let leaf = mesh[1].leaf();
    let mut sent: Vec<&[u8]> = vec![&leaf];
    sent.extend(by_mesh.iter().skip(1).map(Vec::as_slice));
    untrusted(&sent, &[&root.der], &["are issued by one another"]);
    sent.push(&mesh[0].der);
    undetermined(&sent, &[&root.der], "120 of the certificates sent could stand between");
    let few: Vec<&[u8]> = [&sent[..6], &sent[sent.len() - 1..]].concat();
    undetermined(&few, &[&root.der], "bear the name CN=mesh");

    // As many as are tried: names in layers, each of which could have issued the next.
    let layers: Vec<Vec<Ca>> =
        (0..8).map(|layer| (0..4).map(|_| Ca::root(&format!("layer {layer}"))).collect()).collect();
    let mut ders = vec![layers[0][0].leaf()];
    for (lower, upper) in layers.iter().zip(layers.iter().skip(1)) {
        for ca in lower {
            ders.push(upper[0].sign(&authority(&name_of(ca)), &ca.key));
        }
    }
    for ca in layers.last().unwrap() {
        ders.push(root.sign(&authority(&name_of(ca)), &ca.key));
    }
    let sent: Vec<&[u8]> = ders.iter().map(Vec::as_slice).collect();
    undetermined(&sent, &[&root.der], "its bounds were reached");
}

fn name_of(ca: &Ca) -> String {
    match ca.name.get(&DnType::CommonName) {
        Some(rcgen::DnValue::Utf8String(name)) => name.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn anchors_say_where_they_come_from() {
    let (one, two) = (Ca::root("one"), Ca::root("two"));
    let mut anchors = given(&[&one.der]);
    assert_eq!(anchors.add_system([two.der.clone(), one.der, b"garbage".to_vec()]), 2);
    assert_eq!(anchors.sources(), "ca.pem (1 certificate) and the system's roots (2 certificates)");
    let facts = |der: &[u8]| Certificate::from_der(der).facts().unwrap().clone();
    assert!(anchors.holds(&facts(&two.der)) && anchors.stands_for(&facts(&two.der)));
    let renewed = facts(&two.name_with_other_dates());
    assert!(!anchors.holds(&renewed) && anchors.stands_for(&renewed));
    assert!(!anchors.stands_for(&facts(&Ca::root("two").der)));
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let error = Anchors::default().add_pem("x", broken.as_bytes()).unwrap_err();
    assert_eq!(error.line(), Some(1));
}

impl Ca {
    fn name_with_other_dates(&self) -> Vec<u8> {
        let mut params = authority(&name_of(self));
        params.not_after = date_time_ymd(2030, 1, 1);
        params.self_signed(&self.key).unwrap().der().to_vec()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mutated_chains_never_panic(
        changes in proptest::collection::vec(
            (0usize..3, any::<prop::sample::Index>(), any::<u8>()), 0..6,
        ),
        cut in any::<prop::sample::Index>(),
        order in Just([0usize, 1, 2]).prop_shuffle(),
    ) {
        let root = Ca::root("root");
        let between = Ca::below(&root, "between");
        let mut ders = [between.leaf(), between.der.clone(), root.der.clone()];
        for (which, place, byte) in changes {
            let der = &mut ders[which];
            let place = place.index(der.len());
            der[place] = byte;
        }
        let last = &mut ders[order[2]];
        let length = last.len() - cut.index(3);
        last.truncate(length);
        let sent: Vec<&[u8]> = order.iter().map(|which| ders[*which].as_slice()).collect();
        let _ = judged(&sent, &[&root.der]);
    }
}
