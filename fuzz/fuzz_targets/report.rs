//! A saved report from an untrusted fork, read and rendered in every format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelaudit::render;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(report) = render::json::read(bytes) {
        let mut out = Vec::new();
        let _ = render::json::write(&report, &mut out);
    }
});
