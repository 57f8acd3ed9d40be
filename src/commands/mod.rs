//! The commands: each takes what it needs ready-made and prints to the writer that it is given.

pub mod baseline;
#[cfg(feature = "git")]
pub mod ci;
pub mod completions;
pub mod config;
pub mod doctor;
pub mod formats;
pub mod inspect;
pub mod man;
pub mod reference;
pub mod render;
pub mod rules;
pub mod scan;

use std::collections::HashSet;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use crate::cli::{self, Cli, Color, Command, ConfigAction, Output, OutputFormat, SbomProfile, SbomVersion, Telling};
use crate::config::{Environment, Settings};
use crate::render::{cyclonedx, github, gitlab_codequality, gitlab_sast, json, junit, markdown, output, sarif, text};
use crate::report::Report;
use crate::rules::RuleSet;
use crate::target;

/// Runs a command and gives the exit code.
///
/// # Errors
/// The job could not be done: the message says why and what to do about it.
pub fn run(command_line: &Cli) -> anyhow::Result<u8> {
    let telling = &command_line.telling;
    match &command_line.command {
        Command::Scan(scan) => scan::run(scan, telling),
        #[cfg(feature = "git")]
        Command::Ci(arguments) => ci::run(arguments, telling),
        #[cfg(not(feature = "git"))]
        Command::Ci(_) => Err(target::TargetError::NoGitSupport.into()),
        Command::Render(render) => rendered(render, telling),
        Command::Inspect(arguments) => inspected(&arguments.file, telling),
        Command::Rules(arguments) => {
            let (rule, format) = (arguments.rule.as_deref(), arguments.format);
            printed(|out| rules::run(RuleSet::shipped(), rule, format, width(), color(telling), out))
        }
        Command::Formats(arguments) => printed(|out| Ok(formats::run(arguments.format, width(), color(telling), out)?)),
        Command::Baseline(command) => {
            let mut code = 0;
            let printed = printed(|out| {
                code = baseline::run(&command.action, telling.quiet, out)?;
                Ok(())
            })?;
            Ok(code.max(printed))
        }
        Command::Doctor(doctor) => examined(doctor),
        Command::Config(config) => configured(&config.action),
        Command::Completions { shell } => printed(|out| Ok(completions::run(*shell, out)?)),
        Command::Man { command } => printed(|out| man::run(command.as_deref(), out)),
    }
}

fn rendered(arguments: &cli::Render, telling: &Telling) -> anyhow::Result<u8> {
    check_outputs(&arguments.output, std::slice::from_ref(&arguments.from))?;
    let report = render::load(&arguments.from)?;
    let told = write_reports(&report, &arguments.output, telling);
    settled(report.verdict.exit_code(), told)
}

fn inspected(file: &Path, telling: &Telling) -> anyhow::Result<u8> {
    let mut whole = true;
    let printed = printed(|out| {
        whole = inspect::run(file, width(), color(telling), out)?;
        Ok(())
    })?;
    Ok(if whole { printed } else { 2 })
}

fn examined(doctor: &cli::Doctor) -> anyhow::Result<u8> {
    let rules = RuleSet::shipped();
    let env = Environment::read()?;
    let settings = Settings::load(&doctor.flags(), &env, rules);
    let surroundings: Vec<doctor::Check> = target::examine(&env.directory)
        .into_iter()
        .map(|(name, found)| match found {
            Ok(detail) => doctor::Check::works(name, detail),
            Err(detail) => doctor::Check::fails(name, detail),
        })
        .collect();
    let mut works = false;
    printed(|out| {
        works = doctor::run(&settings, rules, &surroundings, doctor.show_failed, out)?;
        Ok(())
    })?;
    Ok(if works { 0 } else { 2 })
}

fn configured(action: &ConfigAction) -> anyhow::Result<u8> {
    let (flags, env, rules) = (action.flags(), Environment::read()?, RuleSet::shipped());
    printed(|out| match action {
        ConfigAction::Init { file, force } => config::init(file, *force, out),
        ConfigAction::Check { .. } => config::check(&flags, &env, rules, out),
        ConfigAction::Show { .. } => config::show(&flags, &env, rules, out),
    })
}

