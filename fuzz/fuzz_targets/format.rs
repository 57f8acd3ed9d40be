//! One format without detection: the first byte picks it from the table, so a new format is fuzzed at once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelaudit::bytes::{Budget, Input, Limits, MemorySource};
use modelaudit::formats::{FORMATS, Scan, Stops};
use modelaudit::scan::Recorder;

fuzz_target!(|bytes: &[u8]| {
    let Some((&pick, bytes)) = bytes.split_first() else { return };
    let format = FORMATS[usize::from(pick) % FORMATS.len()];
    let limits = Limits { decoded_bytes: 32 << 20, members: 1000, work: 2_000_000, ..Limits::default() };
    let (budget, mut facts) = (Budget::new(limits), Recorder::default());
    let (mut children, mut stops) = (Vec::new(), Stops::default());
    let input = Input::new("fuzz.bin", MemorySource::new(bytes.to_vec()));
    let mut scan = Scan::new(&input, format, &budget, &mut facts, &mut children, &mut stops);
    let _ = (format.scan)(&mut scan);
});
