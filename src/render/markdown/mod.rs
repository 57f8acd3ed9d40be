//! The report as a comment on a change request, or as the summary of a job.
//!
//! The words are in `templates/pr-comment.md.j2`. Whatever a value holds, it arrives there as text: values are escaped
//! unless a filter of this module has made them safe in another way.

mod accept;
pub(in crate::render) mod safe;

use std::collections::BTreeSet;
use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::{phrase, unread};
use crate::finding::{Finding, Severity, State};
use crate::report::{Diff, Report};

const TEMPLATE: &str = include_str!("../../../templates/pr-comment.md.j2");

/// What fits into a comment: GitHub refuses more than 65,536 characters.
pub const COMMENT_LIMIT: usize = 60_000;

/// What fits into a job summary: GitHub drops more than 1 MiB.
pub const SUMMARY_LIMIT: usize = 900 << 10;

/// Rows of one list that are tried at all; more have never fitted.
const MOST_ROWS: usize = 8192;

/// Findings for which an entry to accept them is offered.
const ENTRIES: usize = 10;

/// What the comment is for.
#[derive(Debug, Clone, Copy)]
pub struct Options<'o> {
    /// Tells the comments of several jobs on one request apart.
    pub key: &'o str,
    /// Largest comment, in bytes.
    pub limit: usize,
    /// What stands before the counts.
    pub lead: &'o str,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { key: "default", limit: COMMENT_LIMIT, lead: "" }
    }
}

/// The first line of the comment with a key, by which it is found again.
#[must_use]
pub fn marker(key: &str) -> String {
    format!("<!-- modelaudit:pr-comment v1 key={} -->", safe::key(key))
}

/// Prints the comment. If not all fits, each list is cut, worst findings first, and says how much is missing.
///
/// # Errors
/// Those of the stream.
pub fn write(report: &Report, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    let environment = environment().map_err(io::Error::other)?;
    let view = View::of(report);
    let page = |rows: usize| {
        let template = environment.get_template("comment")?;
        template.render(view.context(options, rows))
    };
    // The number of rows that fits, by halving: a page only grows with its rows.
    let (mut fits, mut too_many) = (0, view.longest().min(MOST_ROWS) + 1);
    let mut best = page(too_many - 1).map_err(io::Error::other)?;
    if best.len() > options.limit {
        too_many -= 1;
        best = page(fits).map_err(io::Error::other)?;
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            let candidate = page(middle).map_err(io::Error::other)?;
            if candidate.len() <= options.limit {
                (fits, best) = (middle, candidate);
            } else {
                too_many = middle;
            }
        }
    }
    out.write_all(best.as_bytes())
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("markdown".into()));
    // What no filter has made safe is made safe here: the template cannot forget it.
    environment.set_formatter(|out, _, value| {
        let written = match value.as_str() {
            Some(text) if !value.is_safe() => out.write_str(&safe::text(text)),
            Some(text) => out.write_str(text),
            None => write!(out, "{value}"),
        };
        Ok(written?)
    });
    environment.add_filter("code", |text: &str| Value::from_safe_string(safe::code(text)));
    environment.add_filter("cell", |text: &str| Value::from_safe_string(safe::cell(text)));
    environment.add_filter("prose", |text: &str| Value::from_safe_string(safe::prose(text)));
    environment
        .add_filter("fenced", |text: &str, language: &str| Value::from_safe_string(safe::fenced(text, language)));
    environment.add_template("comment", TEMPLATE)?;
    Ok(environment)
}

/// The findings of a report by what the reader of a change wants to know of them, worst first.
struct View<'r> {
    report: &'r Report,
    new: Vec<&'r Finding>,
    unchanged: Vec<&'r Finding>,
    fixed: Vec<&'r Finding>,
    suppressed: Vec<&'r Finding>,
}

