//! Files as components.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cyclonedx_bom::models::component::{
    Classification, Component, ComponentEvidence, ConfidenceScore, Identity, IdentityField, Method, Methods, MimeType,
    Occurrence, Occurrences,
};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::property::{Properties, Property};

use crate::finding::{Finding, Severity, State};
use crate::render::cyclonedx::{claims, property};
use crate::render::{media, wording};
use crate::report::{Asset, Report, Status};

/// Characters of a path in a reference or location.
const PATH: usize = 1_000;
/// Properties of one component.
const PROPERTIES: usize = 200;

/// Occurrences of one component, its own place included.
pub(super) const OCCURRENCES: usize = 200;

/// One file of the bill.
pub(super) struct Item<'r> {
    /// `bom-ref`: unique in the document, and the same for the same content at the same path.
    pub(super) reference: String,
    /// Path relative to the scan root.
    pub(super) path: &'r str,
    /// What was read of it, if it is a model.
    pub(super) asset: Option<&'r Asset>,
    /// How much of it was read.
    pub(super) status: Status,
    /// Its findings that the change does not remove, suppressed ones included, in the order of the report.
    pub(super) findings: Vec<&'r Finding>,
}

/// All files that the bill names: models, files with findings, and files that could not be read to the end.
pub(super) struct Inventory<'r> {
    /// Models first, in the order of the report, then the others by path.
    pub(super) items: Vec<Item<'r>>,
}

impl<'r> Inventory<'r> {
    /// Collects what the report says of each file.
    pub(super) fn of(report: &'r Report) -> Self {
        let mut findings: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
        for finding in report.issues.iter().filter(|finding| finding.state != State::Fixed) {
            findings.entry(finding.path.as_str()).or_default().push(finding);
        }
        let statuses: HashMap<&str, Status> =
            report.coverage.iter().map(|file| (file.path.as_str(), file.status)).collect();
        let unread = report.coverage.iter().filter(|file| file.status != Status::Complete);
        let mut others: BTreeSet<&str> = unread.map(|file| file.path.as_str()).collect();
        others.extend(findings.keys().copied());

        let mut items = Vec::new();
        let mut taken = BTreeSet::new();
        let assets = report.assets.iter().map(|asset| (asset.path.as_str(), Some(asset)));
        for asset in &report.assets {
            others.remove(asset.path.as_str());
        }
        for (path, asset) in assets.chain(others.into_iter().map(|path| (path, None))) {
            items.push(Item {
                reference: unique(&reference(path, asset), &mut taken),
                path,
                asset,
                status: statuses.get(path).copied().unwrap_or(Status::Complete),
                findings: findings.remove(path).unwrap_or_default(),
            });
        }
        Self { items }
    }
}

fn reference(path: &str, asset: Option<&Asset>) -> String {
    let path = wording::line(path, PATH);
    match asset.and_then(digest) {
        Some(digest) => format!("model:{}:{path}", digest.get(..16).unwrap_or(digest)),
        None if asset.is_some() => format!("model:-:{path}"),
        None => format!("file:{path}"),
    }
}

/// Escaping and cutting may make two paths look alike; a reference must name one.
fn unique(reference: &str, taken: &mut BTreeSet<String>) -> String {
    let mut candidate = reference.to_owned();
    let mut count = 2;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{reference}#{count}");
        count += 1;
    }
    candidate
}

/// The SHA-256 of the file, if the report has one that is one.
fn digest(asset: &Asset) -> Option<&str> {
    let is_digest = |text: &&str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    asset.sha256.as_deref().filter(is_digest)
}

/// The components, in the order of the inventory.
pub(super) fn all(inventory: &Inventory<'_>) -> Vec<Component> {
    inventory.items.iter().map(component).collect()
}

fn component(item: &Item<'_>) -> Component {
    let classification = match item.asset {
        Some(asset) if media::is_text(&asset.format) => Classification::Data,
        Some(asset) if !media::is_archive(&asset.format) => Classification::MachineLearningModel,
        _ => Classification::File,
    };
    let is_model = classification == Classification::MachineLearningModel;
    let name = wording::line(item.path.rsplit('/').next().unwrap_or(item.path), 255);
    let name = if name.is_empty() { "unnamed" } else { &name };
    let mut component = Component::new(classification, name, "", Some(item.reference.clone()));
    component.version = None;
    component.properties = Some(Properties(properties(item)));
    component.evidence = Some(evidence(item));
    if let Some(asset) = item.asset {
        component.mime_type = media::of(&asset.format).map(|name| MimeType(name.to_owned()));
        component.hashes = digest(asset).map(|digest| Hashes(vec![sha256(digest)]));
        component.licenses = claims::licenses(&asset.metadata);
        component.model_card = if is_model { claims::model_card(&asset.metadata) } else { None };
    }
    component
}

fn sha256(digest: &str) -> Hash {
    Hash { alg: HashAlgorithm::SHA_256, content: HashValue(digest.to_ascii_lowercase()) }
}

/// The file was told from others by its bytes; version 1.5 can say in which places, not where in them.
fn evidence(item: &Item<'_>) -> ComponentEvidence {
    let mut places = vec![wording::line(item.path, PATH)];
    for finding in &item.findings {
        let place = wording::chain(&finding.path, &finding.members, PATH);
        if !places.contains(&place) && places.len() < OCCURRENCES {
            places.push(place);
        }
    }
    let occurrence = |location: String| Occurrence { bom_ref: None, location };
    ComponentEvidence {
        licenses: None,
        copyright: None,
        occurrences: Some(Occurrences(places.into_iter().map(occurrence).collect())),
        callstack: None,
        identity: item.asset.and_then(digest).map(identity),
    }
}

fn identity(digest: &str) -> Identity {
    let certain = || ConfidenceScore::new(1.0);
    let method = Method {
        technique: "binary-analysis".to_owned(),
        confidence: certain(),
        value: Some(format!("sha256:{}", digest.to_ascii_lowercase())),
    };
    Identity {
        field: IdentityField::Hash,
        confidence: Some(certain()),
        methods: Some(Methods(vec![method])),
        tools: None,
    }
}

fn properties(item: &Item<'_>) -> Vec<Property> {
    let mut list = vec![property("path", item.path)];
    let complete = if item.status == Status::Complete { "true" } else { "false" };
    list.push(property("scan_complete", complete));
    for severity in Severity::ALL.into_iter().rev() {
        let count = item.findings.iter().filter(|finding| finding.is_active() && finding.severity == severity).count();
        if count > 0 {
            list.push(property(&format!("finding_count:{severity}"), &count.to_string()));
        }
    }
    if let Some(asset) = item.asset {
        list.push(property("format", &asset.format));
        list.push(property("size", &asset.size.to_string()));
        if asset.tensor_count > 0 {
            list.push(property("tensor_count", &asset.tensor_count.to_string()));
        }
        list.extend(asset.contains.iter().map(|format| property("contains", format)));
        list.extend(claims::properties(&asset.metadata));
    }
    list.truncate(PROPERTIES);
    list
}
