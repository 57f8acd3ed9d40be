//! `modelaudit ci`: what the pipeline is about becomes a scan, and the host is told what came of it.

mod publish;

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::scan::{Bar, with_settings};
use super::{render, variable};
use crate::ci::cache::Cache;
use crate::ci::environment::{Event, Overrides, Surroundings};
use crate::ci::explain::Decisions;
use crate::ci::github::GitHub;
use crate::ci::http::{Network, SystemClock};
use crate::ci::plan::{Asked, Planned, Planner, Scope};
use crate::ci::{summary, trust};
use crate::cli::{self, CiAction, Host, Lfs, Pipeline, Telling};
use crate::config::{Environment, Flags, Settings};
use crate::render::secrets;
use crate::report::{Coverage, Report, Status, Verdict};
use crate::rules::RuleSet;
use crate::run::{Memory, Run};
use crate::target::{self, Context, GitEnv, Mode, Plan, Pointed, Repo, Target};
use publish::Publisher;

/// Largest event payload that is read. GitHub caps them at 25 MB.
const MAX_PAYLOAD: u64 = 32 << 20;

/// Runs one of the parts of a pipeline and gives the exit code.
///
/// # Errors
/// The job could not be done.
pub fn run(arguments: &cli::Ci, telling: &Telling) -> anyhow::Result<u8> {
    match &arguments.action {
        Some(CiAction::Comment(comment)) => commented(comment),
        None => {
            let surroundings = surroundings(&arguments.pipeline);
            let outcome = Session::new(arguments, telling, &surroundings).run();
            // Later steps read why there is nothing to read.
            if let (Err(error), false) = (&outcome, arguments.publish.no_summary) {
                let outputs = vec![("verdict", "incomplete".to_owned()), ("exit-code", "2".to_owned())];
                let _ = surroundings.outputs.as_deref().map(|path| summary::write_outputs(path, &outputs));
                let _ = surroundings.summary.as_deref().map(|path| summary::write_failure(path, &format!("{error:#}")));
            }
            outcome
        }
    }
}

fn surroundings(pipeline: &Pipeline) -> Surroundings {
    let overrides = Overrides {
        host: pipeline.host,
        event: pipeline.event.clone(),
        change: pipeline.change,
        repository: pipeline.repository.clone(),
        api: pipeline.api_url.clone(),
    };
    Surroundings::read(&variable, |path| target::read_capped(Path::new(path), MAX_PAYLOAD), &overrides)
}

/// The variables that name a base, as far as they belong to the host that is meant.
fn git_env(surroundings: &Surroundings) -> GitEnv {
    let of_github = matches!(surroundings.host, Host::GitHub);
    let of_gitlab = matches!(surroundings.host, Host::GitLab);
    GitEnv::from_lookup(|name| match name {
        "GITHUB_EVENT_NAME" if of_github => Some(surroundings.event_name.clone()).filter(|name| !name.is_empty()),
        name if name.starts_with("GITHUB_") && !of_github => None,
        name if name.starts_with("CI_") && !of_gitlab => None,
        name => variable(name),
    })
}

/// One run.
struct Session<'a> {
    arguments: &'a cli::Ci,
    telling: &'a Telling,
    surroundings: &'a Surroundings,
    flags: Flags,
    decisions: Decisions,
    notes: Vec<String>,
    network: Network,
}

/// A report, and what the host must know of it.
struct Scanned {
    report: Report,
    /// Something that was asked for was not looked at: nothing may be closed on the strength of this report.
    incomplete: bool,
    /// The change under review touches the settings.
    settings_changed: bool,
}

impl<'a> Session<'a> {
    fn new(arguments: &'a cli::Ci, telling: &'a Telling, surroundings: &'a Surroundings) -> Self {
        let mut decisions = Decisions::default();
        let host = surroundings.host.as_str();
        decisions.note("host", host, if arguments.pipeline.host.is_some() { "given" } else { "from the environment" });
        decisions.note("event", surroundings.event.describe(), surroundings.event_name.clone());
        let (flags, notes) = (arguments.flags(), surroundings.notes.clone());
        Self { arguments, telling, surroundings, flags, decisions, notes, network: Network::new() }
    }

