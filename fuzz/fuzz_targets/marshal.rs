//! Marshalled objects of every layout, and the walk over the bytecode in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelaudit::decode::bytecode::{MOST_STEPS, Version, survey};
use modelaudit::decode::marshal;

fuzz_target!(|bytes: &[u8]| {
    for reading in marshal::read_any(bytes).unwrap_or_default() {
        assert!(reading.end <= bytes.len() as u64);
        let mut steps = MOST_STEPS;
        let _ = survey(&reading.objects, reading.objects.codes(), &Version::ALL, &mut steps);
    }
});
