//! The judge: facts in, hits out.
//!
//! One fact has one root cause, so it gives at most one hit: the clause with the highest severity. Other clauses that
//! hold for it are listed as related rules. Equal hits of one input are counted, not repeated.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::OnceLock;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use regex::Regex;
use serde_json::{Map, Value as Json};

use super::globals::{Class, GlobalEntry, GlobalTable};
use super::known::Use;
use super::set::Set;
use super::template::{placeholders, render};
use super::watch::Watch;
use super::{ClauseRow, Rule, RuleError, RuleSet};
use crate::bytes::InputName;
use crate::escape::{self, printable};
use crate::fact::{Fact, Kind, Location, Sink, Span, Value};
use crate::finding::Severity;

/// Distinct hits kept for one input; a file that causes more is described well enough by these.
const MAX_HITS: usize = 10_000;
/// Hits that are looked through for the one that describes why reading stopped.
const RECENT: usize = 64;
/// Offsets kept for a hit that occurs often.
const MAX_OFFSETS: usize = 5;
/// Names listed by a grouped hit.
const MAX_NAMES: usize = 20;
/// Fields that the judge adds to facts about names from the table of globals.
const DERIVED: &[&str] = &["class", "set", "reason", "symbol", "spelling"];

/// A value that a row compares with.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Text(String),
    Bool(bool),
    Int(u64),
}

impl Wanted {
    fn of(value: &Json) -> Option<Self> {
        match value {
            Json::String(text) => Some(Self::Text(text.clone())),
            Json::Bool(truth) => Some(Self::Bool(*truth)),
            Json::Number(number) => number.as_u64().map(Self::Int),
            _ => None,
        }
    }

    fn is(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Text(wanted), Value::Text(text)) => wanted == text,
            (Self::Bool(wanted), Value::Bool(truth)) => *wanted == truth,
            (Self::Int(wanted), Value::Int(number)) => *wanted == number,
            _ => false,
        }
    }
}

/// A regular expression of a row, compiled when a fact first needs it: most runs need none.
#[derive(Debug)]
struct Pattern {
    text: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), compiled: OnceLock::new() }
    }

    /// An expression that does not compile matches nothing; `tests/it/rules.rs` compiles all of them.
    fn is_match(&self, text: &str) -> bool {
        self.compiled.get_or_init(|| Regex::new(&self.text).ok()).as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

/// One compiled clause.
#[derive(Debug)]
pub(super) struct Clause {
    /// Index of its rule.
    rule: usize,
    severity: Severity,
    /// Names of global sets.
    sets: Vec<String>,
    /// Exact subjects, from the row and from its word sets.
    words: Vec<String>,
    /// None if no subject is a glob: an empty set is not free.
    globs: Option<GlobSet>,
    any_subject: bool,
    when: Vec<(String, Vec<Wanted>)>,
    unless: Vec<(String, Vec<Wanted>)>,
    like: Vec<(String, Pattern)>,
    message: String,
    form: Form,
    rises_beside: String,
}

/// What becomes of a clause that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A finding for each distinct evidence.
    Finding,
    /// Listed beside the finding that the same fact causes.
    Companion,
    /// One finding a file, with what it is about as a list.
    Group,
    /// A finding unless there is a worse one to be listed beside.
    Yielding,
}

impl Form {
    fn of(row: &ClauseRow) -> Result<Self, String> {
        match (row.companion, row.group, row.yields) {
            (false, false, false) => Ok(Self::Finding),
            (true, false, false) => Ok(Self::Companion),
            (false, true, false) => Ok(Self::Group),
            (false, false, true) => Ok(Self::Yielding),
            _ => Err("companion, group and yields exclude one another".to_owned()),
        }
    }
}

