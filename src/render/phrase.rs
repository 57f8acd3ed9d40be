//! Numbers, places and sentences as people read them.

use std::collections::BTreeSet;

use crate::escape::printable;
use crate::finding::{Finding, Severity};
use crate::report::{Report, Verdict};

/// Longest name in a name chain, in characters: what file systems take.
const NAME_CAP: usize = 4096;

/// Most members of a name chain that are shown.
const MEMBER_CAP: usize = 64;

/// Longest extension that is shown as one, in characters.
const EXTENSION_CAP: usize = 16;

/// What people call a place in a file: its path and the chain of members in it, outermost first.
pub(super) fn chain(path: &str, members: &[String]) -> String {
    let names = std::iter::once(path).chain(members.iter().map(String::as_str).take(MEMBER_CAP));
    names.map(|name| printable(name, NAME_CAP)).collect::<Vec<_>>().join("!/")
}

/// Where in the innermost input: `0x1c (28), 14 bytes`.
pub(super) fn place(finding: &Finding) -> Option<String> {
    let offset = finding.offset?;
    let length = finding.length.filter(|length| *length > 0);
    let length = length.map(|length| format!(", {}", count(length, "byte"))).unwrap_or_default();
    Some(format!("{offset:#x} ({offset}){length}"))
}

/// `1 file`, `2 files`, `2 entries`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {noun}s"),
    }
}

/// A size in decimal units: `74 B`, `1.2 GB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, in integers: 999,950 must become 1.0 MB, not 1000.0 kB.
    let mut tenths = bytes.saturating_add(50) / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit < UNITS.len() - 1 {
        tenths = tenths.saturating_add(500) / 1000;
        unit += 1;
    }
    let name = UNITS.get(unit).unwrap_or(&"EB");
    if tenths >= 1000 { format!("{} {name}", tenths / 10) } else { format!("{}.{} {name}", tenths / 10, tenths % 10) }
}

/// A duration: `12 ms`, `3.4 s`, `2 min 5 s`; None for 0, which reproducible reports carry.
pub(super) fn duration(seconds: f64) -> Option<String> {
    if !seconds.is_finite() || seconds <= 0.0 {
        return None;
    }
    Some(match seconds {
        s if s < 0.001 => "under 1 ms".into(),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 100.0 => format!("{s:.1} s"),
        s => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
    })
}

/// The first sentence of a text; all of it if it has only one.
pub(super) fn first_sentence(text: &str) -> &str {
    for (at, _) in text.match_indices(". ") {
        let (head, tail) = text.split_at(at + 1);
        let abbreviation = ["e.g.", "i.e.", "etc.", "cf.", "vs."].iter().any(|short| head.ends_with(short));
        if !abbreviation && !tail.trim_start().starts_with(|c: char| c.is_lowercase()) {
            return head;
        }
    }
    text
}

/// A text of one or more paragraphs as one line of visible characters.
pub(super) fn one_line(text: &str, cap: usize) -> String {
    printable(&text.split_whitespace().collect::<Vec<_>>().join(" "), cap)
}

/// Extension of a path in lower case, `no extension` if it has none that looks like one.
pub(super) fn extension(path: &str) -> String {
    let base = path.rsplit(['/', '\\']).next().unwrap_or_default();
    match base.rsplit_once('.') {
        Some((stem, ext)) if !stem.is_empty() && !ext.is_empty() && ext.chars().count() <= EXTENSION_CAP => {
            printable(&ext.to_lowercase(), EXTENSION_CAP)
        }
        _ => "no extension".into(),
    }
}

/// Findings counted by severity, worst first: `1 critical, 2 medium`; None if there are none.
pub(super) fn tally<'f>(findings: impl Iterator<Item = &'f Finding>) -> Option<String> {
    let mut counts = [0_u64; Severity::ALL.len()];
    for finding in findings {
        if let Some(count) = counts.get_mut(finding.severity as usize) {
            *count += 1;
        }
    }
    let parts: Vec<String> = Severity::ALL
        .iter()
        .rev()
        .filter_map(|level| counts.get(*level as usize).filter(|count| **count > 0).map(|n| format!("{n} {level}")))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// How many files the findings are in.
pub(super) fn files<'f>(findings: impl Iterator<Item = &'f Finding>) -> u64 {
    findings.map(|finding| finding.path.as_str()).collect::<BTreeSet<_>>().len() as u64
}

/// What was scanned: `14 scanned, 1.2 GB, 12 ms`.
pub(super) fn scanned(report: &Report) -> String {
    let mut parts = vec![format!("{} scanned", report.files_scanned), size(report.bytes_scanned)];
    parts.extend(duration(report.duration));
    parts.join(", ")
}

/// The word for the outcome.
pub(super) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Error => "error",
    }
}

/// Commit ids are cut to what people compare; other revisions stay.
pub(super) fn revision(text: &str) -> String {
    let commit = text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    printable(text, if commit { 12 } else { 200 }).trim_end_matches('…').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_to_three_digits() {
        let shown: Vec<String> =
            [0, 999, 1000, 1234, 99_949, 123_456, 999_950, 1_200_000_000, u64::MAX].map(size).into();
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "1.2 kB", "99.9 kB", "123 kB", "1.0 MB", "1.2 GB", "18.4 EB"]);
    }

    #[test]
    fn durations_fit_their_size() {
        let shown: Vec<_> = [0.0, f64::NAN, 0.0001, 0.0123, 3.44, 125.0].map(duration).into();
        let expected = [None, None, Some("under 1 ms"), Some("12 ms"), Some("3.4 s"), Some("2 min 5 s")];
        assert_eq!(shown, expected.map(|text| text.map(String::from)));
    }

    #[test]
    fn sentences_end_at_a_stop_before_a_new_one() {
        assert_eq!(first_sentence("It runs, e.g. By hand. Then it stops."), "It runs, e.g. By hand.");
        assert_eq!(first_sentence("os.system is called. `x` follows."), "os.system is called.");
        assert_eq!(first_sentence("One only"), "One only");
    }

    #[test]
    fn extensions_are_short_and_visible() {
        assert_eq!(extension("a/b.ONNX"), "onnx");
        assert_eq!(extension("a.b/.hidden"), "no extension");
        assert_eq!(extension("x.\u{202e}gp"), "\\u{202e}gp");
    }
}
