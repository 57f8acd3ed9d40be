//! Globs: which files are meant.

use globset::{GlobBuilder, GlobMatcher};

use super::TargetError;

/// A compiled glob. `*` stays inside one path component; a pattern without a slash holds at any depth.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    text: String,
    matcher: GlobMatcher,
}

impl Glob {
    /// A filter: without a slash it holds at any depth.
    pub(super) fn anywhere(pattern: &str) -> Result<Self, TargetError> {
        let inner = pattern.trim_start_matches("./").trim_end_matches('/');
        match inner.strip_prefix('/') {
            Some(anchored) => Self::compile(pattern, anchored),
            None if inner.contains('/') => Self::compile(pattern, inner),
            None => Self::compile(pattern, &format!("**/{inner}")),
        }
    }

    /// A target: it holds from the folder where it is given, as in a shell.
    pub(super) fn anchored(pattern: &str) -> Result<Self, TargetError> {
        Self::compile(pattern, pattern.trim_end_matches('/'))
    }

    fn compile(text: &str, pattern: &str) -> Result<Self, TargetError> {
        let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
        let glob =
            glob.map_err(|error| TargetError::Glob { pattern: text.to_owned(), reason: error.kind().to_string() })?;
        Ok(Self { text: text.to_owned(), matcher: glob.compile_matcher() })
    }

    /// True if the path, or a folder that holds it, matches.
    pub(super) fn covers(&self, path: &str) -> bool {
        let folders = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        folders.chain([path]).any(|part| self.matcher.is_match(part))
    }
}

/// True if the text has characters with a meaning in globs.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// Splits a glob into the folder that it starts from and the pattern below it.
pub(super) fn split_glob(text: &str) -> (&str, &str) {
    let meta = text.find(['*', '?', '[', '{', '\\']).unwrap_or(text.len());
    match text.get(..meta).and_then(|head| head.rfind('/')) {
        Some(0) => ("/", text.get(1..).unwrap_or_default()),
        Some(slash) => (text.get(..slash).unwrap_or_default(), text.get(slash + 1..).unwrap_or_default()),
        None => (".", text),
    }
}

/// The include and exclude globs of a request.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    include: Vec<Glob>,
    exclude: Vec<Glob>,
}

impl Filter {
    pub(super) fn new(include: &[String], exclude: &[String]) -> Result<Self, TargetError> {
        let compile = |globs: &[String]| globs.iter().map(|glob| Glob::anywhere(glob)).collect::<Result<Vec<_>, _>>();
        Ok(Self { include: compile(include)?, exclude: compile(exclude)? })
    }

    /// The reason why a path is excluded, if it is.
    pub(super) fn excluded(&self, path: &str) -> Option<String> {
        let glob = self.exclude.iter().find(|glob| glob.covers(path))?;
        Some(format!("excluded by `{}`", glob.text))
    }

    /// True if a file found in a folder or a change is asked for.
    pub(super) fn includes(&self, path: &str) -> bool {
        self.include.is_empty() || self.include.iter().any(|glob| glob.covers(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_slash_holds_at_any_depth_and_covers_what_is_below() {
        let glob = Glob::anywhere("node_modules").unwrap();
        assert!(glob.covers("web/node_modules/a/b.pt"));
        assert!(!glob.covers("web/node_modules2/b.pt"));
        let glob = Glob::anywhere("models/*.pt").unwrap();
        assert!(glob.covers("models/a.pt") && !glob.covers("models/x/a.pt") && !glob.covers("x/models/a.pt"));
        assert!(Glob::anywhere("/top").unwrap().covers("top/x"));
        assert!(!Glob::anywhere("/top").unwrap().covers("a/top"));
    }

    #[test]
    fn globs_split_before_the_first_pattern() {
        assert_eq!(split_glob("models/**/*.pt"), ("models", "**/*.pt"));
        assert_eq!(split_glob("*.pt"), (".", "*.pt"));
        assert_eq!(split_glob("/*.pt"), ("/", "*.pt"));
    }
}
