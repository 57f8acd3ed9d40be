//! Wall time of the parts that decide how long a scan takes: `cargo bench`.
//!
//! Inputs are made here, from a fixed recipe. Figures on a shared machine wobble; `benches/instructions.sh` counts
//! instructions instead, and `benches/large.py` compares whole runs with `cat` and `openssl`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use divan::Bencher;
use divan::counter::BytesCount;
use modelaudit::bytes::{Budget, Input, Limits, MemorySource, ReadAt};
use modelaudit::inspect::payload;
use modelaudit::rules::{GlobalTable, RuleSet};
use modelaudit::scan::{Options, scan};

fn main() {
    // Loaded once in a process; `rule_set` measures it.
    let _ = RuleSet::shipped();
    divan::main();
}

/// A protocol-4 pickle of `n` small dictionaries: nothing but opcodes.
fn opcodes(n: usize) -> Vec<u8> {
    let mut bytes = b"\x80\x04]\x94(".to_vec();
    for i in 0..n {
        bytes.extend(b"}\x94(\x8c\x01aK");
        bytes.push(i.to_le_bytes()[0]);
        bytes.extend(b"\x8c\x01bG\x3f\xf0\0\0\0\0\0\0\x8c\x01c\x8c\x05valueu");
    }
    bytes.extend(b"e.");
    bytes
}

/// A safetensors file of `n` tensors of four bytes.
fn safetensors(n: usize) -> Vec<u8> {
    let entry = |i: usize| {
        let (begin, end) = (4 * i, 4 * i + 4);
        format!(r#""model.layers.{i}.weight":{{"dtype":"F32","shape":[1],"data_offsets":[{begin},{end}]}}"#)
    };
    let header = format!("{{{}}}", (0..n).map(entry).collect::<Vec<_>>().join(","));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + 4 * n, 0);
    bytes
}

fn noise(len: usize) -> Arc<dyn ReadAt> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes: Vec<u8> = (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect();
    MemorySource::new(bytes)
}

fn structure(bencher: Bencher, name: &str, bytes: Vec<u8>) {
    let options = Options { limits: Limits::default(), payload: false };
    let size = bytes.len();
    let input = Input::new(name, MemorySource::new(bytes));
    bencher.counter(BytesCount::new(size)).bench(|| scan(RuleSet::shipped(), &options, &input, true));
}

#[divan::bench(args = [1_000, 100_000])]
fn pickle_opcodes(bencher: Bencher, n: usize) {
    structure(bencher, "bench.pkl", opcodes(n));
}

#[divan::bench(args = [1_000, 100_000])]
fn safetensors_header(bencher: Bencher, n: usize) {
    structure(bencher, "bench.safetensors", safetensors(n));
}

#[divan::bench]
fn digest_and_executables(bencher: Bencher) {
    let source = noise(64 << 20);
    let budget = Budget::new(Limits::default());
    bencher.counter(BytesCount::new(64_usize << 20)).bench(|| payload::pass(&*source, &budget).unwrap());
}

#[divan::bench]
fn rule_set() -> RuleSet {
    RuleSet::with_globals(GlobalTable::shipped()).unwrap()
}