    fn run(mut self) -> anyhow::Result<u8> {
        super::check_outputs(&self.arguments.output, &self.arguments.what.targets)?;
        let env = Environment::read()?;
        let context = Context { dir: env.directory.clone(), env: git_env(self.surroundings) };
        let mut repo = Repo::open(&env.directory)?;
        let planned = self.planned(&mut repo, &context);
        let planned = match planned {
            Ok(planned) => planned,
            Err(error) => {
                self.explain()?;
                return Err(error);
            }
        };
        let scanned = self.scanned(planned, &repo, &env, &context);
        let mut scanned = match scanned {
            Ok(scanned) => scanned,
            Err(error) => {
                self.explain()?;
                return Err(error);
            }
        };
        secrets::hide(&mut scanned.report);
        let code = Publisher::new(&mut self).publish(&scanned)?;
        self.explain()?;
        Ok(code)
    }

    fn explain(&self) -> std::io::Result<()> {
        if self.arguments.pipeline.explain {
            self.decisions.write(&mut std::io::stderr().lock())?;
        }
        Ok(())
    }

    fn planned(&mut self, repo: &mut Repo, context: &Context) -> anyhow::Result<Planned> {
        let what = &self.arguments.what;
        let asked = Asked {
            extent: what.mode,
            base: what.base.clone(),
            head: what.head.clone(),
            fetch: what.fetch,
            require_diff: what.require_diff,
        };
        let (surroundings, network) = (self.surroundings, &self.network);
        let ask_host = |base: &str, head: &str| {
            if surroundings.host != Host::GitHub || !Network::is_built() {
                return None;
            }
            let github = GitHub::new(network, &SystemClock, surroundings).transpose()?;
            Some(github.and_then(|github| github.merge_base(base, head)).map_err(|error| error.to_string()))
        };
        let decisions = &mut self.decisions;
        Ok(Planner { repo, context, surroundings, asked: &asked, ask_host: &ask_host, decisions }.plan()?)
    }

    /// Settings by origin, then one scan, or two where the settings themselves are under review.
    fn scanned(
        &mut self,
        mut planned: Planned,
        repo: &Repo,
        env: &Environment,
        context: &Context,
    ) -> anyhow::Result<Scanned> {
        self.notes.append(&mut planned.notes);
        let review = self.surroundings.event.is_review();
        let Scope::Versions(versions) = &mut planned.scope else {
            let mode = if planned.scope == Scope::Staged { Some(Mode::Staged) } else { None };
            return self.scan(mode, env, repo, context);
        };
        if !review {
            self.decisions.note("configuration", "of the head", "not a change under review");
            let mode = Mode::Versions(versions.clone());
            return self.scan(Some(mode), env, repo, context);
        }
        let base = planned.base.as_deref().or(versions.merge_base.as_deref());
        let Some(origins) = trust::Origins::read(repo, env, &self.flags, base, &versions.head)? else {
            return self.scan(Some(Mode::Versions(versions.clone())), env, repo, context);
        };
        let head_counts = self.arguments.what.trust_head_config;
        let (word, why) = match (head_counts, base) {
            (true, _) => ("of the head", "--trust-head-config"),
            (false, Some(_)) => ("of the base", "a change under review does not judge itself"),
            (false, None) => ("none of the project", "a change under review, and this clone has no base"),
        };
        self.decisions.note("configuration", word, why);
        let of = |project| Environment { project: Some(project), ..env.clone() };
        let (base_env, head_env) = (of(origins.base.clone()), of(origins.head.clone()));
        let changed = if base.is_some() { origins.changed() } else { Vec::new() };
        if !changed.is_empty() {
            versions.whole = true;
            versions.full_scan_reason.get_or_insert_with(|| "the settings changed".to_owned());
            self.decisions.note("scan", "every file of the head", "the settings changed");
        }
        let mode = || Some(Mode::Versions(versions.clone()));
        let in_force = if head_counts { &head_env } else { &base_env };
        let mut scanned = self.scan(mode(), in_force, repo, context)?;
        if !changed.is_empty() {
            scanned.settings_changed = true;
            let other = self.scan(mode(), if head_counts { &base_env } else { &head_env }, repo, context);
            Self::compare_settings(&mut scanned, other, &changed, head_counts);
        }
        Ok(scanned)
    }

