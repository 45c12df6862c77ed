//! The manual pages, from clap's description of the command line. Pure: text comes out.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::exit_code::ExitCode;
use crate::settings::{CONFIGURABLE, flags, variable_of};

/// A page: its file's name and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub file: String,
    pub text: Vec<u8>,
}

/// The page of the program, then those of its subcommands.
///
/// # Errors
/// None that writing to memory can have.
pub fn pages(program: Command) -> io::Result<Vec<Page>> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let mut pages = vec![page(&program, &program, Part::Program)?];
    for subcommand in program.get_subcommands() {
        pages.push(page(&program, subcommand, Part::Subcommand)?);
        for nested in subcommand.get_subcommands() {
            pages.push(page(&program, nested, Part::Subcommand)?);
        }
    }
    Ok(pages)
}

/// When the manual's own words were last changed.
const DATE: &str = "2026-11-30";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Program,
    Subcommand,
}

fn page(program: &Command, command: &Command, part: Part) -> io::Result<Page> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .date(DATE)
        .source(format!("docksweep {}", env!("CARGO_PKG_VERSION")))
        .manual("Docksweep");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]);
    // Sixty flags in a row are no help: each has its entry below.
    synopsis.text(usage(command));
    append(&mut text, &synopsis);
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    append(&mut text, &sections(program, command, part));
    Ok(Page { file: man.get_filename(), text })
}

/// The preamble stands at the head of the page already.
fn append(text: &mut Vec<u8>, roff: &Roff) {
    text.extend(roff.to_roff().into_bytes());
}

fn usage(command: &Command) -> Vec<Inline> {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim().to_owned();
    let words = usage.split_once(" [").or_else(|| usage.split_once(" <"));
    match words {
        Some((name, _)) => {
            let rest = usage.get(name.len()..).unwrap_or_default();
            vec![bold(name), roman(rest)]
        }
        None => vec![bold(usage)],
    }
}

fn sections(program: &Command, command: &Command, part: Part) -> Roff {
    let mut roff = Roff::new();
    if part == Part::Program {
        exit_status(&mut roff);
        environment(&mut roff, program);
        files(&mut roff);
    }
    remarks(&mut roff, command);
    see_also(&mut roff, program, part);
    roff
}

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for code in ExitCode::ALL {
        entry(roff, &(code as u8).to_string(), code.meaning());
    }
}

fn environment(roff: &mut Roff, program: &Command) {
    roff.control("SH", ["ENVIRONMENT"]);
    let scan = program.find_subcommand("scan");
    let example = scan.and_then(|scan| flags(scan).find(|flag| flag.name == "rate"));
    let example = example.map_or_else(|| variable_of("rate"), |flag| variable_of(flag.name));
    entry(
        roff,
        "DOCKSWEEP_*",
        &format!(
            "A variable for each flag of {}, as {example} for --rate: the flag wins over it, and it \
             over the configuration file. Switches take true or false, flags that may be repeated \
             take several values with commas between them. An empty variable is as good as none.",
            CONFIGURABLE.join(", ")
        ),
    );
    for (name, meaning) in [
        ("DOCKSWEEP_CONFIG", "The configuration file, as --config names it."),
        ("DOCKSWEEP_NO_CONFIG", "If true, no configuration file is read."),
        ("XDG_CONFIG_HOME, HOME", "Where the user's configuration is looked for."),
        ("XDG_DATA_HOME, HOME", "Where imported advisories are kept."),
        (
            "DOCKER_CERT_PATH, DOCKER_TLS_VERIFY, DOCKER_CONFIG",
            "Read only where --credentials env or --context asks for it.",
        ),
        (
            "SSL_CERT_FILE, SSL_CERT_DIR",
            "What --system-roots reads in place of the system's roots.",
        ),
        ("NO_COLOR, CLICOLOR, TERM", "Whether the text report is coloured."),
    ] {
        entry(roff, name, meaning);
    }
}

fn files(roff: &mut Roff) {
    roff.control("SH", ["FILES"]);
    for (name, meaning) in [
        (
            "~/.config/docksweep/docksweep.toml",
            "The user's configuration, or docksweep/docksweep.toml in $XDG_CONFIG_HOME. docksweep \
             config --print-default prints one to begin with.",
        ),
        (
            "/etc/docksweep/docksweep.toml",
            "The configuration of the machine, read where the user has none. The directory that a \
             command is run in is never looked at.",
        ),
        (
            "~/.local/share/docksweep/advisories.json",
            "What docksweep advisories import keeps, or the same in $XDG_DATA_HOME.",
        ),
    ] {
        entry(roff, name, meaning);
    }
}

fn entry(roff: &mut Roff, name: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(name)]);
    roff.text([roman(meaning)]);
}

/// What follows the flags in the help: examples as they are typed, and prose.
fn remarks(roff: &mut Roff, command: &Command) {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut notes = Vec::new();
    for paragraph in help.split("\n\n") {
        let (head, body) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        match head.strip_suffix(':') {
            Some(head) if !body.is_empty() => {
                let name = if head == "Exit codes" { "EXIT STATUS" } else { head };
                roff.control("SH", [name.to_uppercase().as_str()]);
                roff.control("nf", []);
                for line in body.lines() {
                    roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
                }
                roff.control("fi", []);
            }
            _ if paragraph.trim().is_empty() => {}
            _ => notes.push(paragraph),
        }
    }
    for (number, note) in notes.iter().enumerate() {
        if number == 0 {
            roff.control("SH", ["NOTES"]);
        } else {
            roff.control("PP", []);
        }
        let words: Vec<&str> = note.split_whitespace().collect();
        roff.text([roman(words.join(" "))]);
    }
}

fn see_also(roff: &mut Roff, program: &Command, part: Part) {
    roff.control("SH", ["SEE ALSO"]);
    let reference = |name: &str| vec![italic(name), roman("(1)")];
    match part {
        // It lists the others above.
        Part::Program => {
            roff.text([reference("dockerd"), vec![roman(", ")], reference("nmap")].concat());
        }
        Part::Subcommand => {
            let name = program.get_name();
            let mut line = reference(name);
            line.push(roman(", for exit status, environment and files"));
            roff.text(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_subcommand_has_a_page_with_examples() {
        let pages = pages(Cli::command()).unwrap();
        let names: Vec<&str> = pages.iter().map(|page| page.file.as_str()).collect();
        assert_eq!(names.first(), Some(&"docksweep.1"));
        for name in ["docksweep-scan.1", "docksweep-advisories-import.1", "docksweep-man.1"] {
            assert!(names.contains(&name), "{names:?}");
        }
        for page in &pages {
            let text = String::from_utf8(page.text.clone()).unwrap();
            assert!(text.contains(".SH EXAMPLES"), "{} has no examples", page.file);
            assert_eq!(text.matches(".SH NAME").count(), 1, "{}", page.file);
        }
    }

    #[test]
    fn the_first_page_says_what_every_exit_code_means() {
        let pages = pages(Cli::command()).unwrap();
        let text = String::from_utf8(pages[0].text.clone()).unwrap();
        for part in ["EXIT STATUS", "ENVIRONMENT", "FILES", "DOCKSWEEP_RATE", "130"] {
            assert!(text.contains(part), "{part}");
        }
    }
}
