//! The command line: types only. Help, completions and the manual page are generated from them.

mod baseline;
mod ci;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

pub use baseline::{Baseline, BaselineAction, BaselineScan, Decision};
pub use ci::{Ci, CiAction, CiComment, CiWhat, Extent, Fetch, Host, Lfs, Pipeline, Publish, Upload, Wanted};

use crate::config::{Flags, nearest};

/// Says what would run, and where, when an AI model file is loaded; without loading it.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "modelaudit", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "`modelaudit PATH` is short for `modelaudit scan PATH`.\n\n\
    Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 the job could not be done.")]
pub struct Cli {
    /// How much is told.
    #[command(flatten)]
    pub telling: Telling,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Telling {
    /// Print results only: no progress, no notes
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = 900)]
    pub quiet: bool,
    /// Print more: full explanations, suppressed and fixed findings, skipped files by name
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 900)]
    pub verbose: u8,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", display_order = 900)]
    pub color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// The commands.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Scan files, folders and archives
    Scan(Box<Scan>),
    /// Scan what a pipeline is about, and tell its host
    Ci(Box<Ci>),
    /// Print a saved JSON report in another format
    Render(Box<Render>),
    /// Print what one file contains, without verdicts
    Inspect(Inspect),
    /// List all rules, or explain one
    Rules(Rules),
    /// List the formats that are read
    Formats(Formats),
    /// Accept findings with a reason, and list decisions that are out of date
    Baseline(Baseline),
    /// Print what this build can do and which settings are in force
    Doctor(Box<Doctor>),
    /// Write, validate or print the configuration
    Config(Config),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page (roff)
    Man {
        /// A command, for its own page
        command: Option<String>,
    },
}

/// `modelaudit scan`
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Scan {
    /// What to look at.
    #[command(flatten)]
    pub what: What,
    /// Which rules hold.
    #[command(flatten)]
    pub rules: RuleFlags,
    /// What it may cost.
    #[command(flatten)]
    pub limits: LimitFlags,
    /// Where results go.
    #[command(flatten)]
    pub output: Output,
}

impl Scan {
    /// The part of the command line that takes part in the settings.
    #[must_use]
    pub fn flags(&self) -> Flags {
        flags(&self.rules, &self.limits, &self.what)
    }
}

/// What a scan looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "What to scan")]
pub struct What {
    /// Files, folders or archives, `-` for standard input [default: the current folder]
    #[arg(value_name = "TARGET", value_hint = ValueHint::AnyPath)]
    pub targets: Vec<PathBuf>,
    /// Scan what changed against the merge base of BASE and HEAD; BASE is found automatically if not given
    #[arg(long, value_name = "BASE", num_args = 0..=1, default_missing_value = "")]
    diff: Option<String>,
    /// The base revision; implies --diff
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// The head revision; implies --diff [default: HEAD and the working tree]
    #[arg(long, value_name = "REV")]
    pub head: Option<String>,
    /// Scan what is staged for the next commit
    #[arg(long, conflicts_with_all = ["diff", "base", "head"])]
    pub staged: bool,
    /// In folders and changes, scan only files that match; a file that is named is scanned all the same; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Do not scan files that match, those that are named included; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Also look into the stores of version control (.git); what git ignores is scanned in any case
    #[arg(long)]
    pub no_ignore: bool,
    /// Flags of remote targets.
    #[command(flatten)]
    pub remote: Remote,
}

/// Flags of remote targets, hidden as long as those cannot be scanned: the target itself is then refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Remote {
    /// Another target, by its address
    #[arg(long, value_name = "URL", hide = true)]
    pub url: Vec<String>,
    /// A repository of the Hugging Face Hub
    #[arg(long, alias = "hf", value_name = "REPO", hide = true)]
    pub huggingface: Vec<String>,
    /// All files of the repository; they always are
    #[arg(long, hide = true)]
    pub hf_scan_all: bool,
    /// The `MLflow` registry of `models:/` targets
    #[arg(long, value_name = "URL", hide = true)]
    pub registry_uri: Option<String>,
    /// Credential for Artifactory
    #[arg(long, value_name = "TOKEN", hide = true)]
    pub jfrog_api_token: Option<String>,
    /// Credential for Artifactory
    #[arg(long, value_name = "TOKEN", hide = true)]
    pub jfrog_access_token: Option<String>,
}

