//! What was not read completely, put together so that a thousand files of one kind are one line.

use std::collections::{BTreeMap, BTreeSet};

use super::phrase;
use crate::escape::printable;
use crate::report::{Coverage, Report, Status};

/// Longest reason that is shown, in characters.
pub(super) const REASON_CAP: usize = 400;

/// Most extensions that one group lists by name.
const KINDS: usize = 8;

/// Files with one status and one reason.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) status: Status,
    pub(super) reason: String,
    pub(super) files: u64,
    /// `12 onnx, 2 gguf`: how many of each extension, commonest first.
    pub(super) kinds: String,
}

/// The groups of the files that were not read at all by decision, largest first.
pub(super) fn skipped(report: &Report) -> Vec<Group> {
    let mut groups: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for file in report.coverage.iter().filter(|file| file.status == Status::Skipped) {
        *groups.entry(reason(file)).or_default().entry(phrase::extension(&file.path)).or_default() += 1;
    }
    let mut groups: Vec<Group> = groups
        .into_iter()
        .map(|(reason, kinds)| Group {
            status: Status::Skipped,
            reason,
            files: kinds.values().sum(),
            kinds: list(kinds),
        })
        .collect();
    groups.sort_by(|a, b| b.files.cmp(&a.files).then_with(|| a.reason.cmp(&b.reason)));
    groups
}

/// The files that were read in part or not at all by accident: failed ones first. Each of them deserves its name.
pub(super) fn broken(report: &Report) -> impl Iterator<Item = &Coverage> {
    let with = |status| report.coverage.iter().filter(move |file| file.status == status);
    with(Status::Failed).chain(with(Status::Partial))
}

/// How many files were not read completely.
pub(super) fn total(report: &Report) -> u64 {
    report.coverage.iter().filter(|file| file.status != Status::Complete).count() as u64
}

/// The paths of the files that were skipped.
pub(super) fn names(report: &Report) -> BTreeSet<&str> {
    report.coverage.iter().filter(|file| file.status == Status::Skipped).map(|file| file.path.as_str()).collect()
}

/// Why a file was not read completely, in visible characters.
pub(super) fn reason(file: &Coverage) -> String {
    file.reason.as_deref().map_or_else(|| "no reason given".into(), |reason| printable(reason, REASON_CAP))
}

/// The word for a status.
pub(super) const fn word(status: Status) -> &'static str {
    match status {
        Status::Complete => "complete",
        Status::Partial => "partial",
        Status::Skipped => "skipped",
        Status::Failed => "failed",
    }
}

fn list(kinds: BTreeMap<String, u64>) -> String {
    let mut kinds: Vec<(String, u64)> = kinds.into_iter().collect();
    // The sort is stable: equal counts stay in alphabetical order.
    kinds.sort_by_key(|(_, files)| std::cmp::Reverse(*files));
    let rest: u64 = kinds.iter().skip(KINDS).map(|(_, files)| files).sum();
    let mut parts: Vec<String> = kinds.iter().take(KINDS).map(|(kind, files)| format!("{files} {kind}")).collect();
    if rest > 0 {
        parts.push(format!("{rest} of other kinds"));
    }
    parts.join(", ")
}
