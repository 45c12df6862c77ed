use std::collections::BTreeMap;

use clap::{CommandFactory as _, Parser as _};

use super::*;
use crate::cli::Cli;

fn program() -> Command {
    Cli::command()
}

fn file(text: &str) -> File {
    File::parse("c.toml", text, &program()).unwrap()
}

/// The words of a scan with these flags typed, this file, and these variables.
fn words(typed: &[&str], text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let typed = typed.iter().copied().collect();
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let program = program();
    let scan = program.find_subcommand("scan").unwrap();
    let settings =
        in_effect(scan, &typed, Some(&file(text)), |name| variables.get(name).map(OsString::from));
    let words = arguments(&settings.unwrap());
    words.into_iter().map(|word| word.into_string().unwrap()).collect()
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let text = "[scan]\nrate = 500\nsni = \"file.lan\"\nretries = 3\n[report]\nseverity = \"high\"";
    let variables = [("DOCKSWEEP_SNI", "env.lan"), ("DOCKSWEEP_RATE", "700"), ("RETRIES", "4")];
    assert_eq!(words(&[], text, &[]), ["--rate=500", "--retries=3", "--sni=file.lan"]);
    assert_eq!(words(&[], text, &variables), ["--rate=700", "--retries=3", "--sni=env.lan"]);
    assert_eq!(words(&["rate"], text, &variables), ["--retries=3", "--sni=env.lan"]);
    assert_eq!(words(&[], text, &[("DOCKSWEEP_SNI", "")]).last().unwrap(), "--sni=file.lan");
}

#[test]
fn switches_counts_and_lists() {
    let text =
        "[scan]\nquiet = true\nverbose = 2\noutput = [\"a.json\", \"b.txt\"]\nca = \"x.pem\"";
    assert_eq!(
        words(&[], text, &[]),
        ["--ca=x.pem", "--output=a.json", "--output=b.txt", "--quiet", "--verbose", "--verbose"]
    );
    let variables = [
        ("DOCKSWEEP_QUIET", "false"),
        ("DOCKSWEEP_VERBOSE", "1"),
        ("DOCKSWEEP_OUTPUT", "c.json, d.txt"),
    ];
    assert_eq!(
        words(&[], text, &variables),
        ["--ca=x.pem", "--output=c.json", "--output=d.txt", "--verbose"]
    );
}

#[test]
fn what_is_off_limits_stays_so() {
    let text = "[scan]\nexclude = [\"10.0.0.1\"]\nexclude-file = [\"never\"]";
    let variables = [("DOCKSWEEP_EXCLUDE", "10.0.0.2,::1")];
    assert_eq!(
        words(&["exclude"], text, &variables),
        ["--exclude=10.0.0.2", "--exclude=::1", "--exclude=10.0.0.1", "--exclude-file=never"]
    );
}

#[test]
fn a_setting_gives_way_to_what_it_cannot_stand_beside() {
    let text =
        "[scan]\ncheckpoint = \"place\"\ntlscacert = \"ca\"\ntlscert = \"c\"\ntlskey = \"k\"";
    assert_eq!(words(&["resume"], text, &[]).len(), 3);
    assert_eq!(words(&["context"], text, &[]), ["--checkpoint=place"]);
    let variables = [("DOCKSWEEP_CREDENTIALS", "env")];
    assert_eq!(words(&[], text, &variables), ["--credentials=env", "--checkpoint=place"]);
}

#[test]
fn mistakes_are_placed() {
    for (text, message, hint) in [
        ("[scna]", "c.toml:1:2: unknown key 'scna'", "did you mean 'scan'?"),
        ("rate = 5", "c.toml:1:1: 'rate' stands in no table", "put it below a line [scan]"),
        ("scan = 5", "c.toml:1:8: scan must be a table, and is a number", "begin with [scan]"),
        ("[scan]\nraet = 5", "c.toml:2:1: unknown key 'raet'", "did you mean 'rate'?"),
        ("[scan]\nresume = \"x\"", "c.toml:2:1: unknown key 'resume'", ""),
        ("[report]\nrate = 5", "c.toml:2:1: unknown key 'rate'", ""),
        ("[scan]\nquiet = 1", "c.toml:2:9: quiet must be true or false, and is a number", ""),
        ("[scan]\nrate = true", "c.toml:2:8: rate must be a string or a whole number", ""),
        (
            "[scan]\nsni = [\"x\"]",
            "c.toml:2:7: sni must be a string or a whole number, and is a list",
            "",
        ),
        ("[scan]\nverbose = 999", "c.toml:2:11: verbose must be from 0 to 255", ""),
        ("[scan]\noutput = [\"x\", \"\"]", "c.toml:2:16: an empty string says nothing", ""),
        ("[scan]\noutput = [[]]", "c.toml:2:11: output must be a list of strings or numbers", ""),
        ("[scan]\nrate = 1\nrate = 2", "c.toml:3:1: ", ""),
        ("[[suppress]]\nrule = \"nope\"", "c.toml:2:8: no rule is called 'nope'", ""),
    ] {
        let mistake = File::parse("c.toml", text, &program()).unwrap_err();
        assert!(mistake.to_string().starts_with(message), "{text}\n{mistake}");
        let found = mistake.hint.unwrap_or_default();
        assert!(found.contains(hint), "{text}\n{found}");
    }
    let program = program();
    let scan = program.find_subcommand("scan").unwrap();
    for (variable, value) in [("DOCKSWEEP_QUIET", "perhaps"), ("DOCKSWEEP_VERBOSE", "-1")] {
        let environment = |name: &str| (name == variable).then(|| value.into());
        let error = in_effect(scan, &BTreeSet::new(), None, environment).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{variable} must be ")), "{error}");
    }
}