/// The comparison that a diff-aware scan is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The base as given; None: find it.
    pub base: Option<String>,
    /// The head as given; None: HEAD with the working tree.
    pub head: Option<String>,
}

impl What {
    /// What to scan and, if asked for, what to compare with.
    ///
    /// `--diff` takes a value or none, so in `--diff models/` the folder is taken for the base. A value that is no
    /// revision but a path is therefore a target, and the base is found automatically.
    ///
    /// # Errors
    /// The sentence says what is wrong with the value.
    pub fn resolve(
        &self,
        is_revision: impl Fn(&str) -> bool,
        is_path: impl Fn(&str) -> bool,
    ) -> Result<(Vec<PathBuf>, Option<Comparison>), String> {
        let mut targets = self.targets.clone();
        targets.extend(self.remote.url.iter().map(PathBuf::from));
        targets.extend(self.remote.huggingface.iter().map(|repo| format!("hf://{repo}").into()));
        let mut base = self.base.clone();
        match self.diff.as_deref() {
            None if base.is_none() && self.head.is_none() => return Ok((targets, None)),
            None | Some("") => {}
            Some(value) if is_revision(value) => {
                if base.replace(value.to_owned()).is_some() {
                    return Err(format!("both --diff {value} and --base give a base; use one of them"));
                }
            }
            Some(value) if is_path(value) => targets.insert(0, value.into()),
            // A branch that this clone does not have, or a slip: the target knows which.
            Some(value) => {
                base.get_or_insert_with(|| value.to_owned());
            }
        }
        Ok((targets, Some(Comparison { base, head: self.head.clone() })))
    }
}

/// Which rules hold and what they are worth.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Rules")]
pub struct RuleFlags {
    /// Use this configuration file and look for no other
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "no_config")]
    pub config: Option<PathBuf>,
    /// Use no configuration file
    #[arg(long)]
    pub no_config: bool,
    /// Findings of this rule do not count; may be repeated
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub suppress: Vec<String>,
    /// Give a rule another severity; may be repeated
    #[arg(long, value_name = "CODE=LEVEL", value_delimiter = ',')]
    pub severity: Vec<String>,
    /// Lowest severity that fails the run [default: medium]
    #[arg(long, value_name = "LEVEL", value_parser = threshold(), ignore_case = true)]
    pub fail_on: Option<String>,
    /// Report names that contain this text or match this glob; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub blacklist: Vec<String>,
    /// Findings that this file accepts do not count; `modelaudit baseline` writes it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub baseline: Option<PathBuf>,
    /// Fail also when a file was not read whole for whatever reason
    #[arg(long)]
    pub strict: bool,
}

fn threshold() -> clap::builder::PossibleValuesParser {
    let levels = ["critical", "high", "medium", "low", "info", "never"].into_iter().map(PossibleValue::new);
    levels.chain([PossibleValue::new("warning").hide(true)]).collect::<Vec<_>>().into()
}

/// What a scan may cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// Do not open larger files: bytes, 500MB or 2GiB; 0: no limit [default: 0]
    #[arg(long, value_name = "SIZE", alias = "max-size")]
    pub max_file_size: Option<String>,
    /// Open no further file after this many bytes of all files together; 0: no limit [default: 0]
    #[arg(long, value_name = "SIZE")]
    pub max_total_size: Option<String>,
    /// Bytes that the compressed content of one file may unpack to; 0: a thousand times the file, at least 1 GiB and at
    /// most 256 GiB [default: 0]
    #[arg(long, value_name = "SIZE")]
    pub max_decoded_size: Option<String>,
    /// Members of all archives inside one file; 0: a million, fewer in a file below 16 MB [default: 0]
    #[arg(long, value_name = "N")]
    pub max_members: Option<String>,
    /// Containers around each other that are opened, 1 to 100 [default: 10]
    #[arg(long, value_name = "N")]
    pub max_depth: Option<String>,
    /// Time for one file; 0: no limit [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<String>,
    /// Threads; 0: one for each core [default: 0]
    #[arg(long, value_name = "N")]
    pub jobs: Option<String>,
    /// Read structure only: no digests, no search for executables in raw data
    #[arg(long)]
    pub skip_payload: bool,
}

