//! What manifests say of each blob, held against the content when the archive hands it over.

use std::collections::{BTreeSet, HashMap};

use super::media::{Promise, opens_as_tar};
use super::{MOST_BLOBS, state};
use crate::bytes::{Exceeded, Input, Role};
use crate::decode::tar::is_header;
use crate::formats::duplicates::digest;
use crate::formats::{Halt, Scan, compressed, decoded};

/// Bytes of a media type, of a digest of unpacked content.
const MOST_TEXT: usize = 255;
/// Bytes of a header of TAR.
const HEADER: usize = 512;
const NOT_CHECKED: &str = "a digest that is not SHA-256 was not checked";

/// What is said of the members of an archive, by their positions.
#[derive(Debug, Default)]
pub struct Plan {
    blobs: HashMap<usize, Blob>,
    /// Digests of unpacked contents.
    ids: usize,
}

/// What is said of one.
#[derive(Debug, Default)]
struct Blob {
    /// Its digest: the algorithm and hex digits.
    digest: Option<(String, String)>,
    size: Option<u64>,
    /// Digests that its content has once it is decompressed.
    unpacked: BTreeSet<String>,
    promise: Option<Promise>,
    /// It is a layer of a root file system.
    root: bool,
}

impl Plan {
    fn of(&mut self, n: usize) -> &mut Blob {
        self.blobs.entry(n).or_default()
    }

    /// Member `n` has to have this digest, and this size if one is stated.
    pub(super) fn expect(&mut self, n: usize, algorithm: &str, hex: &str, size: Option<u64>) {
        let blob = self.of(n);
        blob.digest = Some((algorithm.to_owned(), hex.to_owned()));
        blob.size = size;
    }

    /// Member `n`, once it is decompressed, has to have the digest `id`.
    ///
    /// # Errors
    /// Too many digests.
    pub(super) fn expect_unpacked(&mut self, n: usize, id: &str) -> Result<(), Halt> {
        if id.len() <= MOST_TEXT && self.of(n).unpacked.insert(id.to_owned()) {
            self.ids = self.ids.saturating_add(1);
        }
        if self.ids > MOST_BLOBS {
            return Err(Exceeded { what: "digests of unpacked layers", limit: MOST_BLOBS as u64 }.into());
        }
        Ok(())
    }

    /// Member `n` is a layer of a root file system, if it is an archive.
    pub(super) fn expect_root(&mut self, n: usize) {
        self.of(n).root = true;
    }

    /// Member `n` is of this media type. `named`: the manifest names the file that it becomes.
    pub(super) fn promise(&mut self, n: usize, media_type: &str, named: bool) {
        if media_type.len() <= MOST_TEXT {
            self.of(n).promise = Promise::of(media_type, named);
        }
    }

    /// Member `n` is a layer that `docker save` names by its path.
    pub(super) fn saved_layer(&mut self, n: usize) {
        let blob = self.of(n);
        blob.promise.get_or_insert_with(Promise::saved_layer);
        blob.root = true;
    }

    /// Holds member `n` against what is said of it. The role in which it is handed over.
    pub fn role(&self, scan: &mut Scan<'_>, n: usize, input: &Input) -> Role {
        let Some(blob) = self.blobs.get(&n) else { return Role::Unknown };
        blob.check(scan, input).unwrap_or_else(|halt| {
            scan.halt(&halt);
            Role::Unknown
        })
    }
}

impl Blob {
    fn check(&self, scan: &mut Scan<'_>, input: &Input) -> Result<Role, Halt> {
        if let Some((algorithm, hex)) = &self.digest {
            verify(scan, input, algorithm, hex, self.size)?;
        }
        if !self.unpacked.is_empty() {
            self.verify_unpacked(scan, input)?;
        }
        if let Some(promise) = &self.promise {
            promise.check(scan, input)?;
        }
        Ok(if self.root && opens_as_tar(scan, input)? { Role::Layer } else { Role::Unknown })
    }

    /// States that a layer does not unpack to the content that it has digests of. A layer that is a TAR archive is
    /// unpacked already. What breaks off, and what is packed in another way, is left to the reader of the layer.
    fn verify_unpacked(&self, scan: &mut Scan<'_>, input: &Input) -> Result<(), Halt> {
        let known = self.unpacked.iter().filter_map(|id| id.split_once(':'));
        let (checked, others): (Vec<_>, Vec<_>) = known.partition(|(algorithm, _)| *algorithm == "sha256");
        if !others.is_empty() {
            scan.unread(input.name.clone(), NOT_CHECKED, true);
        }
        if checked.is_empty() {
            return Ok(());
        }
        let head = input.read(0, HEADER)?;
        let found = match compressed::codec(&head, &*input.source) {
            Some(codec) => decoded::digest(scan, codec, &*input.source)?,
            None if is_header(&head) => Some(hex_digest(scan, input)?),
            None => None,
        };
        let Some(found) = found else { return Ok(()) };
        if let Some((_, hex)) = checked.iter().find(|(_, hex)| *hex != found) {
            let name = input.name.innermost().to_owned();
            state(scan, "digest-mismatch", &name, &format!("unpacked: configuration {hex}, content {found}"));
        }
        Ok(())
    }
}

/// States that a blob is not the one that its digest was made of.
fn verify(scan: &mut Scan<'_>, input: &Input, algorithm: &str, hex: &str, size: Option<u64>) -> Result<(), Halt> {
    let name = input.name.innermost().to_owned();
    if let Some(size) = size.filter(|size| *size != input.len()) {
        state(scan, "digest-mismatch", &name, &format!("size: manifest {size}, content {}", input.len()));
        return Ok(());
    }
    if algorithm != "sha256" {
        scan.unread(input.name.clone(), NOT_CHECKED, true);
        return Ok(());
    }
    let found = hex_digest(scan, input)?;
    if found != hex {
        state(scan, "digest-mismatch", &name, &format!("manifest {hex}, content {found}"));
    }
    Ok(())
}

fn hex_digest(scan: &Scan<'_>, input: &Input) -> Result<String, Halt> {
    let (_, found) = digest(scan, &*input.source)?;
    Ok(found.iter().map(|byte| format!("{byte:02x}")).collect())
}
