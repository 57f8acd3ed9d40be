//! `modelaudit baseline create|update|check`: findings that are accepted, in a file that people review.
//!
//! The file holds entries of `[[suppress]]` as the configuration does. It is sorted and written whole each time, one key
//! a line, so that a change shows as the entries that it is about.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cli::{BaselineAction, BaselineScan, Decision};
use crate::config::{PathGlob, Settings, Source, SuppressEntry};
use crate::escape::{CAP, printable, toml_string};
use crate::policy::today;
use crate::render::output;
use crate::render::phrase::count;
use crate::report::{Report, SuppressionStatus};

/// The file that is meant if none is named.
const DEFAULT_FILE: &str = "modelaudit-baseline.toml";

/// Entries of a baseline. They are searched for each finding; more than that is a rule that should not be in force.
const MAX_ENTRIES: usize = 10_000;

const HEAD: &str = "\
# Findings that are accepted: `modelaudit scan --baseline FILE` reports them as suppressed.
# Edit reasons, owners and days here; `modelaudit baseline update` keeps them. `rule`, `path`, `fingerprint` and
# `sha256` say which finding is meant, `finding` is there to be read.

version = 1
";

/// Runs one of the commands and gives the exit code.
///
/// # Errors
/// The settings, the targets or the baseline make no sense, or the file cannot be written.
pub fn run(action: &BaselineAction, quiet: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    match action {
        BaselineAction::Create { scan, decision, force } => create(scan, decision, *force, quiet, out),
        BaselineAction::Update { scan, decision } => update(scan, decision, quiet, out),
        BaselineAction::Check { scan } => check(scan, quiet, out),
    }
}

fn create(
    scan: &BaselineScan,
    decision: &Decision,
    force: bool,
    quiet: bool,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    let file = file(scan);
    let shown = printable(&file.to_string_lossy(), CAP);
    if file.exists() && !force {
        anyhow::bail!("{shown} exists\n  help: `modelaudit baseline update` changes it, --force replaces it");
    }
    if decision.reason.is_none() {
        anyhow::bail!("findings are accepted for a reason\n  help: give it with --reason");
    }
    let (report, settings) =
        super::scan::report(&scan.what, &crate::config::Flags { baseline: None, ..scan.flags() }, quiet)?;
    let entries = accepted(&report, &settings, decision)?;
    write(&file, &entries)?;
    writeln!(out, "{shown}: {} accepted", count(entries.len() as u64, "finding"))?;
    unread(&report)
}

fn update(scan: &BaselineScan, decision: &Decision, quiet: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let file = file(scan);
    let shown = printable(&file.to_string_lossy(), CAP);
    let (report, settings) = with_baseline(scan, &file, quiet)?;
    let gone: HashSet<&str> = report
        .suppressions
        .iter()
        .filter(|state| state.source == "baseline" && state.findings == 0)
        .filter(|state| state.status != SuppressionStatus::Expiring)
        .map(|state| state.place.as_str())
        .collect();
    let before = settings.suppress.iter().filter(|entry| entry.baseline);
    let (removed, mut entries): (Vec<_>, Vec<_>) =
        before.cloned().partition(|entry| gone.contains(entry.source.to_string().as_str()));
    let active = failing(&report, &settings, decision.all).count();
    let mut added = 0;
    if decision.reason.is_some() {
        let new = accepted(&report, &settings, decision)?;
        added = new.len();
        // An entry that has expired makes room for the new decision.
        let renewed: HashSet<_> = new.iter().filter_map(|entry| entry.fingerprint.clone()).collect();
        entries.retain(|entry| entry.fingerprint.as_ref().is_none_or(|known| !renewed.contains(known)));
        entries.extend(new);
    }
    write(&file, &entries)?;
    let (all, removed) = (count(entries.len() as u64, "entry"), removed.len());
    writeln!(out, "{shown}: {all}, {added} new, {removed} removed")?;
    if added == 0 && active > 0 {
        let them = count(active as u64, "finding");
        writeln!(out, "{them} not in the baseline: fix what they are about, or accept them with --reason")?;
    }
    unread(&report)
}

