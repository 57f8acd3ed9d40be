//! From the typed 1.5 document to the version asked for.
//!
//! Version 1.6 can say where in a file something was seen, lists several identities and tells a declared licence from a
//! concluded one; 1.7 changes nothing that is used here.

use std::io;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::finding::Finding;
use crate::render::cyclonedx::components::{Inventory, Item, OCCURRENCES};
use crate::render::cyclonedx::{Options, SpecVersion};
use crate::render::wording;
use crate::report::Report;

/// Details that name what stands at an offset, the most telling first.
const SYMBOLS: [&str; 6] = ["call", "opcode", "operator", "tensor", "key", "name"];

/// The final document.
///
/// # Errors
///
/// If `typed` is no object.
pub(super) fn document(
    typed: Value,
    report: &Report,
    options: &Options,
    inventory: &Inventory<'_>,
) -> io::Result<Value> {
    let Value::Object(mut body) = typed else {
        return Err(io::Error::other("the CycloneDX document is not an object"));
    };
    for key in ["bomFormat", "specVersion", "serialNumber", "version"] {
        body.shift_remove(key);
    }
    body.get_mut("vulnerabilities").and_then(Value::as_array_mut).into_iter().flatten().for_each(name_response);
    if options.version > SpecVersion::V1_5 {
        let components = body.get_mut("components").and_then(Value::as_array_mut);
        for (component, item) in components.into_iter().flatten().zip(&inventory.items) {
            lift(component, item);
        }
    }
    let version = options.version.as_str();
    let mut document = Map::new();
    document.insert("$schema".to_owned(), json!(format!("http://cyclonedx.org/schema/bom-{version}.schema.json")));
    document.insert("bomFormat".to_owned(), json!("CycloneDX"));
    document.insert("specVersion".to_owned(), json!(version));
    document.insert("serialNumber".to_owned(), json!(serial_number(&body, report, options)?));
    document.insert("version".to_owned(), json!(1));
    document.extend(body);
    Ok(Value::Object(document))
}

/// Equal content gives equal numbers in reproducible documents; otherwise each document has its own.
fn serial_number(body: &Map<String, Value>, report: &Report, options: &Options) -> io::Result<String> {
    let id = if options.reproducible {
        let mut content = format!("{} {}\n", report.tool.name, options.version.as_str()).into_bytes();
        serde_json::to_writer(&mut content, body)?;
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &content)
    } else {
        Uuid::new_v4()
    };
    Ok(format!("urn:uuid:{id}"))
}

/// The typed model writes `responses`; all versions of the schema call it `response`.
fn name_response(vulnerability: &mut Value) {
    let analysis = vulnerability.get_mut("analysis").and_then(Value::as_object_mut);
    if let Some(analysis) = analysis
        && let Some(responses) = analysis.remove("responses")
    {
        analysis.insert("response".to_owned(), responses);
    }
}

fn lift(component: &mut Value, item: &Item<'_>) {
    for choice in component.get_mut("licenses").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(license) = choice.get_mut("license").and_then(Value::as_object_mut) {
            license.insert("acknowledgement".to_owned(), json!("declared"));
        }
    }
    let Some(evidence) = component.get_mut("evidence").and_then(Value::as_object_mut) else { return };
    if let Some(identity) = evidence.get_mut("identity").filter(|identity| identity.is_object()) {
        *identity = Value::Array(vec![identity.take()]);
    }
    let own = json!({"location": wording::line(item.path, 1_000)});
    let seen = item.findings.iter().take(OCCURRENCES - 1).map(|finding| occurrence(finding));
    evidence.insert("occurrences".to_owned(), Value::Array(std::iter::once(own).chain(seen).collect()));
}

/// Where a finding is: the offset counts in the innermost file of the location.
fn occurrence(finding: &Finding) -> Value {
    let mut place = Map::new();
    place.insert("location".to_owned(), json!(wording::chain(&finding.path, &finding.members, 1_000)));
    // The schema's integers are those of JavaScript.
    if let Some(offset) = finding.offset.filter(|offset| *offset < 1 << 53) {
        place.insert("offset".to_owned(), json!(offset));
    }
    let symbol = SYMBOLS.iter().find_map(|key| finding.details.get(*key)?.as_str()).filter(|text| !text.is_empty());
    if let Some(symbol) = symbol {
        place.insert("symbol".to_owned(), json!(wording::line(symbol, 500)));
    }
    let context = format!("{}: {}", finding.rule_code, finding.message);
    place.insert("additionalContext".to_owned(), json!(wording::line(&context, 1_000)));
    Value::Object(place)
}
