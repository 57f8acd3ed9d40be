//! The user's own lists: names, texts and digests that must not appear.
//!
//! Rules compare facts with shipped rows; these compare them with what the user configured. Both give hits, so that
//! severity, suppression and reports treat them alike. A listed name or text is S1001, a listed digest S1002.

use std::collections::{HashMap, HashSet};

use globset::{GlobBuilder, GlobMatcher};
use regex::{RegexBuilder, RegexSet, RegexSetBuilder};
use serde_json::{Map, Value as Json};

use super::matcher::Hit;
use super::{Rule, RuleError, RuleSet};
use crate::bytes::InputName;
use crate::escape::{self, printable, visible};
use crate::fact::{Fact, Location, Span};

/// Rule that reports listed names and texts.
const LISTED_NAME: &str = "S1001";
/// Rule that reports listed digests.
const LISTED_DIGEST: &str = "S1002";
/// Distinct hits kept for one input.
const MAX_HITS: usize = 1_000;
/// Compiled size of one expression, bytes. The largest useful word lists compile to some 100 kB.
const REGEX_SIZE: usize = 1 << 20;
/// Compiled size of all expressions together, bytes.
const ALL_REGEX_SIZE: usize = 32 << 20;
/// Last segments of metadata keys under which a file declares its own name.
const NAME_KEYS: &[&str] = &["name", "_name_or_path", "model_name", "basename", "title", "repo_url", "base_model"];

/// One entry of the block list.
#[derive(Debug, Clone)]
enum Name {
    /// Part of a name, lower case.
    Part(String),
    /// The whole name or path.
    Glob(String, GlobMatcher),
}

impl Name {
    /// Text with `*`, `?` or `[` is a glob on the whole name, other text is looked for inside it; case is ignored.
    fn new(pattern: &str) -> Result<Self, String> {
        if pattern.trim().is_empty() {
            return Err("an empty pattern matches everything".to_owned());
        }
        if !pattern.contains(['*', '?', '[']) {
            return Ok(Self::Part(pattern.to_lowercase()));
        }
        let glob = GlobBuilder::new(pattern).case_insensitive(true).literal_separator(false).build();
        let glob = glob.map_err(|error| error.kind().to_string())?;
        Ok(Self::Glob(pattern.to_owned(), glob.compile_matcher()))
    }

    fn pattern(&self) -> &str {
        match self {
            Self::Part(pattern) | Self::Glob(pattern, _) => pattern,
        }
    }

    fn matches(&self, name: &str) -> bool {
        let base = name.rsplit('/').next().unwrap_or(name);
        match self {
            Self::Part(part) => name.to_lowercase().contains(part),
            Self::Glob(_, glob) => glob.is_match(name) || glob.is_match(base),
        }
    }
}

/// What the user does not want to see, compiled.
#[derive(Debug, Clone, Default)]
pub struct Watchlist {
    names: Vec<Name>,
    patterns: Vec<String>,
    expressions: Option<RegexSet>,
    digests: HashSet<String>,
}

impl Watchlist {
    /// Compiles the lists. `names` are parts of names or globs, `patterns` regular expressions on text, `digests`
    /// SHA-256 in lower-case hex.
    ///
    /// # Errors
    /// The sentence says which entry cannot be used; [`Watchlist::check_name`] and [`Watchlist::check_pattern`] find
    /// that out for one entry.
    pub fn new(names: &[&str], patterns: &[&str], digests: &[&str]) -> Result<Self, String> {
        let names = names.iter().map(|name| Name::new(name)).collect::<Result<_, _>>()?;
        let expressions = match patterns {
            [] => None,
            some => Some(
                RegexSetBuilder::new(some)
                    .size_limit(ALL_REGEX_SIZE)
                    .dfa_size_limit(ALL_REGEX_SIZE)
                    .build()
                    .map_err(|error| error.to_string())?,
            ),
        };
        Ok(Self {
            names,
            patterns: patterns.iter().map(|&pattern| pattern.to_owned()).collect(),
            expressions,
            digests: digests.iter().map(|&digest| digest.to_owned()).collect(),
        })
    }

    /// Checks one entry of the block list.
    ///
    /// # Errors
    /// The sentence says what is wrong with it.
    pub fn check_name(pattern: &str) -> Result<(), String> {
        Name::new(pattern).map(|_| ())
    }

    /// Checks one regular expression.
    ///
    /// # Errors
    /// The sentence says what is wrong with it.
    pub fn check_pattern(pattern: &str) -> Result<(), String> {
        let compiled = RegexBuilder::new(pattern).size_limit(REGEX_SIZE).build().map_err(|error| error.to_string())?;
        match compiled.is_match("") {
            true => Err("the expression matches an empty text, so it would match every file".to_owned()),
            false => Ok(()),
        }
    }

