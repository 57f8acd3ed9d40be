//! One run: a plan of targets becomes a report.
//!
//! Targets are scanned in parallel, one thread each; everything is sorted before the report leaves, so that equal
//! input gives equal reports whatever the threads did.

mod verdict;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rayon::prelude::*;

pub use verdict::Memory;

use crate::bytes::{Input, InputName, ReadAt, Role};
use crate::config::Settings;
use crate::escape::{CAP, printable};
use crate::finding::{Finding, Severity, State};
use crate::names::NamesTable;
use crate::policy::{FileContext, Policy};
use crate::report::{Asset, Coverage, Report, Status, Tool};
use crate::rules::{RuleSet, order};
use crate::scan::{self, Options, Outcome};
use crate::target::{Blob, Plan, Pointed, Target};

/// Stack of a scanning thread. No parser recurses on its input; this is room for debug builds.
const STACK: usize = 4 << 20;

/// Told when a target is done; shows a progress bar on a terminal.
pub trait Progress: Sync {
    /// One more target of `bytes` bytes is done.
    fn done(&self, bytes: u64);
}

/// No progress is shown.
impl Progress for () {
    fn done(&self, _: u64) {}
}

/// What a run needs beside its plan.
pub struct Run<'a> {
    /// The settings in force.
    pub settings: &'a Settings,
    /// The rules in force.
    pub rules: &'a RuleSet,
    /// Leave out times.
    pub reproducible: bool,
    /// Folders that are looked at to their end, as patterns of files in them begin, with a slash at the end; an empty
    /// text stands for all that there is. What is suppressed there and not found is not there any more.
    pub folders: &'a [String],
    /// Canonical paths of the files that reports of this run will replace. What an earlier run wrote there is no part of
    /// what is scanned; but what somebody else put there and is dangerous is told.
    pub outputs: &'a [PathBuf],
    /// Where progress goes.
    pub progress: &'a dyn Progress,
    /// Where verdicts are kept between runs.
    pub memory: Option<&'a dyn Memory>,
}

/// What came of one target.
struct Scanned {
    findings: Vec<Finding>,
    fixed: Vec<Finding>,
    coverage: Coverage,
    asset: Option<Asset>,
    errors: Vec<String>,
    note: Option<String>,
    ignored: bool,
}

