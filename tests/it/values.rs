//! Values of Python's standard library, pickled by Python itself, give no finding.

use std::fmt::Write as _;

use modelaudit::bytes::{Input, MemorySource};
use modelaudit::report::Status;
use modelaudit::rules::RuleSet;
use modelaudit::scan;
use serde::Deserialize;

use crate::fixtures::{from_hex, options, root};

/// One line of `fixtures/real/stdlib-values.jsonl`.
#[derive(Debug, Deserialize)]
struct Line {
    /// The expression that made the value.
    value: String,
    protocol: u8,
    /// In hexadecimal.
    pickle: String,
}

#[test]
fn values_of_the_standard_library_give_no_finding() {
    let lines = std::fs::read_to_string(root().join("fixtures/real/stdlib-values.jsonl")).unwrap();
    let lines: Vec<Line> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 400, "{}", lines.len());
    let mut wrong = String::new();
    for Line { value, protocol, pickle } in lines {
        let found = scan::scan(
            RuleSet::shipped(),
            &options(),
            &Input::new("value.pkl", MemorySource::new(from_hex(&pickle))),
            true,
        );
        let codes: Vec<String> = found.hits.iter().map(|hit| format!("{}: {}", hit.rule.code, hit.message)).collect();
        if !codes.is_empty() || found.coverage.status != Status::Complete {
            writeln!(wrong, "{value} at protocol {protocol}: {:?} {codes:?}", found.coverage).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