/// Where the results of a scan go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Format of the main output
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub format: OutputFormat,
    /// Write the main output to this file [default: standard output]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Also write SARIF to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub sarif: Vec<PathBuf>,
    /// Also write a CycloneDX bill of materials to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub sbom: Vec<PathBuf>,
    /// Version of the CycloneDX specification to follow
    #[arg(long, value_name = "VERSION", default_value = "1.6")]
    pub sbom_version: SbomVersion,
    /// Add the properties that a consumer asks for to the bill of materials
    #[arg(long, value_name = "CONSUMER")]
    pub sbom_profile: Option<SbomProfile>,
    /// Also write the JSON report to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub json: Vec<PathBuf>,
    /// Also write Markdown to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub markdown: Vec<PathBuf>,
    /// Also write GitLab's SAST report to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub gitlab_sast: Vec<PathBuf>,
    /// Also write GitLab's Code Quality report to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub gitlab_codequality: Vec<PathBuf>,
    /// Also write `JUnit` XML to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Vec<PathBuf>,
    /// Keep suppressed findings in SARIF, marked; GitHub opens alerts for them all the same
    #[arg(long)]
    pub sarif_include_suppressed: bool,
    /// Show no progress
    #[arg(long)]
    pub no_progress: bool,
    /// Leave out times, so that equal input gives equal bytes
    #[arg(long)]
    pub reproducible: bool,
}

impl Output {
    /// Every file that was asked for beside the main output.
    pub fn files(&self) -> impl Iterator<Item = (OutputFormat, &Path)> {
        let lists = [
            (OutputFormat::Sarif, &self.sarif),
            (OutputFormat::Cyclonedx, &self.sbom),
            (OutputFormat::Json, &self.json),
            (OutputFormat::Markdown, &self.markdown),
            (OutputFormat::GitlabSast, &self.gitlab_sast),
            (OutputFormat::GitlabCodequality, &self.gitlab_codequality),
            (OutputFormat::Junit, &self.junit),
        ];
        lists.into_iter().flat_map(|(format, paths)| paths.iter().map(move |path| (format, path.as_path())))
    }
}

/// The formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
#[non_exhaustive]
pub enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// The report as data, schema version 1.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// CycloneDX bill of materials.
    Cyclonedx,
    /// For comments and summaries.
    Markdown,
    /// GitLab SAST, schema 15.2.
    GitlabSast,
    /// GitLab Code Quality.
    GitlabCodequality,
    /// Workflow commands of GitHub Actions.
    Github,
    /// `JUnit` XML.
    Junit,
}

/// Consumers of the bill of materials that ask for properties of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SbomProfile {
    /// GitLab's dependency list.
    Gitlab,
}

/// Versions of the CycloneDX specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum SbomVersion {
    /// 1.5.
    #[value(name = "1.5")]
    V1_5,
    /// 1.6.
    #[default]
    #[value(name = "1.6")]
    V1_6,
    /// 1.7.
    #[value(name = "1.7")]
    V1_7,
}

/// `modelaudit render`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Render {
    /// The saved report, `-` for standard input; checked strictly, it may come from an untrusted fork
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub from: PathBuf,
    /// Where the results go.
    #[command(flatten)]
    pub output: Output,
}

/// `modelaudit inspect`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Inspect {
    /// The file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
}

/// `modelaudit rules`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Rules {
    /// Code or name of one rule to explain
    #[arg(value_name = "CODE or NAME")]
    pub rule: Option<String>,
    /// Format to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub format: ListFormat,
}

/// `modelaudit formats`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Formats {
    /// Format to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub format: ListFormat,
}

/// The formats of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ListFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// Markdown tables.
    Markdown,
}

