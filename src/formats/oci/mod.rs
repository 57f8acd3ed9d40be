//! Container images in an archive: OCI image layouts and what `docker save` writes.
//!
//! Models are shipped so (`ModelKit`, `ModelPack`, Docker Model Runner, plain images). A manifest names each blob by the
//! digest of its content; registries check it, programs that unpack an archive often do not, so it is checked here. What
//! a layer is, its media type says: a root file system is read with its own rules (`layer.rs`), everything else like any
//! other file. Other members are handed over too: an archive may hold more than its manifests name.
//!
//! The manifests are followed first (`image.rs`), which gives a plan: what is said of each member. The archive then hands
//! all of its members over, and each is held against the plan (`blob.rs`). An image in a ZIP archive is read in the same
//! way (`../oci_zip.rs`).
//!
//! Specification: <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>

mod address;
mod blob;
mod image;
mod layer;
mod media;

pub use address::declared_digest;
pub use blob::Plan;
pub use image::Names;
pub use layer::audit as audit_layer;

use super::archive_tar::{self, Container};
use super::{Format, FormatKind, Halt, Probe, Scan};
use crate::bytes::Input;
use crate::decode::tar::{self, BLOCK, Header};
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
pub(super) const MARKER: usize = 64 << 10;
/// Largest manifest or configuration that is followed; registries take no larger one.
const MOST_JSON: usize = 4 << 20;
/// Blobs that the manifests of one archive may name.
const MOST_BLOBS: usize = 100_000;

/// Where an image lies in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A layout; the folder that it is in.
    Layout(String),
    /// What `docker save` wrote before it wrote layouts; the folder.
    Docker(String),
}

impl Kind {
    /// What the file `name` marks, whose first bytes `read` gives if it is asked for them.
    pub(super) fn of(name: &str, read: impl FnOnce() -> Vec<u8>) -> Option<Self> {
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
        let marks: (fn(String) -> Self, &[&str]) = match file {
            "oci-layout" => (Self::Layout, &["\"imageLayoutVersion\""]),
            "manifest.json" => (Self::Docker, &["\"Layers\"", "\"Config\""]),
            _ => return None,
        };
        let bytes = read();
        let holds = |text: &&str| memchr::memmem::find(&bytes, text.as_bytes()).is_some();
        marks.1.iter().all(holds).then(|| (marks.0)(root(folder)))
    }

    /// A layout counts for more than what `docker save` writes beside it.
    pub(super) fn best(kinds: impl Iterator<Item = Self>) -> Option<Self> {
        let mut docker = None;
        for kind in kinds {
            match kind {
                Self::Layout(_) => return Some(kind),
                Self::Docker(_) => docker = Some(kind),
            }
        }
        docker
    }
}

/// Finds the file that marks an image.
fn kind(probe: &Probe<'_>) -> Option<Kind> {
    if !archive_tar::identify(probe) {
        return None;
    }
    let mut at = 0_u64;
    Kind::best((0..MOST_HEADERS).map_while(|_| {
        let header = Header::parse(&probe.read(at, 512))?;
        let data = at.saturating_add(BLOCK);
        at = data.saturating_add(header.size.div_ceil(BLOCK).saturating_mul(BLOCK));
        let want = usize::try_from(header.size).unwrap_or(MARKER).min(MARKER);
        Some(Kind::of(&String::from_utf8_lossy(&header.name), || probe.read(data, want)))
    }).flatten())
}

/// The folder as a prefix of names.
fn root(folder: &str) -> String {
    match folder.trim_start_matches("./") {
        "" | "." => String::new(),
        folder => format!("{folder}/"),
    }
}

/// States what kind of image it is, and follows its manifests. `peek` reads a member, nothing stated.
pub(super) fn plan(
    scan: &mut Scan<'_>,
    kind: Option<Kind>,
    names: Names,
    mut peek: impl FnMut(&Scan<'_>, usize) -> Result<Option<Input>, Halt>,
) -> Plan {
    let (detail, root) = match kind {
        Some(Kind::Docker(root)) => ("docker-save archive", root),
        Some(Kind::Layout(root)) => ("image layout", root),
        None => ("", String::new()),
    };
    scan.whole(Fact::Component { name: FORMAT.name, detail });
    let mut image = Image::new(names, root, &mut peek);
    if let Err(halt) = image.read(scan) {
        scan.halt(&halt);
    }
    image.plan
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let kind = kind(&Probe::new(scan.input)?);
    let mut container = Container::read(scan)?;
    container.audit(scan)?;
    let entries = container.archive.entries.iter().enumerate();
    let plain = |name: &[u8]| name.strip_prefix(b"./").unwrap_or(name).to_vec();
    let mut names = Names::default();
    for (n, entry) in entries {
        match entry.kind {
            tar::Kind::SymbolicLink | tar::Kind::HardLink => drop(names.links.insert(plain(&entry.name))),
            kind if kind.has_data() => drop(names.members.insert(plain(&entry.name), n)),
            _ => {}
        }
    }
    let plan = plan(scan, kind, names, |scan, n| Ok(container.peek(scan, n)));
    container.finish(scan, move |scan, n, input| plan.role(scan, n, input))
}

fn state(scan: &mut Scan<'_>, anomaly: &'static str, member: &str, detail: &str) {
    scan.whole(Fact::Member { anomaly, member, container: FORMAT.name, detail });
}
