//! What to scan: a target list in the forms people and other scanners write, as a compact set.
//!
//! A [`TargetList`] collects what the command line and files name. Host names are resolved
//! elsewhere and handed back; [`TargetList::into_set`] then makes the [`TargetSet`].

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead};
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

pub mod order;

mod digest;
mod file;
mod parse;
mod range;
mod set;

pub use digest::TargetDigest;
pub use parse::{NamedTarget, TargetProblem};
pub use range::AddressRange;
pub use set::{TargetSet, TargetSetError};

use file::Trouble;
use parse::Target;
use set::Role;

/// The ports of a scan, ascending and distinct; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(Vec<u16>);

impl Ports {
    /// `None` if there is no port, or a port 0.
    pub fn new(ports: impl IntoIterator<Item = u16>) -> Option<Self> {
        let mut ports: Vec<u16> = ports.into_iter().collect();
        ports.sort_unstable();
        ports.dedup();
        ports.first().is_some_and(|first| *first > 0).then_some(Self(ports))
    }

    pub fn as_slice(&self) -> &[u16] {
        &self.0
    }
}

impl FromStr for Ports {
    type Err = TargetProblem;

    /// `2375,2376,4000-4010`.
    fn from_str(text: &str) -> Result<Self, TargetProblem> {
        let mut ports = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (parse::port(first)?, parse::port(last)?);
            if first > last {
                return Err(TargetProblem::ReversedRange);
            }
            ports.extend(first..=last);
        }
        Self::new(ports).ok_or(TargetProblem::Port)
    }
}

impl FromStr for AddressRange {
    type Err = TargetProblem;

    /// An address, a network or a range.
    fn from_str(text: &str) -> Result<Self, TargetProblem> {
        match parse::target(text)? {
            Target::Addresses { range, port: None } => Ok(range),
            Target::Addresses { port: Some(_), .. } => Err(TargetProblem::UnwantedPort),
            Target::Name(_) => Err(TargetProblem::UnwantedName),
        }
    }
}

/// Targets and excludes as given, before names are resolved.
#[derive(Clone, Debug, Default)]
pub struct TargetList {
    items: Vec<(AddressRange, Role)>,
    unresolved: Vec<NamedTarget>,
    names: BTreeMap<IpAddr, Vec<String>>,
}

impl TargetList {
    pub fn new() -> Self {
        Self::default()
    }

    /// One target of the command line.
    ///
    /// # Errors
    /// Not a target; the error says why.
    pub fn add(&mut self, word: &str) -> Result<(), TargetError> {
        parse::target(word)
            .and_then(|target| self.take(target))
            .map_err(|problem| on_command_line("TARGET", word, problem))
    }

    /// One exclude of the command line: an address, network or range.
    ///
    /// # Errors
    /// Not an exclude; the error says why.
    pub fn exclude(&mut self, word: &str) -> Result<(), TargetError> {
        parse::target(word)
            .and_then(|target| self.take_exclude(target))
            .map_err(|problem| on_command_line("--exclude", word, problem))
    }

    /// A file of targets, one or more a line, `#` comments; or the output of masscan (`-oL`,
    /// `-oG`) or nmap (`-oG`), of which the open TCP ports become targets. `name` is for errors.
    ///
    /// # Errors
    /// The first line that is no target, or that cannot be read.
    pub fn read(&mut self, name: &str, reader: impl BufRead) -> Result<(), TargetError> {
        file::read(reader, |target| self.take(target))
            .map_err(|(line, trouble)| in_file(name, line, trouble))
    }

    /// A file of excludes, as [`TargetList::read`] reads targets.
    ///
    /// # Errors
    /// The first line that is no exclude, or that cannot be read.
    pub fn read_excludes(&mut self, name: &str, reader: impl BufRead) -> Result<(), TargetError> {
        file::read(reader, |target| self.take_exclude(target))
            .map_err(|(line, trouble)| in_file(name, line, trouble))
    }

    /// The names to resolve, in the order given; a name may occur several times.
    pub fn names(&self) -> &[NamedTarget] {
        &self.unresolved
    }

    /// Makes an address that a name stands for a target, on the name's port.
    pub fn add_resolved(&mut self, named: &NamedTarget, address: IpAddr) {
        self.items.push((AddressRange::from(address), role(named.port)));
        let names = self.names.entry(address.to_canonical()).or_default();
        if !names.contains(&named.name) {
            names.push(named.name.clone());
        }
    }

    /// The set of all targets that are not excluded; names that were not resolved are not in it.
    ///
    /// # Errors
    /// More than [`TargetSet::MAX_PROBES`].
    pub fn into_set(self, default_ports: &Ports) -> Result<TargetSet, TargetSetError> {
        TargetSet::assemble(self.items, default_ports, self.names)
    }

    fn take(&mut self, target: Target) -> Result<(), TargetProblem> {
        match target {
            Target::Addresses { range, port } => self.items.push((range, role(port))),
            Target::Name(named) => self.unresolved.push(named),
        }
        Ok(())
    }

    fn take_exclude(&mut self, target: Target) -> Result<(), TargetProblem> {
        match target {
            Target::Addresses { range, port: None } => {
                self.items.push((range, Role::Excluded));
                Ok(())
            }
            Target::Addresses { port: Some(_), .. } => Err(TargetProblem::ExcludedPort),
            Target::Name(_) => Err(TargetProblem::ExcludedName),
        }
    }
}

/// A word or line that cannot be used, and where it is.
#[derive(Debug, Error)]
pub enum TargetError {
    /// `option` is `TARGET` or the option's name.
    #[error("{option} '{}': {problem}", Escaped(.word))]
    CommandLine { option: &'static str, word: String, problem: TargetProblem },
    /// Lines count from 1.
    #[error("{}:{line}: {}{problem}", Escaped(.file), Quoted(.word.as_deref()))]
    Line { file: String, line: u64, word: Option<String>, problem: TargetProblem },
    #[error("{}:{line}: cannot be read", Escaped(.file))]
    Read { file: String, line: u64, source: io::Error },
}

fn role(port: Option<u16>) -> Role {
    port.map_or(Role::DefaultPorts, Role::Port)
}

fn on_command_line(option: &'static str, word: &str, problem: TargetProblem) -> TargetError {
    TargetError::CommandLine { option, word: word.to_owned(), problem }
}

fn in_file(file: &str, line: u64, trouble: Trouble) -> TargetError {
    let file = file.to_owned();
    match trouble {
        Trouble::Read(source) => TargetError::Read { file, line, source },
        Trouble::Bad { word, problem } => TargetError::Line { file, line, word, problem },
    }
}

/// Foreign text for a terminal: what is not printable ASCII is escaped, and it is cut short.
struct Escaped<'a>(&'a str);

impl Escaped<'_> {
    const MAX_CHARS: usize = 80;
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars().take(Self::MAX_CHARS) {
            if char == ' ' || char.is_ascii_graphic() {
                write!(f, "{char}")?;
            } else {
                write!(f, "{}", char.escape_default())?;
            }
        }
        if self.0.chars().nth(Self::MAX_CHARS).is_some() { f.write_str("...") } else { Ok(()) }
    }
}

struct Quoted<'a>(Option<&'a str>);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |word| write!(f, "'{}': ", Escaped(word)))
    }
}

#[cfg(test)]
mod tests;
