//! Which way a post takes: straight, or through the proxy that the environment names, by the rules
//! that curl, Go and Python share. Pure: the environment is an argument.

use std::net::IpAddr;

use ipnet::IpNet;
use ureq::{Proxy, ProxyProtocol};

use super::Address;

const OF_HTTPS: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];
const OF_HTTP: [&str; 2] = ["http_proxy", "HTTP_PROXY"];
const OF_ALL: [&str; 2] = ["all_proxy", "ALL_PROXY"];
const EXEMPT: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The variables that decide on it.
pub fn proxy_variables() -> impl Iterator<Item = &'static str> {
    [OF_HTTPS, OF_HTTP, OF_ALL, EXEMPT].into_iter().flatten()
}

/// How an address is reached.
#[derive(Debug)]
pub(super) enum Route {
    Direct,
    /// The proxy opens a connection to the host (CONNECT). Of https it sees no more than the name.
    Tunnel {
        /// The variable that names it.
        variable: &'static str,
        proxy: Proxy,
    },
}

impl Route {
    /// # Errors
    /// The variable of this name holds no address of an HTTP proxy. To post without it could tell
    /// others what it is there to hide.
    pub(super) fn to(
        address: &Address,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, &'static str> {
        let set = |name: &'static str| {
            let value = variable(name).filter(|value| !value.trim().is_empty())?;
            Some((name, value.trim().to_owned()))
        };
        let first = |names: [&'static str; 2]| names.into_iter().find_map(set);
        let of_scheme = match address.is_encrypted() {
            true => first(OF_HTTPS),
            false => first(OF_HTTP),
        };
        let Some((variable, value)) = of_scheme.or_else(|| first(OF_ALL)) else {
            return Ok(Self::Direct);
        };
        let host = address.uri().host().unwrap_or_default();
        if first(EXEMPT).is_some_and(|(_, list)| is_exempt(host, &list)) {
            return Ok(Self::Direct);
        }
        match Proxy::new(&value) {
            Ok(proxy) if matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) => {
                Ok(Self::Tunnel { variable, proxy })
            }
            _ => Err(variable),
        }
    }
}

/// A name in the list stands for itself and what is below it, with or without a dot before it.
fn is_exempt(host: &str, list: &str) -> bool {
    let bare = |text: &str| text.trim_matches(['[', ']', '.']).to_ascii_lowercase();
    let host = bare(host);
    let address: Option<IpAddr> = host.parse().ok();
    list.split([',', ' ']).filter(|entry| !entry.is_empty()).any(|entry| {
        let name = bare(entry.trim_start_matches('*'));
        let is_in = |address: &IpAddr| entry.parse().is_ok_and(|net: IpNet| net.contains(address));
        let is_below = || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'));
        name.is_empty() || host == name || is_below() || address.as_ref().is_some_and(is_in)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str, variables: &[(&str, &str)]) -> Result<Route, &'static str> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Route::to(&Address::parse(text).unwrap(), variable)
    }

    fn variable(text: &str, variables: &[(&str, &str)]) -> Option<&'static str> {
        match route(text, variables).unwrap() {
            Route::Direct => None,
            Route::Tunnel { variable, .. } => Some(variable),
        }
    }

    #[test]
    fn each_scheme_has_its_variable() {
        let both = [("HTTPS_PROXY", "http://s:1"), ("http_proxy", "p:2"), ("HTTP_PROXY", "q:3")];
        assert_eq!(variable("https://h/x", &both), Some("HTTPS_PROXY"));
        assert_eq!(variable("http://h/x", &both), Some("http_proxy"));
        assert_eq!(variable("http://h/x", &both[..1]), None);
        assert_eq!(variable("https://h/x", &both[1..]), None);
        assert_eq!(variable("https://h/x", &[("ALL_PROXY", "http://a:1")]), Some("ALL_PROXY"));
        assert_eq!(variable("https://h/x", &[("HTTPS_PROXY", " ")]), None);
        let exempt = [("HTTPS_PROXY", "http://s:1"), ("NO_PROXY", "h")];
        assert_eq!(variable("https://h/x", &exempt), None);
    }

    #[test]
    fn what_is_no_http_proxy_is_refused_and_not_gone_round() {
        for proxy in ["socks5://p:1", "ftp://p", "http://", "http://p p"] {
            assert_eq!(route("https://h/x", &[("HTTPS_PROXY", proxy)]).unwrap_err(), "HTTPS_PROXY");
        }
    }

    #[test]
    fn some_hosts_are_reached_without_it() {
        let list = "localhost, .inside.example,*.other.example,10.0.0.0/8,fd00::/8,192.0.2.1";
        for host in [
            "localhost",
            "a.inside.example",
            "INSIDE.example.",
            "x.other.example",
            "10.9.8.7",
            "[fd00::1]",
            "192.0.2.1",
        ] {
            assert!(is_exempt(host, list), "{host}");
        }
        for host in ["notlocalhost", "ainside.example", "example", "11.0.0.1", "[::1]"] {
            assert!(!is_exempt(host, list), "{host}");
        }
        assert!(is_exempt("anything.example", "*"));
        assert!(!is_exempt("anything.example", ""));
    }
}
