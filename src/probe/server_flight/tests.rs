use proptest::prelude::*;

use super::*;

/// Recorded from `openssl s_server`: an RSA leaf under its root, two acceptable issuers.
const TLS12: &[u8] = include_bytes!("../../../testdata/flights/openssl-tls1.2-mutual.bin");
const TLS10: &[u8] = include_bytes!("../../../testdata/flights/openssl-tls1.0-mutual.bin");
const TLS13: &[u8] = include_bytes!("../../../testdata/flights/openssl-tls1.3-retry.bin");
const REFUSAL: &[u8] = include_bytes!("../../../testdata/flights/openssl-tls1.2-refuses-1.1.bin");
/// Recorded from Java's TLS library with the same certificates.
const SSL3: &[u8] = include_bytes!("../../../testdata/flights/java-17-ssl3-mutual.bin");

#[test]
fn recorded_flights_are_read_to_their_end() {
    for (bytes, version) in [(TLS12, 0x0303), (TLS10, 0x0301), (SSL3, 0x0300)] {
        let (answer, certificates) = read(bytes);
        let flight = server_hello(answer);
        assert_eq!((flight.version, flight.complete, flight.end), (version, true, None));
        assert_eq!(flight.chain, Some(vec![0, 1]));
        assert!(certificates.iter().all(|der| der.0.starts_with(&[0x30, 0x82])));
        let request = flight.certificate_request.unwrap();
        assert_eq!((request.issuers.len(), request.issuers_total), (2, 2));
        assert!(request.issuers[1].0.ends_with(b"second ca"));
    }

    let flight = server_hello(read(TLS13).0);
    assert_eq!((flight.version, flight.cipher_suite), (0x0304, 0x1301));
    assert!(flight.retry_request && !flight.complete && !flight.downgrade_sentinel);
    assert_eq!((flight.chain, flight.end), (None, None));

    assert_eq!(read(REFUSAL).0, HelloAnswer::Alert { level: 2, description: 70 });
}

#[test]
fn the_pieces_in_which_a_flight_arrives_make_no_difference() {
    for bytes in [TLS12, TLS10, SSL3, TLS13, REFUSAL, b"HTTP/1.1 400 Bad Request\r\n"] {
        let whole = read(bytes);
        for size in [1, 2, 3, 5, 7, 64, 1000] {
            assert_eq!(read_in_pieces(bytes.chunks(size)), whole, "pieces of {size}");
        }
        // The same messages in records of other sizes, down to one byte each.
        for size in [1, 2, 100] {
            assert_eq!(read(&rerecorded(bytes, size)).0, whole.0, "records of {size}");
        }
    }
}

#[test]
fn several_messages_in_one_record_are_all_read() {
    let (whole, bytes) = (read(TLS12), rerecorded(TLS12, 16 * 1024));
    assert_eq!(bytes.len(), TLS12.len() - 4 * 5, "one record instead of five");
    assert_eq!(read(&bytes), whole);
}

#[test]
fn a_flight_cut_at_any_byte_keeps_what_came_before() {
    // The ServerHello of TLS 1.3 ends the flight; a ChangeCipherSpec record follows here.
    let retry_request = &TLS13[..TLS13.len() - 6];
    for bytes in [TLS12, TLS10, SSL3, retry_request, REFUSAL] {
        let mut known = 0;
        for cut in 0..bytes.len() {
            let known_now = match read(&bytes[..cut]).0 {
                HelloAnswer::NoAnswer { end } => {
                    assert_eq!(end, StreamEnd::Closed { received: cut as u64 });
                    0
                }
                HelloAnswer::ServerHello(flight) => {
                    assert!(!flight.complete);
                    assert_eq!(flight.end, Some(StreamEnd::Closed { received: cut as u64 }));
                    1 + usize::from(flight.chain.is_some())
                        + usize::from(flight.certificate_request.is_some())
                }
                HelloAnswer::Alert { .. } => panic!("half an alert"),
            };
            assert!(known_now >= known, "less known at byte {cut} than before");
            known = known_now;
        }
    }
}

