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
mod kept;
pub mod markdown;
pub mod nmap;
pub mod output;
pub mod prometheus;
pub mod sarif;
pub mod stored;
pub mod text;
pub mod v1;
mod xml;

#[cfg(test)]
pub(crate) mod sample;

pub use kept::{Kept, keep};
pub use output::{Destination, Output, Readers};
pub use text::{Colour, Suppressed, TextOptions};
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
            Self::Markdown => Box::new(markdown::Markdown::new(output, text.minimum)),
            Self::Junit => Box::new(junit::Junit::new(output)),
            Self::Nmap => Box::new(nmap::Nmap::new(output)),
            Self::Defectdojo => Box::new(defectdojo::DefectDojo::new(output)),
            Self::Prometheus => Box::new(prometheus::Prometheus::new(output)),
        }
    }

    /// As [`Self::reporter`], for endpoints that come in the report's order and are not kept.
    fn ordered(self, output: Box<dyn Output>, text: TextOptions) -> io::Result<Box<dyn Reporter>> {
        Ok(match self {
            Self::Json => Box::new(json::Ordered::new(output)?),
            Self::Csv => Box::new(csv::Ordered::new(output)),
            _ => self.reporter(output, text),
        })
    }

    /// Whether [`Reporter::finish`] looks at the endpoints of its report where they came in order,
    /// or `endpoint` has told the format all that it wants.
    pub const fn needs_all_endpoints(self) -> bool {
        !matches!(self, Self::Json | Self::Jsonl | Self::Csv | Self::Prometheus)
    }

    /// For whom it is, where nothing else is said.
    pub const fn readers(self) -> Readers {
        match self {
            Self::Prometheus => Readers::Everyone,
            _ => Readers::Owner,
        }
    }
}

/// An output cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report to {destination}")]
pub struct ReportError {
    destination: String,
    source: io::Error,
}

/// Outputs that could not be written, though they could be opened.
#[derive(Debug)]
pub struct Unwritten {
    failed: Vec<ReportError>,
    /// The whole report as JSON, if that was written somewhere.
    whole: Option<String>,
}

impl Unwritten {
    /// Where the whole report is nevertheless, by an output that was asked for too.
    pub fn whole(&self) -> Option<&str> {
        self.whole.as_deref()
    }
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.failed.iter().enumerate() {
            let also = if at > 0 { "; " } else { "" };
            write!(f, "{also}{error}: {}", error.source)?;
        }
        Ok(())
    }
}

impl std::error::Error for Unwritten {}

/// All outputs of a run. One that fails is dropped and reported in the end, and the others go on;
/// one whose reader went away is dropped without a word.
#[derive(Debug, Default)]
pub struct Reporters {
    open: Vec<Named>,
    failed: Vec<ReportError>,
}

#[derive(Debug)]
struct Named {
    destination: String,
    format: Format,
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
        self.open(destination, format, |output| Ok(format.reporter(output, text)))
    }

    /// As [`Self::add`], for endpoints that come in the report's order and are not kept.
    pub fn add_ordered(
        &mut self,
        destination: &Destination,
        format: Format,
        text: TextOptions,
    ) -> Result<(), ReportError> {
        self.open(destination, format, |output| format.ordered(output, text))
    }

    fn open(
        &mut self,
        destination: &Destination,
        format: Format,
        reporter: impl FnOnce(Box<dyn Output>) -> io::Result<Box<dyn Reporter>>,
    ) -> Result<(), ReportError> {
        let name = destination.to_string();
        match destination.open_for(format.readers()).and_then(reporter) {
            Ok(reporter) => self.push(name, format, reporter),
            Err(source) => return Err(ReportError { destination: name, source }),
        }
        Ok(())
    }

    fn push(&mut self, destination: String, format: Format, reporter: Box<dyn Reporter>) {
        self.open.push(Named { destination, format, reporter });
    }

    /// Nobody is left to report to.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// See [`Reporter::begin`].
    pub fn begin(&mut self, tool: &v1::Tool, scan: &v1::Scan) {
        self.each(|reporter| reporter.begin(tool, scan));
    }

    /// See [`Reporter::endpoint`].
    pub fn endpoint(&mut self, endpoint: &v1::Endpoint) {
        self.each(|reporter| reporter.endpoint(endpoint));
    }

    /// See [`Reporter::finish`].
    ///
    /// # Errors
    /// Every output that failed, be it now or before, after all were tried.
    pub fn finish(self, report: &Report) -> Result<(), Unwritten> {
        let Self { open, mut failed } = self;
        let mut whole = None;
        for Named { destination, format, reporter } in open {
            match reporter.finish(report) {
                Ok(()) if format == Format::Json => {
                    whole.get_or_insert(destination);
                }
                Err(source) if !output::is_closed_pipe(&source) => {
                    failed.push(ReportError { destination, source });
                }
                _ => {}
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(Unwritten { failed, whole }) }
    }

    fn each(&mut self, mut write: impl FnMut(&mut dyn Reporter) -> io::Result<()>) {
        let Self { open, failed } = self;
        open.retain_mut(|named| match write(named.reporter.as_mut()) {
            Ok(()) => true,
            Err(source) => {
                if !output::is_closed_pipe(&source) {
                    let destination = named.destination.clone();
                    failed.push(ReportError { destination, source });
                }
                false
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use output::memory::{Failing, Memory};

    fn with(outputs: Vec<(&str, Format, Box<dyn Output>)>) -> Reporters {
        let mut reporters = Reporters::default();
        for (name, format, output) in outputs {
            let reporter = format.reporter(output, TextOptions::default());
            reporters.push(name.to_owned(), format, reporter);
        }
        reporters
    }

    #[test]
    fn failing_outputs_do_not_stop_the_others_and_each_is_named() {
        let report = sample::report();
        let memory = Memory::default();
        let full = || Box::new(Failing(io::ErrorKind::StorageFull));
        let mut reporters = with(vec![
            ("full.jsonl", Format::Jsonl, full()),
            ("good.jsonl", Format::Jsonl, Box::new(memory.clone())),
            ("full.csv", Format::Csv, full()),
        ]);
        reporters.begin(&report.tool, &report.scan);
        for endpoint in &report.endpoints {
            reporters.endpoint(endpoint);
        }
        let error = reporters.finish(&report).unwrap_err();
        assert_eq!(memory.text().lines().count(), 1 + 8 + 1 + 1);
        assert_eq!(error.to_string(), {
            "cannot write the report to full.jsonl: no storage space; \
             cannot write the report to full.csv: no storage space"
        });
        assert_eq!(error.whole(), None);
    }

    #[test]
    fn where_the_whole_report_is_all_the_same_is_known() {
        let report = sample::report();
        let reporters = with(vec![
            ("full.csv", Format::Csv, Box::new(Failing(io::ErrorKind::StorageFull))),
            ("full.json", Format::Json, Box::new(Failing(io::ErrorKind::StorageFull))),
            ("good.json", Format::Json, Box::new(Memory::default())),
        ]);
        assert_eq!(reporters.finish(&report).unwrap_err().whole(), Some("good.json"));
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error() {
        let report = sample::report();
        let gone = || -> Box<dyn Output> { Box::new(Failing(io::ErrorKind::BrokenPipe)) };
        let mut reporters = with(vec![("-", Format::Jsonl, gone())]);
        assert!(!reporters.is_empty());
        reporters.begin(&report.tool, &report.scan);
        assert!(reporters.is_empty());
        reporters.finish(&report).unwrap();

        let reporters = with(vec![("-", Format::Jsonl, gone())]);
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
