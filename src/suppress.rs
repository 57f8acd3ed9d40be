//! Which findings do not count, and why: flags, `[[suppress]]`, `[ignore]`, the baseline, in this order; the first match
//! decides.
//!
//! A suppressed finding stays in the report, marked. Every entry counts what it suppressed, so that entries which no
//! longer do anything, or have expired, come to light.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::civil::Date;

use crate::config::{PathGlob, Settings, Source, SuppressEntry};
use crate::finding::Suppression;
use crate::report::{Coverage, Status, SuppressionState, SuppressionStatus};

/// Days before its last one from which on an entry is called to mind.
const SOON: i32 = 14;

/// Entries that get a note of their own; one more note counts the others.
const NOTES: usize = 20;

/// The finding that a suppression is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Sought<'a> {
    /// Rule code.
    pub code: &'a str,
    /// Path of the file.
    pub path: &'a str,
    /// Identity of the finding.
    pub fingerprint: &'a str,
    /// Digest of the file, if it was taken.
    pub sha256: Option<&'a str>,
    /// The path before the change under review renamed the file, and the finding's identity there.
    pub former: Option<(&'a str, &'a str)>,
}

/// One decision with its tally.
#[derive(Debug)]
struct Entry<'s> {
    rules: &'s [String],
    path: Option<&'s PathGlob>,
    fingerprint: Option<&'s str>,
    sha256: Option<&'s str>,
    mark: Suppression,
    place: &'s Source,
    expired: Option<Date>,
    expires_soon: Option<Date>,
    /// Findings that it suppressed, or would have, had it not expired.
    matched: AtomicU64,
}

/// All suppressions of a run. Shared by its threads.
#[derive(Debug)]
pub struct Suppressions<'s> {
    entries: Vec<Entry<'s>>,
    /// True once a finding came without the digest of its file.
    without_digest: AtomicBool,
}

impl<'s> Suppressions<'s> {
    /// The suppressions that settings ask for; those that ended before `today` are kept apart.
    #[must_use]
    pub fn new(settings: &'s Settings, today: Date) -> Self {
        let (accepted, listed): (Vec<_>, Vec<_>) = settings.suppress.iter().partition(|entry| entry.baseline);
        let ignored = settings.ignore.iter().map(|entry| Entry {
            rules: &entry.rules,
            path: Some(&entry.path),
            fingerprint: None,
            sha256: None,
            mark: Suppression { source: "ignore".to_owned(), reason: None, owner: None, expires: None },
            place: &entry.source,
            expired: None,
            expires_soon: None,
            matched: AtomicU64::new(0),
        });
        let entry = |entry: &'s SuppressEntry| Entry::listed(entry, today);
        let entries = listed.into_iter().map(entry).chain(ignored).chain(accepted.into_iter().map(entry)).collect();
        Self { entries, without_digest: AtomicBool::new(false) }
    }

    /// The first suppression that holds for a finding; it is counted if `count`.
    #[must_use]
    pub fn find(&self, sought: &Sought<'_>, count: bool) -> Option<Suppression> {
        if sought.sha256.is_none() && count {
            self.without_digest.store(true, Ordering::Relaxed);
        }
        for entry in self.entries.iter().filter(|entry| entry.holds(sought)) {
            if count {
                entry.matched.fetch_add(1, Ordering::Relaxed);
            }
            if entry.expired.is_none() {
                return Some(entry.mark.clone());
            }
        }
        None
    }

    /// The entries that somebody should look at: those that have expired or soon will, and those that cover nothing,
    /// as far as that can be told from what was read. `everything`: all files were looked at.
    #[must_use]
    pub fn states(&self, folders: &[String], coverage: &[Coverage]) -> Vec<SuppressionState> {
        self.entries.iter().filter_map(|entry| Some(entry.state(entry.status(folders, coverage)?))).collect()
    }

    /// What the user should know about these entries.
    #[must_use]
    pub fn notes(&self, states: &[SuppressionState]) -> Vec<String> {
        let without_digest = self.without_digest.load(Ordering::Relaxed);
        let mut notes: Vec<String> = states.iter().take(NOTES).map(|state| note(state, without_digest)).collect();
        let more = states.len().saturating_sub(NOTES);
        if more > 0 {
            notes.push(format!("{more} more suppressions have expired, soon will, or match nothing"));
        }
        notes
    }
}

impl<'s> Entry<'s> {
    fn listed(entry: &'s SuppressEntry, today: Date) -> Self {
        let source = match entry.source {
            _ if entry.baseline => "baseline",
            Source::Flag(_) => "flag",
            Source::Env(_) => "environment",
            Source::File { .. } | Source::Default => "config",
        };
        let days = |last: Date| today.until(last).map_or(0, |span| span.get_days());
        Self {
            rules: entry.rule.as_slice(),
            path: entry.path.as_ref(),
            fingerprint: entry.fingerprint.as_deref(),
            sha256: entry.sha256.as_deref(),
            mark: Suppression {
                source: source.to_owned(),
                reason: entry.reason.clone(),
                owner: entry.owner.clone(),
                expires: entry.expires.map(|date| date.to_string()),
            },
            place: &entry.source,
            expired: entry.expires.filter(|last| *last < today),
            expires_soon: entry.expires.filter(|last| *last >= today && days(*last) <= SOON),
            matched: AtomicU64::new(0),
        }
    }

