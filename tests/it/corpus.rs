//! All rules over all fixtures, and over real models when they are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use modelaudit::bytes::{FileSource, Input, InputName, MemorySource};
use modelaudit::finding::Severity;
use modelaudit::formats::{Detected, Format, by_name};
use modelaudit::report::Status;
use modelaudit::rules::{Hit, RuleSet};
use modelaudit::scan::{self, Recorder};

use crate::fixtures::{families, open, options, root};

fn codes(hits: &[Hit<'_>]) -> BTreeSet<String> {
    hits.iter().flat_map(|hit| std::iter::once(hit.rule.code.clone()).chain(hit.related.iter().cloned())).collect()
}

/// One line a hit, for snapshots.
fn line(hit: &Hit<'_>) -> String {
    let place = hit.span.map_or_else(String::new, |span| format!(" @{:#x}", span.offset));
    let related = if hit.related.is_empty() { String::new() } else { format!(" (+{})", hit.related.join(" ")) };
    let times = if hit.occurrences > 1 { format!(" ×{}", hit.occurrences) } else { String::new() };
    let members = hit.name.members.iter().map(|member| format!("!/{member}")).collect::<String>();
    format!(
        "  {} {}{place}{}{times}{related}: {}\n",
        hit.rule.code,
        hit.severity,
        modelaudit::escape::printable(&members, 120),
        hit.message
    )
}

#[test]
fn every_fixture_is_found_out_and_every_twin_is_left_alone() {
    let mut wrong = String::new();
    for family in families() {
        for fixture in &family.fixtures {
            let found = scan::scan(RuleSet::shipped(), &options(), &open(&family, fixture), true);
            let codes = codes(&found.hits);
            for code in fixture.expect.iter().filter(|code| !codes.contains(*code)) {
                writeln!(
                    wrong,
                    "{}/{} ({}): {code} is missing, found {codes:?}",
                    family.name, fixture.file, fixture.note
                )
                .unwrap();
            }
            for code in fixture.misses.iter().filter(|code| codes.contains(*code)) {
                writeln!(wrong, "{}/{} ({}): {code} is a false alarm", family.name, fixture.file, fixture.note)
                    .unwrap();
            }
            if fixture.expect.is_empty() {
                for hit in found.hits.iter().filter(|hit| hit.severity >= Severity::Medium) {
                    write!(wrong, "{}/{} is benign, yet{}", family.name, fixture.file, line(hit)).unwrap();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn findings() {
    for family in families() {
        let mut text = String::new();
        for fixture in &family.fixtures {
            let found = scan::scan(RuleSet::shipped(), &options(), &open(&family, fixture), true);
            let coverage = &found.coverage;
            let reason = coverage.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
            writeln!(text, "{} [{:?}{reason}]", fixture.file, coverage.status).unwrap();
            let mut lines: Vec<String> = found.hits.iter().map(line).collect();
            lines.sort();
            text.extend(lines);
        }
        insta::assert_snapshot!(format!("findings_{}", family.name), text);
    }
}

#[test]
fn facts() {
    for family in families() {
        let mut text = String::new();
        for fixture in &family.fixtures {
            let mut recorder = Recorder::default();
            scan::facts(&options(), &open(&family, fixture), &mut recorder);
            writeln!(text, "{}", fixture.file).unwrap();
            for fact in recorder.facts.iter().take(60) {
                let place = fact.offset.map_or_else(String::new, |offset| format!(" @{offset:#x}"));
                let fields = serde_json::to_string(&fact.fields).unwrap();
                let member = fact.at.split_once("!/").map_or_else(String::new, |(_, member)| format!(" !/{member}"));
                writeln!(text, "  {}{place}{member} {fields}", fact.fact).unwrap();
            }
        }
        insta::assert_snapshot!(format!("facts_{}", family.name), text);
    }
}

#[test]
fn two_harmless_formats_are_said() {
    // Containers and formats with code make the pair a polyglot; of the others this build has too few to make a file.
    let found = |second: &'static Format| {
        let formats = vec![by_name("safetensors").unwrap(), second];
        let mut facts = Vec::new();
        scan::polyglot(&Detected { formats, model_extension: true }, &mut |fact| facts.push(fact.subject().to_owned()));
        facts
    };
    assert_eq!(found(by_name("safetensors").unwrap()), ["second-format"]);
    for live in ["pickle", "zip"] {
        assert_eq!(found(by_name(live).unwrap()), ["polyglot"]);
    }
}

#[test]
fn what_cannot_be_opened_is_found() {
    let (rules, name) = (RuleSet::shipped(), InputName::top("model.safetensors"));
    let pointer = scan::unresolved(rules, &name, "git-lfs", "sha256:00", 132);
    assert_eq!((codes(&pointer.hits), pointer.coverage.status), (["S914".to_owned()].into(), Status::Skipped));
    let gone = scan::unopened(rules, &name, 0, &std::io::ErrorKind::PermissionDenied.into());
    assert_eq!((codes(&gone.hits), gone.coverage.status), (["S999".to_owned()].into(), Status::Failed));
    assert_eq!(gone.errors.len(), 1);
}

#[test]
fn a_blob_is_what_its_name_says() {
    let content = include_bytes!("../../fixtures/unread/known.pkl").as_slice();
    let digest = "e71559db7df35982f168ca0bd6d35a0270e621095a7bfd0c3a1773ed09ae1a44";
    let found = |name: &str| {
        let input = Input::new(format!("image/blobs/sha256/{name}"), MemorySource::new(content));
        codes(&scan::scan(RuleSet::shipped(), &options(), &input, true).hits)
    };
    assert_eq!(found(digest), BTreeSet::new());
    assert_eq!(found(&digest.replace('0', "1")), ["S1223".to_owned()].into());
}

/// The manifest of the real files that frameworks wrote.
#[derive(serde::Deserialize)]
struct Real {
    expect: String,
}

#[test]
fn real_models_of_every_framework_give_no_finding() {
    let corpus = std::env::var_os("MODELAUDIT_CORPUS").map_or_else(|| root().join("../shared/corpus"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(corpus.join("manifest.json")) else {
        eprintln!(
            "skipped: real_models_of_every_framework_give_no_finding (MODELAUDIT_CORPUS names no folder with a manifest)"
        );
        return;
    };
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let entries = manifest.get("files").unwrap_or(&manifest);
    let entries: BTreeMap<String, Real> = serde_json::from_value(entries.clone()).unwrap();
    let mut wrong = String::new();
    let mut read = 0;
    for (path, real) in &entries {
        let source = FileSource::open(&corpus.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let found = scan::scan(RuleSet::shipped(), &options(), &Input::new(path.clone(), Arc::new(source)), false);
        let limit = match real.expect.as_str() {
            // An unknown class is S215, medium; nothing worse may be said of it.
            "unknown-class" => Severity::High,
            // Functions stored by value: that, once, and nothing else.
            "code"
                if path.starts_with("dill/")
                    || path.starts_with("cloudpickle/")
                    || path.ends_with("python_model.pkl") =>
            {
                let codes: Vec<&str> = found.hits.iter().map(|hit| hit.rule.code.as_str()).collect();
                if codes != ["S507"] || found.hits.iter().any(|hit| hit.severity != Severity::High) {
                    writeln!(wrong, "{path}: {codes:?}").unwrap();
                }
                continue;
            }
            "code" => continue,
            _ => Severity::Medium,
        };
        for hit in found.hits.iter().filter(|hit| hit.severity >= limit) {
            write!(wrong, "{path} (expect {}):{}", real.expect, line(hit)).unwrap();
        }
        // What this build does not read of a model, it says.
        let said = found.coverage.reason.as_deref() == Some("unsupported: the layers that Keras makes of model_config");
        if matches!(found.coverage.status, Status::Partial | Status::Failed) && !said {
            writeln!(wrong, "{path}: {:?}", found.coverage).unwrap();
        }
        read += usize::from(found.coverage.status == Status::Complete && !found.ignored);
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(read > 0, "the corpus holds files that this build reads");
}
