//! Exported programs of `PyTorch` (`.pt2`): a ZIP archive of a graph in JSON, weights, and sometimes pickles.
//!
//! ```text
//! <top>/archive_format                        `pt2`
//! <top>/models/<model>.json                   the graph
//! <top>/data/weights/<model>_weights_config.json, data/constants/<model>_constants_config.json
//!                                             {"config": {name: {"path_name", "use_pickle", "tensor_meta"}}}
//! <top>/data/weights/weight_0, data/constants/tensor_0   raw numbers, or a pickle where `use_pickle` says so
//! <top>/data/constants/custom_obj_0           always a pickle
//! <top>/data/sample_inputs/<model>.pt         a checkpoint
//! <top>/data/aotinductor/**                   compiled libraries
//! serialized_exported_program.json, serialized_*.pt      the same before version 2.8
//! ```
//!
//! What a configuration calls raw is data, even if it begins like a pickle; everything else is known by its content.
//!
//! Specification: <https://docs.pytorch.org/docs/stable/export/pt2_archive.html>

use std::collections::HashMap;

use serde_json::Value;

use super::archive_zip::{self, Container};
use super::pytorch::directory_tail;
use super::{Format, FormatKind, Halt, Probe, Scan};
use crate::bytes::{Input, Malformed, Role};
use crate::decode::zip::Entry;
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "pt2",
    title: "PyTorch exported program (ZIP)",
    kind: FormatKind::Model,
    extensions: &["pt2"],
    runs_code: true,
    refines: Some("zip"),
    identify,
    scan,
    checks: "All checks of ZIP; weights and constants against their configuration; every pickled part and nested \
             checkpoint; compiled libraries.",
    spec: "https://docs.pytorch.org/docs/stable/export/pt2_archive.html",
};

/// Bytes of the central directory that detection looks at from its start.
const DIRECTORY_HEAD: usize = 256 << 10;
/// Longest configuration. One entry takes some hundred bytes, the largest models have some ten thousand.
const MAX_CONFIG: u64 = 16 << 20;

pub(super) fn identify(probe: &Probe<'_>) -> bool {
    let Some(at) = archive_zip::directory(probe).filter(|_| archive_zip::identify(probe)) else { return false };
    let marks = |bytes: &[u8]| {
        let finds = |mark: &[u8]| memchr::memmem::find(bytes, mark).is_some();
        finds(b"serialized_exported_program.json") || (finds(b"/archive_format") && finds(b"/models/"))
            || (finds(b"/archive_format") && finds(b"/data/aotinductor/"))
    };
    marks(&probe.read(at, DIRECTORY_HEAD)) || marks(directory_tail(probe, at))
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let mut container = Container::read(scan)?;
    scan.whole(Fact::Component { name: FORMAT.name, detail: "" });
    container.audit(scan)?;
    let mut payloads = HashMap::new();
    for n in 0..container.archive.entries.len() {
        let Some(entry) = container.archive.entries.get(n).filter(|entry| is_config(entry)).cloned() else { continue };
        for opened in container.open(scan, n)? {
            read_config(scan, &entry, &opened.input, &mut payloads)?;
            container.give(scan, &entry, opened, Role::Unknown)?;
        }
    }
    container.finish(scan, move |scan, _, entry, input| {
        let name = entry.display_name();
        let payload = payloads.get(&name);
        state_part(scan, &name, entry, input, payload);
        Some(match payload {
            Some(payload) if payload.pickled || is_custom_object(&name) => Role::TorchPickle,
            Some(_) => Role::Payload,
            None => Role::Unknown,
        })
    })
}

/// What a configuration says of a member.
struct Payload {
    tensor: String,
    pickled: bool,
    /// Bytes that the tensor reaches over; None if that is not said.
    extent: Option<u64>,
    shape: String,
    dtype: String,
}

/// States what a member is to the program.
fn state_part(scan: &mut Scan<'_>, name: &str, entry: &Entry, input: &Input, payload: Option<&Payload>) {
    let (format, at, bytes) = (FORMAT.name, entry.data, input.len());
    if payload.is_some_and(|payload| payload.pickled) || is_custom_object(name) {
        scan.fact(at, 0, Fact::Structure { anomaly: "pickled-payload", format, detail: name, bytes: 0 });
        return;
    }
    if name.contains("/aotinductor/") && is_library(name) {
        scan.fact(at, 0, Fact::Structure { anomaly: "native-payload", format, detail: name, bytes: 0 });
        return;
    }
    let Some(Payload { tensor, extent, shape, dtype, .. }) = payload else { return };
    scan.fact(at, bytes, Fact::Tensor { name: tensor, dtype, shape, bytes });
    if let Some(needed) = extent.filter(|&extent| extent > bytes) {
        let detail = format!("{tensor} needs {needed} bytes, {bytes} are stored");
        let fact = Fact::Structure { anomaly: "tensor-out-of-bounds", format, detail: &detail, bytes: needed };
        scan.fact(at, bytes, fact);
    }
}

