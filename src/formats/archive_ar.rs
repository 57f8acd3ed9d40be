//! `ar` archives: static libraries, and Debian packages, which hold two more archives.
//!
//! Layout: `!<arch>\n`, then for each member a header of 60 bytes of text and its data, padded to even. Names longer than
//! the header's field stand in a table (`/12`) or in front of the data (`#1/20`).
//!
//! Specification: <https://man.freebsd.org/cgi/man.cgi?query=ar&sektion=5>

use super::decoded::Portion;
use super::member_audit::{Contents, Described};
use super::{Format, FormatKind, Halt, Scan, software};
use crate::bytes::{Cursor, Input, Malformed, Role};
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "ar",
    title: "ar archive (static library, Debian package)",
    kind: FormatKind::Container,
    extensions: &["deb", "a"],
    runs_code: false,
    refines: None,
    identify: |probe| probe.head.starts_with(MAGIC) || probe.head.starts_with(THIN),
    scan,
    checks: "Every header; names that leave the archive; rights; duplicates; bytes behind the last member; every member.",
    spec: "https://man.freebsd.org/cgi/man.cgi?query=ar&sektion=5",
};

const MAGIC: &[u8] = b"!<arch>\n";
/// An archive that only names its members.
const THIN: &[u8] = b"!<thin>\n";
/// How the first member of a Debian package is called.
const DEBIAN: &[u8] = b"debian-binary ";
/// Bytes of a header.
const HEADER: u64 = 60;
/// Longest name, and largest table of names, that are read.
const MOST_NAME: u64 = 64 << 10;
const MOST_NAMES: u64 = 16 << 20;

/// What an archive is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing special.
    Plain,
    /// A static library, which has an index. A linker reads the members in place: their names are no paths, and they
    /// repeat.
    Library,
    /// A Debian package. Its files are unpacked at the root of the system.
    Debian,
}

/// A header.
struct Header {
    name: Vec<u8>,
    mode: u32,
    size: u64,
}

/// A member as its header and the table of names describe it.
struct Member {
    at: u64,
    name: String,
    mode: u32,
    /// It is a table of names or symbols.
    is_table: bool,
    input: Input,
    /// Offset behind its data, whether the file reaches there or not.
    end: u64,
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    scan.whole(Fact::Component { name: FORMAT.name, detail: "" });
    if scan.input.read(0, THIN.len())? == THIN {
        return Err(Halt::Unsupported("a thin archive, whose members are files beside it"));
    }
    let debian = scan.input.read(MAGIC.len() as u64, DEBIAN.len())? == DEBIAN;
    let kind = if debian && !software::has_model_name(&scan.input.name) { Kind::Debian } else { Kind::Plain };
    let mut walk = Walk::new(kind);
    let audited = audit(scan, &mut walk);
    // What stands before a fault or a limit is read.
    hand_over(scan, Walk::new(kind), walk.at)?;
    audited
}

/// States what the headers give away.
fn audit(scan: &mut Scan<'_>, walk: &mut Walk) -> Result<(), Halt> {
    let mut contents = Contents::default();
    while let Some(member) = walk.next(scan).transpose() {
        let member = match member {
            Ok(member) => member,
            Err(halt) => {
                scan.leave("<suffix>", walk.at, scan.input.len().saturating_sub(walk.at));
                return Err(halt);
            }
        };
        if !member.is_table && walk.kind != Kind::Library {
            let (place, name) = ((member.at, HEADER), member.name.as_str());
            Described { container: FORMAT.name, place, name, mode: member.mode }.audit(scan);
            contents.add(scan, name, &member.input)?;
        }
        if member.end > scan.input.len() {
            return Err(Malformed { at: member.at, what: "a member reaches past the end of the file" }.into());
        }
    }
    contents.conclude(scan, FORMAT.name, (0, scan.input.len()));
    match walk.kind {
        Kind::Debian => software::state(scan, software::DEBIAN_PACKAGE),
        // By itself it is what its name says. In a model it has to be told.
        Kind::Library if scan.input.depth() == 0 => software::state(scan, software::STATIC_LIBRARY),
        Kind::Library | Kind::Plain => {}
    }
    Ok(())
}

