//! Pickles and archives written as text: base64, base32 or hexadecimal from the first character to the last.
//!
//! Model stores, secrets and environment variables hold pickles this way, and whoever loads them decodes first. The
//! content is an input of its own. Text that decodes to anything else is no input.
//!
//! Specification: <https://www.rfc-editor.org/rfc/rfc4648>

use std::borrow::Cow;
use std::io::Write as _;

use super::pickle::{self, looks_like_pickle};
use super::{Format, FormatKind, Halt, Probe, Scan};
use crate::bytes::{Exceeded, MemorySource, Spool, Stream};
use crate::decode::armor::{Armor, Decoder};
use crate::decode::codec::{self, Codec};
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "encoded_text",
    title: "pickle or archive as text (base64, base32, hexadecimal)",
    kind: FormatKind::Container,
    extensions: &[],
    runs_code: false,
    refines: None,
    identify: |probe| armor(probe).is_some(),
    scan,
    checks: "The content, as whatever it is.",
    spec: "https://www.rfc-editor.org/rfc/rfc4648",
};

/// Shorter text is no pickle that does anything.
const SHORTEST: usize = 16;
/// Text that is decoded to find out.
const LOOK: usize = 1 << 20;
/// Decompressed bytes that are looked at.
const PLAIN: usize = 4096;

/// The text without what it may stand between: a mark of its encoding, quotes, blanks.
fn trimmed(head: &[u8]) -> &[u8] {
    let text = unquoted(head).trim_ascii_end();
    text.strip_suffix(b"'").or_else(|| text.strip_suffix(b"\"")).unwrap_or(text)
}

/// The first bytes of the input, more of them where it begins with nothing but blanks.
pub(super) fn visible<'p>(probe: &'p Probe<'_>) -> Cow<'p, [u8]> {
    if probe.head.trim_ascii().is_empty() {
        return Cow::Owned(probe.read(0, LOOK));
    }
    Cow::Borrowed(&probe.head)
}

/// How the input is written, if it is a pickle, a compressed one or an archive as text.
fn armor(probe: &Probe<'_>) -> Option<Armor> {
    let head = visible(probe);
    let text = trimmed(&head);
    if text.len() < SHORTEST {
        return None;
    }
    let digits: Vec<u8> = text.iter().copied().filter(|&byte| Armor::Base64.digit(byte).is_some()).take(4).collect();
    // Python passes over whatever else stands between the digits.
    if armored(&digits) == Some(Armor::Base64) && holds_model(Armor::Base64, text, probe) {
        return Some(Armor::Base64);
    }
    [Armor::Hex, Armor::Base32, Armor::Base64].into_iter().find(|&armor| {
        let plain = |&byte: &u8| {
            armor.digit(byte).is_some() && (armor != Armor::Base32 || !byte.is_ascii_lowercase())
                || byte.is_ascii_whitespace()
                || byte == b'=' && armor != Armor::Hex
        };
        text.iter().all(plain) && holds_model(armor, text, probe)
    })
}

fn holds_model(armor: Armor, text: &[u8], probe: &Probe<'_>) -> bool {
    let decode = |text: &[u8]| {
        let mut bytes = Vec::new();
        Decoder::new(armor).push(text, &mut bytes);
        bytes
    };
    let head = decode(text);
    if head.starts_with(b"PK\x03\x04") {
        return true;
    }
    if let Some((plain, whole)) = decompressed(&head) {
        // What declares no protocol is known by running all of it.
        return pickle_begins(&plain) || whole && pickle::is_pickle(&*MemorySource::new(plain));
    }
    if !looks_like_pickle(&head) {
        return false;
    }
    if probe.head.len() as u64 >= probe.input.len() {
        return pickle::is_pickle(&*MemorySource::new(head));
    }
    let bytes = decode(trimmed(&probe.read(0, LOOK)));
    let whole = probe.input.len() <= LOOK as u64;
    if whole { pickle::is_pickle(&*MemorySource::new(bytes)) } else { looks_like_pickle(&bytes) }
}

