//! Which findings do not count, and why: flags, `[[suppress]]`, `[ignore]`, in this order; the first match decides.
//!
//! A suppressed finding stays in the report, marked. Every entry counts what it suppressed, so that entries which no
//! longer do anything, or have expired, come to light.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::civil::Date;

use crate::config::{PathGlob, Settings, Source, SuppressEntry};
use crate::finding::Suppression;

/// One decision with its tally.
#[derive(Debug)]
struct Entry<'s> {
    rules: &'s [String],
    path: Option<&'s PathGlob>,
    sha256: Option<&'s str>,
    mark: Suppression,
    place: &'s Source,
    expired: Option<Date>,
    /// Findings that it suppressed.
    matched: AtomicU64,
    /// True once it would have matched, had it not expired.
    missed: AtomicBool,
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
        let listed = settings.suppress.iter().map(|entry| Entry::listed(entry, today));
        let ignored = settings.ignore.iter().map(|entry| Entry {
            rules: &entry.rules,
            path: Some(&entry.path),
            sha256: None,
            mark: Suppression { source: "ignore".to_owned(), reason: None, owner: None, expires: None },
            place: &entry.source,
            expired: None,
            matched: AtomicU64::new(0),
            missed: AtomicBool::new(false),
        });
        Self { entries: listed.chain(ignored).collect(), without_digest: AtomicBool::new(false) }
    }

    /// The first suppression that holds for a finding of rule `code` in the file `path`, and counts it.
    #[must_use]
    pub fn find(&self, code: &str, path: &str, sha256: Option<&str>) -> Option<Suppression> {
        if sha256.is_none() {
            self.without_digest.store(true, Ordering::Relaxed);
        }
        for entry in self.entries.iter().filter(|entry| entry.holds(code, path, sha256)) {
            if entry.expired.is_some() {
                entry.missed.store(true, Ordering::Relaxed);
                continue;
            }
            entry.matched.fetch_add(1, Ordering::Relaxed);
            return Some(entry.mark.clone());
        }
        None
    }

    /// What the user should know about entries of this kind: those that have expired, and, if everything was
    /// scanned, those that nothing matched.
    #[must_use]
    pub fn notes(&self, everything: bool) -> Vec<String> {
        let without_digest = self.without_digest.load(Ordering::Relaxed);
        self.entries.iter().filter_map(|entry| entry.note(everything, without_digest)).collect()
    }
}

impl<'s> Entry<'s> {
    fn listed(entry: &'s SuppressEntry, today: Date) -> Self {
        let source = match entry.source {
            Source::Flag(_) => "flag",
            Source::Env(_) => "environment",
            Source::File { .. } | Source::Default => "config",
        };
        Self {
            rules: entry.rule.as_slice(),
            path: entry.path.as_ref(),
            sha256: entry.sha256.as_deref(),
            mark: Suppression {
                source: source.to_owned(),
                reason: entry.reason.clone(),
                owner: entry.owner.clone(),
                expires: entry.expires.map(|date| date.to_string()),
            },
            place: &entry.source,
            expired: entry.expires.filter(|last| *last < today),
            matched: AtomicU64::new(0),
            missed: AtomicBool::new(false),
        }
    }

    fn holds(&self, code: &str, path: &str, sha256: Option<&str>) -> bool {
        // An entry without a rule stands for any rule: only one with a digest may be like that.
        (self.rules.iter().any(|rule| rule == code) || (self.rules.is_empty() && self.sha256.is_some()))
            && self.path.is_none_or(|glob| glob.matches(path))
            && self.sha256.is_none_or(|wanted| sha256 == Some(wanted))
    }

    fn note(&self, everything: bool, without_digest: bool) -> Option<String> {
        let (what, place) = (self.describe(), self.place);
        if let Some(last) = self.expired {
            let effect = if self.missed.load(Ordering::Relaxed) { "its findings count again" } else { "remove it" };
            return Some(format!("{place}: the suppression of {what} ended on {last}: {effect}"));
        }
        if !everything || self.matched.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let why = match self.sha256.is_some() && without_digest {
            true => "digests were not computed",
            false => "remove it, or correct its conditions",
        };
        Some(format!("{place}: the suppression of {what} matched nothing: {why}"))
    }

    fn describe(&self) -> String {
        let mut what = match self.rules {
            [] => "every rule".to_owned(),
            rules => rules.join(", "),
        };
        if let Some(path) = self.path {
            what += &format!(" in {}", crate::escape::printable(path.as_str(), crate::escape::CAP));
        }
        if let Some(sha256) = self.sha256 {
            what += &format!(" for sha256:{sha256}");
        }
        what
    }
}
