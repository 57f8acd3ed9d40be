//! Members of an archive that share a name: which one is read depends on the reader.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::{Halt, Scan, member_path};
use crate::bytes::{Input, ReadAt, Stream};

/// Positions of members that extraction puts into one place, as groups of two or more.
pub(super) fn groups(names: impl Iterator<Item = (usize, String)>) -> Vec<Vec<usize>> {
    let mut places: Vec<(u128, usize)> = names.map(|(n, name)| (fingerprint(&member_path::place(&name)), n)).collect();
    places.sort_unstable();
    let repeated = places.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1);
    let mut groups: Vec<Vec<usize>> = repeated.map(|group| group.iter().map(|(_, n)| *n).collect()).collect();
    groups.sort_unstable();
    groups
}

/// Stands for a name where an archive has very many, or very long ones.
pub(super) fn fingerprint(name: &str) -> u128 {
    prefix(&Sha256::digest(name.as_bytes()))
}

fn prefix(digest: &[u8]) -> u128 {
    digest.first_chunk().copied().map_or(0, u128::from_le_bytes)
}

/// What the members of a `group` are to each other: the anomaly and its detail. `content` gives the bytes of a member;
/// None if they cannot be had.
pub(super) fn compare(
    scan: &Scan<'_>,
    group: &[usize],
    mut content: impl FnMut(&Scan<'_>, usize) -> Result<Option<Input>, Halt>,
) -> Result<(&'static str, String), Halt> {
    let mut contents = HashSet::new();
    for &n in group {
        let content = match content(scan, n)? {
            Some(content) => prefix(&digest(scan, &*content.source)?.1),
            None => n as u128,
        };
        contents.insert(content);
    }
    Ok(match contents.len() {
        1 => ("duplicate-name", format!("{} members of equal content", group.len())),
        many => ("duplicate-name-differs", format!("{} members, {many} contents", group.len())),
    })
}

/// Size and SHA-256: a CRC could be forged.
pub(super) fn digest(scan: &Scan<'_>, content: &dyn ReadAt) -> Result<(u64, [u8; 32]), Halt> {
    let mut hash = Sha256::new();
    let mut stream = Stream::new(content, 0);
    while !stream.is_empty() {
        let piece = stream.fill(1)?;
        let size = piece.len() as u64;
        hash.update(piece);
        scan.budget.take_bytes(size)?;
        stream.skip(size).map_err(Halt::Malformed)?;
    }
    Ok((content.len(), hash.finalize().into()))
}
