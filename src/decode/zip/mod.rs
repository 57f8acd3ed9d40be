//! ZIP as a hostile file may be: every view of it that some reader takes.
//!
//! Readers disagree about ZIP. Most trust the central directory, streaming ones the local headers, and they differ in
//! which end record they take (see `end.rs`). [`Archive::read`] therefore returns each *physical* member once, with
//! what both of its headers say, together with members that only another directory or only a local header names, and
//! the regions that belong to nothing. It never chooses a view and never judges a difference.
//!
//! Everything is iterative and linear in the size of the file: the directory is streamed, each local header is read
//! once, and only the regions outside known members are searched for further headers, so that numbers inside a tensor
//! that look like a header are never mistaken for one.

mod checksum;
mod end;
mod layout;
mod record;
mod signature;
mod sweep;

pub use checksum::checksum;
pub use layout::{Region, RegionKind};
pub use record::{Descriptor, ENCRYPTED, Header, PATCHED, REFUSING, STORED, STREAMED, UTF8};

use std::sync::Arc;

use super::Stop;
use crate::bytes::{Budget, Cursor, Exceeded, ReadAt, Stream};
use record::{CENTRAL, CENTRAL_SIZE, Central, LOCAL_SIZE, Local};

/// Members of one archive. The largest Zarr stores have fewer.
const MAX_ENTRIES: usize = 200_000;
/// Bytes of one central directory.
const MAX_DIRECTORY: u64 = 512 << 20;
/// Bytes that all names of one archive may have together.
const MAX_NAMES: u64 = 32 << 20;

/// How a member is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The central directory that most readers take.
    Directory,
    /// A directory that only some readers take.
    Rival,
    /// Its local header alone.
    Local,
}

/// A physical member.
#[derive(Debug, Clone)]
pub struct Entry {
    /// How it is known.
    pub origin: Origin,
    /// Name as stored, of the central header where there is one.
    pub name: Box<[u8]>,
    /// Name of the local header where it is another one.
    pub local_name: Option<Box<[u8]>>,
    /// Name in a Unicode path field that belongs to the name, where it is another one.
    pub unicode_name: Option<Box<str>>,
    /// What the central header says, sizes widened.
    pub central: Option<Header>,
    /// What the local header says, sizes widened; zero where a data descriptor follows. None if it is not there.
    pub local: Option<Header>,
    /// What the data descriptor says, where one follows that has its signature.
    pub descriptor: Option<Descriptor>,
    /// External attributes: a Unix mode in the upper half.
    pub attributes: u32,
    /// Offset of the local header.
    pub at: u64,
    /// Offset of the data.
    pub data: u64,
    /// Offset after the data and its descriptor, as the preferred header says.
    pub end: u64,
}

impl Entry {
    /// What most readers go by: the central header, or else the local one.
    #[must_use]
    pub fn header(&self) -> Header {
        self.central.or(self.local).unwrap_or(Header { flags: 0, method: 0, crc: 0, compressed: 0, size: 0 })
    }

    /// The local header's view of the data where a reader that trusts it would see other bytes.
    #[must_use]
    pub fn local_view(&self) -> Option<Header> {
        let (central, local) = (self.central?, self.local?);
        let unstated = local.flags & STREAMED != 0;
        let size = |local: u64, central: u64| if unstated && local == 0 { central } else { local };
        let crc = if unstated && local.crc == 0 { central.crc } else { local.crc };
        let view = Header {
            compressed: size(local.compressed, central.compressed),
            size: size(local.size, central.size),
            crc,
            ..local
        };
        let same = |a: Header| (a.method, a.compressed, a.size);
        (same(view) != same(central)).then_some(view)
    }

    /// Bytes of all its names.
    fn name_bytes(&self) -> u64 {
        let local = self.local_name.as_ref().map_or(0, |name| name.len());
        let unicode = self.unicode_name.as_ref().map_or(0, |name| name.len());
        self.name.len().saturating_add(local).saturating_add(unicode) as u64
    }

    /// True if the name is that of a folder and there is no data.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.name.ends_with(b"/") && self.header().size == 0 && self.header().compressed == 0
    }

    /// The name as text: UTF-8 if it is, else code page 437.
    #[must_use]
    pub fn display_name(&self) -> String {
        name_text(&self.name)
    }

    /// The Unix mode that the writer stated, 0 if none.
    #[must_use]
    pub const fn mode(&self) -> u32 {
        self.attributes >> 16
    }
}

