//! Packed streams, the folders that decode them, and the files' parts of what comes out.

use super::header::id;
use super::{number, optional};
use crate::bytes::{Cursor, Malformed};

/// Coders of one folder, and streams that go into one coder. 7-Zip has 4 and 4 at most.
const MOST_CODERS: u64 = 32;
/// Folders of one archive. Writers make one for each few files, or one for all.
const MOST_FOLDERS: u64 = 1 << 17;
/// Coders in all of them.
const MOST_CODERS_IN_ALL: usize = 1 << 18;
/// Bytes of parameters of a coder.
const MOST_PROPERTIES: u64 = 1 << 10;

/// All streams of an archive.
#[derive(Debug, Default)]
pub struct Streams {
    /// Offset and size of each packed stream, from the end of the start header.
    pub packed: Vec<(u64, u64)>,
    /// The folders.
    pub folders: Vec<Folder>,
}

/// A graph of coders from packed streams to one stream of files.
#[derive(Debug, Default)]
pub struct Folder {
    /// The coders.
    pub coders: Vec<Coder>,
    /// Pairs of an input of a coder and the coder whose output goes there.
    pub bonds: Vec<(u64, u64)>,
    /// The inputs that packed streams go to, in the order of those.
    pub inputs: Vec<u64>,
    /// Its first packed stream.
    pub first: usize,
    /// Size of what each coder gives.
    pub sizes: Vec<u64>,
    /// Checksum of all that comes out.
    pub crc: Option<u32>,
    /// The files' parts, one behind the other.
    pub parts: Vec<Substream>,
}

/// One step of decoding. Each gives one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coder {
    /// The method.
    pub method: u64,
    /// Its parameters.
    pub properties: Vec<u8>,
    /// How many streams it takes.
    pub inputs: u64,
}

/// The part of one file in what a folder decodes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Substream {
    /// Size.
    pub size: u64,
    /// Checksum.
    pub crc: Option<u32>,
}

impl Folder {
    /// Size of what the folder gives: that of the output that goes nowhere else.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.last().and_then(|last| self.sizes.get(last)).copied().unwrap_or_default()
    }

    /// The coder whose output goes nowhere else.
    #[must_use]
    pub fn last(&self) -> Option<usize> {
        (0..self.coders.len()).find(|&n| self.bonds.iter().all(|&(_, from)| from != n as u64))
    }
}

/// Reads the streams up to and with their end mark.
pub(super) fn streams(c: &mut Cursor<'_>) -> Result<Streams, Malformed> {
    let mut all = Streams::default();
    loop {
        match number(c)? {
            id::END => return Ok(all),
            id::PACK_INFO => all.packed = packed(c)?,
            id::UNPACK_INFO => all.folders = folders(c)?,
            id::SUBSTREAMS => {
                parts(c, &mut all.folders)?;
                return end(c).map(|()| all);
            }
            _ => return Err(c.malformed("an unknown part of the streams")),
        }
    }
}

fn end(c: &mut Cursor<'_>) -> Result<(), Malformed> {
    if number(c)? == id::END { Ok(()) } else { Err(c.malformed("no end mark")) }
}

fn packed(c: &mut Cursor<'_>) -> Result<Vec<(u64, u64)>, Malformed> {
    let (mut at, count) = (number(c)?, number(c)?);
    let mut found = Vec::new();
    loop {
        match number(c)? {
            id::END => return Ok(found),
            id::SIZE => {
                for _ in 0..count {
                    let size = number(c)?;
                    found.push((at, size));
                    at = at.checked_add(size).ok_or_else(|| c.malformed("sizes of packed streams overflow"))?;
                }
            }
            // Checksums of packed streams; no reader looks at them.
            id::CRC => drop(optional(c, count, false)?),
            _ => return Err(c.malformed("an unknown part of the packed streams")),
        }
    }
}