/// Prints to standard output; a reader that went away is no failure.
fn printed(print: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<u8> {
    let mut outcome = Ok(());
    output::to_file(None, |out| {
        outcome = print(out);
        Ok(())
    })?;
    match outcome {
        Err(error) if is_broken_pipe(&error) => Ok(0),
        other => other.map(|()| 0),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// The exit code of a run whose results could perhaps not all be told: a finding that counts outweighs that.
fn settled(code: u8, told: anyhow::Result<()>) -> anyhow::Result<u8> {
    match told {
        Err(error) if code == 1 => {
            let text: Vec<String> =
                format!("{error:#}").lines().map(|line| crate::escape::printable(line, 2000)).collect();
            writeln!(io::stderr().lock(), "error: {}", text.join("\n"))?;
            Ok(code)
        }
        told => told.map(|()| code),
    }
}

/// Does every step, whatever became of those before it; the errors together are one.
fn all_of(steps: impl IntoIterator<Item = anyhow::Result<()>>) -> anyhow::Result<()> {
    let failed: Vec<String> = steps.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    if failed.is_empty() { Ok(()) } else { Err(anyhow::anyhow!(failed.join("\n"))) }
}

/// Refuses outputs that would cost what is scanned, or one another.
///
/// # Errors
/// The sentence names the file.
fn check_outputs(output: &Output, targets: &[PathBuf]) -> anyhow::Result<()> {
    let is_file = |path: &Path| path.as_os_str() != "-" && path.metadata().map_or(true, |meta| meta.is_file());
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let of_folder = || Some(folder.canonicalize().ok()?.join(path.file_name()?));
        path.canonicalize().ok().or_else(of_folder).unwrap_or_else(|| path.to_owned())
    };
    let targets: Vec<PathBuf> = targets.iter().map(|target| place(target)).collect();
    let mut seen = HashSet::new();
    let main = output.output.as_deref();
    for path in main.into_iter().chain(output.files().map(|(_, path)| path)).filter(|path| is_file(path)) {
        let (place, name) = (place(path), crate::escape::printable(&path.to_string_lossy(), 1000));
        if targets.contains(&place) {
            anyhow::bail!("{name} is to be scanned: a report would replace it\nhelp: give the report another name");
        }
        if !seen.insert(place) {
            anyhow::bail!("{name} is given for two reports: one would replace the other");
        }
    }
    Ok(())
}

/// Writes the main output and every other one that was asked for.
fn write_reports(report: &Report, output: &Output, telling: &Telling) -> anyhow::Result<()> {
    write_as(report, output, &Look::new(telling, output))
}

/// As [`write_reports`] with a look of the caller's.
fn write_as(report: &Report, output: &Output, look: &Look) -> anyhow::Result<()> {
    // Files first: a reader of standard output that goes away must not cost them.
    let files = output.files().map(|(format, path)| look.print_to(report, format, Some(path)));
    let main = std::iter::once_with(|| look.print_to(report, output.format, output.output.as_deref()));
    let told = all_of(files.chain(main));
    // What went wrong is on standard error too when standard output carries data.
    if output.format != OutputFormat::Text && output.output.is_none() {
        let mut err = io::stderr().lock();
        for error in &report.errors {
            writeln!(err, "error: {}", crate::escape::printable(error, 1000))?;
        }
    }
    told
}

/// Says which report could not be written.
fn unwritable(path: Option<&Path>, error: &io::Error) -> anyhow::Error {
    let name = path.map_or_else(|| "standard output".into(), |path| path.display().to_string());
    anyhow::anyhow!("{name} could not be written: {error}")
}

/// How reports look, for all formats.
struct Look {
    text: text::Options,
    sarif: sarif::Options,
    sbom: cyclonedx::Options,
}

impl Look {
    fn new(telling: &Telling, output: &Output) -> Self {
        let verbosity = match (telling.quiet, telling.verbose) {
            (true, _) => text::Verbosity::Quiet,
            (false, 0) => text::Verbosity::Normal,
            (false, _) => text::Verbosity::Verbose,
        };
        let color = match telling.color {
            Color::Auto => output.output.is_none() && color(telling),
            Color::Always => true,
            Color::Never => false,
        };
        let text = text::Options { color, verbosity, width: width() };
        let sarif = sarif::Options { include_suppressed: output.sarif_include_suppressed, ..sarif::Options::default() };
        let sbom = cyclonedx::Options {
            version: match output.sbom_version {
                SbomVersion::V1_5 => cyclonedx::SpecVersion::V1_5,
                SbomVersion::V1_6 => cyclonedx::SpecVersion::V1_6,
                SbomVersion::V1_7 => cyclonedx::SpecVersion::V1_7,
            },
            reproducible: output.reproducible,
            timestamp: variable("SOURCE_DATE_EPOCH").and_then(|seconds| seconds.parse().ok()),
            name: None,
            gitlab: output.sbom_profile == Some(SbomProfile::Gitlab),
        };
        Self { text, sarif, sbom }
    }

    /// Under a name that tells several uploads of one repository apart.
    #[cfg(feature = "git")]
    fn category(mut self, category: Option<String>) -> Self {
        self.sarif.category = category;
        self
    }

    fn print(&self, report: &Report, format: OutputFormat, out: &mut dyn Write) -> io::Result<()> {
        let is_json = matches!(
            format,
            OutputFormat::Json
                | OutputFormat::Sarif
                | OutputFormat::Cyclonedx
                | OutputFormat::GitlabSast
                | OutputFormat::GitlabCodequality
        );
        let mut inert = output::InertJson::new(out);
        if is_json { self.print_plain(report, format, &mut inert) } else { self.print_plain(report, format, out) }
    }

    fn print_plain(&self, report: &Report, format: OutputFormat, out: &mut dyn Write) -> io::Result<()> {
        match format {
            OutputFormat::Text => text::write(report, &self.text, out),
            OutputFormat::Json => json::write(report, out),
            OutputFormat::Sarif => sarif::write(report, &self.sarif, out),
            OutputFormat::Cyclonedx => cyclonedx::write(report, &self.sbom, out),
            OutputFormat::Markdown => markdown::write(report, &markdown::Options::default(), out),
            OutputFormat::GitlabSast => gitlab_sast::write(report, &gitlab_sast::Options::default(), out),
            OutputFormat::GitlabCodequality => {
                gitlab_codequality::write(report, &gitlab_codequality::Options::default(), out)
            }
            OutputFormat::Github => github::write(report, &github::Options::default(), out),
            OutputFormat::Junit => junit::write(report, &junit::Options::default(), out),
        }
    }

    fn print_to(&self, report: &Report, format: OutputFormat, path: Option<&Path>) -> anyhow::Result<()> {
        output::to_file(path, |out| self.print(report, format, out)).map_err(|error| unwritable(path, &error))
    }

    /// As [`Look::print_to`], under a name that nobody gave.
    #[cfg(feature = "git")]
    fn print_to_own(&self, report: &Report, format: OutputFormat, path: &Path) -> anyhow::Result<()> {
        output::to_own_file(path, |out| self.print(report, format, out)).map_err(|error| unwritable(Some(path), &error))
    }
}

/// A variable of the surroundings that is not ours: of the CI host, of the terminal.
#[expect(clippy::disallowed_methods, reason = "the one place; our own variables are read by `config`")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Columns of the terminal, within what reads well.
fn width() -> usize {
    let columns = variable("COLUMNS").and_then(|columns| columns.parse().ok());
    columns.unwrap_or(80_usize).clamp(40, 120)
}

/// Colours on standard output: wanted, or possible and not declined.
fn color(telling: &Telling) -> bool {
    match telling.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            io::stdout().is_terminal() && anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
        }
    }
}