fn check(scan: &BaselineScan, quiet: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let file = file(scan);
    let (report, settings) = with_baseline(scan, &file, quiet)?;
    let entries = settings.suppress.iter().filter(|entry| entry.baseline).count();
    let states: Vec<_> = report.suppressions.iter().filter(|state| state.source == "baseline").collect();
    for state in &states {
        let (rules, path) = (state.rules.join(", "), state.path.as_deref().unwrap_or("any file"));
        let day = state.expires.as_deref().unwrap_or_default();
        let what = match state.status {
            SuppressionStatus::Expired => format!("expired on {day}"),
            SuppressionStatus::Expiring => format!("expires on {day}"),
            SuppressionStatus::Unused => "matches nothing".to_owned(),
        };
        writeln!(out, "{}: {rules} in {}: {what}", printable(&state.place, CAP), printable(path, CAP))?;
    }
    let stale = states.iter().filter(|state| state.status.is_stale()).count();
    let name = printable(&file.to_string_lossy(), CAP);
    writeln!(out, "{name}: {}, {stale} without effect", count(entries as u64, "entry"))?;
    let active = failing(&report, &settings, false).count();
    if active > 0 {
        writeln!(out, "{} not in the baseline", count(active as u64, "finding"))?;
    }
    let code = unread(&report)?;
    Ok(if stale > 0 { 1 } else { code })
}

fn file(scan: &BaselineScan) -> PathBuf {
    scan.rules.baseline.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE))
}

fn with_baseline(scan: &BaselineScan, file: &Path, quiet: bool) -> anyhow::Result<(Report, Settings)> {
    let flags = crate::config::Flags { baseline: Some(file.to_owned()), ..scan.flags() };
    super::scan::report(&scan.what, &flags, quiet)
}

/// The findings that count and that an entry is wanted for.
fn failing<'r>(
    report: &'r Report,
    settings: &Settings,
    all: bool,
) -> impl Iterator<Item = &'r crate::finding::Finding> {
    let threshold = settings.fail_on.value.filter(|_| !all);
    report.active().filter(move |finding| threshold.is_none_or(|threshold| finding.severity >= threshold))
}

/// An entry for each finding that counts, once for findings that are told apart by their place alone.
fn accepted(report: &Report, settings: &Settings, decision: &Decision) -> anyhow::Result<Vec<SuppressEntry>> {
    let today = today();
    if let Some(past) = decision.expires.filter(|last| *last < today) {
        anyhow::bail!("{past} is over: the entries would not count");
    }
    let text = |text: &Option<String>| text.as_deref().map(|text| printable(text.trim(), CAP));
    let digests: BTreeMap<&str, Option<&str>> =
        report.assets.iter().map(|asset| (asset.path.as_str(), asset.sha256.as_deref())).collect();
    let mut entries = BTreeMap::new();
    for finding in failing(report, settings, decision.all) {
        let path = finding.path.as_str();
        let sha256 = digests.get(path).copied().flatten().filter(|_| decision.pin);
        if decision.pin && sha256.is_none() {
            anyhow::bail!("there is no digest of {}: it cannot be pinned", printable(path, CAP));
        }
        entries.entry(finding.fingerprint.clone()).or_insert(SuppressEntry {
            rule: Some(finding.rule_code.clone()),
            path: Some(PathGlob::exactly(path).map_err(anyhow::Error::msg)?),
            fingerprint: Some(finding.fingerprint.clone()),
            sha256: sha256.map(str::to_owned),
            finding: Some(printable(&finding.message, CAP)),
            reason: text(&decision.reason),
            expires: decision.expires,
            owner: text(&decision.owner),
            baseline: true,
            source: Source::Default,
        });
    }
    Ok(entries.into_values().collect())
}

/// Writes the entries by path, rule and fingerprint.
fn write(file: &Path, entries: &[SuppressEntry]) -> anyhow::Result<()> {
    if entries.len() > MAX_ENTRIES {
        let help = "narrow what is scanned, or give the rule another severity";
        anyhow::bail!("{} are too many for a baseline (at most {MAX_ENTRIES})\n  help: {help}", entries.len());
    }
    let mut sorted: Vec<&SuppressEntry> = entries.iter().collect();
    let path = |entry: &SuppressEntry| entry.path.as_ref().map(|glob| glob.as_str().to_owned());
    sorted.sort_by_cached_key(|entry| (path(entry), entry.rule.clone(), entry.fingerprint.clone()));
    let text = sorted.into_iter().fold(HEAD.to_owned(), |text, entry| text + "\n" + &table(entry));
    output::to_file(Some(file), |out| out.write_all(text.as_bytes()))
        .map_err(|error| anyhow::anyhow!("{} could not be written: {error}", file.display()))
}

/// One entry.
fn table(entry: &SuppressEntry) -> String {
    let texts = entry.texts().map(|(key, text)| format!("{key} = {}\n", toml_string(text)));
    let day = entry.expires.map(|day| format!("expires = {day}\n"));
    std::iter::once("[[suppress]]\n".to_owned()).chain(texts).chain(day).collect()
}

/// What could not be read may hold anything: the job is not done.
fn unread(report: &Report) -> anyhow::Result<u8> {
    let mut err = std::io::stderr().lock();
    for error in &report.errors {
        writeln!(err, "error: {}", printable(error, 1000))?;
    }
    Ok(if report.errors.is_empty() { 0 } else { 2 })
}
