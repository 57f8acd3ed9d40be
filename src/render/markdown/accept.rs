//! Entries for the configuration that accept a finding, ready to paste.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::escape::{glob, toml_string};
use crate::finding::Finding;
use crate::report::Report;

/// How long a suggested decision counts. Long enough for a release, short enough that it is looked at again.
const DAYS: i64 = 90;

/// One `[[suppress]]` entry a rule and file, for at most `limit` of them; empty if there are none.
pub(super) fn entries(report: &Report, findings: &[&Finding], limit: usize) -> String {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    let mut out = String::new();
    for finding in findings {
        let what = (finding.rule_code.as_str(), finding.path.as_str());
        if seen.contains(&what) {
            continue;
        }
        if seen.len() >= limit {
            break;
        }
        seen.push(what);
        let asset = report.assets.iter().find(|asset| asset.path == finding.path);
        let sha256 = asset.and_then(|asset| asset.sha256.as_deref());
        // Writing to a string cannot fail.
        let _ = entry(&mut out, report, finding, sha256);
    }
    out.truncate(out.trim_end().len());
    out
}

fn entry(out: &mut String, report: &Report, finding: &Finding, sha256: Option<&str>) -> std::fmt::Result {
    writeln!(out, "[[suppress]]\nrule = {}", toml_string(&finding.rule_code))?;
    // Paths in the configuration are globs.
    writeln!(out, "path = {}", toml_string(&glob(&finding.path)))?;
    if let Some(sha256) = sha256 {
        writeln!(out, "sha256 = {}", toml_string(sha256))?;
    }
    writeln!(out, "reason = \"say why this is safe\"")?;
    if let Some(day) = expiry(report.start_time) {
        writeln!(out, "expires = {}", toml_string(&day))?;
    }
    writeln!(out)
}

/// The day a while after the run; None for reproducible reports, which know no day.
fn expiry(start: f64) -> Option<String> {
    if !(1.0..1e11).contains(&start) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked above")]
    let start = Timestamp::from_second(start as i64).ok()?;
    let end = start.checked_add(SignedDuration::from_hours(24 * DAYS)).ok()?;
    Some(end.to_zoned(TimeZone::UTC).date().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_end_three_months_later() {
        assert_eq!(expiry(1_750_168_822.5).as_deref(), Some("2025-09-15"));
        assert_eq!(expiry(0.0), None);
    }
}
