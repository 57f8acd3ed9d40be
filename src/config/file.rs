//! A configuration file: TOML, read with the place of every key and value.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Source, quoted, suggestion};
use super::layer::{Checks, GlobalRule, IgnoreEntry, Layer, Sourced, SuppressEntry};
use super::value::{self, PathGlob};
use crate::escape::printable;
use crate::finding::Severity;

/// Settings that are one value.
const VALUES: &[&str] = &[
    "fail_on",
    "strict",
    "skip_payload",
    "max_file_size",
    "max_total_size",
    "max_decoded_size",
    "max_members",
    "max_depth",
    "timeout",
    "jobs",
];
/// Of these, what is a number and nothing else.
const COUNTS: &[&str] = &["max_members", "max_depth", "timeout", "jobs"];
/// Settings that are a list of texts.
const LISTS: &[&str] = &["suppress", "include", "exclude", "blacklist", "custom_patterns", "blocked_hashes"];
/// Settings that are a table.
const TABLES: &[&str] =
    &["severity", "ignore", "pickle_rules", "tensorflow_rules", "keras_rules", "severity_thresholds"];
/// Keys of one entry of `[[suppress]]`.
const SUPPRESS_KEYS: &[&str] = &["rule", "path", "fingerprint", "sha256", "finding", "reason", "expires", "owner"];
/// Tables inside `[pickle_rules]`.
const GLOBAL_LEVELS: &[&str] = &["critical", "high", "medium", "low", "safe"];
/// Longest reason or owner that reports repeat, in characters.
const MAX_REASON: usize = 500;

type Value<'i> = Spanned<DeValue<'i>>;
type Key<'i> = Spanned<Cow<'i, str>>;

/// Which table of the file holds the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// The whole file.
    File,
    /// `[tool.modelaudit]`, as in `pyproject.toml`.
    Tool,
    /// The whole file, which holds entries of `[[suppress]]` and nothing else.
    Baseline,
}

/// True if `text` is TOML with a `[tool.modelaudit]` table, or is broken and may have one.
pub(super) fn has_tool_table(text: &str) -> bool {
    match DeTable::parse(text) {
        Ok(table) => tool_table(table.get_ref()).is_some(),
        Err(_) => text.contains("modelaudit"),
    }
}

fn tool_table<'t, 'i>(table: &'t DeTable<'i>) -> Option<&'t Value<'i>> {
    match table.get("tool")?.get_ref() {
        DeValue::Table(tool) => tool.get("modelaudit"),
        _ => None,
    }
}

/// Reads the settings of one file; mistakes go to `checks`.
pub(super) fn read(checks: &mut Checks<'_>, path: &str, text: &str, root: Root) -> Layer {
    let lines = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at.saturating_add(1)));
    let mut reader =
        Reader { checks, path: path.into(), lines: lines.collect(), layer: Layer::default(), globals: HashMap::new() };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = reader.at(error.span().map_or(0, |span| span.start));
        reader.checks.wrong(&at, error.message().trim().replace('\n', ", "), None);
    }
    if errors.is_empty() {
        match root {
            Root::File => reader.root(table.get_ref()),
            Root::Baseline => reader.baseline(table.get_ref()),
            Root::Tool => match tool_table(table.get_ref()).map(|value| (value, value.get_ref())) {
                Some((_, DeValue::Table(table))) => reader.root(table),
                Some((value, _)) => drop(reader.table("tool.modelaudit", value)),
                None => {
                    let at = reader.at(0);
                    reader.checks.wrong(&at, "the file has no [tool.modelaudit] table", None);
                }
            },
        }
    }
    reader.layer
}

struct Reader<'c, 'r> {
    checks: &'c mut Checks<'r>,
    path: Arc<str>,
    /// Offset of the first byte of each line.
    lines: Vec<usize>,
    layer: Layer,
    /// Where each module and name of `[pickle_rules]` stands.
    globals: HashMap<(String, String), Source>,
}