impl Clause {
    pub(super) fn compile(
        index: usize,
        rule: &Rule,
        row: &ClauseRow,
        globals: &GlobalTable,
    ) -> Result<(Kind, Self), RuleError> {
        let fail = |what: String| RuleError::Row { code: rule.code.clone(), what };
        let Some(kind) = Kind::ALL.iter().copied().find(|kind| kind.name() == row.fact) else {
            return Err(fail(format!("no fact is called '{}'", row.fact)));
        };
        let known = |field: &str| {
            kind.fields().contains(&field)
                || (is_named(kind) && DERIVED.contains(&field))
                || (row.group && field == "names")
        };
        let conditions = |table: &BTreeMap<String, Json>| {
            table
                .iter()
                .map(|(field, value)| {
                    if !known(field) {
                        return Err(fail(format!("a {} fact has no field '{field}'", kind.name())));
                    }
                    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                    let wanted: Option<Vec<Wanted>> = list.iter().map(Wanted::of).collect();
                    Ok((field.clone(), wanted.ok_or_else(|| fail(format!("'{field}' has an odd value")))?))
                })
                .collect::<Result<Vec<_>, _>>()
        };
        let mut like = Vec::new();
        for (field, pattern) in &row.like {
            if !known(field) {
                return Err(fail(format!("a {} fact has no field '{field}'", kind.name())));
            }
            like.push((field.clone(), Pattern::new(pattern)));
        }
        for field in placeholders(&row.message) {
            if !known(field) {
                return Err(fail(format!("the message names '{field}', which a {} fact has not", kind.name())));
            }
        }
        if row.message.is_empty() && !row.companion {
            return Err(fail("a clause needs a message".into()));
        }
        let mut clause = Self {
            rule: index,
            severity: row.severity.unwrap_or(rule.severity),
            sets: Vec::new(),
            words: Vec::new(),
            globs: None,
            any_subject: row.matches.is_empty(),
            when: conditions(&row.when)?,
            unless: conditions(&row.unless)?,
            like,
            message: row.message.clone(),
            form: Form::of(row).map_err(fail)?,
            rises_beside: row.rises_beside.clone(),
        };
        clause.subjects(row, kind, globals).map_err(fail)?;
        Ok((kind, clause))
    }

    /// Compiles what `match` lists.
    fn subjects(&mut self, row: &ClauseRow, kind: Kind, globals: &GlobalTable) -> Result<(), String> {
        let mut globs: Option<GlobSetBuilder> = None;
        for pattern in &row.matches {
            match pattern.strip_prefix('@') {
                Some(set) if is_named(kind) && globals.has_set(set) => self.sets.push(set.to_owned()),
                Some(set) => {
                    let words = Set::shipped().find(|known| known.name == set && known.class.is_none());
                    let words = words.ok_or_else(|| format!("no set is called '{set}'"))?;
                    self.words.extend(words.items.iter().map(|(item, _)| (*item).to_owned()));
                }
                None if pattern.contains(['*', '?', '[', '{']) => {
                    let glob = GlobBuilder::new(pattern).literal_separator(false).build();
                    globs.get_or_insert_with(GlobSetBuilder::new).add(glob.map_err(|error| error.to_string())?);
                }
                None => self.words.push(pattern.clone()),
            }
        }
        self.globs = globs.map(|globs| globs.build()).transpose().map_err(|error| error.to_string())?;
        Ok(())
    }

    fn holds(&self, view: &View<'_>) -> bool {
        self.subject_matches(view)
            && self.when.iter().all(|(field, wanted)| view.field_is(field, wanted))
            && !self.unless.iter().any(|(field, wanted)| view.field_is(field, wanted))
            && self.like.iter().all(|(field, pattern)| view.field_is_like(field, pattern))
    }

    fn subject_matches(&self, view: &View<'_>) -> bool {
        if self.any_subject {
            return true;
        }
        let in_set = view.global.is_some_and(|entry| self.sets.iter().any(|set| set == entry.set));
        let subject = view.fact.subject();
        in_set
            || self.words.iter().any(|word| word == subject)
            || self.globs.as_ref().is_some_and(|globs| globs.is_match(subject))
    }
}

/// A fact together with what the table of globals says about it.
struct View<'f> {
    fact: &'f Fact<'f>,
    global: Option<GlobalEntry>,
    symbol: Cow<'f, str>,
}

/// True for facts about the name of a Python object, which the table of globals judges.
const fn is_named(kind: Kind) -> bool {
    matches!(kind, Kind::Global | Kind::CodeReference | Kind::Dormant)
}