/// `modelaudit doctor`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Doctor {
    /// Print only what does not work, with what to do about it
    #[arg(long)]
    pub show_failed: bool,
    /// Settings to examine.
    #[command(flatten)]
    pub rules: RuleFlags,
    /// Settings to examine.
    #[command(flatten)]
    pub limits: LimitFlags,
}

impl Doctor {
    /// The part of the command line that takes part in the settings.
    #[must_use]
    pub fn flags(&self) -> Flags {
        flags(&self.rules, &self.limits, &What::default())
    }
}

/// `modelaudit config`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Config {
    /// What to do.
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What `modelaudit config` does.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ConfigAction {
    /// Write a commented template
    Init {
        /// Where to, `-` for standard output
        #[arg(value_name = "FILE", default_value = ".modelaudit.toml", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Replace a file that exists
        #[arg(long)]
        force: bool,
    },
    /// Validate the configuration and print the line of each mistake
    Check {
        /// The file [default: the one that a scan would use]
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
        /// The same, as other commands spell it
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "file")]
        config: Option<PathBuf>,
    },
    /// Print the settings in force and where each comes from
    Show {
        /// Settings to merge in.
        #[command(flatten)]
        rules: Box<RuleFlags>,
        /// Settings to merge in.
        #[command(flatten)]
        limits: Box<LimitFlags>,
    },
}

impl ConfigAction {
    /// The part of the command line that takes part in the settings.
    #[must_use]
    pub fn flags(&self) -> Flags {
        match self {
            Self::Init { .. } => Flags::default(),
            Self::Check { file, config } => {
                Flags { config: file.clone().or_else(|| config.clone()), ..Flags::default() }
            }
            Self::Show { rules, limits } => flags(rules, limits, &What::default()),
        }
    }
}

fn flags(rules: &RuleFlags, limits: &LimitFlags, what: &What) -> Flags {
    Flags {
        config: rules.config.clone(),
        no_config: rules.no_config,
        baseline: rules.baseline.clone(),
        fail_on: rules.fail_on.clone(),
        strict: rules.strict,
        skip_payload: limits.skip_payload,
        suppress: rules.suppress.clone(),
        severity: rules.severity.clone(),
        blacklist: rules.blacklist.clone(),
        include: what.include.clone(),
        exclude: what.exclude.clone(),
        max_file_size: limits.max_file_size.clone(),
        max_total_size: limits.max_total_size.clone(),
        max_decoded_size: limits.max_decoded_size.clone(),
        max_members: limits.max_members.clone(),
        max_depth: limits.max_depth.clone(),
        timeout: limits.timeout.clone(),
        jobs: limits.jobs.clone(),
    }
}

/// Parses a command line whose first element is the program's name. A command line without a command is a scan.
///
/// # Errors
/// It is wrong, or asks for help or the version; clap's error knows how to print itself and which code to exit with.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(with_command(arguments.into_iter().collect()))
}

/// Inserts `scan` before the first argument that is neither a flag of every command nor a command.
fn with_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let command = Cli::command();
    let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).chain(["help"]).collect();
    let mut at = 1;
    while let Some(argument) = arguments.get(at) {
        let text = argument.to_string_lossy();
        match text.as_ref() {
            "--color" => at += 2,
            "--quiet" | "--verbose" => at += 1,
            "-h" | "--help" | "-V" | "--version" => return arguments,
            flag if flag.starts_with("--color=") => at += 1,
            flag if flag.len() > 1 && flag.starts_with('-') && flag.chars().skip(1).all(|c| matches!(c, 'q' | 'v')) => {
                at += 1;
            }
            word if names.contains(&word) || is_slip(word, &names) => return arguments,
            _ => {
                arguments.insert(at, "scan".into());
                return arguments;
            }
        }
    }
    arguments
}

/// True for a word that is more likely a mistyped command than a path: clap then says which one was meant.
fn is_slip(word: &str, names: &[&str]) -> bool {
    let plain = word.len() > 3 && word.chars().all(|c| c.is_ascii_lowercase());
    plain && nearest(word, names.iter().copied().filter(|name| name.len() > 3)).is_some()
}
