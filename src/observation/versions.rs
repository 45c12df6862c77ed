//! Which protocol versions the recorded bytes settle, and by what rule.
//!
//! The probe asks this to know which hello is still worth a connection; `assess` asks it for the
//! verdict. A version is accepted only where a ServerHello chose it.

use std::collections::BTreeMap;

use super::{
    Connection, HelloAnswer, HelloConnection, HelloForm, StreamEnd, TlsConnection, TlsVersion,
};

/// What the bytes say of one version, with the bytes that say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    Accepted(String),
    Refused(String),
    Open(String),
}

const CLOSE_NOTIFY: u8 = 0;
const PROTOCOL_VERSION: u8 = 70;
const UNRECOGNIZED_NAME: u8 = 112;

/// All five versions.
pub fn settle(connections: &[Connection]) -> BTreeMap<TlsVersion, Settled> {
    settle_beside(connections, None)
}

/// All five versions, where something else than these connections showed that one is accepted.
pub fn settle_beside(
    connections: &[Connection],
    shown: Option<TlsVersion>,
) -> BTreeMap<TlsVersion, Settled> {
    let name = adopted_name(connections);
    let mut evidence = Evidence { shown, ..Evidence::default() };
    for connection in connections {
        evidence.connections += 1;
        match connection {
            Connection::Hello(hello) if hello.made_up_name.as_deref() == name => {
                evidence.hello(hello);
            }
            // What was asked without the name was refused for want of it.
            Connection::Tls(tls) if name.is_none() => evidence.handshake(tls),
            Connection::Plain(_) | Connection::Tls(_) | Connection::Hello(_) => {}
        }
    }
    TlsVersion::ALL.into_iter().map(|version| (version, evidence.verdict(version, name))).collect()
}

/// The made-up name to which the server listens, if it accepts no version without one.
pub fn adopted_name(connections: &[Connection]) -> Option<&str> {
    let accepted = |connection: &Connection| match connection {
        Connection::Plain(_) => false,
        Connection::Tls(tls) => tls.negotiated.is_some(),
        Connection::Hello(hello) => {
            hello.made_up_name.is_none() && matches!(hello.answer, HelloAnswer::ServerHello(_))
        }
    };
    if connections.iter().any(accepted) {
        return None;
    }
    connections.iter().find_map(|connection| match connection {
        Connection::Hello(hello) if matches!(hello.answer, HelloAnswer::ServerHello(_)) => {
            hello.made_up_name.as_deref()
        }
        _ => None,
    })
}

#[derive(Default)]
struct Evidence {
    accepted: BTreeMap<TlsVersion, String>,
    /// Some version was accepted with a suite that clients offer.
    takes_common_suites: bool,
    shown: Option<TlsVersion>,
    refused: BTreeMap<TlsVersion, String>,
    /// An alert that is not about the version: a refusal only from a server that accepts another
    /// version. One that accepts none may want other suites, or a server name.
    failed: BTreeMap<TlsVersion, String>,
    /// The same, to a hello with rare suites.
    failed_rare: BTreeMap<TlsVersion, String>,
    /// How many were looked at so far.
    connections: usize,
    /// Connections up to this number had ended when the last one was begun on which the server
    /// said something in TLS.
    over_when_answered: usize,
    /// A hello that has extensions was answered.
    takes_extensions: bool,
    /// A hello of more than SSLv3 that has none was answered.
    takes_bare: bool,
    /// A close or reset right at the hello, with the number of its connection: a refusal only
    /// from a server that answers another hello afterwards. One that has had enough of us drops
    /// everything.
    dropped: BTreeMap<TlsVersion, (usize, String)>,
    /// Those of which a hello without extensions was dropped too.
    dropped_bare: Vec<TlsVersion>,
    /// Alert 70 to a hello whose highest version was this.
    too_old: Vec<TlsVersion>,
    open: BTreeMap<TlsVersion, String>,
}

impl Evidence {
    fn handshake(&mut self, tls: &TlsConnection) {
        if let Some(negotiated) = &tls.negotiated {
            self.over_when_answered = self.connections.saturating_sub(1);
            self.takes_extensions = true;
            self.takes_common_suites = true;
            // What a library objects to after the ServerHello may be the sentinel.
            let sentinel = matches!(tls.handshake_end, Some(StreamEnd::Incompatible { .. }));
            self.chosen(negotiated.version, &tls.offered, sentinel);
            return;
        }
        match &tls.handshake_end {
            Some(StreamEnd::Alert { description: PROTOCOL_VERSION, .. }) => {
                self.alert(PROTOCOL_VERSION, &tls.offered);
            }
            // The other refusals of a full handshake may be about its narrow choice of suites
            // and groups, so they settle nothing.
            Some(end) => {
                for version in &tls.offered {
                    self.open.insert(*version, format!("the handshake ended: {}", describe(end)));
                }
            }
            None => {}
        }
    }

