//! The storages that pickles name against the members that hold them.

use std::collections::{HashMap, HashSet};

use super::FORMAT;
use crate::decode::zip::Archive;
use crate::fact::Fact;
use crate::formats::Scan;
use crate::formats::pickle::{PersistentId, Summary};

/// Fewer bytes that no pickle names are the remainder of a careless export.
const UNREFERENCED: u64 = 64 << 10;

/// One reference: `('storage', class, key, location, numel)`.
struct Reference {
    class: String,
    key: String,
    numel: Option<u64>,
    /// Positions of the members that it may mean.
    members: Vec<usize>,
    /// True if the loader looks in one place only, so that a member must be there.
    required: bool,
}

/// The references of all pickles of one archive.
pub(super) struct Storages {
    top: String,
    by_name: HashMap<String, Vec<usize>>,
    references: Vec<Reference>,
    referenced: HashSet<usize>,
    /// The main pickle was read to its end.
    complete: bool,
    /// Some pickle was not.
    broken: bool,
}

impl Storages {
    pub(super) fn new(top: &str, archive: &Archive) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (n, entry) in archive.entries.iter().enumerate() {
            by_name.entry(entry.display_name()).or_default().push(n);
        }
        Self {
            top: top.to_owned(),
            by_name,
            references: Vec::new(),
            referenced: HashSet::new(),
            complete: false,
            broken: false,
        }
    }

    /// Takes the references of the pickle called `pickle`; none if it could not be read to its end.
    pub(super) fn add(&mut self, pickle: &str, summary: Option<&Summary>) {
        let Some(summary) = summary.filter(|summary| summary.streams > 0) else {
            self.broken = true;
            return;
        };
        let (folder, file) = pickle.rsplit_once('/').unwrap_or(("", pickle));
        self.complete |= folder == self.top && file == "data.pkl";
        let stem = file.strip_suffix(".pkl").unwrap_or(file);
        let mut seen: HashSet<(&str, &str, &str)> = HashSet::new();
        for PersistentId { items, .. } in &summary.persistent {
            let [kind, class, key, _, numel, ..] = items.as_slice() else { continue };
            if kind != "storage" || key == "?" || !seen.insert((class, key, numel)) {
                continue;
            }
            let class = class.rsplit_once('.').map_or(class.as_str(), |(_, class)| class);
            let own = format!("{folder}/{stem}/{key}");
            let required = matches!(stem, "data" | "constants");
            let mut places = vec![own];
            if !required {
                places.extend(["data", "constants"].map(|place| format!("{}/{place}/{key}", self.top)));
                places.extend(["", ".storage"].map(|suffix| format!("{}/.data/{key}{suffix}", self.top)));
            }
            let members = places.iter().find_map(|place| self.by_name.get(place)).cloned().unwrap_or_default();
            self.references.push(Reference {
                class: class.to_owned(),
                key: key.clone(),
                numel: numel.parse().ok(),
                members,
                required,
            });
        }
    }

    /// Is member `n` the data of a storage, of the size that its reference says?
    pub(super) fn is_referenced(&self, n: usize) -> bool {
        self.referenced.contains(&n)
    }

    /// States the storages as tensors and what does not add up.
    pub(super) fn account(&mut self, scan: &mut Scan<'_>, archive: &Archive) {
        let mut stated = HashSet::new();
        for reference in &self.references {
            let wanted = item_size(&reference.class)
                .and_then(|size| reference.numel.map(|numel| numel.saturating_mul(size)));
            if reference.members.is_empty() && reference.required {
                structure(scan, "missing-storage", &format!("storage {}", reference.key), wanted.unwrap_or(0));
            }
            for &n in &reference.members {
                let Some(entry) = archive.entries.get(n) else { continue };
                let stored = entry.header().size;
                if wanted.is_none_or(|wanted| wanted == stored) {
                    self.referenced.insert(n);
                }
                if let Some(wanted) = wanted.filter(|&wanted| wanted != stored) {
                    let detail = format!("storage {}: {wanted} bytes named, {stored} stored", reference.key);
                    structure(scan, "storage-size-mismatch", &detail, stored);
                }
                if stated.insert(n) {
                    let shape = reference.numel.map_or_else(String::new, |numel| format!("[{numel}]"));
                    let dtype = reference.class.strip_suffix("Storage").unwrap_or(&reference.class);
                    let tensor = Fact::Tensor { name: &reference.key, dtype, shape: &shape, bytes: stored };
                    scan.fact(entry.data, stored, tensor);
                }
            }
        }
        if self.complete && !self.broken {
            self.account_rest(scan, archive, &stated);
        }
    }

    /// Members where storages belong that no pickle names.
    fn account_rest(&self, scan: &mut Scan<'_>, archive: &Archive, named: &HashSet<usize>) {
        let folder = format!("{}/data/", self.top);
        let rest = archive.entries.iter().enumerate().filter(|(n, entry)| {
            entry.name.starts_with(folder.as_bytes()) && !entry.is_folder() && !named.contains(n)
        });
        let (mut bytes, mut first) = (0_u64, None);
        for (_, entry) in rest {
            bytes = bytes.saturating_add(entry.header().size);
            first.get_or_insert_with(|| entry.display_name());
        }
        if let Some(first) = first.filter(|_| bytes >= UNREFERENCED) {
            structure(scan, "unreferenced-storage", &format!("{bytes} bytes, first in {first}"), bytes);
        }
    }
}

fn structure(scan: &mut Scan<'_>, anomaly: &'static str, detail: &str, bytes: u64) {
    scan.whole(Fact::Structure { anomaly, format: FORMAT.name, detail, bytes });
}

/// Bytes of one element of a storage class; None if the class is unknown.
pub(in crate::formats) fn item_size(class: &str) -> Option<u64> {
    Some(match class.strip_suffix("Storage")? {
        "ComplexDouble" => 16,
        "Double" | "Long" | "ComplexFloat" | "ULong" | "UInt64" => 8,
        "Float" | "Int" | "QInt32" | "UInt32" => 4,
        "Half" | "BFloat16" | "Short" | "UInt16" => 2,
        // Four-bit and two-bit kinds count bytes.
        "Char" | "Byte" | "Bool" | "QInt8" | "QUInt8" | "QUInt4x2" | "QUInt2x4" | "Untyped" => 1,
        _ => return None,
    })
}
