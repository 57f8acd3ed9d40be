//! Formats: what each model format is, how to know it, how to read it.
//!
//! A format states facts and hands nested inputs back; it never judges and never prints. This list is the only one:
//! detection, the `formats` command, the corpus test and the fuzz targets iterate it.

#![warn(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable
)]

mod decoded;
mod detect;
mod duplicates;
mod member_audit;
mod member_path;
mod region;
mod software;
mod stop;

pub use detect::{Detected, Probe, detect};
pub use member_path::is_hidden;
pub use region::{Region, common};
pub use software::COMPONENT as SOFTWARE;
pub use stop::{Stop, Stops};

use crate::bytes::{Budget, Exceeded, Input, InputName, Malformed, ReadError, Stream};
use crate::escape;
use crate::fact::{Fact, Location, Sink, Span};

/// Declares the modules of the formats and the table of their records, in order of preference for detection.
macro_rules! formats {
    ($($module:ident),*; $family:ident: $($record:ident),* $(,)?) => {
        $( pub mod $module; )*
        pub mod $family;

        /// Every format that this build reads.
        pub const FORMATS: &[&Format] = &[$( &$module::FORMAT ),*, $( &$family::$record ),*];
    };
}

formats! {
    safetensors,
    numpy,
    pickle,
    json_objects,
    encoded_text,
    pytorch,
    pytorch_legacy,
    pytorch_export,
    npz,
    hdf5,
    sqlite,
    python_code,
    wheel,
    archive_zip,
    pytorch_tar,
    archive_tar,
    oci,
    oci_zip,
    archive_7z,
    archive_cpio,
    archive_ar,
    archive_rar;
    compressed: GZIP, BZIP2, XZ, LZMA, ZLIB, ZSTD, LZ4, JOBLIB_ZF,
}

/// What kind of thing a format is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatKind {
    /// Holds other files.
    Container,
    /// Holds a model, weights or a part of one.
    Model,
    /// Code apart from any model, which projects are full of: a file of that kind in a folder is no input.
    Program,
}

/// A format: a static record of functions, because formats have no state.
#[derive(Debug)]
pub struct Format {
    /// Name in reports and tables: lower case, `safetensors`.
    pub name: &'static str,
    /// Name for people: `PyTorch checkpoint (zip)`.
    pub title: &'static str,
    /// Container or model.
    pub kind: FormatKind,
    /// Extensions that ordinary writers give it, lower case, no dot.
    pub extensions: &'static [&'static str],
    /// True if loading it can run code.
    pub runs_code: bool,
    /// The more general format that this one refines (`zip` for a `PyTorch` checkpoint): it is not reported beside it.
    pub refines: Option<&'static str>,
    /// Does the content look like this format? Reads a few kilobytes at most, and text that may be JSON to its end.
    pub identify: fn(&Probe<'_>) -> bool,
    /// Reads it and states facts.
    pub scan: fn(&mut Scan<'_>) -> Result<(), Halt>,
    /// What is checked, for `modelaudit formats`.
    pub checks: &'static str,
    /// Where the layout is specified.
    pub spec: &'static str,
}

/// Why a format stopped before the end of what it promises.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// The bytes break the format.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A limit was reached.
    #[error(transparent)]
    Limit(#[from] Exceeded),
    /// A feature that cannot be read.
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
    /// The source failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Malformed(malformed) => Self::Malformed(malformed),
            ReadError::Io(error) => Self::Io(error),
        }
    }
}

impl From<crate::decode::Stop> for Halt {
    fn from(stop: crate::decode::Stop) -> Self {
        match stop {
            crate::decode::Stop::Read(error) => error.into(),
            crate::decode::Stop::Limit(exceeded) => exceeded.into(),
        }
    }
}

