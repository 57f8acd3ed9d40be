//! The table of files and members that results and notifications point to.

use std::collections::HashMap;

use serde_json::{Value, json};
use serde_sarif::sarif::{Artifact, ArtifactLocation};

use crate::render::sarif::{SOURCE_ROOT, index, number};
use crate::render::{media, uri};
use crate::report::{Asset, Report};

/// Each file and member once, in order of first use.
pub(super) struct Artifacts<'r> {
    /// The table as the run carries it.
    pub(super) list: Vec<Artifact>,
    places: HashMap<(Option<usize>, &'r str), usize>,
    assets: HashMap<&'r str, &'r Asset>,
    sizes: HashMap<&'r str, u64>,
    changes: HashMap<&'r str, &'static str>,
}

impl<'r> Artifacts<'r> {
    /// An empty table that knows what the report says of each file.
    pub(super) fn of(report: &'r Report) -> Self {
        let changed = report.diff.iter().flat_map(|diff| &diff.changed);
        Self {
            list: Vec::new(),
            places: HashMap::new(),
            assets: report.assets.iter().map(|asset| (asset.path.as_str(), asset)).collect(),
            sizes: report.coverage.iter().map(|file| (file.path.as_str(), file.bytes)).collect(),
            changes: changed.map(|change| (change.path.as_str(), role(&change.change))).collect(),
        }
    }

    /// The location of a file in the scanned root.
    pub(super) fn file(&mut self, path: &'r str) -> ArtifactLocation {
        let place = self.place(path);
        location(path, place, true)
    }

    /// The location of a member: the last name of the chain inside all the others; None for an empty chain.
    pub(super) fn member(&mut self, path: &'r str, members: &'r [String]) -> Option<ArtifactLocation> {
        let mut place = self.place(path);
        for name in members {
            let known = self.places.get(&(Some(place), name.as_str())).copied();
            place = known.unwrap_or_else(|| self.add(Some(place), name));
        }
        members.last().map(|name| location(name, place, false))
    }

    fn place(&mut self, path: &'r str) -> usize {
        let known = self.places.get(&(None, path)).copied();
        known.unwrap_or_else(|| self.add(None, path))
    }

    fn add(&mut self, parent: Option<usize>, name: &'r str) -> usize {
        let place = self.list.len();
        self.places.insert((parent, name), place);
        let mut artifact = Artifact::builder().location(location(name, place, parent.is_none())).build();
        match parent {
            Some(parent) => artifact.parent_index = Some(index(parent)),
            None => self.describe(name, &mut artifact),
        }
        self.list.push(artifact);
        place
    }

    fn describe(&self, path: &str, artifact: &mut Artifact) {
        let roles = std::iter::once("analysisTarget").chain(self.changes.get(path).copied());
        artifact.roles = Some(roles.map(|role| json!(role)).collect::<Vec<Value>>());
        artifact.length = self.sizes.get(path).map(|bytes| number(*bytes));
        let Some(asset) = self.assets.get(path) else { return };
        artifact.length = Some(number(asset.size));
        artifact.mime_type = media::of(&asset.format).map(str::to_owned);
        artifact.hashes = asset
            .sha256
            .as_deref()
            .filter(|digest| is_sha256(digest))
            .map(|digest| [("sha-256".to_owned(), digest.to_owned())].into());
    }
}

fn is_sha256(digest: &str) -> bool {
    digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Members are relative to what holds them, files to the root.
fn location(name: &str, place: usize, in_root: bool) -> ArtifactLocation {
    let mut location = ArtifactLocation::builder().uri(uri::relative(name)).index(index(place)).build();
    location.uri_base_id = in_root.then(|| SOURCE_ROOT.to_owned());
    location
}

/// The SARIF role of a changed file.
fn role(change: &str) -> &'static str {
    match change {
        "added" | "copied" => "added",
        "renamed" => "renamed",
        "companion" => "unmodified",
        _ => "modified",
    }
}
