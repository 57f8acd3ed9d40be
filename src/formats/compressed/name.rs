//! What the content of a compressed file is called.

use crate::bytes::Input;
use crate::decode::codec::{Codec, stored_name};
use crate::extension;

/// Suffixes that compressors add, and what stands for them in the name of the content.
const SUFFIXES: &[(&str, &str)] = &[
    ("gz", ""),
    ("bz2", ""),
    ("xz", ""),
    ("lzma", ""),
    ("lz", ""),
    ("z", ""),
    ("zlib", ""),
    ("zst", ""),
    ("zstd", ""),
    ("lz4", ""),
    ("tgz", ".tar"),
    ("tbz2", ".tar"),
    ("tbz", ".tar"),
    ("txz", ".tar"),
    ("tlz", ".tar"),
    ("tzst", ".tar"),
];
/// The name where nothing says one.
const UNNAMED: &str = "content";

/// The name of the file without the suffix of its compressor; all of it if it is the name of a model; else the name
/// that gzip stores. Loaders go by the first two.
pub(super) fn of(input: &Input, codec: Codec) -> String {
    let base = file_name(input.name.innermost());
    let extension = input.name.extension();
    if let Some((_, instead)) = SUFFIXES.iter().find(|(suffix, _)| *suffix == extension) {
        let stem = base.get(..base.len().saturating_sub(extension.len().saturating_add(1))).unwrap_or_default();
        return format!("{stem}{instead}");
    }
    if extension::is_model(&extension) {
        return base.to_owned();
    }
    let stored = if codec == Codec::Gzip { stored_name(&*input.source) } else { None };
    let stored = stored.map(|name| String::from_utf8_lossy(&name).into_owned());
    stored.map(|name| file_name(&name).to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| UNNAMED.to_owned())
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemorySource;

    #[test]
    fn names_come_from_the_file_then_from_the_header() {
        let stored = b"\x1f\x8b\x08\x08\0\0\0\0\0\x03dir/inner.pkl\0".as_slice();
        let extra = b"\x1f\x8b\x08\x0c\0\0\0\0\0\x03\x02\0ab\x63.pkl\0".as_slice();
        let cases = [
            ("a/model.pkl.gz", stored, "model.pkl"),
            ("model.tgz", stored, "model.tar"),
            ("model.joblib", stored, "model.joblib"),
            ("model", stored, "inner.pkl"),
            ("model", extra, "c.pkl"),
            ("model", b"\x1f\x8b\x08\0", "content"),
            (".gz", b"", "content"),
            ("é.gz", b"", "é"),
        ];
        for (name, bytes, content) in cases {
            assert_eq!(of(&Input::new(name, MemorySource::new(bytes)), Codec::Gzip), content, "{name}");
        }
    }
}
