//! cpio archives in all their forms: newc with and without checksums, odc, and the old binary one in both byte orders.
//!
//! Layout: for each member a header, its name and its data; the name `TRAILER!!!` ends the archive, and another one may
//! follow it, as in the start images of Linux.
//!
//! Specification: <https://man.freebsd.org/cgi/man.cgi?query=cpio&sektion=5>

use super::decoded::Portion;
use super::member_audit::{Contents, Described};
use super::{Format, FormatKind, Halt, Scan};
use crate::bytes::{Cursor, Input, Malformed, Stream};
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "cpio",
    title: "cpio archive",
    kind: FormatKind::Container,
    extensions: &["cpio"],
    runs_code: false,
    refines: None,
    identify: |probe| begins(&probe.head),
    scan,
    checks: "Every header; names and links that leave the archive; devices and rights; checksums; duplicates; bytes behind \
             the end; every member.",
    spec: "https://man.freebsd.org/cgi/man.cgi?query=cpio&sektion=5",
};

/// The name of the entry that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";
/// Bytes of the longest header.
const MOST_HEADER: usize = 110;
/// Longest name.
const MOST_NAME: u64 = 64 << 10;

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// The form, for people.
    form: &'static str,
    mode: u32,
    /// Bytes of the header alone, of the name with its zero, and of the data.
    length: u64,
    name: u64,
    size: u64,
    /// What name and data are padded to.
    padding: u64,
    /// Sum of all bytes of the data.
    sum: Option<u32>,
}

impl Header {
    /// Offset of the data of a member at `at`.
    fn data(&self, at: u64) -> u64 {
        let end = self.length.saturating_add(self.name);
        at.saturating_add(end.next_multiple_of(self.padding))
    }

    /// Offset behind a member at `at`.
    fn end(&self, at: u64) -> u64 {
        let size = self.size.checked_next_multiple_of(self.padding).unwrap_or(u64::MAX);
        self.data(at).saturating_add(size)
    }
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let form = header(&scan.input.read(0, MOST_HEADER)?, 0)?.map_or("", |header| header.form);
    scan.whole(Fact::Component { name: FORMAT.name, detail: form });
    let mut walk = Walk::default();
    let audited = audit(scan, &mut walk);
    // What stands before a fault or a limit is read.
    hand_over(scan, Walk::default(), walk.at)?;
    audited
}

/// States what the headers give away, and what stands behind the end.
fn audit(scan: &mut Scan<'_>, walk: &mut Walk) -> Result<(), Halt> {
    let mut contents = Contents::default();
    while let Some(member) = walk.next(scan)? {
        examine(scan, &member, &mut contents)?;
        if member.header.end(member.at) > scan.input.len() {
            return Err(Malformed { at: member.at, what: "a member reaches past the end of the file" }.into());
        }
    }
    contents.conclude(scan, FORMAT.name, (0, scan.input.len()));
    let (at, fault) = (walk.at, walk.fault);
    let rest = scan.input.len().saturating_sub(at);
    if rest > 0 && fault.is_none() {
        let detail = format!("{rest} bytes");
        let (anomaly, container) = ("suffix-bytes", FORMAT.name);
        scan.fact(at, rest, Fact::Member { anomaly, member: "<suffix>", container, detail: &detail });
    }
    scan.leave("<suffix>", at, rest);
    fault.map_or(Ok(()), |what| Err(Malformed { at, what }.into()))
}

/// Hands the members before `end` over in portions.
fn hand_over(scan: &mut Scan<'_>, mut walk: Walk, end: u64) -> Result<(), Halt> {
    let mut portion = Portion::default();
    while walk.at < end
        && let Ok(Some(member)) = walk.next(scan)
    {
        if member.header.size == 0 {
            continue;
        }
        let input = member.input(scan);
        portion.add(&input);
        scan.child(input)?;
        if portion.is_full() {
            scan.later(Box::new(move |scan| hand_over(scan, walk, end)));
            return Ok(());
        }
    }
    Ok(())
}

/// A member.
struct Member {
    at: u64,
    header: Header,
    name: String,
}

impl Member {
    fn input(&self, scan: &Scan<'_>) -> Input {
        scan.input.slice(self.name.as_str(), self.header.data(self.at), self.header.size)
    }
}

/// The members in order, those of further archives behind the first one included.
#[derive(Default)]
struct Walk {
    at: u64,
    /// The last entry was a trailer.
    ended: bool,
    /// Why there is no next member, if there ought to be one.
    fault: Option<&'static str>,
}

impl Walk {
    /// The next member, if there is one more.
    fn next(&mut self, scan: &Scan<'_>) -> Result<Option<Member>, Halt> {
        loop {
            scan.budget.check_time()?;
            let at = self.at;
            let header = match header(&scan.input.read(at, MOST_HEADER)?, at) {
                Ok(Some(header)) => header,
                _ if self.ended => return Ok(None),
                Ok(None) => {
                    self.fault = Some("no header of a member");
                    return Ok(None);
                }
                Err(_) => {
                    self.fault = Some("the archive has no end");
                    return Ok(None);
                }
            };
            let length = usize::try_from(header.name).unwrap_or_default();
            let name = scan.input.read(at.saturating_add(header.length), length)?;
            let name = name.strip_suffix(b"\0").unwrap_or(&name);
            self.at = header.end(at);
            self.ended = name == TRAILER;
            if !self.ended {
                return Ok(Some(Member { at, header, name: String::from_utf8_lossy(name).into_owned() }));
            }
            self.at = skip_zeros(scan, self.at)?;
        }
    }
}