    /// Says in the report what a change of settings does.
    fn compare_settings(scanned: &mut Scanned, other: anyhow::Result<Scanned>, changed: &[&str], head_counts: bool) {
        let report = &mut scanned.report;
        match other {
            Ok(other) => {
                let (base, head) = if head_counts { (&other.report, &*report) } else { (&*report, &other.report) };
                let silenced = trust::silenced(base, head);
                let notes = trust::notes(changed, &silenced, base, head, head_counts);
                report.notes.splice(0..0, notes);
            }
            Err(error) if head_counts => {
                report.notes.insert(0, format!("the settings of the base cannot be used: {error:#}"));
            }
            // Merged, they would stop every run.
            Err(error) => {
                report.errors.push(format!("the settings of the change cannot be used: {error:#}"));
                report.has_errors = true;
                if report.verdict == Verdict::Pass {
                    report.verdict = Verdict::Error;
                }
                scanned.incomplete = true;
            }
        }
    }

    /// Scans with the settings of one origin. None: nothing is there to scan.
    fn scan(
        &mut self,
        mode: Option<Mode>,
        env: &Environment,
        repo: &Repo,
        context: &Context,
    ) -> anyhow::Result<Scanned> {
        let shipped = RuleSet::shipped();
        let settings = Settings::load(&self.flags, env, shipped)?;
        let own = if settings.changes_rules() { Some(settings.rule_set()?) } else { None };
        let what = &self.arguments.what;
        let cache = what.cache.as_deref().map(|folder| self.cache(folder)).transpose()?.flatten();
        let everything = matches!(&mode, Some(Mode::Versions(versions)) if versions.whole)
            && what.targets.is_empty()
            && what.include.is_empty();
        let all = [String::new()];
        let mut run = Run {
            settings: &settings,
            rules: own.as_ref().unwrap_or(shipped),
            reproducible: self.arguments.output.reproducible,
            folders: if everything { &all } else { &[] },
            // Versions in git are scanned, never what lies on the disk.
            outputs: &[],
            progress: &(),
            memory: cache.as_ref().map(|cache| cache as &dyn Memory),
        };
        let mut plan = Plan::default();
        match mode {
            None => plan.notes.push("a branch was deleted: there is nothing to scan".to_owned()),
            Some(mode) => {
                let alone = matches!(&mode, Mode::Versions(versions) if versions.merge_base.is_none());
                let alone = alone && what.base.is_none() && !self.is_comparison();
                let request = with_settings(what.targets.clone(), mode, &settings)?;
                let resolve = || {
                    let mut plan = target::resolve(&request, context)?;
                    if alone {
                        // Nothing was to be compared: a report without the word.
                        plan.diff = None;
                    }
                    Ok(plan)
                };
                plan = resolve()?;
                self.large_files(&mut plan, repo, &run, &resolve)?;
            }
        }
        let (limited, pointers) = (plan.limited, pointers(&plan));
        let bar = Bar::new(&plan, self.arguments.output.no_progress || self.telling.quiet);
        run.progress = &bar;
        let mut report = run.report(plan)?;
        bar.0.finish_and_clear();
        report.notes.extend(self.notes.iter().cloned());
        Ok(Scanned { incomplete: limited || is_broken(&report, &pointers), settings_changed: false, report })
    }

    /// The folder of verdicts. One that cannot be used is told, and costs time only.
    fn cache(&mut self, folder: &Path) -> anyhow::Result<Option<Cache>> {
        match Cache::open(folder) {
            Ok(cache) => {
                self.decisions.note(
                    "cache",
                    folder.to_string_lossy(),
                    "verdicts on the same bytes are taken from there",
                );
                Ok(Some(cache))
            }
            Err(error) => {
                self.decisions.note("cache", "none", error.to_string());
                writeln!(std::io::stderr().lock(), "note: the cache is not used: {error}")?;
                Ok(None)
            }
        }
    }

    /// Whether the event asks for what changed.
    fn is_comparison(&self) -> bool {
        !matches!(self.surroundings.event, Event::Whole(_) | Event::Push { to_default: true, .. })
            && self.arguments.what.mode != cli::Extent::Full
    }

