//! The pickle fixtures: what each reaches, and that its ordinary twin shows nothing.

use std::collections::BTreeSet;

use modelaudit::bytes::{Budget, Input, Limits, MemorySource};
use modelaudit::fact::{Fact, Location, Sink};
use modelaudit::formats::{self, Halt, Probe, Scan, Stops};

use crate::fixtures::{self, Fixture, families};

/// What a scan stated, as far as these tests ask.
#[derive(Default)]
struct Seen {
    names: BTreeSet<String>,
    effects: BTreeSet<String>,
    doubts: Vec<String>,
    calls: Vec<String>,
}

impl Sink for Seen {
    fn take(&mut self, fact: &Fact<'_>, _: &Location<'_>) {
        match fact {
            Fact::Global { module, function, arguments, call, .. } => {
                self.names.insert(format!("{module}.{function}"));
                self.calls.push((*call).to_owned());
                if matches!(*arguments, "unresolved" | "opaque" | "dirty") {
                    self.doubts.push(format!("{call}: {arguments}"));
                }
            }
            Fact::Opcode { effect, detail, .. } => {
                self.effects.insert((*effect).to_owned());
                self.doubts.push(format!("{effect}: {detail}"));
            }
            Fact::Structure { anomaly, .. } => self.doubts.push((*anomaly).to_owned()),
            _ => {}
        }
    }
}

fn scan(input: &Input) -> (Seen, Result<(), Halt>) {
    let format = formats::by_name("pickle").unwrap();
    let mut seen = Seen::default();
    let (mut children, mut stops) = (Vec::new(), Stops::default());
    let budget = Budget::new(Limits::default());
    let mut scan = Scan::new(input, format, &budget, &mut seen, &mut children, &mut stops);
    let outcome = (format.scan)(&mut scan);
    (seen, outcome)
}

/// The fixtures of this format, with the bytes to read.
fn fixtures() -> impl Iterator<Item = (Fixture, Input)> {
    let family = families().into_iter().find(|family| family.name == "pickle").unwrap();
    let inputs: Vec<Input> = family.fixtures.iter().map(|fixture| fixtures::open(&family, fixture)).collect();
    family.fixtures.into_iter().zip(inputs)
}

#[test]
fn every_fixture_is_known_as_a_pickle() {
    let identify = formats::by_name("pickle").unwrap().identify;
    let unknown: Vec<String> = fixtures()
        .filter(|(_, input)| !identify(&Probe::new(input).unwrap()))
        .map(|(fixture, _)| fixture.file)
        .collect();
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn what_a_fixture_reaches_is_stated() {
    let mut missed = Vec::new();
    for (fixture, input) in fixtures().filter(|(fixture, _)| !fixture.file.contains("_benign")) {
        let (seen, _) = scan(&input);
        for name in fixture.reaches.iter().filter(|&name| !seen.names.contains(name)) {
            missed.push(format!("{}: {name} is not among {:?}", fixture.file, seen.names));
        }
        for effect in fixture.effects.iter().filter(|&effect| !seen.effects.contains(effect)) {
            missed.push(format!("{}: {effect} is not among {:?}", fixture.file, seen.effects));
        }
        if fixture.effects.is_empty() && !seen.effects.is_empty() {
            missed.push(format!("{}: unexpected {:?}", fixture.file, seen.effects));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn ordinary_twins_show_nothing() {
    let mut odd = Vec::new();
    for (fixture, input) in fixtures().filter(|(fixture, _)| fixture.file.contains("_benign")) {
        let (seen, outcome) = scan(&input);
        odd.extend(seen.doubts.into_iter().map(|doubt| format!("{}: {doubt}", fixture.file)));
        if let Err(halt) = outcome {
            odd.push(format!("{}: {halt}", fixture.file));
        }
    }
    assert!(odd.is_empty(), "{}", odd.join("\n"));
}

#[test]
fn cut_and_damaged_streams_end() {
    for (_, input) in fixtures() {
        let bytes = input.read(0, 1 << 20).unwrap();
        for cut in 0..bytes.len().min(400) {
            let mut damaged = bytes.clone();
            damaged[cut] ^= 0x55;
            for bytes in [bytes[..cut].to_vec(), damaged] {
                let _ = scan(&Input::new("damaged", MemorySource::new(bytes)));
            }
        }
    }
}

#[test]
fn calls_are_told_in_python() {
    let (_, input) = fixtures().find(|(fixture, _)| fixture.file == "getattr_import.pkl").unwrap();
    let (seen, _) = scan(&input);
    assert!(seen.calls.contains(&"os.system('echo modelaudit-fixture')".to_owned()), "{:?}", seen.calls);
}

#[test]
fn data_behind_the_last_pickle_is_said_and_padding_is_not() {
    let behind = |tail: &[u8]| {
        let bytes = [b"\x80\x04]\x94(K\x01K\x02e.", tail].concat();
        scan(&Input::new("tail", MemorySource::new(bytes))).0.doubts
    };
    assert_eq!(behind(b"\xff\xfe and more"), ["trailing-bytes"]);
    assert_eq!(behind(b"\n"), Vec::<String>::new());
    assert_eq!(behind(&[0; 512]), Vec::<String>::new());
}

#[test]
fn every_mechanism_of_the_page_has_fixtures_that_are_found() {
    let page = std::fs::read_to_string(fixtures::root().join("docs/pickle-mechanisms.md")).unwrap();
    let families = families();
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let mut count = 0;
    for row in rows {
        for path in row.split('`').skip(1).step_by(2) {
            let (family, file) = path.split_once('/').unwrap();
            let family = families.iter().find(|known| known.name == family).unwrap_or_else(|| panic!("{path}"));
            let fixture = family.fixtures.iter().find(|known| known.file == file).unwrap_or_else(|| panic!("{path}"));
            assert!(!fixture.expect.is_empty(), "{path} is found by nothing");
        }
        count += 1;
    }
    assert!(count >= 55, "{count}");
}
