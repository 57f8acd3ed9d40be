//! Whose settings count.
//!
//! In a review, the configuration and the baseline are those of the base: what somebody asks to merge does not silence
//! what it brings along. When the change touches them, everything is looked at under both, and the report says what
//! the change would silence.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::{Environment, Flags, Project};
use crate::escape::printable;
use crate::finding::Finding;
use crate::report::Report;
use crate::target::{Repo, TargetError};

/// Largest file that is read from a version; `config` has its own limits below this.
const MAX_FILE: u64 = 16 << 20;
/// Findings that a note names.
const NAMED: usize = 10;

/// The files that settings are made of, as the base and the head have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    /// Those of the base; none if this clone has no base.
    pub base: Project,
    /// Those of the head.
    pub head: Project,
}

impl Origins {
    /// Reads both versions. None: the repository has no files on the disk, so that no settings come from it.
    ///
    /// # Errors
    /// A version cannot be read.
    pub fn read(
        repo: &Repo,
        env: &Environment,
        flags: &Flags,
        base: Option<&str>,
        head: &str,
    ) -> Result<Option<Self>, TargetError> {
        let Some(root) = repo.root().and_then(|root| std::fs::canonicalize(root).ok()) else { return Ok(None) };
        let named: Vec<&Path> = flags.config.iter().chain(&flags.baseline).map(AsRef::as_ref).collect();
        let paths = env.candidates(&root, &named);
        let files = |commit: &str| repo.files(commit, &paths, MAX_FILE);
        let base = base.map_or_else(|| Ok(BTreeMap::new()), files)?;
        Ok(Some(Self {
            base: Project { root: root.clone(), files: base },
            head: Project { root, files: files(head)? },
        }))
    }

    /// The files that differ, by path.
    #[must_use]
    pub fn changed(&self) -> Vec<&str> {
        let mut paths: Vec<&str> = self.base.files.keys().chain(self.head.files.keys()).map(String::as_str).collect();
        paths.sort_unstable();
        paths.dedup();
        paths.retain(|path| self.base.files.get(*path) != self.head.files.get(*path));
        paths
    }
}

/// What the head's settings hide, or think less of, than the base's.
#[must_use]
pub fn silenced<'r>(base: &'r Report, head: &Report) -> Vec<&'r Finding> {
    let kept: BTreeMap<&str, &Finding> = head.active().map(|finding| (finding.fingerprint.as_str(), finding)).collect();
    let hidden = |finding: &&Finding| match kept.get(finding.fingerprint.as_str()) {
        None => true,
        Some(same) => same.severity < finding.severity,
    };
    base.active().filter(hidden).collect()
}

/// What to say of a change of settings.
#[must_use]
pub fn notes(changed: &[&str], silenced: &[&Finding], base: &Report, head: &Report, head_counts: bool) -> Vec<String> {
    let files: Vec<String> = changed.iter().map(|path| printable(path, 200)).collect();
    let which =
        if head_counts { "the change's version is in force, as asked for" } else { "the base's version is in force" };
    let mut notes = vec![format!("the change touches the settings ({}): {which}", files.join(", "))];
    if !silenced.is_empty() {
        let mut places: Vec<String> = silenced
            .iter()
            .take(NAMED)
            .map(|finding| format!("{} {} in {}", finding.severity, finding.rule_code, printable(&finding.path, 200)))
            .collect();
        if silenced.len() > NAMED {
            places.push(format!("{} more", silenced.len() - NAMED));
        }
        let s = if silenced.len() == 1 { "" } else { "s" };
        notes.push(format!("the changed settings silence {} finding{s}: {}", silenced.len(), places.join("; ")));
    }
    if base.fail_on != head.fail_on {
        let word = |report: &Report| report.fail_on.map_or("never", crate::finding::Severity::as_str);
        notes.push(format!("the changed settings fail on {} instead of {}", word(head), word(base)));
    }
    let (before, after) = (base.files_scanned + base.files_ignored, head.files_scanned + head.files_ignored);
    if after < before {
        notes.push(format!("the changed settings leave out {} files", before - after));
    }
    notes
}
