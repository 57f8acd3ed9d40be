//! One layer of settings: what a file, the environment or the command line asks for, checked but not yet merged.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;

use super::error::{Mistake, Source, quoted, suggestion};
use super::value::{self, PathGlob};
use crate::finding::Severity;
use crate::rules::{RuleSet, Watchlist};

/// Mistakes reported at once; more would only bury the first.
const MAX_MISTAKES: usize = 100;
/// Entries of one list. Lists are searched for each finding or name; longer ones belong into a rule set.
const MAX_ENTRIES: usize = 10_000;

/// A value and where it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value in force.
    pub value: T,
    /// Where it was set.
    pub source: Source,
}

impl<T> Sourced<T> {
    pub(super) const fn new(value: T, source: Source) -> Self {
        Self { value, source }
    }

    pub(super) const fn built_in(value: T) -> Self {
        Self { value, source: Source::Default }
    }
}

/// An entry of `suppress`: findings that all given conditions hold for do not count.
#[derive(Debug, Clone, PartialEq)]
pub struct SuppressEntry {
    /// Rule code; None: any rule (only with `sha256`).
    pub rule: Option<String>,
    /// Path of the file.
    pub path: Option<PathGlob>,
    /// Identity of the finding, as reports state it.
    pub fingerprint: Option<String>,
    /// SHA-256 of the whole file, lower-case hex.
    pub sha256: Option<String>,
    /// What was accepted, in words; nothing compares it.
    pub finding: Option<String>,
    /// Why it is acceptable.
    pub reason: Option<String>,
    /// Last day on which the entry counts.
    pub expires: Option<Date>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// True if it stands in a baseline.
    pub baseline: bool,
    /// Where it stands.
    pub source: Source,
}

impl SuppressEntry {
    /// An entry without any condition.
    #[must_use]
    pub const fn new(source: Source) -> Self {
        Self {
            rule: None,
            path: None,
            fingerprint: None,
            sha256: None,
            finding: None,
            reason: None,
            expires: None,
            owner: None,
            baseline: false,
            source,
        }
    }

    /// The texts that are set, by their keys, in the order in which files have them. `expires` is not among them: in TOML
    /// it is no text.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("rule", self.rule.as_deref()),
            ("path", self.path.as_ref().map(PathGlob::as_str)),
            ("fingerprint", self.fingerprint.as_deref()),
            ("sha256", self.sha256.as_deref()),
            ("finding", self.finding.as_deref()),
            ("reason", self.reason.as_deref()),
            ("owner", self.owner.as_deref()),
        ]
        .into_iter()
        .filter_map(|(key, text)| Some((key, text?)))
    }
}

/// An entry of `[ignore]`: rules that do not count for some files.
#[derive(Debug, Clone, PartialEq)]
pub struct IgnoreEntry {
    /// Path of the file, never a member name: those are chosen by whoever wrote the archive.
    pub path: PathGlob,
    /// Rule codes.
    pub rules: Vec<String>,
    /// Where it stands.
    pub source: Source,
}

/// An entry of `[pickle_rules]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalRule {
    /// Module.
    pub module: String,
    /// Name in it, or `*` for the module and its submodules.
    pub name: String,
    /// What loading it is worth; None: safe.
    pub level: Option<Severity>,
    /// Where it stands.
    pub source: Source,
}

/// What one layer sets. None or empty: nothing.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub fail_on: Option<Sourced<Option<Severity>>>,
    pub strict: Option<Sourced<bool>>,
    pub skip_payload: Option<Sourced<bool>>,
    pub max_file_size: Option<Sourced<Option<u64>>>,
    pub max_total_size: Option<Sourced<Option<u64>>>,
    pub max_decoded_size: Option<Sourced<Option<u64>>>,
    pub max_members: Option<Sourced<Option<u64>>>,
    pub max_depth: Option<Sourced<u64>>,
    pub timeout: Option<Sourced<Option<Duration>>>,
    pub jobs: Option<Sourced<Option<usize>>>,
    pub severity: BTreeMap<String, Sourced<Severity>>,
    pub suppress: Vec<SuppressEntry>,
    pub ignore: Vec<IgnoreEntry>,
    pub globals: Vec<GlobalRule>,
    pub tensorflow: BTreeMap<String, Sourced<Severity>>,
    pub keras: BTreeMap<String, Sourced<Severity>>,
    pub include: Vec<Sourced<PathGlob>>,
    pub exclude: Vec<Sourced<PathGlob>>,
    pub blacklist: Vec<Sourced<String>>,
    pub patterns: Vec<Sourced<String>>,
    pub hashes: Vec<Sourced<String>>,
}

impl Layer {
    /// Sets one of the settings that are a single value. False if no such setting exists.
    pub(super) fn set(&mut self, checks: &mut Checks<'_>, key: &str, text: &str, at: &Source) -> bool {
        match key {
            "fail_on" => self.fail_on = checks.value(text, value::parse_fail_on(text), at),
            "strict" => self.strict = checks.value(text, value::parse_bool(text), at),
            "skip_payload" => self.skip_payload = checks.value(text, value::parse_bool(text), at),
            "max_file_size" => self.max_file_size = checks.value(text, value::parse_size(text), at),
            "max_total_size" => self.max_total_size = checks.value(text, value::parse_size(text), at),
            "max_decoded_size" => self.max_decoded_size = checks.value(text, value::parse_size(text), at),
            "max_members" => self.max_members = checks.value(text, value::parse_members(text), at),
            "max_depth" => self.max_depth = checks.value(text, value::parse_depth(text), at),
            "timeout" => self.timeout = checks.value(text, value::parse_timeout(text), at),
            "jobs" => self.jobs = checks.value(text, value::parse_jobs(text), at),
            _ => return false,
        }
        true
    }

