//! From hits to findings and a verdict: the only place where severity changes.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::Value as Json;

use crate::bytes::InputName;
use crate::config::Settings;
use crate::escape::{self, printable};
use crate::finding::{Finding, State, fingerprint};
use crate::report::{Coverage, RuleInfo, Status, SuppressionState, Verdict};
use crate::rules::{Hit, Rule, RuleSet, order};
use crate::suppress::{Sought, Suppressions};

/// Longest path that a location repeats, in characters; no file system allows more.
const MAX_PATH: usize = 4096;

/// Today in UTC, the day that expiry is compared with.
#[must_use]
pub fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// What is known of the file that a hit is in.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileContext<'a> {
    /// Digest of the top-level file, if it was taken.
    pub sha256: Option<&'a str>,
    /// Its path before the change under review renamed it.
    pub former: Option<&'a str>,
    /// True for the version before the change: what is suppressed there does not need its suppression.
    pub base: bool,
}

/// Decides what hits are worth. One for a run, shared by its threads.
#[derive(Debug)]
pub struct Policy<'s> {
    settings: &'s Settings,
    rules: &'s RuleSet,
    suppressions: Suppressions<'s>,
}

impl<'s> Policy<'s> {
    /// The policy that settings ask for, on the day `today`.
    #[must_use]
    pub fn new(settings: &'s Settings, rules: &'s RuleSet, today: Date) -> Self {
        Self { settings, rules, suppressions: Suppressions::new(settings, today) }
    }

    /// What a hit is worth and whether it counts.
    ///
    /// The severity is that of the rule's clause, unless the user gave the rule another. The state is `new`: whoever
    /// compares with a base corrects it.
    #[must_use]
    pub fn finding(&self, hit: Hit<'_>, file: &FileContext<'_>) -> Finding {
        let Hit { rule, name, span, related, occurrences, offsets, evidence, mut details, .. } = hit;
        let severity = self.settings.severity.get(&rule.code).map_or(hit.severity, |level| level.value);
        if let Some(span) = span {
            details.insert("position".into(), span.offset.into());
        }
        if offsets.len() > 1 {
            details.insert("positions".into(), offsets.into_iter().map(Json::from).collect());
        }
        // The identity is taken from the names as stored; what is shown is escaped and capped.
        let identity = |path: &str| fingerprint(&rule.code, path, &name.members, &evidence);
        let (own, former) = (identity(&name.path), file.former.map(|path| (path, identity(path))));
        let sought = Sought {
            code: &rule.code,
            path: &name.path,
            fingerprint: &own,
            sha256: file.sha256,
            former: former.as_ref().map(|(path, fingerprint)| (*path, fingerprint.as_str())),
        };
        let suppression = self.suppressions.find(&sought, !file.base);
        Finding {
            rule_code: rule.code.clone(),
            rule_name: rule.name.clone(),
            severity,
            severity_score: severity.score(),
            safety_level: severity.safety_level(),
            message: hit.message,
            location: location(&name, span.map(|span| span.offset)),
            fingerprint: own,
            suppression,
            members: name.members.iter().map(|member| printable(member, escape::CAP)).collect(),
            path: name.path,
            offset: span.map(|span| span.offset),
            length: span.map(|span| span.length).filter(|length| *length > 0),
            why: rule.why.clone(),
            fix: rule.fix.clone(),
            cwe: rule.cwe.clone(),
            cve: rule.cve.clone(),
            details,
            related_rules: related,
            occurrences,
            state: State::New,
        }
    }

    /// The outcome of a run: its findings, the coverage of its files, and problems of the run itself.
    ///
    /// A finding at or above the threshold fails the run whatever else went wrong. Otherwise the job counts as not
    /// done if there is an error: the engine states one for each file that could not be read to the end of what its
    /// format promises. A file that was skipped, or read but for a part that has no decoder, makes it so only in a
    /// strict run.
    #[must_use]
    pub fn verdict(&self, findings: &[Finding], coverage: &[Coverage], errors: &[String]) -> Verdict {
        let fails = |finding: &Finding| {
            finding.is_active() && self.settings.fail_on.value.is_some_and(|threshold| finding.severity >= threshold)
        };
        let unread = |file: &Coverage| match file.status {
            Status::Complete => false,
            // What the user excluded is not missing.
            Status::Skipped => self.settings.strict.value && !self.excluded(file),
            Status::Partial => self.settings.strict.value,
            Status::Failed => true,
        };
        if findings.iter().any(fails) {
            Verdict::Fail
        } else if !errors.is_empty() || coverage.iter().any(unread) {
            Verdict::Error
        } else {
            Verdict::Pass
        }
    }

    /// True for a file that a glob of the settings leaves out: the reason names the glob.
    fn excluded(&self, file: &Coverage) -> bool {
        let glob = file.reason.as_deref().and_then(|reason| reason.strip_prefix("excluded by `")?.strip_suffix('`'));
        glob.is_some_and(|glob| self.settings.exclude.iter().any(|entry| entry.value.as_str() == glob))
    }

    /// The suppressions that somebody should look at. `everything`: all files were looked at.
    #[must_use]
    pub fn suppressions(&self, folders: &[String], coverage: &[Coverage]) -> Vec<SuppressionState> {
        self.suppressions.states(folders, coverage)
    }

    /// What the user should know: notes on the settings, on what they suppressed, and on suppressions.
    #[must_use]
    pub fn notes(&self, findings: &[Finding], suppressions: &[SuppressionState]) -> Vec<String> {
        let mut notes = self.settings.notes.clone();
        let from_file = |finding: &&Finding| {
            finding.suppression.as_ref().is_some_and(|mark| matches!(mark.source.as_str(), "config" | "ignore"))
        };
        let suppressed = findings.iter().filter(from_file).count();
        if let Some(file) = self.settings.file.as_ref().filter(|_| suppressed > 0) {
            let (name, s) =
                (file.file_name().unwrap_or_default().to_string_lossy(), if suppressed > 1 { "s" } else { "" });
            notes.push(format!("{} suppresses {suppressed} finding{s}", printable(&name, escape::CAP)));
        }
        notes.extend(self.suppressions.notes(suppressions));
        notes
    }

    /// The rules that findings are made of or refer to, in the order of their codes.
    #[must_use]
    pub fn reported(&self, findings: &[Finding]) -> Vec<RuleInfo> {
        let related = findings.iter().flat_map(|finding| &finding.related_rules);
        let codes: BTreeSet<&String> = findings.iter().map(|finding| &finding.rule_code).chain(related).collect();
        let mut rules: Vec<RuleInfo> =
            codes.into_iter().filter_map(|code| self.rules.get(code)).map(Rule::info).collect();
        rules.sort_by_key(|rule| order(&rule.code));
        rules
    }
}

/// `evil.pickle (pos 28)`, `model.zip!/archive/data.pkl (pos 28)`; escaped.
fn location(name: &InputName, offset: Option<u64>) -> String {
    let mut text = printable(&name.path, MAX_PATH);
    for member in &name.members {
        text.push_str("!/");
        text.push_str(&printable(member, escape::CAP));
    }
    if let Some(offset) = offset {
        text += &format!(" (pos {offset})");
    }
    text
}