/// States what is unusual about one member.
fn examine(scan: &mut Scan<'_>, member: &Member, contents: &mut Contents) -> Result<(), Halt> {
    let Member { at, header, name } = member;
    let place = (*at, header.data(*at).saturating_sub(*at));
    let described = Described { container: FORMAT.name, place, name, mode: header.mode };
    described.audit(scan);
    if header.size == 0 {
        return Ok(());
    }
    let input = member.input(scan);
    if described.is_link() {
        described.audit_link(scan, &input)?;
    } else {
        contents.add(scan, name, &input)?;
    }
    let Some(stated) = header.sum.filter(|_| input.len() == header.size) else { return Ok(()) };
    let mut stream = Stream::new(&*input.source, 0);
    let mut sum = 0_u32;
    while !stream.is_empty() {
        let piece = stream.fill(1)?;
        sum = piece.iter().fold(sum, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        let size = piece.len() as u64;
        stream.skip(size)?;
        scan.budget.check_time()?;
    }
    if sum != stated {
        described.state(scan, "crc-mismatch", &format!("header {stated:#010x}, data {sum:#010x}"));
    }
    Ok(())
}

/// The first offset from `at` on that is no zero.
fn skip_zeros(scan: &Scan<'_>, at: u64) -> Result<u64, Halt> {
    let mut stream = Stream::new(&*scan.input.source, at);
    while !stream.is_empty() {
        let window = stream.fill(1)?;
        let zeros = window.iter().take_while(|byte| **byte == 0).count();
        let more = zeros == window.len();
        stream.skip(zeros as u64)?;
        if !more {
            break;
        }
        scan.budget.check_time()?;
    }
    Ok(stream.offset())
}

/// Is there a header with a name behind it? Magic numbers of two bytes alone prove little.
fn begins(head: &[u8]) -> bool {
    let Ok(Some(header)) = header(head, 0) else { return false };
    let mut c = Cursor::new(head, 0);
    let name = c.skip(header.length).and_then(|()| c.bytes(header.name));
    name.ok().and_then(|name| name.split_last()).is_some_and(|(end, name)| *end == 0 && !name.contains(&0))
}

/// Reads a header; None if there is none.
fn header(bytes: &[u8], at: u64) -> Result<Option<Header>, Malformed> {
    let mut c = Cursor::new(bytes, at);
    let header = match bytes {
        [b'0', b'7', b'0', b'7', b'0', form @ (b'1' | b'2'), ..] => new(&mut c, *form == b'2')?,
        [b'0', b'7', b'0', b'7', b'0', b'7', ..] => odc(&mut c)?,
        [0xc7, 0x71, ..] => binary(&mut c, Cursor::u16_le, "binary")?,
        [0x71, 0xc7, ..] => binary(&mut c, Cursor::u16_be, "binary, big-endian")?,
        _ => None,
    };
    let known = |mode: u32| matches!(mode >> 12, 0o01 | 0o02 | 0o04 | 0o06 | 0o10 | 0o12 | 0o14) || mode == 0;
    Ok(header.filter(|header| (1..=MOST_NAME).contains(&header.name) && known(header.mode) && header.mode >> 16 == 0))
}

/// The form of System V: numbers of eight hexadecimal digits.
fn new(c: &mut Cursor<'_>, summed: bool) -> Result<Option<Header>, Malformed> {
    c.skip(6)?;
    let mut fields = [0_u32; 13];
    for field in &mut fields {
        let Some(value) = digits(c.bytes(8)?, 16).and_then(|value| u32::try_from(value).ok()) else { return Ok(None) };
        *field = value;
    }
    let [_, mode, _, _, _, _, size, _, _, _, _, name, check] = fields;
    Ok(Some(Header {
        form: if summed { "newc with checksums" } else { "newc" },
        mode,
        length: 110,
        name: u64::from(name),
        size: u64::from(size),
        padding: 4,
        sum: summed.then_some(check),
    }))
}

/// The portable form: numbers in octal.
fn odc(c: &mut Cursor<'_>) -> Result<Option<Header>, Malformed> {
    c.skip(18)?;
    let mode = digits(c.bytes(6)?, 8);
    c.skip(35)?;
    let (name, size) = (digits(c.bytes(6)?, 8), digits(c.bytes(11)?, 8));
    let (Some(mode), Some(name), Some(size)) = (mode.and_then(|mode| u32::try_from(mode).ok()), name, size) else {
        return Ok(None);
    };
    Ok(Some(Header { form: "odc", mode, length: 76, name, size, padding: 1, sum: None }))
}

/// The old form: words of 16 bits, the upper half of long ones first.
fn binary<'b>(
    c: &mut Cursor<'b>,
    word: fn(&mut Cursor<'b>) -> Result<u16, Malformed>,
    form: &'static str,
) -> Result<Option<Header>, Malformed> {
    c.skip(6)?;
    let mode = u32::from(word(c)?);
    c.skip(12)?;
    let name = u64::from(word(c)?);
    let (high, low) = (u64::from(word(c)?), u64::from(word(c)?));
    Ok(Some(Header { form, mode, length: 26, name, size: high << 16 | low, padding: 2, sum: None }))
}

fn digits(field: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(field).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u64::from_str_radix(text, radix).ok()
}
