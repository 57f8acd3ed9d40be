//! The rules as people and tools read them: RULES.md, `modelaudit rules`, and its JSON form.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::{ClauseRow, Rule, RuleSet, Status};
use crate::finding::Severity;

/// Code prefix, title and one sentence for each family, in order.
const FAMILIES: &[(&str, &str, &str)] = &[
    ("S1", "Imports", "Names that a pickle reaches while it loads, by what they can do."),
    ("S2", "Pickle programs", "The shape of a pickle: which opcodes do what to which objects."),
    ("S3", "Network", "Access to the network while a file loads."),
    ("S4", "Files and archives", "Access to files of the machine, and archives that deceive or exhaust their reader."),
    ("S5", "Embedded code", "Programs and scripts inside model files."),
    ("S6", "Encoding and obfuscation", "Encoded content whose decoded form is code."),
    ("S7", "Secrets", "Credentials in readable text of a model."),
    ("S8", "Weights and architecture", "Tensors and graphs that are ambiguous, hidden or manipulated."),
    ("S9", "Structure and integrity", "Files that break their format, or that could not be read to the end."),
    ("S10", "Provenance", "Where a model comes from and who vouches for it."),
    ("S11", "Frameworks", "Structures that are dangerous in one framework."),
    ("S12", "Configuration and policy", "Repository files around a model, and the user's own policy."),
];

/// One rule in `modelaudit rules --format json`.
#[derive(Debug, Serialize)]
pub struct Entry<'r> {
    /// Code, `S101`.
    pub code: &'r str,
    /// Kebab-case name.
    pub name: &'r str,
    /// One line.
    pub title: &'r str,
    /// Title of its family.
    pub family: &'static str,
    /// Default severity.
    pub severity: Severity,
    /// `active`, `planned` or `policy`.
    pub status: &'static str,
    /// SARIF precision.
    pub precision: &'r str,
    /// What it means and why it matters, markdown.
    pub why: &'r str,
    /// What to do, markdown.
    pub fix: &'r str,
    /// CWE numbers.
    pub cwe: &'r [u32],
    /// MITRE ATLAS technique ids.
    pub atlas: &'r [String],
    /// CVE ids.
    pub cve: &'r [String],
    /// All links.
    pub refs: Vec<String>,
    /// Prisma AIRS policies.
    pub prisma: &'r [String],
    /// Codes of other catalogues.
    pub aliases: &'r [String],
    /// Version that introduced it.
    pub since: &'r str,
}

impl<'r> Entry<'r> {
    /// The listing of one rule.
    #[must_use]
    pub fn of(rule: &'r Rule) -> Self {
        Self {
            code: &rule.code,
            name: &rule.name,
            title: &rule.title,
            family: family(rule).1,
            severity: rule.severity,
            status: status(rule),
            precision: &rule.precision,
            why: &rule.why,
            fix: &rule.fix,
            cwe: &rule.cwe,
            atlas: &rule.atlas,
            cve: &rule.cve,
            refs: rule.links(),
            prisma: &rule.prisma,
            aliases: &rule.aliases,
            since: &rule.since,
        }
    }
}

/// What `modelaudit rules --format json` prints for all rules.
#[must_use]
pub fn listing(rules: &RuleSet) -> Vec<Entry<'_>> {
    rules.rules().iter().map(Entry::of).collect()
}

/// The text of RULES.md.
#[must_use]
pub fn rules_markdown(rules: &RuleSet) -> String {
    let mut out = String::from(INTRODUCTION);
    for &(prefix, title, about) in FAMILIES {
        let members = rules.rules().iter().filter(|rule| family(rule).0 == prefix);
        let _ = write!(out, "\n### {prefix}xx {title}\n\n{about}\n\n");
        out += "| Code | Name | Severity | Status | Title |\n|---|---|---|---|---|\n";
        for rule in members {
            let (code, anchor) = (&rule.code, rule.code.to_ascii_lowercase());
            let (name, severity, status, title) = (&rule.name, rule.severity, status(rule), plain(&rule.title));
            let _ = writeln!(out, "| [{code}](#{anchor}) | `{name}` | {severity} | {status} | {title} |");
        }
    }
    out += "\n## Rules\n";
    for rule in rules.rules() {
        let _ = write!(out, "\n<a id=\"{}\"></a>\n\n{}", rule.code.to_ascii_lowercase(), section(rule, 3));
    }
    out
}

/// One rule as a markdown page of its own.
#[must_use]
pub fn explain(rule: &Rule) -> String {
    section(rule, 1)
}

/// Head of RULES.md.
const INTRODUCTION: &str = "\
# Rules

