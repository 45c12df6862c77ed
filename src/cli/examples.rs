//! What follows the flags in the help of a subcommand: it by example, task by task.

pub const PROGRAM: &str = "\
Examples:
  docksweep scan 10.0.0.0/16                  who is open to strangers?
  docksweep scan 10.0.0.0/16 -o sweep.html    the same, as a page for a browser
  docksweep report sweep.json -o sweep.csv    a stored report, for a spreadsheet
  docksweep explain api-unauthenticated-tls   what it means, and what to do
  docksweep config --print-default            every flag, as a file

docksweep COMMAND --help has the flags of a command, and examples of its own.";

pub const REPORT: &str = "\
Examples:
  docksweep report sweep.json                       by today's rules and date
  docksweep report sweep.json -o t.html -o t.csv    in other formats
  docksweep report sweep.json --ca ca.pem           do chains lead to that CA?
  docksweep report sweep.json --suppress ok.toml    without accepted risks
  docksweep report sweep.json --fail-on high        exit 10 when it matters
  docksweep report sweep.json --history nights.db   what is new since then

Nothing is sent: the report holds all that was seen.";

pub const ADVISORIES: &str = "\
Examples:
  docksweep advisories                          how old it is, what it holds
  docksweep advisories --advisories team.json   the same of another file
  docksweep advisories import all.zip           add osv.dev's archive to it";

pub const RULES: &str = "\
Examples:
  docksweep rules                     all rules, with their severity
  docksweep rules | grep critical     those that matter most
  docksweep rules cert-expired        one of them in full";

pub const EXPLAIN: &str = "\
Examples:
  docksweep explain cert-is-ca                        what a rule is about
  docksweep explain cert-is-ca --report sweep.json    and where it is broken
  docksweep explain 3f2a9c0d11e4b7aa --report sweep.json
                                                      one finding, by its id";

pub const CONFIG: &str = "\
Examples:
  docksweep config                            what is set, and where
  docksweep config --config team.toml         what it would be with that file
  mkdir -p ~/.config/docksweep                a file to begin with:
  docksweep config --print-default > ~/.config/docksweep/docksweep.toml

A flag wins over its variable, as DOCKSWEEP_RATE for --rate, and that over the file. The file is \
the first there is of --config, DOCKSWEEP_CONFIG, docksweep/docksweep.toml in $XDG_CONFIG_HOME or \
~/.config, and /etc/docksweep/docksweep.toml; never one in the directory of the run, which may be \
anybody's.";

pub const COMPLETIONS: &str = "\
Examples:
  source <(docksweep completions bash)        for this shell alone; for all:
  cd ~/.local/share/bash-completion/completions
  docksweep completions bash > docksweep
  docksweep completions zsh > ~/.zfunc/_docksweep
  docksweep completions fish > ~/.config/fish/completions/docksweep.fish";

pub const MAN: &str = "\
Examples:
  docksweep man | man -l -                         read the first page
  docksweep man --output ~/.local/share/man/man1   install all of them";