#[test]
fn a_fatal_alert_ends_the_flight_wherever_it_comes() {
    for description in [40, 42, 70, 80, 109] {
        let answer = read(&alert(2, description)).0;
        assert_eq!(answer, HelloAnswer::Alert { level: 2, description });

        let flight = server_hello(read(&[old_hello(0x0303), alert(2, description)].concat()).0);
        assert_eq!(flight.end, Some(StreamEnd::Alert { level: 2, description }));
        assert_eq!((flight.complete, flight.chain), (false, None));
    }
    // Its two bytes may come in two records up to TLS 1.2 (RFC 5246 section 6.2.1).
    let halves = [record(21, &[2]), record(21, &[40])].concat();
    assert_eq!(read(&halves).0, HelloAnswer::Alert { level: 2, description: 40 });
}

#[test]
fn a_warning_does_not_end_the_flight() {
    let flight = [alert(1, 112), TLS12.to_vec()].concat();
    assert_eq!(read(&flight), read(TLS12));
    let within = [old_hello(0x0301), alert(1, 112), handshake(&[message(14, &[])])].concat();
    assert!(server_hello(read(&within).0).complete);
}

#[test]
fn a_warning_is_the_answer_where_the_peer_says_no_more() {
    let warned = HelloAnswer::Alert { level: 1, description: 112 };
    assert_eq!(read_until(&alert(1, 112), StreamEnd::Reset).0, warned);
    assert_eq!(read_until(&alert(1, 112), StreamEnd::Closed { received: 7 }).0, warned);
    // Still connected, the peer may have gone on a moment later.
    let end = StreamEnd::TimedOut { waited_ms: 900 };
    assert_eq!(read_until(&alert(1, 112), end.clone()).0, HelloAnswer::NoAnswer { end });
    assert_eq!(read(&alert(1, 0)).0, HelloAnswer::Alert { level: 1, description: 0 });
}

#[test]
fn the_version_is_the_one_of_supported_versions_where_there_is_one() {
    let selecting = |version: u16| extension(43, &version.to_be_bytes());
    for version in [0x0304, 0x7f1c] {
        let hello = server_hello_message(0x0303, &[7; 32], &selecting(version));
        let flight = server_hello(read(&handshake(&[hello])).0);
        assert_eq!((flight.version, flight.retry_request, flight.end), (version, false, None));
    }
    // Not allowed (RFC 8446 section 4.2.1), but clear; what follows is read as that version.
    let hello = server_hello_message(0x0303, &[7; 32], &selecting(0x0302));
    let flight = server_hello(read(&handshake(&[hello, message(14, &[])])).0);
    assert_eq!((flight.version, flight.complete), (0x0302, true));
}

#[test]
fn another_extension_before_supported_versions_is_passed_over() {
    // Of a known number with contents that are not this extension's.
    let extensions = [extension(51, &[1, 2, 3]), extension(43, &[3, 4])].concat();
    let hello = server_hello_message(0x0303, &[7; 32], &extensions);
    assert_eq!(server_hello(read(&handshake(&[hello])).0).version, 0x0304);
}

#[test]
fn a_lower_version_and_its_sentinel_are_recorded() {
    for (end, sentinel) in [(b"DOWNGRD\x01", true), (b"DOWNGRD\x00", true), (b"DOWNGRD\x02", false)]
    {
        let mut random = [9; 32];
        random[24..].copy_from_slice(end);
        let hello = server_hello_message(0x0302, &random, &[]);
        let flight = server_hello(read(&handshake(&[hello])).0);
        assert_eq!((flight.version, flight.downgrade_sentinel), (0x0302, sentinel));
    }
}

