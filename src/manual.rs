//! The manual pages, from clap's description of the command line. Pure: text comes out.

use std::io;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::exit_code::ExitCode;
use crate::settings::{CONFIGURABLE, variable_of};

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
    append(&mut text, &options(command));
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

/// Under the headings of the help.
fn options(command: &Command) -> Roff {
    let mut roff = Roff::new();
    let args: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
    if args.is_empty() {
        return roff;
    }
    roff.control("SH", ["OPTIONS"]);
    let mut headings: Vec<Option<&str>> = vec![None];
    for heading in args.iter().map(|arg| arg.get_help_heading()) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        if let Some(heading) = heading {
            roff.control("SS", [heading]);
        }
        for arg in args.iter().filter(|arg| arg.get_help_heading() == heading) {
            roff.control("TP", []);
            roff.text(name(arg));
            roff.text([roman(meaning(arg))]);
        }
    }
    roff
}

/// `-i, --input FILE`, or a word that is typed as it is.
fn name(arg: &Arg) -> Vec<Inline> {
    let values = arg.get_value_names().unwrap_or_default();
    let value = values.iter().map(|value| value.as_str()).collect::<Vec<_>>().join(" ");
    if arg.is_positional() {
        return vec![italic(value)];
    }
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let mut line = vec![bold(short.into_iter().chain(long).collect::<Vec<_>>().join(", "))];
    if arg.get_action().takes_values() && !value.is_empty() {
        line.extend([roman(" "), italic(value)]);
    }
    line
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let mut text = help.split_whitespace().collect::<Vec<_>>().join(" ");
    if arg.get_action().takes_values() {
        let names = arg.get_possible_values();
        let names: Vec<&str> = names.iter().map(|value| value.get_name()).collect();
        if !names.is_empty() {
            text.push_str(&format!("; one of {}", names.join(", ")));
        }
        let defaults = arg.get_default_values();
        if let Some(default) = defaults.first() {
            text.push_str(&format!(" [default: {}]", default.to_string_lossy()));
        }
    }
    text
}

fn sections(program: &Command, command: &Command, part: Part) -> Roff {
    let mut roff = Roff::new();
    if part == Part::Program {
        exit_status(&mut roff);
        environment(&mut roff);
        files(&mut roff);
    }
    remarks(&mut roff, command);
    see_also(&mut roff, program, part);
    roff
}

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for code in ExitCode::ALL {
        entry(roff, &(code as u8).to_string(), code.description());
    }
}

fn environment(roff: &mut Roff) {
    roff.control("SH", ["ENVIRONMENT"]);
    let example = variable_of("rate");
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