impl<'r> View<'r> {
    fn of(report: &'r Report) -> Self {
        let worst_first = |mut findings: Vec<&'r Finding>| {
            // The sort is stable: the order by place stays within a severity.
            findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
            findings
        };
        let active = |state| worst_first(report.active().filter(|finding| finding.state == state).collect());
        let fixed = report.issues.iter().filter(|finding| finding.state == State::Fixed);
        let fixed = report.diff.iter().flat_map(|diff| &diff.fixed).chain(fixed).collect();
        let suppressed = worst_first(report.issues.iter().filter(|finding| finding.suppression.is_some()).collect());
        let (new, unchanged) = (active(State::New), active(State::Unchanged));
        Self { report, new, unchanged, fixed: worst_first(fixed), suppressed }
    }

    /// Length of the longest list.
    fn longest(&self) -> usize {
        let report = self.report;
        let findings = [&self.new, &self.unchanged, &self.fixed, &self.suppressed].map(Vec::len);
        findings
            .into_iter()
            .chain([report.coverage.len(), report.errors.len(), report.notes.len()])
            .max()
            .unwrap_or_default()
    }

    /// What the template sees, with lists of at most `rows`.
    fn context(&self, options: &Options<'_>, rows: usize) -> Value {
        let report = self.report;
        context! {
            marker => Value::from_safe_string(marker(options.key)),
            lead => options.lead,
            verdict => phrase::verdict(report.verdict),
            summary => self.summary(),
            diff => report.diff.as_ref().map(compared),
            errors => remarks(&report.errors, rows),
            findings => self.tables(rows),
            rules => self.rules(rows),
            folded => self.folded(rows),
            unread => not_read(report, rows),
            accept => accept::entries(report, &self.new, ENTRIES.min(rows)),
            notes => remarks(&report.notes, rows),
            version => report.tool.version.as_str(),
            rules_digest => report.tool.rules_digest.as_str(),
        }
    }

    fn summary(&self) -> String {
        let report = self.report;
        let what = match phrase::tally(report.active()) {
            Some(tally) => format!("{tally} in {}", phrase::count(phrase::files(report.active()), "file")),
            None => "No findings".into(),
        };
        let diff = report.diff.is_some();
        let counts = [
            (if diff { self.new.len() } else { 0 }, "new"),
            (self.unchanged.len(), "unchanged"),
            (self.fixed.len(), "fixed"),
            (self.suppressed.len(), "suppressed"),
        ];
        let counts: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
        let unread = match unread::total(report) {
            0 => String::new(),
            files => format!(" {} not read completely.", phrase::count(files, "file")),
        };
        format!("{what} ({}){counts}.{unread}", phrase::scanned(report))
    }

    /// New findings, one table a severity.
    fn tables(&self, rows: usize) -> Value {
        let shown = self.new.get(..rows).unwrap_or(&self.new);
        let word = if self.report.diff.is_some() { "New: " } else { "" };
        let tables: Vec<Value> = Severity::ALL
            .iter()
            .rev()
            .filter_map(|level| {
                let all = self.new.iter().filter(|finding| finding.severity == *level).count();
                let some: Vec<Value> = shown.iter().filter(|one| one.severity == *level).map(|one| row(one)).collect();
                let heading = format!("{word}{all} {level}");
                (!some.is_empty()).then(|| context! { heading, rows => some })
            })
            .collect();
        context! { tables, more => more(self.new.len(), rows, "finding") }
    }

    /// Explanations of the rules that the shown findings meet, in their order.
    fn rules(&self, rows: usize) -> Value {
        let mut seen = BTreeSet::new();
        let new = self.new.get(..rows).unwrap_or(&self.new);
        let rules: Vec<&Finding> = new.iter().copied().filter(|finding| seen.insert(&finding.rule_code)).collect();
        let title = |finding: &Finding| {
            let rule = self.report.rules.iter().find(|rule| rule.code == finding.rule_code);
            rule.map_or_else(|| finding.rule_name.clone(), |rule| rule.title.clone())
        };
        let shown: Vec<Value> = rules
            .iter()
            .map(|finding| {
                context! {
                    code => finding.rule_code.as_str(),
                    title => format!("{}.", title(finding).trim_end_matches('.')),
                    why => finding.why.as_str(),
                    fix => finding.fix.as_str(),
                }
            })
            .collect();
        context! { rows => shown, more => more(0, rows, "rule") }
    }

    fn folded(&self, rows: usize) -> Vec<Value> {
        let lists = [
            (&self.unchanged, "unchanged finding"),
            (&self.fixed, "fixed finding"),
            (&self.suppressed, "suppressed finding"),
        ];
        lists
            .into_iter()
            .filter(|(findings, _)| !findings.is_empty())
            .map(|(findings, noun)| {
                let shown: Vec<Value> = findings.iter().take(rows).map(|finding| row(finding)).collect();
                let heading = phrase::count(findings.len() as u64, noun);
                context! { heading, rows => shown, more => more(findings.len(), rows, "finding") }
            })
            .collect()
    }
}

fn row(finding: &Finding) -> Value {
    context! {
        severity => finding.severity.as_str(),
        rule => finding.rule_code.as_str(),
        name => finding.rule_name.as_str(),
        place => phrase::chain(&finding.path, &finding.members),
        position => finding.offset.map(|offset| format!("at {offset:#x}")),
        message => finding.message.as_str(),
        reason => finding.suppression.as_ref().and_then(|decision| decision.reason.as_deref()),
        times => (finding.occurrences > 1).then(|| format!("{} times", finding.occurrences)),
    }
}

fn compared(diff: &Diff) -> Value {
    context! {
        base => diff.base.as_deref().map(phrase::revision),
        merge_base => diff.merge_base.as_deref().map(phrase::revision),
        head => diff.head.as_deref().map(phrase::revision),
        changed => phrase::count(diff.changed.len() as u64, "changed file"),
        full_scan_reason => diff.full_scan_reason.as_deref().map(|reason| phrase::one_line(reason, 300)),
    }
}

/// Files that were not read completely: each broken one, and the rest by reason.
fn not_read(report: &Report, rows: usize) -> Value {
    let broken = unread::broken(report).map(|file| {
        let path = phrase::chain(&file.path, &[]);
        context! { status => unread::word(file.status), path, reason => unread::reason(file) }
    });
    let skipped = unread::skipped(report).into_iter().map(|group| {
        let path = format!("{}: {}", phrase::count(group.files, "file"), group.kinds);
        context! { status => unread::word(group.status), path, reason => group.reason }
    });
    let all: Vec<Value> = broken.chain(skipped).collect();
    let heading = match unread::total(report) {
        0 => None,
        files => Some(format!("{} not read completely", phrase::count(files, "file"))),
    };
    let hidden = more(all.len(), rows, "row");
    context! { heading, rows => all.into_iter().take(rows).collect::<Vec<_>>(), more => hidden }
}

fn remarks(all: &[String], rows: usize) -> Value {
    let some: Vec<Value> = all.iter().take(rows).map(|text| text.as_str().into()).collect();
    context! { rows => some, more => more(all.len(), rows, "message") }
}

/// `3 more findings`, if a list of `all` is cut to `rows`.
fn more(all: usize, rows: usize, noun: &str) -> Option<String> {
    let hidden = all.saturating_sub(rows);
    (hidden > 0).then(|| phrase::count(hidden as u64, &format!("more {noun}")))
}
