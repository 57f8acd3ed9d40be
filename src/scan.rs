//! The engine: one top-level input at a time, its members on a work list, never by recursion.
//!
//! ```text
//! input ─▶ detect ─▶ each format's scan ─▶ facts ─▶ judge ─▶ hits
//!            ▲                │
//!            └── work list ◀──┴─ members
//! ```
//!
//! A panic in a format is caught here: it costs that input its coverage, not the run its report.

mod inventory;

use std::collections::{BTreeSet, HashSet};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::bytes::{Budget, Encloser, Input, InputName, Limits, Role, Stream};
use crate::escape::{CAP, printable};
use crate::extension;
use crate::fact::{Fact, Location, Sink, Span, Value};
use crate::formats::oci::declared_digest;
use crate::formats::{
    Detected, Format, FormatKind, Halt, Probe, Region, Rest, Scan, Stop, Stops, Work, archive_ar, common, detect,
    is_hidden,
};
use crate::inspect::{executable, payload, script};
use crate::report::{Asset, Coverage, Status};
use crate::rules::{Hit, Judge, RuleSet};
use inventory::{Inventory, Tee};

/// Memory for the extents of members, which are kept to say in which one an executable lies.
const MAX_EXTENT_BYTES: usize = 8 << 20;

/// Containers up to this size are known again inside themselves. A larger one that goes on for ever meets the limit on
/// nesting.
const MAX_REPEATED: u64 = 16 << 20;

/// Bytes by which a script is known.
const SCRIPT_HEAD: usize = 4096;

/// How to scan.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What one top-level input may cost.
    pub limits: Limits,
    /// Read every byte once, for the digest and for executables in raw data. Off: structure only.
    pub payload: bool,
}

/// What came of one top-level input.
#[derive(Debug)]
pub struct Outcome<'r> {
    /// Hits, not yet through policy.
    pub hits: Vec<Hit<'r>>,
    /// How much was read.
    pub coverage: Coverage,
    /// The inventory entry, if the input is a model file.
    pub asset: Option<Asset>,
    /// What could not be read though its format promises it, in words.
    pub errors: Vec<String>,
    /// True if the input is no model and holds none.
    pub ignored: bool,
}

/// Scans one top-level input and everything inside it.
#[must_use]
pub fn scan<'r>(rules: &'r RuleSet, options: &Options, input: &Input, given: bool) -> Outcome<'r> {
    let mut judge = Judge::new(rules);
    let walk = Walk::run(options, input, given, &mut judge);
    if walk.is_model() {
        judge.whole(&input.name, walk.sha256.as_deref());
    }
    let dropped = judge.dropped();
    let mut outcome = walk.outcome(input, dropped);
    outcome.hits = judge.finish();
    outcome
}

/// The outcome for a pointer (`kind`: `git-lfs`…) whose `object` is not on this machine: nothing was scanned.
#[must_use]
pub fn unresolved<'r>(rules: &'r RuleSet, name: &InputName, kind: &str, object: &str, size: u64) -> Outcome<'r> {
    let reason = format!("{kind} pointer, its object is not on this machine");
    let fact = Fact::Unresolved { pointer: kind, object };
    unread(rules, name, size, &fact, Status::Skipped, reason, Vec::new())
}

/// The outcome for a target that could not be opened.
#[must_use]
pub fn unopened<'r>(rules: &'r RuleSet, name: &InputName, size: u64, error: &std::io::Error) -> Outcome<'r> {
    let reason = format!("could not be opened: {error}");
    let errors = vec![format!("{}: {reason}", printable(&name.to_string(), CAP))];
    let fact = Fact::Fault { reason: "the file could not be opened", format: NO_FORMAT.name };
    unread(rules, name, size, &fact, Status::Failed, reason, errors)
}

fn unread<'r>(
    rules: &'r RuleSet,
    name: &InputName,
    bytes: u64,
    fact: &Fact<'_>,
    status: Status,
    reason: String,
    errors: Vec<String>,
) -> Outcome<'r> {
    let mut judge = Judge::new(rules);
    judge.take(fact, &Location { name, span: None });
    let coverage = Coverage { path: name.path.clone(), status, reason: Some(reason), bytes };
    Outcome { hits: judge.finish(), coverage, asset: None, errors, ignored: false }
}

/// Reads one top-level input like [`scan()`], with the facts going to `sink` instead of to the rules.
pub fn facts(options: &Options, input: &Input, sink: &mut dyn Sink) -> Coverage {
    survey(options, input, sink).coverage
}

