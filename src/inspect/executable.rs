//! Machine code, confirmed by its structure.
//!
//! Two magic bytes occur every few kilobytes in random weights; nothing is called an executable here before its
//! headers, tables and sizes agree with each other and with the bytes that are there. The chance that random bytes
//! pass is below 2⁻⁶⁰ an offset for every form.
//!
//! Layouts: PE/COFF (Microsoft), System V ABI (ELF), Mach-O `loader.h`, WebAssembly core 1.0 section 5.5, Java SE VM
//! specification chapter 4, Android dex format, `CPython` `Lib/importlib/_bootstrap_external.py`.

use crate::bytes::{Cursor, Malformed, ReadAt};

/// Bytes of headers that confirmation looks at. Load commands and section tables of real programs fit.
const HEADER: usize = 64 << 10;

/// Largest alignment of a part of a universal Mach-O file.
const MOST_ALIGNED: u64 = 1 << 15;

/// A confirmed executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Executable {
    /// `pe`, `elf`, `gpu-code`, `macho`, `wasm`, `java-class`, `dex`, `python-bytecode`.
    pub form: &'static str,
    /// Architecture or kind; may be empty.
    pub detail: &'static str,
}

/// Magic numbers that start an executable, or for PE mark its header.
pub(super) const MAGICS: &[&[u8]] = &[
    b"\x7fELF",
    b"PE\0\0",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\xca\xfe\xba\xbf",
    b"\0asm\x01\0\0\0",
    b"dex\n0",
    // Compiled Python, the last number of each version: 2.7, then 3.6 to 3.14.
    b"\x03\xf3\r\n",
    b"\x33\x0d\r\n",
    b"\x42\x0d\r\n",
    b"\x55\x0d\r\n",
    b"\x61\x0d\r\n",
    b"\x6f\x0d\r\n",
    b"\xa7\x0d\r\n",
    b"\xcb\x0d\r\n",
    b"\xf3\x0d\r\n",
    b"\x2b\x0e\r\n",
];

/// Is there an executable at `offset` of `source`?
///
/// # Errors
/// The source's I/O error.
pub fn confirm(source: &dyn ReadAt, offset: u64) -> std::io::Result<Option<Executable>> {
    let magic = source.read_range(offset, 4)?;
    if !matches!(
        magic.as_slice(),
        [0x7f, b'E', b'L', b'F']
            | [b'M', b'Z', ..]
            | [0xfe, 0xed, 0xfa, _]
            | [_, 0xfa, 0xed, 0xfe]
            | [0xca, 0xfe, 0xba, _]
            | [0, b'a', b's', b'm']
            | [b'd', b'e', b'x', b'\n']
            | [_, _, b'\r', b'\n']
    ) {
        return Ok(None);
    }
    let head = source.read_range(offset, HEADER)?;
    let size = source.len().saturating_sub(offset);
    let file = View { source, offset, head: &head, size };
    Ok(elf(&file)
        .or_else(|| pe(&file))
        .or_else(|| macho(&file))
        .or_else(|| wasm(&file))
        .or_else(|| java(&file))
        .or_else(|| dex(&file))
        .or_else(|| python_bytecode(&file)))
}

/// Where the file of a magic number found at `at` begins: for PE the `MZ` header before it.
pub(super) fn start_of(source: &dyn ReadAt, at: u64, magic: &[u8]) -> std::io::Result<Option<u64>> {
    if magic != b"PE\0\0" {
        return Ok(Some(at));
    }
    // e_lfanew of real programs is at most a page; the stub is a multiple of eight long.
    let from = at.saturating_sub(0x1000);
    let before = source.read_range(from, usize::try_from(at.saturating_sub(from)).unwrap_or(0))?;
    for start in memchr::memmem::find_iter(&before, b"MZ") {
        let start_at = from.saturating_add(start as u64);
        let field = before.get(start.saturating_add(0x3c)..start.saturating_add(0x40));
        let e_lfanew = field.and_then(|field| field.try_into().ok()).map(u32::from_le_bytes);
        if e_lfanew.is_some_and(|e_lfanew| start_at.saturating_add(u64::from(e_lfanew)) == at) {
            return Ok(Some(start_at));
        }
    }
    Ok(None)
}

struct View<'a> {
    source: &'a dyn ReadAt,
    offset: u64,
    head: &'a [u8],
    /// Bytes from the start of the executable to the end of the source.
    size: u64,
}

