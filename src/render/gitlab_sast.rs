//! GitLab's SAST report, schema 15.2.1, for the security widget of merge requests and the vulnerability report.
//!
//! GitLab knows a place by file and line and keeps one vulnerability a place and rule. A model has no lines, so all
//! findings of a rule in a file are one vulnerability here, with a table of where they are. It is tracked by what was
//! found, not by offsets: saving the model again changes nothing, another call under the same rule is a new
//! vulnerability.

use std::io::{self, Write};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::groups::{self, Group};
use super::markdown::safe;
use super::room::Room;
use super::{links, phrase, time, unread, wording};
use crate::finding::{Finding, Severity, fingerprint};
use crate::report::{Report, Verdict};

/// The version of the schema that the document follows.
pub const SCHEMA_VERSION: &str = "15.2.1";

/// Vulnerabilities of a document.
const VULNERABILITIES: usize = 5_000;

/// Rows of the table of places.
const ROWS: usize = 100;

/// Findings that the description tells.
const TOLD: usize = 10;

/// Characters of a message in a table.
const MESSAGE: usize = 1_000;

/// Messages on the scan; one more then says how many are left out.
const MESSAGES: usize = 200;

/// Identifiers that GitLab stores.
const IDENTIFIERS: usize = 20;

/// Reports are written without choices so far.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {}

