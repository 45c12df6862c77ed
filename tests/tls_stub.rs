//! Hand-made server flights up to TLS 1.2, for peers that no TLS library would be.

/// A TLS record with one fragment.
pub fn record(content_type: u8, fragment: &[u8]) -> Vec<u8> {
    let mut out = vec![content_type, 3, 3];
    out.extend(u16::try_from(fragment.len()).unwrap().to_be_bytes());
    out.extend(fragment);
    out
}

/// Handshake bytes as records of at most `size` bytes each.
pub fn records(handshake: &[u8], size: usize) -> Vec<u8> {
    handshake.chunks(size).flat_map(|fragment| record(22, fragment)).collect()
}

pub fn alert(description: u8) -> Vec<u8> {
    record(21, &[2, description])
}

fn u24(length: usize) -> [u8; 3] {
    let bytes = u32::try_from(length).unwrap().to_be_bytes();
    [bytes[1], bytes[2], bytes[3]]
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(u24(body.len()));
    out.extend(body);
    out
}

/// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, no session, no extensions.
pub fn server_hello(version: u16) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.extend([0, 0xc0, 0x2f, 0]);
    message(2, &body)
}

/// A record with a ServerHello that chooses this suite.
pub fn server_hello_with(version: u16, suite: [u8; 2]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.extend([0, suite[0], suite[1], 0]);
    record(22, &message(2, &body))
}

pub fn certificate(chain: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = chain.iter().flat_map(|der| [&u24(der.len())[..], der].concat()).collect();
    message(11, &[&u24(list.len())[..], &list].concat())
}

/// For TLS 1.2: RSA and ECDSA signing, one signature scheme, the given issuers.
pub fn certificate_request(issuers: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![2, 1, 64, 0, 2, 4, 1];
    let names: Vec<u8> = issuers
        .iter()
        .flat_map(|name| [&u16::try_from(name.len()).unwrap().to_be_bytes()[..], name].concat())
        .collect();
    body.extend(u16::try_from(names.len()).unwrap().to_be_bytes());
    body.extend(names);
    message(13, &body)
}

pub fn server_hello_done() -> Vec<u8> {
    message(14, &[])
}
