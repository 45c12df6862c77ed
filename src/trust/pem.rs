//! PEM files (RFC 7468), read so that an error can name its line.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// A certificate of a PEM file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Where it begins, counted from 1.
    pub line: usize,
    pub der: Vec<u8>,
}

/// Why a file holds no usable certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    #[error("there is no PEM certificate in it")]
    Empty,
    #[error("it is DER, and PEM is wanted")]
    Der,
    #[error("the certificate that begins here has no END line")]
    Unfinished { line: usize },
    #[error("this is no base64")]
    Base64 { line: usize },
    #[error("the certificate that begins here cannot be read: {because}")]
    Certificate { line: usize, because: String },
}

impl PemError {
    /// The line that is not right, counted from 1; `None` where it is the file.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Empty | Self::Der => None,
            Self::Unfinished { line } | Self::Base64 { line } | Self::Certificate { line, .. } => {
                Some(*line)
            }
        }
    }
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The certificates, in the file's order.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<Block>, PemError> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let (number, line) = (number + 1, line.trim_ascii());
        let label = std::str::from_utf8(line).ok().and_then(label);
        match (&mut open, label) {
            (None, Some(Label::Begin(true))) => open = Some((number, Vec::new())),
            (None, _) => {}
            (Some((line, _)), Some(Label::Begin(_))) => {
                return Err(PemError::Unfinished { line: *line });
            }
            (Some(_), Some(Label::End)) => {
                if let Some((line, der)) = open.take() {
                    blocks.push(Block { line, der });
                }
            }
            (Some((_, der)), None) => {
                let decoded = LINES.decode(line).map_err(|_| PemError::Base64 { line: number })?;
                der.extend(decoded);
            }
        }
    }
    if let Some((line, _)) = open {
        return Err(PemError::Unfinished { line });
    }
    if blocks.is_empty() {
        return Err(if text.first() == Some(&0x30) { PemError::Der } else { PemError::Empty });
    }
    Ok(blocks)
}

/// A line is whole groups of four but for the last, which may lack its padding.
const LINES: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

enum Label {
    /// Whether it is a certificate that begins.
    Begin(bool),
    End,
}

fn label(line: &str) -> Option<Label> {
    if let Some(rest) = line.strip_prefix(BEGIN) {
        let kind = rest.strip_suffix(DASHES)?;
        return Some(Label::Begin(matches!(kind, "CERTIFICATE" | "X509 CERTIFICATE")));
    }
    (line.starts_with(END) && line.ends_with(DASHES)).then_some(Label::End)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<(usize, Vec<u8>)>, PemError> {
        certificates(text.as_bytes())
            .map(|blocks| blocks.into_iter().map(|block| (block.line, block.der)).collect())
    }

    #[test]
    fn certificates_are_found_among_other_things() {
        let text = "subject=CN = a\r\n-----BEGIN CERTIFICATE-----\r\nAQID\r\nBA==\r\n\
                    -----END CERTIFICATE-----\r\n\n-----BEGIN EC PRIVATE KEY-----\nAQID!\n\
                    -----END EC PRIVATE KEY-----\n  -----BEGIN X509 CERTIFICATE-----\nBQ\n\
                    -----END X509 CERTIFICATE-----";
        assert_eq!(read(text).unwrap(), [(2, vec![1, 2, 3, 4]), (10, vec![5])]);
    }

    #[test]
    fn errors_name_their_line() {
        for (text, error) in [
            ("", PemError::Empty),
            ("no certificate\n-----END CERTIFICATE-----", PemError::Empty),
            ("-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----", PemError::Empty),
            ("0\u{3}", PemError::Der),
            ("\n-----BEGIN CERTIFICATE-----\nAQID\n", PemError::Unfinished { line: 2 }),
            (
                "-----BEGIN CERTIFICATE-----\nAQID\n-----BEGIN CERTIFICATE-----\n",
                PemError::Unfinished { line: 1 },
            ),
            (
                "-----BEGIN CERTIFICATE-----\nAQID\nA*ID\n-----END CERTIFICATE-----",
                PemError::Base64 { line: 3 },
            ),
        ] {
            assert_eq!(read(text), Err(error.clone()), "{text}");
            assert_eq!(error.line().is_some(), !matches!(error, PemError::Empty | PemError::Der));
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = certificates(&bytes);
        }

        #[test]
        fn near_pem_never_panics(
            lines in proptest::collection::vec(
                prop_oneof![
                    Just("-----BEGIN CERTIFICATE-----".to_owned()),
                    Just("-----END CERTIFICATE-----".to_owned()),
                    "[A-Za-z0-9+/=-]{0,8}",
                ],
                0..12,
            )
        ) {
            let _ = certificates(lines.join("\n").as_bytes());
        }
    }
}