impl Run<'_> {
    /// Scans what is planned and assembles the report.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn report(&self, plan: Plan) -> Result<Report, rayon::ThreadPoolBuildError> {
        let (clock, start) = (SystemTime::now(), Instant::now());
        let policy = Policy::new(self.settings, self.rules, crate::policy::today());
        let mut scanned = self.scan_all(&plan, &policy)?;
        let mut is_output = plan.targets.iter().map(|target| target.file().is_some_and(|path| self.is_output(path)));
        // That a report is no model, whatever its name, is nothing to tell.
        let is_bad = |one: &Scanned| one.findings.iter().any(|finding| finding.severity >= Severity::Medium);
        scanned.retain(|one| !is_output.next().unwrap_or_default() || is_bad(one));
        let gone = plan.removed.iter().flat_map(|blob| self.gone(blob, &policy)).collect();
        let mut report = self.assemble(plan, scanned, gone, &policy);
        if !self.reproducible {
            report.start_time = clock.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            report.duration = start.elapsed().as_secs_f64();
        }
        Ok(report)
    }

    fn is_output(&self, path: &Path) -> bool {
        self.outputs.iter().any(|output| output == path)
    }

    fn scan_all(&self, plan: &Plan, policy: &Policy<'_>) -> Result<Vec<Scanned>, rayon::ThreadPoolBuildError> {
        let targets = &plan.targets;
        let changed = plan.diff.iter().flat_map(|diff| &diff.changed).filter(|change| change.change == "renamed");
        let former: HashMap<&str, &str> =
            changed.filter_map(|change| Some((change.path.as_str(), change.from.as_deref()?))).collect();
        let scan_one = |target: &Target| self.scan_one(target, former.get(target.path.as_str()).copied(), policy);
        // Starting threads would take longer than most single files.
        if targets.len() < 2 {
            return Ok(targets.iter().map(scan_one).collect());
        }
        let threads = self.settings.jobs.value.unwrap_or(0);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK).build()?;
        Ok(pool.install(|| targets.par_iter().map(scan_one).collect()))
    }

    fn scan_one(&self, target: &Target, former: Option<&str>, policy: &Policy<'_>) -> Scanned {
        let mut outcome = self.outcome(&target.name(), &target.state, target.size, target.given, || target.open());
        let mut findings = judged(&mut outcome, policy, former, false);
        let Outcome { coverage, asset, errors, ignored, .. } = outcome;
        let (mut fixed, mut note) = (Vec::new(), None);
        let previous = if target.unchanged {
            for finding in &mut findings {
                finding.state = State::Unchanged;
            }
            None
        } else {
            target.open_previous()
        };
        match previous {
            None => {}
            Some(Ok((_, source))) => {
                // Under the name that the file has now: a rename alone changes no finding.
                let mut before =
                    self.outcome(&target.name(), &Pointed::Plain, source.len(), target.given, || Ok(source));
                fixed = judged(&mut before, policy, former, true);
                compare(&mut findings, &mut fixed);
            }
            Some(Err(error)) => {
                let path = printable(&target.path, CAP);
                note = Some(format!("{path}: the base version could not be read, all findings count as new: {error}"));
            }
        }
        self.progress.done(target.size);
        Scanned { findings, fixed, coverage, asset, errors, note, ignored }
    }

    /// The findings of a file that the head version has no more.
    fn gone(&self, blob: &Blob, policy: &Policy<'_>) -> Vec<Finding> {
        let Some(Ok(source)) = blob.open_behind() else { return Vec::new() };
        let name = InputName::top(&*blob.path);
        let mut outcome = self.outcome(&name, &Pointed::Plain, source.len(), false, || Ok(source));
        let mut findings = judged(&mut outcome, policy, None, true);
        for finding in &mut findings {
            finding.state = State::Fixed;
        }
        findings
    }

    fn outcome(
        &self,
        name: &InputName,
        state: &Pointed,
        size: u64,
        given: bool,
        open: impl FnOnce() -> std::io::Result<Arc<dyn ReadAt>>,
    ) -> Outcome<'_> {
        if let Pointed::Unresolved { kind, object } = state {
            // The digest that a pointer states is that of its object, wherever that is.
            let known = object.strip_prefix("sha256:").and_then(|sha256| self.recalled(sha256, name, given));
            return known.unwrap_or_else(|| scan::unresolved(self.rules, name, kind, object, size));
        }
        let source = match open() {
            Ok(source) => source,
            Err(error) => return scan::unopened(self.rules, name, size, &error),
        };
        let sha256 = self.memory.and_then(|_| verdict::digest(&*source));
        if let Some(known) = sha256.as_deref().and_then(|sha256| self.recalled(sha256, name, given)) {
            return known;
        }
        let input = Input { name: name.clone(), source, role: Role::Unknown, extent: Some(0), enclosed: None };
        let outcome = scan::scan(self.rules, &self.options(), &input, given);
        if let (Some(memory), Some(sha256)) = (self.memory, sha256)
            && let Some(text) = verdict::pack(&outcome, &sha256)
        {
            memory.store(&self.key(&sha256, name, given), &text);
        }
        outcome
    }

    fn options(&self) -> Options {
        Options { limits: self.settings.limits(), payload: !self.settings.skip_payload.value }
    }

    fn key(&self, sha256: &str, name: &InputName, given: bool) -> String {
        let Settings { globals, blacklist, patterns, blocked_hashes, .. } = self.settings;
        let mut options = format!("{given} {:?}", self.options());
        if self.settings.changes_rules() {
            // The digest of the rules is that of the shipped ones.
            options += &format!(" {globals:?} {blacklist:?} {patterns:?} {blocked_hashes:?}");
        }
        verdict::key(sha256, name, self.rules, &options)
    }

    /// The verdict that was kept on bytes with a digest.
    fn recalled(&self, sha256: &str, name: &InputName, given: bool) -> Option<Outcome<'_>> {
        let text = self.memory?.load(&self.key(sha256, name, given))?;
        verdict::unpack(&text, name, self.rules)
    }

    /// True if the verdict on a target's object is known, so that the object itself is not needed.
    #[must_use]
    pub fn knows(&self, target: &Target) -> bool {
        match &target.state {
            Pointed::Unresolved { object, .. } => object
                .strip_prefix("sha256:")
                .is_some_and(|sha256| self.recalled(sha256, &target.name(), target.given).is_some()),
            Pointed::Plain | Pointed::Resolved { .. } => false,
        }
    }

    /// Puts the report together; `fixed` are the findings of files that are gone.
    fn assemble(&self, plan: Plan, scanned: Vec<Scanned>, mut fixed: Vec<Finding>, policy: &Policy<'_>) -> Report {
        let mut report = Report {
            schema_version: 1,
            tool: Tool {
                name: "modelaudit".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                rules_digest: self.rules.digest(),
                names_digest: NamesTable::shipped().digest.into(),
            },
            verdict: crate::report::Verdict::Pass,
            fail_on: self.settings.fail_on.value,
            start_time: 0.0,
            duration: 0.0,
            files_scanned: 0,
            bytes_scanned: 0,
            files_ignored: 0,
            has_errors: false,
            scanner_names: Vec::new(),
            checkout: plan.checkout,
            diff: plan.diff,
            issues: Vec::new(),
            assets: Vec::new(),
            coverage: plan.skipped,
            suppressions: Vec::new(),
            errors: plan.errors,
            notes: plan.notes,
            rules: Vec::new(),
        };
        let ignored = add(&mut report, scanned, &mut fixed);
        sort(&mut report.issues);
        sort(&mut fixed);
        report.coverage.sort_by(|a, b| a.path.cmp(&b.path));
        report.assets.sort_by(|a, b| a.path.cmp(&b.path));
        report.errors.sort();
        report.suppressions = policy.suppressions(self.folders, &report.coverage);
        report.notes.extend(policy.notes(&report.issues, &report.suppressions));
        report.verdict = policy.verdict(&report.issues, &report.coverage, &report.errors);
        report.has_errors = !report.errors.is_empty()
            || report.coverage.iter().any(|file| matches!(file.status, Status::Failed | Status::Partial));
        let mentioned: Vec<Finding> = report.issues.iter().chain(&fixed).cloned().collect();
        report.rules = policy.reported(&mentioned);
        if let Some(diff) = &mut report.diff {
            diff.changed.retain(|change| !ignored.contains(&change.path));
            diff.fixed = fixed;
        }
        report
    }
}