impl View<'_> {
    fn at(&self, offset: u64) -> Cursor<'_> {
        let start = usize::try_from(offset).ok();
        Cursor::new(start.and_then(|start| self.head.get(start..)).unwrap_or_default(), offset)
    }

    fn holds(&self, offset: u64, length: u64) -> bool {
        offset.checked_add(length).is_some_and(|end| end <= self.size)
    }
}

fn elf(file: &View<'_>) -> Option<Executable> {
    let [0x7f, b'E', b'L', b'F', class @ (1 | 2), data @ (1 | 2), 1, ..] = *file.head else { return None };
    let (wide, big) = (class == 2, data == 2);
    let header = elf_header(file.at(16), wide, big).ok()?;
    let (ehsize, phentsize, shentsize) = if wide { (64, 56, 64) } else { (52, 32, 40) };
    let known = matches!(header.kind, 1..=4)
        && header.ehsize == ehsize
        && (header.phnum == 0 || header.phentsize == phentsize)
        && (header.shnum == 0 || header.shentsize == shentsize)
        && file.holds(header.phoff, u64::from(header.phnum).saturating_mul(u64::from(phentsize)));
    if !known {
        return None;
    }
    let sections = u64::from(header.shnum).saturating_mul(u64::from(shentsize));
    let plausible = if matches!(header.kind, 2 | 3) {
        // A loadable segment that is really there; the section table may be stripped or cut off.
        header.phnum > 0 && elf_loads(file, &header, wide, big)
    } else {
        header.shnum > 0 && header.shoff > 0 && file.holds(header.shoff, sections)
    };
    let (form, detail) = match header.machine {
        190 => ("gpu-code", "CUDA"),
        224 => ("gpu-code", "AMDGPU"),
        3 => ("elf", "x86"),
        62 => ("elf", "x86-64"),
        40 => ("elf", "ARM"),
        183 => ("elf", "AArch64"),
        243 => ("elf", "RISC-V"),
        247 => ("elf", "BPF"),
        8 => ("elf", "MIPS"),
        20 | 21 => ("elf", "PowerPC"),
        22 => ("elf", "S/390"),
        258 => ("elf", "LoongArch"),
        _ => return None,
    };
    plausible.then_some(Executable { form, detail })
}

/// Is an ELF file that begins with `head` object code, which nothing but a linker reads?
#[must_use]
pub fn is_object(head: &[u8]) -> bool {
    matches!(head.get(..18), Some([0x7f, b'E', b'L', b'F', _, 1, .., 1, 0] | [0x7f, b'E', b'L', b'F', _, 2, .., 0, 1]))
}

struct ElfHeader {
    kind: u16,
    machine: u16,
    phoff: u64,
    shoff: u64,
    ehsize: u16,
    phentsize: u16,
    phnum: u16,
    shentsize: u16,
    shnum: u16,
}

fn elf_header(mut c: Cursor<'_>, wide: bool, big: bool) -> Result<ElfHeader, Malformed> {
    let half = |c: &mut Cursor<'_>| if big { c.u16_be() } else { c.u16_le() };
    let word = |c: &mut Cursor<'_>| match (wide, big) {
        (false, false) => c.u32_le().map(u64::from),
        (false, true) => c.u32_be().map(u64::from),
        (true, false) => c.u64_le(),
        (true, true) => c.u64_be(),
    };
    let (kind, machine) = (half(&mut c)?, half(&mut c)?);
    c.skip(4)?;
    word(&mut c)?;
    let (phoff, shoff) = (word(&mut c)?, word(&mut c)?);
    c.skip(4)?;
    let ehsize = half(&mut c)?;
    let (phentsize, phnum) = (half(&mut c)?, half(&mut c)?);
    let (shentsize, shnum) = (half(&mut c)?, half(&mut c)?);
    Ok(ElfHeader { kind, machine, phoff, shoff, ehsize, phentsize, phnum, shentsize, shnum })
}

fn elf_loads(file: &View<'_>, header: &ElfHeader, wide: bool, big: bool) -> bool {
    const PT_LOAD: u32 = 1;
    (0..u64::from(header.phnum)).any(|index| {
        let entry = header.phoff.saturating_add(index.saturating_mul(u64::from(header.phentsize)));
        let mut c = file.at(entry);
        let mut load = || -> Result<bool, Malformed> {
            let kind = if big { c.u32_be()? } else { c.u32_le()? };
            if wide {
                c.skip(4)?;
            }
            let mut word = || match (wide, big) {
                (false, false) => c.u32_le().map(u64::from),
                (false, true) => c.u32_be().map(u64::from),
                (true, false) => c.u64_le(),
                (true, true) => c.u64_be(),
            };
            let (offset, _vaddr, _paddr, filesz) = (word()?, word()?, word()?, word()?);
            Ok(kind == PT_LOAD && filesz > 0 && file.holds(offset, filesz))
        };
        load().unwrap_or(false)
    })
}

