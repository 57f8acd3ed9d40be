//! Packages that software is installed or run from: wheels, JARs, apps and extensions of other programs.
//!
//! Programs are no news in them, and no model loader opens one. The name alone excuses nothing: an archive counts as a
//! package if it also holds what an installer of that kind looks for.

use super::archive_zip::{self, Container};
use super::{Format, FormatKind, Halt, Probe, Scan, pytorch, pytorch_export};
use crate::bytes::Role;
use crate::fact::Fact;

/// The record. It claims no extension: these are no model files.
pub const FORMAT: Format = Format {
    name: "software",
    title: "Software package (ZIP)",
    kind: FormatKind::Container,
    extensions: &[],
    runs_code: false,
    refines: Some("zip"),
    identify,
    scan,
    checks: "All checks of ZIP; each member as a file of its own. Programs in it are not reported.",
    spec: "https://packaging.python.org/en/latest/specifications/binary-distribution-format/",
};

/// Bytes of the central directory that are searched from its front; its end is searched too.
const DIRECTORY_HEAD: usize = 256 << 10;

/// Extensions, and a part of the name of a member that each package of the kind has.
const KINDS: &[(&[&str], &str)] = &[
    (&["whl"], ".dist-info/RECORD"),
    (&["egg"], "EGG-INFO/PKG-INFO"),
    (&["jar", "war", "ear"], "META-INF/MANIFEST.MF"),
    (&["apk", "aar"], "AndroidManifest.xml"),
    (&["ipa"], ".app/Info.plist"),
    (&["nupkg"], ".nuspec"),
    (&["vsix"], "extension.vsixmanifest"),
    (&["crx", "xpi"], "manifest.json"),
];

pub(super) fn identify(probe: &Probe<'_>) -> bool {
    let extension = probe.input.name.extension();
    let Some((_, mark)) = KINDS.iter().find(|(extensions, _)| extensions.contains(&extension.as_str())) else {
        return false;
    };
    let Some(at) = archive_zip::directory(probe).filter(|_| archive_zip::identify(probe)) else { return false };
    let holds = |bytes: &[u8]| memchr::memmem::find(bytes, mark.as_bytes()).is_some();
    (holds(&probe.read(at, DIRECTORY_HEAD)) || holds(pytorch::directory_tail(probe, at)))
        && !pytorch::identify(probe)
        && !pytorch_export::identify(probe)
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let mut container = Container::read(scan)?;
    scan.whole(Fact::Component { name: FORMAT.name, detail: "" });
    container.audit(scan)?;
    container.finish(scan, |_, _, _, _| Some(Role::Unknown))
}
