//! Reports: the versioned data, and the formats in which it is written, one file each.

use std::fmt;
use std::io;
use std::path::Path;

pub mod csv;
pub mod defectdojo;
pub mod html;
pub mod json;
pub mod jsonl;
pub mod junit;
pub mod markdown;
pub mod nmap;
pub mod output;
pub mod prometheus;
pub mod sarif;
pub mod stored;
pub mod text;
pub mod v1;

#[cfg(test)]
pub(crate) mod sample;

pub use output::{Destination, Output};
pub use text::{Colour, TextOptions};
pub use v1::{Judged, Report};

/// Writes one format to one output.
pub trait Reporter: Send + fmt::Debug {
    /// The scan starts. Of `scan`, what only its end can tell is not final: when it finished, its
    /// counts, whether it is complete, its notes.
    fn begin(&mut self, tool: &v1::Tool, scan: &v1::Scan) -> io::Result<()> {
        let _ = (tool, scan);
        Ok(())
    }

    /// An endpoint was judged. It comes again, in its place, with the report.
    fn endpoint(&mut self, endpoint: &v1::Endpoint) -> io::Result<()> {
        let _ = endpoint;
        Ok(())
    }

    /// All is known; the output is committed.
    fn finish(self: Box<Self>, report: &Report) -> io::Result<()>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One document, see schema/report-v1.json
    Json,
    /// One JSON object a line, as soon as it is known
    Jsonl,
    /// One page for a browser, complete in itself
    Html,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// One finding a row
    Csv,
    /// For a ticket or a wiki
    Markdown,
    /// JUnit XML, for build servers
    Junit,
    /// As nmap -oX writes it
    Nmap,
    /// DefectDojo's generic findings
    Defectdojo,
    /// For node_exporter's textfile collector
    Prometheus,
}

impl Format {
    /// By the file name's extension; what two formats share has one more before it, as in
    /// `report.junit.xml`.
    pub fn from_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let mut parts = name.rsplit('.');
        let (last, before) = (parts.next()?, parts.next()?);
        match (before, last) {
            ("sarif", "json") => Some(Self::Sarif),
            ("defectdojo", "json") => Some(Self::Defectdojo),
            ("junit", "xml") => Some(Self::Junit),
            ("nmap", "xml") => Some(Self::Nmap),
            (_, "txt" | "text") => Some(Self::Text),
            (_, "json") => Some(Self::Json),
            (_, "jsonl" | "ndjson") => Some(Self::Jsonl),
            (_, "html" | "htm") => Some(Self::Html),
            (_, "sarif") => Some(Self::Sarif),
            (_, "csv") => Some(Self::Csv),
            (_, "md" | "markdown") => Some(Self::Markdown),
            (_, "prom") => Some(Self::Prometheus),
            _ => None,
        }
    }

    pub fn reporter(self, output: Box<dyn Output>, text: TextOptions) -> Box<dyn Reporter> {
        match self {
            Self::Text => Box::new(text::Text::new(output, text)),
            Self::Json => Box::new(json::Json::new(output)),
            Self::Jsonl => Box::new(jsonl::Jsonl::new(output)),
            Self::Html => Box::new(html::Html::new(output)),
            Self::Sarif => Box::new(sarif::Sarif::new(output)),
            Self::Csv => Box::new(csv::Csv::new(output)),
            Self::Markdown => Box::new(markdown::Markdown::new(output)),
            Self::Junit => Box::new(junit::Junit::new(output)),
            Self::Nmap => Box::new(nmap::Nmap::new(output)),
            Self::Defectdojo => Box::new(defectdojo::DefectDojo::new(output)),
            Self::Prometheus => Box::new(prometheus::Prometheus::new(output)),
        }
    }

    /// Whether [`Reporter::finish`] looks at the endpoints of its report, or `endpoint` has told
    /// the format all that it wants.
    pub const fn needs_all_endpoints(self) -> bool {
        !matches!(self, Self::Json | Self::Jsonl)
    }
}

/// A report could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report to {destination}")]
pub struct ReportError {
    destination: String,
    source: io::Error,
}

/// All outputs of a run. One that fails is dropped and reported once, and the others go on; one
/// whose reader went away is dropped without a word.
#[derive(Debug, Default)]
pub struct Reporters(Vec<Named>);

#[derive(Debug)]
struct Named {
    destination: String,
    reporter: Box<dyn Reporter>,
}

impl Reporters {
    /// Opens `destination`, so that what cannot be written is known before the scan.
    pub fn add(
        &mut self,
        destination: &Destination,
        format: Format,
        text: TextOptions,
    ) -> Result<(), ReportError> {
        self.open(destination, |output| Ok(format.reporter(output, text)))
    }

