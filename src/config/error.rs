//! What is wrong with a setting, where it stands, and what was probably meant.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::escape::printable;

/// Longest excerpt of a configuration that a message repeats, in characters.
const EXCERPT: usize = 80;

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Built in.
    Default,
    /// A configuration file; line and column count from 1.
    File {
        /// The path as it was found or given.
        path: Arc<str>,
        /// Line of the key or value.
        line: usize,
        /// Column in bytes.
        column: usize,
    },
    /// An environment variable.
    Env(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl Source {
    /// The line in a file, from 1.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        match self {
            Self::File { line, .. } => Some(*line),
            Self::Default | Self::Env(_) | Self::Flag(_) => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::Env(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One wrong setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands.
    pub source: Source,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.what)?;
        self.help.iter().try_for_each(|help| write!(f, "\n  help: {help}"))
    }
}

/// The settings cannot be used. The run stops before anything is scanned.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that was named, or found, cannot be read.
    #[error("{}: {what}\n  help: name another file with --config, or use --no-config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// The baseline cannot be read.
    #[error("{}: {what}\n  help: `modelaudit baseline create` makes a baseline", path.display())]
    NoBaseline {
        /// The file.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// Settings are wrong: all of them, in the order of their places.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Mistakes(Vec<Mistake>),
}

/// `text` quoted for a message.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", printable(text, EXCERPT))
}

/// The candidate that `text` is most likely a slip of, if one is near enough to be worth a guess.
#[must_use]
pub fn nearest<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Comparing takes the product of the lengths: nothing of this length is a slip of a key.
    if text.len() > EXCERPT {
        return None;
    }
    let text = text.to_lowercase();
    let allowed = (text.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&text, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?` for [`nearest`].
pub(super) fn suggestion<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    nearest(text, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_words_are_suggested() {
        assert_eq!(nearest("fail-on", ["fail_on", "strict"]), Some("fail_on"));
        assert_eq!(nearest("S7l0", ["S701", "S710"]), Some("S710"));
        assert_eq!(nearest("colour", ["fail_on", "strict"]), None);
        assert_eq!(nearest(&"a".repeat(10_000), ["a"]), None);
    }
}
