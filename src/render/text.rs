//! The report for people at a terminal or in a log.

use std::collections::BTreeSet;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::page::Page;
use super::{phrase, unread};
use crate::escape::printable;
use crate::finding::{Finding, Severity, State, Suppression};
use crate::report::{Diff, Report, Status, Verdict};

/// Longest message that is shown, in characters.
const MESSAGE_CAP: usize = 2000;

/// Longest explanation that is shown, in characters.
const PROSE_CAP: usize = 10_000;

/// Changed files that are listed unless everything is.
const CHANGES: usize = 20;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verbosity {
    /// Only what fails the run; nothing at all if it passes and everything was read.
    Quiet,
    /// Findings in short, skipped files as counts.
    #[default]
    Normal,
    /// Everything: suppressed and fixed findings, full explanations, skipped files by name.
    Verbose,
}

/// How the report looks.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Style text with ANSI escapes. The caller knows the stream and wraps it where a terminal needs that.
    pub color: bool,
    /// How much is told.
    pub verbosity: Verbosity,
    /// Columns to wrap at.
    pub width: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { color: false, verbosity: Verbosity::Normal, width: 80 }
    }
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();

/// Prints the report.
///
/// # Errors
/// Those of the stream.
pub fn write(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(out, options.color, options.width);
    let quiet = options.verbosity == Verbosity::Quiet;
    if let Some(diff) = report.diff.as_ref().filter(|_| !quiet) {
        header(&mut page, diff, options)?;
    }
    let skipped = unread::names(report);
    let shown = |finding: &&Finding| is_shown(finding, report, &skipped, options.verbosity);
    findings(&mut page, report, report.issues.iter().filter(shown), options)?;
    if options.verbosity == Verbosity::Verbose {
        fixed(&mut page, report)?;
    }
    if !quiet {
        coverage(&mut page, report, options)?;
        report.notes.iter().try_for_each(|note| remark(&mut page, "note", CYAN, note))?;
    }
    report.errors.iter().try_for_each(|error| remark(&mut page, "error", RED, error))?;
    if quiet && report.verdict == Verdict::Pass && unread::total(report) == 0 {
        return Ok(());
    }
    page.gap()?;
    summary(&mut page, report)
}

fn is_shown(finding: &Finding, report: &Report, skipped: &BTreeSet<&str>, verbosity: Verbosity) -> bool {
    match verbosity {
        Verbosity::Quiet => finding.is_active() && report.fail_on.is_some_and(|level| finding.severity >= level),
        // A remark on a file that was not read says no more than the list of such files does in one line.
        Verbosity::Normal => {
            finding.is_active() && (finding.severity > Severity::Info || !skipped.contains(finding.path.as_str()))
        }
        Verbosity::Verbose => finding.state != State::Fixed,
    }
}

/// What was compared.
fn header(page: &mut Page<'_>, diff: &Diff, options: &Options) -> io::Result<()> {
    let base = diff.base.as_deref().map_or_else(|| "no base".into(), phrase::revision);
    let from = diff.merge_base.as_deref().map(|id| format!(" (merge base {})", phrase::revision(id)));
    let to = match &diff.head {
        Some(id) => phrase::revision(id),
        None if diff.mode == "staged" => "the index".into(),
        None => "the working tree".into(),
    };
    let files = phrase::count(diff.changed.len() as u64, "changed file");
    page.labelled("", "diff", BOLD, &format!("{base}{} to {to}, {files}", from.unwrap_or_default()))?;
    if let Some(reason) = &diff.full_scan_reason {
        let reason = printable(reason, MESSAGE_CAP);
        page.labelled("  ", "everything was scanned:", YELLOW, &reason)?;
    }
    let limit = if options.verbosity == Verbosity::Verbose { usize::MAX } else { CHANGES };
    for change in diff.changed.iter().take(limit) {
        let from = change.from.as_deref().map(|from| format!(" (from {})", phrase::chain(from, &[])));
        let path = phrase::chain(&change.path, &[]);
        page.line(&format!("  {:<12} {path}{}", printable(&change.change, 20), from.unwrap_or_default()))?;
    }
    let more = diff.changed.len().saturating_sub(limit);
    if more > 0 {
        page.line(&format!("  and {more} more"))?;
    }
    Ok(())
}

