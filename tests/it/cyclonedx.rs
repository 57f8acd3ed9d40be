//! CycloneDX output over the samples.

use modelaudit::render::cyclonedx::{self, Options, SpecVersion};
use modelaudit::report::Report;
use serde_json::Value;

use crate::sample;

fn bytes(report: &Report, options: &Options) -> Vec<u8> {
    let mut bytes = Vec::new();
    cyclonedx::write(report, options, &mut bytes).unwrap();
    assert_eq!(bytes.last(), Some(&b'\n'));
    bytes
}

fn render(report: &Report, version: SpecVersion) -> Value {
    let options = Options { version, reproducible: true, ..Options::default() };
    serde_json::from_slice(&bytes(report, &options)).unwrap()
}

#[test]
fn empty_report() {
    insta::assert_json_snapshot!(render(&sample::empty(), SpecVersion::V1_6));
}

#[test]
fn rich_report() {
    insta::assert_json_snapshot!(render(&sample::rich(), SpecVersion::V1_6));
}

#[test]
fn unread_files_are_incomplete_and_named() {
    insta::assert_json_snapshot!(render(&sample::unread(), SpecVersion::V1_7));
}

#[test]
fn version_1_5_has_nothing_of_later_ones() {
    let bom = render(&sample::rich(), SpecVersion::V1_5);
    let evidence = &bom["components"][0]["evidence"];
    assert_eq!(bom["specVersion"], "1.5");
    assert!(evidence["identity"].is_object());
    assert!(evidence["occurrences"][0]["offset"].is_null());
}

#[test]
fn reproducible_documents_are_equal_and_others_are_not() {
    let reproducible = Options { reproducible: true, ..Options::default() };
    assert_eq!(bytes(&sample::rich(), &reproducible), bytes(&sample::rich(), &reproducible));
    assert_ne!(bytes(&sample::rich(), &Options::default()), bytes(&sample::rich(), &Options::default()));
    let dated = Options { timestamp: Some(1_700_000_000), ..reproducible.clone() };
    let bom: Value = serde_json::from_slice(&bytes(&sample::rich(), &dated)).unwrap();
    assert_eq!(bom["metadata"]["timestamp"], "2023-11-14T22:13:20Z");
    let bom: Value = serde_json::from_slice(&bytes(&sample::rich(), &reproducible)).unwrap();
    assert!(bom["metadata"]["timestamp"].is_null());
}

#[test]
fn serial_numbers_follow_the_content() {
    let mut other = sample::rich();
    other.assets[0].size += 1;
    let serial = |report: &Report| render(report, SpecVersion::V1_6)["serialNumber"].clone();
    assert_ne!(serial(&sample::rich()), serial(&other));
}

#[test]
fn every_reference_is_unique_and_points_somewhere() {
    for (name, report) in sample::all() {
        let bom = render(&report, SpecVersion::V1_6);
        let list = |key: &str| bom[key].as_array().cloned().unwrap_or_default();
        let of = |all: &[Value]| -> Vec<String> {
            all.iter().map(|one| one["bom-ref"].as_str().unwrap().to_owned()).collect()
        };
        let (components, vulnerabilities) = (of(&list("components")), of(&list("vulnerabilities")));
        let mut all: Vec<&String> = components.iter().chain(&vulnerabilities).collect();
        all.sort();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count, "{name}");
        for vulnerability in list("vulnerabilities") {
            let target = vulnerability["affects"][0]["ref"].as_str().unwrap().to_owned();
            assert!(components.contains(&target), "{name}: {target}");
        }
    }
}

#[test]
fn decisions_become_analyses() {
    let bom = render(&sample::rich(), SpecVersion::V1_6);
    let states: Vec<&str> =
        bom["vulnerabilities"].as_array().unwrap().iter().filter_map(|one| one["analysis"]["state"].as_str()).collect();
    assert_eq!(states, ["false_positive", "not_affected"]);
}

#[test]
fn hostile_texts_are_escaped_in_all_places() {
    let text = String::from_utf8(bytes(&sample::hostile(), &Options::default())).unwrap();
    assert!(!text.contains('\u{202e}') && !text.contains("\\u001b") && !text.contains("\\u0000"));
    assert!(!text.contains("javascript:"));
}