    /// Adds to one of the settings that are a list of texts. False if no such setting exists.
    pub(super) fn add(&mut self, checks: &mut Checks<'_>, key: &str, text: &str, at: &Source) -> bool {
        let (list, checked) = match key {
            "suppress" => {
                self.suppress_code(checks, text, at);
                return true;
            }
            "include" | "exclude" => {
                let glob = checks.value(text, PathGlob::new(text), at);
                let list = if key == "include" { &mut self.include } else { &mut self.exclude };
                if list.len() >= MAX_ENTRIES {
                    checks.too_long(key, at);
                } else {
                    list.extend(glob);
                }
                return true;
            }
            "blacklist" => (&mut self.blacklist, Watchlist::check_name(text).map(|()| text.to_owned())),
            "custom_patterns" => (&mut self.patterns, Watchlist::check_pattern(text).map(|()| text.to_owned())),
            "blocked_hashes" => (&mut self.hashes, value::parse_sha256(text)),
            _ => return false,
        };
        if list.len() >= MAX_ENTRIES {
            checks.too_long(key, at);
        } else if let Some(entry) = checks.value(text, checked, at) {
            match list.iter().any(|known| known.value == entry.value) {
                true => checks.twice(text, at),
                false => list.push(entry),
            }
        }
        true
    }

    fn suppress_code(&mut self, checks: &mut Checks<'_>, text: &str, at: &Source) {
        let Some(code) = checks.code(text, at) else { return };
        let plain =
            |entry: &SuppressEntry| entry.path.is_none() && entry.sha256.is_none() && entry.fingerprint.is_none();
        if self.suppress.iter().any(|entry| plain(entry) && entry.rule.as_deref() == Some(&code)) {
            return checks.twice(text, at);
        }
        self.suppress.push(SuppressEntry { rule: Some(code), ..SuppressEntry::new(at.clone()) });
    }

    /// Sets the severity of one rule.
    pub(super) fn severity(&mut self, checks: &mut Checks<'_>, code: &str, level: &str, at: &Source) {
        let level = checks.value(level, value::parse_level(level), at);
        let (Some(known), Some(level)) = (checks.code(code, at), level) else { return };
        if self.severity.insert(known, level).is_some() {
            checks.twice(code, at);
        }
    }
}

/// Checks values and collects what is wrong with them.
pub(super) struct Checks<'r> {
    pub rules: &'r RuleSet,
    pub mistakes: Vec<Mistake>,
}

impl<'r> Checks<'r> {
    pub(super) const fn new(rules: &'r RuleSet) -> Self {
        Self { rules, mistakes: Vec::new() }
    }

    /// Notes a mistake.
    pub(super) fn wrong(&mut self, at: &Source, what: impl Into<String>, help: Option<String>) {
        if self.mistakes.len() < MAX_MISTAKES {
            self.mistakes.push(Mistake { source: at.clone(), what: what.into(), help });
        }
    }

    /// Notes that an entry stands in a list or table already.
    pub(super) fn twice(&mut self, text: &str, at: &Source) {
        self.wrong(at, format!("{} is listed twice", quoted(text)), None);
    }

    fn too_long(&mut self, key: &str, at: &Source) {
        if self.mistakes.last().is_none_or(|last| !last.what.contains(" has more than ")) {
            self.wrong(at, format!("`{key}` has more than {MAX_ENTRIES} entries"), None);
        }
    }

    /// A parsed value with its place, or a mistake.
    pub(super) fn value<T>(&mut self, text: &str, parsed: Result<T, String>, at: &Source) -> Option<Sourced<T>> {
        match parsed {
            Ok(value) => Some(Sourced::new(value, at.clone())),
            Err(why) => {
                self.wrong(at, format!("{}: {why}", quoted(text)), None);
                None
            }
        }
    }

    /// The code of the rule that `text` names by code or name.
    pub(super) fn code(&mut self, text: &str, at: &Source) -> Option<String> {
        if let Some(rule) = self.rules.get(text.trim()) {
            return Some(rule.code.clone());
        }
        let known = self.rules.rules().iter().flat_map(|rule| [rule.code.as_str(), rule.name.as_str()]);
        let help = suggestion(text, known).unwrap_or_else(|| "`modelaudit rules` lists all rules".to_owned());
        self.wrong(at, format!("no rule is called {}", quoted(text)), Some(help));
        None
    }

    /// Notes a key that means nothing.
    pub(super) fn unknown(&mut self, key: &str, place: &str, known: &[&str], at: &Source) {
        let help =
            suggestion(key, known.iter().copied()).unwrap_or_else(|| format!("known here: {}", known.join(", ")));
        self.wrong(at, format!("unknown key {}{place}", quoted(key)), Some(help));
    }
}