/// Findings under the name of the input that they are in.
fn findings<'r>(
    page: &mut Page<'_>,
    report: &Report,
    findings: impl Iterator<Item = &'r Finding>,
    options: &Options,
) -> io::Result<()> {
    let mut place: Option<(&str, &[String])> = None;
    // Explanations that stand above already, for the same file.
    let mut told: Vec<(&str, &str)> = Vec::new();
    for finding in findings {
        if place != Some((&finding.path, &finding.members)) {
            // Members of one file share what was explained.
            if place.is_none_or(|(path, _)| path != finding.path) {
                told.clear();
            }
            place = Some((&finding.path, &finding.members));
            page.gap()?;
            let name = phrase::chain(&finding.path, &finding.members);
            page.styled_line(BOLD, &name)?;
        }
        let explanation = (finding.why.as_str(), finding.fix.as_str());
        let explain = options.verbosity == Verbosity::Verbose || !told.contains(&explanation);
        if explain {
            told.push(explanation);
        }
        block(page, finding, report.diff.is_some(), explain, options.verbosity)?;
    }
    Ok(())
}

/// One finding.
fn block(page: &mut Page<'_>, finding: &Finding, diff: bool, explain: bool, verbosity: Verbosity) -> io::Result<()> {
    let code = printable(&finding.rule_code, 20);
    let name = printable(&finding.rule_name, 80);
    let mut tags = Vec::new();
    if diff || finding.state != State::New {
        tags.push(state(finding.state));
    }
    if finding.suppression.is_some() {
        tags.push("suppressed");
    }
    let tags = if tags.is_empty() { String::new() } else { format!("[{}]", tags.join(", ")) };
    let place = phrase::place(finding).map(|place| format!("at {place}")).unwrap_or_default();
    let badge = if finding.suppression.is_some() { DIM } else { style(finding.severity) };
    page.title(badge, finding.severity.as_str(), &code, &[&name, &place, &tags])?;

    let call = finding.details.get("call").and_then(serde_json::Value::as_str).filter(|call| !call.is_empty());
    page.paragraph("    ", &without_call(&printable(&finding.message, MESSAGE_CAP), call))?;
    if let Some(call) = call {
        page.labelled("    ", "call:", DIM, &printable(call, MESSAGE_CAP))?;
    }
    if explain && !finding.why.is_empty() {
        let why = phrase::one_line(&finding.why, PROSE_CAP);
        let why = if verbosity == Verbosity::Verbose { &why } else { phrase::first_sentence(&why) };
        page.labelled("    ", "why: ", DIM, why)?;
    }
    if explain && !finding.fix.is_empty() {
        page.labelled("    ", "fix: ", DIM, &phrase::one_line(&finding.fix, PROSE_CAP))?;
    }
    if let Some(allow) = finding.details.get("allow").and_then(serde_json::Value::as_str) {
        page.labelled("    ", "allow", DIM, &allow_entry(allow))?;
    }
    let mut also: Vec<String> = finding.related_rules.iter().take(20).map(|code| printable(code, 20)).collect();
    also.extend((finding.occurrences > 1).then(|| format!("{} occurrences", finding.occurrences)));
    if !also.is_empty() {
        page.labelled("    ", "also:", DIM, &also.join(", "))?;
    }
    match &finding.suppression {
        Some(suppression) => page.labelled("    ", "suppressed by", DIM, &decision(suppression)),
        None => Ok(()),
    }
}

/// The entry that allows what a finding is about, on one line: an inline table under `pickle_rules`.
fn allow_entry(allow: &str) -> String {
    let lines: Vec<String> = allow.lines().skip(1).map(|line| printable(line, MESSAGE_CAP)).collect();
    format!("it, if it is yours, in [pickle_rules.safe]: {}", lines.join("  "))
}

/// A message whose call stands on a line of its own need not say it twice.
fn without_call(message: &str, call: Option<&str>) -> String {
    let head = call.and_then(|call| message.strip_suffix(call)).and_then(|head| head.strip_suffix(": "));
    head.unwrap_or(message).to_owned()
}