fn pe(file: &View<'_>) -> Option<Executable> {
    let [b'M', b'Z', ..] = *file.head else { return None };
    let e_lfanew = file.at(0x3c).u32_le().ok()?;
    if !(0x40..=0x1000).contains(&e_lfanew) || !e_lfanew.is_multiple_of(4) {
        return None;
    }
    let mut c = file.at(u64::from(e_lfanew));
    if c.bytes(4).ok()? != b"PE\0\0" {
        return None;
    }
    let detail = match c.u16_le().ok()? {
        0x014c => "x86",
        0x8664 => "x86-64",
        0x01c0 | 0x01c4 => "ARM",
        0xaa64 => "AArch64",
        0x0200 => "Itanium",
        0x5064 => "RISC-V",
        0x0ebc => "EFI byte code",
        _ => return None,
    };
    let sections = c.u16_le().ok()?;
    c.skip(12).ok()?;
    let optional = c.u16_le().ok()?;
    c.skip(2).ok()?;
    if !(1..=96).contains(&sections) || !(96..=1024).contains(&optional) {
        return None;
    }
    let mut table = c;
    table.skip(u64::from(optional)).ok()?;
    if !matches!(c.u16_le().ok()?, 0x10b | 0x20b | 0x107) {
        return None;
    }
    c.skip(34).ok()?;
    if !c.u32_le().ok()?.is_power_of_two() {
        return None;
    }
    let found = (0..sections).any(|_| pe_section(file, &mut table).unwrap_or(false));
    found.then_some(Executable { form: "pe", detail })
}

fn pe_section(file: &View<'_>, table: &mut Cursor<'_>) -> Result<bool, Malformed> {
    let name: [u8; 8] = table.array()?;
    table.skip(8)?;
    let (size, offset) = (table.u32_le()?, table.u32_le()?);
    table.skip(16)?;
    let printable =
        name.first().is_some_and(u8::is_ascii_graphic) && name.iter().all(|byte| *byte == 0 || byte.is_ascii_graphic());
    Ok(printable && size > 0 && file.holds(u64::from(offset), u64::from(size)))
}

fn macho(file: &View<'_>) -> Option<Executable> {
    match *file.head {
        [0xca, 0xfe, 0xba, last @ (0xbe | 0xbf), ..] => fat_macho(file, last == 0xbf),
        _ => thin_macho(file.head, file.size),
    }
}

fn thin_macho(head: &[u8], size: u64) -> Option<Executable> {
    let (wide, big) = match *head {
        [0xfe, 0xed, 0xfa, 0xce, ..] => (false, true),
        [0xfe, 0xed, 0xfa, 0xcf, ..] => (true, true),
        [0xce, 0xfa, 0xed, 0xfe, ..] => (false, false),
        [0xcf, 0xfa, 0xed, 0xfe, ..] => (true, false),
        _ => return None,
    };
    let mut c = Cursor::new(head, 0);
    let u32_of = |c: &mut Cursor<'_>| if big { c.u32_be() } else { c.u32_le() };
    c.skip(4).ok()?;
    let cpu = u32_of(&mut c).ok()?;
    c.skip(4).ok()?;
    let (filetype, ncmds, sizeofcmds) = (u32_of(&mut c).ok()?, u32_of(&mut c).ok()?, u32_of(&mut c).ok()?);
    c.skip(if wide { 8 } else { 4 }).ok()?;
    let detail = match cpu {
        7 => "x86",
        0x0100_0007 => "x86-64",
        12 => "ARM",
        0x0100_000c | 0x0200_000c => "AArch64",
        18 | 0x0100_0012 => "PowerPC",
        _ => return None,
    };
    if !(1..=12).contains(&filetype) || !(1..=65535).contains(&ncmds) || u64::from(sizeofcmds) > size {
        return None;
    }
    let (mut total, mut segments) = (0_u64, 0_u32);
    for _ in 0..ncmds {
        let (cmd, cmdsize) = (u32_of(&mut c).ok()?, u32_of(&mut c).ok()?);
        if cmdsize < 8 || !cmdsize.is_multiple_of(4) || cmd & 0x7fff_ffff > 0x40 {
            return None;
        }
        segments = segments.saturating_add(u32::from(matches!(cmd, 0x1 | 0x19)));
        total = total.saturating_add(u64::from(cmdsize));
        // Load commands that go on behind the window are taken as their declared total says.
        if c.skip(u64::from(cmdsize).saturating_sub(8)).is_err() {
            return (segments > 0 && total <= u64::from(sizeofcmds)).then_some(Executable { form: "macho", detail });
        }
    }
    (segments > 0 && total == u64::from(sizeofcmds)).then_some(Executable { form: "macho", detail })
}