/// Hands the members before `end` over in portions.
fn hand_over(scan: &mut Scan<'_>, mut walk: Walk, end: u64) -> Result<(), Halt> {
    let mut portion = Portion::default();
    while walk.at < end
        && let Ok(Some(member)) = walk.next(scan)
    {
        portion.add(&member.input);
        scan.child(member.input)?;
        if portion.is_full() {
            scan.later(Box::new(move |scan| hand_over(scan, walk, end)));
            return Ok(());
        }
    }
    Ok(())
}

/// The members in order.
struct Walk {
    at: u64,
    /// What the archive is for, as far as the members so far tell.
    kind: Kind,
    /// The table of long names.
    names: Vec<u8>,
}

impl Walk {
    const fn new(kind: Kind) -> Self {
        Self { at: MAGIC.len() as u64, kind, names: Vec::new() }
    }

    /// The next member, if there is one more.
    fn next(&mut self, scan: &Scan<'_>) -> Result<Option<Member>, Halt> {
        let at = self.at;
        if at >= scan.input.len() {
            return Ok(None);
        }
        scan.budget.check_time()?;
        let header = header(&scan.input.read(at, usize::try_from(HEADER).unwrap_or_default())?, at)?;
        let data = at.saturating_add(HEADER);
        if header.name == b"//" {
            let size = usize::try_from(header.size.min(MOST_NAMES)).unwrap_or_default();
            self.names = scan.input.read(data, size)?;
        }
        if is_index(&header.name) && self.kind == Kind::Plain {
            self.kind = Kind::Library;
        }
        let end = data.saturating_add(header.size);
        self.at = end.saturating_add(end % 2);
        let mut member = member(scan, at, &header, &self.names, end)?;
        if self.kind == Kind::Debian && member.name.starts_with("data.tar") {
            member.input = member.input.with_role(Role::Layer);
        }
        Ok(Some(member))
    }
}

/// The index of symbols that a linker goes by: of GNU, of its wide form, of BSD.
fn is_index(name: &[u8]) -> bool {
    matches!(name, b"/" | b"/SYM64/") || name.starts_with(b"__.SYMDEF")
}

/// One member, with its name from wherever it stands.
fn member(scan: &Scan<'_>, at: u64, header: &Header, names: &[u8], end: u64) -> Result<Member, Halt> {
    let mut data = at.saturating_add(HEADER);
    let mut size = header.size;
    let mut name = header.name.clone();
    let is_table = is_index(&name) || name == b"//";
    let long = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit).then(|| decimal(digits, 10)).flatten();
    if let Some(length) = name.strip_prefix(b"#1/").and_then(long) {
        let length = length.min(size);
        name = scan.input.read(data, usize::try_from(length.min(MOST_NAME)).unwrap_or_default())?;
        name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
        data = data.saturating_add(length);
        size = size.saturating_sub(length);
    } else if let Some(offset) = name.strip_prefix(b"/").filter(|_| !is_table).and_then(long) {
        let longest = usize::try_from(MOST_NAME).unwrap_or(usize::MAX);
        let rest = usize::try_from(offset).ok().and_then(|offset| names.get(offset..)).unwrap_or_default();
        // Names end with a line in GNU's table and with a zero in Microsoft's.
        let mut lines = rest.get(..longest).unwrap_or(rest).split(|byte| matches!(byte, b'\n' | 0));
        let rest = lines.next().unwrap_or_default();
        name = rest.strip_suffix(b"/").unwrap_or(rest).to_vec();
    } else if !is_table {
        name = name.strip_suffix(b"/").unwrap_or(&name).to_vec();
    }
    let name = String::from_utf8_lossy(&name).into_owned();
    let input = scan.input.slice(name.as_str(), data, size);
    Ok(Member { at, name, mode: header.mode, is_table, input, end })
}

fn header(bytes: &[u8], at: u64) -> Result<Header, Malformed> {
    let broken = Malformed { at, what: "no header of a member" };
    let mut c = Cursor::new(bytes, at);
    let name = c.bytes(16)?.trim_ascii_end().to_vec();
    c.skip(24)?;
    let (mode, size) = (c.bytes(8)?, c.bytes(10)?);
    if c.bytes(2)? != b"`\n" {
        return Err(broken);
    }
    let mode = decimal(mode, 8).and_then(|mode| u32::try_from(mode).ok()).ok_or(broken)?;
    Ok(Header { name, mode, size: decimal(size, 10).ok_or(broken)? })
}

/// A number in text, padded with blanks; nothing at all is zero.
fn decimal(field: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim();
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, radix).ok().filter(|_| !text.starts_with('+')) }
}
