//! How often chance looks like a program: weights of every usual kind, made from a seed and never stored, through the
//! pass over all bytes.
//!
//! `cargo bench --bench false_candidates -- 9` streams nine gigabytes of each kind. A candidate is a magic number; it
//! costs a look at the headers. Nothing may ever be confirmed: that would be a false alarm.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Mutex;
use std::time::Instant;

use modelaudit::bytes::{Budget, Limits, ReadAt};
use modelaudit::inspect::payload;

/// Bytes that are made from one seed.
const BLOCK: usize = 64 << 10;
/// Entries of the tables of normally distributed values.
const TABLE: usize = 1 << 16;

/// Fills a block from a generator.
type Fill = fn(&Tables, &mut Noise, &mut [u8]);

const KINDS: &[(&str, Fill)] = &[
    ("uniformly random bytes", |_, noise, block| words(block, || noise.next())),
    ("f32, normal", |tables, noise, block| {
        words(block, || {
            let bits = noise.next();
            u64::from(tables.f32(bits).to_bits()) | u64::from(tables.f32(bits >> 32).to_bits()) << 32
        });
    }),
    ("f16, normal", |tables, noise, block| words(block, || Tables::four(&tables.f16, noise.next()))),
    ("bf16, normal", |tables, noise, block| words(block, || Tables::four(&tables.bf16, noise.next()))),
    ("int8, quantised normal", |tables, noise, block| {
        words(block, || {
            let (one, two) = (Tables::four(&tables.int8, noise.next()), Tables::four(&tables.int8, noise.next()));
            one << 8 | two
        });
    }),
    ("Q4 blocks: an f16 scale, 32 values of four bits", |tables, noise, block| {
        let mut at = 0;
        while at < block.len() {
            let scale = tables.f16[usize::try_from(noise.next() & 0xffff).unwrap()] & 0x7fff;
            let values = [tables.nibbles(noise), tables.nibbles(noise)].concat();
            for byte in scale.to_le_bytes().into_iter().chain(values) {
                if let Some(place) = block.get_mut(at) {
                    *place = byte;
                }
                at += 1;
            }
        }
    }),
];

/// xoshiro256++.
struct Noise([u64; 4]);

impl Noise {
    fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ mixed >> 31
        }))
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }
}

/// Values with the distribution of weights, standard deviation 0.02, to be drawn by sixteen random bits.
struct Tables {
    normal: Vec<f32>,
    f16: Vec<u16>,
    bf16: Vec<u16>,
    int8: Vec<u16>,
    q4: Vec<u8>,
}

impl Tables {
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
    fn new() -> Self {
        let mut noise = Noise::new(1);
        let unit = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let mut draw = || (-2.0 * unit(noise.next()).ln()).sqrt() * (std::f64::consts::TAU * unit(noise.next())).cos();
        let normal: Vec<f64> = (0..TABLE).map(|_| draw()).collect();
        let single = |value: &f64| (value * 0.02) as f32;
        Self {
            f16: normal.iter().map(|value| half(single(value))).collect(),
            bf16: normal.iter().map(|value| (single(value).to_bits() >> 16) as u16).collect(),
            int8: normal
                .iter()
                .map(|value| u16::from((value * 40.0).round().clamp(-127.0, 127.0) as i8 as u8))
                .collect(),
            q4: normal.iter().map(|value| (8.0 + value * 2.7).round().clamp(0.0, 15.0) as u8).collect(),
            normal: normal.iter().map(single).collect(),
        }
    }

    /// The sum of two draws of eight bits of their own and a few below: all bits of the mantissa vary.
    fn f32(&self, bits: u64) -> f32 {
        let draw = |bits: u64| self.normal[usize::try_from(bits & 0xffff).unwrap()];
        draw(bits) + draw(bits >> 16) * 0.37
    }

    fn four(table: &[u16], bits: u64) -> u64 {
        (0..4).fold(0, |word, n| word << 16 | u64::from(table[usize::try_from(bits >> (n * 16) & 0xffff).unwrap()]))
    }

    fn nibbles(&self, noise: &mut Noise) -> [u8; 8] {
        std::array::from_fn(|_| {
            let bits = noise.next();
            let draw = |bits: u64| self.q4[usize::try_from(bits & 0xffff).unwrap()];
            draw(bits) | draw(bits >> 16) << 4
        })
    }
}

/// Half precision by cutting the mantissa; values below the normal range become zero.
fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let (sign, exponent) = ((bits >> 16 & 0x8000) as u16, (bits >> 23 & 0xff) as u16);
    if exponent < 113 { sign } else { sign | (exponent - 112).min(30) << 10 | (bits >> 13 & 0x3ff) as u16 }
}

fn words(block: &mut [u8], mut next: impl FnMut() -> u64) {
    for place in block.chunks_exact_mut(8) {
        place.copy_from_slice(&next().to_le_bytes());
    }
}

/// A file of weights that exists nowhere: each block follows from its number.
struct Weights {
    tables: Tables,
    fill: Fill,
    seed: u64,
    len: u64,
    last: Mutex<(u64, Vec<u8>)>,
}

impl ReadAt for Weights {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        if offset >= self.len {
            return Ok(0);
        }
        let (number, within) = (offset / BLOCK as u64, usize::try_from(offset % BLOCK as u64).unwrap());
        let mut last = self.last.lock().unwrap();
        if last.0 != number {
            let mut noise = Noise::new(self.seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
            (self.fill)(&self.tables, &mut noise, &mut last.1);
            last.0 = number;
        }
        let got = last.1.len().saturating_sub(within).min(buf.len());
        buf[..got].copy_from_slice(&last.1[within..within + got]);
        Ok(got)
    }
}

fn main() {
    let gigabytes = std::env::args().filter_map(|argument| argument.parse::<u64>().ok()).next_back().unwrap_or(1);
    let limits = Limits { timeout: None, ..Limits::default() };
    println!("| weights | GB | candidates | confirmed | seconds |");
    println!("|---|---:|---:|---:|---:|");
    let (mut bytes, mut candidates, mut confirmed) = (0, 0, 0);
    for (seed, (name, fill)) in (1_u64..).zip(KINDS) {
        let weights = Weights {
            tables: Tables::new(),
            fill: *fill,
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            len: gigabytes * 1_000_000_000,
            last: Mutex::new((u64::MAX, vec![0; BLOCK])),
        };
        let start = Instant::now();
        let found = payload::pass(&weights, &Budget::new(limits)).unwrap();
        assert!(!found.cut, "more candidates than the pass looks at");
        let seconds = start.elapsed().as_secs();
        println!("| {name} | {gigabytes} | {} | {} | {seconds} |", found.candidates, found.executables.len());
        bytes += gigabytes;
        candidates += found.candidates;
        confirmed += found.executables.len();
    }
    println!("| all | {bytes} | {candidates} | {confirmed} | |");
    assert_eq!(confirmed, 0, "chance was taken for a program");
}