    fn hello(&mut self, hello: &HelloConnection) {
        match &hello.answer {
            answer if is_drop(answer) => {
                let how = match answer {
                    HelloAnswer::NoAnswer { end } => describe(end),
                    _ => "alert 0 close_notify".to_owned(),
                };
                for version in &hello.offered {
                    // Some servers drop every hello that lists 1.3, whatever else is in it.
                    if *version == TlsVersion::Tls12 && hello.offered.contains(&TlsVersion::Tls13) {
                        self.open
                            .insert(*version, format!("{how} to {}", hello_of(&hello.offered)));
                    } else {
                        self.dropped.insert(*version, (self.connections, how.clone()));
                        if hello.form == HelloForm::WithoutExtensions {
                            self.dropped_bare.push(*version);
                        }
                    }
                }
            }
            HelloAnswer::ServerHello(flight) => {
                self.answered(hello);
                self.takes_common_suites |= hello.form != HelloForm::RareSuites;
                match TlsVersion::from_wire(flight.version) {
                    Some(version) => {
                        self.chosen(version, &hello.offered, flight.downgrade_sentinel);
                    }
                    None => self.leave_open(
                        &hello.offered,
                        format!("a ServerHello chose version {:#06x}", flight.version),
                    ),
                }
            }
            HelloAnswer::Alert { description, .. } => {
                self.answered(hello);
                if hello.form == HelloForm::RareSuites {
                    let usual = self.failed.clone();
                    self.alert(*description, &hello.offered);
                    let rare = std::mem::replace(&mut self.failed, usual);
                    let offered = rare.into_iter().filter(|(v, _)| hello.offered.contains(v));
                    self.failed_rare.extend(offered);
                } else {
                    self.alert(*description, &hello.offered);
                }
            }
            HelloAnswer::NoAnswer { end } => self.leave_open(&hello.offered, describe(end)),
        }
    }

    fn answered(&mut self, hello: &HelloConnection) {
        let over = self.connections.saturating_sub(1).saturating_sub(hello.beside);
        self.over_when_answered = self.over_when_answered.max(over);
        match (hello.form, hello.offered.as_slice()) {
            (_, [TlsVersion::Ssl3]) => {}
            (HelloForm::WithoutExtensions, _) => self.takes_bare = true,
            _ => self.takes_extensions = true,
        }
    }

    /// A server picks the highest version that both sides have (RFC 5246 appendix E.1, RFC 8446
    /// appendix D), so what was offered above its choice is refused.
    fn chosen(&mut self, version: TlsVersion, offered: &[TlsVersion], sentinel: bool) {
        self.accepted.entry(version).or_insert_with(|| format!("a ServerHello chose {version}"));
        if let [alone] = offered
            && *alone < version
        {
            let reason = format!("a hello of {alone} was answered with {version}, above it");
            self.refused.entry(*alone).or_insert(reason);
        }
        let Some(highest) = offered.iter().max() else { return };
        for above in TlsVersion::ALL.into_iter().filter(|v| *v > version && v <= highest) {
            // With the downgrade sentinel the server itself says that it has more.
            if !(sentinel && above == TlsVersion::Tls13) {
                self.refused.entry(above).or_insert_with(|| {
                    format!("a hello that offered {highest} was answered with {version}")
                });
            }
        }
    }

    fn alert(&mut self, description: u8, offered: &[TlsVersion]) {
        let reason = format!("alert {description} {}", alert_name(description));
        if description == UNRECOGNIZED_NAME {
            self.leave_open(offered, reason);
            return;
        }
        let reason = format!("{reason} to {}", hello_of(offered));
        let about_version = description == PROTOCOL_VERSION;
        let settled: &[TlsVersion] = match offered {
            [_] => offered,
            // Some servers refuse every hello that lists 1.3 and have 1.2 all the same.
            [highest @ TlsVersion::Tls13, ..] if about_version => std::slice::from_ref(highest),
            _ if about_version => offered,
            // 1.1 and 1.0 have the same suites and the same signature: what fails the one for
            // another reason than its version fails the other.
            [TlsVersion::Tls11, TlsVersion::Tls10, ..] => &[TlsVersion::Tls11, TlsVersion::Tls10],
            _ => &[],
        };
        for version in offered {
            let map = match (settled.contains(version), about_version) {
                (true, true) => &mut self.refused,
                (true, false) => &mut self.failed,
                (false, _) => &mut self.open,
            };
            map.insert(*version, reason.clone());
        }
        if about_version && offered.len() == 1 {
            self.too_old.extend(offered.iter().max());
        }
    }

    fn leave_open(&mut self, offered: &[TlsVersion], reason: String) {
        for version in offered {
            self.open.insert(*version, reason.clone());
        }
    }

    /// `name` is the made-up one without which the server refuses all.
    fn verdict(&self, version: TlsVersion, name: Option<&str>) -> Settled {
        let settled = self.verdict_by_bytes(version);
        let Some(name) = name else { return settled };
        let under_name = |why| format!("to the made-up server name {name}: {why}");
        match settled {
            Settled::Accepted(why) => Settled::Accepted(under_name(why)),
            Settled::Refused(why) => Settled::Refused(under_name(why)),
            Settled::Open(why) => Settled::Open(under_name(why)),
        }
    }

