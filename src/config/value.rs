//! The vocabulary of settings: sizes, levels, path globs, digests, dates. Used by every layer alike.

use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use jiff::civil::Date;

use crate::escape::glob;
use crate::finding::Severity;

/// Parses a size: plain bytes, or a whole number with `kB MB GB TB` (powers of 1000) or `KiB MiB GiB TiB` (powers of
/// 1024), in any case. `0` means no limit.
///
/// # Errors
/// The sentence says what a size looks like.
pub(super) fn parse_size(text: &str) -> Result<Option<u64>, String> {
    let wrong = || "not a size: write bytes, or a whole number with a unit, such as 500MB or 2GiB".to_owned();
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1000_u64.pow(2),
        "g" | "gb" => 1000_u64.pow(3),
        "t" | "tb" => 1000_u64.pow(4),
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(wrong()),
    };
    let bytes = number.checked_mul(factor).ok_or("larger than any file can be")?;
    Ok((bytes > 0).then_some(bytes))
}

/// Parses a time in whole seconds. `0` means no limit.
///
/// # Errors
/// The sentence says what a time looks like.
pub(super) fn parse_timeout(text: &str) -> Result<Option<Duration>, String> {
    let seconds: u64 = text.trim().parse().map_err(|_| "not a time: write whole seconds, such as 300")?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

/// Parses a number of threads. `0` means one for each core.
///
/// # Errors
/// The sentence says what is allowed.
pub(super) fn parse_jobs(text: &str) -> Result<Option<usize>, String> {
    match text.trim().parse() {
        Ok(jobs @ 0..=1024) => Ok((jobs > 0).then_some(jobs)),
        _ => Err("not a number of threads: write 0 (one for each core) to 1024".to_owned()),
    }
}

/// Parses a number of archive members; 0 stands for the built-in one.
///
/// # Errors
/// The sentence says what is accepted.
pub(super) fn parse_members(text: &str) -> Result<Option<u64>, String> {
    match text.trim().parse() {
        Ok(members) => Ok(Some(members).filter(|members| *members > 0)),
        Err(_) => Err("not a number of members: write digits, 0 for the built-in limit".to_owned()),
    }
}

/// Parses a number of containers around each other. Each of them costs memory while it is read.
///
/// # Errors
/// The sentence says what is accepted.
pub(super) fn parse_depth(text: &str) -> Result<u64, String> {
    match text.trim().parse() {
        Ok(depth @ 1..=100) => Ok(depth),
        _ => Err("not a number of levels: write 1 to 100".to_owned()),
    }
}

/// Parses a severity in any case; `warning` is an older name of `medium`.
///
/// # Errors
/// The sentence lists the levels.
pub(super) fn parse_level(text: &str) -> Result<Severity, String> {
    if text.eq_ignore_ascii_case("warning") {
        return Ok(Severity::Medium);
    }
    text.parse().map_err(|error| format!("{error}"))
}

/// Parses a threshold: a severity, or `never` (None).
///
/// # Errors
/// The sentence lists the words.
pub(super) fn parse_fail_on(text: &str) -> Result<Option<Severity>, String> {
    if text.eq_ignore_ascii_case("never") {
        return Ok(None);
    }
    match parse_level(text) {
        Ok(level) if level > Severity::Debug => Ok(Some(level)),
        _ => Err("not a threshold (critical, high, medium, low, info, never)".to_owned()),
    }
}

/// Parses a truth: `true`, `false`, and what environments use for them.
///
/// # Errors
/// The sentence lists the words.
pub(super) fn parse_bool(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" | "" => Ok(false),
        _ => Err("neither true nor false".to_owned()),
    }
}

/// Parses a SHA-256 in hex, with or without `sha256:` before it, into 64 lower-case digits.
///
/// # Errors
/// The sentence says what is expected.
pub(super) fn parse_sha256(text: &str) -> Result<String, String> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(hex.to_ascii_lowercase())
    } else {
        Err("not a SHA-256: 64 hexadecimal digits".to_owned())
    }
}

/// Parses the fingerprint of a finding: 32 digits.
///
/// # Errors
/// The sentence says what is expected.
pub(super) fn parse_fingerprint(text: &str) -> Result<String, String> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match text.len() == 32 && text.bytes().all(digit) {
        true => Ok(text.to_owned()),
        false => Err("not a fingerprint: copy the 32 digits from a report".to_owned()),
    }
}

/// Parses a calendar day, `2027-01-31`.
///
/// # Errors
/// The sentence says what is expected.
pub fn parse_date(text: &str) -> Result<Date, String> {
    // The parser of dates also takes a time after the day; a suppression ends with a day.
    let date = (text.len() == 10).then(|| text.parse().ok()).flatten();
    date.ok_or_else(|| "not a day: write it as 2027-01-31".to_owned())
}

