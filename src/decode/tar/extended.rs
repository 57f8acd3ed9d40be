//! Extended headers: what they say about the member that follows, against what its own header says.
//!
//! Python takes the first extended header of a kind, and in one pax header the last value of a key; others decide
//! otherwise. Values that an ordinary writer cannot mean are kept as differences.

use super::header::{Header, Kind, text};
use super::sparse::{self, Checked, Map};
use super::{BLOCK, Entry, Origin};
use crate::bytes::ReadAt;

/// Longest GNU name or link target.
const MAX_LONG: u64 = 64 << 10;
/// Longest pax header.
const MAX_PAX: u64 = 1 << 20;
/// The largest size that a header can hold in octal; only above does a writer need an extended header for it.
const LARGEST_OCTAL: u64 = 0o77_777_777_777;
/// Bytes of the name field of a header.
const SHORT: usize = 100;

/// What a run of extended headers says.
#[derive(Debug, Default)]
pub(super) struct Extended {
    name: Option<Vec<u8>>,
    other_names: Vec<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    /// The name of a sparse file: its header has a made-up one.
    sparse_name: Option<Vec<u8>>,
    real_size: Option<u64>,
    /// Numbers of a sparse map, offset and length in turn.
    map: Vec<u64>,
    /// The map stands in front of the data.
    map_in_data: bool,
}

/// A member, and where a reader goes on that follows its own header alone.
type Applied = (Entry, Option<u64>);

impl Extended {
    /// Takes the extended header whose data are at `at`.
    pub(super) fn take(&mut self, header: &Header, source: &dyn ReadAt, at: u64) -> Checked<()> {
        let is_pax = matches!(header.kind, Kind::Extended | Kind::Global);
        if header.size > if is_pax { MAX_PAX } else { MAX_LONG } {
            return Ok(Err("an extended header is too long"));
        }
        let bytes = source.read_range(at, usize::try_from(header.size).unwrap_or_default())?;
        if (bytes.len() as u64) < header.size {
            return Ok(Err("the file ends inside an extended header"));
        }
        Ok(match header.kind {
            Kind::LongName => {
                self.add_name(text(&bytes));
                Ok(())
            }
            Kind::LongTarget => {
                self.target.get_or_insert_with(|| text(&bytes));
                Ok(())
            }
            _ => self.take_pax(&bytes).ok_or("an extended header is broken"),
        })
    }

    fn add_name(&mut self, name: Vec<u8>) {
        match &self.name {
            None => self.name = Some(name),
            Some(known) if *known != name => self.other_names.push(name),
            Some(_) => {}
        }
    }

    /// Reads records `length key=value\n`.
    fn take_pax(&mut self, mut bytes: &[u8]) -> Option<()> {
        let mut path: Option<Vec<u8>> = None;
        while !bytes.is_empty() && bytes.first() != Some(&0) {
            let blank = memchr::memchr(b' ', bytes)?;
            let length: usize = std::str::from_utf8(bytes.get(..blank)?).ok()?.parse().ok()?;
            let record = bytes.get(blank.checked_add(1)?..length.checked_sub(1)?)?;
            let (record_end, rest) = bytes.split_at_checked(length)?;
            if record_end.last() != Some(&b'\n') {
                return None;
            }
            let equals = memchr::memchr(b'=', record)?;
            let (key, value) = (record.get(..equals)?, record.get(equals.checked_add(1)?..)?);
            if key == b"path" {
                self.other_names.extend(path.replace(value.to_vec()));
            } else {
                self.take_record(key, value)?;
            }
            bytes = rest;
        }
        if let Some(path) = path {
            self.add_name(path);
        }
        Some(())
    }

    fn take_record(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let decimal = || std::str::from_utf8(value).ok()?.trim().parse::<u64>().ok();
        match key {
            b"linkpath" => self.target = Some(value.to_vec()),
            b"size" => self.size = Some(decimal()?),
            b"GNU.sparse.name" => self.sparse_name = Some(value.to_vec()),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.real_size = Some(decimal()?),
            b"GNU.sparse.major" => self.map_in_data = decimal()? == 1,
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.map.push(decimal()?),
            b"GNU.sparse.map" => {
                let numbers = std::str::from_utf8(value).ok()?.split(',');
                self.map = numbers.map(|number| number.parse().ok()).collect::<Option<_>>()?;
            }
            _ => {}
        }
        (self.map.len() <= sparse::MAX_PIECES.saturating_mul(2)).then_some(())
    }