    /// True if nothing is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.patterns.is_empty() && self.digests.is_empty()
    }

    /// Checks that `rules` has the rules that report what is listed.
    pub(super) fn check_rules(&self, rules: &RuleSet) -> Result<(), RuleError> {
        let names = !(self.names.is_empty() && self.patterns.is_empty());
        for (code, wanted) in [(LISTED_NAME, names), (LISTED_DIGEST, !self.digests.is_empty())] {
            if wanted && rules.get(code).is_none() {
                return Err(RuleError::Row {
                    code: code.to_owned(),
                    what: "no such rule to report what is listed".into(),
                });
            }
        }
        Ok(())
    }
}

/// The part of the judge that compares the facts of one top-level input with the user's lists.
pub(super) struct Watch<'r> {
    list: &'r Watchlist,
    name_rule: Option<&'r Rule>,
    digest_rule: Option<&'r Rule>,
    /// The nested input that the last fact was about.
    nested: Option<InputName>,
    hits: Vec<Hit<'r>>,
    /// Position in `hits` by input name, list and evidence.
    seen: HashMap<(InputName, &'static str, String), usize>,
    pub(super) dropped: u64,
}

impl<'r> Watch<'r> {
    pub(super) fn new(rules: &'r RuleSet) -> Self {
        Self {
            list: rules.watchlist(),
            name_rule: rules.get(LISTED_NAME),
            digest_rule: rules.get(LISTED_DIGEST),
            nested: None,
            hits: Vec::new(),
            seen: HashMap::new(),
            dropped: 0,
        }
    }

    /// Compares the name of an input with the block list.
    pub(super) fn input(&mut self, name: &InputName) {
        self.name(name.innermost(), "path", &Location { name, span: None });
    }

    /// Compares the digest of an input with the listed ones.
    pub(super) fn digest(&mut self, name: &InputName, sha256: &str) {
        if self.list.digests.contains(sha256) {
            let message = format!("the content has the blocked digest sha256:{sha256}");
            let details = [("list", "blocked_hashes"), ("sha256", sha256)];
            self.add(self.digest_rule, message, &details, sha256, &Location { name, span: None });
        }
    }

    /// Compares the texts of a fact with the lists.
    pub(super) fn take(&mut self, fact: &Fact<'_>, location: &Location<'_>) {
        if self.list.is_empty() {
            return;
        }
        if !location.name.members.is_empty() && self.nested.as_ref() != Some(location.name) {
            self.nested = Some(location.name.clone());
            self.input(location.name);
        }
        match *fact {
            Fact::Text { text, slot, .. } => self.text(text, slot, location),
            Fact::Metadata { key, value, .. } => {
                let last = key.rsplit('.').next().unwrap_or(key);
                if NAME_KEYS.iter().any(|known| last.eq_ignore_ascii_case(known)) {
                    self.name(value, "declared-name", location);
                }
            }
            _ => {}
        }
    }

