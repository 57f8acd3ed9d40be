//! `PyTorch` checkpoints of versions 0.1.10 to 1.5, and of later ones on request: pickles in a row, then raw storages.
//!
//! ```text
//! pickle   the number 0x1950a86a20f9469cfc6c
//! pickle   the protocol, 1001
//! pickle   a dictionary about the writing machine
//! pickle   the object; tensors are persistent ids that name storages
//! pickle   a list of storage keys
//! then for each key: i64 LE number of elements, elements
//! ```
//!
//! `torch.load` runs every one of the five, and takes the magic number from whatever the first comes to. The type of a
//! storage is in the persistent ids alone; a native reader takes the number of elements from the file (S909). Several
//! checkpoints may follow each other, written by `torch.save` to one handle.
//!
//! Specification: <https://docs.pytorch.org/docs/stable/notes/serialization.html>

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::pickle::{Dialect, PersistentId, Sequence, is_legacy_torch, weights_only};
use super::pytorch::storage::item_size;
use super::region::undescribed;
use super::{Format, FormatKind, Halt, Probe, Scan};
use crate::bytes::{Malformed, Stream};
use crate::decode::pickle::MOST_RESULT;
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "pytorch_legacy",
    title: "PyTorch checkpoint (before 1.6)",
    kind: FormatKind::Model,
    extensions: &["pt", "pth", "ckpt", "bin"],
    runs_code: true,
    refines: Some("pickle"),
    identify,
    scan,
    checks: "the pickles of all five positions; each storage's size against the pickle that names it; data behind the \
             last storage",
    spec: "https://docs.pytorch.org/docs/stable/notes/serialization.html",
};

/// The pickles of a checkpoint, and which of them is the object.
const PICKLES: usize = 5;
const OBJECT: usize = 3;

fn identify(probe: &Probe<'_>) -> bool {
    is_legacy_torch(&*probe.input.source, 0)
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let source = Arc::clone(&scan.input.source);
    scan.whole(Fact::Component { name: FORMAT.name, detail: "" });
    let mut pickles = Sequence::new(&*source);
    let mut at = 0;
    loop {
        at = checkpoint(scan, &mut pickles, at).inspect_err(|halt| {
            if let Some(reason) = weights_only::broken(halt) {
                weights_only::state_whole(scan, &reason);
            }
        })?;
        scan.budget.take_work(256)?;
        if !is_legacy_torch(&*source, at) {
            break;
        }
    }
    weights_only::state(scan, pickles.refused());
    pickles.conclude()?;
    let rest = scan.input.len().saturating_sub(at);
    undescribed(scan, (at, rest), "trailing-bytes", "storage", "<trailing>".to_owned())
}

/// Reads the checkpoint at `at` and returns where it ends.
fn checkpoint(scan: &mut Scan<'_>, pickles: &mut Sequence<'_>, at: u64) -> Result<u64, Halt> {
    let (mut at, mut persistent, mut keys) = (at, Vec::new(), Vec::new());
    for position in 0..PICKLES {
        let dialect = if position == OBJECT { Dialect::Torch } else { Dialect::Plain };
        let loaded = pickles.load(scan, at, dialect)?;
        at = loaded.end;
        if position == OBJECT {
            persistent = loaded.persistent;
        }
        keys = loaded.result;
    }
    sources(scan, &persistent);
    let storages = Storage::named(&persistent);
    if keys.len() >= MOST_RESULT && storages.len() > keys.len() {
        // The machine keeps no longer lists. The writer sorts the keys.
        keys = storages.keys().cloned().collect();
    }
    let listed: HashSet<&String> = keys.iter().collect();
    for (key, storage) in storages.iter().filter(|(key, _)| !listed.contains(key)) {
        structure(scan, at, "missing-storage", &format!("storage {key}"), storage.bytes().unwrap_or(0));
    }
    for key in &keys {
        scan.budget.take_work(16)?;
        at = storage(scan, at, key, storages.get(key))?;
    }
    Ok(at)
}

/// States the classes whose source text stands beside them: the loader takes the class that it finds under the name, and
/// compares the text with that class's own to warn.
pub(super) fn sources(scan: &mut Scan<'_>, ids: &[PersistentId]) {
    let mut told = HashSet::new();
    for PersistentId { at, items } in ids {
        let (class, source) = match items.as_slice() {
            [kind, class, _, source] if kind == "module" => (class, source),
            // Before 0.1.10, without the first item.
            [class, _, source] => (class, source),
            _ => continue,
        };
        // Without a source nothing is compared.
        if !source.is_empty() && source != "?" && told.insert(class) {
            let fact = Fact::Code { names: class, form: "source", version: "", usage: "stored", state: "text", count: 1 };
            scan.fact(*at, 0, fact);
        }
    }
}

/// Reads the storage at `at` and returns where it ends.
fn storage(scan: &mut Scan<'_>, at: u64, key: &str, named: Option<&Storage>) -> Result<u64, Halt> {
    let count = Stream::new(&*scan.input.source, at).field(8)?.i64_le()?;
    let Some((size, named)) = named.and_then(|named| Some((item_size(&named.class)?, named))) else {
        return Err(Malformed { at, what: "a storage of unknown type" }.into());
    };
    let data = at.saturating_add(8);
    let left = scan.input.len().saturating_sub(data);
    let bytes = u64::try_from(count).ok().and_then(|count| count.checked_mul(size));
    if let Some(numel) = named.numel.filter(|&numel| i64::try_from(numel) != Ok(count)) {
        let detail = format!("storage {key}: {numel} elements named, {count} stored");
        structure(scan, at, "storage-size-mismatch", &detail, bytes.unwrap_or(0));
    }
    match bytes {
        Some(bytes) if bytes <= left => {
            let dtype = named.class.strip_suffix("Storage").unwrap_or(&named.class);
            scan.fact(data, bytes, Fact::Tensor { name: key, dtype, shape: &format!("[{count}]"), bytes });
            Ok(data.saturating_add(bytes))
        }
        Some(bytes) => {
            structure(scan, at, "tensor-out-of-bounds", &format!("storage {key}: {bytes} bytes, {left} are left"), bytes);
            Err(Malformed { at, what: "a storage reaches past the end of the file" }.into())
        }
        None => {
            structure(scan, at, "size-overflow", &format!("storage {key}: {count} elements"), 0);
            Err(Malformed { at, what: "a storage of impossible size" }.into())
        }
    }
}

/// What a persistent id says of a storage.
struct Storage {
    class: String,
    numel: Option<u64>,
}

impl Storage {
    /// The storages of `('storage', class, key, location, numel, …)` by key; the first of a key counts.
    fn named(ids: &[PersistentId]) -> BTreeMap<String, Self> {
        let mut named = BTreeMap::new();
        for PersistentId { items, .. } in ids {
            let [kind, class, key, _, numel, ..] = items.as_slice() else { continue };
            if kind == "storage" {
                let class = class.rsplit_once('.').map_or(class.as_str(), |(_, class)| class).to_owned();
                named.entry(key.clone()).or_insert_with(|| Self { class, numel: numel.parse().ok() });
            }
        }
        named
    }

    fn bytes(&self) -> Option<u64> {
        self.numel?.checked_mul(item_size(&self.class)?)
    }
}

fn structure(scan: &mut Scan<'_>, at: u64, anomaly: &'static str, detail: &str, bytes: u64) {
    scan.fact(at, bytes, Fact::Structure { anomaly, format: FORMAT.name, detail, bytes });
}
