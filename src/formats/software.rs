//! Packages that software is installed or run from: Python and Node.js packages, crates, conda packages, JARs, Debian
//! packages, static libraries, installations of Python.
//!
//! Programs are no news in them, and no model loader opens one. A package is known by what its installer reads, never by
//! its name alone, and only where the archive is nothing that a loader of models opens: then a program in it waits for
//! somebody who takes the archive for a model.

use std::collections::HashSet;

use super::Scan;
use crate::bytes::InputName;
use crate::extension;
use crate::fact::Fact;

/// The name under which formats state that an archive is such a package.
pub const COMPONENT: &str = "software";

/// What a static library is called.
pub(super) const STATIC_LIBRARY: &str = "static library";
/// What a Debian package is called.
pub(super) const DEBIAN_PACKAGE: &str = "Debian package";

/// Bytes of a manifest that are looked at.
pub(super) const MANIFEST: usize = 64 << 10;
/// Larger manifests of Node.js and conda are none.
const MOST_JSON: usize = MANIFEST;

/// Extensions, what the package is called, and a part of the name of a member that each package of the kind has.
const NAMED: &[(&[&str], &str, &str)] = &[
    (&["whl"], "Python wheel", ".dist-info/RECORD"),
    (&["egg"], "Python egg", "EGG-INFO/PKG-INFO"),
    (&["jar", "war", "ear"], "Java archive", "META-INF/MANIFEST.MF"),
    (&["apk", "aar"], "Android package", "AndroidManifest.xml"),
    (&["ipa"], "iOS app", ".app/Info.plist"),
    (&["nupkg"], "NuGet package", ".nuspec"),
    (&["vsix"], "Visual Studio extension", "extension.vsixmanifest"),
    (&["crx", "xpi"], "browser extension", "manifest.json"),
];

/// Names of files by which loaders know an archive of theirs: a checkpoint of `PyTorch` or `NeMo`, Keras, `MLflow`,
/// `TorchServe`, skops, `MLeap`, H2O, `TensorFlow`.
const LOADED: &[&str] = &[
    "data.pkl",
    "constants.pkl",
    "extern_modules",
    "serialized_exported_program.json",
    "sys_info",
    "model_config.yaml",
    "model_weights.ckpt",
    "model.weights.h5",
    "MLmodel",
    "MAR-INF/MANIFEST.json",
    "bundle.json",
    "model.ini",
    "saved_model.pb",
];

/// The members of an archive, as far as it takes to know a package.
pub(super) struct Members<'a> {
    /// Names of files, in order; folders are left out.
    names: Vec<(usize, &'a str)>,
}

impl<'a> Members<'a> {
    /// From the names of all members.
    pub(super) fn new(names: &'a [String]) -> Self {
        let plain = names.iter().enumerate().map(|(n, name)| (n, name.strip_prefix("./").unwrap_or(name)));
        Self { names: plain.filter(|(_, name)| !name.is_empty() && !name.ends_with('/')).collect() }
    }

    fn position(&self, wanted: &str) -> Option<usize> {
        self.names.iter().rev().find(|(_, name)| *name == wanted).map(|(n, _)| *n)
    }

    /// The one folder that all files are in.
    fn top(&self) -> Option<&'a str> {
        let (top, _) = self.names.first()?.1.split_once('/')?;
        let inside = |name: &str| name.split_once('/').is_some_and(|(folder, _)| folder == top);
        self.names.iter().all(|(_, name)| inside(name)).then_some(top)
    }

    /// Has a loader of models use for the archive?
    fn are_loaded(&self) -> bool {
        let is = |name: &str, wanted: &&str| name == *wanted || name.ends_with(&format!("/{wanted}"));
        // In a package such names may occur anywhere; a loader looks at the top, or one folder below.
        let shallow = self.names.iter().filter(|(_, name)| name.matches('/').count() <= 1 || name.contains(".data/"));
        let keras = self.position("config.json").is_some() && self.position("metadata.json").is_some();
        let skops = self.position("schema.json").is_some();
        let arrays = !self.names.is_empty() && self.names.iter().all(|(_, name)| ends(name, &["npy"]));
        keras || skops || arrays || { shallow }.any(|(_, name)| LOADED.iter().any(|wanted| is(name, wanted)))
    }

    /// Does a file outside the folders of Python's modules have a model's name?
    fn hold_models(&self) -> bool {
        self.names.iter().any(|(_, name)| library(name).is_none() && is_model_name(name))
    }

    /// Does a file that is in no folder have a model's name?
    fn offer_models(&self) -> bool {
        self.names.iter().any(|(_, name)| !name.contains('/') && is_model_name(name))
    }
}

