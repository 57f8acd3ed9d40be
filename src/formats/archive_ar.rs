//! `ar` archives: static libraries, and Debian packages, which hold two more archives.
//!
//! Layout: `!<arch>\n`, then for each member a header of 60 bytes of text and its data, padded to even. Names longer than
//! the header's field stand in a table (`/12`) or in front of the data (`#1/20`).
//!
//! Specification: <https://man.freebsd.org/cgi/man.cgi?query=ar&sektion=5>

use super::member_audit::{Contents, Described};
use super::{Format, FormatKind, Halt, Scan, software};
use crate::bytes::{Cursor, Malformed, Role};
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
const MOST_NAMES: u64 = 64 << 20;

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

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    scan.whole(Fact::Component { name: FORMAT.name, detail: "" });
    if scan.input.read(0, THIN.len())? == THIN {
        return Err(Halt::Unsupported("a thin archive, whose members are files beside it"));
    }
    let (mut at, mut names, mut contents) = (MAGIC.len() as u64, Vec::new(), Contents::default());
    let debian = scan.input.read(MAGIC.len() as u64, DEBIAN.len())? == DEBIAN && !software::has_model_name(&scan.input.name);
    let mut kind = if debian { Kind::Debian } else { Kind::Plain };
    while at < scan.input.len() {
        scan.budget.check_time()?;
        let head = scan.input.read(at, usize::try_from(HEADER).unwrap_or_default())?;
        let header = match header(&head, at) {
            Ok(header) => header,
            Err(malformed) => {
                let rest = scan.input.len().saturating_sub(at);
                scan.leave("<suffix>", at, rest);
                return Err(malformed.into());
            }
        };
        let data = at.saturating_add(HEADER);
        if header.name == b"//" {
            let size = usize::try_from(header.size.min(MOST_NAMES)).unwrap_or_default();
            names = scan.input.read(data, size)?;
        }
        if is_index(&header.name) && kind == Kind::Plain {
            kind = Kind::Library;
        }
        member(scan, at, &header, &names, kind, &mut contents)?;
        let end = data.saturating_add(header.size);
        if end > scan.input.len() {
            return Err(Malformed { at, what: "a member reaches past the end of the file" }.into());
        }
        at = end.saturating_add(end % 2);
    }
    contents.conclude(scan, FORMAT.name, (0, scan.input.len()));
    match kind {
        Kind::Debian => software::state(scan, software::DEBIAN_PACKAGE),
        // By itself it is what its name says. In a model it has to be told.
        Kind::Library if scan.input.depth() == 0 => software::state(scan, software::STATIC_LIBRARY),
        Kind::Library | Kind::Plain => {}
    }
    Ok(())
}

/// The index of symbols that a linker goes by: of GNU, of its wide form, of BSD.
fn is_index(name: &[u8]) -> bool {
    matches!(name, b"/" | b"/SYM64/") || name.starts_with(b"__.SYMDEF")
}

/// Hands one member over.
fn member(
    scan: &mut Scan<'_>,
    at: u64,
    header: &Header,
    names: &[u8],
    kind: Kind,
    contents: &mut Contents,
) -> Result<(), Halt> {
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
        let rest = usize::try_from(offset).ok().and_then(|offset| names.get(offset..)).unwrap_or_default();
        // Names end with a line in GNU's table and with a zero in Microsoft's.
        let rest = rest.split(|byte| matches!(byte, b'\n' | 0)).next().unwrap_or_default();
        name = rest.strip_suffix(b"/").unwrap_or(rest).to_vec();
    } else if !is_table {
        name = name.strip_suffix(b"/").unwrap_or(&name).to_vec();
    }
    let name = String::from_utf8_lossy(&name).into_owned();
    let input = scan.input.slice(name.as_str(), data, size);
    if !is_table && kind != Kind::Library {
        let place = (at, HEADER);
        Described { container: FORMAT.name, place, name: &name, mode: header.mode }.audit(scan);
        contents.add(scan, &input)?;
    }
    let is_root = kind == Kind::Debian && name.starts_with("data.tar");
    scan.child(if is_root { input.with_role(Role::Layer) } else { input })
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