/// The rest of a format's work on one input, to be done when the nested inputs handed back so far have been read.
pub type Rest = Box<dyn FnOnce(&mut Scan<'_>) -> Result<(), Halt>>;

/// What the engine has to do next: its work list, the last entry first.
pub enum Work {
    /// An input to detect and read.
    Input(Input),
    /// What a format has left to do on an input.
    Rest(Input, &'static Format, Rest),
}

/// Shorter ranges that nothing describes hold nothing.
const MIN_REGION: u64 = 16;

/// What a format is given: the input, the budget, and where to put facts and nested inputs.
pub struct Scan<'a> {
    /// The input to read.
    pub input: &'a Input,
    /// What it may cost.
    pub budget: &'a Budget,
    format: &'static Format,
    sink: &'a mut dyn Sink,
    work: &'a mut Vec<Work>,
    /// Length of the work list before this format added to it.
    start: usize,
    /// Ranges that this format does not describe.
    regions: Vec<Region>,
    halted: &'a mut Stops,
}

impl<'a> Scan<'a> {
    /// Starts a scan of `input` as `format`.
    pub fn new(
        input: &'a Input,
        format: &'static Format,
        budget: &'a Budget,
        sink: &'a mut dyn Sink,
        work: &'a mut Vec<Work>,
        halted: &'a mut Stops,
    ) -> Self {
        let start = work.len();
        Self { input, budget, format, sink, work, start, regions: Vec::new(), halted }
    }

    /// States a fact about the range `offset..offset + length`.
    pub fn fact(&mut self, offset: u64, length: u64, fact: Fact<'_>) {
        self.sink.take(&fact, &Location { name: &self.input.name, span: Some(Span { offset, length }) });
    }

    /// States a fact about the whole input.
    pub fn whole(&mut self, fact: Fact<'_>) {
        self.sink.take(&fact, &Location { name: &self.input.name, span: None });
    }

    /// Tells of a nested input that needs no reading of its own.
    pub fn mention(&mut self, input: &Input) {
        self.sink.input(input, &[]);
    }

    /// Hands a nested input back to the engine.
    ///
    /// # Errors
    /// The limit on members or on depth is reached.
    pub fn child(&mut self, input: Input) -> Result<(), Halt> {
        self.budget.take_member()?;
        if let Some(name) =
            input.name.members.last().filter(|name| !name.is_ascii() && name.chars().any(escape::is_hidden))
        {
            self.whole(Fact::Text { text: name, slot: "member-name" });
        }
        let limit = self.budget.limits().depth;
        if input.depth() as u64 > limit {
            return Err(Exceeded { what: "levels of nesting", limit }.into());
        }
        self.work.push(Work::Input(input));
        Ok(())
    }

    /// Puts the rest of this format's work off until the inputs handed back so far have been read: what was decoded
    /// for them need not be kept beside what is still to be decoded.
    pub fn later(&mut self, rest: Rest) {
        let at = self.start.min(self.work.len());
        self.work.insert(at, Work::Rest(self.input.clone(), self.format, rest));
    }

    /// Runs `read` on a nested input as if the engine had, so that this format can use what it finds; facts are stated
    /// at the nested input. A halt inside is recorded there and does not stop this format.
    pub fn within<T>(
        &mut self,
        input: &Input,
        format: &'static Format,
        read: impl FnOnce(&mut Scan<'_>) -> Result<T, Halt>,
    ) -> Option<T> {
        self.sink.input(input, &[format.name]);
        let mut scan = Scan {
            input,
            budget: self.budget,
            format,
            sink: &mut *self.sink,
            work: &mut *self.work,
            start: self.start,
            regions: Vec::new(),
            halted: &mut *self.halted,
        };
        let value = read(&mut scan).map_err(|halt| scan.halt(&halt)).ok();
        for region in scan.take_regions() {
            scan.region_child(&region);
        }
        value
    }

    /// Tells of bytes that this format does not describe. They are scanned as an input of their own, unless the same
    /// bytes are another format too and that one describes them.
    pub fn leave(&mut self, name: impl Into<String>, at: u64, length: u64) {
        if length >= MIN_REGION {
            self.regions.push(Region { name: name.into(), at, end: at.saturating_add(length) });
        }
    }

    /// The ranges left so far.
    pub fn take_regions(&mut self) -> Vec<Region> {
        std::mem::take(&mut self.regions)
    }

    /// Hands a range back to the engine.
    pub fn region_child(&mut self, region: &Region) {
        let child = self.input.slice(region.name.as_str(), region.at, region.end.saturating_sub(region.at));
        if let Err(halt) = self.child(child) {
            self.halt(&halt);
        }
    }

    /// Records for the coverage alone that a part was not read; the fact that says why has been stated. `unsupported`:
    /// the part may be sound and only this build cannot read it.
    pub fn unread(&mut self, name: InputName, reason: &str, unsupported: bool) {
        self.halted.push(Stop { name, reason: reason.to_owned(), failed: false, unsupported });
    }

    /// A forward reader over the whole input.
    #[must_use]
    pub fn stream(&self) -> Stream<'a> {
        Stream::new(&*self.input.source, 0)
    }

    /// Records that reading stopped, as a fact and for the coverage. A format calls this itself only for a part that
    /// it can do without; returning the halt does it for the whole.
    pub fn halt(&mut self, halt: &Halt) {
        let format = self.format.name;
        match halt {
            Halt::Malformed(Malformed { at, what }) => {
                self.fact(*at, 0, Fact::Malformed { reason: what, format });
            }
            Halt::Limit(Exceeded { what, .. }) => self.whole(Fact::Limit { reason: what, format }),
            Halt::Unsupported(what) => self.whole(Fact::Unsupported { reason: what, format }),
            Halt::Io(_) => self.whole(Fact::Fault { reason: "the file could not be read", format }),
        }
        self.halted.push(Stop {
            name: self.input.name.clone(),
            reason: halt.to_string(),
            failed: matches!(halt, Halt::Io(_)),
            unsupported: matches!(halt, Halt::Unsupported(_)),
        });
    }

    /// Records that this program failed on the input.
    pub fn fault(&mut self, reason: &'static str) {
        self.whole(Fact::Fault { reason, format: self.format.name });
        let name = self.input.name.clone();
        self.halted.push(Stop { name, reason: reason.to_owned(), failed: true, unsupported: false });
    }
}

/// A fixed step for [`Budget::take_work`]: paying for each opcode would cost more than the opcode.
pub const WORK_STEP: u64 = 4096;

/// Looks a format up by its table name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Format> {
    FORMATS.iter().copied().find(|format| format.name == name)
}
