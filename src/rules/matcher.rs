//! The judge: facts in, hits out.
//!
//! One fact has one root cause, so it gives at most one hit: the clause with the highest severity. Other clauses that
//! hold for it are listed as related rules. Equal hits of one input are counted, not repeated.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::clause::{Clause, Form, View};
use super::globals::{Class, UNKNOWN, is_path};
use super::template::render;
use super::watch::Watch;
use super::{Rule, RuleSet};
use crate::bytes::InputName;
use crate::escape::{self, printable};
use crate::fact::{Fact, Kind, Location, Sink, Span, Value};
use crate::finding::Severity;

/// Distinct hits kept for one input; a file that causes more is described well enough by the worst of these.
const MAX_HITS: usize = 1_000;
/// Memory for what tells them apart: names and evidence, which a file may make long.
const MAX_HIT_BYTES: usize = 8 << 20;
/// Hits that are looked through for the one that describes why reading stopped.
const RECENT: usize = 64;
/// Offsets kept for a hit that occurs often.
const MAX_OFFSETS: usize = 5;
/// Largest evidence of a hit, in bytes.
const MAX_EVIDENCE: usize = 1 << 16;
/// Names listed by a grouped hit.
const MAX_NAMES: usize = 20;
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
    /// Names on no list, by module: what the user would list to allow them.
    unknown: BTreeMap<String, BTreeSet<String>>,
}

impl Open<'_> {
    /// Takes what another occurrence adds.
    fn repeat(&mut self, clause: &Clause, view: &View<'_>, location: &Location<'_>, related: Vec<String>) {
        if self.hit.offsets.len() < MAX_OFFSETS {
            self.hit.offsets.extend(location.span.map(|span| span.offset));
        }
        self.note_unknown(view);
        self.note_evidence(view);
        // The worst occurrence speaks for all.
        if clause.severity > self.hit.severity && self.names.is_none() {
            self.hit.severity = clause.severity;
            self.hit.message = message(clause, view);
            self.hit.details = details(view);
        }
        for code in related {
            if !self.hit.related.contains(&code) {
                self.hit.related.push(code);
            }
        }
    }

    /// Keeps a name on no list, for the entry that would allow it.
    fn note_unknown(&mut self, view: &View<'_>) {
        let (Fact::Global { module, function, .. }, Some(entry)) = (view.fact, view.global) else { return };
        if entry.set == UNKNOWN.set && is_path(module) && is_path(function) && self.unknown.len() < MAX_NAMES {
            let names = self.unknown.entry((*module).to_owned()).or_default();
            if names.len() < MAX_NAMES {
                names.insert((*function).to_owned());
            }
        }
    }

    /// Another call of the same function is other evidence.
    fn note_evidence(&mut self, view: &View<'_>) {
        if self.clause.form == Form::Group || self.hit.evidence.len() >= MAX_EVIDENCE {
            return;
        }
        let more = view.identity();
        if !self.hit.evidence.split('\u{1e}').any(|known| known == more) {
            self.hit.evidence = format!("{}\u{1e}{more}", self.hit.evidence);
        }
    }

    /// The lines for the user's configuration that allow the names; empty if there are none.
    fn allow(&self) -> String {
        let line = |(module, names): (&String, &BTreeSet<String>)| {
            let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            format!("\"{module}\" = [{}]", names.join(", "))
        };
        self.unknown.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Judges the facts of one top-level input and everything inside it.
pub struct Judge<'r> {
    rules: &'r RuleSet,
    open: Vec<Open<'r>>,
    /// Position in `open` by input name, rule and evidence.
    seen: HashMap<(InputName, usize, String), usize>,
    bytes: usize,
    /// Hits that were not kept.
    dropped: u64,
    watch: Watch<'r>,
}

impl<'r> Judge<'r> {
    /// A judge with no hits yet.
    #[must_use]
    pub fn new(rules: &'r RuleSet) -> Self {
        Self { rules, open: Vec::new(), seen: HashMap::new(), bytes: 0, dropped: 0, watch: Watch::new(rules) }
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
                let allow = open.allow();
                let mut hit = open.hit;
                if !allow.is_empty() {
                    hit.details.insert("allow".into(), format!("[pickle_rules.safe]\n{allow}").into());
                }
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
            if let Some(names) = open.names.as_mut().filter(|names| names.len() < MAX_HITS) {
                names.insert(name);
            }
            open.repeat(clause, view, location, related);
            return;
        }
        let Some(index) = self.room(clause.severity) else { return };
        if index < self.open.len() {
            self.seen.retain(|_, known| *known != index);
        }
        let kept = location.name.footprint().saturating_add(slot.2.len());
        self.bytes = self.bytes.saturating_add(kept.saturating_mul(2));
        self.seen.insert(slot, index);
        let mut open = Open {
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
                evidence: if clause.form == Form::Group { String::new() } else { view.identity() },
            },
            clause,
            set: view.global.map(|entry| entry.set),
            names: (clause.form == Form::Group).then(|| BTreeSet::from([name])),
            unknown: BTreeMap::new(),
        };
        open.note_unknown(view);
        match self.open.get_mut(index) {
            Some(place) => *place = open,
            None => self.open.push(open),
        }
    }

    /// Where a new hit goes. When there are too many, a worse one takes the place of the last of the mildest, so that a
    /// flood hides nothing that is worse than itself.
    fn room(&mut self, severity: Severity) -> Option<usize> {
        if self.open.len() < MAX_HITS && self.bytes < MAX_HIT_BYTES {
            return Some(self.open.len());
        }
        self.dropped = self.dropped.saturating_add(1);
        let mildest = self.open.iter().enumerate().rev().min_by_key(|(_, open)| open.hit.severity)?;
        (mildest.1.hit.severity < severity).then_some(mildest.0)
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
        // Most globals are ordinary constructors: no clause is about them, but for what functions do with objects.
        let plain = !matches!(fact, Fact::Global { arguments: "objects" | "asked" | "read", .. });
        if plain && view.global.is_some_and(|entry| matches!(entry.class, Class::Safe | Class::Framework)) {
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
