//! Every text of a report that may come from a scanned file, from its name or from another program: one walk for all
//! who must look at each of them. The patterns name every field, so that a new one cannot be forgotten.

use serde_json::{Map, Value};

use super::{Asset, Change, Checkout, Coverage, Diff, Report, RuleInfo, SuppressionState, Tool, WeightsOnly};
use crate::finding::{Finding, Suppression};

/// What kind of text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// The path of a file: programs compare it with other paths.
    Path,
    /// The name of a member of a file.
    Member,
    /// A line for people.
    Line,
    /// An explanation of the rules, of several lines.
    Prose,
}

/// Is given each text once.
type Visit<'v> = dyn FnMut(Text, &mut String) + 'v;

impl Report {
    /// Visits every text but codes, digests and other words of a fixed form. Findings come first, in their order.
    pub fn each_text(&mut self, visit: &mut Visit<'_>) {
        let Self {
            schema_version: _,
            tool,
            verdict: _,
            fail_on: _,
            start_time: _,
            duration: _,
            files_scanned: _,
            bytes_scanned: _,
            files_ignored: _,
            has_errors: _,
            scanner_names,
            checkout,
            diff,
            issues,
            assets,
            coverage,
            suppressions,
            errors,
            notes,
            rules,
        } = self;
        for finding in issues {
            of_finding(finding, visit);
        }
        if let Some(diff) = diff {
            of_diff(diff, visit);
        }
        for asset in assets {
            of_asset(asset, visit);
        }
        for Coverage { path, status: _, reason, bytes: _ } in coverage {
            visit(Text::Path, path);
            lines(reason, visit);
        }
        for state in suppressions {
            of_suppression_state(state, visit);
        }
        if let Some(Checkout { repository, revision, branch }) = checkout {
            lines([repository, revision, branch].into_iter().flatten(), visit);
        }
        let Tool { name: _, version, rules_digest, names_digest } = tool;
        lines([version, rules_digest, names_digest].into_iter().chain(errors).chain(notes).chain(scanner_names), visit);
        for rule in rules {
            of_rule(rule, visit);
        }
    }
}

fn lines<'t>(texts: impl IntoIterator<Item = &'t mut String>, visit: &mut Visit<'_>) {
    texts.into_iter().for_each(|text| visit(Text::Line, text));
}

fn of_finding(finding: &mut Finding, visit: &mut Visit<'_>) {
    let Finding {
        rule_code: _,
        rule_name: _,
        severity: _,
        severity_score: _,
        safety_level: _,
        message,
        location,
        path,
        members,
        offset: _,
        length: _,
        why,
        fix,
        cwe: _,
        cve: _,
        details,
        related_rules: _,
        occurrences: _,
        fingerprint: _,
        state: _,
        suppression,
    } = finding;
    visit(Text::Path, path);
    for name in members {
        visit(Text::Member, name);
    }
    lines([message, location], visit);
    visit(Text::Prose, why);
    visit(Text::Prose, fix);
    of_map(details, visit);
    if let Some(Suppression { source, reason, owner, expires }) = suppression {
        lines([Some(source), reason.as_mut(), owner.as_mut(), expires.as_mut()].into_iter().flatten(), visit);
    }
}

fn of_diff(diff: &mut Diff, visit: &mut Visit<'_>) {
    let Diff { mode, base, merge_base, head, full_scan_reason, changed, fixed } = diff;
    for finding in fixed {
        of_finding(finding, visit);
    }
    for Change { path, change, from } in changed {
        visit(Text::Path, path);
        visit(Text::Line, change);
        if let Some(path) = from {
            visit(Text::Path, path);
        }
    }
    visit(Text::Line, mode);
    lines([base, merge_base, head, full_scan_reason].into_iter().flatten(), visit);
}

fn of_asset(asset: &mut Asset, visit: &mut Visit<'_>) {
    let Asset { path, format, size: _, sha256: _, tensors, tensor_count: _, metadata, contains, weights_only } = asset;
    visit(Text::Path, path);
    visit(Text::Line, format);
    lines(tensors.iter_mut().chain(contains), visit);
    of_map(metadata, visit);
    if let Some(WeightsOnly { accepted: _, refused }) = weights_only {
        visit(Text::Line, refused);
    }
}

fn of_suppression_state(state: &mut SuppressionState, visit: &mut Visit<'_>) {
    let SuppressionState {
        status: _,
        source,
        place,
        rules: _,
        path,
        fingerprint: _,
        sha256: _,
        expires,
        reason,
        owner,
        findings: _,
    } = state;
    if let Some(glob) = path {
        visit(Text::Member, glob);
    }
    lines([source, place].into_iter().chain([expires, reason, owner].into_iter().flatten()), visit);
}

fn of_rule(rule: &mut RuleInfo, visit: &mut Visit<'_>) {
    let RuleInfo { code: _, name: _, title, severity: _, why, fix, cwe: _, atlas: _, refs: _, precision: _, prisma: _ } =
        rule;
    visit(Text::Line, title);
    visit(Text::Prose, why);
    visit(Text::Prose, fix);
}

fn of_map(map: &mut Map<String, Value>, visit: &mut Visit<'_>) {
    for (mut key, mut value) in std::mem::take(map) {
        of_value(&mut value, visit);
        visit(Text::Line, &mut key);
        map.insert(key, value);
    }
}

/// Metadata and details are as deep as this program makes them; in a saved report the parser refuses deep nesting.
fn of_value(value: &mut Value, visit: &mut Visit<'_>) {
    match value {
        Value::String(text) => visit(Text::Line, text),
        Value::Array(items) => items.iter_mut().for_each(|item| of_value(item, visit)),
        Value::Object(map) => of_map(map, visit),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