#[test]
fn an_ssl_3_flight_is_read() {
    // Some servers answer the renegotiation suite with an extension even here.
    for extensions in [vec![], extension(0xff01, &[0])] {
        let mut flight = record(22, &server_hello_message(0x0300, &[7; 32], &extensions));
        flight.extend(record(22, &certificate_message(&[b"leaf"])));
        flight.extend(record(22, &message(13, &[2, 1, 2, 0, 5, 0, 3, b'a', b'b', b'c'])));
        flight.extend(record(22, &message(14, &[])));
        let (answer, certificates) = read(&flight);
        let flight = server_hello(answer);
        assert_eq!((flight.version, flight.chain), (0x0300, Some(vec![0])));
        assert_eq!(certificates, [Der(b"leaf".to_vec())]);
        assert_eq!(flight.certificate_request.unwrap().issuers, [Der(b"abc".to_vec())]);
        assert!(flight.complete);
    }
}

#[test]
fn only_a_tls_1_2_certificate_request_has_signature_algorithms() {
    // Readable either way: as TLS 1.2 one issuer, before it two with the first one empty.
    let body = [1, 1, 0, 4, 0, 0, 0, 0, 0, 3, 0, 1, b'x'];
    let issuers_as = |version| {
        let flight = [old_hello(version), handshake(&[message(13, &body)])].concat();
        server_hello(read(&flight).0)
    };
    let flight = issuers_as(0x0303);
    assert_eq!(flight.certificate_request.unwrap().issuers, [Der(b"x".to_vec())]);
    let flight = issuers_as(0x0302);
    assert_eq!(flight.certificate_request.unwrap().issuers_total, 0);
    assert!(matches!(flight.end, Some(StreamEnd::Malformed { .. })));
}

#[test]
fn ten_thousand_issuers_are_counted() {
    let names = [0, 3, b'a', b'b', b'c'].repeat(10_000);
    let request = [&[1, 1, 0, 2, 4, 1, 0xc3, 0x50], names.as_slice()].concat();
    let messages = [message(13, &request), message(14, &[])];
    let flight = [old_hello(0x0303), handshake(&messages)].concat();
    let flight = server_hello(read(&rerecorded(&flight, 1000)).0);
    let request = flight.certificate_request.unwrap();
    assert_eq!(request.issuers_total, 10_000);
    assert!(request.issuers.len() > 1000);
    assert!(flight.complete);
}

#[test]
fn a_certificate_request_that_breaks_off_still_counts_as_made() {
    for body in [&[1, 1, 0, 2, 4, 1, 0, 5, 0, 1, b'a', 0, 9][..], &[1, 1, 0, 99], &[]] {
        let flight = [old_hello(0x0303), handshake(&[message(13, body)])].concat();
        let flight = server_hello(read(&flight).0);
        assert!(flight.certificate_request.is_some());
        assert!(matches!(flight.end, Some(StreamEnd::Malformed { .. })));
        assert!(!flight.complete);
    }
}

#[test]
fn an_empty_certificate_list_is_not_a_missing_one() {
    let messages = [certificate_message(&[]), message(14, &[])];
    let flight = server_hello(read(&[old_hello(0x0303), handshake(&messages)].concat()).0);
    assert_eq!((flight.chain, flight.complete, flight.end), (Some(vec![]), true, None));

    let flight = [old_hello(0x0303), handshake(&[message(14, &[])])].concat();
    let flight = server_hello(read(&flight).0);
    assert_eq!((flight.chain, flight.complete), (None, true));
}

#[test]
fn a_certificate_list_that_breaks_off_keeps_what_came_before() {
    let broken = message(11, &[0, 0, 9, 0, 0, 2, b'o', b'k', 0, 0, 7, b'x']);
    let flight = [old_hello(0x0303), handshake(&[broken, message(14, &[])])].concat();
    let (answer, certificates) = read(&flight);
    let flight = server_hello(answer);
    assert_eq!((flight.chain, flight.complete), (Some(vec![0]), false));
    assert_eq!(certificates, [Der(b"ok".to_vec())]);
    let reason = "certificate message that cannot be read after 1 certificates".to_owned();
    assert_eq!(flight.end, Some(StreamEnd::Malformed { reason }));
}