fn decision(suppression: &Suppression) -> String {
    let reason = suppression.reason.as_deref().map(|reason| format!(": {}", printable(reason, MESSAGE_CAP)));
    let owner = suppression.owner.as_deref().map(|owner| format!(", {}", printable(owner, 200)));
    let expires = suppression.expires.as_deref().map(|day| format!(", until {}", printable(day, 40)));
    [Some(printable(&suppression.source, 200)), reason, owner, expires].into_iter().flatten().collect()
}

/// Findings that the change removed.
fn fixed(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let mut fixed = all_fixed(report).peekable();
    if fixed.peek().is_some() {
        page.gap()?;
        page.styled_line(BOLD, "fixed by this change")?;
    }
    for finding in fixed {
        let (code, name) = (printable(&finding.rule_code, 20), printable(&finding.rule_name, 80));
        let place = phrase::chain(&finding.path, &finding.members);
        page.line(&format!("  {:<8} {code} {name}  {place}", finding.severity))?;
    }
    Ok(())
}

fn all_fixed(report: &Report) -> impl Iterator<Item = &Finding> {
    let listed = report.diff.iter().flat_map(|diff| &diff.fixed);
    listed.chain(report.issues.iter().filter(|finding| finding.state == State::Fixed))
}

/// Files that were not read completely.
fn coverage(page: &mut Page<'_>, report: &Report, options: &Options) -> io::Result<()> {
    if unread::total(report) == 0 {
        return Ok(());
    }
    page.gap()?;
    page.styled_line(BOLD, "not read completely")?;
    for file in unread::broken(report) {
        let style = if file.status == Status::Failed { RED } else { YELLOW };
        let path = phrase::chain(&file.path, &[]);
        page.entry(style, unread::word(file.status), &path, &unread::reason(file))?;
    }
    if options.verbosity == Verbosity::Verbose {
        for file in report.coverage.iter().filter(|file| file.status == Status::Skipped) {
            page.entry(DIM, "skipped", &phrase::chain(&file.path, &[]), &unread::reason(file))?;
        }
        return Ok(());
    }
    for group in unread::skipped(report) {
        let files = phrase::count(group.files, "file");
        page.entry(DIM, "skipped", &files, &format!("{} ({})", group.reason, group.kinds))?;
    }
    Ok(())
}

fn remark(page: &mut Page<'_>, label: &str, style: Style, text: &str) -> io::Result<()> {
    page.gap_once(label)?;
    page.labelled("", &format!("{label}:"), style, &printable(text, MESSAGE_CAP))
}

/// The last line: what was found, in how much, and what follows.
fn summary(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let what = match phrase::tally(report.active()) {
        Some(tally) => format!("{tally} in {}", phrase::count(phrase::files(report.active()), "file")),
        None => "no findings".into(),
    };
    let mut parts = vec![format!("{what} ({})", phrase::scanned(report))];
    let suppressed = report.issues.iter().filter(|finding| finding.suppression.is_some()).count();
    let counts = [(suppressed, "suppressed"), (all_fixed(report).count(), "fixed")];
    parts.extend(counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")));
    let unread = unread::total(report);
    if unread > 0 {
        parts.push(format!("{} not read completely", phrase::count(unread, "file")));
    }
    let style = match report.verdict {
        Verdict::Pass => GREEN,
        Verdict::Fail | Verdict::Error => RED,
    };
    let verdict = phrase::verdict(report.verdict);
    page.closing(&format!("modelaudit: {}; verdict: {verdict}", parts.join("; ")), verdict, style)
}

const fn state(state: State) -> &'static str {
    match state {
        State::New => "new",
        State::Unchanged => "unchanged",
        State::Fixed => "fixed",
    }
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::White.on(AnsiColor::Red).bold(),
        Severity::High => RED,
        Severity::Medium => YELLOW,
        Severity::Low => CYAN,
        Severity::Info => AnsiColor::Blue.on_default(),
        Severity::Debug => DIM,
    }
}
