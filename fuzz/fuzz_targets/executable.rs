//! Confirmation of executables at every offset that a magic number marks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelaudit::bytes::{Budget, Limits, MemorySource};
use modelaudit::inspect::payload;

fuzz_target!(|bytes: &[u8]| {
    let source = MemorySource::new(bytes.to_vec());
    let found = payload::pass(&*source, &Budget::new(Limits::default())).unwrap();
    assert!(found.executables.iter().all(|(at, _)| *at < bytes.len() as u64));
});
