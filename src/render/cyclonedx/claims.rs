//! What a model file says about itself, as claims: nothing here was checked against its bytes.

use cyclonedx_bom::models::component_data::{ComponentData, ComponentDataType};
use cyclonedx_bom::models::license::{License, LicenseChoice, LicenseIdentifier, Licenses};
use cyclonedx_bom::models::modelcard::{Dataset, Datasets, ModelCard, ModelParameters};
use cyclonedx_bom::models::property::Property;
use cyclonedx_bom::prelude::{NormalizedString, SpdxIdentifier};
use serde_json::{Map, Value};

use crate::render::cyclonedx::property;
use crate::render::wording;

/// Metadata keys under which formats state the same thing, the most telling first.
const LICENSE: [&str; 4] = ["license", "licence", "general.license", "model.license"];
const TASK: [&str; 3] = ["pipeline_tag", "task", "general.task"];
const FAMILY: [&str; 3] = ["general.architecture", "model_type", "architecture_family"];
const ARCHITECTURE: [&str; 4] = ["architectures", "architecture", "model_architecture", "class_name"];
const DATASETS: [&str; 3] = ["datasets", "dataset", "general.datasets"];

/// The licence, by its SPDX id if it is one.
pub(super) fn licenses(metadata: &Map<String, Value>) -> Option<Licenses> {
    let claim = first(metadata, &LICENSE)?;
    // Hubs write ids in lower case: `apache-2.0`.
    let identifier = match SpdxIdentifier::imprecise(claim.clone()) {
        Ok(id) if id.to_string().eq_ignore_ascii_case(&claim) => LicenseIdentifier::SpdxId(id),
        _ => LicenseIdentifier::Name(NormalizedString::new(&claim)),
    };
    let license = License {
        bom_ref: None,
        license_identifier: identifier,
        text: None,
        url: None,
        licensing: None,
        properties: None,
    };
    Some(Licenses(vec![LicenseChoice::License(license)]))
}

/// A model card, if the file says anything that belongs on one.
pub(super) fn model_card(metadata: &Map<String, Value>) -> Option<ModelCard> {
    let parameters = ModelParameters {
        approach: None,
        task: first(metadata, &TASK),
        architecture_family: first(metadata, &FAMILY),
        model_architecture: first(metadata, &ARCHITECTURE),
        datasets: datasets(metadata),
        inputs: None,
        outputs: None,
    };
    let says_something = parameters.task.is_some()
        || parameters.architecture_family.is_some()
        || parameters.model_architecture.is_some()
        || parameters.datasets.is_some();
    says_something.then_some(ModelCard {
        bom_ref: None,
        model_parameters: Some(parameters),
        quantitative_analysis: None,
        considerations: None,
        properties: None,
    })
}

/// All metadata as properties.
pub(super) fn properties(metadata: &Map<String, Value>) -> impl Iterator<Item = Property> {
    metadata.iter().filter_map(|(key, value)| {
        let name = format!("metadata:{}", wording::line(key, 200));
        Some(property(&name, &shown(value)?))
    })
}

fn datasets(metadata: &Map<String, Value>) -> Option<Datasets> {
    let value = DATASETS.iter().find_map(|key| metadata.get(*key))?;
    let names: Vec<String> = match value {
        Value::Array(list) => list.iter().filter_map(shown).take(50).collect(),
        one => shown(one).into_iter().collect(),
    };
    let dataset = |name| {
        Dataset::Component(ComponentData {
            bom_ref: None,
            data_type: ComponentDataType::Dataset,
            name: Some(name),
            contents: None,
            classification: None,
            sensitive_data: None,
            graphics: None,
            description: None,
            governance: None,
        })
    };
    (!names.is_empty()).then(|| Datasets(names.into_iter().map(dataset).collect()))
}

fn first(metadata: &Map<String, Value>, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| match metadata.get(*key)? {
        Value::Array(list) => list.iter().find_map(shown),
        Value::Object(_) => None,
        value => shown(value),
    })
}

/// A value in one line; None if there is nothing to show.
fn shown(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => wording::line(text, 1_024),
        other => wording::line(&other.to_string(), 1_024),
    };
    (!text.is_empty()).then_some(text)
}
