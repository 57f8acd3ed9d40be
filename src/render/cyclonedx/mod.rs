//! CycloneDX: the inventory of models as a bill of materials (ML-BOM), with findings as vulnerabilities.
//!
//! The document is built with the typed model of version 1.5 and lifted to 1.6 or 1.7 in `lift.rs`: those versions add
//! where in a file something was seen. What a file says about itself — licence, task, architecture — is a claim; what
//! was read from its bytes — format, digest, tensors — carries evidence.

mod claims;
mod components;
mod lift;
mod vulnerabilities;

use std::io::{self, Write};

use cyclonedx_bom::external_models::uri::Uri;
use cyclonedx_bom::models::bom::BomReference;
use cyclonedx_bom::models::component::{Classification, Component, Components};
use cyclonedx_bom::models::composition::{AggregateType, Composition, Compositions};
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::external_reference::{ExternalReference, ExternalReferenceType, ExternalReferences};
use cyclonedx_bom::models::lifecycle::{Lifecycle, Lifecycles, Phase};
use cyclonedx_bom::models::property::{Properties, Property};
use cyclonedx_bom::models::tool::Tools;
use cyclonedx_bom::models::vulnerability::Vulnerabilities;
use cyclonedx_bom::prelude::{Bom, DateTime, Metadata, NormalizedString, SpecVersion as Typed};

use crate::render::{links, time, uri, wording};
use crate::report::{Report, Status, Verdict};

use components::Inventory;

/// Reference of the scanned root.
const ROOT: &str = "root";

/// Version of the specification to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum SpecVersion {
    /// 1.5.
    V1_5,
    /// 1.6: what Dependency-Track, Trivy and GitLab read.
    #[default]
    V1_6,
    /// 1.7.
    V1_7,
}

impl SpecVersion {
    /// As the document states it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_5 => "1.5",
            Self::V1_6 => "1.6",
            Self::V1_7 => "1.7",
        }
    }
}

/// What the caller may choose.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Version of the specification.
    pub version: SpecVersion,
    /// Equal reports give equal bytes: the serial number is derived from the content, the time is left out.
    pub reproducible: bool,
    /// Seconds since 1970 to state instead of the time of the run, in reproducible documents too
    /// (`SOURCE_DATE_EPOCH`).
    pub timestamp: Option<u32>,
    /// Name of what was scanned, such as the repository's. Without it the remote's name is taken.
    pub name: Option<String>,
    /// Add the properties that GitLab asks of a bill that it is to list.
    pub gitlab: bool,
}