/// A glob on paths relative to the root of the repository, written with forward slashes.
///
/// `*` stays inside one folder, `**` crosses folders. A pattern without a slash matches the name of a file in any
/// folder; a pattern that ends with one matches everything below that folder.
#[derive(Debug, Clone)]
pub struct PathGlob {
    pattern: String,
    matcher: GlobMatcher,
}

impl PathGlob {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The sentence says what is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let core = pattern.strip_prefix("./").unwrap_or(pattern);
        let anchored = core.strip_prefix('/').unwrap_or(core);
        if anchored.is_empty() {
            return Err("an empty pattern matches nothing".to_owned());
        }
        let mut full = match core.trim_end_matches('/').contains('/') {
            true => anchored.to_owned(),
            false => format!("**/{anchored}"),
        };
        if full.ends_with('/') {
            full.push_str("**");
        }
        let glob = GlobBuilder::new(&full).literal_separator(true).backslash_escape(true).build();
        let matcher = glob.map_err(|error| error.kind().to_string())?.compile_matcher();
        Ok(Self { pattern: pattern.to_owned(), matcher })
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// A pattern that matches the file `path` and, if it is in a folder, no other.
    ///
    /// # Errors
    /// The sentence says why there is none.
    pub fn exactly(path: &str) -> Result<Self, String> {
        Self::new(&glob(path))
    }

    /// True if the pattern was made for this path.
    #[must_use]
    pub fn is_exactly(&self, path: &str) -> bool {
        self.pattern == glob(path)
    }

    /// True if the pattern matches this path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.matcher.is_match(path)
    }
}

impl PartialEq for PathGlob {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        assert_eq!(parse_size("1073741824"), Ok(Some(1 << 30)));
        assert_eq!(parse_size("1GiB"), Ok(Some(1 << 30)));
        assert_eq!(parse_size("1GB"), Ok(Some(1_000_000_000)));
        assert_eq!(parse_size("5 mb"), Ok(Some(5_000_000)));
        assert_eq!(parse_size("0"), Ok(None));
        for wrong in ["", "GB", "1.5GB", "-1", "1XB", "99999999999TiB", "1GBGB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn archives_have_limits_in_members_and_levels() {
        assert_eq!((parse_members("5"), parse_members("0")), (Ok(Some(5)), Ok(None)));
        assert_eq!((parse_depth("1"), parse_depth("100")), (Ok(1), Ok(100)));
        for wrong in ["", "-1", "0", "101", "ten"] {
            assert!(parse_depth(wrong).is_err(), "{wrong}");
        }
        assert!(parse_members("-1").is_err());
    }

    #[test]
    fn a_threshold_is_a_level_or_never() {
        assert_eq!(parse_fail_on("HIGH"), Ok(Some(Severity::High)));
        assert_eq!(parse_fail_on("warning"), Ok(Some(Severity::Medium)));
        assert_eq!(parse_fail_on("never"), Ok(None));
        assert!(parse_fail_on("debug").is_err());
    }

    #[test]
    fn a_pattern_for_a_path_matches_that_path() {
        for path in [r"m/a\b.pkl", r"m/\xff.pkl", r"m/\[x]\*.pkl", "m/{a,b}?!.pkl", r"m/a\"] {
            let glob = PathGlob::exactly(path).unwrap();
            assert!(glob.is_exactly(path) && glob.matches(path), "{path}: {}", glob.as_str());
            assert!(!glob.matches(&path.replace('\\', "")) || !path.contains('\\'), "{path}");
        }
    }

    #[test]
    fn globs_follow_the_folders() {
        let cases = [
            ("tests/**", "tests/a/b.pkl", true),
            ("tests/**", "src/tests/b.pkl", false),
            ("tests/", "tests/a/b.pkl", true),
            ("tests/", "a/tests/b.pkl", true),
            ("/tests/", "a/tests/b.pkl", false),
            ("tests/*", "tests/a/b.pkl", false),
            ("*.pkl", "a/b.pkl", true),
            ("/*.pkl", "a/b.pkl", false),
            ("./a/*.pkl", "a/b.pkl", true),
            ("a/{b,c}.pkl", "a/c.pkl", true),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(PathGlob::new(pattern).unwrap().matches(path), expected, "{pattern} on {path}");
        }
        assert!(PathGlob::new("a[").is_err());
        assert!(PathGlob::new("/").is_err());
    }

    #[test]
    fn a_day_is_a_day() {
        assert_eq!(parse_date("2027-01-31"), Ok(jiff::civil::date(2027, 1, 31)));
        assert!(parse_date("2027-02-30").is_err());
        assert!(parse_date("2027-01-31T10:00").is_err());
    }
}
