//! The report as one JSON document, indented.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use super::{Output, Reporter, v1};
use crate::sanitize;

/// Writes nothing until the end, then everything.
#[derive(Debug)]
pub struct Json(Box<dyn Output>);

impl Json {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }
}

impl Reporter for Json {
    fn finish(mut self: Box<Self>, report: &v1::Report) -> io::Result<()> {
        write_pretty(&mut self.0, report)?;
        self.0.commit()
    }
}

/// For endpoints that come in the report's order and are too many to keep: each is written as it
/// comes, to a file beside, and the summary that stands before them is written in the end. An
/// endpoint is one line; else the document is the same.
#[derive(Debug)]
pub struct Ordered {
    output: Box<dyn Output>,
    endpoints: BufWriter<File>,
    count: u64,
}

impl Ordered {
    /// # Errors
    /// There is no room for a temporary file.
    pub fn new(output: Box<dyn Output>) -> io::Result<Self> {
        let endpoints = BufWriter::with_capacity(1 << 16, tempfile::tempfile()?);
        Ok(Self { output, endpoints, count: 0 })
    }
}

impl Reporter for Ordered {
    fn endpoint(&mut self, endpoint: &v1::Endpoint) -> io::Result<()> {
        self.endpoints.write_all(if self.count > 0 { b",\n    " } else { b"\n    " })?;
        self.count += 1;
        endpoint.serialize(&mut serializer(&mut self.endpoints, CompactFormatter))?;
        Ok(())
    }

    /// The endpoints of `report` are not looked at: for other formats they may lack what is here.
    fn finish(mut self: Box<Self>, report: &v1::Report) -> io::Result<()> {
        const END: &[u8] = b"[]\n}\n";
        let mut document = Vec::new();
        let around = v1::Report {
            schema: report.schema,
            tool: report.tool.clone(),
            scan: report.scan.clone(),
            summary: report.summary,
            fleet_findings: report.fleet_findings.clone(),
            changes: report.changes.clone(),
            endpoints: Vec::new(),
        };
        write_pretty(&mut document, &around)?;
        let Some(head) = document.strip_suffix(END).filter(|_| self.count > 0) else {
            self.output.write_all(&document)?;
            return self.output.commit();
        };
        self.output.write_all(head)?;
        self.output.write_all(b"[")?;
        self.endpoints.flush()?;
        let mut spooled = self.endpoints.get_ref();
        spooled.rewind()?;
        io::copy(&mut spooled, &mut self.output)?;
        self.output.write_all(b"\n  ]\n}\n")?;
        self.output.commit()
    }
}

/// `value` indented, with a line end.
pub fn write_pretty<T: Serialize>(mut output: &mut dyn Write, value: &T) -> io::Result<()> {
    value.serialize(&mut serializer(&mut output, PrettyFormatter::new()))?;
    output.write_all(b"\n")
}

/// `value` on one line, with a line end.
pub fn write_line<T: Serialize>(mut output: &mut dyn Write, value: &T) -> io::Result<()> {
    value.serialize(&mut serializer(&mut output, CompactFormatter))?;
    output.write_all(b"\n")
}

fn serializer<W: Write, F: Formatter>(output: W, layout: F) -> Serializer<W, Harmless<F>> {
    Serializer::with_formatter(output, Harmless(layout))
}

/// Escapes what could act on a terminal, so that `cat report.json` is safe. The strings that a
/// JSON reader gets are the same.
struct Harmless<F>(F);

impl<F: Formatter> Formatter for Harmless<F> {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        if fragment.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, hazard)) = rest.char_indices().find(|(_, c)| sanitize::is_hazard(*c)) {
            let (harmless, tail) = rest.split_at(at);
            writer.write_all(harmless.as_bytes())?;
            for unit in hazard.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = tail.strip_prefix(hazard).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }

    // The layout is the wrapped formatter's.

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_key(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::report::{output::memory::Memory, sample};

    fn line(value: &impl Serialize) -> String {
        let mut bytes = Vec::new();
        write_line(&mut bytes, value).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_report() {
        let memory = Memory::default();
        Box::new(Json::new(Box::new(memory.clone()))).finish(&sample::report()).unwrap();
        sample::assert_snapshot("json", &memory.text());
    }

    #[test]
    fn endpoints_in_order_make_the_same_document() {
        let report = sample::report();
        let mut bare = report.endpoints.clone();
        bare.iter_mut().for_each(|endpoint| endpoint.observation.connections.clear());
        for keep in [0, 1, report.endpoints.len()] {
            let memory = Memory::default();
            let mut ordered = Box::new(Ordered::new(Box::new(memory.clone())).unwrap());
            for endpoint in &report.endpoints[..keep] {
                ordered.endpoint(endpoint).unwrap();
            }
            ordered.finish(&v1::Report { endpoints: bare.clone(), ..report.clone() }).unwrap();
            let written: v1::Report = serde_json::from_str(&memory.text()).unwrap();
            assert_eq!(written.endpoints, report.endpoints[..keep]);
            assert_eq!(written.summary, report.summary);
        }
    }

    #[test]
    fn hazards_are_escaped_in_values_and_keys() {
        let value = BTreeMap::from([("\u{202e}", "a\u{9b}\u{7f}é\u{e0041}\"\x1b")]);
        assert_eq!(line(&value), "{\"\\u202e\":\"a\\u009b\\u007fé\\udb40\\udc41\\\"\\u001b\"}\n");
    }

    proptest! {
        #[test]
        fn a_reader_gets_the_same_string(text: String) {
            let written = line(&text);
            prop_assert!(!written.trim_end_matches('\n').chars().any(sanitize::is_hazard));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
