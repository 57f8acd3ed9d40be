//! What hosts of CI read: GitLab's reports, `JUnit`, workflow commands. The rules are those that the hosts publish,
//! written down here again; all formats go through the same hostile reports.

use std::collections::HashSet;

use modelaudit::finding::{Finding, Severity};
use modelaudit::render::{cyclonedx, github, gitlab_codequality, gitlab_sast, json, junit, markdown, sarif, text};
use modelaudit::report::Report;
use serde_json::{Value, json};

use crate::sample::{self, is_visible};

type Print = fn(&Report, &mut dyn std::io::Write) -> std::io::Result<()>;

/// Every format by its name on the command line.
const FORMATS: [(&str, Print); 9] = [
    ("text", |report, out| text::write(report, &text::Options::default(), out)),
    ("json", |report, out| json::write(report, out)),
    ("sarif", |report, out| sarif::write(report, &sarif::Options::default(), out)),
    ("cyclonedx", |report, out| {
        cyclonedx::write(report, &cyclonedx::Options { reproducible: true, ..cyclonedx::Options::default() }, out)
    }),
    ("markdown", |report, out| markdown::write(report, &markdown::Options::default(), out)),
    ("gitlab-sast", |report, out| gitlab_sast::write(report, &gitlab_sast::Options::default(), out)),
    ("gitlab-codequality", |report, out| {
        gitlab_codequality::write(report, &gitlab_codequality::Options::default(), out)
    }),
    ("github", |report, out| github::write(report, &github::Options::default(), out)),
    ("junit", |report, out| junit::write(report, &junit::Options::default(), out)),
];