Generated from `data/rules/` by `BLESS=1 cargo test --test it generated`; do not edit by hand.

A rule looks at one fact that a format states about a file. One root cause gives one finding: of all rules that hold
for a fact the one with the highest severity reports it, the others are listed under `related_rules`. Severities can be
changed and findings accepted in the configuration; `modelaudit rules CODE` prints a single rule.

| Status | Meaning |
|---|---|
| active | in force |
| policy | decided by the user's own settings |
| planned | reserved with this meaning; no format that this version reads can show it |

## Index
";

/// The family of a rule: the digits of its code before the last two.
fn family(rule: &Rule) -> (&'static str, &'static str, &'static str) {
    let prefix = rule.code.get(..rule.code.len().saturating_sub(2)).unwrap_or_default();
    FAMILIES.iter().copied().find(|family| family.0 == prefix).unwrap_or(("", "Other", ""))
}

/// The word for the state of a row.
fn status(rule: &Rule) -> &'static str {
    match rule.status {
        None => "active",
        Some(Status::Planned) => "planned",
        Some(Status::Policy) => "policy",
    }
}

fn section(rule: &Rule, level: usize) -> String {
    let mut out = format!("{} {} {}\n\n{}\n\n", "#".repeat(level), rule.code, plain(&rule.title), rule.why);
    let _ = writeln!(out, "**What to do:** {}\n", rule.fix);
    out += "| | |\n|---|---|\n";
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(out, "| {name} | {value} |");
        }
    };
    row("Name", format!("`{}`", rule.name));
    row("Family", family(rule).1.to_owned());
    row("Severity", severities(rule));
    row("Status", format!("{}, since {}", status(rule), rule.since));
    row("Precision", rule.precision.clone());
    row("CWE", joined(&rule.cwe, |id| format!("[CWE-{id}](https://cwe.mitre.org/data/definitions/{id}.html)")));
    row("ATLAS", joined(&rule.atlas, |id| format!("[{id}](https://atlas.mitre.org/techniques/{id})")));
    row("CVE", joined(&rule.cve, |id| format!("[{id}](https://nvd.nist.gov/vuln/detail/{id})")));
    row("Prisma AIRS policies", joined(&rule.prisma, Clone::clone));
    row("Also known as", joined(&rule.aliases, Clone::clone));
    if !rule.on.is_empty() {
        out += "\nLooks at:\n\n";
        for clause in &rule.on {
            let _ = writeln!(out, "- {}", describe(rule, clause));
        }
    }
    if !rule.refs.is_empty() {
        out += "\nFurther reading:\n\n";
        for link in &rule.refs {
            let _ = writeln!(out, "- <{link}>");
        }
    }
    out
}

/// The default severity and the declared grades.
fn severities(rule: &Rule) -> String {
    let mut grades: Vec<Severity> = rule.on.iter().filter_map(|clause| clause.severity).collect();
    grades.sort_unstable();
    grades.dedup();
    grades.retain(|grade| *grade != rule.severity);
    match grades.as_slice() {
        [] => rule.severity.to_string(),
        grades => format!("{}; in declared cases {}", rule.severity, joined(grades, ToString::to_string)),
    }
}

/// One clause in words.
fn describe(rule: &Rule, clause: &ClauseRow) -> String {
    let mut out = format!("`{}`", clause.fact);
    if !clause.matches.is_empty() {
        let _ = write!(out, " {}", joined(&clause.matches, |subject| format!("`{subject}`")));
    }
    // All of `when` must hold; one of `unless` is enough to rule the clause out.
    for (word, table, glue) in [("where", &clause.when, " and "), ("unless", &clause.unless, " or ")] {
        let each: Vec<String> = table.iter().map(|(field, value)| format!("`{field}` is {}", worded(value))).collect();
        if !each.is_empty() {
            let _ = write!(out, " {word} {}", each.join(glue));
        }
    }
    for field in clause.like.keys() {
        let _ = write!(out, "; `{field}` must have the form that the row gives");
    }
    if let Some(severity) = clause.severity.filter(|severity| *severity != rule.severity) {
        let _ = write!(out, " ({severity})");
    }
    match clause.companion {
        true => out += ", as a companion of the finding that the same fact causes",
        false if clause.group => out += ", once for each file",
        false => {}
    }
    out
}

fn worded(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(worded).collect::<Vec<_>>().join(" or "),
        Value::String(text) if text.is_empty() => "empty".into(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn joined<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// A title that stands in markdown as it is: underscores and bars have a meaning there.
fn plain(text: &str) -> String {
    text.replace('_', "\\_").replace('|', "\\|")
}