fn fat_macho(file: &View<'_>, wide: bool) -> Option<Executable> {
    let mut c = file.at(4);
    let count = c.u32_be().ok()?;
    if !(1..=20).contains(&count) {
        return None;
    }
    for _ in 0..count {
        c.skip(8).ok()?;
        let (offset, size) = if wide {
            (c.u64_be().ok()?, c.u64_be().ok()?)
        } else {
            (u64::from(c.u32_be().ok()?), u64::from(c.u32_be().ok()?))
        };
        // Each part begins at a multiple of its alignment, a power of two.
        let alignment = 1_u64.checked_shl(c.u32_be().ok()?)?;
        if wide {
            c.skip(4).ok()?;
        }
        if alignment > MOST_ALIGNED || !offset.is_multiple_of(alignment) {
            return None;
        }
        let head = file.source.read_range(file.offset.saturating_add(offset), HEADER).ok()?;
        if !file.holds(offset, size) || thin_macho(&head, size).is_none() {
            return None;
        }
    }
    Some(Executable { form: "macho", detail: "universal" })
}

fn wasm(file: &View<'_>) -> Option<Executable> {
    // Sections in the order that the specification gives; 0 (custom) may stand anywhere.
    const ORDER: [u8; 13] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
    if !file.head.starts_with(b"\0asm\x01\0\0\0") {
        return None;
    }
    let (mut at, mut rank, mut valid, mut core) = (8_u64, 0_usize, 0_u32, false);
    while at < file.size && valid < 64 {
        let bytes = file.source.read_range(file.offset.saturating_add(at), 6).ok()?;
        let (&id, length) = bytes.split_first()?;
        let Some((size, used)) = leb128_u32(length) else { break };
        let position = ORDER.iter().position(|known| *known == id);
        let in_order = id == 0 || position.is_some_and(|position| position.saturating_add(1) > rank);
        let body = at.saturating_add(1).saturating_add(used);
        if !in_order || !file.holds(body, u64::from(size)) {
            break;
        }
        rank = position.map_or(rank, |position| position.saturating_add(1));
        core |= matches!(id, 1 | 2 | 3 | 10);
        valid = valid.saturating_add(1);
        at = body.saturating_add(u64::from(size));
    }
    (core && (at == file.size || valid >= 3)).then_some(Executable { form: "wasm", detail: "version 1" })
}

fn leb128_u32(bytes: &[u8]) -> Option<(u32, u64)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        let shift = u32::try_from(index).ok()?.saturating_mul(7);
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()?, (index as u64).saturating_add(1)));
        }
    }
    None
}

fn java(file: &View<'_>) -> Option<Executable> {
    let mut c = file.at(0);
    let (magic, _minor, major) = (c.u32_be().ok()?, c.u16_be().ok()?, c.u16_be().ok()?);
    let constants = c.u16_be().ok()?;
    if magic != 0xcafe_babe || !(45..=75).contains(&major) || constants < 6 {
        return None;
    }
    let mut read = 0_u32;
    let mut index = 1_u16;
    while index < constants && read < 64 {
        let (size, slots) = match c.u8().ok()? {
            1 => (u64::from(c.u16_be().ok()?), 1),
            3 | 4 | 9..=12 | 17 | 18 => (4, 1),
            5 | 6 => (8, 2),
            7 | 8 | 16 | 19 | 20 => (2, 1),
            15 => (3, 1),
            _ => return None,
        };
        c.skip(size).ok()?;
        index = index.saturating_add(slots);
        read = read.saturating_add(1);
    }
    (read >= 5).then_some(Executable { form: "java-class", detail: "" })
}

fn dex(file: &View<'_>) -> Option<Executable> {
    let [b'd', b'e', b'x', b'\n', b'0', b'3' | b'4', b'0'..=b'9', 0, ..] = *file.head else { return None };
    let mut c = file.at(32);
    let (file_size, header_size, endian) = (c.u32_le().ok()?, c.u32_le().ok()?, c.u32_le().ok()?);
    let fits = file.holds(0, u64::from(file_size)) && header_size == 0x70 && endian == 0x1234_5678;
    fits.then_some(Executable { form: "dex", detail: "Dalvik" })
}

