//! Judgement as data: the rows of `data/rules/`, compiled once.
//!
//! A rule looks at one fact. Its clauses say which facts it is about; nothing in a row can look at a file. The table
//! in this module is the only owner of rule texts: RULES.md, `modelaudit rules` and every report print from it.

pub mod doc;

mod clause;
mod globals;
mod known;
mod matcher;
mod set;
mod template;
mod watch;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

pub use globals::{Class, GlobalEntry, GlobalTable};
pub use known::Use;
pub use matcher::{Hit, Judge};
pub use set::Set;
pub use watch::Watchlist;

use crate::bytes::hex;
use crate::fact::Kind;
use crate::finding::Severity;
use crate::names::NamesTable;
use crate::report::RuleInfo;
use clause::Clause;

/// The rows of `data/rules/` as one JSON document, in the order of their codes. `tests/it/generated.rs` writes it:
/// parsing the TOML at every start would take longer than scanning most files.
const ROWS: &str = include_str!("../../data/generated/rules.json");

/// The rules that this build ships.
static SHIPPED: LazyLock<RuleSet> = LazyLock::new(|| {
    // The rows are part of the program and `tests/it/rules.rs` compiles them: a failure here cannot reach a user.
    RuleSet::with_globals(GlobalTable::shipped()).unwrap_or_else(|error| panic!("data/rules: {error}"))
});

/// One row as written in `data/rules/`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `S101`; append-only.
    pub code: String,
    /// Kebab-case name.
    pub name: String,
    /// One line, as a heading.
    pub title: String,
    /// Default severity.
    pub severity: Severity,
    /// What it means and why it matters; markdown.
    #[serde(deserialize_with = "paragraphs")]
    pub why: String,
    /// What to do; markdown.
    #[serde(deserialize_with = "paragraphs")]
    pub fix: String,
    /// CWE numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cwe: Vec<u32>,
    /// MITRE ATLAS technique ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub atlas: Vec<String>,
    /// CVE ids of loader faults that the rule is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cve: Vec<String>,
    /// Links that do not follow from the ids above, see [`Rule::links`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<String>,
    /// SARIF precision: `very-high`, `high`, `medium`, `low`.
    pub precision: String,
    /// Prisma AIRS policies it belongs to, by their short keys: `LTE`, `RTE`, `KFO`, `ARB`, `SUS`, `FMT`, `LIC`,
    /// `BLK`, `ORG`, `LOC`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prisma: Vec<String>,
    /// Codes of other catalogues for the same thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Version that introduced it.
    pub since: String,
    /// `planned`: no format can state the evidence yet, so it has no clauses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Which facts it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<ClauseRow>,
}

/// The state of a row that is not in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Listed, not yet produced.
    Planned,
    /// Decided outside the engine, by the user's policy: a block list, a signature requirement.
    Policy,
}

/// One clause as written: a kind of fact and what must hold for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClauseRow {
    /// Kind of fact.
    pub fact: String,
    /// Subject: exact texts, globs, or `@set`. Any of them. Empty: every subject.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "match")]
    pub matches: Vec<String>,
    /// Field values that must hold; a list means any of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, Json>,
    /// Field values that must not hold.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unless: BTreeMap<String, Json>,
    /// Regular expressions that fields must match, for text whose form decides: a path, a URL in a call.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub like: BTreeMap<String, String>,
    /// Declared grade that differs from the rule's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Sentence with `{field}` in it; a part in `[` `]` is left out when a field inside is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Never a finding of its own: listed under `related_rules` of the finding that the same fact causes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub companion: bool,
    /// One finding a file: subjects are collected, `{names}` in the message lists them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub group: bool,
    /// Says what follows from the worse findings on the input, where there are any: listed beside the worst of them then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub yields: bool,
    /// A list of globals: where the input has a finding on a name of it, the severity is the rule's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rises_beside: String,
}

/// A row of data is wrong. Shipped rows cannot be: a test compiles them.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// Not TOML, or not the shape of a row.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// The generated rows are not rows.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A row contradicts the facts or the sets.
    #[error("{code}: {what}")]
    Row {
        /// Rule code.
        code: String,
        /// What is wrong.
        what: String,
    },
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    rule: Vec<Rule>,
}

/// All rules, compiled for lookup by kind of fact.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    /// By `Kind as usize`.
    clauses: Vec<Vec<Clause>>,
    globals: GlobalTable,
    watchlist: Watchlist,
}

impl RuleSet {
    /// The rules that this build ships.
    #[must_use]
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// The shipped rules with another table of globals (the shipped one and the user's).
    ///
    /// # Errors
    /// None for the shipped rows.
    pub fn with_globals(globals: GlobalTable) -> Result<Self, RuleError> {
        Self::from_rows(serde_json::from_str(ROWS)?, globals)
    }

