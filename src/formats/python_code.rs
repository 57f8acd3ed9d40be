//! From stored Python code to facts: that it is there, of which version, and which names it reaches.
//!
//! Pickles, compiled modules and configurations carry code in different wrappers; what it means is the same.

use super::{Format, FormatKind, Halt, Scan};
use crate::bytes::{Exceeded, Malformed};
use crate::decode::bytecode::{MOST_STEPS, Survey, Version, survey};
use crate::decode::marshal::pyc::{Header, Validity};
use crate::decode::marshal::{self, Id, Layout, Marshal, Objects};
use crate::fact::Fact;

/// Marshalled bytes that are looked at. The largest modules have a few megabytes.
const LONGEST: usize = 32 << 20;
/// Names of functions that are told.
const MOST_TOLD: usize = 12;

/// Compiled modules. Every Python project is full of them: the engine reads those that were asked for by name, that have
/// the name of a model, or that lie inside something else.
pub const FORMAT: Format = Format {
    name: "pyc",
    title: "compiled Python module",
    kind: FormatKind::Program,
    extensions: &["pyc"],
    runs_code: true,
    refines: None,
    identify: |probe| marshal::pyc::is_module(&probe.head),
    scan: module,
    checks: "names that the bytecode of Python 2.7 to 3.14 reaches; how the module is held against its source",
    spec: "https://docs.python.org/3/library/py_compile.html",
};

/// Code found in one stream, gathered into one fact.
#[derive(Debug)]
pub struct Gathered {
    form: &'static str,
    first: u64,
    count: u64,
    names: Vec<String>,
    versions: Vec<Version>,
    state: &'static str,
    steps: u64,
    reached: Vec<Reached>,
}

/// What one piece of code reaches, and where that piece stands.
#[derive(Debug)]
struct Reached {
    at: u64,
    survey: Survey,
    python2: bool,
}

impl Gathered {
    /// Nothing yet, stored in that `form`: see [`Fact::Code`].
    #[must_use]
    pub fn new(form: &'static str) -> Self {
        Self {
            form,
            first: 0,
            count: 0,
            names: Vec::new(),
            versions: Vec::new(),
            state: "walked",
            steps: MOST_STEPS,
            reached: Vec::new(),
        }
    }

    /// Adds code objects that belong together, which stand at `at`. `version`: the one that is to run them, if it is
    /// known.
    pub fn add(&mut self, objects: &Objects, codes: &[Id], at: u64, version: Option<Version>) {
        for layout in Layout::ALL {
            let of_layout = |id: &&Id| objects.code(**id).is_some_and(|code| code.layout == layout);
            let codes: Vec<Id> = codes.iter().filter(of_layout).copied().collect();
            if codes.is_empty() {
                continue;
            }
            self.note(at, codes.len());
            for &id in codes.iter().rev() {
                let name = objects.code(id).and_then(|code| objects.text(code.qualified.unwrap_or(code.name)));
                let name = name.unwrap_or_default().chars().take(80).collect::<String>();
                if self.names.len() <= MOST_TOLD && !self.names.contains(&name) {
                    self.names.push(name);
                }
            }
            let candidates: Vec<Version> = match version {
                Some(version) => vec![version],
                None => Version::ALL.into_iter().filter(|version| version.layout() == layout).collect(),
            };
            let survey = survey(objects, &codes, &candidates, &mut self.steps);
            self.state = match (self.state, survey.exhausted, survey.versions.is_empty()) {
                ("unreadable", ..) => "unreadable",
                (_, true, _) | ("cut", ..) => "cut",
                (_, _, true) => "unknown-opcodes",
                (state, ..) => state,
            };
            self.versions.extend(&survey.versions);
            self.reached.push(Reached { at, survey, python2: layout == Layout::Python2 });
        }
    }

    /// Adds marshalled bytes under every layout that they can have.
    pub fn add_marshalled(&mut self, bytes: &[u8], at: u64) {
        match marshal::read_any(bytes) {
            Ok(readings) => readings.iter().for_each(|Marshal { objects, .. }| self.add(objects, objects.codes(), at, None)),
            Err(_) => self.add_unreadable(at),
        }
    }

    /// Adds code that could not be read.
    pub fn add_unreadable(&mut self, at: u64) {
        self.note(at, 1);
        self.state = "unreadable";
    }

    /// Says that a limit kept more from being added.
    pub fn cut(&mut self) {
        if self.state == "walked" {
            self.state = "cut";
        }
    }

    fn note(&mut self, at: u64, codes: usize) {
        if self.count == 0 {
            self.first = at;
        }
        self.count = self.count.saturating_add(codes as u64);
    }

    /// States what was gathered, if anything was. `runs`: loading the file calls the code.
    pub fn state(mut self, scan: &mut Scan<'_>, runs: bool) {
        if self.count == 0 {
            return;
        }
        self.versions.sort_unstable();
        self.versions.dedup();
        let version = self.versions.iter().map(|version| version.name()).collect::<Vec<_>>().join(" or ");
        let more = if self.names.len() > MOST_TOLD { ", …" } else { "" };
        self.names.truncate(MOST_TOLD);
        let names = format!("{}{more}", self.names.join(", "));
        let usage = if runs { "run" } else { "stored" };
        let Self { form, state, count, .. } = self;
        scan.fact(self.first, 0, Fact::Code { names: &names, form, version: &version, usage, state, count });
        if state == "cut" {
            scan.halt(&Exceeded { what: "instructions of stored code", limit: MOST_STEPS }.into());
        }
        for Reached { at, survey, python2 } in &self.reached {
            for reference in &survey.references {
                let fact = Fact::CodeReference {
                    module: &reference.module,
                    function: &reference.path,
                    usage: if reference.called { "calls" } else { "names" },
                    arguments: reference.arguments,
                    call: &reference.call,
                    calls: &reference.calls.digest(&reference.call),
                    within: &reference.within,
                    python2: *python2,
                };
                scan.fact(*at, 0, fact);
            }
        }
    }
}

/// States what a compiled module (`.pyc`) holds.
///
/// # Errors
/// It cannot be read to its end.
fn module(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let bytes = scan.input.read(0, LONGEST)?;
    let header = marshal::pyc::header(&bytes);
    let detail = header.as_ref().map_or(String::new(), of_version);
    scan.whole(Fact::Executable { form: "python-bytecode", place: "whole", detail: &detail });
    let header = header?;
    if scan.input.len() > LONGEST as u64 {
        return Err(Exceeded { what: "bytes of a compiled module", limit: LONGEST as u64 }.into());
    }
    let start = usize::try_from(header.length).unwrap_or(usize::MAX);
    let rest = bytes.get(start..).unwrap_or_default();
    let mut gathered = Gathered::new("module");
    let moved = |error: Malformed| Malformed { at: error.at.saturating_add(header.length), what: error.what };
    match marshal::read(rest, header.layout) {
        Ok(marshal) => gathered.add(&marshal.objects, marshal.objects.codes(), header.length, Version::of_magic(header.magic)),
        Err(error) => {
            gathered.add_unreadable(header.length);
            gathered.state(scan, false);
            return Err(moved(error).into());
        }
    }
    gathered.state(scan, false);
    Ok(())
}

/// Version and validity of a compiled module, for people.
fn of_version(header: &Header) -> String {
    let version = Version::of_magic(header.magic).map_or_else(|| "?".to_owned(), |version| version.name().to_owned());
    let validity = match header.validity {
        Validity::Time => "",
        Validity::Hash => ", held against the hash of its source",
        Validity::Unchecked => ", not held against its source",
    };
    format!("Python {version}{validity}")
}
