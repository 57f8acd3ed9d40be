//! The result of a run: frozen plain data, all that a renderer may see.
//!
//! Its JSON form is the contract of `docs/generated/schema/report-v1.schema.json`.

mod texts;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use texts::Text;

use crate::finding::{Finding, Severity};

/// How much of one file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// To the end of what its format promises.
    Complete,
    /// In part: facts up to the stop are kept.
    Partial,
    /// Not at all, by decision: no decoder, excluded, a pointer without its object.
    Skipped,
    /// Not at all, by accident.
    Failed,
}

/// The coverage of one top-level file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Path relative to the scan root.
    pub path: String,
    /// How much was read.
    pub status: Status,
    /// Why not all; None only if complete.
    pub reason: Option<String>,
    /// Size of the file in bytes.
    pub bytes: u64,
}

/// One model file of the inventory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// Path relative to the scan root.
    pub path: String,
    /// Format by its table name.
    #[serde(rename = "type")]
    pub format: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the whole file in hex, unless payloads were not read.
    pub sha256: Option<String>,
    /// Names of tensors, the first thousand.
    pub tensors: Vec<String>,
    /// How many tensors there are.
    pub tensor_count: u64,
    /// Metadata that the file carries, escaped and capped.
    pub metadata: Map<String, Value>,
    /// Formats of the members, each once.
    pub contains: Vec<String>,
    /// For a `PyTorch` checkpoint: what a load that admits only weights makes of it.
    pub weights_only: Option<WeightsOnly>,
}

/// What `torch.load(weights_only=True)` would make of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsOnly {
    /// True if it would load the checkpoint.
    pub accepted: bool,
    /// The first few opcodes and names that it refuses, escaped and capped; empty if it accepts.
    pub refused: String,
}

/// What a diff-aware run compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diff {
    /// What the user asked for: `diff` or `staged`.
    pub mode: String,
    /// Base revision as given or found; None if none could be found.
    pub base: Option<String>,
    /// Commit id of the merge base.
    pub merge_base: Option<String>,
    /// Commit id of the head; None for the index or worktree.
    pub head: Option<String>,
    /// Why everything was scanned instead of the changes; None if the changes were.
    pub full_scan_reason: Option<String>,
    /// Files that the change touches and that were scanned.
    pub changed: Vec<Change>,
    /// Findings of the base version that the change removes.
    pub fixed: Vec<Finding>,
}

/// One changed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Path in the head version.
    pub path: String,
    /// `added`, `modified`, `renamed`, `copied`, `type-changed`, `companion` (unchanged, but a file beside it changed).
    pub change: String,
    /// Path in the base version, if it has another name there, or the companion that changed.
    pub from: Option<String>,
}

/// The checkout that the scanned files belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkout {
    /// Address of the repository's remote, without credentials.
    pub repository: Option<String>,
    /// Commit id of the scanned state.
    pub revision: Option<String>,
    /// Branch, if one is checked out.
    pub branch: Option<String>,
}

/// The program that wrote the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// `modelaudit`.
    pub name: String,
    /// Version.
    pub version: String,
    /// Digest of the rules, sets and patterns in force: `sha256:…`.
    pub rules_digest: String,
    /// Digest of the table of known Python names: `sha256:…`. The rules' digest covers it too.
    pub names_digest: String,
}

/// What a renderer needs to know of a rule that this run reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleInfo {
    /// Code, `S101`.
    pub code: String,
    /// Name, `os-module-import`.
    pub name: String,
    /// One line.
    pub title: String,
    /// Default severity.
    pub severity: Severity,
    /// What it means and why it matters, markdown.
    pub why: String,
    /// What to do, markdown.
    pub fix: String,
    /// CWE numbers.
    pub cwe: Vec<u32>,
    /// MITRE ATLAS technique ids.
    pub atlas: Vec<String>,
    /// Links.
    pub refs: Vec<String>,
    /// SARIF precision: `very-high`, `high`, `medium`, `low`.
    pub precision: String,
    /// Prisma AIRS policies it belongs to.
    pub prisma: Vec<String>,
}

/// What is wrong with a suppression, or soon will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SuppressionStatus {
    /// Its last day is over: what it covered counts again.
    Expired,
    /// It counts, and its last day is near.
    Expiring,
    /// Nothing that was scanned needs it.
    Unused,
}

impl SuppressionStatus {
    /// True if it has no effect any more and should be removed or renewed.
    #[must_use]
    pub const fn is_stale(self) -> bool {
        matches!(self, Self::Expired | Self::Unused)
    }
}

/// A suppression that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuppressionState {
    /// What is wrong.
    pub status: SuppressionStatus,
    /// What kind of list it is in: `config`, `flag`, `environment`, `ignore`, `baseline`.
    pub source: String,
    /// Where it stands: `.modelaudit.toml:3:1`.
    pub place: String,
    /// Rule codes; empty for any rule.
    pub rules: Vec<String>,
    /// Glob on the path.
    pub path: Option<String>,
    /// Identity of the finding.
    pub fingerprint: Option<String>,
    /// Digest of the file.
    pub sha256: Option<String>,
    /// Last day on which it counts, ISO 8601.
    pub expires: Option<String>,
    /// The reason that its author gave.
    pub reason: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Findings that it covers; of an expired one those that count again.
    pub findings: u64,
}

/// The words for the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing at or above the threshold.
    Pass,
    /// At least one active finding at or above the threshold.
    Fail,
    /// The job could not be done.
    Error,
}

impl Verdict {
    /// The exit code of the process.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Error => 2,
        }
    }
}

/// One run. Sorted and frozen before it leaves the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// 1.
    pub schema_version: u32,
    /// Who wrote it.
    pub tool: Tool,
    /// The outcome; equals the exit code.
    pub verdict: Verdict,
    /// The threshold that decided; None if nothing fails the run.
    pub fail_on: Option<Severity>,
    /// Seconds since 1970; 0 in reproducible reports.
    pub start_time: f64,
    /// Seconds; 0 in reproducible reports.
    pub duration: f64,
    /// Top-level files that were scanned.
    pub files_scanned: u64,
    /// Their bytes.
    pub bytes_scanned: u64,
    /// Files looked at that are no model and hold nothing that is one.
    pub files_ignored: u64,
    /// True if anything could not be read.
    pub has_errors: bool,
    /// Formats that were met.
    pub scanner_names: Vec<String>,
    /// Present if the scanned files are under version control and that was looked at.
    pub checkout: Option<Checkout>,
    /// Present for diff-aware runs.
    pub diff: Option<Diff>,
    /// All findings, suppressed ones included and marked.
    pub issues: Vec<Finding>,
    /// Inventory.
    pub assets: Vec<Asset>,
    /// One entry a file.
    pub coverage: Vec<Coverage>,
    /// Suppressions that have expired, soon will, or cover nothing.
    pub suppressions: Vec<SuppressionState>,
    /// Problems of the run itself: targets that do not exist.
    pub errors: Vec<String>,
    /// Things the user should know that fail nothing.
    pub notes: Vec<String>,
    /// The rules that `issues` mention.
    pub rules: Vec<RuleInfo>,
}

impl Report {
    /// Active findings: neither suppressed nor fixed.
    pub fn active(&self) -> impl Iterator<Item = &Finding> {
        self.issues.iter().filter(|finding| finding.is_active())
    }
}
