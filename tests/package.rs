//! The Debian package: built from this build, unpacked by dpkg into a root of its own, and run there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn text(output: &Output) -> String {
    let both = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    text(&output)
}

/// `make test` builds it; `cargo test` alone does not take the minutes.
fn cargo_deb() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/cargo-deb");
    own.exists().then_some(own)
}

/// A root with a package database, and nothing else.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("var/lib/dpkg/info")).unwrap();
        std::fs::create_dir_all(folder.path().join("var/lib/dpkg/updates")).unwrap();
        std::fs::write(folder.path().join("var/lib/dpkg/status"), "").unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The libraries that it depends on are this machine's.
    fn dpkg(&self, action: &str, what: &Path) -> String {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg(format!("--root={}", self.0.path().display()));
        dpkg.args(["--force-not-root", "--force-depends", "--force-bad-path", "--force-confdef"]);
        run(dpkg.arg(action).arg(what).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"))
    }
}

#[test]
fn the_package_installs_runs_and_goes() {
    let Some(cargo_deb) = cargo_deb() else {
        crate::skip::said("the Debian package: there is no target/tools/bin/cargo-deb");
        return;
    };
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = env!("CARGO_BIN_EXE_docksweep");
    run(Command::new("scripts/package-assets").arg(program).current_dir(home));
    let built = tempfile::tempdir().unwrap();
    let package = built.path().join("docksweep.deb");
    let mut build = Command::new(cargo_deb);
    build.args(["--no-build", "--profile", "dev", "--fast", "--strip", "--quiet", "--output"]);
    run(build.arg(&package).current_dir(home));
    let control = run(Command::new("dpkg-deb").arg("--field").arg(&package));
    for field in ["Package: docksweep", "Depends: ", "libc6", "Description: Finds the Docker"] {
        assert!(control.contains(field), "{field}\n{control}");
    }

    let root = Root::new();
    root.dpkg("--install", &package);
    let docksweep = root.path("usr/bin/docksweep");
    let version = run(Command::new(&docksweep).arg("--version"));
    assert_eq!(version.trim(), concat!("docksweep ", env!("CARGO_PKG_VERSION")));
    for file in [
        "usr/share/bash-completion/completions/docksweep",
        "usr/share/zsh/vendor-completions/_docksweep",
        "usr/share/fish/vendor_completions.d/docksweep.fish",
        "usr/share/doc/docksweep/copyright",
        "usr/share/doc/docksweep/LICENSE-MIT",
        "usr/share/doc/docksweep/changelog.gz",
        "usr/share/doc/docksweep/changelog.Debian.gz",
        "usr/share/doc/docksweep/schema/report-v1.json",
    ] {
        assert!(root.path(file).is_file(), "{file}");
    }
    let manual = root.path("usr/share/man");
    for page in ["docksweep", "docksweep-scan", "docksweep-config"] {
        let found = run(Command::new("man").arg("-M").arg(&manual).args(["-w", page]));
        assert!(found.trim().ends_with(&format!("{page}.1.gz")), "{found}");
    }
    for unit in ["docksweep.service", "docksweep.timer"] {
        let path = root.path("usr/lib/systemd/system").join(unit);
        let text = std::fs::read_to_string(path).unwrap();
        assert!(unit.ends_with("timer") || text.contains("/usr/bin/docksweep"), "{text}");
    }

    // The configuration is the administrator's: it survives a removal, and not a purge.
    let configuration = root.path("etc/docksweep/docksweep.toml");
    let said = run(Command::new(&docksweep).arg("config").arg("--config").arg(&configuration));
    assert!(said.contains("rate = \"\"  # default"), "{said}");
    let changed = std::fs::read_to_string(&configuration).unwrap() + "# ours\n";
    std::fs::write(&configuration, &changed).unwrap();
    root.dpkg("--install", &package);
    assert_eq!(std::fs::read_to_string(&configuration).unwrap(), changed);
    root.dpkg("--remove", Path::new("docksweep"));
    assert!(!docksweep.exists());
    assert!(configuration.exists());
    root.dpkg("--purge", Path::new("docksweep"));
    assert!(!configuration.exists());
}
