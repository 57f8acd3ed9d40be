//! What a media type promises, held against the content.
//!
//! Registries and most clients go by the media type alone: a blob that is called a layer is not looked at as a model.
//! How a layer is compressed is not part of the promise, since readers find that out by the content and writers often
//! state it wrong. Content that no format knows breaks no promise that can be judged.

use super::state;
use crate::bytes::{Input, MemorySource};
use crate::decode::codec;
use crate::decode::tar::is_header;
use crate::formats::{FormatKind, Halt, Probe, Scan, compressed, detect, safetensors};
use crate::inspect::{executable, script};

/// Media types of layers that are root file systems.
const ROOT_LAYERS: [&str; 2] = ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."];
/// What ORAS calls every file that it was given no media type for; it names the file then.
const ANY_FILE: &str = "application/vnd.oci.image.layer.v1.tar";
/// How media types end that are compressed.
const COMPRESSED: [&str; 4] = ["+gzip", "+zstd", ".gzip", ".zstd"];
/// Bytes of a header of TAR, and those by which other content is known.
const HEADER: usize = 512;
const HEAD: usize = 4096;
/// Decompressed bytes by which content is known that is no archive.
const MOST_OPENED: usize = 1 << 20;

/// Is a layer of this media type a root file system?
pub(super) fn is_root(media_type: &str) -> bool {
    ROOT_LAYERS.iter().any(|prefix| media_type.starts_with(prefix))
}

/// A promise that can be checked.
#[derive(Debug)]
pub(super) struct Promise {
    /// Who makes it.
    by: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tar,
    Json,
    Safetensors,
    Gguf,
}

impl Promise {
    /// What a media type promises. `named`: the manifest names the file that the blob becomes.
    pub(super) fn of(media_type: &str, named: bool) -> Option<Self> {
        if named && media_type == ANY_FILE {
            return None;
        }
        let base = COMPRESSED.iter().find_map(|end| media_type.strip_suffix(end)).unwrap_or(media_type);
        let words: Vec<&str> = base.split(['.', '+', '/']).collect();
        let kind = match words.last().copied() {
            Some("tar") => Kind::Tar,
            Some("json") => Kind::Json,
            _ if words.contains(&"safetensors") => Kind::Safetensors,
            _ if words.contains(&"gguf") => Kind::Gguf,
            _ => return None,
        };
        Some(Self { by: media_type.to_owned(), kind })
    }

    /// What a layer is that `docker save` names by its path.
    pub(super) fn saved_layer() -> Self {
        Self { by: "layer of docker-save".to_owned(), kind: Kind::Tar }
    }

    /// States that the content is something else, if it is.
    pub(super) fn check(&self, scan: &mut Scan<'_>, input: &Input) -> Result<(), Halt> {
        if self.kind == Kind::Tar && opens_as_tar(scan, input)? {
            return Ok(());
        }
        let opened = opened(scan, input, MOST_OPENED)?;
        let mut formats = detect(&Probe::new(&opened)?).formats;
        formats.retain(|format| format.kind != FormatKind::Program);
        let head = opened.read(0, HEAD)?;
        let program = executable::confirm(&*opened.source, 0)?.or_else(|| script::confirm(&head, ""));
        let kept = match self.kind {
            Kind::Safetensors => formats.iter().any(|format| format.name == safetensors::FORMAT.name),
            Kind::Gguf => head.starts_with(b"GGUF"),
            Kind::Tar | Kind::Json => false,
        };
        let first = formats.iter().find(|format| format.runs_code).or_else(|| formats.first());
        let Some(content) = program.map(|program| program.form).or_else(|| first.map(|format| format.title)) else {
            return Ok(());
        };
        if kept {
            return Ok(());
        }
        let live = program.is_some() || formats.iter().any(|format| format.runs_code);
        let anomaly = if live { "media-type-code" } else { "media-type" };
        let name = input.name.innermost().to_owned();
        state(scan, anomaly, &name, &format!("{}, content: {content}", self.by));
        Ok(())
    }
}

/// Is the content a TAR archive, compressed once or not?
pub(super) fn opens_as_tar(scan: &Scan<'_>, input: &Input) -> Result<bool, Halt> {
    Ok(is_header(&opened(scan, input, HEADER)?.read(0, HEADER)?))
}

/// The content, or the first bytes of it, at least `most`, if it is compressed.
fn opened(scan: &Scan<'_>, input: &Input, most: usize) -> Result<Input, Halt> {
    let head = input.read(0, HEAD)?;
    let Some(codec) = compressed::codec(&head, &*input.source) else { return Ok(input.clone()) };
    let mut bytes = Vec::new();
    codec::decode(codec, &*input.source, 0, u64::MAX, |piece, _| {
        scan.budget.take_bytes(piece.len() as u64)?;
        bytes.extend_from_slice(piece);
        Ok(bytes.len() < most)
    })?;
    Ok(input.member("", MemorySource::new(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_promise_by_their_last_word() {
        let kind = |media_type| Promise::of(media_type, false).map(|promise| promise.kind);
        for (media_type, promised) in [
            ("application/vnd.oci.image.layer.v1.tar", Some(Kind::Tar)),
            ("application/vnd.oci.image.layer.v1.tar+gzip", Some(Kind::Tar)),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", Some(Kind::Tar)),
            ("application/vnd.kitops.modelkit.model.v1.tar+gzip", Some(Kind::Tar)),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", None),
            ("application/vnd.oci.image.config.v1+json", Some(Kind::Json)),
            ("application/vnd.docker.ai.safetensors", Some(Kind::Safetensors)),
            ("application/vnd.docker.ai.gguf.v3", Some(Kind::Gguf)),
            ("application/vnd.cncf.model.weight.v1.raw", None),
            ("application/octet-stream", None),
            ("", None),
        ] {
            assert_eq!(kind(media_type), promised, "{media_type}");
        }
        assert!(Promise::of(ANY_FILE, true).is_none());
        assert!(Promise::of("application/vnd.oci.image.layer.v1.tar+gzip", true).is_some());
    }
}