/// Writes `report` as a CycloneDX document, with a newline at the end.
///
/// # Errors
///
/// Those of `out`; besides, if the typed model cannot be written as JSON, which would be a fault of ours.
pub fn write(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let inventory = Inventory::of(report);
    let mut typed = Vec::new();
    bom(report, options, &inventory).output_as_json_v1_5(&mut typed).map_err(io::Error::other)?;
    let document = lift::document(serde_json::from_slice(&typed)?, report, options, &inventory)?;
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

fn bom(report: &Report, options: &Options, inventory: &Inventory<'_>) -> Bom {
    let mut components = components::all(inventory);
    if options.gitlab {
        components.iter_mut().zip(&inventory.items).for_each(|(component, item)| for_gitlab(component, item.path));
    }
    let references: Vec<String> = inventory.items.iter().map(|item| item.reference.clone()).collect();
    let mut dependencies = vec![Dependency { dependency_ref: ROOT.to_owned(), dependencies: references.clone() }];
    dependencies.extend(
        references.into_iter().map(|reference| Dependency { dependency_ref: reference, dependencies: Vec::new() }),
    );
    let vulnerabilities = vulnerabilities::all(report, inventory);
    Bom {
        // The lift sets it, when the content that it may depend on is final.
        serial_number: None,
        metadata: Some(metadata(report, options)),
        components: Some(Components(components)),
        dependencies: Some(Dependencies(dependencies)),
        compositions: gaps(inventory).map(|gaps| Compositions(vec![gaps])),
        vulnerabilities: (!vulnerabilities.is_empty()).then_some(Vulnerabilities(vulnerabilities)),
        spec_version: Typed::V1_5,
        ..Bom::default()
    }
}

/// What is known to be missing: the constituents of files that were not read to the end.
fn gaps(inventory: &Inventory<'_>) -> Option<Composition> {
    let unread = inventory.items.iter().filter(|item| item.status != Status::Complete);
    let assemblies: Vec<BomReference> = unread.map(|item| BomReference::new(&item.reference)).collect();
    (!assemblies.is_empty()).then_some(Composition {
        bom_ref: None,
        aggregate: AggregateType::Incomplete,
        assemblies: Some(assemblies),
        dependencies: None,
        vulnerabilities: None,
        signature: None,
    })
}

fn metadata(report: &Report, options: &Options) -> Metadata {
    let seconds = match options.timestamp {
        Some(given) => f64::from(given),
        None if options.reproducible => 0.0,
        None => report.start_time,
    };
    let mut properties = run_properties(report);
    if options.gitlab {
        properties.push(Property::new("gitlab:meta:schema_version", "1"));
    }
    Metadata {
        timestamp: time::utc(seconds).and_then(|text| DateTime::try_from(text).ok()),
        tools: Some(Tools::Object { services: None, components: Some(Components(vec![tool(report)])) }),
        component: Some(root(report, options)),
        lifecycles: Some(Lifecycles(vec![Lifecycle::Phase(Phase::Discovery)])),
        properties: Some(Properties(properties)),
        ..Metadata::default()
    }
}

fn tool(report: &Report) -> Component {
    let (name, version) = (wording::line(&report.tool.name, 255), wording::line(&report.tool.version, 100));
    let mut tool = Component::new(Classification::Application, &name, &version, None);
    tool.properties = Some(Properties(vec![
        property("rules_digest", &report.tool.rules_digest),
        property("names_digest", &report.tool.names_digest),
    ]));
    tool.external_references = links::home().map(|home| references(ExternalReferenceType::Vcs, home));
    tool
}

/// What was scanned, as a whole.
fn root(report: &Report, options: &Options) -> Component {
    let checkout = report.checkout.as_ref();
    let remote = checkout.and_then(|checkout| uri::repository(checkout.repository.as_deref()?));
    let remote_name = remote.as_deref().and_then(|url| url.trim_end_matches(".git").rsplit('/').next());
    let name = options.name.as_deref().or(remote_name).filter(|name| !name.is_empty()).unwrap_or("scanned files");
    let revision = checkout.and_then(|checkout| checkout.revision.as_deref());
    let mut root = Component::new(Classification::Application, &wording::line(name, 255), "", Some(ROOT.to_owned()));
    root.version = revision.map(|id| NormalizedString::new(&wording::line(id, 100)));
    root.external_references = remote.map(|url| references(ExternalReferenceType::Vcs, &url));
    root
}

fn references(kind: ExternalReferenceType, address: &str) -> ExternalReferences {
    ExternalReferences(vec![ExternalReference::new(kind, Uri::new(address))])
}

fn run_properties(report: &Report) -> Vec<Property> {
    let verdict = match report.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Error => "error",
    };
    vec![
        property("verdict", verdict),
        property("files_scanned", &report.files_scanned.to_string()),
        property("bytes_scanned", &report.bytes_scanned.to_string()),
        property("files_ignored", &report.files_ignored.to_string()),
        property("scan_complete", if report.has_errors { "false" } else { "true" }),
    ]
}

/// Where GitLab is to say that a component comes from.
fn for_gitlab(component: &mut Component, path: &str) {
    let property = Property::new("gitlab:dependency_scanning:input_file:path", &wording::file(path));
    component.properties.get_or_insert_with(|| Properties(Vec::new())).0.push(property);
}

/// A property in the project's namespace.
fn property(name: &str, value: &str) -> Property {
    Property::new(format!("modelaudit:{name}"), &wording::line(value, 1_024))
}
