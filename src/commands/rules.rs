//! `modelaudit rules`: the table of rules, or one of them explained.

use std::io::{self, Write};

use anstyle::Style;
use anyhow::bail;
use serde::Serialize;

use crate::cli::ListFormat;
use crate::finding::Severity;
use crate::render::page::Page;
use crate::rules::{Rule, RuleSet, Status, doc};

/// Most rules that are suggested for a word that is none.
const SUGGESTIONS: usize = 5;

/// Prints all rules, or the one with the code or name `which`. `width` and `color` are for text.
///
/// # Errors
/// No rule has that code or name; the stream fails.
pub fn run(
    rules: &RuleSet,
    which: Option<&str>,
    format: ListFormat,
    width: usize,
    color: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let one = which.map(|word| find(rules, word)).transpose()?;
    match (format, one) {
        (ListFormat::Text, None) => list(rules, &mut Page::new(out, color, width))?,
        (ListFormat::Text, Some(rule)) => explain(rule, &mut Page::new(out, color, width))?,
        (ListFormat::Json, None) => write_json(&doc::listing(rules), out)?,
        (ListFormat::Json, Some(rule)) => write_json(&doc::Entry::of(rule), out)?,
        (ListFormat::Markdown, None) => out.write_all(doc::rules_markdown(rules).as_bytes())?,
        (ListFormat::Markdown, Some(rule)) => out.write_all(doc::explain(rule).as_bytes())?,
    }
    Ok(())
}

fn find<'r>(rules: &'r RuleSet, word: &str) -> anyhow::Result<&'r Rule> {
    if let Some(rule) = rules.get(word) {
        return Ok(rule);
    }
    let alias = rules.rules().iter().find(|rule| rule.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(word)));
    if let Some(rule) = alias {
        return Ok(rule);
    }
    let lower = word.to_lowercase();
    // Whole words of a name before parts of words.
    let is_near = |rule: &&Rule| rule.code.to_lowercase().starts_with(&lower) || rule.name.contains(&lower);
    let mut near: Vec<&Rule> = rules.rules().iter().filter(is_near).collect();
    near.sort_by_key(|rule| !rule.name.split('-').any(|part| part == lower));
    let near: Vec<String> =
        near.into_iter().take(SUGGESTIONS).map(|rule| format!("{} {}", rule.code, rule.name)).collect();
    let help =
        if near.is_empty() { "`modelaudit rules` lists all".into() } else { format!("like it: {}", near.join(", ")) };
    bail!("no rule has the code or name '{}'\n  help: {help}", crate::escape::printable(word, 80))
}

fn list(rules: &RuleSet, page: &mut Page<'_>) -> io::Result<()> {
    let width = rules.rules().iter().map(|rule| rule.name.len()).max().unwrap_or_default();
    for rule in rules.rules() {
        let state = state(rule).map(|state| format!(" ({state})")).unwrap_or_default();
        let head = format!("{:<6}{:<9}{:<width$}  ", rule.code, rule.severity, rule.name);
        page.line(&format!("{head}{}{state}", rule.title))?;
    }
    page.gap()?;
    page.line(&format!("{} rules; `modelaudit rules CODE` explains one", rules.rules().len()))
}

fn explain(rule: &Rule, page: &mut Page<'_>) -> io::Result<()> {
    let bold = Style::new().bold();
    page.styled_line(bold, &format!("{} {}", rule.code, rule.name))?;
    page.paragraph("", &rule.title)?;
    let sections = [("Why", &rule.why), ("What to do", &rule.fix)];
    for (heading, text) in sections {
        page.gap()?;
        page.styled_line(bold, heading)?;
        prose(page, text)?;
    }
    page.gap()?;
    let words = |words: &[String]| words.join(", ");
    let rows = [
        ("severity: ", severities(rule)),
        ("precision:", rule.precision.clone()),
        ("cwe:      ", rule.cwe.iter().map(|number| format!("CWE-{number}")).collect::<Vec<_>>().join(", ")),
        ("cve:      ", words(&rule.cve)),
        ("atlas:    ", words(&rule.atlas)),
        ("prisma:   ", words(&rule.prisma)),
        ("aliases:  ", words(&rule.aliases)),
        ("since:    ", rule.since.clone()),
        ("state:    ", state(rule).unwrap_or_default().to_owned()),
    ];
    for (label, text) in rows.iter().filter(|(_, text)| !text.is_empty()) {
        page.labelled("", label, Style::new().dimmed(), text)?;
    }
    rule.links().iter().try_for_each(|link| page.line(link))
}

/// Paragraphs are wrapped; what is indented or fenced stays as it is.
fn prose(page: &mut Page<'_>, text: &str) -> io::Result<()> {
    let mut fenced = false;
    let mut paragraph: Vec<&str> = Vec::new();
    for line in text.trim().lines().chain([""]) {
        let fence = line.trim_start().starts_with("```");
        let verbatim = fenced || fence || line.starts_with("    ");
        // A list item is a paragraph of its own.
        let item = line.trim_start().starts_with("- ");
        if (verbatim || item || line.trim().is_empty()) && !paragraph.is_empty() {
            page.paragraph("  ", &paragraph.join(" "))?;
            paragraph.clear();
        }
        fenced ^= fence;
        match verbatim {
            true => page.line(&format!("  {line}"))?,
            false if line.trim().is_empty() => page.gap()?,
            false => paragraph.push(line.trim()),
        }
    }
    Ok(())
}

/// The default severity and the grades that clauses declare beside it.
fn severities(rule: &Rule) -> String {
    let mut others: Vec<Severity> =
        rule.on.iter().filter_map(|clause| clause.severity).filter(|level| *level != rule.severity).collect();
    others.sort_unstable();
    others.dedup();
    let others: Vec<String> = others.iter().rev().map(ToString::to_string).collect();
    if others.is_empty() { rule.severity.to_string() } else { format!("{} (or {})", rule.severity, others.join(", ")) }
}

const fn state(rule: &Rule) -> Option<&'static str> {
    match rule.status {
        None => None,
        Some(Status::Planned) => Some("planned"),
        Some(Status::Policy) => Some("decided by your policy"),
    }
}

fn write_json(value: &impl Serialize, out: &mut dyn Write) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}