    pub(super) fn finish(self) -> Vec<Hit<'r>> {
        self.hits
    }

    fn name(&mut self, name: &str, slot: &'static str, location: &Location<'_>) {
        for listed in self.list.names.iter().filter(|listed| listed.matches(name)) {
            let (shown, pattern) = (printable(name, escape::CAP), printable(listed.pattern(), escape::CAP));
            let message = format!("the name {shown} is on the block list ({pattern})");
            let details = [("list", "blacklist"), ("pattern", &*pattern), ("slot", slot), ("text", &*shown)];
            self.add(self.name_rule, message, &details, name, location);
        }
    }

    fn text(&mut self, text: &str, slot: &str, location: &Location<'_>) {
        let Some(expressions) = self.list.expressions.as_ref().filter(|set| set.is_match(text)) else { return };
        for index in expressions.matches(text) {
            let Some(pattern) = self.list.patterns.get(index) else { continue };
            let (shown, pattern) = (printable(text, escape::CAP), printable(pattern, escape::CAP));
            let message = format!("text in the slot {slot} matches the configured pattern {pattern}: {shown}");
            let details = [("list", "custom_patterns"), ("pattern", &*pattern), ("slot", slot), ("text", &*shown)];
            self.add(self.name_rule, message, &details, text, location);
        }
    }

    /// Adds a hit. `last`: the text that the last of the details shows. Two that differ only in a credential are shown
    /// alike and are still two.
    fn add(
        &mut self,
        rule: Option<&'r Rule>,
        message: String,
        details: &[(&'static str, &str)],
        last: &str,
        location: &Location<'_>,
    ) {
        let Some(rule) = rule else { return };
        let last = visible(last, escape::CAP);
        let others = details.split_last().map_or(details, |(_, others)| others);
        let evidence: Vec<&str> = others.iter().map(|(_, value)| *value).chain([last.as_str()]).collect();
        let evidence = evidence.join("\u{1f}");
        let list = details.first().map_or("", |(name, _)| *name);
        let slot = (location.name.clone(), list, evidence);
        if let Some(hit) = self.seen.get(&slot).and_then(|&index| self.hits.get_mut(index)) {
            // A name without a place is met again whenever facts alternate between inputs.
            hit.occurrences = hit.occurrences.saturating_add(u64::from(location.span.is_some()));
            return;
        }
        if self.hits.len() >= MAX_HITS {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.seen.insert(slot.clone(), self.hits.len());
        self.hits.push(Hit {
            rule,
            severity: rule.severity,
            message,
            name: location.name.clone(),
            span: location.span,
            details: details.iter().map(|(key, value)| ((*key).to_owned(), Json::from(*value))).collect::<Map<_, _>>(),
            related: Vec::new(),
            occurrences: 1,
            offsets: location.span.map(|Span { offset, .. }| offset).into_iter().collect(),
            evidence: slot.2,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::{GlobalTable, Judge};
    use super::*;
    use crate::fact::Sink;

    fn rules() -> RuleSet {
        let row = |code: &str, name: &str| {
            format!(
                "[[rule]]\ncode = '{code}'\nname = '{name}'\ntitle = 't'\nseverity = 'critical'\nwhy = 'w'\nfix = 'f'\n\
                 precision = 'high'\nsince = '0.1.0'\nstatus = 'policy'\n"
            )
        };
        let text = row("S1001", "blocked-model") + &row("S1002", "blocked-digest");
        RuleSet::compile([text.as_str()], GlobalTable::default()).unwrap()
    }

    fn hits(list: &Watchlist, path: &str, facts: &[Fact<'_>]) -> Vec<String> {
        let rules = rules().with_watchlist(list.clone()).unwrap();
        let mut judge = Judge::new(&rules);
        let name = InputName::top(path);
        judge.whole(&name, Some(&"a".repeat(64)));
        for fact in facts {
            judge.take(fact, &Location { name: &name, span: Some(Span::new(7, 1)) });
        }
        judge.finish().into_iter().map(|hit| format!("{} {}", hit.rule.code, hit.message)).collect()
    }

    #[test]
    fn names_match_by_part_or_glob_in_any_case() {
        let list = Watchlist::new(&["Unsafe_Model", "evil-*.pt"], &[], &[]).unwrap();
        assert_eq!(hits(&list, "a/unsafe_model.pkl", &[]).len(), 1);
        assert_eq!(hits(&list, "a/EVIL-1.pt", &[]).len(), 1);
        assert_eq!(hits(&list, "a/not-evil-1.pt", &[]).len(), 0);
    }

    #[test]
    fn declared_names_and_texts_are_compared() {
        let list = Watchlist::new(&["evil/net"], &["(?i)project\\s+x"], &[]).unwrap();
        let name = Fact::Metadata { key: "general.name", value: "Evil/Net-7B", format: "gguf" };
        let prose = Fact::Metadata { key: "description", value: "better than evil/net", format: "gguf" };
        let text = Fact::Text { text: "for Project X only", slot: "pickle-string" };
        let found = hits(&list, "m.gguf", &[name, prose, text, text]);
        assert_eq!(
            found,
            [
                "S1001 the name Evil/Net-7B is on the block list (evil/net)",
                "S1001 text in the slot pickle-string matches the configured pattern (?i)project\\s+x: for Project X only",
            ]
        );
    }

    #[test]
    fn digests_are_compared_exactly() {
        let list = Watchlist::new(&[], &[], &[&"a".repeat(64)]).unwrap();
        let found = hits(&list, "m.pt", &[]);
        assert!(found.len() == 1 && found[0].starts_with("S1002"), "{found:?}");
    }

    #[test]
    fn expressions_that_cannot_be_used_are_refused() {
        assert!(Watchlist::check_pattern("(").is_err());
        assert!(Watchlist::check_pattern("a*").is_err());
        assert!(Watchlist::check_pattern("\\w{1000}{100}").is_err());
        assert!(Watchlist::check_name(" ").is_err());
        assert!(Watchlist::check_name("a[").is_err());
    }

    #[test]
    fn a_list_without_its_rule_is_an_error() {
        let empty = RuleSet::compile([], GlobalTable::default()).unwrap();
        let list = Watchlist::new(&["x"], &[], &[]).unwrap();
        assert!(empty.with_watchlist(list).is_err());
    }
}