#[test]
fn a_chain_beyond_a_bound_is_cut_and_the_flight_read_on() {
    let many: Vec<[u8; 2]> = (0..=MAX_CHAIN as u16).map(u16::to_be_bytes).collect();
    let many: Vec<&[u8]> = many.iter().map(|certificate| certificate.as_slice()).collect();
    let large = vec![0; MAX_CERTIFICATE + 1];
    for (chain, kept, limit) in [
        (many.as_slice(), MAX_CHAIN, MAX_CHAIN),
        (&[b"leaf".as_slice(), &large, b"root"], 1, MAX_CERTIFICATE),
    ] {
        let messages = [
            certificate_message(chain),
            message(12, &[1, 2, 3]),
            message(22, &[1, 0, 0, 0]),
            message(13, &[1, 1, 0, 2, 4, 1, 0, 0]),
            message(14, &[]),
        ];
        let flight = [old_hello(0x0303), handshake(&messages)].concat();
        let flight = server_hello(read(&flight).0);
        assert_eq!(flight.chain.unwrap().len(), kept);
        assert_eq!(flight.end, Some(StreamEnd::TooLarge { limit: limit as u64 }));
        assert!(flight.complete && flight.certificate_request.is_some());
    }
}

#[test]
fn a_full_store_cuts_the_chain() {
    let mut store = CertificateStore::new();
    store.intern(&vec![0; CertificateStore::MAX_BYTES - 4]).unwrap();
    let messages = [certificate_message(&[b"leaf", b"root"]), message(14, &[])];
    let mut reader = FlightReader::new();
    let flight = [old_hello(0x0303), handshake(&messages)].concat();
    assert_eq!(reader.feed(&flight, &mut store), Progress::Finished);
    let flight = server_hello(reader.into_answer());
    assert_eq!(flight.chain, Some(vec![1]));
    assert!(matches!(flight.end, Some(StreamEnd::TooLarge { .. })));
}

#[test]
fn the_flight_as_a_whole_is_bounded() {
    let key_exchange = handshake(&[message(12, &[0; 16_000])]);
    let mut flight = old_hello(0x0303);
    while flight.len() <= MAX_FLIGHT {
        flight.extend(&key_exchange);
    }
    let limit = MAX_FLIGHT as u64;
    assert_eq!(server_hello(read(&flight).0).end, Some(StreamEnd::TooLarge { limit }));

    // So is a message, before it has been waited for.
    let announced = [old_hello(0x0303), record(22, &[11, 0xff, 0xff, 0xff])].concat();
    assert_eq!(server_hello(read(&announced).0).end, Some(StreamEnd::TooLarge { limit }));
    let end = StreamEnd::TooLarge { limit };
    assert_eq!(read(&record(22, &[2, 5, 0, 0])).0, HelloAnswer::NoAnswer { end });
}

#[test]
fn another_protocol_is_recognised_by_its_first_bytes() {
    let long = [b"HTTP/1.1 400 Bad Request\r\n".as_slice(), &[b' '; 100]].concat();
    for (sent, kept) in [
        (long.as_slice(), &long[..64]),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", b"SSH-2.0-OpenSSH_9.2p1\r\n"),
        (b"\x16\x02", b"\x16\x02"),
        (b"\x00", b"\x00"),
    ] {
        let end = StreamEnd::OtherProtocol { first_bytes: Der(kept.to_vec()) };
        let expected = HelloAnswer::NoAnswer { end };
        assert_eq!(read(sent).0, expected);
        assert_eq!(read_until(sent, StreamEnd::TimedOut { waited_ms: 1 }).0, expected);
    }
}