    /// What is done about objects of Git LFS that are not here.
    fn large_files(
        &mut self,
        plan: &mut Plan,
        repo: &Repo,
        run: &Run<'_>,
        resolve: &dyn Fn() -> Result<Plan, target::TargetError>,
    ) -> anyhow::Result<()> {
        let is_lfs = |state: &Pointed| matches!(state, Pointed::Unresolved { kind: "git-lfs", .. });
        let is_missing = |target: &&Target| is_lfs(&target.state) && !run.knows(target);
        let missing = |plan: &Plan| plan.targets.iter().filter(is_missing).count();
        let count = missing(plan);
        if count == 0 {
            return Ok(());
        }
        let change = self.surroundings.event.change();
        let lfs = match self.arguments.what.lfs {
            // The change names the server that is asked, and the rights are the base's.
            Lfs::Fetch if change.is_some_and(|change| change.privileged && change.fork) => {
                plan.errors.push("Git LFS objects of a fork are not fetched with the rights of the base".to_owned());
                Lfs::Report
            }
            lfs => lfs,
        };
        self.decisions.note("lfs", format!("{lfs:?}").to_lowercase(), format!("{count} objects are not here"));
        match lfs {
            Lfs::Report => {}
            Lfs::Require => plan.errors.push(format!(
                "{count} Git LFS objects are not here: fetch them (`lfs: true` in actions/checkout), or use --lfs fetch"
            )),
            Lfs::Fetch => {
                let (asked, failed) = repo.fetch_lfs(plan, |target| run.knows(target));
                self.decisions.note("fetch", format!("{asked} Git LFS objects"), format!("{} failed", failed.len()));
                *plan = resolve()?;
                plan.errors.extend(failed.iter().map(|why| format!("Git LFS: {why}")));
                let left = missing(plan);
                if left > 0 && failed.is_empty() {
                    plan.errors.push(format!("{left} Git LFS objects did not come"));
                }
            }
            Lfs::Ignore => {
                let (passed, kept) = std::mem::take(&mut plan.targets).into_iter().partition(|one| is_lfs(&one.state));
                plan.targets = kept;
                plan.pass_over(passed, "a Git LFS pointer; --lfs ignore");
            }
        }
        Ok(())
    }
}

/// Files that stand for others which are not here.
fn pointers(plan: &Plan) -> HashSet<String> {
    let unresolved = plan.targets.iter().filter(|target| matches!(target.state, Pointed::Unresolved { .. }));
    unresolved.map(|target| target.path.clone()).collect()
}

/// True if something was not read that should have been, behind a pointer too.
fn is_broken(report: &Report, pointers: &HashSet<String>) -> bool {
    let unread = |file: &Coverage| match file.status {
        Status::Complete => false,
        Status::Skipped => pointers.contains(&file.path),
        Status::Failed | Status::Partial => true,
    };
    report.has_errors || !report.errors.is_empty() || report.coverage.iter().any(unread)
}

/// `modelaudit ci comment`
fn commented(arguments: &cli::CiComment) -> anyhow::Result<u8> {
    let surroundings = surroundings(&arguments.pipeline);
    let report = render::load(&arguments.from)?;
    let mut decisions = Decisions::default();
    let done = publish::from_saved(&report, arguments, &surroundings, &mut decisions);
    if arguments.pipeline.explain {
        decisions.write(&mut std::io::stderr().lock())?;
    }
    match done {
        Ok(done) => {
            writeln!(std::io::stderr().lock(), "comment: {}", done.as_str())?;
            Ok(0)
        }
        Err(publish::NotDone::NoMeans(why)) => Err(anyhow::anyhow!("cannot comment: {why}")),
        Err(publish::NotDone::Refused(why)) => {
            writeln!(std::io::stderr().lock(), "note: no comment: {why}")?;
            Ok(0)
        }
        Err(publish::NotDone::Failed(error)) => Err(error),
    }
}

/// Where a report goes that no flag names.
fn report_dir(arguments: &cli::Ci, surroundings: &Surroundings) -> Option<PathBuf> {
    let given = arguments.publish.report_dir.clone();
    given.or_else(|| match surroundings.host {
        Host::GitHub => surroundings.temporary.as_ref().map(|folder| folder.join("modelaudit")),
        Host::GitLab => surroundings.temporary.clone(),
        Host::Azure => surroundings.temporary.as_ref().map(|folder| folder.join("modelaudit")),
        Host::PreCommit | Host::Generic => None,
    })
}