/// A stored name as text: UTF-8 if it is, else code page 437, as readers take it.
#[must_use]
pub fn name_text(bytes: &[u8]) -> String {
    /// Code page 437 from 0x80.
    const UPPER: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
    std::str::from_utf8(bytes).map_or_else(
        |_| {
            let upper = |byte: u8| UPPER.chars().nth(usize::from(byte & 0x7f));
            bytes.iter().filter_map(|&b| if b < 0x80 { Some(char::from(b)) } else { upper(b) }).collect()
        },
        str::to_owned,
    )
}

/// Everything that lies in a ZIP file.
#[derive(Debug, Default)]
pub struct Archive {
    /// Members: those of the usual directory in its order, then those of others, then those without any.
    pub entries: Vec<Entry>,
    /// Numbers of entries that end records state and that are not the number of central headers.
    pub wrong_counts: Vec<u64>,
    /// Central headers of the usual directory.
    pub listed: u64,
    /// Offset of an end record that some readers take instead of the usual one.
    pub rival_end: Option<u64>,
    /// True if there is an end record.
    pub has_end: bool,
    /// Bytes that belong to no record and no member.
    pub regions: Vec<Region>,
    /// Positions in `entries` of members whose bytes overlap those of another or of the directory.
    pub overlapping: Vec<usize>,
    /// Offset of the usual directory.
    pub directory: u64,
}

impl Archive {
    /// Reads the structure, not the members.
    ///
    /// # Errors
    /// A limit on entries, directory size, names or time is reached; the source fails.
    pub fn read(source: &Arc<dyn ReadAt>, budget: &Budget) -> Result<Self, Stop> {
        let starts_as_archive = source.read_range(0, 4)? == record::LOCAL;
        let ends = end::locate(&**source, starts_as_archive, budget)?;
        let mut archive = Self::default();
        let mut covered = Vec::new();
        let Some(ends) = ends else {
            let rest = sweep::sweep(&**source, 0..source.len(), budget, &mut archive.entries)?;
            for range in rest {
                archive.claim(source, RegionKind::Gap, range, budget)?;
            }
            return Ok(archive);
        };
        archive.has_end = true;
        archive.rival_end = ends.rival;
        archive.directory = ends.directories.first().map_or(ends.start, |directory| directory.start);
        let mut names = 0_u64;
        for (n, directory) in ends.directories.iter().enumerate() {
            let origin = if n == 0 { Origin::Directory } else { Origin::Rival };
            let stop = archive.walk(&**source, directory, origin, &mut names, budget)?;
            covered.push(directory.start..stop);
            if n == 0 {
                archive.listed = archive.entries.len() as u64;
            }
        }
        let listed = archive.listed;
        // Writers without ZIP64 count modulo 65,536, and their archives are ordinary.
        archive.wrong_counts = ends.counts.iter().copied().filter(|&n| n != listed && n != listed & 0xffff).collect();
        covered.push(ends.start..ends.close);
        archive.lay_out(source, covered, &ends, budget)?;
        Ok(archive)
    }

    /// The offset of the central directory that most readers take and the offset after the end record, by the end of
    /// the file alone; None if it leads to no directory or the archive is empty.
    #[must_use]
    pub fn directory_and_close(source: &dyn ReadAt) -> Option<(u64, u64)> {
        let ends = end::near(source).ok()??;
        ends.directories.first().map(|directory| (directory.start, ends.close))
    }

    /// Reads the central headers of one directory and the local headers that they point to; returns where it ends.
    fn walk(
        &mut self,
        source: &dyn ReadAt,
        directory: &end::Directory,
        origin: Origin,
        names: &mut u64,
        budget: &Budget,
    ) -> Result<u64, Stop> {
        if directory.limit.saturating_sub(directory.start) > MAX_DIRECTORY {
            return Err(Exceeded { what: "bytes of a central directory", limit: MAX_DIRECTORY }.into());
        }
        // A rival directory usually lists the same members over again.
        let known: std::collections::HashSet<(u64, Box<[u8]>)> = match origin {
            Origin::Directory => std::collections::HashSet::new(),
            _ => self.entries.iter().map(|entry| (entry.at, entry.name.clone())).collect(),
        };
        let mut stream = Stream::new(source, directory.start);
        while directory.limit.saturating_sub(stream.offset()) >= CENTRAL_SIZE && stream.fill(4)?.starts_with(&CENTRAL) {
            budget.take_work(16)?;
            let header = Central::parse(&mut stream.field(CENTRAL_SIZE)?)?;
            if header.variable() > stream.remaining() {
                break;
            }
            let extra = stream.offset().saturating_add(u64::from(header.name));
            let variable = stream.bytes(header.variable())?;
            record::stowed(
                variable.get(usize::from(header.name)..).unwrap_or_default(),
                extra,
                header.extra,
                &mut self.regions,
            )?;
            let Some(entry) = central_entry(origin, &header, variable, directory.shift) else { break };
            if self.entries.len() >= MAX_ENTRIES {
                return Err(Exceeded { what: "entries of one archive", limit: MAX_ENTRIES as u64 }.into());
            }
            let entry = with_local(source, entry, directory.shift, &mut self.regions)?;
            *names = names.saturating_add(entry.name_bytes());
            if *names > MAX_NAMES {
                return Err(Exceeded { what: "bytes of names in one archive", limit: MAX_NAMES }.into());
            }
            // Of a rival directory only what is really there counts, and only once.
            let news = entry.local.is_some() && !known.contains(&(entry.at, entry.name.clone()));
            if origin == Origin::Directory || news {
                self.entries.push(entry);
            }
        }
        Ok(stream.offset())
    }
}