#[test]
fn what_breaks_the_rules_is_named() {
    let early_hello = |number, body: &[u8]| handshake(&[message(number, body)]);
    for (sent, reason) in [
        (b"\x80\x1d\x04\x00\x01\x00\x02".to_vec(), "SSL 2.0 record"),
        (vec![22, 3, 1, 0xff, 0xff], "record of 65535 bytes"),
        (record(23, &[0]), "application data before the end of the flight"),
        (record(24, &[0]), "heartbeat before the end of the flight"),
        ([alert(1, 112), vec![0x48]].concat(), "record of content type 72"),
        ([alert(1, 112), vec![22, 9]].concat(), "record of protocol version 9"),
        (early_hello(11, &[]), "handshake message of type 11 instead of a server hello"),
        (early_hello(2, &[3]), "server hello that ends early"),
        (early_hello(2, &[3, 3, 1, 2]), "server hello that ends early"),
        (early_hello(2, &[3, 4, 1, 2]), "server hello of version 0x0304"),
        (early_hello(2, &[0xfe, 0xfd]), "server hello of version 0xfefd"),
        (
            handshake(&[server_hello_message(0x0303, &[7; 32], &[0, 43, 0, 9, 3, 4])]),
            "server hello with extensions that cannot be read",
        ),
        (
            handshake(&[server_hello_message(0x0303, &[7; 32], &extension(43, &[3]))]),
            "server hello with extensions that cannot be read",
        ),
        (
            {
                let mut retry = TLS13.to_vec();
                let at = retry.windows(4).position(|window| window == [0, 43, 0, 2]).unwrap();
                retry[at + 1] = 44;
                retry
            },
            "hello retry request without a version",
        ),
    ] {
        let end = StreamEnd::Malformed { reason: reason.to_owned() };
        assert_eq!(read(&sent).0, HelloAnswer::NoAnswer { end });
    }

    for (sent, reason) in [
        (record(20, &[1]), "change cipher spec before the end of the flight"),
        (old_hello(0x0303), "unexpected handshake message of type 2"),
        (early_hello(20, &[0; 12]), "unexpected handshake message of type 20"),
        (
            handshake(&[certificate_message(&[]), certificate_message(&[])]),
            "unexpected handshake message of type 11",
        ),
    ] {
        let flight = server_hello(read(&[old_hello(0x0303), sent].concat()).0);
        let reason = reason.to_owned();
        assert_eq!(flight.end, Some(StreamEnd::Malformed { reason }));
    }
}

#[test]
fn empty_records_hello_requests_and_an_early_change_cipher_spec_are_passed_over() {
    let before = [record(22, &[]), record(20, &[1]), handshake(&[message(0, &[])])].concat();
    assert_eq!(read(&[before, TLS12.to_vec()].concat()), read(TLS12));
}

#[test]
fn the_end_of_the_stream_does_not_change_a_finished_flight() {
    let end = StreamEnd::Reset;
    assert_eq!(read_until(TLS12, end.clone()), read(TLS12));
    assert_eq!(read_until(b"", end.clone()).0, HelloAnswer::NoAnswer { end });
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        check_sane(&bytes);
    }

    #[test]
    fn arbitrary_records_are_survived(
        records in prop::collection::vec(
            (20u8..25, prop::collection::vec(any::<u8>(), 0..300)), 0..20)
    ) {
        let bytes: Vec<u8> = records.iter().flat_map(|(kind, data)| record(*kind, data)).collect();
        check_sane(&bytes);
    }

    #[test]
    fn arbitrary_messages_are_survived(
        version in 0x0300u16..0x0304,
        messages in prop::collection::vec(
            (prop::sample::select(vec![0u8, 2, 4, 11, 12, 13, 14, 20, 22]),
             prop::collection::vec(any::<u8>(), 0..300)), 0..8)
    ) {
        let messages: Vec<_> = messages.iter().map(|(kind, body)| message(*kind, body)).collect();
        check_sane(&[old_hello(version), handshake(&messages)].concat());
    }

    #[test]
    fn mutated_flights_are_survived(
        flight in prop::sample::select(vec![TLS12, TLS10, SSL3, TLS13]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        in_records_of in 1usize..200,
    ) {
        let mut bytes = flight.to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        check_sane(&bytes[..cut.index(bytes.len()) + 1]);
        check_sane(&rerecorded(&bytes, in_records_of));
    }
}

