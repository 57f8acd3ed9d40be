//! Reading a report back. The file may come from somebody who wants the reader to say something else than was found:
//! nothing in it is taken on trust that can be checked or worked out again.

use std::io::{self, Read};

use super::SCHEMA_VERSION;
use crate::escape::printable;
use crate::finding::Finding;
use crate::render::secrets;
use crate::report::{Report, Status, Text, Verdict};

/// Largest report that is read, in bytes.
pub const MAX_BYTES: usize = 256 << 20;

/// Most values that a report may hold. A thousand names of tensors for each of eight thousand models fit; what does
/// not is a file made to fill the memory, because small values cost far more there than in the file.
const MAX_VALUES: usize = 8 << 20;

/// Longest path or member name, in characters.
const NAME_CAP: usize = 4096;

/// Longest short text, in characters: messages, reasons, evidence.
const TEXT_CAP: usize = 4096;

/// Longest explanation, in characters.
const PROSE_CAP: usize = 64 << 10;

/// The file is not a report that this version can read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Too large.
    #[error("the report is larger than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    /// Too many values.
    #[error("the report holds more than {MAX_VALUES} values")]
    TooMany,
    /// Not JSON, or not the shape of a report; says where.
    #[error("not a report")]
    Shape(#[from] serde_json::Error),
    /// A contract of another version.
    #[error("the report has schema version {0}; this version reads {SCHEMA_VERSION}")]
    Version(u64),
    /// A value that no run writes.
    #[error("not a report: {place}: {what}")]
    Value {
        /// Which value: `issues[3].fingerprint`.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a report from a stream.
///
/// # Errors
/// As [`read`], and those of the stream.
pub fn read_from(stream: impl Read) -> Result<Report, ReadError> {
    let mut bytes = Vec::new();
    let mut capped = stream.take(MAX_BYTES as u64 + 1);
    #[expect(clippy::disallowed_methods, reason = "the line before caps it")]
    capped.read_to_end(&mut bytes)?;
    read(&bytes)
}

/// Reads a report and checks it. Texts are escaped and cut again; severity scores and the verdict are worked out
/// again from the findings.
///
/// # Errors
/// The bytes are not a report of this version, or hold something that no run writes.
pub fn read(bytes: &[u8]) -> Result<Report, ReadError> {
    if bytes.len() > MAX_BYTES {
        return Err(ReadError::TooLarge);
    }
    // Commas inside texts count too: that errs on the safe side by little.
    if bytes.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count() > MAX_VALUES {
        return Err(ReadError::TooMany);
    }
    let mut report: Report = match serde_json::from_slice(bytes) {
        Ok(report) => report,
        Err(error) => return Err(version(bytes).map_or(ReadError::Shape(error), ReadError::Version)),
    };
    if report.schema_version != SCHEMA_VERSION {
        return Err(ReadError::Version(report.schema_version.into()));
    }
    check(&report)?;
    cleanse(&mut report);
    report.has_errors |= report.coverage.iter().any(|file| file.status == Status::Failed);
    report.verdict = verdict(&report);
    Ok(report)
}

/// The version of a file of another shape, if it is another: a better answer than its first unknown key.
fn version(bytes: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Header {
        schema_version: u64,
    }
    let header: Header = serde_json::from_slice(bytes).ok()?;
    Some(header.schema_version).filter(|version| *version != u64::from(SCHEMA_VERSION))
}

/// The outcome that the report's own content asks for. `error` cannot be worked out (strictness is a setting), so it
/// is kept; `pass` is never taken on trust.
fn verdict(report: &Report) -> Verdict {
    if report.fail_on.is_some_and(|level| report.active().any(|finding| finding.severity >= level)) {
        return Verdict::Fail;
    }
    let failed = report.has_errors || !report.errors.is_empty();
    if failed || report.verdict == Verdict::Error { Verdict::Error } else { Verdict::Pass }
}

fn check(report: &Report) -> Result<(), ReadError> {
    ensure(report.tool.name == "modelaudit", "tool.name", String::new, "written by another program")?;
    let times = [report.start_time, report.duration];
    ensure(times.iter().all(|time| *time >= 0.0), "start_time, duration", String::new, "not a time")?;
    for (n, finding) in report.issues.iter().enumerate() {
        check_finding(finding, || format!("issues[{n}]."))?;
    }
    for (n, finding) in report.diff.iter().flat_map(|diff| &diff.fixed).enumerate() {
        check_finding(finding, || format!("diff.fixed[{n}]."))?;
    }
    for (n, rule) in report.rules.iter().enumerate() {
        let place = || format!("rules[{n}].");
        ensure(is_code(&rule.code), "code", place, "not a rule code")?;
        ensure(is_name(&rule.name), "name", place, "not a rule name")?;
        let plain = rule.refs.iter().all(|link| is_link(link));
        ensure(plain, "refs", place, "not an https link")?;
        let words = rule.atlas.iter().chain(&rule.prisma).chain([&rule.precision]);
        ensure(words.into_iter().all(|word| is_word(word)), "atlas, prisma, precision", place, "not a word")?;
    }
    for (n, entry) in report.suppressions.iter().enumerate() {
        let place = || format!("suppressions[{n}].");
        ensure(entry.rules.iter().all(|code| is_code(code)), "rules", place, "not a rule code")?;
        ensure(entry.path.as_deref().is_none_or(is_path), "path", place, "not a path")?;
        ensure(entry.fingerprint.as_deref().is_none_or(|hex| is_hex(hex, 32)), "fingerprint", place, "not one")?;
        ensure(entry.sha256.as_deref().is_none_or(|hex| is_hex(hex, 64)), "sha256", place, "not a digest")?;
    }
    for (n, asset) in report.assets.iter().enumerate() {
        let place = || format!("assets[{n}].");
        ensure(asset.sha256.as_deref().is_none_or(|hex| is_hex(hex, 64)), "sha256", place, "not a digest")?;
        ensure(is_path(&asset.path), "path", place, "not a path")?;
    }
    for (n, change) in report.diff.iter().flat_map(|diff| &diff.changed).enumerate() {
        let sound = is_path(&change.path) && change.from.as_deref().is_none_or(is_path);
        ensure(sound, "path, from", || format!("diff.changed[{n}]."), "not a path")?;
    }
    for (n, file) in report.coverage.iter().enumerate() {
        let place = || format!("coverage[{n}].");
        ensure(is_path(&file.path), "path", place, "not a path")?;
        let complete = file.status == Status::Complete;
        ensure(file.reason.is_none() == complete, "reason", place, "a reason belongs to all but complete files")?;
    }
    Ok(())
}

fn check_finding(finding: &Finding, place: impl Fn() -> String) -> Result<(), ReadError> {
    ensure(is_code(&finding.rule_code), "rule_code", &place, "not a rule code")?;
    ensure(is_name(&finding.rule_name), "rule_name", &place, "not a rule name")?;
    let score = finding.severity.score();
    ensure((finding.severity_score - score).abs() < 1e-9, "severity_score", &place, "not that of the severity")?;
    let level = finding.severity.safety_level();
    ensure(finding.safety_level == level, "safety_level", &place, "not that of the severity")?;
    ensure(is_hex(&finding.fingerprint, 32), "fingerprint", &place, "not a fingerprint")?;
    ensure(finding.related_rules.iter().all(|code| is_code(code)), "related_rules", &place, "not a rule code")?;
    ensure(finding.cve.iter().all(|id| is_cve(id)), "cve", &place, "not a CVE id")?;
    ensure(is_path(&finding.path), "path", &place, "not a path")?;
    ensure(finding.members.iter().all(|name| is_path(name)), "members", &place, "not a name")?;
    ensure(finding.occurrences > 0, "occurrences", &place, "not once")
}

fn ensure(holds: bool, key: &str, place: impl Fn() -> String, what: &'static str) -> Result<(), ReadError> {
    if holds { Ok(()) } else { Err(ReadError::Value { place: format!("{}{key}", place()), what }) }
}

fn is_code(text: &str) -> bool {
    text.strip_prefix('S')
        .is_some_and(|digits| (3..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=80).contains(&text.len()) && text.bytes().all(plain)
}

fn is_word(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn is_cve(text: &str) -> bool {
    let number = |digits: &str| digits.len() >= 4 && digits.len() <= 10 && digits.bytes().all(|b| b.is_ascii_digit());
    text.strip_prefix("CVE-").and_then(|rest| rest.split_once('-')).is_some_and(|(year, n)| number(year) && number(n))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_link(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"<>\"'`|()[]{}\\^".contains(&byte);
    text.starts_with("https://") && text.len() <= 2048 && text.bytes().all(plain)
}

/// Names are kept exactly, for programs compare them; every renderer escapes what it shows.
fn is_path(text: &str) -> bool {
    !text.contains('\0') && text.chars().count() <= NAME_CAP
}

/// Escapes and cuts every text again. Names stay what they are, but for credentials: programs compare them.
fn cleanse(report: &mut Report) {
    report.each_text(&mut |kind, text| match kind {
        Text::Path | Text::Member => {}
        Text::Line => *text = printable(text, TEXT_CAP),
        Text::Prose => *text = text.split('\n').map(|line| printable(line, PROSE_CAP)).collect::<Vec<_>>().join("\n"),
    });
    secrets::hide(report);
}