/// States what package an archive with these members is, if it is one. `read` gives the first bytes of a member.
pub(super) fn recognise(scan: &mut Scan<'_>, names: &[String], mut read: impl FnMut(&Scan<'_>, usize) -> Vec<u8>) {
    let extension = scan.input.name.extension();
    if let Some(detail) = kind(&Members::new(names), &extension, &mut |n| read(scan, n)) {
        state(scan, detail);
    }
}

/// States that the archive is a package, unless it or what it lies in has a model's name.
pub(super) fn state(scan: &mut Scan<'_>, detail: &str) {
    if !has_model_name(&scan.input.name) {
        scan.whole(Fact::Component { name: COMPONENT, detail });
    }
}

/// Does the input or what it lies in have a model's name?
pub(super) fn has_model_name(name: &InputName) -> bool {
    std::iter::once(&name.path).chain(&name.members).any(|name| is_model_name(name))
}

fn is_model_name(name: &str) -> bool {
    extension::is_model(&InputName::top(name).extension())
}

/// What kind of package it is.
fn kind(members: &Members<'_>, extension: &str, read: &mut dyn FnMut(usize) -> Vec<u8>) -> Option<&'static str> {
    if members.are_loaded() {
        return None;
    }
    named(members, extension)
        .or_else(|| in_one_folder(members, read))
        .or_else(|| conda(members, read))
        .or_else(|| wheel(members, read))
        .or_else(|| java(members, read))
        .or_else(|| installation(members))
}

/// A package by its name and what each of its kind holds.
fn named(members: &Members<'_>, extension: &str) -> Option<&'static str> {
    let (_, kind, mark) = NAMED.iter().find(|(extensions, ..)| extensions.contains(&extension))?;
    members.names.iter().any(|(_, name)| name.contains(mark)).then_some(kind)
}

/// Packages of sources: all files are in one folder, beside the manifest that names it.
fn in_one_folder(members: &Members<'_>, read: &mut dyn FnMut(usize) -> Vec<u8>) -> Option<&'static str> {
    let top = members.top()?;
    let mut manifest = |file: &str| members.position(&format!("{top}/{file}")).map(&mut *read).unwrap_or_default();
    if is_of(&manifest("PKG-INFO"), top) {
        return Some("Python source distribution");
    }
    let json: Option<serde_json::Value> = serde_json::from_slice(&manifest("package.json")).ok();
    if json.is_some_and(|json| has_texts(&json, &["name", "version"])) {
        return Some("Node.js package");
    }
    let cargo = manifest("Cargo.toml");
    let stated = |key: &str| String::from_utf8_lossy(&cargo).lines().find_map(|line| quoted(line, key));
    let crate_name = stated("name").zip(stated("version")).map(|(name, version)| format!("{name}-{version}"));
    (crate_name.as_deref() == Some(top)).then_some("Rust crate")
}

/// Is it the metadata of the package that the folder `top` is called after?
fn is_of(metadata: &[u8], top: &str) -> bool {
    let text = String::from_utf8_lossy(metadata);
    let field = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(plain);
    let (Some(name), Some(version)) = (field("Name:"), field("Version:")) else { return false };
    text.starts_with("Metadata-Version:") && plain(top) == format!("{name}{version}")
}

/// Letters and digits alone: names and versions are written with different separators.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// The value of a line `key = "value"`.
fn quoted(line: &str, key: &str) -> Option<String> {
    let value = line.strip_prefix(key)?.trim_start().strip_prefix('=')?.trim();
    Some(value.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}

fn has_texts(json: &serde_json::Value, keys: &[&str]) -> bool {
    keys.iter().all(|key| json.get(key).is_some_and(serde_json::Value::is_string))
}

/// Packages of conda: the index in a folder `info`, or two archives and the number of their format.
fn conda(members: &Members<'_>, read: &mut dyn FnMut(usize) -> Vec<u8>) -> Option<&'static str> {
    const KIND: &str = "conda package";
    let mut json = |name: &str| -> Option<serde_json::Value> {
        let bytes = read(members.position(name)?);
        serde_json::from_slice(&bytes).ok().filter(|_| bytes.len() < MOST_JSON)
    };
    let part = |name: &str| (name.starts_with("info-") || name.starts_with("pkg-")) && ends(name, &["zst"]);
    if members.names.iter().all(|(_, name)| *name == "metadata.json" || part(name)) {
        return json("metadata.json")?.get("conda_pkg_format_version").map(|_| KIND);
    }
    let listed = members.position("info/files").or_else(|| members.position("info/paths.json"));
    listed.filter(|_| !members.offer_models())?;
    has_texts(&json("info/index.json")?, &["name", "version", "build"]).then_some(KIND)
}

/// Wheels under another name.
fn wheel(members: &Members<'_>, read: &mut dyn FnMut(usize) -> Vec<u8>) -> Option<&'static str> {
    let folder =
        |name: &'_ str| name.strip_suffix("/WHEEL").filter(|folder| ends(folder, &["dist-info"])).map(str::to_owned);
    let (n, folder) = members.names.iter().find_map(|(n, name)| Some((*n, folder(name)?)))?;
    let complete = !folder.contains('/') && members.position(&format!("{folder}/RECORD")).is_some();
    (complete && !members.offer_models() && read(n).starts_with(b"Wheel-Version:")).then_some("Python wheel")
}

/// Archives of compiled classes under another name.
fn java(members: &Members<'_>, read: &mut dyn FnMut(usize) -> Vec<u8>) -> Option<&'static str> {
    let manifest = members.position("META-INF/MANIFEST.MF")?;
    let classes = members.names.iter().any(|(_, name)| ends(name, &["class"]));
    (classes && !members.hold_models() && read(manifest).starts_with(b"Manifest-Version:")).then_some("Java archive")
}

/// Python with its standard library, or a virtual environment.
fn installation(members: &Members<'_>) -> Option<&'static str> {
    let folders = |file: &str| -> HashSet<&str> {
        let of = |name| library(name).filter(|(_, rest)| *rest == file).map(|(folder, _)| folder);
        members.names.iter().filter_map(|(_, name)| of(*name)).collect()
    };
    let whole = !folders("os.py").is_disjoint(&folders("site.py"));
    let environment = || {
        let marked = members.names.iter().any(|(_, name)| *name == "pyvenv.cfg" || name.ends_with("/pyvenv.cfg"));
        marked && members.names.iter().any(|(_, name)| library(name).is_some())
    };
    ((whole || environment()) && !members.hold_models()).then_some("Python installation")
}

/// The folder `…/lib/python3.N` of a name, and what follows it.
fn library(name: &str) -> Option<(&str, &str)> {
    let at = if name.starts_with("lib/python3.") { 0 } else { name.find("/lib/python3.")?.saturating_add(1) };
    let version = name.get(at..)?.strip_prefix("lib/python3.")?;
    let (version, rest) = version.split_once('/')?;
    let end = name.len().saturating_sub(rest.len()).saturating_sub(1);
    version.bytes().all(|byte| byte.is_ascii_digit()).then_some((name.get(..end)?, rest))
}

fn ends(name: &str, extensions: &[&str]) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(extension: &str, files: &[(&str, &str)]) -> Option<&'static str> {
        let names: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
        kind(&Members::new(&names), extension, &mut |n| files[n].1.as_bytes().to_vec())
    }

    const INFO: &str = "Metadata-Version: 2.1\nName: model-tools\nVersion: 1.0\n";

    #[test]
    fn packages_are_known_by_what_installers_read() {
        let sdist = Some("Python source distribution");
        let run = ("model_tools-1.0/run.sh", "#!/bin/sh\n");
        assert_eq!(package("tar", &[("model_tools-1.0/PKG-INFO", INFO), run]), sdist);
        assert_eq!(package("tar", &[("./model_tools-1.0/PKG-INFO", INFO), ("./model_tools-1.0/", "")]), sdist);
        assert_eq!(package("tar", &[("other-1.0/PKG-INFO", INFO), ("other-1.0/run.sh", "")]), None);
        assert_eq!(package("tar", &[("model_tools-1.0/PKG-INFO", INFO), run, ("model.pth", "")]), None);
        let npm = |manifest| package("tar", &[("package/package.json", manifest), ("package/run.sh", "")]);
        assert_eq!(npm(r#"{"name": "x", "version": "1"}"#), Some("Node.js package"));
        assert_eq!(npm("{}"), None);
        let cargo = "[package]\nname = \"x\"\nversion = \"1.0.0\"\n";
        assert_eq!(package("tar", &[("x-1.0.0/Cargo.toml", cargo), ("x-1.0.0/a.sh", "")]), Some("Rust crate"));
        assert_eq!(package("tar", &[("x-1.0.1/Cargo.toml", cargo), ("x-1.0.1/a.sh", "")]), None);
        let index = r#"{"name": "x", "version": "1", "build": "0"}"#;
        let conda = Some("conda package");
        assert_eq!(package("tar", &[("info/index.json", index), ("info/files", ""), ("bin/x", "")]), conda);
        assert_eq!(package("tar", &[("info/index.json", index), ("info/files", ""), ("model.pth", "")]), None);
        let outer =
            [("metadata.json", r#"{"conda_pkg_format_version": 2}"#), ("pkg-x.tar.zst", ""), ("info-x.tar.zst", "")];
        assert_eq!(package("conda", &outer), conda);
        assert_eq!(package("conda", &[outer[0], outer[1], ("tool", "")]), None);
        let java = [("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n"), ("A.class", "")];
        assert_eq!(package("zip", &java), Some("Java archive"));
        assert_eq!(package("jar", &java[..1]), Some("Java archive"));
        assert_eq!(package("zip", &java[..1]), None);
        assert_eq!(package("zip", &[java[0], java[1], ("policy.pth", "")]), None);
        let python =
            [("python/lib/python3.12/os.py", ""), ("python/lib/python3.12/site.py", ""), ("python/bin/python", "")];
        assert_eq!(package("tar", &python), Some("Python installation"));
        assert_eq!(package("tar", &python[1..]), None);
        assert_eq!(package("tar", &[python[0], python[1], ("code/model.pt", "")]), None);
        assert_eq!(
            package("tar", &[("env/pyvenv.cfg", ""), ("env/lib/python3.9/x.py", "")]),
            Some("Python installation")
        );
    }

    #[test]
    fn what_a_loader_of_models_opens_is_no_package() {
        let mark = ("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n");
        for file in [
            "m/data.pkl",
            "MLmodel",
            "MAR-INF/MANIFEST.json",
            "schema.json",
            "model_config.yaml",
            "m/.data/extern_modules",
        ] {
            assert_eq!(package("jar", &[mark, (file, "")]), None, "{file}");
        }
        assert_eq!(package("jar", &[mark, ("config.json", ""), ("metadata.json", "")]), None);
        assert!(package("jar", &[mark, ("config.json", "")]).is_some());
    }
}