/// Whatever the bytes: their pieces make no difference, and every bound holds.
fn check_sane(bytes: &[u8]) {
    let (answer, certificates) = read(bytes);
    assert_eq!(read_in_pieces(bytes.chunks(1)), (answer.clone(), certificates.clone()));
    match answer {
        HelloAnswer::ServerHello(flight) => {
            let chain = flight.chain.unwrap_or_default();
            assert!(chain.len() <= MAX_CHAIN);
            assert!(chain.iter().all(|&index| index < certificates.len()));
            let cut = matches!(flight.end, Some(StreamEnd::TooLarge { .. }));
            assert!(!flight.complete || flight.end.is_none() || cut);
        }
        HelloAnswer::NoAnswer { end: StreamEnd::OtherProtocol { first_bytes } } => {
            assert!(first_bytes.0.len() <= 64 && bytes.starts_with(&first_bytes.0));
        }
        HelloAnswer::NoAnswer { end: StreamEnd::Malformed { reason } } => {
            assert!(reason.len() < 100 && reason.is_ascii());
        }
        HelloAnswer::NoAnswer { .. } | HelloAnswer::Alert { .. } => {}
    }
}

fn read(bytes: &[u8]) -> (HelloAnswer, Vec<Der>) {
    read_in_pieces(std::iter::once(bytes))
}

fn read_in_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (HelloAnswer, Vec<Der>) {
    let (mut reader, mut store) = (FlightReader::new(), CertificateStore::new());
    for piece in pieces {
        reader.feed(piece, &mut store);
    }
    (reader.into_answer(), store.into_certificates())
}

fn read_until(bytes: &[u8], end: StreamEnd) -> (HelloAnswer, Vec<Der>) {
    let (mut reader, mut store) = (FlightReader::new(), CertificateStore::new());
    reader.feed(bytes, &mut store);
    reader.stream_ended(end);
    (reader.into_answer(), store.into_certificates())
}

fn server_hello(answer: HelloAnswer) -> ServerHelloFlight {
    match answer {
        HelloAnswer::ServerHello(flight) => flight,
        other => panic!("no ServerHello: {other:?}"),
    }
}

/// The payloads of `flight` in records of `size` bytes; what is not records stays as it is.
fn rerecorded(flight: &[u8], size: usize) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), flight);
    let mut pending: (u8, Vec<u8>) = (0, Vec::new());
    let flush = |(kind, payload): &(u8, Vec<u8>), out: &mut Vec<u8>| {
        out.extend(payload.chunks(size).flat_map(|chunk| record(*kind, chunk)));
    };
    while let [kind @ 20..=24, 3, _, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((payload, after)) = after.split_at_checked(length) else { break };
        if pending.0 != *kind {
            flush(&pending, &mut out);
            pending = (*kind, Vec::new());
        }
        pending.1.extend(payload);
        rest = after;
    }
    flush(&pending, &mut out);
    [out, rest.to_vec()].concat()
}

/// A ServerHello record of a version up to TLS 1.2.
fn old_hello(version: u16) -> Vec<u8> {
    handshake(&[server_hello_message(version, &[7; 32], &[])])
}

fn server_hello_message(version: u16, random: &[u8; 32], extensions: &[u8]) -> Vec<u8> {
    let mut body = [version.to_be_bytes().as_slice(), random, &[0, 0xc0, 0x2f, 0]].concat();
    if !extensions.is_empty() {
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
    }
    message(2, &body)
}

fn certificate_message(certificates: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> =
        certificates.iter().flat_map(|der| [&u24(der.len()), *der].concat()).collect();
    message(11, &[&u24(list.len()), list.as_slice()].concat())
}

fn extension(number: u16, data: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes(), &(data.len() as u16).to_be_bytes(), data].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &u24(body.len())[..], body].concat()
}

fn u24(number: usize) -> [u8; 3] {
    (number as u32).to_be_bytes()[1..].try_into().unwrap()
}

fn alert(level: u8, description: u8) -> Vec<u8> {
    record(21, &[level, description])
}

/// Messages in as few records as hold them.
fn handshake(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.concat().chunks(1 << 14).flat_map(|chunk| record(22, chunk)).collect()
}

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3], &(payload.len() as u16).to_be_bytes()[..], payload].concat()
}
