//! Python wheels: ZIP archives that list the digest of every file.
//!
//! Installers trust the list where they check it, and many tools that unpack a wheel do not. A file that is not what the
//! list says was changed after the wheel was made.
//!
//! Specification: <https://packaging.python.org/en/latest/specifications/recording-installed-packages/>

use std::collections::HashMap;

use super::archive_zip::{self, Container};
use super::duplicates::digest;
use super::{Format, FormatKind, Halt, Probe, Scan, pytorch, pytorch_export};
use crate::bytes::{Input, Role};
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "wheel",
    title: "Python wheel",
    kind: FormatKind::Container,
    extensions: &["whl"],
    runs_code: false,
    refines: Some("zip"),
    identify,
    scan,
    checks: "All checks of ZIP; every file against the digest that RECORD lists for it.",
    spec: "https://packaging.python.org/en/latest/specifications/recording-installed-packages/",
};

/// Largest list that is read.
const MOST_RECORD: usize = 64 << 20;
const RECORD: &str = ".dist-info/RECORD";
/// The digits of Base64 in its form for URLs.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn identify(probe: &Probe<'_>) -> bool {
    probe.input.name.extension() == "whl"
        && archive_zip::lists(probe, &[RECORD])
        && !pytorch::identify(probe)
        && !pytorch_export::identify(probe)
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let mut container = Container::read(scan)?;
    scan.whole(Fact::Component { name: FORMAT.name, detail: "" });
    container.audit(scan)?;
    container.state_package(scan);
    let listed = record(scan, &mut container)?;
    container.finish(scan, move |scan, _, entry, input| {
        if let Some(stated) = listed.get(&entry.display_name())
            && let Err(halt) = compare(scan, entry.at, stated, input)
        {
            scan.halt(&halt);
        }
        Some(Role::Unknown)
    })
}

/// States that a file is not the one that the list has the digest of.
fn compare(scan: &mut Scan<'_>, at: u64, stated: &str, input: &Input) -> Result<(), Halt> {
    let (_, found) = digest(scan, &*input.source)?;
    let found = base64(&found);
    if found != stated {
        let detail = format!("RECORD {stated}, content {found}");
        let (anomaly, member) = ("digest-mismatch", input.name.innermost());
        scan.fact(at, 0, Fact::Member { anomaly, member, container: FORMAT.name, detail: &detail });
    }
    Ok(())
}

/// The SHA-256 of each file that the list names, in Base64.
fn record(scan: &mut Scan<'_>, container: &mut Container) -> Result<HashMap<String, String>, Halt> {
    let is_record = |name: &str| name.strip_suffix(RECORD).is_some_and(|folder| !folder.contains('/'));
    let place = container.archive.entries.iter().rposition(|entry| is_record(&entry.display_name()));
    let mut listed = HashMap::new();
    let Some((n, entry)) = place.and_then(|n| Some((n, container.archive.entries.get(n)?.clone()))) else {
        return Ok(listed);
    };
    for opened in container.open(scan, n)? {
        let bytes = opened.input.read(0, MOST_RECORD)?;
        let text = String::from_utf8_lossy(&bytes);
        listed.extend(text.lines().filter_map(line));
        container.give(scan, &entry, opened, Role::Unknown)?;
    }
    Ok(listed)
}

/// A line `path,sha256=digest,size`; a path with a comma stands in quotes. The list itself has no digest.
fn line(line: &str) -> Option<(String, String)> {
    let mut fields = line.rsplitn(3, ',');
    let (_size, digest, path) = (fields.next()?, fields.next()?, fields.next()?);
    let quoted = path.strip_prefix('"').and_then(|path| path.strip_suffix('"'));
    let path = quoted.map_or_else(|| path.to_owned(), |path| path.replace("\"\"", "\""));
    Some((path, digest.strip_prefix("sha256=")?.trim_end_matches('=').to_owned()))
}

/// Base64 for URLs, without padding.
fn base64(bytes: &[u8]) -> String {
    let digit = |value: u32| DIGITS.get((value & 63) as usize).copied().map_or('-', char::from);
    let chunks = bytes.chunks(3).flat_map(|chunk| {
        let value = (0..3).fold(0_u32, |value, n| value << 8 | u32::from(chunk.get(n).copied().unwrap_or_default()));
        let digits = [digit(value >> 18), digit(value >> 12), digit(value >> 6), digit(value)];
        digits.into_iter().take(chunk.len().saturating_add(1))
    });
    chunks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_a_file_and_its_digest() {
        let pair = |path: &str| Some((path.to_owned(), "x-_".to_owned()));
        assert_eq!(line("a/b.py,sha256=x-_,12"), pair("a/b.py"));
        assert_eq!(line("\"a,\"\"b.py\",sha256=x-_=,12"), pair("a,\"b.py"));
        for other in ["x.dist-info/RECORD,,", "a.py,md5=x,1", "a.py", ""] {
            assert_eq!(line(other), None, "{other}");
        }
    }

    #[test]
    fn digests_are_written_for_urls() {
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xfb\xff", "-_8")] {
            assert_eq!(base64(bytes), text);
        }
    }
}