    /// The member whose own header is `header`, with its data at `data`.
    pub(super) fn apply(
        self,
        global: &Self,
        header: Header,
        source: &dyn ReadAt,
        at: u64,
        data: u64,
    ) -> Checked<Applied> {
        let stored = self.size.or(global.size).unwrap_or(header.size);
        let mut differences = Vec::new();
        let mut alternative = None;
        if stored != header.size && stored <= LARGEST_OCTAL {
            differences.push(format!("size: header {}, extended header {stored}", header.size));
            alternative = Some(data.saturating_add(header.size.div_ceil(BLOCK).saturating_mul(BLOCK)));
        }
        let map = match self.map(&header, source, data)? {
            Ok(map) => map,
            Err(what) => return Ok(Err(what)),
        };
        let real_size = header.real_size.or(self.real_size).filter(|_| map.is_some());
        let (name, other_names) = self.names(global, &header, &mut differences);
        let own_target = header.target;
        let target = self.target.or_else(|| global.target.clone());
        if let Some(target) =
            target.as_ref().filter(|target| !own_target.is_empty() && !is_shortened(&own_target, target))
        {
            differences.push(difference("link target", &own_target, target));
        }
        let (moved, sparse) = map.map_or((0, None), |(moved, map)| (moved, Some(map)));
        // The blocks of an old map do not count as data, a map in the data does.
        let inside = if header.kind == Kind::Sparse { 0 } else { moved };
        let stored = stored.saturating_sub(inside);
        let entry = Entry {
            at,
            data: data.saturating_add(moved),
            stored,
            sparse,
            size: real_size.unwrap_or(stored),
            kind: header.kind,
            mode: header.mode,
            name,
            other_names,
            target: target.unwrap_or(own_target),
            origin: Origin::Chain,
            differences,
        };
        Ok(Ok((entry, alternative)))
    }

    /// The map of a sparse file, and the bytes that it takes in front of the data.
    fn map(&self, header: &Header, source: &dyn ReadAt, data: u64) -> Checked<Option<Map>> {
        if header.kind == Kind::Sparse {
            let mut map = header.map.clone();
            let end = match header.map_goes_on {
                true => sparse::further(source, data, &mut map)?,
                false => Ok(data),
            };
            return Ok(end.map(|end| Some((end.saturating_sub(data), map))));
        }
        if header.kind != Kind::File || self.real_size.is_none() {
            return Ok(Ok(None));
        }
        if self.map_in_data {
            return Ok(sparse::in_data(source, data)?.map(Some));
        }
        Ok(Ok((!self.map.is_empty()).then(|| (0, sparse::from_numbers(&self.map)))))
    }

    /// The name that most readers take, and those that others take.
    fn names(&self, global: &Self, header: &Header, differences: &mut Vec<String>) -> (Vec<u8>, Vec<Vec<u8>>) {
        let own = header.full_name();
        let long = self.name.as_ref().or(global.name.as_ref());
        let mut others = self.other_names.clone();
        if let Some(long) = long.filter(|long| !is_shortened(&own, long)) {
            differences.push(difference("name", &own, long));
            others.push(own.clone());
        }
        if let (Some(first), Some(long)) = (self.other_names.first(), long) {
            differences.push(difference("name", first, long));
        }
        if let Some(prefixed) = header.name_with_any_prefix().filter(|_| long.is_none()) {
            differences.push(difference("name", &prefixed, &own));
            others.push(prefixed);
        }
        let name = self.sparse_name.as_ref().or(long).cloned().unwrap_or(own);
        others.retain(|other| *other != name);
        (name, others)
    }
}

fn difference(what: &str, one: &[u8], other: &[u8]) -> String {
    let (one, other) = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
    format!("{what}: {one} for some readers, {other} for others")
}

/// Can a writer have cut or rewritten `long` into `own` because it does not fit into a header?
fn is_shortened(own: &[u8], long: &[u8]) -> bool {
    let own = own.strip_suffix(b"/").unwrap_or(own);
    let long = long.strip_suffix(b"/").unwrap_or(long);
    if own == long {
        return true;
    }
    if long.len() <= SHORT && long.is_ascii() {
        return false;
    }
    // Characters outside ASCII become `?` or `_`, or fall away.
    let plain: Vec<u8> =
        own.iter().copied().take_while(|byte| byte.is_ascii() && !matches!(byte, b'?' | b'_')).collect();
    let last = own.rsplit(|byte| *byte == b'/').next().unwrap_or(own);
    long.starts_with(&plain) || (last.len() > 1 && memchr::memmem::find(long, last).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_not_fit_is_shortened() {
        let long = [b"folder/".as_slice(), &[b'a'; 120]].concat();
        assert!(is_shortened(b"a/b", b"a/b/"));
        assert!(is_shortened(&long[..100], &long));
        assert!(is_shortened(b"mod?le.bin", "modèle.bin".as_bytes()));
        assert!(!is_shortened(b"readme.txt", b"data.pkl"));
        assert!(!is_shortened(b"safe.txt", &long));
    }
}
