//! Files beside a model that decide how it is loaded. A model whose companion changed is looked at again, though its
//! own bytes are the same: the new configuration may make a loader run what the old one did not.

use std::collections::BTreeMap;

use serde_json::Value;

use super::git::{Entry, FileKind, Tree};
use crate::extension::is_model;

/// Models that one run brings in for their companions.
const MAX_MODELS: usize = 1000;
/// Largest index that is read for the names of its shards. Those of the largest models have some 5 MB.
pub(super) const MAX_INDEX: u64 = 32 << 20;

/// What [`models`] finds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Path of the model and of the companion that changed.
    pub(super) models: Vec<(Vec<u8>, Vec<u8>)>,
    /// Models beyond the limit.
    pub(super) left_out: usize,
}

/// Names of files that configure the models in their folder.
const CONFIGURATIONS: &[&str] = &[
    "config.json",
    "config.yaml",
    "config.yml",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "image_processor.json",
    "feature_extractor.json",
    "adapter_config.json",
    "model_index.json",
    "modules.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "metadata.json",
    "mlmodel",
    "conda.yaml",
    "requirements.txt",
    "modelfile",
    "kitfile",
    "config.pbtxt",
    "model-config.yaml",
    "params.json",
    ".gitattributes",
];

/// True if a change of the file may change what a model does.
pub(super) fn is_companion(path: &[u8]) -> bool {
    !matches!(relation(path), Relation::None)
}

/// Which models a companion belongs to.
enum Relation {
    None,
    /// All in its folder.
    Folder,
    /// Those that the index names, in its folder.
    Index,
    /// Those in its folder with one of these extensions.
    Kind(&'static [&'static str]),
    /// The one with the same stem and this extension.
    Twin(&'static str),
    /// The graph in the folder above (TensorFlow's `variables/`).
    Above,
}

fn relation(path: &[u8]) -> Relation {
    let path = String::from_utf8_lossy(path).to_ascii_lowercase();
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let is_data = name.ends_with(".onnx.data") || name.ends_with(".onnx_data") || name.contains(".onnx.data");
    if name.ends_with(".index.json") {
        Relation::Index
    } else if is_data || name.ends_with(".data") {
        Relation::Kind(&["onnx"])
    } else if folder.rsplit('/').next() == Some("variables") && name.starts_with("variables.") {
        Relation::Above
    } else if name.ends_with(".xml") {
        Relation::Twin("bin")
    } else if name.ends_with(".bin") {
        Relation::Twin("xml")
    } else if CONFIGURATIONS.contains(&name)
        || name.starts_with("tokenizer")
        || name.starts_with("chat_template")
        || [".py", ".jinja", ".spm"].iter().any(|suffix| name.ends_with(suffix))
    {
        Relation::Folder
    } else {
        Relation::None
    }
}

/// The unchanged models that belong to the changed files.
pub(super) fn models(changed: &[&[u8]], tree: &Tree, read: impl Fn(&Entry) -> Option<Vec<u8>>) -> Found {
    let mut found: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for &companion in changed {
        let folder = folder_of(companion);
        let models: Vec<Vec<u8>> = match relation(companion) {
            Relation::None => Vec::new(),
            Relation::Folder => in_folder(tree, folder)
                .filter(|path| extension(path).is_some_and(|extension| is_model(&extension)))
                .collect(),
            Relation::Kind(kinds) => in_folder(tree, folder)
                .filter(|path| extension(path).is_some_and(|extension| kinds.contains(&&*extension)))
                .collect(),
            Relation::Index => tree.get(companion).and_then(&read).map_or_else(Vec::new, |json| shards(&json, folder)),
            Relation::Twin(extension) => {
                let dot = companion.iter().rposition(|&byte| byte == b'.').unwrap_or(companion.len());
                let stem = companion.get(..dot).unwrap_or(companion);
                vec![[stem, b".", extension.as_bytes()].concat()]
            }
            Relation::Above => {
                let above = folder_of(folder.strip_suffix(b"/").unwrap_or(folder));
                ["saved_model.pb", "saved_model.pbtxt"].iter().map(|name| [above, name.as_bytes()].concat()).collect()
            }
        };
        for model in models {
            let is_file = tree.get(&model).is_some_and(|entry| matches!(entry.kind, FileKind::File | FileKind::Link));
            if is_file && !changed.contains(&model.as_slice()) {
                found.entry(model).or_insert_with(|| companion.to_vec());
            }
        }
    }
    let left_out = found.len().saturating_sub(MAX_MODELS);
    Found { models: found.into_iter().take(MAX_MODELS).collect(), left_out }
}

