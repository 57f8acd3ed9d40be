//! GitLab's Code Quality report: a subset of Code Climate's format, and the one that every tier of GitLab shows in a
//! merge request.
//!
//! GitLab reads a list of entries and nothing else, so what was not read, and what did not fit, are entries too.

use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::room::Room;
use super::{groups, phrase, unread, wording};
use crate::finding::{Severity, fingerprint};
use crate::report::{Coverage, Report, Status};

/// Entries of a document; a merge request shows far fewer.
const ENTRIES: usize = 5_000;

/// Characters of a description.
const DESCRIPTION: usize = 1_000;

/// Reports are written without choices so far.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {}

/// Writes the report as a list of entries, with a newline at the end.
///
/// # Errors
/// Those of the stream.
pub fn write(report: &Report, _: &Options, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &entries(report))?;
    out.write_all(b"\n")
}

fn entries(report: &Report) -> Vec<Value> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let findings = groups::worst_first(report.active()).into_iter().map(|finding| {
        // Entries with one fingerprint collapse into one.
        let ordinal = seen.entry(&finding.fingerprint).or_default();
        *ordinal += 1;
        let identity = wording::line(&finding.fingerprint, 64);
        let identity = if *ordinal > 1 { format!("{identity}-{ordinal}") } else { identity };
        let name = wording::word(&finding.rule_code, 20);
        entry(&name, &wording::headline(finding, DESCRIPTION), weight(finding.severity), &finding.path, &identity)
    });
    let skipped = report.coverage.iter().filter(|file| file.status == Status::Skipped);
    let gaps = unread::broken(report).chain(skipped).map(gap);
    let errors = report.errors.iter().map(|error| {
        let identity = fingerprint("error", "", &[], error);
        entry("run-error", &wording::line(error, DESCRIPTION), "major", "modelaudit", &identity)
    });
    let total =
        report.active().count() + report.errors.len() + report.coverage.iter().filter(|file| is_gap(file)).count();
    let mut room = Room::of_document();
    let mut all: Vec<Value> =
        findings.chain(errors).chain(gaps).take(ENTRIES).take_while(|one| room.take_item(one)).collect();
    let left_out = total.saturating_sub(all.len());
    if left_out > 0 {
        let what = phrase::count(left_out as u64, "more entry");
        let text = format!("{what} did not fit; the least severe are left out. The JSON report holds all of them.");
        all.push(entry("left-out", &text, "info", "modelaudit", &fingerprint("left-out", "", &[], "")));
    }
    all
}

fn is_gap(file: &Coverage) -> bool {
    file.status != Status::Complete
}

/// A file that was not read to its end.
fn gap(file: &Coverage) -> Value {
    let severity = match file.status {
        Status::Failed => "critical",
        Status::Partial => "major",
        Status::Skipped | Status::Complete => "info",
    };
    let word = unread::word(file.status);
    let text = format!("The file was not read completely ({word}): {}", unread::reason(file));
    entry(
        &format!("coverage-{word}"),
        &wording::line(&text, DESCRIPTION),
        severity,
        &file.path,
        &fingerprint(word, &file.path, &[], ""),
    )
}

fn entry(check: &str, description: &str, severity: &str, path: &str, identity: &str) -> Value {
    json!({
        "description": description,
        "check_name": check,
        "fingerprint": identity,
        "severity": severity,
        "location": { "path": wording::file(path), "lines": { "begin": 1 } },
    })
}

const fn weight(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "blocker",
        Severity::High => "critical",
        Severity::Medium => "major",
        Severity::Low => "minor",
        Severity::Info | Severity::Debug => "info",
    }
}
