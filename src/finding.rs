//! What a user sees: one root cause, with its severity, reason and remedy.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::bytes::hex;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For the developers of rules; never fails a run.
    Debug,
    /// A fact worth knowing; no danger in itself.
    Info,
    /// Hygiene.
    Low,
    /// Needs a look before the file is used.
    Medium,
    /// Dangerous in ordinary use.
    High,
    /// Code that its author did not need runs when the file is loaded.
    Critical,
}

impl Severity {
    /// All levels, mildest first.
    pub const ALL: [Self; 6] = [Self::Debug, Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The number of the JSON contract, 0 to 10.
    #[must_use]
    pub const fn score(self) -> f64 {
        match self {
            Self::Debug => 0.0,
            Self::Info => 1.0,
            Self::Low => 2.5,
            Self::Medium => 5.0,
            Self::High => 7.5,
            Self::Critical => 10.0,
        }
    }

    /// The coarse level of the JSON contract.
    #[must_use]
    pub const fn safety_level(self) -> SafetyLevel {
        match self {
            Self::Debug | Self::Info => SafetyLevel::Innocuous,
            Self::Low | Self::Medium => SafetyLevel::Suspicious,
            Self::High | Self::Critical => SafetyLevel::Dangerous,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(text: &str) -> Result<Self, UnknownSeverity> {
        Self::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(text)).ok_or(UnknownSeverity)
    }
}

/// The word is not a severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a severity (critical, high, medium, low, info, debug)")]
pub struct UnknownSeverity;

/// The coarse level that the seed's reports carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SafetyLevel {
    /// Severity info or debug.
    Innocuous,
    /// Severity low or medium.
    Suspicious,
    /// Severity high or critical.
    Dangerous,
}

/// Whether a finding was there before the change under review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not in the base version, or there is no base.
    New,
    /// In the base version too.
    Unchanged,
    /// Only in the base version.
    Fixed,
}

/// Why a finding does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    /// Where the decision stands: `config`, `flag`, `ignore`, `baseline`.
    pub source: String,
    /// The reason that its author gave.
    pub reason: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Last day on which it counts, ISO 8601.
    pub expires: Option<String>,
}

/// One root cause in one input. The field order is the order in reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Rule code, `S101`.
    pub rule_code: String,
    /// Rule name, `os-module-import`.
    pub rule_name: String,
    /// Severity after policy.
    pub severity: Severity,
    /// [`Severity::score`].
    pub severity_score: f64,
    /// [`Severity::safety_level`].
    pub safety_level: SafetyLevel,
    /// One sentence with the specifics; escaped and capped.
    pub message: String,
    /// Readable location: name chain and position.
    pub location: String,
    /// Path relative to the scan root.
    pub path: String,
    /// Member names inside it, outermost first.
    pub members: Vec<String>,
    /// First byte in the innermost input, if the finding has a place.
    pub offset: Option<u64>,
    /// Length in bytes at that offset.
    pub length: Option<u64>,
    /// Why it matters: the rule's explanation.
    pub why: String,
    /// What to do.
    pub fix: String,
    /// Common Weakness Enumeration numbers.
    pub cwe: Vec<u32>,
    /// CVE ids of the loader faults concerned.
    pub cve: Vec<String>,
    /// The evidence: the fields of the fact.
    pub details: Map<String, Value>,
    /// Further rules that the same root cause meets.
    pub related_rules: Vec<String>,
    /// How often it occurs in this input.
    pub occurrences: u64,
    /// Stable identity: rule, path, members and evidence, no offsets.
    pub fingerprint: String,
    /// Against the base of the change.
    pub state: State,
    /// Present if the finding is suppressed.
    pub suppression: Option<Suppression>,
}

impl Finding {
    /// True if it counts for the verdict.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.suppression.is_none() && !matches!(self.state, State::Fixed)
    }
}

/// The identity of a finding across re-serialisation: offsets move, the evidence does not.
#[must_use]
pub fn fingerprint(rule_code: &str, path: &str, members: &[String], evidence: &str) -> String {
    let mut hash = Sha256::new();
    for part in [rule_code, path].into_iter().chain(members.iter().map(String::as_str)).chain([evidence]) {
        // Length-prefixed: no two lists of parts may give the same bytes.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex(hash.finalize().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_separate_their_parts() {
        let split = fingerprint("S101", "a", &["bc".into()], "d");
        assert_ne!(split, fingerprint("S101", "ab", &["c".into()], "d"));
        assert_eq!(split.len(), 32);
    }

    #[test]
    fn severities_parse_in_any_case_and_order_by_weight() {
        assert_eq!("HIGH".parse(), Ok(Severity::High));
        assert!(Severity::Critical > Severity::High);
        assert!("severe".parse::<Severity>().is_err());
    }
}