/// The folder of a path with its slash; empty at the root.
fn folder_of(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    path.get(..end).unwrap_or_default()
}

/// The files directly in a folder.
fn in_folder<'t>(tree: &'t Tree, folder: &'t [u8]) -> impl Iterator<Item = Vec<u8>> + 't {
    let below = tree.range(folder.to_vec()..).map(|(path, _)| path).take_while(move |path| path.starts_with(folder));
    below.filter(move |path| folder_of(path) == folder).cloned()
}

/// Extension in lower case; a pointer stands for what it is named after.
fn extension(path: &[u8]) -> Option<String> {
    let name = String::from_utf8_lossy(path).to_ascii_lowercase();
    let name = name.strip_suffix(".dvc").unwrap_or(&name);
    name.rsplit_once('.').map(|(_, extension)| extension.to_owned())
}

/// The files that a `weight_map` names, in the folder of the index.
fn shards(json: &[u8], folder: &[u8]) -> Vec<Vec<u8>> {
    let index: Value = serde_json::from_slice(json).unwrap_or_default();
    let map = index.get("weight_map").and_then(Value::as_object);
    let files = map.into_iter().flat_map(|map| map.values()).filter_map(Value::as_str);
    let mut paths: Vec<Vec<u8>> = files.map(|file| [folder, file.as_bytes()].concat()).collect();
    paths.sort();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(changed: &str, files: &[&str], json: &str) -> Vec<String> {
        let entry = |path: &str| Entry { path: path.into(), id: String::new(), kind: FileKind::File };
        let tree: Tree = files.iter().map(|path| (path.as_bytes().to_vec(), entry(path))).collect();
        let found = models(&[changed.as_bytes()], &tree, |_| Some(json.as_bytes().to_vec()));
        found.models.into_iter().map(|(model, _)| String::from_utf8(model).unwrap()).collect()
    }

    #[test]
    fn companions_bring_the_models_that_they_belong_to() {
        let files = ["a/config.json", "a/m.safetensors", "a/readme.md", "a/sub/n.pt", "b/m.pt", "ab.pt"];
        assert_eq!(found("a/config.json", &files, ""), ["a/m.safetensors"]);
        assert_eq!(found("a/readme.md", &files, ""), [""; 0]);
        assert_eq!(found("a/m.safetensors", &files, ""), [""; 0]);
        let graph =
            ["g.bin", "g.xml", "h.bin", "s/saved_model.pb", "s/variables/variables.index", "m.onnx", "m.onnx.data"];
        assert_eq!(found("g.xml", &graph, ""), ["g.bin"]);
        assert_eq!(found("h.bin", &graph, ""), [""; 0]);
        assert_eq!(found("s/variables/variables.index", &graph, ""), ["s/saved_model.pb"]);
        assert_eq!(found("m.onnx.data", &graph, ""), ["m.onnx"]);
        let sharded = ["x.safetensors.index.json", "x-1.safetensors", "x-2.safetensors", "other.safetensors"];
        let map = r#"{"weight_map":{"a":"x-1.safetensors","b":"x-2.safetensors","c":"../../etc"}}"#;
        assert_eq!(found(sharded[0], &sharded, map), ["x-1.safetensors", "x-2.safetensors"]);
    }
}
