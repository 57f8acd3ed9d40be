//! `PyTorch` checkpoints, `TorchScript` and `torch.package`, since `PyTorch` 1.6 a ZIP archive.
//!
//! ```text
//! <top>/data.pkl                 pickle of the object; tensors are persistent ids that name storages
//! <top>/data/<key>               raw numbers of one storage
//! <top>/constants.pkl, constants/<key>   the same for TorchScript constants
//! <top>/bytecode.pkl             TorchScript for mobile
//! <top>/code/**                  TorchScript source
//! <top>/.data/<key>.storage      storages of torch.package
//! <top>/version, byteorder, .format_version, .storage_alignment, .data/serialization_id   one line each
//! ```
//!
//! The reader takes `<top>` from the first member, ignores CRC, flags and compression bounds to some degree, and runs
//! whatever `data.pkl` says. `torch.load` can be told to read any other member as the pickle, so that each member
//! that could be one is interpreted. Storages are left alone only if a pickle names them and their size is right.
//!
//! Specification: <https://docs.pytorch.org/docs/stable/notes/serialization.html>

pub(super) mod storage;

use std::collections::BTreeMap;

use super::archive_zip::{self, Container};
use super::pickle::{self, Dialect, looks_like_pickle, weights_only};
use super::{Format, FormatKind, Halt, Probe, Scan, is_hidden};
use crate::bytes::{Input, Role};
use crate::decode::zip::{Archive, Entry, name_text};
use crate::fact::Fact;
use crate::names;
use storage::Storages;

/// The record.
pub const FORMAT: Format = Format {
    name: "pytorch",
    title: "PyTorch checkpoint, TorchScript or package (ZIP)",
    kind: FormatKind::Model,
    extensions: &["ptl", "pt", "pth", "ckpt", "bin"],
    runs_code: true,
    refines: Some("zip"),
    identify,
    scan,
    checks: "All checks of ZIP; every pickle inside in PyTorch's dialect, duplicates and odd names included; each \
             storage's presence and size against the pickle that names it; data that nothing names.",
    spec: "https://docs.pytorch.org/docs/stable/notes/serialization.html",
};

/// Bytes of the central directory that detection looks at from its start; the tail shows the rest of ordinary ones.
const DIRECTORY_HEAD: usize = 256 << 10;
/// The member that lists what a package does not bring along.
const EXTERN_MODULES: &str = ".data/extern_modules";
/// Bytes of that list that are told.
const LONGEST_LIST: usize = 4096;
/// Modules of a package that are told.
const MOST_TOLD: usize = 12;
/// Longest content of the one-line members.
const LINE: u64 = 64;
/// Bytes from the front of a member that tell a pickle.
const PICKLE_HEAD: usize = 64 << 10;

/// Is there a member `<top>/data.pkl`, or the mark of a `torch.package`?
pub(super) fn identify(probe: &Probe<'_>) -> bool {
    if !archive_zip::identify(probe) {
        return false;
    }
    let marks = |bytes: &[u8]| {
        let finds = |mark: &[u8]| memchr::memmem::find(bytes, mark).is_some();
        finds(b"/data.pkl") || finds(b"/.data/extern_modules") || finds(b"/constants.pkl")
    };
    match archive_zip::directory(probe) {
        // Names in the data are those of archives inside.
        Some(at) => marks(&probe.read(at, DIRECTORY_HEAD)) || marks(directory_tail(probe, at)),
        // A truncated archive has only its front.
        None => marks(&probe.head),
    }
}

/// The part of the tail that belongs to the directory at `at`.
pub(super) fn directory_tail<'p>(probe: &'p Probe<'_>, at: u64) -> &'p [u8] {
    let tail = probe.tail();
    let start = probe.input.len().saturating_sub(tail.len() as u64);
    usize::try_from(at.saturating_sub(start)).ok().and_then(|skip| tail.get(skip..)).unwrap_or_default()
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let mut container = Container::read(scan)?;
    let layout = Layout::of(&container.archive);
    let kind = layout.kind(&container.archive);
    scan.whole(Fact::Component { name: FORMAT.name, detail: kind });
    container.audit(scan)?;
    let mut storages = Storages::new(&layout.top, &container.archive);
    // The first one is what `torch.load` reads.
    let mut main = None;
    for (n, name) in &layout.pickles {
        let Some(entry) = container.archive.entries.get(*n).cloned() else { continue };
        for opened in container.open(scan, *n)? {
            // A folder of a package may hold other files of that suffix.
            if !Layout::is_program(name) && !looks_like_pickle(&opened.input.read(0, PICKLE_HEAD)?) {
                container.give(scan, &entry, opened, Role::Unknown)?;
                continue;
            }
            container.verify(scan, &entry, &opened, Role::TorchPickle)?;
            let mut broken = None;
            let interpret = |scan: &mut Scan<'_>| {
                if is_hidden(name) {
                    let (container, detail) = (FORMAT.name, pickle::FORMAT.title);
                    scan.whole(Fact::Member { anomaly: "hidden-code", member: name, container, detail });
                }
                pickle::interpret(scan, 0, Dialect::Torch).inspect_err(|halt| broken = weights_only::broken(halt))
            };
            let summary = scan.within(&opened.input, &pickle::FORMAT, interpret);
            storages.add(name, summary.as_ref());
            if Layout::inner(name) == "data.pkl" {
                let read = summary.map(|summary| Ok(summary.refused));
                main = main.or(read).or(broken.map(Err));
            }
        }
    }
    match main {
        _ if kind.starts_with("TorchScript") => weights_only::state_whole(scan, kind),
        Some(Ok(refused)) => weights_only::state(scan, &refused),
        Some(Err(broken)) => weights_only::state_whole(scan, &broken),
        None => {}
    }
    storages.account(scan, &container.archive);
    extern_modules(scan, &mut container, &layout)?;
    sources(scan, &container.archive, &layout);
    container.finish(scan, move |_, n, entry, input| {
        if layout.is_line(entry, input) {
            return None;
        }
        Some(if storages.is_referenced(n) { Role::Payload } else { role(input) })
    })
}

