//! `PyTorch` checkpoints before version 0.1.10: a TAR archive of pickles and raw numbers. `torch.load` still reads them.
//!
//! ```text
//! storages   pickle of a count; for each: pickle of (key, location, class), i64 LE elements, the elements;
//!            pickle of the list of views
//! tensors    pickle of a count; for each: pickle of (key, storage key, class), i32 LE dimensions, 4 bytes,
//!            i64 sizes, i64 strides, i64 offset
//! pickle     the object; tensors are persistent ids that name keys
//! sys_info   pickle about the writing machine; not read
//! ```
//!
//! All pickles run without restriction. Sizes, strides and offsets go to native code (S909).
//!
//! Specification: <https://github.com/pytorch/pytorch/blob/main/torch/serialization.py>, `legacy_load`

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::archive_tar::{self, Container};
use super::pickle::{self, Dialect, Sequence, Summary, weights_only};
use super::pytorch_legacy::sources;
use super::pytorch::storage::item_size;
use super::region::undescribed;
use super::{Format, FormatKind, Halt, Probe, Scan};
use crate::bytes::{Malformed, Role, Stream};
use crate::decode::tar::{BLOCK, Header};
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "pytorch_tar",
    title: "PyTorch checkpoint (TAR, before 0.1.10)",
    kind: FormatKind::Model,
    extensions: &["pt", "pth"],
    runs_code: true,
    refines: Some("tar"),
    identify,
    scan,
    checks: "All checks of TAR; the pickles of storages, tensors and object; each storage and tensor against the data.",
    spec: "https://github.com/pytorch/pytorch/blob/main/torch/serialization.py",
};

/// The members that the loader reads.
const MEMBERS: [&str; 3] = ["storages", "tensors", "pickle"];
/// Dimensions of a tensor; `PyTorch` has a limit of 64.
const MOST_DIMENSIONS: u64 = 1024;
/// Headers that detection looks at.
const MOST_HEADERS: usize = 32;

/// Does the archive hold the three members?
fn identify(probe: &Probe<'_>) -> bool {
    if !archive_tar::identify(probe) {
        return false;
    }
    let (mut at, mut found) = (0_u64, HashSet::new());
    for _ in 0..MOST_HEADERS {
        let Some(header) = Header::parse(&probe.read(at, 512)) else { break };
        found.extend(MEMBERS.into_iter().filter(|member| header.name == member.as_bytes()));
        at = at.saturating_add(BLOCK).saturating_add(header.size.div_ceil(BLOCK).saturating_mul(BLOCK));
    }
    found.len() == MEMBERS.len()
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let mut container = Container::read(scan)?;
    scan.whole(Fact::Component { name: FORMAT.name, detail: "" });
    weights_only::state_whole(scan, FORMAT.title);
    container.audit(scan)?;
    let storages = within(scan, &mut container, "storages", storages)?.unwrap_or_default();
    let keys = within(scan, &mut container, "tensors", |scan| tensors(scan, &storages))?;
    let object = within(scan, &mut container, "pickle", |scan| pickle::interpret(scan, 0, Dialect::Torch))?;
    if let (Some(keys), Some(object)) = (keys, object) {
        missing(scan, &keys, &storages, &object);
    }
    container.finish(scan, |_, _, _| Role::Unknown)
}