/// Adds what was scanned to the report, and gives the paths of files that turned out to be no models.
fn add(report: &mut Report, scanned: Vec<Scanned>, fixed: &mut Vec<Finding>) -> HashSet<String> {
    let mut names = BTreeSet::new();
    let mut ignored = HashSet::new();
    for one in scanned {
        report.issues.extend(one.findings);
        fixed.extend(one.fixed);
        report.errors.extend(one.errors);
        report.notes.extend(one.note);
        if one.ignored {
            report.files_ignored += 1;
            ignored.insert(one.coverage.path);
            continue;
        }
        if one.coverage.status != Status::Skipped {
            report.files_scanned += 1;
            report.bytes_scanned = report.bytes_scanned.saturating_add(one.coverage.bytes);
        }
        if let Some(asset) = &one.asset {
            names.extend(asset.contains.iter().chain([&asset.format]).filter(|name| *name != "unknown").cloned());
        }
        report.coverage.push(one.coverage);
        report.assets.extend(one.asset);
    }
    report.scanner_names = names.into_iter().collect();
    ignored
}

/// What the hits of an outcome are worth. `former`: the path before the change; `base`: it is the version before.
fn judged(outcome: &mut Outcome<'_>, policy: &Policy<'_>, former: Option<&str>, base: bool) -> Vec<Finding> {
    let sha256 = outcome.asset.as_ref().and_then(|asset| asset.sha256.as_deref());
    let file = FileContext { sha256, former, base };
    std::mem::take(&mut outcome.hits).into_iter().map(|hit| policy.finding(hit, &file)).collect()
}

/// Marks findings that the base version has too, and keeps of the base version's only those that are gone.
fn compare(now: &mut [Finding], before: &mut Vec<Finding>) {
    let known: HashSet<&str> = before.iter().map(|finding| finding.fingerprint.as_str()).collect();
    for finding in now.iter_mut().filter(|finding| known.contains(finding.fingerprint.as_str())) {
        finding.state = State::Unchanged;
    }
    let left: HashSet<&str> = now.iter().map(|finding| finding.fingerprint.as_str()).collect();
    before.retain(|finding| !left.contains(finding.fingerprint.as_str()));
    for finding in before {
        finding.state = State::Fixed;
    }
}

fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| (order(&finding.rule_code), finding.fingerprint.clone());
        (&a.path, &a.members, a.offset).cmp(&(&b.path, &b.members, b.offset)).then_with(|| key(a).cmp(&key(b)))
    });
}
