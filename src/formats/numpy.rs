//! `NumPy` array files (`.npy`): a short header, then raw numbers, or a pickle if the elements are objects.
//!
//! `numpy.load` refuses object arrays unless it is told `allow_pickle=True`, which versions before 1.16.3 did by
//! themselves and many programs do. The pickle is interpreted like any other. Native readers trust shape and type for
//! the size of the data (S909); a file may hold several arrays in a row, written by `numpy.save` to one handle, and
//! what follows the last one is described nowhere (S905, S910).
//!
//! Specification: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use std::sync::Arc;

use super::pickle::{Dialect, Sequence};
use super::region::undescribed;
use super::{Format, FormatKind, Halt, Probe, Scan};
use crate::bytes::{Malformed, Stream};
use crate::decode::npy::{Header, MAGIC};
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "numpy",
    title: "NumPy array",
    kind: FormatKind::Model,
    extensions: &["npy"],
    runs_code: true,
    refines: None,
    identify,
    scan,
    checks: "header literal, types and shapes against the data, the pickle of object arrays, several arrays in a row, \
             data behind the last one",
    spec: "https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html",
};

/// Longer headers are no description of a type any more: version 1 of the format holds no more.
const LONG_HEADER: u64 = 64 << 10;

fn identify(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(MAGIC)
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let source = Arc::clone(&scan.input.source);
    let mut pickles = Sequence::new(&*source);
    let (mut at, mut count) = (0, 0_u64);
    while count == 0 || scan.input.read(at, MAGIC.len())? == MAGIC {
        scan.budget.take_work(256)?;
        at = array(scan, &mut pickles, at, count)?;
        count = count.saturating_add(1);
    }
    let plural = if count == 1 { "" } else { "s" };
    scan.whole(Fact::Component { name: FORMAT.name, detail: &format!("{count} array{plural}") });
    pickles.conclude()?;
    let rest = scan.input.len().saturating_sub(at);
    undescribed(scan, (at, rest), "trailing-bytes", "array", "<trailing>".to_owned())
}

/// Reads the array at `at` and returns where it ends.
fn array(scan: &mut Scan<'_>, pickles: &mut Sequence<'_>, at: u64, index: u64) -> Result<u64, Halt> {
    let source = Arc::clone(&scan.input.source);
    let header = match Header::read(&mut Stream::new(&*source, at)) {
        Ok(header) => header,
        Err(error) => {
            // A header that says nothing here may still say «objects» to Python.
            if let Ok((literal, length)) = Header::extent(&mut Stream::new(&*source, at)) {
                let data = literal.saturating_add(length);
                scan.child(scan.input.slice("<elements>", data, scan.input.len().saturating_sub(data)))?;
            }
            return Err(error.into());
        }
    };
    let Header { data, ref dtype, ref shape, .. } = header;
    let lengths: Vec<String> = shape.iter().map(u64::to_string).collect();
    let shape = format!("[{}]", lengths.join(", "));
    oddities(scan, at, &header);
    let left = scan.input.len().saturating_sub(data);
    let (end, outcome) = if dtype.objects {
        let loaded = pickles.load(scan, data, Dialect::Plain);
        let end = loaded.as_ref().map_or_else(|_| scan.input.len(), |loaded| loaded.end);
        (end, loaded.map(drop))
    } else {
        elements(scan, &header, &shape, left)
    };
    let name = array_name(scan, index);
    let bytes = end.saturating_sub(data);
    scan.fact(data, bytes, Fact::Tensor { name: &name, dtype: &dtype.text, shape: &shape, bytes });
    outcome.map(|()| end)
}

/// What is odd about a header that can be read.
fn oddities(scan: &mut Scan<'_>, at: u64, header: &Header) {
    let length = header.length;
    if length > LONG_HEADER {
        let detail = format!("the header has {length} bytes");
        let fact =
            Fact::Structure { anomaly: "invalid-metadata", format: FORMAT.name, detail: &detail, bytes: length };
        scan.fact(at, length, fact);
    }
    if let Some(detail) = header.duplicate {
        scan.fact(at, length, Fact::Structure { anomaly: "duplicate-key", format: FORMAT.name, detail, bytes: 0 });
    }
}

/// Where raw elements end, and whether they are all there.
fn elements(scan: &mut Scan<'_>, header: &Header, shape: &str, left: u64) -> (u64, Result<(), Halt>) {
    let (data, file) = (header.data, scan.input.len());
    let mut state = |anomaly, detail: &str, bytes| {
        scan.fact(data, left, Fact::Structure { anomaly, format: FORMAT.name, detail, bytes });
    };
    match (header.bytes(), header.dtype.size) {
        (Some(needed), _) if needed <= left => (data.saturating_add(needed), Ok(())),
        (Some(needed), _) => {
            let detail = format!("{} {shape} needs {needed} bytes, {left} are there", header.dtype.text);
            state("tensor-out-of-bounds", &detail, needed);
            (file, Err(Malformed { at: data, what: "the array reaches past the end of the file" }.into()))
        }
        (None, Some(_)) => {
            state("size-overflow", &format!("{} {shape}", header.dtype.text), left);
            (file, Err(Malformed { at: data, what: "the size of the array does not fit into 64 bits" }.into()))
        }
        (None, None) => {
            state("unknown-dtype", &header.dtype.text, left);
            // Where the elements end is not known: whatever is there is looked at by itself.
            let child = scan.child(scan.input.slice("<elements>", data, left));
            (file, child.and(Err(Halt::Unsupported("an array of an unknown type"))))
        }
    }
}

/// The name of the file without its suffix; further arrays are numbered.
fn array_name(scan: &Scan<'_>, index: u64) -> String {
    let file = scan.input.name.innermost();
    let file = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = file.strip_suffix(".npy").unwrap_or(file);
    if index == 0 { stem.to_owned() } else { format!("{stem}[{index}]") }
}