/// A compiled Python module: the marshalled code object of a module stands behind a header of one of three lengths.
fn python_bytecode(file: &View<'_>) -> Option<Executable> {
    let mut c = file.at(0);
    let (version, mark) = (c.u16_le().ok()?, c.u16_le().ok()?);
    if mark != 0x0a0d {
        return None;
    }
    // Numbers rise with the versions: 3.0 to 3.2, 3.3 to 3.6, 3.7 and later; those of Python 2 stand apart.
    let header = match version {
        3000..=3189 | 50_000..=63_000 => 8,
        3190..=3389 => 12,
        3390..=3999 => 16,
        _ => return None,
    };
    // Since 3.7 flags say how the source is known: by its time, or by a hash that is checked or not.
    if header == 16 && c.u32_le().ok()? > 3 {
        return None;
    }
    let mut code = file.at(header);
    // A module takes no arguments; what follows may be anything that the author of the file likes.
    let (kind, arguments) = (code.u8().ok()?, code.u32_le().ok()?);
    let module = matches!(kind, b'c' | 0xe3) && arguments == 0;
    module.then_some(Executable { form: "python-bytecode", detail: "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemorySource;

    /// A little-endian ELF64 program header table with one loadable segment of `filesz` bytes.
    fn elf64(filesz: u64) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        for half in [2_u16, 62] {
            file.extend(half.to_le_bytes());
        }
        file.extend(1_u32.to_le_bytes());
        for word in [0_u64, 64, 0] {
            file.extend(word.to_le_bytes());
        }
        file.extend(0_u32.to_le_bytes());
        for half in [64_u16, 56, 1, 64, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        file.extend(1_u32.to_le_bytes());
        file.extend(5_u32.to_le_bytes());
        for word in [0_u64, 0, 0, filesz, filesz, 4096] {
            file.extend(word.to_le_bytes());
        }
        file
    }

    #[test]
    fn an_elf_needs_a_segment_that_is_there() {
        let found = |filesz| confirm(&*MemorySource::new(elf64(filesz)), 0).unwrap();
        assert_eq!(found(120), Some(Executable { form: "elf", detail: "x86-64" }));
        assert_eq!(found(121), None);
    }

    #[test]
    fn magic_numbers_alone_are_nothing() {
        for magic in MAGICS {
            let mut bytes = magic.to_vec();
            bytes.resize(70_000, 0x5a);
            assert_eq!(confirm(&*MemorySource::new(bytes), 0).unwrap(), None, "{magic:?}");
        }
    }

    #[test]
    fn bytecode_is_a_module_of_a_known_version() {
        let module = |version: u16, arguments: u8| {
            let mut file = [&version.to_le_bytes()[..], b"\r\n", &[0; 12], &[0xe3, arguments, 0, 0, 0]].concat();
            file.resize(64, 0);
            confirm(&*MemorySource::new(file), 0).unwrap().map(|found| found.form)
        };
        assert_eq!(module(3531, 0), Some("python-bytecode"));
        assert_eq!(module(3531, 1), None);
        assert_eq!(module(4531, 0), None);
    }

    /// A universal file of one part at `offset`, which claims to lie at a multiple of two to the `align`.
    fn universal(offset: u32, align: u32, filetype: u32) -> Vec<u8> {
        let mut file = b"\xca\xfe\xba\xbe".to_vec();
        for word in [1, 0x0100_0007, 3, offset, 104, align] {
            file.extend(word.to_be_bytes());
        }
        file.resize(offset as usize, 0);
        for word in [0xfeed_facf, 0x0100_0007, 3, filetype, 1, 72, 0, 0, 0x19, 72] {
            file.extend(u32::to_le_bytes(word));
        }
        file.resize(offset as usize + 104, 0);
        file
    }

    #[test]
    fn a_universal_file_is_as_good_as_its_parts() {
        let found = |file: Vec<u8>| confirm(&*MemorySource::new(file), 0).unwrap().map(|found| found.form);
        assert_eq!(found(universal(64, 6, 2)), Some("macho"));
        for other in [universal(64, 7, 2), universal(64, 40, 2), universal(64, 6, 0)] {
            assert_eq!(found(other), None);
        }
        // The same magic number, and a version of Java where the number of parts would stand.
        assert_eq!(found(b"\xca\xfe\xba\xbe\0\0\0\x34\0\x06".to_vec()), None);
    }
}