    /// As [`Self::add`], for endpoints that come in the report's order and are not kept.
    pub fn add_ordered(
        &mut self,
        destination: &Destination,
        format: Format,
        text: TextOptions,
    ) -> Result<(), ReportError> {
        self.open(destination, |output| match format {
            Format::Json => Ok(Box::new(json::Ordered::new(output)?)),
            _ => Ok(format.reporter(output, text)),
        })
    }

    fn open(
        &mut self,
        destination: &Destination,
        reporter: impl FnOnce(Box<dyn Output>) -> io::Result<Box<dyn Reporter>>,
    ) -> Result<(), ReportError> {
        let name = destination.to_string();
        match destination.open().and_then(reporter) {
            Ok(reporter) => self.push(name, reporter),
            Err(source) => return Err(ReportError { destination: name, source }),
        }
        Ok(())
    }

    fn push(&mut self, destination: String, reporter: Box<dyn Reporter>) {
        self.0.push(Named { destination, reporter });
    }

    /// Nobody is left to report to.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// See [`Reporter::begin`]. The error is the first, after all outputs were tried.
    pub fn begin(&mut self, tool: &v1::Tool, scan: &v1::Scan) -> Result<(), ReportError> {
        self.each(|reporter| reporter.begin(tool, scan))
    }

    /// See [`Reporter::endpoint`].
    pub fn endpoint(&mut self, endpoint: &v1::Endpoint) -> Result<(), ReportError> {
        self.each(|reporter| reporter.endpoint(endpoint))
    }

    /// See [`Reporter::finish`].
    pub fn finish(self, report: &Report) -> Result<(), ReportError> {
        let mut first = Ok(());
        for Named { destination, reporter } in self.0 {
            if let Err(source) = reporter.finish(report)
                && !output::is_closed_pipe(&source)
            {
                first = first.and(Err(ReportError { destination, source }));
            }
        }
        first
    }

    fn each(
        &mut self,
        mut write: impl FnMut(&mut dyn Reporter) -> io::Result<()>,
    ) -> Result<(), ReportError> {
        let mut first = Ok(());
        self.0.retain_mut(|named| match write(named.reporter.as_mut()) {
            Ok(()) => true,
            Err(source) => {
                if !output::is_closed_pipe(&source) && first.is_ok() {
                    first = Err(ReportError { destination: named.destination.clone(), source });
                }
                false
            }
        });
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use output::memory::{Failing, Memory};

    fn with(outputs: Vec<(&str, Box<dyn Output>)>) -> Reporters {
        let mut reporters = Reporters::default();
        for (name, output) in outputs {
            let reporter = Format::Jsonl.reporter(output, TextOptions::default());
            reporters.push(name.to_owned(), reporter);
        }
        reporters
    }

    #[test]
    fn one_failing_output_does_not_stop_the_others() {
        let report = sample::report();
        let memory = Memory::default();
        let mut reporters = with(vec![
            ("full.jsonl", Box::new(Failing(io::ErrorKind::StorageFull))),
            ("good.jsonl", Box::new(memory.clone())),
        ]);
        let error = reporters.begin(&report.tool, &report.scan).unwrap_err();
        assert_eq!(error.to_string(), "cannot write the report to full.jsonl");
        for endpoint in &report.endpoints {
            reporters.endpoint(endpoint).unwrap();
        }
        reporters.finish(&report).unwrap();
        assert_eq!(memory.text().lines().count(), 1 + 8 + 1 + 1);
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error() {
        let report = sample::report();
        let mut reporters = with(vec![("-", Box::new(Failing(io::ErrorKind::BrokenPipe)))]);
        assert!(!reporters.is_empty());
        reporters.begin(&report.tool, &report.scan).unwrap();
        assert!(reporters.is_empty());
        reporters.finish(&report).unwrap();

        let reporters = with(vec![("-", Box::new(Failing(io::ErrorKind::BrokenPipe)))]);
        reporters.finish(&report).unwrap();
    }

    #[test]
    fn the_format_follows_from_the_extension() {
        let format = |path: &str| Format::from_path(Path::new(path));
        assert_eq!(format("out/report.JSON"), Some(Format::Json));
        assert_eq!(format("report.jsonl"), Some(Format::Jsonl));
        assert_eq!(format("report.txt"), Some(Format::Text));
        assert_eq!(format("report.sarif.json"), Some(Format::Sarif));
        assert_eq!(format("my.report.sarif"), Some(Format::Sarif));
        assert_eq!(format("report.junit.xml"), Some(Format::Junit));
        assert_eq!(format("docksweep.prom"), Some(Format::Prometheus));
        assert_eq!(format("report.xml"), None, "two formats are XML");
        assert_eq!(format("report"), None);
        assert_eq!(format("report.pdf"), None);
    }
}