impl<'f> View<'f> {
    fn new(fact: &'f Fact<'f>, globals: &GlobalTable) -> Self {
        let named = |module: &'f str, function: &'f str, global| Self {
            fact,
            global: Some(global),
            symbol: match function {
                // The module as a whole.
                "*" => Cow::Borrowed(module),
                _ => Cow::Owned(format!("{module}.{function}")),
            },
        };
        match *fact {
            Fact::Global { module, function, protocol, usage, .. } => {
                named(module, function, globals.judge_use(module, function, protocol, Use::of(usage)))
            }
            Fact::Dormant { module, function, protocol, .. } => {
                named(module, function, globals.judge(module, function, protocol))
            }
            Fact::CodeReference { module, function, python2, .. } => {
                named(module, function, globals.judge(module, function, if python2 { 2 } else { 4 }))
            }
            _ => Self { fact, global: None, symbol: Cow::Borrowed(fact.subject()) },
        }
    }

    fn field(&self, name: &str) -> Option<Value<'_>> {
        match (self.global, name) {
            (Some(entry), "class") => Some(Value::Text(entry.class.name())),
            (Some(entry), "set") => Some(Value::Text(entry.set)),
            (Some(entry), "reason") => Some(Value::Text(entry.reason)),
            (Some(_), "symbol") => Some(Value::Text(&self.symbol)),
            (Some(_), "spelling") => Some(Value::Text(spelling(&self.symbol))),
            _ => self.fact.field(name),
        }
    }

    fn field_is(&self, name: &str, wanted: &[Wanted]) -> bool {
        self.field(name).is_some_and(|value| wanted.iter().any(|wanted| wanted.is(value)))
    }

    fn field_is_like(&self, name: &str, pattern: &Pattern) -> bool {
        matches!(self.field(name), Some(Value::Text(text)) if pattern.is_match(text))
    }

    /// What tells this evidence from other evidence for the same rule in the same input.
    fn key(&self) -> String {
        let kind = self.fact.kind();
        let mut parts = kind.key().iter().map(|field| match self.fact.field(field) {
            Some(Value::Text(text)) => text.to_owned(),
            Some(Value::Bool(truth)) => truth.to_string(),
            Some(Value::Int(number)) => number.to_string(),
            None => String::new(),
        });
        let first = parts.next().unwrap_or_default();
        parts.fold(first, |key, part| key + "\u{1f}" + &part)
    }
}

/// A rule that holds for a fact. Severity is still the row's: policy comes later.
#[derive(Debug, Clone)]
pub struct Hit<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// Severity of the clause that held.
    pub severity: Severity,
    /// Finished sentence, escaped and capped.
    pub message: String,
    /// Where.
    pub name: InputName,
    /// First place in the innermost input.
    pub span: Option<Span>,
    /// The fact's fields, escaped and capped.
    pub details: Map<String, Json>,
    /// Codes of the other rules that hold for the fact.
    pub related: Vec<String>,
    /// How often.
    pub occurrences: u64,
    /// First offsets.
    pub offsets: Vec<u64>,
    /// Identity within rule and input.
    pub evidence: String,
}

/// A hit and, for grouped clauses, what its message will list.
struct Open<'r> {
    kind: Kind,
    hit: Hit<'r>,
    clause: &'r Clause,
    /// The list that the name is on, for facts about names.
    set: Option<&'static str>,
    names: Option<BTreeSet<String>>,
}

/// Judges the facts of one top-level input and everything inside it.
pub struct Judge<'r> {
    rules: &'r RuleSet,
    open: Vec<Open<'r>>,
    /// Position in `open` by input name, rule and evidence.
    seen: HashMap<(InputName, usize, String), usize>,
    /// Hits that were not kept.
    dropped: u64,
    watch: Watch<'r>,
}

impl<'r> Judge<'r> {
    /// A judge with no hits yet.
    #[must_use]
    pub fn new(rules: &'r RuleSet) -> Self {
        Self { rules, open: Vec::new(), seen: HashMap::new(), dropped: 0, watch: Watch::new(rules) }
    }