    fn holds(&self, sought: &Sought<'_>) -> bool {
        // An entry without a rule stands for any rule: only one that is bound to a content or a finding may be like that.
        let bound = self.sha256.is_some() || self.fingerprint.is_some();
        (self.rules.iter().any(|rule| rule == sought.code) || (self.rules.is_empty() && bound))
            && self.sha256.is_none_or(|wanted| sought.sha256 == Some(wanted))
            && (self.is_at(sought.path, sought.fingerprint)
                // What was accepted moves with a file that was only renamed. A glob alone does not: who moves a file out
                // of a folder moves it out of what holds for the folder.
                || self.fingerprint.is_some()
                    && sought.former.is_some_and(|(path, fingerprint)| self.is_at(path, fingerprint)))
    }

    fn is_at(&self, path: &str, fingerprint: &str) -> bool {
        self.fingerprint.is_none_or(|wanted| wanted == fingerprint) && self.path.is_none_or(|glob| glob.matches(path))
    }

    fn status(&self, folders: &[String], coverage: &[Coverage]) -> Option<SuppressionStatus> {
        let used = self.matched.load(Ordering::Relaxed) > 0;
        match (self.expired, self.expires_soon) {
            (Some(_), _) => Some(SuppressionStatus::Expired),
            (None, Some(_)) if used => Some(SuppressionStatus::Expiring),
            _ if used || !self.was_looked_for(folders, coverage) => None,
            _ => Some(SuppressionStatus::Unused),
        }
    }

    /// True if everything that the entry could cover was read to its end.
    fn was_looked_for(&self, folders: &[String], coverage: &[Coverage]) -> bool {
        let unread = |file: &Coverage| match (file.status, self.path) {
            (Status::Complete, _) => false,
            (_, Some(glob)) => glob.matches(&file.path),
            // It is about no file in particular: one that nothing can read is no reason to keep it.
            (status, None) => status != Status::Skipped,
        };
        // A name without a folder stands for files of that name anywhere, unless it is bound to a finding.
        let one_file = |path: &str| self.fingerprint.is_some() || path.contains('/');
        let read = |file: &Coverage| {
            file.status == Status::Complete
                && one_file(&file.path)
                && self.path.is_some_and(|glob| glob.is_exactly(&file.path))
        };
        // A pattern that begins with the name of a folder covers nothing outside of it.
        let within = |folder: &String| {
            folder.is_empty() || self.path.is_some_and(|glob| glob.as_str().starts_with(folder.as_str()))
        };
        (folders.iter().any(within) || coverage.iter().any(read)) && !coverage.iter().any(unread)
    }

    fn state(&self, status: SuppressionStatus) -> SuppressionState {
        let Suppression { source, reason, owner, expires } = self.mark.clone();
        SuppressionState {
            status,
            source,
            place: self.place.to_string(),
            rules: self.rules.to_vec(),
            path: self.path.map(|glob| glob.as_str().to_owned()),
            fingerprint: self.fingerprint.map(str::to_owned),
            sha256: self.sha256.map(str::to_owned),
            expires,
            reason,
            owner,
            findings: self.matched.load(Ordering::Relaxed),
        }
    }
}

fn note(state: &SuppressionState, without_digest: bool) -> String {
    let SuppressionState { place, expires, .. } = state;
    let (what, last) = (describe(state), expires.as_deref().unwrap_or("an earlier day"));
    match state.status {
        SuppressionStatus::Expired => {
            let effect = if state.findings > 0 { "its findings count again" } else { "remove it" };
            format!("{place}: the suppression of {what} ended on {last}: {effect}")
        }
        SuppressionStatus::Expiring => {
            format!("{place}: the suppression of {what} ends on {last}: its findings will count again")
        }
        SuppressionStatus::Unused => {
            let why = match state.source.as_str() {
                _ if state.sha256.is_some() && without_digest => "digests were not computed",
                "baseline" => "`modelaudit baseline update` removes it",
                _ => "remove it, or correct its conditions",
            };
            format!("{place}: the suppression of {what} matched nothing: {why}")
        }
    }
}

fn describe(state: &SuppressionState) -> String {
    let mut what = match state.rules.as_slice() {
        [] => "every rule".to_owned(),
        rules => rules.join(", "),
    };
    if let Some(path) = &state.path {
        what += &format!(" in {}", crate::escape::printable(path, crate::escape::CAP));
    }
    if let Some(sha256) = &state.sha256 {
        what += &format!(" for sha256:{sha256}");
    }
    what
}