/// Reads the member that the loader gets by `name`.
fn within<T>(
    scan: &mut Scan<'_>,
    container: &mut Container,
    name: &str,
    read: impl FnOnce(&mut Scan<'_>) -> Result<T, Halt>,
) -> Result<Option<T>, Halt> {
    let Some(n) = container.position(name) else { return Ok(None) };
    let Some(input) = container.open(scan, n)? else { return Ok(None) };
    Ok(scan.within(&input, &pickle::FORMAT, read))
}

/// States the objects that the pickle names and nothing holds.
fn missing(scan: &mut Scan<'_>, tensors: &HashSet<String>, storages: &HashMap<String, u64>, object: &Summary) {
    sources(scan, &object.persistent);
    for id in &object.persistent {
        let [key] = id.items.as_slice() else { continue };
        if !tensors.contains(key) && !storages.contains_key(key) {
            structure(scan, 0, "missing-storage", &format!("tensor {key}"));
        }
    }
}

/// Reads the storages: elements by key.
fn storages(scan: &mut Scan<'_>) -> Result<HashMap<String, u64>, Halt> {
    let source = Arc::clone(&scan.input.source);
    let mut pickles = Sequence::new(&*source);
    let mut known = HashMap::new();
    let (count, mut at) = count(scan, &mut pickles)?;
    for _ in 0..count {
        scan.budget.take_work(64)?;
        let loaded = pickles.load(scan, at, Dialect::Plain)?;
        at = loaded.end;
        let [key, _, class] = loaded.result.as_slice() else {
            return Err(Malformed { at, what: "a storage without key, location and class" }.into());
        };
        let class = class.rsplit_once('.').map_or(class.as_str(), |(_, class)| class);
        let Some(size) = item_size(class) else {
            return Err(Malformed { at, what: "a storage of unknown type" }.into());
        };
        let elements = Stream::new(&*source, at).field(8)?.i64_le()?;
        let data = at.saturating_add(8);
        let left = scan.input.len().saturating_sub(data);
        let elements = u64::try_from(elements).ok();
        let Some(bytes) = elements.and_then(|n| n.checked_mul(size)).filter(|&bytes| bytes <= left) else {
            structure(scan, at, "tensor-out-of-bounds", &format!("storage {key}: {left} bytes are left"));
            return Err(Malformed { at, what: "a storage reaches past the end of the file" }.into());
        };
        let (elements, dtype) = (elements.unwrap_or(0), class.strip_suffix("Storage").unwrap_or(class));
        scan.fact(data, bytes, Fact::Tensor { name: key, dtype, shape: &format!("[{elements}]"), bytes });
        known.insert(key.clone(), elements);
        at = data.saturating_add(bytes);
    }
    let views = pickles.load(scan, at, Dialect::Plain)?.end;
    pickles.conclude()?;
    rest(scan, views, "storage")?;
    Ok(known)
}

/// Reads the tensors: their keys.
fn tensors(scan: &mut Scan<'_>, storages: &HashMap<String, u64>) -> Result<HashSet<String>, Halt> {
    let source = Arc::clone(&scan.input.source);
    let mut pickles = Sequence::new(&*source);
    let mut known = HashSet::new();
    let (count, mut at) = count(scan, &mut pickles)?;
    for _ in 0..count {
        scan.budget.take_work(64)?;
        let loaded = pickles.load(scan, at, Dialect::Plain)?;
        at = loaded.end;
        let [key, storage, _] = loaded.result.as_slice() else {
            return Err(Malformed { at, what: "a tensor without key, storage and class" }.into());
        };
        let mut stream = Stream::new(&*source, at);
        let dimensions = stream.field(8)?.i32_le()?;
        let Some(dimensions) = u64::try_from(dimensions).ok().filter(|&n| n <= MOST_DIMENSIONS) else {
            return Err(Malformed { at, what: "a tensor of impossible dimensions" }.into());
        };
        let extent = extent(&mut stream, dimensions)?;
        let elements = storages.get(storage);
        if elements.is_none() {
            structure(scan, at, "missing-storage", &format!("storage {storage} of tensor {key}"));
        } else if extent.is_none_or(|extent| elements.is_some_and(|&elements| extent > elements)) {
            structure(scan, at, "tensor-out-of-bounds", &format!("tensor {key} in storage {storage}"));
        }
        known.insert(key.clone());
        at = stream.offset();
    }
    pickles.conclude()?;
    rest(scan, at, "tensor")?;
    Ok(known)
}

/// Elements of its storage that a tensor reaches over; None if it reaches before the first or that is no number.
fn extent(stream: &mut Stream<'_>, dimensions: u64) -> Result<Option<u64>, Halt> {
    let mut numbers = |count: u64| -> Result<Vec<i64>, Halt> {
        let mut field = stream.field(count.saturating_mul(8))?;
        let mut numbers = Vec::new();
        while !field.is_empty() {
            numbers.push(field.i64_le().map_err(Halt::Malformed)?);
        }
        Ok(numbers)
    };
    let (sizes, strides) = (numbers(dimensions)?, numbers(dimensions)?);
    let offset = numbers(1)?.first().copied().unwrap_or(0);
    let last = sizes.iter().zip(&strides).try_fold(offset, |last, (&size, &stride)| {
        last.checked_add(size.checked_sub(1).filter(|&last| last >= -1)?.max(0).checked_mul(stride)?)
    });
    let empty = sizes.contains(&0);
    let reached = last.filter(|&last| last >= 0 && offset >= 0).and_then(|last| u64::try_from(last).ok());
    Ok(if empty { Some(0) } else { reached.and_then(|last| last.checked_add(1)) })
}

/// The pickled count at the front, and the offset behind it.
fn count(scan: &mut Scan<'_>, pickles: &mut Sequence<'_>) -> Result<(u64, u64), Halt> {
    let loaded = pickles.load(scan, 0, Dialect::Plain)?;
    let number = loaded.result.first().and_then(|number| number.parse().ok());
    let number = number.ok_or(Malformed { at: 0, what: "the count at the front is no number" })?;
    Ok((number, loaded.end))
}

fn rest(scan: &mut Scan<'_>, at: u64, owner: &str) -> Result<(), Halt> {
    let rest = scan.input.len().saturating_sub(at);
    undescribed(scan, (at, rest), "trailing-bytes", owner, "<trailing>".to_owned())
}

fn structure(scan: &mut Scan<'_>, at: u64, anomaly: &'static str, detail: &str) {
    scan.fact(at, 0, Fact::Structure { anomaly, format: FORMAT.name, detail, bytes: 0 });
}
