//! Python pickles: every opcode of protocols 0 to 5, interpreted symbolically.
//!
//! A file holds one pickle or several in a row; each is run by the machine in [`crate::decode::pickle`], and what it
//! names, calls and writes is stated. `streams` walks from pickle to pickle, `facts` turns a finished run into facts,
//! `nested` looks into literals that are pickles themselves, `identify` says whether data is a pickle at all.

mod code;
mod facts;
mod identify;
mod loaders;
mod nested;
mod rereading;
mod salvage;
mod streams;
pub mod weights_only;

pub use identify::{is_legacy_torch, is_pickle, looks_like_pickle};
pub use loaders::state_name;
pub use nested::state_dormant;
pub use streams::{Loaded, Sequence, interpret_each};

use super::{Format, FormatKind, Halt, Scan};
use crate::bytes::Role;
use crate::decode::pickle::{End, Persistence};
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "pickle",
    title: "Python pickle",
    kind: FormatKind::Model,
    extensions: &["pkl", "pickle", "dill", "joblib", "p", "pck", "pdparams", "pdopt"],
    runs_code: true,
    refines: None,
    identify: identify::identify,
    scan,
    checks: "imports and calls through memo, stack and string functions; helpers that call or import; attribute and \
             item writes; nested and hidden pickles; joblib arrays",
    spec: "https://github.com/python/cpython/blob/main/Lib/pickletools.py",
};

/// What a loader-specific format needs to know of the pickle that it holds.
#[derive(Debug, Default)]
pub struct Summary {
    /// Persistent ids in the order of their first use, each distinct one once in each stream.
    pub persistent: Vec<PersistentId>,
    /// Pickles that reached STOP.
    pub streams: u64,
    /// Offset after the last STOP.
    pub end: u64,
    /// What `torch.load` with `weights_only` refuses in them: opcodes and names, each once, the first few.
    pub refused: Vec<String>,
}

/// A reference to data outside the pickle: for `PyTorch` `('storage', class, key, location, numel)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistentId {
    /// Offset of the BINPERSID or PERSID opcode.
    pub at: u64,
    /// The items of the tuple as text: strings as they are, integers in decimal, globals as `module.name`,
    /// anything else `?`. A persistent id that is no tuple has one item.
    pub items: Vec<String>,
}

/// How a pickle is embedded, which decides what is ordinary in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// `pickle.load`: a persistent id is unusual, and so is anything behind the last pickle.
    #[default]
    Plain,
    /// `torch.load`: persistent ids name storages.
    Torch,
}

impl Dialect {
    const fn persistence(self) -> Persistence {
        match self {
            Self::Plain => Persistence::None,
            Self::Torch => Persistence::Torch,
        }
    }
}

/// Interprets the input from `offset` as one or more pickles, states facts, and returns what it references.
///
/// # Errors
/// The stream breaks before its STOP or a limit is reached; facts found until then have been stated.
pub fn interpret(scan: &mut Scan<'_>, offset: u64, dialect: Dialect) -> Result<Summary, Halt> {
    streams::Walk::new(dialect).run(scan, offset).map(|walked| walked.summary)
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let dialect = if scan.input.role == Role::TorchPickle { Dialect::Torch } else { Dialect::Plain };
    let walked = streams::Walk::new(dialect).run(scan, 0);
    if let Ok(walked) = &walked {
        let streams = walked.summary.streams;
        let plural = if streams == 1 { "" } else { "s" };
        let detail = format!("protocol {}, {streams} stream{plural}", walked.protocol);
        scan.whole(Fact::Component { name: FORMAT.name, detail: &detail });
    }
    walked.map(drop)
}

/// Why a run stopped short, as a format says it; None at STOP.
fn halt(end: End) -> Option<Halt> {
    match end {
        End::Stop => None,
        End::Broken(malformed) => Some(malformed.into()),
        End::Limit(exceeded) => Some(exceeded.into()),
        End::Failed(error) => Some(error.into()),
    }
}