fn print(format: &str, report: &Report) -> String {
    let (_, write) = FORMATS.iter().find(|(name, _)| *name == format).unwrap();
    let mut out = Vec::new();
    write(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn data(format: &str, report: &Report) -> Value {
    serde_json::from_str(&print(format, report)).unwrap()
}

#[test]
fn gitlab_sast() {
    insta::assert_snapshot!(print("gitlab-sast", &sample::review()));
}

#[test]
fn gitlab_codequality() {
    insta::assert_snapshot!(print("gitlab-codequality", &sample::review()));
}

#[test]
fn workflow_commands() {
    insta::assert_snapshot!(print("github", &sample::review()));
}

#[test]
fn junit_xml() {
    insta::assert_snapshot!(print("junit", &sample::review()));
}

/// What GitLab's schema 15.2.1 asks of the keys that are written.
fn sast_schema() -> Value {
    let text = |most: usize| json!({ "type": "string", "minLength": 1, "maxLength": most });
    let time = json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$" });
    let link = json!({ "type": "string", "pattern": "^(https?|ftp)://.+" });
    let tool = json!({
        "type": "object",
        "required": ["id", "name", "version", "vendor"],
        "properties": {
            "id": text(255), "name": text(255), "version": text(255), "url": link,
            "vendor": { "type": "object", "required": ["name"], "properties": { "name": text(255) } },
        },
    });
    let cell = json!({ "oneOf": [
        { "required": ["value"], "properties": { "type": { "const": "text" }, "value": { "type": "string" } } },
        {
            "required": ["module_name", "offset"],
            "properties": {
                "type": { "const": "module-location" }, "module_name": text(5000), "offset": { "type": "integer" },
            },
        },
    ] });
    let table = json!({
        "type": "object",
        "required": ["name", "type", "header", "rows"],
        "properties": {
            "name": text(255), "type": { "const": "table" },
            "header": { "type": "array", "items": cell },
            "rows": { "type": "array", "maxItems": 101, "items": { "type": "array", "items": cell } },
        },
    });
    let place = json!({
        "type": "object",
        "required": ["file", "start_line", "end_line"],
        "properties": {
            "file": { "type": "string", "minLength": 1, "not": { "pattern": "(^/|^\\./|(^|/)\\.\\.(/|$))" } },
            "start_line": { "const": 1 }, "end_line": { "const": 1 },
            "signatures": {
                "type": "array", "minItems": 1,
                "items": { "required": ["algorithm", "value"], "properties": { "algorithm": { "const": "scope_offset" } } },
            },
        },
    });
    let vulnerability = json!({
        "type": "object",
        "required": ["id", "name", "description", "severity", "identifiers", "location", "details", "tracking"],
        "properties": {
            "id": { "type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" },
            "name": text(255),
            "description": text(1_048_576),
            "solution": text(7_000),
            "severity": { "enum": ["Info", "Unknown", "Low", "Medium", "High", "Critical"] },
            "identifiers": {
                "type": "array", "minItems": 1, "maxItems": 20,
                "items": {
                    "required": ["type", "name", "value"],
                    "properties": { "type": text(255), "name": text(255), "value": text(255), "url": link },
                },
            },
            "links": { "type": "array", "items": { "required": ["url"], "properties": { "url": link } } },
            "location": place,
            "details": { "type": "object", "required": ["findings"], "properties": { "findings": table } },
            "tracking": {
                "required": ["type", "items"],
                "properties": { "type": { "const": "source" }, "items": { "type": "array", "items": place } },
            },
        },
    });
    json!({
        "type": "object",
        "required": ["version", "scan", "vulnerabilities"],
        "properties": {
            "version": { "const": "15.2.1" },
            "scan": {
                "type": "object",
                "required": ["analyzer", "scanner", "type", "start_time", "end_time", "status"],
                "properties": {
                    "analyzer": tool, "scanner": tool, "type": { "const": "sast" },
                    "start_time": time, "end_time": time, "status": { "enum": ["success", "failure"] },
                    "messages": {
                        "type": "array",
                        "items": {
                            "required": ["level", "value"],
                            "properties": { "level": { "enum": ["info", "warn", "fatal"] }, "value": text(5000) },
                        },
                    },
                },
            },
            "vulnerabilities": { "type": "array", "maxItems": 5000, "items": vulnerability },
        },
    })
}

#[test]
fn gitlab_accepts_sast() {
    let schema = jsonschema::validator_for(&sast_schema()).unwrap();
    for (name, report) in sample::all() {
        let document = data("gitlab-sast", &report);
        let problems: Vec<String> =
            schema.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(problems.is_empty(), "{name}: {problems:#?}");
        let list = document["vulnerabilities"].as_array().unwrap();
        // What GitLab would collapse into one.
        let places: HashSet<String> =
            list.iter().map(|one| format!("{}{}", one["location"]["file"], one["identifiers"][0]["value"])).collect();
        assert!(places.len() == list.len() || name == "hostile" || name == "spoilt", "{name}");
        let active: HashSet<_> = report.active().map(|finding| (&finding.rule_code, &finding.path)).collect();
        assert!(list.len() == active.len().min(5_000), "{name}: {} of {}", list.len(), active.len());
    }
}

#[test]
fn sast_tracks_what_was_found_and_not_where() {
    let first = |report: &Report| data("gitlab-sast", report)["vulnerabilities"][0].clone();
    let report = sample::diff();
    let mut moved = report.clone();
    (moved.issues[0].offset, moved.issues[0].occurrences) = (Some(4_711), 9);
    assert_eq!(first(&report)["id"], first(&moved)["id"]);
    assert_eq!(first(&report)["tracking"], first(&moved)["tracking"]);
    let mut other = report.clone();
    other.issues[0].fingerprint = "0".repeat(32);
    assert_ne!(first(&report)["id"], first(&other)["id"]);
}

#[test]
fn sast_says_what_the_scan_did_not_cover() {
    let scan = data("gitlab-sast", &sample::unread())["scan"].clone();
    assert_eq!(scan["status"], "failure");
    let messages = scan["messages"].to_string();
    for text in ["limit of 1 GiB reached", "permission denied", "Git LFS pointer", "no such file or directory"] {
        assert!(messages.contains(text), "{text}: {messages}");
    }
    assert_eq!(data("gitlab-sast", &sample::empty())["scan"]["status"], "success");
    let messages = data("gitlab-sast", &sample::rich())["scan"]["messages"].to_string();
    assert!(messages.contains("2 suppressed findings left out"), "{messages}");
    let messages = data("gitlab-sast", &sample::diff())["scan"]["messages"].to_string();
    assert!(messages.contains("only the files that the change touches"), "{messages}");
}

#[test]
fn gitlab_accepts_code_quality() {
    for (name, report) in sample::all() {
        let document = data("gitlab-codequality", &report);
        let entries = document.as_array().unwrap();
        let mut seen = HashSet::new();
        for entry in entries {
            for key in ["description", "check_name", "fingerprint"] {
                assert!(entry[key].as_str().is_some_and(|text| !text.is_empty()), "{name}: {key} of {entry}");
            }
            let severity = entry["severity"].as_str().unwrap();
            assert!(["info", "minor", "major", "critical", "blocker"].contains(&severity), "{name}: {severity}");
            let path = entry["location"]["path"].as_str().unwrap();
            let climbs = path.starts_with(['/', '.']) || path.split('/').any(|part| part == "..");
            assert!(!path.is_empty() && !climbs, "{name}: {path}");
            assert_eq!(entry["location"]["lines"]["begin"], 1);
            // GitLab collapses equal ones; hostile reports repeat whole files.
            let unique = seen.insert(entry["fingerprint"].as_str().unwrap());
            assert!(unique || name == "spoilt", "{name}: {entry}");
        }
    }
    assert_eq!(print("gitlab-codequality", &sample::empty()), "[]\n");
}

/// The elements and attributes of the schema that Jenkins checks reports with, as far as they are used.
fn check_junit(text: &str) {
    let document = roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let suites = document.root_element();
    assert!(suites.has_tag_name("testsuites"));
    let number = |node: roxmltree::Node<'_, '_>, name: &str| node.attribute(name).unwrap().parse::<usize>().unwrap();
    let elements = |node: roxmltree::Node<'_, '_>| -> Vec<String> {
        node.children().filter(roxmltree::Node::is_element).map(|one| one.tag_name().name().to_owned()).collect()
    };
    let suite = suites.first_element_child().unwrap();
    assert_eq!(elements(suites), ["testsuite"]);
    let allowed = ["name", "tests", "failures", "errors", "skipped", "time", "timestamp"];
    assert!(suite.attributes().all(|attribute| allowed.contains(&attribute.name())));
    let order = elements(suite);
    let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
    let mut expected = vec!["properties".to_owned()];
    expected.extend(cases.iter().map(|_| "testcase".to_owned()));
    expected.extend(order.last().filter(|last| *last == "system-out").cloned());
    assert_eq!(order, expected);
    for case in &cases {
        assert!(case.attributes().all(|attribute| ["name", "classname"].contains(&attribute.name())));
        assert!(["name", "classname"].iter().all(|name| !case.attribute(*name).unwrap().is_empty()));
        let ends = elements(*case);
        assert!(ends.len() <= 1, "{ends:?}");
        for end in case.children().filter(roxmltree::Node::is_element) {
            let name = end.tag_name().name();
            assert!(["skipped", "error", "failure", "system-out"].contains(&name), "{name}");
            let known = ["message", "type"];
            assert!(end.attributes().all(|attribute| known.contains(&attribute.name())), "{name}");
        }
    }
    let count = |name| cases.iter().filter(|case| elements(**case).contains(&String::from(name))).count();
    let (tests, failures, errors) = (cases.len(), count("failure"), count("error"));
    for node in [suites, suite] {
        assert_eq!(
            (number(node, "tests"), number(node, "failures"), number(node, "errors")),
            (tests, failures, errors)
        );
    }
    assert_eq!(number(suite, "skipped"), count("skipped"));
}

#[test]
fn jenkins_accepts_junit() {
    for (name, report) in sample::all() {
        eprintln!("{name}");
        check_junit(&print("junit", &report));
    }
}

#[test]
fn junit_fails_where_the_run_fails() {
    let mut report = sample::rich();
    let failures = |report: &Report| print("junit", report).matches("<failure ").count();
    let fails = |report: &Report, level| {
        let bad = report.active().filter(|finding| finding.severity >= level);
        bad.map(|finding| (&finding.rule_code, &finding.path)).collect::<HashSet<_>>().len()
    };
    assert_eq!(failures(&report), fails(&report, Severity::Medium));
    report.fail_on = Some(Severity::Critical);
    assert_eq!(failures(&report), fails(&report, Severity::Critical));
    report.fail_on = None;
    assert_eq!(failures(&report), 0);
}

/// A runner's view of one line: the level, the properties, the message.
fn command(line: &str) -> (String, Vec<(String, String)>, String) {
    let (head, message) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
    let (level, properties) = head.split_once(' ').unwrap();
    let properties = properties.split(',').map(|pair| pair.split_once('=').unwrap());
    (level.into(), properties.map(|(key, value)| (key.into(), value.into())).collect(), message.into())
}

#[test]
fn workflow_commands_are_ours_alone() {
    for (name, report) in sample::all() {
        let text = print("github", &report);
        let lines: Vec<&str> = text.lines().collect();
        let (last, commands) = lines.split_last().unwrap();
        assert!(last.starts_with("modelaudit: "), "{name}: {last}");
        for line in commands {
            let (level, properties, _) = command(line);
            assert!(["error", "warning", "notice"].contains(&level.as_str()), "{name}: {line}");
            for (key, value) in properties {
                assert!(["file", "line", "title"].contains(&key.as_str()), "{name}: {line}");
                assert!(!value.contains([':', ',', '\r', '\n']), "{name}: {line}");
            }
        }
        for level in ["error", "warning", "notice"] {
            let shown = commands.iter().filter(|line| line.starts_with(&format!("::{level} "))).count();
            assert!(shown <= 10, "{name}: {shown} of {level}");
        }
    }
    let text = print("github", &sample::many(6_000));
    assert!(text.contains("more of this level are in the full report"), "{text}");
}

#[test]
fn no_format_lets_a_scanned_file_act() {
    for (name, report) in [("hostile", sample::hostile()), ("spoilt", sample::spoilt())] {
        for (format, _) in FORMATS {
            let text = print(format, &report);
            assert!(is_visible(&text), "{format}: {name}");
            assert!(format != "junit" || !text.contains("]]>"), "{name}");
            let foreign = |line: &&str| line.trim_start().starts_with("::") && format != "github";
            assert_eq!(text.lines().find(foreign), None, "{format}: {name}");
        }
    }
    let text = print("text", &sample::spoilt());
    assert!(!text.contains("##["), "{text}");
}

#[test]
fn no_format_hides_what_was_not_read() {
    for (format, _) in FORMATS {
        let text = print(format, &sample::unread());
        for mark in ["big.gguf", "broken.onnx"] {
            assert!(text.contains(mark), "{format}: {mark} is not in\n{text}");
        }
    }
}

#[test]
fn what_does_not_fit_is_counted_and_the_worst_comes_first() {
    let report = sample::many(6_000);
    for (format, _) in FORMATS.into_iter().filter(|(format, _)| !["json", "text"].contains(format)) {
        let text = print(format, &report);
        assert!(text.len() < 10_000_000, "{format}: {}", text.len());
    }
    let entries = data("gitlab-codequality", &report);
    let entries = entries.as_array().unwrap();
    assert_eq!(entries.len(), 5_001);
    assert_eq!(entries[0]["severity"], "blocker");
    assert!(entries[5_000]["description"].as_str().unwrap().starts_with("1000 more entries did not fit"));

    // One a file, so that they do not collapse.
    let mut wide = report;
    wide.issues.iter_mut().enumerate().for_each(|(n, finding): (usize, &mut Finding)| finding.path = format!("{n}.pt"));
    let sast = data("gitlab-sast", &wide);
    let list = sast["vulnerabilities"].as_array().unwrap();
    assert!(list.len() <= 5_000 && list[0]["severity"] == "Critical");
    let message = sast["scan"]["messages"][0]["value"].as_str().unwrap();
    assert!(message.starts_with(&format!("{} more vulnerabilities did not fit", 6_000 - list.len())), "{message}");
    for finding in &mut wide.issues {
        finding.why = "long ".repeat(1_000);
    }
    let text = print("junit", &wide);
    check_junit(&text);
    assert!(text.len() < 10_000_000 && text.contains(" more cases did not fit"), "{}", text.len());
}

#[test]
fn a_bill_for_gitlab_says_where_components_come_from() {
    let options = cyclonedx::Options { gitlab: true, reproducible: true, ..cyclonedx::Options::default() };
    let mut out = Vec::new();
    cyclonedx::write(&sample::rich(), &options, &mut out).unwrap();
    let bom: Value = serde_json::from_slice(&out).unwrap();
    let has = |place: &Value, name: &str| place["properties"].as_array().unwrap().iter().any(|one| one["name"] == name);
    assert!(has(&bom["metadata"], "gitlab:meta:schema_version"));
    for component in bom["components"].as_array().unwrap() {
        assert!(has(component, "gitlab:dependency_scanning:input_file:path"), "{component}");
    }
    assert!(!print("cyclonedx", &sample::rich()).contains("gitlab:"));
}