    /// Compiles rows of TOML.
    ///
    /// # Errors
    /// A row does not parse, or names a kind, field or set that does not exist.
    pub fn compile<'t>(texts: impl IntoIterator<Item = &'t str>, globals: GlobalTable) -> Result<Self, RuleError> {
        Self::from_rows(rows(texts)?, globals)
    }

    fn from_rows(rules: Vec<Rule>, globals: GlobalTable) -> Result<Self, RuleError> {
        let mut clauses: Vec<Vec<Clause>> = Kind::ALL.iter().map(|_| Vec::new()).collect();
        for (index, rule) in rules.iter().enumerate() {
            for row in &rule.on {
                let (kind, clause) = Clause::compile(index, rule, row, &globals)?;
                if let Some(list) = clauses.get_mut(kind as usize) {
                    list.push(clause);
                }
            }
        }
        Ok(Self { rules, clauses, globals, watchlist: Watchlist::default() })
    }

    /// The rows, ordered by family and number.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The same rules with the user's lists of what must not appear.
    ///
    /// # Errors
    /// Something is listed that none of the rules reports; never for the shipped rules.
    pub fn with_watchlist(mut self, watchlist: Watchlist) -> Result<Self, RuleError> {
        watchlist.check_rules(&self)?;
        self.watchlist = watchlist;
        Ok(self)
    }

    /// The user's lists of what must not appear.
    #[must_use]
    pub fn watchlist(&self) -> &Watchlist {
        &self.watchlist
    }

    /// The policy on Python globals.
    #[must_use]
    pub fn globals(&self) -> &GlobalTable {
        &self.globals
    }

    /// One row by its code or name, in any case.
    #[must_use]
    pub fn get(&self, code_or_name: &str) -> Option<&Rule> {
        self.rules
            .iter()
            .find(|rule| rule.code.eq_ignore_ascii_case(code_or_name) || rule.name.eq_ignore_ascii_case(code_or_name))
    }

    /// Digest of all that decides: rows, sets and the table of known names.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for text in [ROWS, NamesTable::shipped().digest].into_iter().chain(set::texts()) {
            hash.update(text.as_bytes());
        }
        format!("sha256:{}", hex(&hash.finalize()))
    }

    fn clauses(&self, kind: Kind) -> &[Clause] {
        self.clauses.get(kind as usize).map_or(&[], Vec::as_slice)
    }
}

/// Reads rows of TOML, ordered by their codes.
///
/// # Errors
/// A text is not TOML, or not of the shape of rows.
pub fn rows<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Vec<Rule>, toml::de::Error> {
    let mut rules = Vec::new();
    for text in texts {
        rules.extend(toml::from_str::<File>(text)?.rule);
    }
    rules.sort_by_key(|rule| order(&rule.code));
    Ok(rules)
}

impl Rule {
    /// All links, the row's own first, then the pages of its CVE, CWE and ATLAS ids.
    #[must_use]
    pub fn links(&self) -> Vec<String> {
        let cve = self.cve.iter().map(|id| format!("https://nvd.nist.gov/vuln/detail/{id}"));
        let cwe = self.cwe.iter().map(|id| format!("https://cwe.mitre.org/data/definitions/{id}.html"));
        let atlas = self.atlas.iter().map(|id| format!("https://atlas.mitre.org/techniques/{id}"));
        self.refs.iter().cloned().chain(cve).chain(cwe).chain(atlas).collect()
    }

    /// The part of the row that reports carry.
    #[must_use]
    pub fn info(&self) -> RuleInfo {
        RuleInfo {
            code: self.code.clone(),
            name: self.name.clone(),
            title: self.title.clone(),
            severity: self.severity,
            why: self.why.clone(),
            fix: self.fix.clone(),
            cwe: self.cwe.clone(),
            atlas: self.atlas.clone(),
            refs: self.links(),
            precision: self.precision.clone(),
            prisma: self.prisma.clone(),
        }
    }
}

/// Joins the lines of a text that is wrapped in its file; an empty line still separates paragraphs.
fn paragraphs<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let mut joined = String::with_capacity(text.len());
    for paragraph in text.split("\n\n") {
        let mut gap = if joined.is_empty() { "" } else { "\n\n" };
        for word in paragraph.split_ascii_whitespace() {
            joined.push_str(gap);
            joined.push_str(word);
            gap = " ";
        }
    }
    Ok(joined)
}

/// Sort key of a code: S999 before S1001, S1129 before S1201, in the order that people count.
#[must_use]
pub fn order(code: &str) -> u32 {
    code.strip_prefix('S').and_then(|digits| digits.parse().ok()).unwrap_or(u32::MAX)
}
