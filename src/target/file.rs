//! Target files: words and comments, or what masscan and nmap wrote for other programs to read.

use std::io::{self, BufRead, Read};
use std::net::IpAddr;

use super::parse::{self, Target, TargetProblem};
use super::range::AddressRange;

/// No target is near as long; what is longer is another kind of file.
pub(super) const MAX_LINE_BYTES: usize = 4096;

/// What stopped the reading of a file.
#[derive(Debug)]
pub(super) enum Trouble {
    Read(io::Error),
    /// `word` is the offending word, where one can be told from its line.
    Bad {
        word: Option<String>,
        problem: TargetProblem,
    },
}

/// Hands every target of `reader` to `keep`, until the end or the first trouble.
///
/// # Errors
/// The trouble and its line, counted from 1.
pub(super) fn read(
    reader: impl BufRead,
    mut keep: impl FnMut(Target) -> Result<(), TargetProblem>,
) -> Result<(), (u64, Trouble)> {
    let mut lines = Lines::new(reader);
    // nmap announces a host as up on one line and lists its ports on the next. The host itself is
    // a target only if no list follows, as after a ping scan.
    let mut announced: Option<IpAddr> = None;
    loop {
        let number = lines.number + 1;
        let Some(line) = lines.next().map_err(|trouble| (number, trouble))? else { break };
        let mut keep_word = |word: &str, target: Target| {
            keep(target).map_err(|problem| (number, bad(word, problem)))
        };
        match Line::of(line) {
            Line::Words => {
                for word in words(line) {
                    let target =
                        parse::target(word).map_err(|problem| (number, bad(word, problem)))?;
                    keep_word(word, target)?;
                }
            }
            Line::Masscan(fields) => {
                let target = masscan(&fields).map_err(|problem| (number, unsure(problem)))?;
                if let Some(target) = target {
                    keep_word(line, target)?;
                }
            }
            Line::Greppable(fields) => {
                let host = greppable(fields).map_err(|problem| (number, unsure(problem)))?;
                if let Some(previous) = announced.take().filter(|ip| *ip != host.address) {
                    keep_word(line, bare(previous))?;
                }
                match host.says {
                    Says::Up => announced = Some(host.address),
                    Says::Ports(ports) => {
                        for port in ports {
                            keep_word(line, one(host.address, port))?;
                        }
                    }
                    Says::Nothing => {}
                }
            }
        }
    }
    let number = lines.number;
    announced
        .map_or(Ok(()), |address| keep(bare(address)).map_err(|problem| (number, unsure(problem))))
}

