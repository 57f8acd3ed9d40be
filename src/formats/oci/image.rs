//! Manifests and what they name.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::FORMAT;
use crate::bytes::{self, Exceeded, Input, Role};
use crate::decode::tar::{Kind, is_header};
use crate::fact::Fact;
use crate::formats::archive_tar::Container;
use crate::formats::duplicates::digest;
use crate::formats::{Halt, Scan, compressed, decoded, member_path};

/// Largest manifest or configuration that is followed; registries take no larger one.
const MOST_JSON: usize = 4 << 20;
/// Blobs that the manifests of one archive may name.
const MOST_BLOBS: usize = 100_000;
/// Media types of layers that are root file systems.
const ROOT_LAYERS: [&str; 2] = ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."];
/// Annotations that name the file which a blob becomes.
const FILE_NAMES: [&str; 2] = ["org.opencontainers.image.title", "org.cncf.model.filepath"];
/// The annotation with the header that such a file would have in a TAR archive.
const FILE_HEADER: &str = "org.cncf.model.file.metadata+json";

/// An image while its blobs are followed.
pub(super) struct Image<'c> {
    container: &'c mut Container,
    /// Prefix of all names.
    root: String,
    /// Names of links: `docker save` once wrote a layer that occurs twice as a link to the first one.
    links: HashSet<Vec<u8>>,
    /// Members by name, the last of each.
    members: HashMap<Vec<u8>, usize>,
    /// Names of blobs that were looked at.
    seen: HashSet<String>,
    /// Layers whose unpacked content was checked against a digest.
    unpacked: HashSet<(usize, String)>,
}

/// What names a blob.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// The index, or another one.
    Index,
    /// A manifest, as its configuration.
    Config,
    /// A manifest, as a layer.
    Layer,
}

impl<'c> Image<'c> {
    pub(super) fn new(container: &'c mut Container, root: String) -> Self {
        let named = container.archive.entries.iter().enumerate().filter(|(_, entry)| entry.kind.has_data());
        let plain = |name: &[u8]| name.strip_prefix(b"./").unwrap_or(name).to_vec();
        let members = named.map(|(n, entry)| (plain(&entry.name), n)).collect();
        let linked = container.archive.entries.iter();
        let linked = linked.filter(|entry| matches!(entry.kind, Kind::SymbolicLink | Kind::HardLink));
        let links = linked.map(|entry| plain(&entry.name)).collect();
        Self { container, root, links, members, seen: HashSet::new(), unpacked: HashSet::new() }
    }

    /// Follows what the index and the list of `docker save` name.
    pub(super) fn read(&mut self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        let mut pending = Vec::new();
        if let Some((_, mut index)) = self.json(scan, "index.json")? {
            push(&mut pending, &mut index, "manifests", From::Index);
        }
        while let Some((descriptor, from)) = pending.pop() {
            if self.seen.len().max(pending.len()) >= MOST_BLOBS {
                return Err(Exceeded { what: "blobs of one image", limit: MOST_BLOBS as u64 }.into());
            }
            scan.budget.take_work(64)?;
            let Some(mut document) = self.blob(scan, &descriptor, from)? else { continue };
            self.unpacked(scan, &document)?;
            push(&mut pending, &mut document, "manifests", From::Index);
            push(&mut pending, &mut document, "layers", From::Layer);
            // Artefacts of the first version name their blobs so.
            push(&mut pending, &mut document, "blobs", From::Layer);
            if let Some(config) = document.get("config").filter(|config| config.is_object()) {
                pending.push((config.clone(), From::Config));
            }
        }
        self.docker(scan)
    }

    /// Checks the layers of a manifest against the digests that its configuration lists of their unpacked contents.
    fn unpacked(&mut self, scan: &mut Scan<'_>, manifest: &Value) -> Result<(), Halt> {
        let blob = |descriptor: &Value| {
            let (algorithm, hex) = descriptor.get("digest")?.as_str()?.split_once(':')?;
            (is_word(algorithm) && is_word(hex)).then(|| format!("blobs/{algorithm}/{hex}"))
        };
        let Some(name) = manifest.get("config").and_then(blob) else { return Ok(()) };
        let Some((_, config)) = self.json(scan, &name)? else { return Ok(()) };
        let ids = config.pointer("/rootfs/diff_ids").and_then(Value::as_array).into_iter().flatten();
        let layers = manifest.get("layers").and_then(Value::as_array).into_iter().flatten();
        for (layer, id) in layers.zip(ids.map(|id| id.as_str().unwrap_or_default())) {
            scan.budget.take_work(64)?;
            let media_type = layer.get("mediaType").and_then(Value::as_str).unwrap_or_default();
            let Some(n) = blob(layer).filter(|_| is_root(media_type)).and_then(|name| self.position(&name)) else { continue };
            if let Some(input) = self.container.peek(scan, n)
                && self.unpacked.insert((n, id.to_owned()))
            {
                verify_unpacked(scan, &input, id)?;
            }
        }
        Ok(())
    }

