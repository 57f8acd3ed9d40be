//! safetensors: a JSON header that describes raw tensors, and nothing that runs.
//!
//! ```text
//! 0       u64 LE   N, length of the header, at most 100 MB in the reference reader
//! 8       N bytes  JSON object, `{` first, may be padded with spaces:
//!                  name: { dtype, shape: [..], data_offsets: [begin, end] }   relative to 8 + N
//!                  "__metadata__": { string: string }
//! 8 + N   tensors, which tile the rest of the file without holes or overlap
//! ```
//!
//! The format's promise is that a file has one reading. Everything here checks that promise: a reader that trusts the
//! header must never index past its buffer (S909), no two readers may see different tensors (S811, S911), and no byte
//! may be outside the description, where a second file could hide (S908, S910).
//!
//! Specification: <https://github.com/huggingface/safetensors#format>

mod header;
mod layout;

use super::{Format, FormatKind, Halt, Probe, Scan};
use crate::bytes::Malformed;
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "safetensors",
    title: "safetensors",
    kind: FormatKind::Model,
    extensions: &["safetensors"],
    runs_code: false,
    refines: None,
    identify,
    scan,
    checks: "header length, JSON, duplicate keys and tensors, dtypes, shape arithmetic, bounds, overlaps, holes, \
             trailing data, metadata types",
    spec: "https://github.com/huggingface/safetensors#format",
};

/// Limit of the reference reader. The largest public models stay below 2 MB.
const MAX_HEADER: u64 = 100_000_000;

fn identify(probe: &Probe<'_>) -> bool {
    let named = probe.input.name.extension() == "safetensors";
    if named && (1..=8).contains(&probe.head.len()) {
        // Cut off in its length field, or right behind it; a pickle of that size shows itself by its first byte.
        return probe.head.first() != Some(&0x80);
    }
    let (Some(length), Some(b'{')) = (probe.head.first_chunk::<8>(), probe.head.get(8)) else { return false };
    let length = u64::from_le_bytes(*length);
    // Under its own name a broken length is a fact about a safetensors file; elsewhere it is another format.
    let fits = (2..=MAX_HEADER).contains(&length) && length <= probe.input.len().saturating_sub(8);
    fits || named
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let length = scan.stream().field(8)?.u64_le()?;
    let rest = scan.input.len().saturating_sub(8);
    if length > rest || length > MAX_HEADER {
        let detail = format!("the header claims {length} bytes, the file has {rest} after its length field");
        scan.fact(0, 8, Fact::Structure { anomaly: "header-bounds", format: "safetensors", detail: &detail, bytes: length });
        if length > rest {
            return Err(Malformed { at: 0, what: "the header reaches past the end of the file" }.into());
        }
    }
    let header = header::read(scan, length)?;
    scan.whole(Fact::Component { name: "safetensors", detail: "" });
    layout::check(scan, &header, 8_u64.saturating_add(length))
}