/// An entry from a central header and its variable part.
fn central_entry(origin: Origin, central: &Central, variable: &[u8], shift: u64) -> Option<Entry> {
    let (name, rest) = variable.split_at_checked(usize::from(central.name))?;
    let extra = rest.get(..usize::from(central.extra))?;
    let (mut header, mut offset) = (central.header, central.offset);
    let unicode_name = record::extras(extra, name, &mut header, Some(&mut offset));
    let at = offset.saturating_add(shift);
    Some(Entry {
        origin,
        name: name.into(),
        local_name: None,
        unicode_name: unicode_name.filter(|text| text.as_bytes() != name),
        central: Some(header),
        local: None,
        descriptor: None,
        attributes: central.attributes,
        at,
        data: at,
        end: at,
    })
}

/// Adds what the local header says. Where the offset plus the shift meets none, the bare offset is tried: some readers
/// do not correct it.
fn with_local(source: &dyn ReadAt, mut entry: Entry, shift: u64, regions: &mut Vec<Region>) -> Result<Entry, Stop> {
    // Most names and extra fields come with the same read.
    let guess = usize::try_from(LOCAL_SIZE).unwrap_or_default().saturating_add(entry.name.len()).saturating_add(128);
    for at in [entry.at, entry.at.saturating_sub(shift)] {
        let mut bytes = source.read_range(at, guess)?;
        let Ok(local) = Local::parse(&mut Cursor::new(&bytes, at)) else { continue };
        let whole = LOCAL_SIZE.saturating_add(local.variable());
        if whole > bytes.len() as u64 {
            bytes = source.read_range(at, usize::try_from(whole).unwrap_or(usize::MAX))?;
        }
        let mut cursor = Cursor::new(&bytes, at);
        cursor.skip(LOCAL_SIZE)?;
        let (Ok(name), Ok(extra)) = (cursor.bytes(u64::from(local.name)), cursor.bytes(u64::from(local.extra))) else {
            continue;
        };
        let mut header = local.header;
        record::extras(extra, name, &mut header, None);
        let stowed_at = at.saturating_add(LOCAL_SIZE).saturating_add(u64::from(local.name));
        record::stowed(extra, stowed_at, local.extra, regions)?;
        entry.local_name = (*name != *entry.name).then(|| name.into());
        entry.at = at;
        entry.data = at.saturating_add(whole);
        let stated = entry.header();
        let after = entry.data.saturating_add(stated.compressed);
        entry.end = after;
        if header.flags & STREAMED != 0 {
            let tail = source.read_range(after, 24)?;
            let length = record::descriptor(&tail, stated.compressed, stated.size);
            entry.end = after.saturating_add(length.unwrap_or_default());
            entry.descriptor = record::signed_descriptor(&tail, stated.compressed, stated.size);
        }
        entry.local = Some(header);
        break;
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::{Limits, MemorySource};

    macro_rules! fixture {
        ($name:literal) => {
            read(include_bytes!(concat!("../../../fixtures/zip/", $name)))
        };
    }

    fn read(bytes: &[u8]) -> Archive {
        Archive::read(&MemorySource::new(bytes), &Budget::new(Limits::default())).unwrap()
    }

    fn names(archive: &Archive) -> Vec<(String, Origin)> {
        archive.entries.iter().map(|entry| (entry.display_name(), entry.origin)).collect()
    }

    #[test]
    fn ordinary_archives_have_members_and_nothing_else() {
        for archive in [
            fixture!("plain.zip"),
            fixture!("streamed-signed.zip"),
            fixture!("streamed-bare.zip"),
            fixture!("streamed-wide.zip"),
            fixture!("wide.zip"),
            fixture!("header-in-data.zip"),
            fixture!("gap-zeros.zip"),
        ] {
            assert_eq!(archive.entries.len(), 2);
            assert!(archive.entries.iter().all(|entry| entry.origin == Origin::Directory && entry.local.is_some()));
            assert!(archive.entries.iter().all(|entry| entry.local_view().is_none() && entry.local_name.is_none()));
            assert!(archive.regions.is_empty() && archive.overlapping.is_empty() && archive.wrong_counts.is_empty());
        }
    }

    #[test]
    fn what_another_writer_wrote_is_read_the_same() {
        use std::io::Write as _;
        let mut writer = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let method = ::zip::CompressionMethod::Deflated;
        for (name, options) in [
            ("stored", ::zip::write::SimpleFileOptions::default().compression_method(::zip::CompressionMethod::Stored)),
            ("wide", ::zip::write::SimpleFileOptions::default().compression_method(method).large_file(true)),
        ] {
            writer.start_file(name, options).unwrap();
            writer.write_all(&[7; 1000]).unwrap();
        }
        let bytes = writer.finish().unwrap().into_inner();
        let archive = read(&bytes);
        assert_eq!(names(&archive), [("stored".into(), Origin::Directory), ("wide".into(), Origin::Directory)]);
        assert!(archive.regions.is_empty());
        let mut other = ::zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        for (n, entry) in archive.entries.iter().enumerate() {
            let theirs = other.by_index_raw(n).unwrap();
            assert_eq!(entry.header().crc, theirs.crc32());
            assert_eq!((entry.header().size, entry.header().compressed), (theirs.size(), theirs.compressed_size()));
            assert_eq!(Some(entry.data), theirs.data_start());
        }
    }

    #[test]
    fn members_that_the_directory_leaves_out_are_found() {
        for archive in [fixture!("hidden-first.zip"), fixture!("hidden-between.zip"), fixture!("hidden-last.zip")] {
            assert!(names(&archive).contains(&("hidden.pkl".into(), Origin::Local)));
            assert!(archive.regions.is_empty(), "{:?}", archive.regions);
        }
    }

    #[test]
    fn members_of_a_rival_directory_are_found() {
        for archive in [fixture!("rival-directory.zip"), fixture!("rival-wide.zip")] {
            let mut names: Vec<String> = archive.entries.iter().map(Entry::display_name).collect();
            names.sort();
            assert_eq!(names, ["a.txt", "b.pkl"]);
            assert_eq!(archive.entries.iter().filter(|entry| entry.origin == Origin::Rival).count(), 1);
        }
        assert_eq!(fixture!("end-in-comment.zip").entries.len(), 1);
        assert!(fixture!("end-in-comment.zip").rival_end.is_some());
        assert_eq!(fixture!("count.zip").wrong_counts, [1]);
    }

    #[test]
    fn without_an_end_record_local_headers_are_swept() {
        let archive = fixture!("cut.zip");
        assert!(!archive.has_end);
        assert_eq!(names(&archive), [("a.pkl".into(), Origin::Local), ("b.txt".into(), Origin::Local)]);
        let streamed = fixture!("cut-streamed.zip");
        let first = streamed.entries.first().unwrap();
        assert_eq!(first.header().size, first.header().compressed);
        assert_eq!(first.end - first.data, first.header().size + 16, "the descriptor is found");
    }

    #[test]
    fn offsets_are_corrected_for_data_before_the_archive() {
        for archive in [fixture!("prefix.zip"), fixture!("prefix-unshifted.zip")] {
            let found = names(&archive);
            assert_eq!(found, [("a.txt".into(), Origin::Directory), ("model.pkl".into(), Origin::Directory)]);
            assert!(archive.entries.iter().all(|entry| entry.local.is_some()));
            assert_eq!(archive.regions, [Region { kind: RegionKind::Prefix, at: 0, len: 24 }]);
        }
    }

    #[test]
    fn names_are_utf8_or_code_page_437() {
        assert_eq!(name_text("modèle".as_bytes()), "modèle");
        assert_eq!(name_text(b"mod\x8ale"), "modèle");
        assert_eq!(name_text(b"\xff").chars().count(), 1);
    }

    #[test]
    fn hostile_repetition_stays_linear() {
        let budget = Budget::new(Limits { decoded_bytes: 64 << 20, work: 1 << 20, ..Limits::default() });
        // Local headers without end, each a streamed member that could reach to the end of the file.
        let header = [b"PK\x03\x04\x14\0\x08\0\x08\0".as_slice(), &[0; 16], &[1, 0, 0, 0], b"n\x01"].concat();
        let bytes = header.repeat(20_000);
        let started = std::time::Instant::now();
        let archive = Archive::read(&MemorySource::new(bytes), &budget);
        assert!(archive.is_ok() || matches!(archive, Err(Stop::Limit(_))));
        assert!(started.elapsed().as_secs() < 20);
    }
}