/// Writes the report, with a newline at the end.
///
/// # Errors
/// Those of the stream.
pub fn write(report: &Report, _: &Options, out: &mut dyn Write) -> io::Result<()> {
    let groups = groups::by_rule_and_file(report, report.active());
    let mut room = Room::of_document();
    let vulnerabilities: Vec<Value> =
        groups.iter().take(VULNERABILITIES).map(vulnerability).take_while(|one| room.take_item(one)).collect();
    let left_out = groups.len().saturating_sub(vulnerabilities.len());
    let document = json!({
        "version": SCHEMA_VERSION,
        "scan": scan(report, left_out),
        "vulnerabilities": vulnerabilities,
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

fn scan(report: &Report, left_out: usize) -> Value {
    let mut tool = json!({
        "id": wording::word(&report.tool.name, 100),
        "name": wording::word(&report.tool.name, 100),
        "version": wording::word(&report.tool.version, 100),
        "vendor": { "name": wording::word(&report.tool.name, 100) },
    });
    if let (Some(home), Some(tool)) = (links::home(), tool.as_object_mut()) {
        tool.insert("url".into(), json!(home));
    }
    // GitLab takes a vulnerability that a successful scan does not list for gone.
    let whole = !report.has_errors && report.verdict != Verdict::Error;
    json!({
        "analyzer": tool,
        "scanner": tool,
        "type": "sast",
        "start_time": time::plain(report.start_time),
        "end_time": time::plain(report.start_time + report.duration.max(0.0)),
        "status": if whole { "success" } else { "failure" },
        "messages": messages(report, left_out),
    })
}

/// What was not read, left out or not compared: a report without vulnerabilities must say what it is clean of.
fn messages(report: &Report, left_out: usize) -> Vec<Value> {
    let message = |level: &str, text: &str| json!({ "level": level, "value": wording::word(text, MESSAGE) });
    let mut all = Vec::new();
    if left_out > 0 {
        let what = phrase::count(left_out as u64, "more vulnerability");
        all.push(message("warn", &format!("{what} did not fit, the least severe ones; the JSON report holds all")));
    }
    all.extend(report.errors.iter().map(|error| message("fatal", error)));
    all.extend(unread::broken(report).map(|file| {
        let path = wording::line(&file.path, 400);
        message(
            "warn",
            &format!("{path} was not read completely ({}): {}", unread::word(file.status), unread::reason(file)),
        )
    }));
    all.extend(unread::skipped(report).into_iter().map(|group| {
        let files = phrase::count(group.files, "file");
        message("warn", &format!("{files} not read: {} ({})", group.reason, group.kinds))
    }));
    if report.diff.as_ref().is_some_and(|diff| diff.full_scan_reason.is_none()) {
        all.push(message("info", "only the files that the change touches were scanned"));
    }
    let suppressed = report.issues.iter().filter(|finding| finding.suppression.is_some()).count();
    if suppressed > 0 {
        all.push(message("info", &format!("{} left out", phrase::count(suppressed as u64, "suppressed finding"))));
    }
    all.extend(report.notes.iter().map(|note| message("info", note)));
    let more = all.len().saturating_sub(MESSAGES);
    if more > 0 {
        all.truncate(MESSAGES);
        all.push(message("warn", &format!("{} left out", phrase::count(more as u64, "more message"))));
    }
    all
}

fn vulnerability(group: &Group<'_>) -> Value {
    let worst = group.worst;
    let file = wording::file(&worst.path);
    let signature = signature(group, &file);
    let mut vulnerability = json!({
        "id": Uuid::new_v5(&Uuid::NAMESPACE_OID, signature.as_bytes()).to_string(),
        "name": format!("{} ({})", wording::line(group.title(), 200), wording::line(&worst.rule_code, 20)),
        "description": description(group),
        "severity": severity(worst.severity),
        "identifiers": identifiers(group),
        "location": { "file": file, "start_line": 1, "end_line": 1 },
        "details": details(group),
        "tracking": {
            "type": "source",
            "items": [{
                "file": file,
                "start_line": 1,
                "end_line": 1,
                "signatures": [{ "algorithm": "scope_offset", "value": signature }],
            }],
        },
    });
    let solution = safe::prose(&worst.fix);
    let refs = group.rule.iter().flat_map(|rule| &rule.refs).filter(|link| links::is_web(link)).take(10);
    let refs: Vec<Value> = refs.map(|link| json!({ "url": link })).collect();
    if let Some(object) = vulnerability.as_object_mut() {
        if !solution.is_empty() {
            object.insert("solution".into(), json!(solution.chars().take(7_000).collect::<String>()));
        }
        if !refs.is_empty() {
            object.insert("links".into(), Value::Array(refs));
        }
    }
    vulnerability
}

/// What was found, without where in the file.
fn signature(group: &Group<'_>, file: &str) -> String {
    let mut found: Vec<String> = group.findings().map(|finding| finding.fingerprint.clone()).collect();
    found.sort_unstable();
    let identity = fingerprint(&group.worst.rule_code, &group.worst.path, &found, "");
    format!("{file}|{}|{identity}", wording::line(&group.worst.rule_code, 20))
}

/// GitLab's Markdown: the rule's explanation, and what was found as code.
fn description(group: &Group<'_>) -> String {
    let mut parts = Vec::new();
    let why = safe::prose(&group.worst.why);
    if !why.is_empty() {
        parts.push(why);
    }
    let mut list: Vec<String> = group
        .findings()
        .take(TOLD)
        .map(|finding| {
            let place = phrase::place(finding).map(|place| format!(" at {place}")).unwrap_or_default();
            let name = safe::code(&phrase::chain(&finding.path, &finding.members));
            format!("- {name}{place}: {}", safe::code(&finding.message))
        })
        .collect();
    let more = group.len().saturating_sub(TOLD);
    if more > 0 {
        list.push(format!("- and {more} more"));
    }
    parts.push(list.join("\n"));
    parts.join("\n\n")
}

fn identifiers(group: &Group<'_>) -> Vec<Value> {
    let code = wording::word(&group.worst.rule_code, 20);
    let identifier = |kind: &str, name: &str, value: &str, url: Option<String>| {
        let mut identifier = Map::new();
        for (key, text) in [("type", kind), ("name", name), ("value", value)] {
            identifier.insert(key.into(), json!(text));
        }
        identifier.extend(url.map(|url| ("url".to_owned(), json!(url))));
        Value::Object(identifier)
    };
    let mut all = vec![identifier("modelaudit_rule_id", &format!("modelaudit {code}"), &code, links::rule(&code))];
    let weaknesses = &group.worst.cwe;
    all.extend(
        weaknesses
            .iter()
            .map(|number| identifier("cwe", &format!("CWE-{number}"), &number.to_string(), Some(links::cwe(*number)))),
    );
    let known = group.worst.cve.iter().filter_map(|id| Some((id, links::cve(id)?)));
    all.extend(known.map(|(id, url)| identifier("cve", id, id, Some(url))));
    all.truncate(IDENTIFIERS);
    all
}

/// Where the findings are: GitLab has a type for a byte of a binary file.
fn details(group: &Group<'_>) -> Value {
    let text = |text: String| json!({ "type": "text", "value": text });
    let header: Vec<Value> = ["Where", "Byte", "What"].map(|word| text(word.to_owned())).into();
    let mut rows: Vec<Vec<Value>> = group.findings().take(ROWS).map(row).collect();
    let more = group.len().saturating_sub(ROWS);
    if more > 0 {
        rows.push(vec![text(format!("and {more} more")), text(String::new()), text(String::new())]);
    }
    json!({ "findings": { "name": "Findings", "type": "table", "header": header, "rows": rows } })
}

fn row(finding: &Finding) -> Vec<Value> {
    let text = |text: String| json!({ "type": "text", "value": text });
    let place = wording::chain(&finding.path, &finding.members, MESSAGE);
    let place = if place.is_empty() { "unknown".to_owned() } else { place };
    let byte = match finding.offset {
        Some(offset) => {
            let offset = i64::try_from(offset).unwrap_or(i64::MAX);
            json!({ "type": "module-location", "module_name": place, "offset": offset })
        }
        None => text(String::new()),
    };
    let times = if finding.occurrences > 1 { format!(" ({} times)", finding.occurrences) } else { String::new() };
    vec![text(place), byte, text(wording::line(&finding.message, MESSAGE) + &times)]
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
        Severity::Info | Severity::Debug => "Info",
    }
}
