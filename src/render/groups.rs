//! Findings by rule and file, for consumers that know a place in a file by its line: a model has none, so all findings
//! of one rule in one file are one entry there.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::finding::{Finding, Severity};
use crate::report::{Report, RuleInfo};

/// The findings of one rule in one file, worst first.
pub(super) struct Group<'r> {
    /// The worst one.
    pub(super) worst: &'r Finding,
    /// The others.
    pub(super) others: Vec<&'r Finding>,
    /// What the report says of the rule.
    pub(super) rule: Option<&'r RuleInfo>,
}

impl<'r> Group<'r> {
    /// All findings of the group.
    pub(super) fn findings(&self) -> impl Iterator<Item = &'r Finding> {
        std::iter::once(self.worst).chain(self.others.iter().copied())
    }

    /// How many they are.
    pub(super) const fn len(&self) -> usize {
        1 + self.others.len()
    }

    /// The rule in one line.
    pub(super) fn title(&self) -> &'r str {
        self.rule.map_or(&self.worst.rule_name, |rule| &rule.title)
    }
}

/// Groups the findings that are wanted, the worst group first.
pub(super) fn by_rule_and_file<'r>(report: &'r Report, findings: impl Iterator<Item = &'r Finding>) -> Vec<Group<'r>> {
    let mut groups: Vec<Group<'r>> = Vec::new();
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    for finding in worst_first(findings) {
        let key = (finding.rule_code.as_str(), finding.path.as_str());
        if let Some(group) = places.get(&key).and_then(|place| groups.get_mut(*place)) {
            group.others.push(finding);
            continue;
        }
        places.insert(key, groups.len());
        let rule = report.rules.iter().find(|rule| rule.code == finding.rule_code);
        groups.push(Group { worst: finding, others: Vec::new(), rule });
    }
    groups
}

/// By severity, new ones before those that the base has too; equals stay in the order of the report.
pub(super) fn worst_first<'r>(findings: impl Iterator<Item = &'r Finding>) -> Vec<&'r Finding> {
    let mut findings: Vec<&Finding> = findings.collect();
    findings.sort_by_key(|finding| (Reverse(finding.severity), finding.state));
    findings
}

/// True if a finding of this severity fails the run.
pub(super) fn fails(report: &Report, severity: Severity) -> bool {
    report.fail_on.is_some_and(|threshold| severity >= threshold)
}