    /// How many distinct hits were not kept because there were too many.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.saturating_add(self.watch.dropped)
    }

    /// Compares a whole input with the user's lists: its name, and its SHA-256 in lower-case hex if it was taken.
    pub fn whole(&mut self, name: &InputName, sha256: Option<&str>) {
        self.watch.input(name);
        if let Some(sha256) = sha256 {
            self.watch.digest(name, sha256);
        }
    }

    /// The hits in the order of their first occurrence, then those of the user's lists.
    #[must_use]
    pub fn finish(mut self) -> Vec<Hit<'r>> {
        self.raise();
        self.fold_what_yields();
        let listed = self.watch.finish();
        self.open
            .into_iter()
            .map(|open| {
                let mut hit = open.hit;
                if let Some(names) = open.names {
                    hit.evidence = names.iter().map(String::as_str).collect::<Vec<_>>().join("\u{1f}");
                    let more = names.len().saturating_sub(MAX_NAMES);
                    let mut listed = names.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
                    if more > 0 {
                        listed += &format!(" and {more} more");
                    }
                    hit.message = render(&open.clause.message, &|field| (field == "names").then(|| listed.clone()));
                    hit.details.insert("names".into(), names.into_iter().take(MAX_NAMES).map(Json::from).collect());
                }
                hit
            })
            .chain(listed)
            .collect()
    }

    /// Gives hits their rule's own severity where the input has one on a name of the list that they rise beside.
    fn raise(&mut self) {
        let beside: HashSet<(&'static str, InputName)> =
            self.open.iter().filter_map(|open| Some((open.set?, open.hit.name.clone()))).collect();
        for open in self.open.iter_mut().filter(|open| !open.clause.rises_beside.is_empty()) {
            if beside.iter().any(|(set, name)| *set == open.clause.rises_beside && *name == open.hit.name) {
                open.hit.severity = open.hit.rule.severity;
            }
        }
    }

    /// Lists a hit that yields beside the worst one on its input or on a member of it, instead of on its own.
    fn fold_what_yields(&mut self) {
        let (yielding, mut kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.open).into_iter().partition(|open| open.clause.form == Form::Yielding);
        for open in yielding {
            let worse = kept.iter_mut().filter(|other| other.hit.severity > open.hit.severity);
            let beside = worse.filter(|other| other.hit.name.is_within(&open.hit.name));
            match beside.rev().max_by_key(|other| other.hit.severity) {
                Some(other) if other.hit.related.contains(&open.hit.rule.code) => {}
                Some(other) => other.hit.related.push(open.hit.rule.code.clone()),
                None => kept.push(open),
            }
        }
        self.open = kept;
    }

    /// Reading stops at a fault that has been described just before: the stop is no finding beside it.
    fn folds(&mut self, clause: &Clause, view: &View<'_>, location: &Location<'_>) -> bool {
        let (Fact::Malformed { .. }, Some(span)) = (view.fact, location.span) else { return false };
        let described = self.open.iter_mut().rev().take(RECENT).find(|open| {
            matches!(open.kind, Kind::Structure | Kind::Opcode)
                && open.hit.span.is_some_and(|known| known.offset == span.offset)
                && open.hit.name == *location.name
        });
        let (Some(open), Some(rule)) = (described, self.rules.rules.get(clause.rule)) else { return false };
        if !open.hit.related.contains(&rule.code) {
            open.hit.related.push(rule.code.clone());
        }
        true
    }

    fn add(&mut self, clause: &'r Clause, view: &View<'_>, location: &Location<'_>, related: Vec<String>) {
        let Some(rule) = self.rules.rules.get(clause.rule) else { return };
        let evidence = if clause.form == Form::Group { String::new() } else { view.key() };
        let count = match view.field("count") {
            Some(Value::Int(count)) => count,
            _ => 1,
        };
        let name = printable(&view.symbol, escape::CAP);
        let slot = (location.name.clone(), clause.rule, evidence);
        if let Some(open) = self.seen.get(&slot).and_then(|&index| self.open.get_mut(index)) {
            open.hit.occurrences = open.hit.occurrences.saturating_add(count);
            if open.hit.offsets.len() < MAX_OFFSETS {
                open.hit.offsets.extend(location.span.map(|span| span.offset));
            }
            if let Some(names) = open.names.as_mut().filter(|names| names.len() < MAX_HITS) {
                names.insert(name);
            }
            // The worst occurrence speaks for all.
            if clause.severity > open.hit.severity && open.names.is_none() {
                open.hit.severity = clause.severity;
                open.hit.message = message(clause, view);
                open.hit.details = details(view);
            }
            for code in related {
                if !open.hit.related.contains(&code) {
                    open.hit.related.push(code);
                }
            }
            return;
        }
        if self.open.len() >= MAX_HITS {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.seen.insert(slot.clone(), self.open.len());
        self.open.push(Open {
            kind: view.fact.kind(),
            hit: Hit {
                rule,
                severity: clause.severity,
                message: message(clause, view),
                name: location.name.clone(),
                span: location.span,
                details: details(view),
                related,
                occurrences: count,
                offsets: location.span.map(|span| span.offset).into_iter().collect(),
                evidence: slot.2,
            },
            clause,
            set: view.global.map(|entry| entry.set),
            names: (clause.form == Form::Group).then(|| BTreeSet::from([name])),
        });
    }
}

impl Sink for Judge<'_> {
    fn take(&mut self, fact: &Fact<'_>, location: &Location<'_>) {
        self.watch.take(fact, location);
        let rules = self.rules;
        let clauses = rules.clauses(fact.kind());
        if clauses.is_empty() {
            return;
        }
        let view = View::new(fact, &rules.globals);
        // Most globals are ordinary constructors: no clause is about them.
        if view.global.is_some_and(|entry| matches!(entry.class, Class::Safe | Class::Framework)) {
            return;
        }
        let mut held: Vec<&Clause> = clauses.iter().filter(|clause| clause.holds(&view)).collect();
        held.sort_by_key(|clause| (clause.form == Form::Companion, std::cmp::Reverse(clause.severity)));
        let Some((&primary, others)) = held.split_first() else { return };
        if primary.form == Form::Companion {
            return;
        }
        let mut related: Vec<String> = Vec::new();
        for rule in
            others.iter().filter(|other| other.rule != primary.rule).filter_map(|other| rules.rules.get(other.rule))
        {
            if !related.contains(&rule.code) {
                related.push(rule.code.clone());
            }
        }
        if !self.folds(primary, &view, location) {
            self.add(primary, &view, location, related);
        }
    }
}