    fn verdict_by_bytes(&self, version: TlsVersion) -> Settled {
        if let Some(reason) = self.accepted.get(&version) {
            return Settled::Accepted(reason.clone());
        }
        if let Some(reason) = self.refused.get(&version) {
            return Settled::Refused(reason.clone());
        }
        // Where only rare suites are accepted, a refusal of the common ones is none of a version.
        // TLS 1.3 has suites of its own, and no rare ones.
        let only_rare = !self.takes_common_suites && !self.accepted.is_empty();
        if let Some(reason) = self.failed_rare.get(&version).filter(|_| only_rare) {
            return Settled::Refused(reason.clone());
        }
        if let Some(reason) = self.failed.get(&version) {
            if only_rare && version != TlsVersion::Tls13 {
                return Settled::Open(format!("{reason}, and only rare suites are accepted"));
            }
            return match self.accepted.keys().next().or(self.shown.as_ref()) {
                Some(_) => Settled::Refused(reason.clone()),
                None => Settled::Open(format!("{reason}, and no version is accepted")),
            };
        }
        // Alert 70 means "only versions above yours", which is believed of a server that has
        // shown one, and of the last version only: some send it for want of the very version,
        // and have a lower one.
        let above = self.too_old.iter().find(|asked| {
            version == TlsVersion::Ssl3
                && **asked == TlsVersion::Tls10
                && self.accepted.keys().any(|accepted| accepted > *asked)
        });
        if let Some(asked) = above {
            return Settled::Refused(format!(
                "alert 70 protocol_version to a hello of at most {asked}, \
                 so nothing at or below it (RFC 5246, appendix E.1)"
            ));
        }
        if let Some((connection, how)) = self.dropped.get(&version) {
            return match self.accepted.keys().next() {
                // No hello can offer TLS 1.3 without one (RFC 8446 section 4.2).
                Some(_)
                    if version == TlsVersion::Tls13
                        && !self.takes_extensions
                        && self.takes_bare
                        && *connection <= self.over_when_answered =>
                {
                    Settled::Refused(format!(
                        "{how}, as to every hello with extensions, without which TLSv1.3 cannot be \
                         offered; hellos without were answered afterwards"
                    ))
                }
                Some(_) if !(self.takes_extensions || self.dropped_bare.contains(&version)) => {
                    Settled::Open(format!(
                        "{how}, and only hellos without extensions were answered"
                    ))
                }
                Some(other) if *connection <= self.over_when_answered => Settled::Refused(format!(
                    "its hello was answered with: {how}; {other} is accepted, and the server \
                     answered again afterwards"
                )),
                Some(_) => Settled::Open(format!("{how}, and the server answered nothing since")),
                None => Settled::Open(how.clone()),
            };
        }
        Settled::Open(self.open.get(&version).cloned().unwrap_or_else(|| "not asked".to_owned()))
    }
}

fn hello_of(offered: &[TlsVersion]) -> String {
    let names: Vec<&str> = offered.iter().map(|version| version.name()).collect();
    format!("a hello of {}", names.join(", "))
}

/// The connection ended without a word about the hello.
pub fn is_drop(answer: &HelloAnswer) -> bool {
    matches!(
        answer,
        HelloAnswer::NoAnswer { end: StreamEnd::Closed { received: 0 } | StreamEnd::Reset }
            | HelloAnswer::Alert { description: CLOSE_NOTIFY, .. }
    )
}

/// A stream's end in words, for reasons and evidence.
pub fn describe(end: &StreamEnd) -> String {
    match end {
        StreamEnd::ConnectFailed { error } => format!("no connection: {error}"),
        StreamEnd::LocalShortage { error } => format!("this machine could not connect: {error}"),
        StreamEnd::Closed { received: 0 } => "connection closed without an answer".to_owned(),
        StreamEnd::Closed { received } => format!("connection closed after {received} bytes"),
        StreamEnd::Reset => "connection reset".to_owned(),
        StreamEnd::TimedOut { waited_ms } => format!("silent for {waited_ms} ms"),
        StreamEnd::Alert { description, .. } => {
            format!("alert {description} {}", alert_name(*description))
        }
        StreamEnd::TooLarge { limit } => format!("more than {limit} bytes"),
        StreamEnd::OtherProtocol { first_bytes } => {
            format!("another protocol, which begins {}", first_bytes.0.escape_ascii())
        }
        StreamEnd::Malformed { reason } => format!("malformed: {reason}"),
        StreamEnd::Incompatible { reason } => format!("not compatible: {reason}"),
    }
}

/// IANA's name of a TLS alert.
pub fn alert_name(description: u8) -> &'static str {
    match description {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => "unassigned",
    }
}

#[cfg(test)]
mod tests;
