//! `--suppress FILE`: risks that are accepted.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::cli::SuppressArgs;
use crate::config::ConfigError;
use crate::report::Suppressed;
use crate::suppress::Suppressions;

/// Far more than anybody writes; what is larger is another file.
const MAX_TEXT: u64 = 16 << 20;

/// What all files together accept.
pub(crate) fn suppressions(args: &SuppressArgs) -> Result<Suppressions, ConfigError> {
    let mut all = Suppressions::default();
    for path in &args.suppressions {
        let text =
            read_text(path).map_err(|source| ConfigError::Open { path: path.clone(), source })?;
        all.add(Suppressions::parse(&path.to_string_lossy(), &text)?);
    }
    Ok(all)
}

/// What the text report says of them.
pub(crate) fn shown(args: &SuppressArgs) -> Suppressed {
    if args.show_suppressed { Suppressed::Shown } else { Suppressed::Counted }
}

/// The whole of a file that somebody wrote by hand.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_TEXT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_TEXT {
        return Err(io::Error::other(format!("it is larger than {} MiB", MAX_TEXT >> 20)));
    }
    Ok(text)
}
