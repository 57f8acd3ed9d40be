//! One payload is one finding, however deep it lies and however its containers are mixed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use modelaudit::bytes::{Input, Limits, MemorySource};
use modelaudit::report::Status;
use modelaudit::rules::RuleSet;
use modelaudit::scan::{self, Options, Outcome};

use crate::fixtures::{options, root};

fn layered(count: usize) -> Vec<u8> {
    let suffix = if count == 0 { "pkl" } else { "zip" };
    std::fs::read(root().join(format!("fixtures/layers/payload-{count}.{suffix}"))).unwrap()
}

fn read(bytes: Vec<u8>, limits: Limits) -> Outcome<'static> {
    let input = Input::new("model.bin", MemorySource::new(bytes));
    scan::scan(RuleSet::shipped(), &Options { limits, ..options() }, &input, true)
}

/// What a fingerprint is made of, but the chain of members.
fn evidence(outcome: &Outcome<'_>) -> BTreeSet<String> {
    let hits = outcome.hits.iter().filter(|hit| hit.rule.code == "S101");
    hits.map(|hit| format!("{} {} {} {}", hit.rule.code, hit.severity, hit.message, hit.evidence)).collect()
}

#[test]
fn a_payload_is_the_same_finding_below_any_layers() {
    let bare = read(layered(0), Limits::default());
    assert_eq!(evidence(&bare).len(), 1);
    for count in [1, 5, 10] {
        let found = read(layered(count), Limits::default());
        assert_eq!(evidence(&found), evidence(&bare), "{count} layers");
        assert_eq!(found.coverage.status, Status::Complete, "{count} layers");
        let hit = found.hits.iter().find(|hit| hit.rule.code == "S101").unwrap();
        assert_eq!(hit.name.members.len(), count, "every container is named: {}", hit.name);
    }
}

#[test]
fn one_layer_beyond_the_limit_is_said_to_be_unread() {
    for (count, depth) in [(11, Limits::default().depth), (5, 4)] {
        let found = read(layered(count), Limits { depth, ..Limits::default() });
        let codes: BTreeSet<&str> = found.hits.iter().map(|hit| hit.rule.code.as_str()).collect();
        assert_eq!(codes, BTreeSet::from(["S912"]), "{count} layers: a limit is no bomb");
        assert_eq!(found.coverage.status, Status::Partial);
        let deeper = read(layered(count), Limits { depth: depth + 1, ..Limits::default() });
        assert_eq!((evidence(&deeper).len(), deeper.coverage.status), (1, Status::Complete));
    }
}

/// An archive of `count` members that inflate to `size` bytes each.
fn archive(count: usize, size: usize) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut name = String::new();
    for n in 0..count {
        name.clear();
        write!(name, "{n}").unwrap();
        writer.start_file(&*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(&vec![0; size]).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn members_are_counted_over_all_archives() {
    let limits = Limits { members: 600, ..Limits::default() };
    let found = read(archive(601, 1), limits);
    assert_eq!(found.coverage.status, Status::Partial);
    assert_eq!(found.hits.iter().map(|hit| hit.rule.code.as_str()).collect::<Vec<_>>(), ["S912"]);
    assert_eq!(read(archive(600, 1), limits).coverage.status, Status::Complete);
}

#[test]
fn what_all_members_unpack_to_has_a_limit() {
    let limits = Limits { decoded_bytes: 8 << 20, decoded_ratio: None, ..Limits::default() };
    let found = read(archive(9, 1 << 20), limits);
    assert_eq!(found.coverage.status, Status::Partial);
    assert!(found.hits.iter().all(|hit| hit.rule.code == "S912"), "a limit is no bomb");
    assert_eq!(read(archive(7, 1 << 20), limits).coverage.status, Status::Complete);
}