    /// Checks the blob that a descriptor names and hands it over; the document, if it is one that names others.
    fn blob(&mut self, scan: &mut Scan<'_>, descriptor: &Value, from: From) -> Result<Option<Value>, Halt> {
        let text = |key: &str| descriptor.get(key).and_then(Value::as_str).unwrap_or_default();
        let (digest, media_type) = (text("digest"), text("mediaType"));
        let Some((algorithm, hex)) = digest.split_once(':') else { return Ok(None) };
        if from == From::Layer {
            annotations(scan, descriptor, digest);
        }
        // What stands in a path has to be a digest.
        if !is_word(algorithm) || !is_word(hex) {
            state(scan, "path-traversal", digest, "a digest that is none");
            return Ok(None);
        }
        let name = format!("blobs/{algorithm}/{hex}");
        if !self.seen.insert(name.clone()) {
            return Ok(None);
        }
        let Some(n) = self.position(&name) else {
            // Indexes name images for machines that the archive leaves out.
            if from == From::Layer {
                scan.whole(Fact::Unresolved { pointer: "OCI", object: digest });
            }
            return Ok(None);
        };
        let Some(input) = self.container.open(scan, n)? else { return Ok(None) };
        verify(scan, &input, algorithm, hex, descriptor.get("size").and_then(Value::as_u64))?;
        let document = match from {
            From::Index => parse(scan, &input)?,
            From::Config | From::Layer => None,
        };
        let role = if from == From::Layer && is_root(media_type) { Role::Layer } else { Role::Unknown };
        self.container.give(scan, input, role)?;
        Ok(document)
    }

    /// Follows `manifest.json`, which `docker save` writes: configurations and layers by name.
    fn docker(&mut self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        let Some((_, Value::Array(images))) = self.json(scan, "manifest.json")? else { return Ok(()) };
        for image in &images {
            let config = image.get("Config").and_then(Value::as_str).unwrap_or_default();
            let mut ids = Vec::new();
            if let Some((input, document)) = self.json(scan, config)? {
                // The name is the digest.
                let file = config.rsplit('/').next().unwrap_or_default();
                let hex = file.strip_suffix(".json").unwrap_or(file);
                if hex.len() == 64 && is_word(hex) && self.seen.insert(config.to_owned()) {
                    verify(scan, &input, "sha256", hex, None)?;
                }
                let listed = document.pointer("/rootfs/diff_ids").and_then(Value::as_array);
                ids.extend(listed.into_iter().flatten().map(|id| id.as_str().unwrap_or_default().to_owned()));
            }
            let layers = image.get("Layers").and_then(Value::as_array).into_iter().flatten();
            for (n, layer) in layers.filter_map(Value::as_str).enumerate() {
                scan.budget.take_work(64)?;
                self.docker_layer(scan, layer, ids.get(n).map(String::as_str))?;
            }
        }
        Ok(())
    }

    /// Hands over a layer that is named by its path. `id`: the digest of the layer once it is decompressed.
    fn docker_layer(&mut self, scan: &mut Scan<'_>, layer: &str, id: Option<&str>) -> Result<(), Halt> {
        if let Some(why) = member_path::escape(layer) {
            state(scan, "path-traversal", layer, why);
            return Ok(());
        }
        if !self.seen.insert(layer.to_owned()) {
            return Ok(());
        }
        let Some(n) = self.position(layer) else {
            if !self.links.contains(format!("{}{layer}", self.root).as_bytes()) {
                scan.whole(Fact::Unresolved { pointer: "docker-save layer", object: layer });
            }
            return Ok(());
        };
        let Some(input) = self.container.open(scan, n)? else { return Ok(()) };
        if let Some(id) = id {
            verify_unpacked(scan, &input, id)?;
        }
        self.container.give(scan, input, Role::Layer)
    }

    /// A member that is a document.
    fn json(&mut self, scan: &mut Scan<'_>, name: &str) -> Result<Option<(Input, Value)>, Halt> {
        let Some(n) = self.position(name) else { return Ok(None) };
        let Some(input) = self.container.peek(scan, n) else { return Ok(None) };
        Ok(parse(scan, &input)?.map(|document| (input, document)))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.members.get(format!("{}{name}", self.root).as_bytes()).copied()
    }
}

