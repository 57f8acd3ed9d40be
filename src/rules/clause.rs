//! Clauses of rows, compiled, and facts as they see them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use regex::Regex;
use serde_json::Value as Json;

use super::globals::{GlobalEntry, GlobalTable};
use super::known::Use;
use super::set::Set;
use super::template::placeholders;
use super::{ClauseRow, Rule, RuleError};
use crate::fact::{Fact, Kind, Value};
use crate::finding::Severity;
use crate::names::{canonical, from_python2};

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
    pub(super) fn new(text: &str) -> Self {
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
    pub(super) rule: usize,
    pub(super) severity: Severity,
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
    pub(super) message: String,
    pub(super) form: Form,
    pub(super) rises_beside: String,
}

/// What becomes of a clause that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
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

    pub(super) fn holds(&self, view: &View<'_>) -> bool {
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
pub(super) struct View<'f> {
    pub(super) fact: &'f Fact<'f>,
    pub(super) global: Option<GlobalEntry>,
    pub(super) symbol: Cow<'f, str>,
}

/// True for facts about the name of a Python object, which the table of globals judges.
const fn is_named(kind: Kind) -> bool {
    matches!(kind, Kind::Global | Kind::CodeReference | Kind::Dormant)
}

impl<'f> View<'f> {
    pub(super) fn new(fact: &'f Fact<'f>, globals: &GlobalTable) -> Self {
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

    pub(super) fn field(&self, name: &str) -> Option<Value<'_>> {
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
    pub(super) fn key(&self) -> String {
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

    /// [`View::key`] across re-serialisation: a name of Python counts under its public spelling, for another protocol
    /// or system writes another one of the same object. What a call is given belongs to it: the same function with other
    /// arguments does something else.
    pub(super) fn identity(&self) -> String {
        let (module, function, protocol, call, calls) = match *self.fact {
            Fact::Global { module, function, protocol, call, calls, .. }
            | Fact::Dormant { module, function, protocol, call, calls, .. } => {
                (module, function, protocol, call, calls)
            }
            Fact::CodeReference { module, function, python2, call, calls, .. } => {
                (module, function, if python2 { 2 } else { 4 }, call, calls)
            }
            _ => return self.key(),
        };
        let mapped = if protocol < 3 { from_python2(module, function) } else { None };
        let (module, function) = mapped.unwrap_or((module, Cow::Borrowed(function)));
        let name = format!("{}\u{1f}{function}", canonical(module));
        // The function is in the name already, under its public spelling.
        match call.split_once('(') {
            // What is shown is cut, and of several calls the first one.
            Some(_) if !calls.is_empty() => format!("{name}\u{1f}{calls}"),
            Some((_, arguments)) => format!("{name}\u{1f}({arguments}"),
            None => name,
        }
    }
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