/// How text is written that begins like a pickle, compressed or not.
pub(super) fn armored(start: &[u8]) -> Option<Armor> {
    match *start.first_chunk()? {
        [b'g', b'A', b'I'..=b'X', _] => Some(Armor::Base64),
        [b'8', b'0', b'0', b'2'..=b'5'] => Some(Armor::Hex),
        // gzip, zlib, bzip2, xz, Zstandard.
        [b'H', b'4', b's', b'I'] | [b'e', b'A' | b'F' | b'J' | b'N', ..] => Some(Armor::Base64),
        [b'Q', b'l', b'p', b'o'] | [b'/', b'T', b'd', b'6'] | [b'K', b'L', b'U', b'v'] => Some(Armor::Base64),
        _ => None,
    }
}

/// Do decoded bytes begin as a pickle that declares its protocol, compressed or not?
pub(super) fn pickle_begins(head: &[u8]) -> bool {
    let is_marked = |bytes: &[u8]| matches!(bytes, [0x80, 2..=5, ..]) && looks_like_pickle(bytes);
    is_marked(head) || decompressed(head).is_some_and(|(plain, _)| is_marked(&plain))
}

/// The first bytes of compressed data, and whether they are all. It is known by its signature alone: there may be many
/// values that begin like it.
fn decompressed(head: &[u8]) -> Option<(Vec<u8>, bool)> {
    let codec = match head {
        [0x1f, 0x8b, 8, ..] => Codec::Gzip,
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Codec::Zlib,
        [b'B', b'Z', b'h', ..] => Codec::Bzip2,
        [0xfd, b'7', b'z', b'X', ..] => Codec::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Codec::Zstd,
        _ => return None,
    };
    let mut plain = Vec::new();
    let outcome = codec::decode(codec, &*MemorySource::new(head), 0, u64::MAX, |piece, _| {
        plain.extend(piece.iter().take(PLAIN));
        Ok(plain.len() < PLAIN)
    });
    Some((plain, outcome.ok()?.ended))
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let probe = Probe::new(scan.input)?;
    let Some(armor) = armor(&probe) else { return Ok(()) };
    let name = match armor {
        Armor::Base64 => "base64",
        Armor::Base32 => "base32",
        Armor::Hex => "hexadecimal",
    };
    scan.whole(Fact::Component { name: FORMAT.name, detail: name });
    // A quote and the letter in front of it are no digits.
    let head = visible(&probe);
    let start = head.len().saturating_sub(unquoted(&head).len()) as u64;
    let (mut decoder, mut spool) = (Decoder::new(armor), Spool::default());
    let mut stream = Stream::new(&*scan.input.source, start);
    let (most, mut made) = (scan.budget.limits().member_bytes, 0_u64);
    let (mut piece, mut stopped) = (Vec::new(), None);
    while !stream.is_empty() && !decoder.has_ended() && stopped.is_none() {
        let window = stream.fill(1)?;
        let size = window.len() as u64;
        piece.clear();
        decoder.push(window, &mut piece);
        stream.skip(size)?;
        made = made.saturating_add(piece.len() as u64);
        stopped = (made > most).then_some(Exceeded { what: "decoded bytes of one member", limit: most });
        stopped = stopped.or(scan.budget.take_bytes(piece.len() as u64).err());
        spool.write_all(&piece)?;
    }
    let child = scan.input.member(format!("<{name}>"), spool.finish()?);
    scan.child(child)?;
    stopped.map_or(Ok(()), |exceeded| Err(exceeded.into()))
}

/// The input from its first digit on.
fn unquoted(head: &[u8]) -> &[u8] {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let bare = text.strip_prefix(b"b").filter(|rest| matches!(rest, [b'\'' | b'"', ..])).unwrap_or(text);
    bare.strip_prefix(b"'").or_else(|| bare.strip_prefix(b"\"")).unwrap_or(bare)
}
