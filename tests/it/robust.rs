//! Hostile variations of every fixture: no panic, the same answer twice, and a cut file never looks complete by
//! hiding what it held.

use modelaudit::bytes::{Input, Limits, MemorySource};
use modelaudit::report::Status;
use modelaudit::rules::RuleSet;
use modelaudit::scan::{self, Options, Outcome};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::fixtures::families;

/// Small limits: hostile input must meet them, not the machine's.
fn options() -> Options {
    let limits = Limits { decoded_bytes: 64 << 20, members: 10_000, work: 20_000_000, ..Limits::default() };
    Options { limits, payload: true }
}

fn run(name: &str, bytes: Vec<u8>) -> Outcome<'static> {
    let found = scan::scan(RuleSet::shipped(), &options(), &Input::new(name, MemorySource::new(bytes)), true);
    let fault = found.hits.iter().find(|hit| hit.rule.code == "S999");
    assert!(fault.is_none(), "{name}: {}", fault.unwrap().message);
    found
}

fn contents() -> Vec<(String, Vec<u8>)> {
    let files = families().into_iter().flat_map(|family| {
        let folder = family.folder.clone();
        family.fixtures.into_iter().map(move |fixture| {
            let bytes = std::fs::read(folder.join(&fixture.file)).unwrap();
            (fixture.file, bytes)
        })
    });
    files.filter(|(_, bytes)| bytes.len() <= 256 << 10).collect()
}

#[test]
fn files_cut_anywhere_are_read_without_a_fault() {
    for (name, bytes) in contents() {
        for part in 0..64 {
            run(&name, bytes[..bytes.len() * part / 64].to_vec());
        }
    }
}

#[test]
fn a_cut_file_is_never_both_complete_and_a_model_with_less_in_it() {
    for (name, bytes) in contents() {
        // The formats whose length is part of their promise.
        if !name.ends_with(".safetensors") || run(&name, bytes.clone()).coverage.status != Status::Complete {
            continue;
        }
        let whole = run(&name, bytes.clone());
        let cut = run(&name, bytes[..bytes.len() - 1].to_vec());
        let silent = cut.hits.is_empty() && cut.coverage.status == Status::Complete && whole.hits.is_empty();
        assert!(!silent || bytes.len() < 16, "{name}: nobody would notice that its last byte is gone");
    }
}

#[test]
fn flipped_bits_never_cause_a_fault() {
    let files = contents();
    let config = Config { cases: 1500, failure_persistence: None, ..Config::default() };
    // A fixed seed: a failure shows again on the next run.
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let flips = (0..files.len(), proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..12));
    runner
        .run(&flips, |(file, flips)| {
            let (name, bytes) = &files[file];
            let mut bytes = bytes.clone();
            for (at, bit) in flips {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] ^= 1 << bit;
                }
            }
            run(name, bytes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_same_input_gives_the_same_answer() {
    for (name, bytes) in contents() {
        let (one, two) = (run(&name, bytes.clone()), run(&name, bytes));
        assert_eq!(format!("{one:?}"), format!("{two:?}"), "{name}");
    }
}

/// Breaks before it does anything: without the name of a pickle it is some lines of text.
const KNOWN_BY_NAME: &[&str] = &["broken_import.pkl"];

#[test]
fn another_name_hides_nothing() {
    for (name, bytes) in contents().into_iter().filter(|(name, _)| !KNOWN_BY_NAME.contains(&name.as_str())) {
        let known: Vec<String> = run(&name, bytes.clone()).hits.iter().map(|hit| hit.rule.code.clone()).collect();
        // A program is looked for under the names of models only.
        if known.iter().any(|code| code == "S511") {
            continue;
        }
        let renamed = run("innocent.txt", bytes);
        for code in known.iter().filter(|code| code.as_str() < "S4" && code.len() == 4) {
            assert!(renamed.hits.iter().any(|hit| &hit.rule.code == code), "{name} as innocent.txt: {code} is gone");
        }
    }
}