fn message(clause: &Clause, view: &View<'_>) -> String {
    render(&clause.message, &|field| match view.field(field)? {
        Value::Text("") => None,
        Value::Text(text) => Some(printable(text, escape::CAP)),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Int(number) => Some(number.to_string()),
    })
}

fn details(view: &View<'_>) -> Map<String, Json> {
    let mut map = Map::new();
    for (name, value) in view.fact.fields() {
        match value {
            Value::Text("") => {}
            Value::Text(text) => drop(map.insert(name.into(), printable(text, escape::CAP).into())),
            Value::Bool(truth) => drop(map.insert(name.into(), truth.into())),
            Value::Int(number) => drop(map.insert(name.into(), number.into())),
        }
    }
    if let Some(entry) = view.global.filter(|entry| !entry.reason.is_empty()) {
        map.insert("reason".into(), entry.reason.into());
    }
    map
}

/// `class` for a symbol whose last component is spelled like one, a capital in front and not all capitals; else `other`.
fn spelling(symbol: &str) -> &'static str {
    let last = symbol.rsplit('.').next().unwrap_or_default();
    let camel = last.starts_with(|first: char| first.is_ascii_uppercase())
        && last.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && last.bytes().any(|byte| byte.is_ascii_lowercase());
    if camel { "class" } else { "other" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_known_by_their_spelling() {
        for symbol in ["a.Encoder", "a.b.Outer.Inner", "a.X1y"] {
            assert_eq!(spelling(symbol), "class", "{symbol}");
        }
        for symbol in ["a.encode", "a.RUN", "A.b", "a._Private", "a.Snake_Case", "a.", ""] {
            assert_eq!(spelling(symbol), "other", "{symbol}");
        }
    }
}
