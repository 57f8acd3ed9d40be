//! `modelaudit ci`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::{LimitFlags, Output, RuleFlags};
use crate::config::Flags;

/// `modelaudit ci`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(
    after_help = "GITHUB_TOKEN, or GITLAB_TOKEN, is what may comment and upload; without it, nothing is sent.\n\n\
    Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 the job could not be done. Comments and uploads that the\n\
    host refuses are told and change nothing."
)]
pub struct Ci {
    /// Another part of a pipeline.
    #[command(subcommand)]
    pub action: Option<CiAction>,
    /// What to look at.
    #[command(flatten)]
    pub what: CiWhat,
    /// Who runs it.
    #[command(flatten)]
    pub pipeline: Pipeline,
    /// What is told to the host.
    #[command(flatten)]
    pub publish: Publish,
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

/// The other parts of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum CiAction {
    /// Comment with a report that another run saved, as for a fork whose own run may not
    Comment(Box<CiComment>),
}

/// `modelaudit ci comment`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct CiComment {
    /// The saved report; checked strictly, it may come from an untrusted fork
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub from: PathBuf,
    /// The commit that the request must still be at [default: of the run that this one follows]
    #[arg(long, value_name = "COMMIT")]
    pub head: Option<String>,
    /// Who runs it.
    #[command(flatten)]
    pub pipeline: Pipeline,
    /// When to comment
    #[arg(long, value_name = "WHEN", default_value = "on-findings")]
    pub comment: Wanted,
    /// Tells the comments of several jobs on one request apart
    #[arg(long, value_name = "KEY", default_value = "default")]
    pub comment_key: String,
}

impl Ci {
    /// The part of the command line that takes part in the settings.
    #[must_use]
    pub fn flags(&self) -> Flags {
        let what = super::What {
            include: self.what.include.clone(),
            exclude: self.what.exclude.clone(),
            ..super::What::default()
        };
        super::flags(&self.rules, &self.limits, &what)
    }
}

/// What a run in a pipeline looks at.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "What to scan")]
pub struct CiWhat {
    /// Files, folders or globs of the repository [default: all of it]
    #[arg(value_name = "TARGET", value_hint = ValueHint::AnyPath)]
    pub targets: Vec<PathBuf>,
    /// How much: what the event asks for, what changed, everything, what is staged
    #[arg(long, value_name = "EXTENT", default_value = "auto")]
    pub mode: Extent,
    /// The base revision [default: found from the event]
    #[arg(long, value_name = "REV")]
    pub base: Option<String>,
    /// The head revision [default: what is checked out; on `pull_request_target` the head of the request]
    #[arg(long, value_name = "REV")]
    pub head: Option<String>,
    /// What may be fetched to find the base: nothing, commits and some history, all history
    #[arg(long, value_name = "WHAT", default_value = "auto")]
    pub fetch: Fetch,
    /// Fail with exit code 2 if there is nothing to compare with, instead of scanning everything
    #[arg(long)]
    pub require_diff: bool,
    /// Git LFS objects that are not here: report them as unread, fail, fetch those that changed, pass them over
    #[arg(long, value_name = "WHAT", default_value = "report")]
    pub lfs: Lfs,
    /// In folders and changes, scan only files that match; a file that is named is scanned all the same; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Do not scan files that match, those that are named included; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Keep verdicts by the digest of what they are about, and do not scan the same bytes with the same rules again
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub cache: Option<PathBuf>,
    /// Take the configuration and baseline of a change under review, not those of its base
    #[arg(long)]
    pub trust_head_config: bool,
}

/// Who runs a pipeline; each is found from the environment if not given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Pipeline")]
pub struct Pipeline {
    /// Whose pipeline it is
    #[arg(long, value_name = "HOST")]
    pub host: Option<Host>,
    /// The event, by the host's word: `pull_request`, `push`, `merge_group`, `schedule`, `merge_request_event`
    #[arg(long, value_name = "NAME")]
    pub event: Option<String>,
    /// Number of the pull or merge request
    #[arg(long, value_name = "NUMBER", visible_aliases = ["pr", "mr"])]
    pub change: Option<u64>,
    /// owner/name on GitHub, the id of the project on GitLab
    #[arg(long, value_name = "REPOSITORY")]
    pub repository: Option<String>,
    /// Base address of the host's REST API
    #[arg(long, value_name = "URL")]
    pub api_url: Option<String>,
    /// Print every decision and its reason to standard error
    #[arg(long)]
    pub explain: bool,
}

/// What is told to the host.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Telling the host")]
pub struct Publish {
    /// When to comment on the pull or merge request
    #[arg(long, value_name = "WHEN", default_value = "on-findings")]
    pub comment: Wanted,
    /// Tells the comments of several jobs on one request apart
    #[arg(long, value_name = "KEY", default_value = "default")]
    pub comment_key: String,
    /// Upload SARIF to GitHub code scanning: if the token may, in any case (a refusal fails), not at all
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub upload_sarif: Upload,
    /// Tells the uploads of several projects of one repository apart
    #[arg(long, value_name = "NAME")]
    pub category: Option<String>,
    /// Write no summary of the job
    #[arg(long)]
    pub no_summary: bool,
    /// Print no annotations
    #[arg(long)]
    pub no_annotations: bool,
    /// Folder for the reports that no flag names [default: `$RUNNER_TEMP/modelaudit` on GitHub, the project on GitLab]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub report_dir: Option<PathBuf>,
}

/// How much to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Extent {
    /// What the event asks for.
    #[default]
    Auto,
    /// What changed.
    Diff,
    /// Everything.
    Full,
    /// What is staged.
    Staged,
}

/// What may be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Fetch {
    /// Commits and some history.
    #[default]
    Auto,
    /// Nothing.
    Never,
    /// All history, if need be.
    All,
}

/// What to do with pointers of Git LFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Lfs {
    /// Report them as not read.
    #[default]
    Report,
    /// Fail.
    Require,
    /// Fetch what changed; what does not come fails.
    Fetch,
    /// Pass them over.
    Ignore,
}

/// When to comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Wanted {
    /// When there is something to say, or something said to take back.
    #[default]
    OnFindings,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// When to upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Upload {
    /// If the token may.
    #[default]
    Auto,
    /// A refusal fails the run.
    Always,
    /// Never.
    Never,
}

/// Hosts of pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Host {
    /// GitHub Actions, and what is compatible with it.
    #[value(name = "github")]
    GitHub,
    /// GitLab CI.
    #[value(name = "gitlab")]
    GitLab,
    /// pre-commit.
    PreCommit,
    /// Azure Pipelines.
    Azure,
    /// Another, or none.
    Generic,
}

impl Host {
    /// The word that names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::PreCommit => "pre-commit",
            Self::Azure => "azure",
            Self::Generic => "generic",
        }
    }
}