fn folders(c: &mut Cursor<'_>) -> Result<Vec<Folder>, Malformed> {
    if number(c)? != id::FOLDER {
        return Err(c.malformed("no folders"));
    }
    let count = number(c)?;
    if count > MOST_FOLDERS {
        return Err(c.malformed("more folders than there can be"));
    }
    if c.u8()? != 0 {
        return Err(c.malformed("a property in a stream of its own"));
    }
    let (mut found, mut first, mut coders) = (Vec::new(), 0_usize, 0_usize);
    for _ in 0..count {
        let folder = Folder { first, ..folder(c)? };
        first = first.saturating_add(folder.inputs.len());
        coders = coders.saturating_add(folder.coders.len());
        if coders > MOST_CODERS_IN_ALL {
            return Err(c.malformed("more coders than there can be"));
        }
        found.push(folder);
    }
    loop {
        match number(c)? {
            id::END => break,
            id::UNPACK_SIZE => {
                for folder in &mut found {
                    folder.sizes = folder.coders.iter().map(|_| number(c)).collect::<Result<_, _>>()?;
                }
            }
            id::CRC => {
                let crcs = optional(c, count, false)?;
                for (folder, crc) in found.iter_mut().zip(crcs) {
                    folder.crc = crc;
                }
            }
            _ => return Err(c.malformed("an unknown part of the folders")),
        }
    }
    for folder in &mut found {
        folder.parts = vec![Substream { size: folder.size(), crc: folder.crc }];
    }
    Ok(found)
}

fn folder(c: &mut Cursor<'_>) -> Result<Folder, Malformed> {
    let mut folder = Folder::default();
    let count = number(c)?;
    if !(1..=MOST_CODERS).contains(&count) {
        return Err(c.malformed("a folder of no coders or too many"));
    }
    let mut inputs = 0_u64;
    for _ in 0..count {
        let coder = coder(c)?;
        inputs = inputs.saturating_add(coder.inputs);
        folder.coders.push(coder);
    }
    for _ in 1..count {
        folder.bonds.push((number(c)?, number(c)?));
    }
    let bound = |input: &u64| folder.bonds.iter().any(|(to, _)| to == input);
    match inputs.saturating_sub(count.saturating_sub(1)) {
        0 => return Err(c.malformed("a folder without packed streams")),
        1 => folder.inputs.extend((0..inputs).find(|input| !bound(input))),
        many => folder.inputs = (0..many).map(|_| number(c)).collect::<Result<_, _>>()?,
    }
    Ok(folder)
}

fn coder(c: &mut Cursor<'_>) -> Result<Coder, Malformed> {
    let flags = c.u8()?;
    let method = c.bytes(u64::from(flags & 0x0f))?;
    if method.len() > 8 || flags & 0xc0 != 0 {
        return Err(c.malformed("a coder of an unknown kind"));
    }
    let method = method.iter().fold(0_u64, |id, &byte| id << 8 | u64::from(byte));
    let (inputs, outputs) = if flags & 0x10 == 0 { (1, 1) } else { (number(c)?, number(c)?) };
    if !(1..=MOST_CODERS).contains(&inputs) || outputs != 1 {
        return Err(c.malformed("a coder with an odd number of streams"));
    }
    let length = if flags & 0x20 == 0 { 0 } else { number(c)? };
    if length > MOST_PROPERTIES {
        return Err(c.malformed("a coder with long parameters"));
    }
    Ok(Coder { method, properties: c.bytes(length)?.to_vec(), inputs })
}

/// Reads how what comes out of the folders is divided.
fn parts(c: &mut Cursor<'_>, folders: &mut [Folder]) -> Result<(), Malformed> {
    let mut counts = vec![1_u64; folders.len()];
    let mut part = number(c)?;
    if part == id::COUNT {
        for count in &mut counts {
            *count = number(c)?;
        }
        part = number(c)?;
    }
    let sized = part == id::SIZE;
    for (folder, &count) in folders.iter_mut().zip(&counts) {
        // The last size is what is left.
        let mut left = folder.size();
        let mut sizes = Vec::new();
        for _ in 1..count {
            let size = if sized { number(c)? } else { return Err(c.malformed("files without sizes")) };
            left = left.checked_sub(size).ok_or_else(|| c.malformed("files larger than their folder"))?;
            sizes.push(size);
        }
        sizes.extend((count > 0).then_some(left));
        let crc = folder.crc.filter(|_| count == 1);
        folder.parts = sizes.into_iter().map(|size| Substream { size, crc }).collect();
    }
    if sized {
        part = number(c)?;
    }
    while part != id::END {
        if part != id::CRC {
            return Err(c.malformed("an unknown part of the files' streams"));
        }
        let unknown = folders.iter_mut().flat_map(|folder| &mut folder.parts).filter(|part| part.crc.is_none());
        let unknown: Vec<&mut Substream> = unknown.collect();
        let crcs = optional(c, unknown.len() as u64, false)?;
        for (part, crc) in unknown.into_iter().zip(crcs) {
            part.crc = crc;
        }
        part = number(c)?;
    }
    Ok(())
}