/// States the modules that a package imports from the machine that loads it.
fn extern_modules(scan: &mut Scan<'_>, container: &mut Container, layout: &Layout) -> Result<(), Halt> {
    let name = format!("{}/{EXTERN_MODULES}", layout.top);
    let Some(n) = container.archive.entries.iter().position(|entry| entry.display_name() == name) else {
        return Ok(());
    };
    let Some(entry) = container.archive.entries.get(n).cloned() else { return Ok(()) };
    for opened in container.open(scan, n)? {
        let text = opened.input.read(0, LONGEST_LIST)?;
        let value = String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(", ");
        let length = opened.header.size;
        scan.fact(entry.data, length, Fact::Metadata { key: "extern_modules", value: &value, format: FORMAT.name });
        let role = role(&opened.input);
        container.give(scan, &entry, opened, role)?;
    }
    Ok(())
}

/// States the sources that a package brings in place of modules that the machine has: a name in a pickle of the package
/// means these, however well the module is known. Names in its other modules are on no list.
fn sources(scan: &mut Scan<'_>, archive: &Archive, layout: &Layout) {
    let top = format!("{}/", layout.top);
    let inner = |entry: &Entry| entry.display_name().strip_prefix(&top).map(str::to_owned);
    if !archive.entries.iter().any(|entry| inner(entry).as_deref() == Some(EXTERN_MODULES)) {
        return;
    }
    let mut taken = BTreeMap::new();
    for entry in archive.entries.iter().filter(|entry| entry.header().compressed > 0) {
        let Some(name) = inner(entry) else { continue };
        let Some(path) = name.strip_suffix(".py") else { continue };
        let module = path.strip_suffix("/__init__").unwrap_or(path).replace('/', ".");
        if names::covers(&module) || names::is_standard(&module) {
            taken.entry(module).or_insert((entry.data, entry.header().compressed));
        }
    }
    let Some(&(at, length)) = taken.values().min() else { return };
    let told = taken.keys().take(MOST_TOLD).map(String::as_str).collect::<Vec<_>>().join(", ");
    let count = taken.len() as u64;
    scan.fact(at, length, Fact::Code { names: &told, form: "module-source", version: "", usage: "stored", state: "text", count });
}

/// The role of a member that no pickle names as a storage.
fn role(input: &Input) -> Role {
    let head = input.read(0, PICKLE_HEAD).unwrap_or_default();
    if looks_like_pickle(&head) { Role::TorchPickle } else { Role::Unknown }
}

/// Where things are in a `PyTorch` archive.
struct Layout {
    /// Folder of the first member, which the loader takes for all.
    top: String,
    /// Members called like pickles by either header: position and name, physical duplicates included.
    pickles: Vec<(usize, String)>,
}

impl Layout {
    fn of(archive: &Archive) -> Self {
        let first = archive.entries.first().map(Entry::display_name).unwrap_or_default();
        let top = first.split_once('/').map_or("", |(top, _)| top).to_owned();
        let mut pickles = Vec::new();
        for (n, entry) in archive.entries.iter().enumerate() {
            let local = entry.local_name.as_deref().map(name_text);
            let names = [Some(entry.display_name()), local].into_iter().flatten();
            if let Some(name) = names.filter(|name| name.ends_with(".pkl")).min_by_key(String::len) {
                pickles.push((n, name));
            }
        }
        Self { top, pickles }
    }

    /// The pickles that the loaders read by themselves.
    fn is_program(name: &str) -> bool {
        matches!(Self::inner(name), "data.pkl" | "constants.pkl" | "bytecode.pkl")
    }

    /// A member's name below the top folder.
    fn inner(name: &str) -> &str {
        name.split_once('/').map_or(name, |(_, inner)| inner)
    }

    /// What kind of archive it is, in words.
    fn kind(&self, archive: &Archive) -> &'static str {
        let has = |inner: &str| {
            archive.entries.iter().any(|entry| {
                let rest = entry.name.strip_prefix(self.top.as_bytes()).and_then(|rest| rest.strip_prefix(b"/"));
                rest.is_some_and(|rest| if inner.ends_with('/') { rest.starts_with(inner.as_bytes()) } else { rest == inner.as_bytes() })
            })
        };
        if has("bytecode.pkl") {
            "TorchScript for mobile"
        } else if has("constants.pkl") || has("code/") {
            "TorchScript"
        } else if has(EXTERN_MODULES) {
            "torch.package"
        } else {
            ""
        }
    }

    /// Is this one of the one-line members, and is it one line? Anything else under such a name is probed.
    fn is_line(&self, entry: &Entry, input: &Input) -> bool {
        const LINES: [&str; 8] = [
            "version",
            "byteorder",
            ".format_version",
            ".storage_alignment",
            ".data/serialization_id",
            ".data/version",
            ".data/python_version",
            "archive_format",
        ];
        let name = entry.display_name();
        let inner = name.strip_prefix(self.top.as_str()).and_then(|rest| rest.strip_prefix('/'));
        if !inner.is_some_and(|inner| LINES.contains(&inner)) || input.len() > LINE {
            return false;
        }
        let bytes = input.read(0, usize::try_from(LINE).unwrap_or_default()).unwrap_or_default();
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        line.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
    }
}