fn is_config(entry: &Entry) -> bool {
    let name = entry.display_name();
    name.ends_with("_config.json") && (name.contains("data/weights/") || name.contains("data/constants/"))
}

/// Objects of classes in C++: their loader unpickles whatever the configuration says.
fn is_custom_object(name: &str) -> bool {
    name.contains("data/constants/custom_obj_")
}

fn is_library(name: &str) -> bool {
    [".so", ".dll", ".dylib", ".pyd"].iter().any(|suffix| name.ends_with(suffix))
}

/// Reads one configuration: members by their full name.
fn read_config(
    scan: &mut Scan<'_>,
    entry: &Entry,
    input: &Input,
    payloads: &mut HashMap<String, Payload>,
) -> Result<(), Halt> {
    if input.len() > MAX_CONFIG {
        scan.halt(&Halt::Unsupported("a configuration of that size"));
        return Ok(());
    }
    scan.budget.take_work(input.len() / 16)?;
    let bytes = input.read(0, usize::try_from(MAX_CONFIG).unwrap_or_default())?;
    let config: Option<Value> = serde_json::from_slice(&bytes).ok();
    let Some(entries) = config.as_ref().and_then(|config| config.get("config")?.as_object()) else {
        scan.halt(&Malformed { at: entry.data, what: "a configuration of weights is broken" }.into());
        return Ok(());
    };
    let name = entry.display_name();
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    for (tensor, meta) in entries {
        let Some(path) = meta.get("path_name").and_then(Value::as_str) else { continue };
        // Only a plain `false` makes it data; of two entries for one member the one that runs code counts.
        let pickled = meta.get("use_pickle") != Some(&Value::Bool(false));
        let layout = meta.get("tensor_meta");
        let payload = Payload {
            tensor: tensor.clone(),
            pickled,
            extent: layout.and_then(extent),
            shape: layout.and_then(|layout| numbers(layout, "sizes")).map_or_else(String::new, |sizes| format!("{sizes:?}")),
            dtype: layout.and_then(dtype).map_or("", |(name, _)| name).to_owned(),
        };
        let known = payloads.entry(format!("{folder}/{path}")).or_insert(payload);
        known.pickled |= pickled;
    }
    Ok(())
}

/// Bytes of its storage that a tensor reaches over.
fn extent(layout: &Value) -> Option<u64> {
    let (sizes, strides) = (numbers(layout, "sizes")?, numbers(layout, "strides")?);
    if sizes.contains(&0) {
        return Some(0);
    }
    let offset = layout.get("storage_offset").and_then(integer).unwrap_or(0);
    let last = sizes.iter().zip(&strides).try_fold(offset, |last, (&size, &stride)| {
        last.checked_add(size.checked_sub(1)?.checked_mul(stride)?)
    });
    // What overflows reaches too far.
    let bytes = last.and_then(|last| last.checked_add(1)?.checked_mul(dtype(layout)?.1));
    dtype(layout).map(|_| bytes.unwrap_or(u64::MAX))
}

fn numbers(layout: &Value, key: &str) -> Option<Vec<u64>> {
    layout.get(key)?.as_array()?.iter().map(integer).collect()
}

/// `{"as_int": 3}`, or 3.
fn integer(value: &Value) -> Option<u64> {
    value.get("as_int").unwrap_or(value).as_u64()
}

/// Name and bytes of an element type by its number in the schema.
fn dtype(layout: &Value) -> Option<(&'static str, u64)> {
    Some(match layout.get("dtype")?.as_u64()? {
        1 => ("Byte", 1),
        2 => ("Char", 1),
        3 => ("Short", 2),
        4 => ("Int", 4),
        5 => ("Long", 8),
        6 => ("Half", 2),
        7 => ("Float", 4),
        8 => ("Double", 8),
        9 => ("ComplexHalf", 4),
        10 => ("ComplexFloat", 8),
        11 => ("ComplexDouble", 16),
        12 => ("Bool", 1),
        13 => ("BFloat16", 2),
        28 => ("UInt16", 2),
        29 => ("Float8e4m3fn", 1),
        30 => ("Float8e5m2", 1),
        31 => ("Float8e4m3fnuz", 1),
        32 => ("Float8e5m2fnuz", 1),
        _ => return None,
    })
}