/// Puts what `key` lists of a document on the list.
fn push(pending: &mut Vec<(Value, From)>, document: &mut Value, key: &str, from: From) {
    let Some(Value::Array(listed)) = document.get_mut(key).map(Value::take) else { return };
    let room = MOST_BLOBS.saturating_add(1).saturating_sub(pending.len());
    pending.extend(listed.into_iter().take(room).map(|descriptor| (descriptor, from)));
}

/// A document; None if it is none, or too large, which is recorded.
fn parse(scan: &mut Scan<'_>, input: &Input) -> Result<Option<Value>, Halt> {
    if input.len() > MOST_JSON as u64 {
        scan.halt(&Exceeded { what: "bytes of one manifest", limit: MOST_JSON as u64 }.into());
        return Ok(None);
    }
    Ok(serde_json::from_slice(&input.read(0, MOST_JSON)?).ok())
}

/// States that a blob is not the one that its digest was made of.
fn verify(scan: &mut Scan<'_>, input: &Input, algorithm: &str, hex: &str, size: Option<u64>) -> Result<(), Halt> {
    let name = input.name.innermost().to_owned();
    if let Some(size) = size.filter(|size| *size != input.len()) {
        state(scan, "digest-mismatch", &name, &format!("size: manifest {size}, content {}", input.len()));
        return Ok(());
    }
    if algorithm != "sha256" {
        scan.unread(input.name.clone(), "a digest that is not SHA-256 was not checked", true);
        return Ok(());
    }
    let (_, found) = digest(scan, &*input.source)?;
    let found = bytes::hex(&found);
    if found != hex {
        state(scan, "digest-mismatch", &name, &format!("manifest {hex}, content {found}"));
    }
    Ok(())
}

/// States that a layer does not unpack to the content that `id` is the digest of. A layer that is a TAR archive is
/// unpacked already. What breaks off, and what is packed in another way, is left to the reader of the layer.
fn verify_unpacked(scan: &mut Scan<'_>, input: &Input, id: &str) -> Result<(), Halt> {
    let Some((algorithm, hex)) = id.split_once(':') else { return Ok(()) };
    let head = input.read(0, 512)?;
    let Some(codec) = compressed::codec(&head, &*input.source) else {
        return if is_header(&head) { verify(scan, input, algorithm, hex, None) } else { Ok(()) };
    };
    if algorithm != "sha256" {
        scan.unread(input.name.clone(), "a digest that is not SHA-256 was not checked", true);
        return Ok(());
    }
    let Some(found) = decoded::digest(scan, codec, &*input.source)? else { return Ok(()) };
    if found != hex {
        let name = input.name.innermost().to_owned();
        state(scan, "digest-mismatch", &name, &format!("unpacked: configuration {hex}, content {found}"));
    }
    Ok(())
}

/// States what the annotations of a layer make of its file once it is unpacked.
fn annotations(scan: &mut Scan<'_>, descriptor: &Value, digest: &str) {
    let Some(annotations) = descriptor.get("annotations") else { return };
    for name in FILE_NAMES.iter().filter_map(|key| annotations.get(key)).filter_map(Value::as_str) {
        if let Some(why) = member_path::escape(name) {
            state(scan, "path-traversal", name, &format!("{why}, in an annotation of {digest}"));
        }
    }
    let header = annotations.get(FILE_HEADER).and_then(Value::as_str).filter(|text| text.len() <= MOST_JSON);
    let Some(header) = header.and_then(|text| serde_json::from_str::<Value>(text).ok()) else { return };
    let number = |key: &str| header.get(key).and_then(Value::as_u64).unwrap_or_default();
    let name = header.get("name").and_then(Value::as_str).unwrap_or(digest);
    let mode = number("mode");
    if mode & 0o7_000 != 0 && mode & 0o111 != 0 {
        state(scan, "special-permission", name, &format!("mode {:04o}", mode & 0o7_777));
    }
    match u8::try_from(number("typeflag")) {
        Ok(b'3') => state(scan, "device", name, "character device"),
        Ok(b'4') => state(scan, "device", name, "block device"),
        Ok(b'6') => state(scan, "device", name, "FIFO"),
        _ => {}
    }
}

fn is_root(media_type: &str) -> bool {
    ROOT_LAYERS.iter().any(|prefix| media_type.starts_with(prefix))
}

/// Letters and digits, which cannot lead anywhere in a path.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn state(scan: &mut Scan<'_>, anomaly: &'static str, member: &str, detail: &str) {
    scan.whole(Fact::Member { anomaly, member, container: FORMAT.name, detail });
}