impl Reader<'_, '_> {
    /// The place of a byte of the file.
    fn at(&self, offset: usize) -> Source {
        let line = self.lines.partition_point(|&start| start <= offset);
        let start = line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or(0);
        Source::File { path: Arc::clone(&self.path), line, column: offset.saturating_sub(start).saturating_add(1) }
    }

    fn root(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "severity" => self.severity(value),
                "ignore" => self.ignore(value),
                "pickle_rules" => self.pickle_rules(value),
                "tensorflow_rules" => self.layer.tensorflow = self.levels("tensorflow_rules", value),
                "keras_rules" => self.layer.keras = self.levels("keras_rules", value),
                "severity_thresholds" => self.thresholds(value),
                "suppress" => self.suppress(value),
                "custom_patterns" => self.custom_patterns(value),
                name if LISTS.contains(&name) => self.texts(name, value),
                name if VALUES.contains(&name) => self.value(name, value),
                name => {
                    let known: Vec<&str> = [VALUES, LISTS, TABLES].concat();
                    let at = self.at(key.span().start);
                    self.checks.unknown(name, "", &known, &at);
                }
            }
        }
    }

    fn baseline(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            let at = self.at(key.span().start);
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("version", DeValue::Integer(version)) if version.to_string() == "1" => {}
                ("version", _) => self.checks.wrong(&at, "this program reads version 1 of a baseline", None),
                ("suppress", _) => self.suppress(value),
                (name, _) => self.checks.unknown(name, " in a baseline", &["version", "suppress"], &at),
            }
        }
        self.layer.suppress.iter_mut().for_each(|entry| entry.baseline = true);
    }

    fn wrong_type(&mut self, name: &str, wanted: &str, value: &Value<'_>) {
        let at = self.at(value.span().start);
        let found = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.checks.wrong(&at, format!("{} must be {wanted}, not {found}", quoted(name)), None);
    }

    fn table<'v, 'i>(&mut self, name: &str, value: &'v Value<'i>) -> Option<&'v DeTable<'i>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => {
                self.wrong_type(name, "a table", value);
                None
            }
        }
    }

    fn text<'v>(&mut self, name: &str, value: &'v Value<'_>) -> Option<&'v str> {
        match value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => {
                self.wrong_type(name, "a string", value);
                None
            }
        }
    }

    fn list<'v, 'i>(&mut self, name: &str, value: &'v Value<'i>) -> &'v [Value<'i>] {
        match value.get_ref() {
            DeValue::Array(items) => items,
            _ => {
                self.wrong_type(name, "a list", value);
                &[]
            }
        }
    }

    fn value(&mut self, name: &str, value: &Value<'_>) {
        let truth = matches!(name, "strict" | "skip_payload");
        let count = COUNTS.contains(&name);
        let number = count || matches!(name, "max_file_size" | "max_total_size" | "max_decoded_size");
        let at = self.at(value.span().start);
        let text = match value.get_ref() {
            DeValue::Boolean(value) if truth => value.to_string(),
            DeValue::Integer(value) if number => value.to_string(),
            DeValue::String(value) if !truth && !count => value.to_string(),
            _ => {
                let wanted = match name {
                    _ if truth => "true or false",
                    _ if count => "an integer",
                    _ if number => "an integer or a string",
                    _ => "a string",
                };
                return self.wrong_type(name, wanted, value);
            }
        };
        self.layer.set(self.checks, name, &text, &at);
    }

    fn texts(&mut self, name: &str, value: &Value<'_>) {
        for item in self.list(name, value) {
            if let Some(text) = self.text(name, item) {
                let at = self.at(item.span().start);
                self.layer.add(self.checks, name, text, &at);
            }
        }
    }

    fn custom_patterns(&mut self, value: &Value<'_>) {
        let DeValue::Table(table) = value.get_ref() else { return self.texts("custom_patterns", value) };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                // The list is checked under the name that its table has.
                "patterns" => self.texts("custom_patterns", value),
                name => {
                    let at = self.at(key.span().start);
                    self.checks.unknown(name, " in [custom_patterns]", &["patterns"], &at);
                }
            }
        }
    }

    fn severity(&mut self, value: &Value<'_>) {
        let Some(table) = self.table("severity", value) else { return };
        for (code, level) in table {
            if let Some(text) = self.text(code.get_ref(), level) {
                let at = self.at(code.span().start);
                self.layer.severity(self.checks, code.get_ref(), text, &at);
            }
        }
    }

    fn levels(&mut self, name: &str, value: &Value<'_>) -> BTreeMap<String, Sourced<Severity>> {
        let mut levels = BTreeMap::new();
        let Some(table) = self.table(name, value) else { return levels };
        for (key, level) in table {
            let at = self.at(key.span().start);
            let Some(text) = self.text(key.get_ref(), level) else { continue };
            if let Some(level) = self.checks.value(text, value::parse_level(text), &at) {
                levels.insert(key.get_ref().to_string(), level);
            }
        }
        levels
    }

    /// The scores of the levels are part of the report's contract: a file may state them, not change them.
    fn thresholds(&mut self, value: &Value<'_>) {
        let Some(table) = self.table("severity_thresholds", value) else { return };
        for (key, score) in table {
            let at = self.at(key.span().start);
            let Some(level) = self.checks.value(key.get_ref(), value::parse_level(key.get_ref()), &at) else {
                continue;
            };
            let number: Option<f64> = match score.get_ref() {
                DeValue::Float(float) => float.as_str().parse().ok(),
                DeValue::Integer(integer) => integer.to_string().parse().ok(),
                _ => return self.wrong_type(key.get_ref(), "a number", score),
            };
            let fixed = level.value.score();
            if number.is_none_or(|number| (number - fixed).abs() > f64::EPSILON) {
                let what = format!("the score of {} is fixed at {fixed:.1}", level.value);
                self.checks.wrong(&at, what, Some("to change what a rule is worth, use [severity]".to_owned()));
            }
        }
    }

    fn ignore(&mut self, value: &Value<'_>) {
        let Some(table) = self.table("ignore", value) else { return };
        for (pattern, codes) in table {
            let at = self.at(pattern.span().start);
            let glob = self.checks.value(pattern.get_ref(), PathGlob::new(pattern.get_ref()), &at);
            let mut rules = Vec::new();
            for item in self.list(pattern.get_ref(), codes) {
                let Some(text) = self.text(pattern.get_ref(), item) else { continue };
                let at = self.at(item.span().start);
                let Some(code) = self.checks.code(text, &at) else { continue };
                match rules.contains(&code) {
                    true => self.checks.twice(text, &at),
                    false => rules.push(code),
                }
            }
            self.layer.ignore.extend(glob.map(|glob| IgnoreEntry { path: glob.value, rules, source: at }));
        }
    }

    fn suppress(&mut self, value: &Value<'_>) {
        for item in self.list("suppress", value) {
            let at = self.at(item.span().start);
            match item.get_ref() {
                DeValue::String(code) => drop(self.layer.add(self.checks, "suppress", code, &at)),
                DeValue::Table(table) => self.suppress_entry(table, &at),
                _ => self.wrong_type("suppress", "a list of rule codes or tables", item),
            }
        }
    }

    fn suppress_entry(&mut self, table: &DeTable<'_>, source: &Source) {
        let mut entry = SuppressEntry::new(source.clone());
        let before = self.checks.mistakes.len();
        for (key, value) in table {
            self.suppress_field(&mut entry, key, value);
        }
        let bound = entry.rule.is_some() || entry.sha256.is_some() || entry.fingerprint.is_some();
        if !bound && self.checks.mistakes.len() == before {
            let help = "to accept every finding of one file, give its `sha256`".to_owned();
            self.checks.wrong(source, "a suppression needs a `rule`", Some(help));
        }
        if self.checks.mistakes.len() == before {
            self.layer.suppress.push(entry);
        }
    }

    fn suppress_field(&mut self, entry: &mut SuppressEntry, key: &Key<'_>, value: &Value<'_>) {
        let at = self.at(value.span().start);
        let name: &str = key.get_ref();
        if !SUPPRESS_KEYS.contains(&name) {
            let at = self.at(key.span().start);
            return self.checks.unknown(name, " in [[suppress]]", SUPPRESS_KEYS, &at);
        }
        let written;
        let text = match value.get_ref() {
            DeValue::Datetime(date) if name == "expires" => {
                written = date.to_string();
                written.as_str()
            }
            _ => match self.text(name, value) {
                Some(text) => text,
                None => return,
            },
        };
        match name {
            "rule" => entry.rule = self.checks.code(text, &at),
            "path" => entry.path = self.checks.value(text, PathGlob::new(text), &at).map(|glob| glob.value),
            "sha256" => entry.sha256 = self.checks.value(text, value::parse_sha256(text), &at).map(|hash| hash.value),
            "fingerprint" => {
                entry.fingerprint = self.checks.value(text, value::parse_fingerprint(text), &at).map(|hex| hex.value);
            }
            "finding" => entry.finding = Some(printable(text, MAX_REASON)),
            "expires" => entry.expires = self.checks.value(text, value::parse_date(text), &at).map(|date| date.value),
            "reason" => entry.reason = Some(printable(text, MAX_REASON)),
            _ => entry.owner = Some(printable(text, MAX_REASON)),
        }
    }

    fn pickle_rules(&mut self, value: &Value<'_>) {
        let Some(table) = self.table("pickle_rules", value) else { return };
        for (key, modules) in table {
            let name = key.get_ref().to_ascii_lowercase();
            if !GLOBAL_LEVELS.contains(&name.as_str()) {
                let at = self.at(key.span().start);
                let help = suggestion(&name, GLOBAL_LEVELS.iter().copied());
                let help = help.unwrap_or_else(|| format!("write [pickle_rules.{}]", GLOBAL_LEVELS.join(" | ")));
                self.checks.wrong(&at, format!("unknown level {} in [pickle_rules]", quoted(&name)), Some(help));
                continue;
            }
            let level = value::parse_level(&name).ok();
            let Some(modules) = self.table(&name, modules) else { continue };
            for (module, names) in modules {
                self.globals(level, module, names);
            }
        }
    }

    fn globals(&mut self, level: Option<Severity>, module: &Key<'_>, names: &Value<'_>) {
        let single = std::slice::from_ref(names);
        let items = match names.get_ref() {
            DeValue::String(_) => single,
            DeValue::Array(items) => items,
            _ => return self.wrong_type(module.get_ref(), "\"*\", a name, or a list of names", names),
        };
        let module_at = self.at(module.span().start);
        let module: &str = module.get_ref();
        for item in items {
            let Some(name) = self.text(module, item) else { continue };
            let at = self.at(item.span().start);
            let odd = |text: &str| text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control());
            if odd(module) || odd(name) {
                self.checks.wrong(
                    &module_at,
                    format!("{} is not a Python name", quoted(&format!("{module}.{name}"))),
                    None,
                );
            } else if module == "*" {
                let help = Some("name the modules".to_owned());
                self.checks.wrong(&module_at, "`*` stands for names in a module, not for modules", help);
            } else if let Some(known) = self.globals.insert((module.to_owned(), name.to_owned()), at.clone()) {
                let what = format!("{} is listed already, at {known}", quoted(&format!("{module}.{name}")));
                self.checks.wrong(&at, what, None);
            } else {
                let (module, name) = (module.to_owned(), name.to_owned());
                self.layer.globals.push(GlobalRule { module, name, level, source: at });
            }
        }
    }
}