/// Like [`facts()`], with the whole outcome, which has no hits.
pub fn survey(options: &Options, input: &Input, sink: &mut dyn Sink) -> Outcome<'static> {
    Walk::run(options, input, true, sink).outcome(input, 0)
}

/// The state of one walk.
struct Walk {
    budget: Budget,
    queue: Vec<Work>,
    stops: Stops,
    inventory: Inventory,
    /// Formats of the top-level input and of members.
    formats: Vec<&'static str>,
    inner_formats: BTreeSet<&'static str>,
    /// Where members lie in the top-level source, to name the one that an executable is in.
    extents: Vec<(u64, u64, InputName)>,
    extent_bytes: usize,
    /// Layers of container images that are root file systems.
    roots: HashSet<InputName>,
    /// Models, as far as they lie in such a layer or in a package of software.
    models: HashSet<InputName>,
    sha256: Option<String>,
    model_extension: bool,
    given: bool,
    unread: Option<&'static str>,
}

impl Walk {
    fn run(options: &Options, input: &Input, given: bool, sink: &mut dyn Sink) -> Self {
        let mut walk = Self {
            budget: Budget::new(options.limits.for_size(input.len())),
            queue: vec![Work::Input(input.clone())],
            stops: Stops::default(),
            inventory: Inventory::default(),
            formats: Vec::new(),
            inner_formats: BTreeSet::new(),
            extents: Vec::new(),
            extent_bytes: 0,
            roots: HashSet::new(),
            models: HashSet::new(),
            sha256: None,
            model_extension: false,
            given,
            unread: None,
        };
        while let Some(next) = walk.queue.pop() {
            match next {
                Work::Input(next) => walk.one(options, next, sink),
                Work::Rest(input, format, rest) => {
                    walk.step(format, &input, rest, sink);
                }
            }
        }
        if options.payload && walk.is_model() {
            walk.payload(input, sink);
            walk.address(input, sink);
        }
        walk
    }

    /// States that a file which is named by the digest of its content has another one.
    fn address(&self, input: &Input, sink: &mut dyn Sink) {
        let Some((declared, found)) = declared_digest(&input.name.path).zip(self.sha256.as_deref()) else { return };
        if declared != found {
            let detail = format!("name {declared}, content {found}");
            let (anomaly, member) = ("digest-mismatch", input.name.path.as_str());
            let fact = Fact::Member { anomaly, member, container: "blobs", detail: &detail };
            sink.take(&fact, &Location { name: &input.name, span: None });
        }
    }

    fn is_model(&self) -> bool {
        !self.formats.is_empty() || self.model_extension
    }

    /// True where programs are no news: in a package that software is installed from and in a root file system, models
    /// in them excepted.
    fn expects_programs(&self, name: &InputName) -> bool {
        let packages = &self.inventory.packages;
        if (packages.is_empty() && self.roots.is_empty()) || extension::is_model(&name.extension()) {
            return false;
        }
        let mut outer = name.clone();
        loop {
            if self.models.contains(&outer) {
                return false;
            }
            if packages.contains(&outer) || self.roots.contains(&outer) {
                return true;
            }
            if outer.members.pop().is_none() {
                return false;
            }
        }
    }

    /// Detects one input and reads it as everything that it is.
    fn one(&mut self, options: &Options, mut input: Input, sink: &mut dyn Sink) {
        if let Err(exceeded) = self.budget.check_time() {
            self.stop(&input, sink, &Halt::Limit(exceeded));
            return;
        }
        if let Some(start) = input.extent.filter(|_| input.depth() > 0 && self.extent_bytes < MAX_EXTENT_BYTES) {
            self.extent_bytes = self.extent_bytes.saturating_add(input.name.footprint());
            self.extents.push((start, start.saturating_add(input.len()), input.name.clone()));
        }
        let mut found = match identify(&input) {
            Ok(found) => found,
            Err(error) => {
                self.stop(&input, sink, &Halt::Io(error));
                return;
            }
        };
        let top = input.depth() == 0;
        if input.role == Role::Layer {
            self.roots.insert(input.name.clone());
        } else if !top && found.formats.iter().any(|format| format.kind == FormatKind::Model) {
            self.models.insert(input.name.clone());
        }
        if !(if top { self.given || found.model_extension } else { !self.expects_programs(&input.name) }) {
            found.formats.retain(|format| format.kind != FormatKind::Program);
        }
        if top {
            self.model_extension = found.model_extension;
            self.formats = found.formats.iter().map(|format| format.name).collect();
        }
        self.inner_formats.extend(found.formats.iter().filter(|_| !top).map(|format| format.name));
        sink.input(&input, &found.formats.iter().map(|format| format.name).collect::<Vec<_>>());
        let name = input.name.clone();
        let location = Location { name: &name, span: None };
        let extension = input.name.extension();
        let mismatch = found.mismatch(&extension, input.is_empty());
        if let Some(fact) = &mismatch {
            sink.take(fact, &location);
        }
        polyglot(&found, &mut |fact| sink.take(fact, &location));
        if let Some(format) = found.formats.iter().find(|format| format.runs_code) {
            self.hidden(&input, format.title, sink);
        }
        let container = found.formats.iter().find(|format| holds_inputs(format));
        if let Some(container) = container.filter(|_| input.len() <= MAX_REPEATED) {
            match self.enclose(&mut input, container, sink) {
                Ok(false) => {}
                Ok(true) => return,
                Err(halt) => return self.stop(&input, sink, &halt),
            }
        }
        self.read_all(&found.formats, &input, sink);
        if found.formats.is_empty() {
            self.formless(&input, mismatch.is_some(), sink);
        }
        // A decoded member is not part of the bytes that the pass over the outermost file sees.
        if !top && options.payload && input.extent.is_none() && container.is_none() {
            self.carve(&input, sink);
        }
    }

