//! `modelaudit scan`: settings, targets, a run, reports, and the exit code that the report's verdict gives.

use std::io::IsTerminal as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::{self, Output, Telling, What};
use crate::config::{Environment, Flags, Settings};
use crate::escape::glob;
use crate::render::secrets;
use crate::report::Report;
use crate::rules::RuleSet;
use crate::run::{Progress, Run};
use crate::target::{self, Context, GitEnv, Mode, Plan, Request};

/// Fewer bytes than this are scanned before anybody could read a bar.
const WORTH_A_BAR: u64 = 256 << 20;

/// Scans and reports.
///
/// # Errors
/// The settings or the targets make no sense, or a report could not be written.
pub fn run(arguments: &cli::Scan, telling: &Telling) -> anyhow::Result<u8> {
    let output = &arguments.output;
    let (what, flags, bare) = (&arguments.what, arguments.flags(), output.no_progress || telling.quiet);
    super::check_outputs(output, &what.targets)?;
    let (mut report, _) = scanned(what, &flags, bare, output)?;
    secrets::hide(&mut report);
    super::settled(report.verdict.exit_code(), super::write_reports(&report, output, telling))
}

/// Scans, for a command that has other uses for the report; `bare`: without progress.
///
/// # Errors
/// The settings or the targets make no sense.
pub(super) fn report(what: &What, flags: &Flags, bare: bool) -> anyhow::Result<(Report, Settings)> {
    scanned(what, flags, bare, &Output { reproducible: true, ..Output::default() })
}

fn scanned(what: &What, flags: &Flags, bare: bool, output: &Output) -> anyhow::Result<(Report, Settings)> {
    let env = Environment::read()?;
    let shipped = RuleSet::shipped();
    let settings = Settings::load(flags, &env, shipped)?;
    let own = if settings.changes_rules() { Some(settings.rule_set()?) } else { None };
    let context = Context { dir: env.directory.clone(), env: GitEnv::from_lookup(super::variable) };
    let request = request(what, &settings, &context)?;
    let plan = target::resolve(&request, &context)?;
    let bar = Bar::new(&plan, bare);
    let run = Run {
        settings: &settings,
        rules: own.as_ref().unwrap_or(shipped),
        reproducible: output.reproducible,
        folders: &whole_folders(&request, &context),
        outputs: &places(output, &context),
        progress: &bar,
        memory: None,
    };
    let report = run.report(plan)?;
    bar.0.finish_and_clear();
    Ok((report, settings))
}

/// The files of an earlier run that this one's reports replace.
fn places(output: &Output, context: &Context) -> Vec<PathBuf> {
    let all = output.output.as_deref().into_iter().chain(output.files().map(|(_, path)| path));
    all.filter_map(|path| context.dir.join(path).canonicalize().ok()).collect()
}

/// The folders that a request is about as a whole.
fn whole_folders(request: &Request, context: &Context) -> Vec<String> {
    if request.mode != Mode::Paths || !request.include.is_empty() {
        return Vec::new();
    }
    if request.specs.is_empty() {
        return vec![String::new()];
    }
    let folder = |spec: &String| {
        if !context.dir.join(spec).is_dir() {
            return None;
        }
        let mut prefix = String::new();
        for component in Path::new(spec).components() {
            match component {
                Component::CurDir => {}
                Component::Normal(name) => prefix.push_str(&(glob(name.to_str()?) + "/")),
                _ => return None,
            }
        }
        Some(prefix)
    };
    request.specs.iter().filter_map(folder).collect()
}

fn request(what: &What, settings: &Settings, context: &Context) -> anyhow::Result<Request> {
    let is_revision = |text: &str| target::is_revision(&context.dir, text);
    let is_path = |text: &str| context.dir.join(text).exists();
    let (specs, comparison) = what.resolve(is_revision, is_path).map_err(anyhow::Error::msg)?;
    let mode = match comparison {
        Some(comparison) => Mode::Diff { base: comparison.base, head: comparison.head },
        None if what.staged => Mode::Staged,
        None => Mode::Paths,
    };
    Ok(Request { no_ignore: what.no_ignore, ..with_settings(specs, mode, settings)? })
}

/// A request for some targets with what the settings say of all.
///
/// # Errors
/// A target is not Unicode.
pub(super) fn with_settings(specs: Vec<PathBuf>, mode: Mode, settings: &Settings) -> anyhow::Result<Request> {
    Ok(Request {
        specs: specs.into_iter().map(spec).collect::<anyhow::Result<_>>()?,
        mode,
        include: settings.include.iter().map(|glob| glob.value.as_str().to_owned()).collect(),
        exclude: settings.exclude.iter().map(|glob| glob.value.as_str().to_owned()).collect(),
        no_ignore: false,
        max_total_size: settings.max_total_size.value,
        max_file_size: settings.max_file_size.value,
    })
}

fn spec(path: PathBuf) -> anyhow::Result<String> {
    path.into_os_string().into_string().map_err(|path| {
        anyhow::anyhow!(
            "the target {} is not Unicode\nhelp: name the folder that it is in",
            crate::escape::printable(&path.to_string_lossy(), crate::escape::CAP)
        )
    })
}

/// A bar on standard error with bytes, files and rate, if that is a terminal and the work takes long enough.
pub(super) struct Bar(pub(super) ProgressBar);

impl Bar {
    pub(super) fn new(plan: &Plan, off: bool) -> Self {
        let total: u64 = plan.targets.iter().map(|target| target.size).sum();
        if off || total < WORTH_A_BAR || !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let template = "{bar:24} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg}";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(format!("of {} files", plan.targets.len()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }
}

impl Progress for Bar {
    fn done(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}
