//! How values are read that are more than text or a number.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::sweep::Rate;

/// `900ms`, `10s`, `30m`, `1h 30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let signed: jiff::SignedDuration =
        text.parse().map_err(|_| "not a duration such as 900ms, 10s or 30m".to_owned())?;
    let duration = signed.unsigned_abs();
    if signed.is_negative() || duration.is_zero() || duration > Duration::from_secs(30 * 86_400) {
        return Err("must be above zero and at most 30 days".to_owned());
    }
    Ok(duration)
}

/// `max`, `500` or `10_000`.
pub fn rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    text.replace('_', "")
        .parse::<NonZeroU32>()
        .map(Rate::PerSecond)
        .map_err(|_| "neither max nor a number from 1 up".to_owned())
}

pub fn from_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or("not a number from 1 up".to_owned())
}

pub fn server_name(text: &str) -> Result<String, String> {
    use rustls::pki_types::ServerName;
    match ServerName::try_from(text) {
        Ok(ServerName::DnsName(_)) => Ok(text.to_owned()),
        _ => Err("not a host name".to_owned()),
    }
}

/// It becomes part of a request's head, where a line break would begin another header.
pub fn user_agent(text: &str) -> Result<String, String> {
    let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if text.is_empty() || text.len() > 512 || !text.bytes().all(printable) {
        return Err("must be 1 to 512 characters of printable ASCII".to_owned());
    }
    Ok(text.to_owned())
}