    /// Reads an input as everything that it is, and puts on the work list what none of its formats describes.
    fn read_all(&mut self, formats: &[&'static Format], input: &Input, sink: &mut dyn Sink) {
        // A format that breaks off describes nothing as far as the others are concerned.
        let (mut left, mut broken) = (None, Vec::new());
        for format in formats {
            match (self.read(format, input, sink), left.take()) {
                ((regions, true), None) => left = Some(regions),
                ((regions, true), Some(others)) => left = Some(common(&others, &regions)),
                ((regions, false), others) => {
                    broken.extend(regions);
                    left = others;
                }
            }
        }
        self.regions(input, &left.unwrap_or(broken), sink);
    }

    /// Notes the digest of a container for what it holds. True if it is one that encloses it, which would go on for
    /// ever: everything in it is being read, further out.
    fn enclose(&self, input: &mut Input, format: &Format, sink: &mut dyn Sink) -> Result<bool, Halt> {
        let mut hash = Sha256::new();
        let mut stream = Stream::new(&*input.source, 0);
        while !stream.is_empty() {
            let piece = stream.fill(1)?;
            let size = piece.len() as u64;
            hash.update(piece);
            stream.skip(size)?;
            self.budget.check_time()?;
        }
        let digest = hash.finalize().into();
        if let Some(levels) = input.repeats(&digest) {
            let (member, container) = (input.name.innermost(), format.name);
            let detail =
                format!("it is the {container} {levels} level{} further out", if levels == 1 { "" } else { "s" });
            let fact = Fact::Member { anomaly: "bomb-quine", member, container, detail: &detail };
            sink.take(&fact, &Location { name: &input.name, span: None });
            return Ok(true);
        }
        let outer = input.enclosed.take();
        input.enclosed = Some(Arc::new(Encloser { digest, outer }));
        Ok(false)
    }

    /// Puts what none of its formats describes of an input on the work list.
    fn regions(&mut self, input: &Input, regions: &[Region], sink: &mut dyn Sink) {
        let mut tee = Tee { inventory: &mut self.inventory, sink };
        let mut scan = Scan::new(input, &NO_FORMAT, &self.budget, &mut tee, &mut self.queue, &mut self.stops);
        for region in regions {
            scan.region_child(region);
        }
    }

    /// Runs one format on one input. What it leaves of it, and whether it came to its end.
    fn read(&mut self, format: &'static Format, input: &Input, sink: &mut dyn Sink) -> (Vec<Region>, bool) {
        self.step(format, input, Box::new(format.scan), sink)
    }

    /// Runs a format on one input, or what it has left to do there.
    fn step(&mut self, format: &'static Format, input: &Input, rest: Rest, sink: &mut dyn Sink) -> (Vec<Region>, bool) {
        let mut tee = Tee { inventory: &mut self.inventory, sink };
        let mut scan = Scan::new(input, format, &self.budget, &mut tee, &mut self.queue, &mut self.stops);
        match panic::catch_unwind(AssertUnwindSafe(|| rest(&mut scan))) {
            Ok(Ok(())) => return (scan.take_regions(), true),
            Ok(Err(halt)) => scan.halt(&halt),
            Err(_) => scan.fault("internal error: this is a bug, please report it"),
        }
        (scan.take_regions(), false)
    }

    /// States that a member which holds code is hidden by its name, if it is: tools do not list it by default.
    fn hidden(&self, input: &Input, code: &str, sink: &mut dyn Sink) {
        let Some(member) = input.name.members.last() else { return };
        if is_hidden(member) {
            let container = self.formats.first().copied().unwrap_or_default();
            let fact = Fact::Member { anomaly: "hidden-code", member, container, detail: code };
            sink.take(&fact, &Location { name: &input.name, span: None });
        }
    }

    /// An input that no format knows: perhaps a program, perhaps a model that this build cannot read. `told`: that the
    /// content is not what the name promises has been stated.
    fn formless(&mut self, input: &Input, told: bool, sink: &mut dyn Sink) {
        let location = Location { name: &input.name, span: None };
        let top = input.depth() == 0;
        if top && !self.model_extension {
            return;
        }
        if self.expects_programs(&input.name) {
            return;
        }
        let head = input.read(0, SCRIPT_HEAD).unwrap_or_default();
        let extension = input.name.extension();
        let program = executable::confirm(&*input.source, 0).unwrap_or_default();
        // Some libraries are one object under the name of an archive of them: what a linker takes for one.
        let library = top && archive_ar::FORMAT.extensions.contains(&extension.as_str());
        if library && program.is_some() && executable::is_object(&head) {
            self.unread = Some("object code for a linker, no model");
            return;
        }
        if let Some(found) = program.or_else(|| script::confirm(&head, &extension)) {
            self.hidden(input, found.form, sink);
            sink.take(&Fact::Executable { form: found.form, place: "whole", detail: found.detail }, &location);
        } else if top && input.is_empty() {
            self.unread = Some("the file is empty");
        } else if top {
            self.unread = Some("no decoder for this format in this build");
            let fact = Fact::Unsupported { reason: "no decoder for this format", format: &extension };
            if !told {
                sink.take(&fact, &location);
            }
        } else if !told && input.role != Role::Payload && !input.is_empty() && extension::is_model(&extension) {
            sink.take(&Fact::Unsupported { reason: "no decoder for this format", format: &extension }, &location);
        }
    }

    /// The pass over all bytes of a decoded input that holds no others.
    fn carve(&self, input: &Input, sink: &mut dyn Sink) {
        if self.expects_programs(&input.name) {
            return;
        }
        if let Ok(found) = payload::pass(&*input.source, &self.budget) {
            for (at, found) in found.executables.into_iter().filter(|(at, _)| *at > 0) {
                carved(sink, &input.name, at, found);
            }
        }
    }

    /// The pass over all bytes of the top-level input.
    fn payload(&mut self, input: &Input, sink: &mut dyn Sink) {
        match payload::pass(&*input.source, &self.budget) {
            Ok(found) => {
                let expected = self.expects_programs(&input.name);
                for (at, program) in found.executables {
                    // The innermost member that holds it; its own first byte was looked at when it was detected.
                    let inside = self.extents.iter().filter(|(start, end, _)| (*start..*end).contains(&at));
                    match inside.max_by_key(|(_, _, name)| name.members.len()) {
                        Some((start, _, name)) if *start == at || self.expects_programs(name) => {}
                        Some((start, _, name)) => carved(sink, name, at.saturating_sub(*start), program),
                        None if at == 0 || expected => {}
                        None => carved(sink, &input.name, at, program),
                    }
                }
                if found.cut && !expected {
                    self.stops.push(Stop::limit(&input.name, "more executable headers than can be confirmed"));
                }
                self.sha256 = Some(found.sha256);
            }
            Err(payload::PassError::Io(error)) => self.stop(input, sink, &Halt::Io(error)),
            Err(payload::PassError::Limit(exceeded)) => self.stop(input, sink, &Halt::Limit(exceeded)),
        }
    }

    fn stop(&mut self, input: &Input, sink: &mut dyn Sink, halt: &Halt) {
        let mut tee = Tee { inventory: &mut self.inventory, sink };
        Scan::new(input, &NO_FORMAT, &self.budget, &mut tee, &mut self.queue, &mut self.stops).halt(halt);
    }

    fn outcome<'r>(mut self, input: &Input, dropped: u64) -> Outcome<'r> {
        if dropped > 0 {
            self.stops.push(Stop::limit(&input.name, "more findings than are kept for one file"));
        }
        let bytes = input.len();
        let path = input.name.path.clone();
        let first = self.stops.first().first();
        let more = self.stops.count().saturating_sub(1);
        let (status, reason) = match first {
            Some(stop) => {
                let others = if more > 0 { format!(" (and {more} more)") } else { String::new() };
                let inner = stop.name.members.join("!/");
                let place = if inner.is_empty() { String::new() } else { format!("{}: ", printable(&inner, CAP)) };
                let status = if self.stops.top_failed() { Status::Failed } else { Status::Partial };
                (status, Some(format!("{place}{}{others}", stop.reason)))
            }
            None => match self.unread {
                Some(reason) => (Status::Skipped, Some(reason.to_owned())),
                None if self.given && !self.is_model() => {
                    (Status::Skipped, Some("not a known model format".to_owned()))
                }
                None => (Status::Complete, None),
            },
        };
        let errors = self.stops.first().iter().filter(|stop| !stop.unsupported).take(20);
        let errors =
            errors.map(|stop| format!("{}: {}", printable(&stop.name.to_string(), CAP), stop.reason)).collect();
        let model = self.is_model();
        let ignored = !model && !self.given && first.is_none();
        let asset = model.then(|| self.asset(&path, bytes));
        Outcome { hits: Vec::new(), coverage: Coverage { path, status, reason, bytes }, asset, errors, ignored }
    }

    fn asset(self, path: &str, size: u64) -> Asset {
        Asset {
            path: path.to_owned(),
            format: self.formats.first().map_or("unknown", |name| name).to_owned(),
            size,
            sha256: self.sha256,
            tensors: self.inventory.tensors,
            tensor_count: self.inventory.tensor_count,
            metadata: self.inventory.metadata,
            contains: self.inner_formats.into_iter().map(str::to_owned).collect(),
            weights_only: self.inventory.weights_only,
        }
    }
}

/// The formats of an input, by content unless whoever found it knows that it holds bare numbers.
fn identify(input: &Input) -> std::io::Result<Detected> {
    Ok(match input.role {
        Role::Payload => Detected::default(),
        Role::Unknown | Role::Layer | Role::TorchPickle => detect(&Probe::new(input)?),
    })
}

/// Does a format hand nested inputs back?
fn holds_inputs(format: &Format) -> bool {
    format.kind == FormatKind::Container || format.refines.is_some()
}

/// Stands for "no format" where the engine itself states a fact.
static NO_FORMAT: Format = Format {
    name: "unknown",
    title: "unknown",
    kind: FormatKind::Model,
    extensions: &[],
    runs_code: false,
    refines: None,
    identify: |_| false,
    scan: |_| Ok(()),
    checks: "",
    spec: "",
};

/// States that the content is two formats at once, if it is.
pub fn polyglot(found: &Detected, state: &mut dyn FnMut(&Fact<'_>)) {
    let [first, second, ..] = found.formats.as_slice() else { return };
    let live = found.formats.iter().any(|format| format.runs_code || format.kind == FormatKind::Container);
    let anomaly = if live { "polyglot" } else { "second-format" };
    let detail = format!("the same bytes are {} and {}", first.title, second.title);
    state(&Fact::Structure { anomaly, format: first.name, detail: &detail, bytes: 0 });
}

fn carved(sink: &mut dyn Sink, name: &InputName, at: u64, found: executable::Executable) {
    let location = Location { name, span: Some(Span::new(at, 0)) };
    sink.take(&Fact::Executable { form: found.form, place: "carved", detail: found.detail }, &location);
}

/// Keeps facts as plain data: for `inspect` and for snapshots.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Name chain, range, and the fact's kind and fields.
    pub facts: Vec<Recorded>,
}

/// One fact, detached from the bytes that it was stated about.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Recorded {
    /// Name chain as text.
    pub at: String,
    /// First byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Kind of the fact.
    pub fact: &'static str,
    /// Fields that are not empty, escaped and capped.
    pub fields: serde_json::Map<String, serde_json::Value>,
}

impl Sink for Recorder {
    fn take(&mut self, fact: &Fact<'_>, location: &Location<'_>) {
        let fields = fact.fields().into_iter().filter_map(|(name, value)| {
            let value = match value {
                Value::Text("") | Value::Bool(false) | Value::Int(0) => return None,
                Value::Text(text) => printable(text, CAP).into(),
                Value::Bool(truth) => truth.into(),
                Value::Int(number) => number.into(),
            };
            Some((name.to_owned(), value))
        });
        self.facts.push(Recorded {
            at: printable(&location.name.to_string(), CAP),
            offset: location.span.map(|span| span.offset),
            fact: fact.kind().name(),
            fields: fields.collect(),
        });
    }
}