#[test]
fn errors_speak_of_the_setting() {
    let text =
        "[scan]\nrate = \"fast\"\nca = \"/ca.pem\"\noutput = [\"a.json\", \"b.pdf\"]\nquiet = true";
    let scan = program();
    let scan = scan.find_subcommand("scan").unwrap();
    let variable = |name: &str| (name == "DOCKSWEEP_SNI").then(|| "not a name".into());
    let settings = in_effect(scan, &BTreeSet::new(), Some(&file(text)), variable).unwrap();
    let said = |message: &str| in_its_words(message, &settings);
    for (message, expected) in [
        (
            "--rate 'fast' is neither max nor a number from 1 up",
            "c.toml:2:8: rate 'fast' is neither max nor a number from 1 up",
        ),
        (
            "invalid value 'fast' for '--rate <PPS|max>': why",
            "c.toml:2:8: invalid value 'fast' for 'rate': why",
        ),
        ("-o 'b.pdf' names no format", "c.toml:4:21: output 'b.pdf' names no format"),
        ("--sni 'not a name' is not a host name", "DOCKSWEEP_SNI 'not a name' is not a host name"),
        ("/ca.pem: no such file", "c.toml:3:6: /ca.pem: no such file"),
    ] {
        assert_eq!(said(message).as_deref(), Some(expected));
    }
    for foreign in [
        "--subnet-rate 'fast' is wrong",
        "no target given",
        "x--rate",
        "--rates",
        "unexpected value 'false' for '--quiet' found; no more were expected",
    ] {
        assert_eq!(said(foreign), None, "{foreign}");
    }
}

#[test]
fn the_default_file_names_every_flag_and_changes_nothing() {
    let text = default_file(&program());
    let commented = file(&text);
    let lines: Vec<&str> =
        text.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
    let whole = file(&lines.join("\n"));
    assert!(whole.suppressions.is_empty());
    let program = program();
    for name in CONFIGURABLE {
        let command = program.find_subcommand(name).unwrap();
        for flag in flags(command) {
            assert!(commented.setting(name, flag.name).is_none(), "{name} {}", flag.name);
            let setting = whole.setting(name, flag.name);
            let setting = setting.unwrap_or_else(|| panic!("{name} {} is missing", flag.name));
            let said: Vec<_> = setting.values.iter().map(|(value, _)| value.as_os_str()).collect();
            let defaults: Vec<_> = match flag.kind {
                Kind::Value | Kind::List => {
                    flag.arg.get_default_values().iter().map(|value| &**value).collect()
                }
                Kind::Switch | Kind::Count => Vec::new(),
            };
            assert_eq!(said, defaults, "{name} {}", flag.name);
        }
    }
    // What is said is also what clap makes of nothing being said.
    let scan = program.find_subcommand("scan").unwrap();
    let settings = in_effect(scan, &BTreeSet::new(), Some(&whole), |_| None).unwrap();
    let start = ["docksweep", "scan", "127.0.0.1"].map(OsString::from);
    let with = Cli::try_parse_from(start.iter().cloned().chain(arguments(&settings))).unwrap();
    let without = Cli::try_parse_from(start).unwrap();
    assert_eq!(format!("{with:?}"), format!("{without:?}"));
}

#[test]
fn what_is_in_effect_is_a_file_that_says_the_same() {
    let text = "[scan]\nrate = 500\nquiet = true\noutput = [\"a b.json\"]\nsni = \"\"\n";
    let variable = |name: &str| (name == "DOCKSWEEP_VANTAGE").then(|| "a \"lab\"".into());
    let shown =
        effective(&program(), Some(&file(text)), variable, |_, value| value.to_owned()).unwrap();
    for line in [
        "rate = 500  # c.toml:2",
        "quiet = true  # c.toml:3",
        "output = [\"a b.json\"]  # c.toml:4",
        "sni = \"\"  # default",
        "vantage = 'a \"lab\"'  # DOCKSWEEP_VANTAGE",
        "retries = 1  # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    let again = file(&shown);
    assert_eq!(again.setting("scan", "rate").unwrap().values[0].0, "500");
}

#[test]
fn every_flag_has_a_variable_of_its_own() {
    let program = program();
    for name in CONFIGURABLE {
        let command = program.find_subcommand(name).unwrap();
        let variables: BTreeSet<String> =
            flags(command).map(|flag| variable_of(flag.name)).collect();
        assert_eq!(variables.len(), flags(command).count());
        assert!(variables.iter().all(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit())
        }));
        assert!(variables.is_disjoint(&["CONFIG", "NO_CONFIG"].map(variable_of).into()));
    }
}
