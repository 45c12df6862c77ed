use std::collections::BTreeMap;

use super::*;
use crate::observation::TlsVersion;
use crate::report::sample;
use crate::report::text::TextOptions;

fn list(names: &[&str], order: Order, incomplete_reason: Option<&str>) -> v1::CipherSuites {
    let suites = names.iter().map(|name| {
        crate::cipher_suite::CipherSuite::from_name(name).expect("a registered suite").into()
    });
    v1::CipherSuites {
        suites: suites.collect(),
        order,
        complete: incomplete_reason.is_none(),
        incomplete_reason: incomplete_reason.map(str::to_owned),
    }
}

fn written(report: &v1::Report) -> String {
    let mut page = Page::new(TextOptions::default());
    write(&mut page, report);
    page.finish()
}

#[test]
fn suites_are_listed_by_version_newest_first_and_the_weak_ones_marked() {
    let mut report = sample::report();
    assert_eq!(written(&report), "", "nobody asked for them");
    let tls = report.endpoints.iter_mut().find_map(|endpoint| endpoint.tls.as_mut()).unwrap();
    let old = ["TLS_RSA_WITH_3DES_EDE_CBC_SHA"];
    let new = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"];
    tls.cipher_suites = Some(BTreeMap::from([
        (TlsVersion::Tls10, list(&old, Order::Undetermined, Some("3 suites are open: no time"))),
        (TlsVersion::Tls13, list(&new, Order::Server, None)),
    ]));
    let text = written(&report);
    let lines: Vec<&str> = text.lines().skip(3).collect();
    assert_eq!(
        lines,
        [
            "    TLSv1.3, in the server's order",
            "      TLS_AES_128_GCM_SHA256",
            "      TLS_AES_256_GCM_SHA384",
            "    TLSv1.0; 3 suites are open: no time",
            "      TLS_RSA_WITH_3DES_EDE_CBC_SHA  (3des, rsa-key-exchange)",
        ]
    );
}