enum Line<'a> {
    Words,
    /// `masscan -oL`: `open tcp 2375 10.0.0.1 1700000000`, or a banner.
    Masscan(Vec<&'a str>),
    /// `-oG` of nmap or masscan, from after `Host: `.
    Greppable(&'a str),
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        let host = line.strip_prefix("Host: ").or_else(|| {
            let timestamped = line.starts_with("Timestamp: ");
            line.split_once("Host: ").filter(|_| timestamped).map(|(_, rest)| rest)
        });
        if let Some(rest) = host {
            return Self::Greppable(rest);
        }
        let fields: Vec<&str> = line.split_whitespace().take(4).collect();
        match fields.as_slice() {
            ["open" | "closed" | "banner", "tcp" | "udp" | "sctp", _, _] => Self::Masscan(fields),
            _ => Self::Words,
        }
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace().take_while(|word| !word.starts_with('#'))
}

fn masscan(fields: &[&str]) -> Result<Option<Target>, TargetProblem> {
    match fields {
        ["open", "tcp", port, address] => {
            let address = address.parse().map_err(|_| TargetProblem::Greppable)?;
            Ok(Some(one(address, parse::port(port)?)))
        }
        // A banner's port has an `open` line too.
        _ => Ok(None),
    }
}

struct Host {
    address: IpAddr,
    says: Says,
}

enum Says {
    Up,
    /// The open TCP ports.
    Ports(Vec<u16>),
    Nothing,
}

fn greppable(fields: &str) -> Result<Host, TargetProblem> {
    let mut parts = fields.split('\t');
    let address = parts.next().and_then(|host| host.split_whitespace().next());
    let address = address.and_then(|text| text.parse().ok()).ok_or(TargetProblem::Greppable)?;
    let mut says = Says::Nothing;
    for part in parts {
        if let Some(list) = part.strip_prefix("Ports:") {
            return Ok(Host { address, says: Says::Ports(open_ports(list)?) });
        }
        if part.trim() == "Status: Up" {
            says = Says::Up;
        }
    }
    Ok(Host { address, says })
}

/// `2375/open/tcp//docker///, 2376/closed/tcp/////`. A service's version may contain a comma;
/// what follows it does not look like a port then, for nmap writes `|` where it contains a slash.
fn open_ports(list: &str) -> Result<Vec<u16>, TargetProblem> {
    let entries = list.split(',').map(|entry| entry.trim().splitn(4, '/').collect::<Vec<_>>());
    let open = entries.filter_map(|entry| match entry.as_slice() {
        [port, "open", "tcp", ..] => Some(parse::port(port)),
        _ => None,
    });
    open.collect()
}

fn one(address: IpAddr, port: u16) -> Target {
    Target::Addresses { range: AddressRange::from(address), port: Some(port) }
}

fn bare(address: IpAddr) -> Target {
    Target::Addresses { range: AddressRange::from(address), port: None }
}

fn bad(word: &str, problem: TargetProblem) -> Trouble {
    Trouble::Bad { word: Some(word.to_owned()), problem }
}

fn unsure(problem: TargetProblem) -> Trouble {
    Trouble::Bad { word: None, problem }
}

/// Lines of bounded length in one buffer.
struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    const fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), number: 0 }
    }

    /// The next line without its end, or `None` at the end of the file.
    fn next(&mut self) -> Result<Option<&str>, Trouble> {
        self.buffer.clear();
        let limit = MAX_LINE_BYTES + "\r\n".len();
        let mut bounded = self.reader.by_ref().take(u64::try_from(limit).unwrap_or(u64::MAX));
        let read = bounded.read_until(b'\n', &mut self.buffer).map_err(Trouble::Read)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > MAX_LINE_BYTES {
            return Err(unsure(TargetProblem::LineTooLong { limit: MAX_LINE_BYTES }));
        }
        let text = str::from_utf8(line).map_err(|_| unsure(TargetProblem::NotUtf8))?;
        // Editors on Windows begin a file with a byte order mark.
        let text = if self.number == 1 { text.trim_start_matches('\u{feff}') } else { text };
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn targets(text: &[u8]) -> Result<Vec<String>, (u64, String)> {
        let mut found = Vec::new();
        let keep = |target: Target| {
            found.push(match target {
                Target::Addresses { range, port: None } => range.to_string(),
                Target::Addresses { range, port: Some(port) } => format!("{range} port {port}"),
                Target::Name(named) => format!("{} {:?}", named.name, named.port),
            });
            Ok(())
        };
        match read(text, keep) {
            Ok(()) => Ok(found),
            Err((line, Trouble::Bad { problem, .. })) => Err((line, problem.to_string())),
            Err((line, Trouble::Read(error))) => Err((line, error.to_string())),
        }
    }

    #[test]
    fn reads_words_and_comments() {
        let text = "\u{feff}10.0.0.1 10.0.0.2:99\t# the rest\r\n\n# nothing\n  host #x\n10.0.0.3";
        assert_eq!(
            targets(text.as_bytes()).unwrap(),
            ["10.0.0.1", "10.0.0.2 port 99", "host None", "10.0.0.3"]
        );
    }

    #[test]
    fn reads_masscan_lists() {
        let text = "#masscan\nopen tcp 2375 10.0.0.1 1700000000\nclosed tcp 80 10.0.0.2 1\n\
                    open udp 53 10.0.0.3 1700000000\n\
                    banner tcp 80 10.0.0.4 1700000000 http HTTP/1.1 200 OK\n# end\n";
        assert_eq!(targets(text.as_bytes()).unwrap(), ["10.0.0.1 port 2375"]);
    }

    #[test]
    fn reads_masscan_greppable_output() {
        let text = "# Masscan 1.3.2 scan initiated\n# Ports scanned: TCP(1;2375-2375)\n\
                    Timestamp: 1700000000\tHost: 10.0.0.1 ()\tPorts: 2375/open/tcp////\n\
                    Host: 10.0.0.2 ()\tPorts: 2376/open/tcp////\n";
        assert_eq!(targets(text.as_bytes()).unwrap(), ["10.0.0.1 port 2375", "10.0.0.2 port 2376"]);
    }

    #[test]
    fn reads_the_open_ports_of_nmap() {
        let text = "# Nmap 7.93 scan initiated\n\
            Host: 10.0.0.1 (a.example)\tStatus: Up\n\
            Host: 10.0.0.1 (a.example)\tPorts: 22/open/tcp//ssh//OpenSSH 9, 99|open|tcp x/, \
            2375/open/tcp//docker///, 2376/closed/tcp/////, 53/open/udp/////, \
            80/open|filtered/tcp/////\tIgnored State: closed (995)\n\
            Host: fd00::7 ()\tPorts: 2375/open/tcp//docker///\n";
        assert_eq!(
            targets(text.as_bytes()).unwrap(),
            ["10.0.0.1 port 22", "10.0.0.1 port 2375", "fd00::7 port 2375"]
        );
    }

    #[test]
    fn takes_hosts_of_an_nmap_ping_scan_whole() {
        let text = "Host: 10.0.0.1 ()\tStatus: Up\nHost: 10.0.0.2 ()\tStatus: Down\n\
                    Host: 10.0.0.3 ()\tStatus: Up\nHost: 10.0.0.3 ()\tPorts: 1/closed/tcp/////\n\
                    Host: 10.0.0.4 ()\tStatus: Up\n# Nmap done\n";
        assert_eq!(targets(text.as_bytes()).unwrap(), ["10.0.0.1", "10.0.0.4"]);
    }

    #[test]
    fn refuses_with_the_line() {
        let long = [b"10.0.0.1\n".to_vec(), vec![b'a'; MAX_LINE_BYTES + 1]].concat();
        assert_eq!(targets(&long).unwrap_err().0, 2);
        assert_eq!(
            targets(b"\n\n10.0.0.1\n\xff\xfe1").unwrap_err(),
            (4, TargetProblem::NotUtf8.to_string())
        );
        assert_eq!(targets(b"open tcp 2375 nowhere 1").unwrap_err().0, 1);
        assert_eq!(targets(b"open tcp 0 10.0.0.1 1").unwrap_err().0, 1);
        assert_eq!(targets(b"Host: x ()\tStatus: Up").unwrap_err().0, 1);
        assert_eq!(targets(b"ok\n10.0.0.0/40\n").unwrap_err().0, 2);
    }

    #[test]
    fn a_line_of_the_longest_length_is_read() {
        for end in ["", "\n", "\r\n"] {
            let mut text = vec![b' '; MAX_LINE_BYTES];
            text[..4].copy_from_slice(b"host");
            text.extend_from_slice(end.as_bytes());
            assert_eq!(targets(&text).unwrap(), ["host None"]);
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = targets(&bytes);
        }

        #[test]
        fn never_panics_near_a_scanners_output(text in "(Host: |Timestamp: |open tcp |Ports: |\t|[0-9./,]|\n){0,40}") {
            let _ = targets(text.as_bytes());
        }
    }
}
