//! Compressed files: one content in gzip, bzip2, xz, lzma, lzip, zlib, zstd, lz4 or joblib's first format.
//!
//! Loaders look through compression without being asked (`joblib.load`, `pandas.read_pickle`, R), so the content is an
//! input like any other and is detected by itself, compressed once more or not. Stated is what a reader might not
//! notice: a wrong checksum, data behind the end, a content that blows up.

mod name;

use super::{Format, FormatKind, Halt, Scan, decoded};
use crate::bytes::{Exceeded, Malformed, ReadAt, Role, Stream};
use crate::decode::codec::{self, Codec, Fault, FaultKind, Outcome};
use crate::fact::Fact;

/// Declares the records and their table.
macro_rules! records {
    ($($(#[doc = $doc:literal])* $record:ident = $codec:ident $name:literal $title:literal [$($extension:literal),*] $spec:literal;)*) => {
        $(
            $(#[doc = $doc])*
            pub const $record: Format = Format {
                name: $name,
                title: $title,
                kind: FormatKind::Container,
                extensions: &[$($extension),*],
                runs_code: false,
                refines: None,
                identify: |probe| codec::begins(Codec::$codec, &probe.head, &*probe.input.source),
                scan: |scan| read(scan, Codec::$codec, &$record),
                checks: "The content, as whatever it is; every member or frame; checksums; data behind the end; \
                         decompression bombs.",
                spec: $spec,
            };
        )*

        const RECORDS: &[(Codec, &Format)] = &[$( (Codec::$codec, &$record) ),*];
    };
}

records! {
    /// gzip.
    GZIP = Gzip "gzip" "gzip file" ["gz", "tgz"] "https://www.rfc-editor.org/rfc/rfc1952";
    /// bzip2.
    BZIP2 = Bzip2 "bzip2" "bzip2 file" ["bz2", "tbz2"] "https://sourceware.org/bzip2/";
    /// xz.
    XZ = Xz "xz" "xz file" ["xz", "txz"] "https://tukaani.org/xz/xz-file-format.txt";
    /// The format before xz, and lzip.
    LZMA = Lzma "lzma" "LZMA or lzip file" ["lzma", "lz"] "https://github.com/tukaani-project/xz/blob/master/doc/lzma-file-format.txt";
    /// zlib.
    ZLIB = Zlib "zlib" "zlib stream" ["z", "zlib"] "https://www.rfc-editor.org/rfc/rfc1950";
    /// Zstandard.
    ZSTD = Zstd "zstd" "Zstandard file" ["zst", "zstd"] "https://www.rfc-editor.org/rfc/rfc8878";
    /// LZ4.
    LZ4 = Lz4 "lz4" "LZ4 file" ["lz4"] "https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md";
    /// joblib's first format.
    JOBLIB_ZF = JoblibZf "joblib-zf" "joblib dump before 0.10 (compressed)" [] "https://github.com/joblib/joblib/blob/main/joblib/numpy_pickle_compat.py";
}

/// The name of what stands behind the end.
const SUFFIX: &str = "<suffix>";
/// Bytes of stored data that are looked for in what is decoded.
const LONGEST_STORED: u64 = 1 << 20;
/// Decoded bytes in which they are looked for.
const MOST_SEARCHED: u64 = 256 << 20;

/// Is `format` one of these? What the name of such a file promises, its content has to keep.
pub(super) fn is_record(format: &Format) -> bool {
    RECORDS.iter().any(|(_, record)| record.name == format.name)
}

/// The codec of `source`, which begins with `head`, if it is one of these.
pub(super) fn codec(head: &[u8], source: &dyn ReadAt) -> Option<Codec> {
    RECORDS.iter().map(|(codec, _)| *codec).find(|codec| codec::begins(*codec, head, source))
}

/// Do the bytes `start..close` of `source` come out of it as they are? Data that does not shrink is stored, and so
/// are files in it; what the headers of a codec have room for does not come out.
pub(super) fn gives(codec: Codec, source: &dyn ReadAt, start: u64, close: u64) -> bool {
    let start = start.max(close.saturating_sub(LONGEST_STORED));
    let wanted = usize::try_from(close.saturating_sub(start)).unwrap_or_default();
    let Ok(bytes) = source.read_range(start, wanted) else { return false };
    let (mut kept, mut made, mut found) = (Vec::new(), 0_u64, false);
    let finder = memchr::memmem::Finder::new(&bytes);
    let mut look = |kept: &mut Vec<u8>| {
        found |= finder.find(kept).is_some();
        kept.drain(..kept.len().saturating_sub(wanted.saturating_sub(1)));
        !found
    };
    let outcome = codec::decode(codec, source, 0, u64::MAX, |piece, _| {
        kept.extend_from_slice(piece);
        made = made.saturating_add(piece.len() as u64);
        Ok(made <= MOST_SEARCHED && (kept.len() < wanted.saturating_mul(2) || look(&mut kept)))
    });
    look(&mut kept);
    outcome.is_ok() && found
}

fn read(scan: &mut Scan<'_>, codec: Codec, format: &'static Format) -> Result<(), Halt> {
    scan.whole(Fact::Component { name: format.name, detail: "" });
    let len = scan.input.len();
    let most = Exceeded { what: "decoded bytes of one member", limit: scan.budget.limits().member_bytes };
    let decoded = decoded::decode(scan, codec, 0, len, most)?;
    for aside in &decoded.asides {
        scan.leave(aside.name, aside.at, aside.len);
    }
    let child = scan.input.member(name::of(scan.input, codec), decoded.source);
    // A layer is one once it is decompressed, too.
    let child = if scan.input.role == Role::Layer { child.with_role(Role::Layer) } else { child };
    let outcome = decoded.outcome;
    let state = |scan: &mut Scan<'_>, at: u64, anomaly: &str, detail: &str| {
        let member = child.name.innermost();
        scan.fact(at, 0, Fact::Member { anomaly, member, container: format.name, detail });
    };
    if decoded.bomb {
        state(scan, 0, "bomb-ratio", &format!("{} bytes from {}", outcome.produced, outcome.consumed));
    }
    if let Some(at) = outcome.mismatch {
        state(scan, at, "crc-mismatch", "");
    }
    let too_deep = decoded::too_deep(scan, &child);
    if too_deep.is_none() {
        scan.child(child)?;
    }
    if outcome.ended {
        behind(scan, outcome.consumed, format)?;
    }
    conclude(scan, &outcome, decoded.stopped, decoded.bomb, too_deep)
}

/// The last word: what kept the content from being read to its end.
fn conclude(
    scan: &mut Scan<'_>,
    outcome: &Outcome,
    stopped: Option<Exceeded>,
    bomb: bool,
    too_deep: Option<Exceeded>,
) -> Result<(), Halt> {
    match (stopped, outcome.fault) {
        // The bomb has been stated.
        (Some(exceeded), _) if bomb => scan.unread(scan.input.name.clone(), exceeded.what, false),
        (Some(exceeded), _) => return Err(exceeded.into()),
        (None, Some(Fault { what, kind: FaultKind::Unsupported, .. })) => return Err(Halt::Unsupported(what)),
        (None, Some(Fault { at, what, .. })) => return Err(Malformed { at, what }.into()),
        (None, None) => {}
    }
    too_deep.map_or(Ok(()), |exceeded| Err(exceeded.into()))
}

/// Looks at what stands behind the end of the compressed data at `at`.
fn behind(scan: &mut Scan<'_>, at: u64, format: &'static Format) -> Result<(), Halt> {
    let bytes = scan.input.len().saturating_sub(at);
    if is_zero(scan, at)? {
        return Ok(());
    }
    let detail = format!("{bytes} bytes");
    let fact = Fact::Member { anomaly: "suffix-bytes", member: SUFFIX, container: format.name, detail: &detail };
    scan.fact(at, bytes, fact);
    scan.leave(SUFFIX, at, bytes);
    Ok(())
}

/// True if nothing but zeros is left.
fn is_zero(scan: &Scan<'_>, at: u64) -> Result<bool, Halt> {
    let mut stream = Stream::new(&*scan.input.source, at);
    while !stream.is_empty() {
        let window = stream.fill(1)?;
        if window.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        let size = window.len() as u64;
        stream.skip(size)?;
        scan.budget.check_time()?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use crate::bytes::{Input, Limits, MemorySource};
    use crate::scan::{Options, Recorder, facts};

    fn anomalies(bytes: &[u8], limits: Limits) -> Vec<String> {
        let mut recorder = Recorder::default();
        let options = Options { limits, payload: false };
        facts(&options, &Input::new("x.gz", MemorySource::new(bytes)), &mut recorder);
        let told = recorder.facts.iter().filter(|fact| matches!(fact.fact, "member" | "limit"));
        told.filter_map(|fact| Some(fact.fields.get("anomaly").or(fact.fields.get("reason"))?.as_str()?.to_owned())).collect()
    }

    fn zeros(megabytes: usize) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let piece = vec![0; 1 << 20];
        (0..megabytes).for_each(|_| writer.write_all(&piece).unwrap());
        writer.finish().unwrap()
    }

    #[test]
    fn a_bomb_is_a_ratio_above_a_floor_and_a_limit_is_none() {
        let (small, large) = (zeros(40), zeros(300));
        assert_eq!(anomalies(&small, Limits::default()), Vec::<String>::new());
        assert_eq!(anomalies(&large, Limits::default()), ["bomb-ratio"]);
        let tight = Limits { decoded_bytes: 8 << 20, ..Limits::default() };
        assert_eq!(anomalies(&small, tight), ["decoded bytes"]);
        let tight = Limits { member_bytes: 8 << 20, ..Limits::default() };
        assert_eq!(anomalies(&small, tight), ["decoded bytes of one member"]);
    }
}
