//! Members of an archive that share a name: which one is read depends on the reader.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::{Halt, Scan, member_path};
use crate::bytes::{Input, Stream};

/// Positions of members that extraction puts into one place, as groups of two or more.
pub(super) fn groups(names: impl Iterator<Item = (usize, String)>) -> Vec<Vec<usize>> {
    let mut by_place: HashMap<String, Vec<usize>> = HashMap::new();
    for (n, name) in names {
        by_place.entry(member_path::place(&name)).or_default().push(n);
    }
    let mut groups: Vec<Vec<usize>> = by_place.into_values().filter(|group| group.len() > 1).collect();
    groups.sort_unstable();
    groups
}

/// What the members of a `group` are to each other: the anomaly and its detail. `content` gives the bytes of a member;
/// None if they cannot be had.
pub(super) fn compare(
    scan: &Scan<'_>,
    group: &[usize],
    mut content: impl FnMut(&Scan<'_>, usize) -> Result<Option<Input>, Halt>,
) -> Result<(&'static str, String), Halt> {
    let mut contents = Vec::new();
    for &n in group {
        let digest = match content(scan, n)? {
            Some(content) => digest(scan, &content)?,
            None => (u64::MAX.saturating_sub(n as u64), [0; 32]),
        };
        if !contents.contains(&digest) {
            contents.push(digest);
        }
    }
    Ok(match contents.len() {
        1 => ("duplicate-name", format!("{} members of equal content", group.len())),
        many => ("duplicate-name-differs", format!("{} members, {many} contents", group.len())),
    })
}

/// Size and SHA-256: a CRC could be forged.
pub(super) fn digest(scan: &Scan<'_>, content: &Input) -> Result<(u64, [u8; 32]), Halt> {
    let mut hash = Sha256::new();
    let mut stream = Stream::new(&*content.source, 0);
    while !stream.is_empty() {
        let piece = stream.fill(1)?;
        let size = piece.len() as u64;
        hash.update(piece);
        scan.budget.take_bytes(size)?;
        stream.skip(size).map_err(Halt::Malformed)?;
    }
    Ok((content.len(), hash.finalize().into()))
}
