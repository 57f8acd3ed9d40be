//! The symbolic machine against `CPython`'s unpickler, on programs that `fixtures/gen/agreement.py` made and ran.

use std::collections::BTreeMap;

use modelaudit::bytes::{Budget, Limits, MemorySource};
use modelaudit::decode::pickle::{End, Machine, Persistence};
use serde::Deserialize;

use crate::fixtures::{from_hex, root};

/// What `CPython` did.
#[derive(Debug, Deserialize)]
struct Case {
    /// The program in hexadecimal.
    program: String,
    /// True if it reached STOP.
    stopped: bool,
    /// How often each name, `module name`, was fetched.
    fetched: BTreeMap<String, u64>,
    /// How often each was called or created.
    invoked: BTreeMap<String, u64>,
}

/// What the machine says of the same program.
fn run(program: Vec<u8>) -> Case {
    let source = MemorySource::new(program);
    let mut machine = Machine::new(&*source, Persistence::None);
    machine.begin(0);
    let end = machine.run(&Budget::new(Limits::default()), u64::MAX);
    let names = machine.names();
    let label = |module: &str, function: &str| format!("{module} {function}");
    let fetched = names.all().iter().map(|name| (label(&name.module, &name.function), name.named)).collect();
    let mut invoked = BTreeMap::new();
    // Setting a state is no call of the class, nor is handing it to a function.
    for used in names.uses().iter().filter(|used| used.by != "BUILD" && used.usage != "passed") {
        let name = names.get(used.name).unwrap();
        *invoked.entry(label(&name.module, &name.function)).or_default() += used.count;
    }
    Case { program: String::new(), stopped: matches!(end, Some(End::Stop)), fetched, invoked }
}

/// True if everything in `part` is in `whole`, as often or more often.
fn is_part(part: &BTreeMap<String, u64>, whole: &BTreeMap<String, u64>) -> bool {
    part.iter().all(|(name, count)| whole.get(name).is_some_and(|known| known >= count))
}

#[test]
fn the_machine_names_and_calls_what_cpython_does() {
    let cases = std::fs::read_to_string(root().join("fixtures/agreement/cases.jsonl")).unwrap();
    let cases: Vec<Case> = cases.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() >= 1000 && cases.iter().filter(|case| case.stopped).count() >= 900);
    let mut wrong = Vec::new();
    for case in cases {
        let seen = run(from_hex(&case.program));
        let agrees = if case.stopped {
            seen.stopped && seen.fetched == case.fetched && seen.invoked == case.invoked
        } else {
            // CPython gives up where the machine may read on: it must not know less.
            is_part(&case.fetched, &seen.fetched) && is_part(&case.invoked, &seen.invoked)
        };
        if !agrees {
            wrong.push(format!("{case:?}\n  seen as {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
}
