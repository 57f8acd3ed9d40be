//! The whole engine on arbitrary bytes: detection, every format that identifies, members, rules.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelaudit::bytes::{Input, Limits, MemorySource};
use modelaudit::rules::RuleSet;
use modelaudit::scan::{Options, scan};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { decoded_bytes: 32 << 20, members: 1000, work: 2_000_000, ..Limits::default() };
    let input = Input::new("fuzz.bin", MemorySource::new(bytes.to_vec()));
    let outcome = scan(RuleSet::shipped(), &Options { limits, payload: true }, &input, true);
    assert!(outcome.hits.iter().all(|hit| hit.rule.code != "S999"), "a format panicked");
});
