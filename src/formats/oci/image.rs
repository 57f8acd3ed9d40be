//! Manifests and what they name.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::blob::Plan;
use super::{MOST_BLOBS, MOST_JSON, media, state};
use crate::bytes::{Exceeded, Input};
use crate::fact::Fact;
use crate::formats::{Halt, Scan, member_path};

/// Letters and digits of the longest digest, that of SHA-512.
const MOST_DIGITS: usize = 128;
/// Annotations that name the file which a blob becomes.
const FILE_NAMES: [&str; 2] = ["org.opencontainers.image.title", "org.cncf.model.filepath"];
/// Media types of what `KitOps` packed a Kitfile as.
const KIT_CONFIG: &str = "application/vnd.kitops.modelkit.config.";
/// Parts of a Kitfile that are lists of files.
const KIT_LISTS: [&str; 5] = ["/model/parts", "/code", "/datasets", "/docs", "/prompts"];
/// The annotation with the header that such a file would have in a TAR archive.
const FILE_HEADER: &str = "org.cncf.model.file.metadata+json";

/// Reads a member, nothing stated.
type Peek<'p> = &'p mut dyn FnMut(&Scan<'_>, usize) -> Result<Option<Input>, Halt>;

/// Members of the archive that holds an image.
#[derive(Debug, Default)]
pub struct Names {
    /// Members with data by name, the one that readers take of each.
    pub members: HashMap<Vec<u8>, usize>,
    /// Names of links: `docker save` once wrote a layer that occurs twice as a link to the first one.
    pub links: HashSet<Vec<u8>>,
}

/// An image while its manifests are followed.
pub(super) struct Image<'p> {
    names: Names,
    peek: Peek<'p>,
    /// Prefix of all names.
    root: String,
    /// Names of blobs that were looked at.
    seen: HashSet<String>,
    /// What was found out.
    pub(super) plan: Plan,
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

impl<'p> Image<'p> {
    pub(super) fn new(names: Names, root: String, peek: Peek<'p>) -> Self {
        Self { names, peek, root, seen: HashSet::new(), plan: Plan::default() }
    }

    /// Follows what the index and the list of `docker save` name.
    pub(super) fn read(&mut self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        let mut pending = Vec::new();
        if let Some(mut index) = self.json(scan, "index.json")? {
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

    /// Notes the digests that the configuration of a manifest lists of the unpacked contents of its layers.
    fn unpacked(&mut self, scan: &mut Scan<'_>, manifest: &Value) -> Result<(), Halt> {
        let blob = |descriptor: &Value| {
            let (algorithm, hex) = descriptor.get("digest")?.as_str()?.split_once(':')?;
            (is_word(algorithm) && is_word(hex)).then(|| format!("blobs/{algorithm}/{hex}"))
        };
        let Some(name) = manifest.get("config").and_then(blob) else { return Ok(()) };
        let Some(config) = self.json(scan, &name)? else { return Ok(()) };
        let ids = config.pointer("/rootfs/diff_ids").and_then(Value::as_array).into_iter().flatten();
        let layers = manifest.get("layers").and_then(Value::as_array).into_iter().flatten();
        for (layer, id) in layers.zip(ids.map(|id| id.as_str().unwrap_or_default())) {
            scan.budget.take_work(64)?;
            let media_type = layer.get("mediaType").and_then(Value::as_str).unwrap_or_default();
            if let Some(n) = blob(layer).filter(|_| media::is_root(media_type)).and_then(|name| self.position(&name)) {
                self.plan.expect_unpacked(n, id)?;
            }
        }
        Ok(())
    }

    /// Notes what a descriptor says of its blob; the document, if it is one that names others.
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
        self.plan.expect(n, algorithm, hex, descriptor.get("size").and_then(Value::as_u64));
        let named = FILE_NAMES.iter().any(|key| descriptor.pointer("/annotations").is_some_and(|all| all.get(key).is_some()));
        self.plan.promise(n, media_type, named);
        if from == From::Layer && media::is_root(media_type) {
            self.plan.expect_root(n);
        }
        let kit = from == From::Config && media_type.starts_with(KIT_CONFIG);
        if from != From::Index && !kit {
            return Ok(None);
        }
        let Some(document) = self.json(scan, &name)? else { return Ok(None) };
        if kit {
            kit_paths(scan, &document);
            return Ok(None);
        }
        Ok(Some(document))
    }

    /// Follows `manifest.json`, which `docker save` writes: configurations and layers by name.
    fn docker(&mut self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        let Some(Value::Array(images)) = self.json(scan, "manifest.json")? else { return Ok(()) };
        for image in &images {
            let config = image.get("Config").and_then(Value::as_str).unwrap_or_default();
            let mut ids = Vec::new();
            if let Some(document) = self.json(scan, config)? {
                // The name is the digest.
                let file = config.rsplit('/').next().unwrap_or_default();
                let hex = file.strip_suffix(".json").unwrap_or(file);
                if let Some(n) = self.position(config).filter(|_| hex.len() == 64 && is_word(hex)) {
                    self.plan.expect(n, "sha256", hex, None);
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

    /// Notes a layer that is named by its path. `id`: the digest of the layer once it is decompressed.
    fn docker_layer(&mut self, scan: &mut Scan<'_>, layer: &str, id: Option<&str>) -> Result<(), Halt> {
        if let Some(why) = member_path::escape(layer) {
            state(scan, "path-traversal", layer, why);
            return Ok(());
        }
        let Some(n) = self.position(layer) else {
            if !self.names.links.contains(format!("{}{layer}", self.root).as_bytes()) {
                scan.whole(Fact::Unresolved { pointer: "docker-save layer", object: layer });
            }
            return Ok(());
        };
        self.plan.saved_layer(n);
        id.map_or(Ok(()), |id| self.plan.expect_unpacked(n, id))
    }

    /// A member that is a document.
    fn json(&mut self, scan: &mut Scan<'_>, name: &str) -> Result<Option<Value>, Halt> {
        let Some(n) = self.position(name) else { return Ok(None) };
        let Some(input) = (self.peek)(scan, n)? else { return Ok(None) };
        parse(scan, &input)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.names.members.get(format!("{}{name}", self.root).as_bytes()).copied()
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
    scan.budget.take_work(input.len().div_ceil(64))?;
    Ok(serde_json::from_slice(&input.read(0, MOST_JSON)?).ok())
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

/// States the files of a Kitfile that unpacking would write outside of its folder.
fn kit_paths(scan: &mut Scan<'_>, kit: &Value) {
    let lists = KIT_LISTS.iter().filter_map(|list| kit.pointer(list)).filter_map(Value::as_array);
    for part in kit.get("model").into_iter().chain(lists.flatten()) {
        let Some(path) = part.get("path").and_then(Value::as_str) else { continue };
        if let Some(why) = member_path::escape(path) {
            state(scan, "path-traversal", path, &format!("{why}, in the Kitfile"));
        }
    }
}

/// Letters and digits, which cannot lead anywhere in a path.
fn is_word(text: &str) -> bool {
    (1..=MOST_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
