//! `modelaudit baseline`

use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::{LimitFlags, RuleFlags, What};
use crate::config::{Flags, parse_date};

/// `modelaudit baseline`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Baseline {
    /// What to do.
    #[command(subcommand)]
    pub action: BaselineAction,
}

/// What `modelaudit baseline` does.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum BaselineAction {
    /// Accept today's findings, with a reason
    Create {
        /// What to scan.
        #[command(flatten)]
        scan: Box<BaselineScan>,
        /// How they are accepted.
        #[command(flatten)]
        decision: Decision,
        /// Replace a baseline that exists
        #[arg(long)]
        force: bool,
    },
    /// Remove entries that match nothing any more; with --reason, also accept the findings that have no entry
    Update {
        /// What to scan.
        #[command(flatten)]
        scan: Box<BaselineScan>,
        /// How new findings are accepted.
        #[command(flatten)]
        decision: Decision,
    },
    /// List entries that have expired, soon will, or match nothing; exit code 1 if one has no effect any more
    Check {
        /// What to scan.
        #[command(flatten)]
        scan: Box<BaselineScan>,
    },
}

/// The scan that a baseline is compared with. `--baseline` names its file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct BaselineScan {
    /// What to look at.
    #[command(flatten)]
    pub what: What,
    /// Which rules hold.
    #[command(flatten)]
    pub rules: RuleFlags,
    /// What it may cost.
    #[command(flatten)]
    pub limits: LimitFlags,
}

impl BaselineScan {
    /// The part of the command line that takes part in the settings.
    #[must_use]
    pub fn flags(&self) -> Flags {
        super::flags(&self.rules, &self.limits, &self.what)
    }
}

/// How findings are accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Decision")]
pub struct Decision {
    /// Why the findings are acceptable
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Who answers for it
    #[arg(long, value_name = "NAME", requires = "reason")]
    pub owner: Option<String>,
    /// Last day on which the entries count, 2027-01-31
    #[arg(long, value_name = "DAY", requires = "reason", value_parser = parse_date)]
    pub expires: Option<Date>,
    /// Bind the entries to the files as they are, by SHA-256: any change brings the findings back
    #[arg(long, requires = "reason")]
    pub pin: bool,
    /// Accept findings below --fail-on too
    #[arg(long, requires = "reason")]
    pub all: bool,
}
