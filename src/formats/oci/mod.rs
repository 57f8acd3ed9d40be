//! Container images in a TAR archive: OCI image layouts and what `docker save` writes.
//!
//! Models are shipped so (`ModelKit`, `ModelPack`, Docker Model Runner, plain images). A manifest names each blob by the
//! digest of its content; registries check it, programs that unpack an archive often do not, so it is checked here. What
//! a layer is, its media type says: a root file system is read with its own rules (`layer.rs`), everything else like any
//! other file. Other members are handed over too: an archive may hold more than its manifests name.
//!
//! Specification: <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>

mod address;
mod image;
mod layer;

pub use address::declared_digest;
pub use layer::audit as audit_layer;

use super::archive_tar::{self, Container};
use super::{Format, FormatKind, Halt, Probe, Scan};
use crate::decode::tar::{BLOCK, Header};
use crate::fact::Fact;
use image::Image;

/// The record.
pub const FORMAT: Format = Format {
    name: "oci",
    title: "OCI image layout or docker-save archive",
    kind: FormatKind::Container,
    extensions: &["oci"],
    runs_code: false,
    refines: Some("tar"),
    identify: |probe| kind(probe).is_some(),
    scan,
    checks: "All checks of TAR; manifests and every blob against their digests and sizes; names that annotations give to \
             files; whiteouts that leave their layer; every layer and blob.",
    spec: "https://github.com/opencontainers/image-spec/blob/main/image-layout.md",
};

/// Headers that detection looks at.
const MOST_HEADERS: usize = 1024;
/// Bytes of a marker file that detection looks at.
const MARKER: usize = 64 << 10;

/// Where an image lies in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// A layout; the folder that it is in.
    Layout(String),
    /// What `docker save` wrote before it wrote layouts; the folder.
    Docker(String),
}

/// Finds the file that marks an image.
fn kind(probe: &Probe<'_>) -> Option<Kind> {
    if !archive_tar::identify(probe) {
        return None;
    }
    let mut at = 0_u64;
    let mut docker = None;
    for _ in 0..MOST_HEADERS {
        let Some(header) = Header::parse(&probe.read(at, 512)) else { break };
        let name = String::from_utf8_lossy(&header.name).into_owned();
        let (folder, file) = name.rsplit_once('/').map_or(("", name.as_str()), |(folder, file)| (folder, file));
        let holds = |text: &str| {
            let want = usize::try_from(header.size).unwrap_or(MARKER).min(MARKER);
            memchr::memmem::find(&probe.read(at.saturating_add(BLOCK), want), text.as_bytes()).is_some()
        };
        match file {
            "oci-layout" if holds("\"imageLayoutVersion\"") => return Some(Kind::Layout(root(folder))),
            "manifest.json" if holds("\"Layers\"") && holds("\"Config\"") => docker = Some(Kind::Docker(root(folder))),
            _ => {}
        }
        at = at.saturating_add(BLOCK).saturating_add(header.size.div_ceil(BLOCK).saturating_mul(BLOCK));
    }
    docker
}

/// The folder as a prefix of names.
fn root(folder: &str) -> String {
    match folder.trim_start_matches("./") {
        "" | "." => String::new(),
        folder => format!("{folder}/"),
    }
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let probe = Probe::new(scan.input)?;
    let mut container = Container::read(scan)?;
    let (detail, root) = match kind(&probe) {
        Some(Kind::Docker(root)) => ("docker-save archive", root),
        Some(Kind::Layout(root)) => ("image layout", root),
        None => ("", String::new()),
    };
    scan.whole(Fact::Component { name: FORMAT.name, detail });
    container.audit(scan)?;
    let read = Image::new(&mut container, root).read(scan);
    if let Err(halt) = read {
        scan.halt(&halt);
    }
    container.finish(scan)
}
