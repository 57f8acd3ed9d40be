use super::*;
use crate::bytes::MemorySource;

macro_rules! fixture {
    ($name:literal) => {
        fixture!("codec", $name)
    };
    ($family:literal, $name:literal) => {
        include_bytes!(concat!("../../../fixtures/", $family, "/", $name)).as_slice()
    };
}

fn decoded(codec: Codec, bytes: &[u8]) -> (Vec<u8>, Outcome) {
    let mut out = Vec::new();
    let take = |piece: &[u8], _| {
        out.extend_from_slice(piece);
        Ok(out.len() < 8 << 20)
    };
    let outcome = decode(codec, &*MemorySource::new(bytes), 0, u64::MAX, take).unwrap();
    (out, outcome)
}

/// Words and noise, as the generator of the fixtures makes them.
fn mixed(size: usize) -> Vec<u8> {
    let words: [&[u8]; 7] = [b"weight", b"bias", b"layer", b"norm", b"attention", b"embedding", &[0; 8]];
    let (mut state, mut out) = (7_u64, Vec::new());
    while out.len() < size {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12345) & 0x7fff_ffff;
        out.extend_from_slice(words[usize::try_from(state >> 16).unwrap() % 7]);
        out.push(u8::try_from(state >> 8 & 0xff).unwrap());
    }
    out.truncate(size);
    out
}

const MIXED: [(Codec, &[u8]); 9] = [
    (Codec::Gzip, fixture!("mixed.gz")),
    (Codec::Bzip2, fixture!("mixed.bz2")),
    (Codec::Xz, fixture!("mixed.xz")),
    (Codec::Lzma, fixture!("mixed.lzma")),
    (Codec::Zlib, fixture!("mixed.z")),
    (Codec::Zstd, fixture!("mixed.zst")),
    (Codec::Lz4, fixture!("mixed.lz4")),
    (Codec::Zstd, fixture!("real", "mixed.zst")),
    (Codec::Lz4, fixture!("real", "mixed.lz4")),
];

#[test]
fn what_other_encoders_made_comes_out_and_the_end_is_exact() {
    for (codec, bytes) in MIXED {
        let followed = [bytes, b"and something behind it"].concat();
        let (out, outcome) = decoded(codec, &followed);
        assert_eq!(out, mixed(out.len()), "{codec:?}");
        assert!([24000, 12000, 4000].contains(&out.len()), "{codec:?}");
        assert!(outcome.ended && outcome.mismatch.is_none(), "{codec:?}: {outcome:?}");
        assert_eq!((outcome.consumed, outcome.members), (bytes.len() as u64, 1), "{codec:?}");
        assert_eq!(outcome.produced, out.len() as u64);
        assert!(begins(codec, bytes, &*MemorySource::new(bytes)), "{codec:?}");
    }
}

#[test]
fn members_in_a_row_are_one_content() {
    for (codec, bytes) in MIXED {
        let (once, _) = decoded(codec, bytes);
        let (out, outcome) = decoded(codec, &[bytes, bytes, &[0; 8], bytes].concat());
        assert_eq!((out.len(), outcome.members), (once.len() * 3, 3), "{codec:?}");
        assert_eq!(outcome.consumed, bytes.len() as u64 * 3 + 8);
    }
}

#[test]
fn nothing_is_lost_before_a_break() {
    // Of bzip2 all is lost with its block, and of the others little more than what the damaged bytes stand for.
    for (codec, bytes) in MIXED.into_iter().filter(|(codec, _)| *codec != Codec::Bzip2) {
        let (whole, _) = decoded(codec, bytes);
        let half = bytes.len() / 2;
        let (cut, outcome) = decoded(codec, &bytes[..half]);
        let blocks = matches!(codec, Codec::Zstd | Codec::Lz4);
        assert!(whole.starts_with(&cut) && (blocks || cut.len() > whole.len() * 2 / 5), "{codec:?}: {}", cut.len());
        assert_eq!(outcome.fault.unwrap().kind, FaultKind::Cut, "{codec:?}: {outcome:?}");
        let mut broken = bytes.to_vec();
        broken[half..half + 40].fill(0xff);
        let (out, outcome) = decoded(codec, &broken);
        let same = out.iter().zip(&whole).take_while(|(a, b)| a == b).count();
        assert!(blocks || same > whole.len() * 2 / 5, "{codec:?}: {same}");
        // The frame of 4000 bytes has no checksum.
        assert!(outcome.fault.is_some() || outcome.mismatch.is_some() || out.len() == 4000, "{codec:?}: {outcome:?}");
    }
}

#[test]
fn the_caller_can_stop() {
    for (codec, bytes) in MIXED {
        let outcome = decode(codec, &*MemorySource::new(bytes), 0, u64::MAX, |_, _| Ok(false)).unwrap();
        assert!(!outcome.ended && outcome.fault.is_none(), "{codec:?}");
    }
}

#[test]
fn damaged_data_is_read_without_a_fault_of_ours() {
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let all = MIXED.into_iter().chain([
        (Codec::Deflate, &fixture!("mixed.gz")[10..]),
        (Codec::Deflate64, &fixture!("mixed.gz")[10..]),
        (Codec::ZipLzma(None), fixture!("mixed.lzma")),
        (Codec::JoblibZf, fixture!("old.joblib")),
        (Codec::Xz, fixture!("filters.pkl.xz")),
        (Codec::Lz4, fixture!("legacy.pkl.lz4")),
    ]);
    for (codec, bytes) in all {
        for _ in 0..60 {
            let mut bytes = bytes.to_vec();
            for _ in 0..=random(6) {
                let at = random(bytes.len());
                bytes[at] ^= 1 << random(8);
            }
            bytes.truncate(1 + random(bytes.len() * 2));
            decoded(codec, &bytes);
        }
    }
}

#[test]
fn text_and_numbers_are_not_compressed() {
    let others: [&[u8]; 6] = [
        b"x\x9cis not a stream",
        b"(S'weights'\nI1\nd.",
        b"x = 1\n",
        &[0; 64],
        b"]\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\x05\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08",
    ];
    for other in others {
        for (codec, _) in MIXED {
            assert!(!begins(codec, other, &*MemorySource::new(other)), "{codec:?} {other:?}");
        }
    }
}

#[test]
fn literals_are_decoded_within_their_bound() {
    let text = mixed(24000);
    for (codec, bytes) in MIXED {
        let out = literal(bytes, 24000).unwrap();
        assert!(text.starts_with(&out), "{codec:?}");
        assert_eq!(literal(bytes, out.len() - 1), None, "{codec:?}");
    }
    assert_eq!(literal(b"plain text", 1000), None);
}

/// The packed streams of archives that py7zr wrote: a note twenty times over, and a pickle.
fn packed() -> [(Codec, &'static [u8]); 2] {
    [
        (Codec::PpmdH { order: 6, memory: 1 << 24, size: 177 }, &fixture!("real", "7z_ppmd_benign.7z")[32..78]),
        (Codec::Brotli(177), &fixture!("real", "7z_brotli_benign.7z")[32..92]),
    ]
}

#[test]
fn what_others_packed_is_unpacked_to_its_end() {
    for (codec, bytes) in packed() {
        let (out, outcome) = decoded(codec, bytes);
        assert!(out.starts_with(&b"a note\n".repeat(20)) && out.len() == 177, "{codec:?}");
        assert!(outcome.ended && outcome.consumed == bytes.len() as u64, "{codec:?} {outcome:?}");
    }
}

#[test]
fn what_decodes_before_a_cut_or_a_break_is_given() {
    for (codec, bytes) in packed() {
        let (whole, _) = decoded(codec, bytes);
        let mut most = 0;
        for cut in 0..bytes.len() {
            let (out, outcome) = decoded(codec, &bytes[..cut]);
            assert!(whole.starts_with(&out), "{codec:?} cut to {cut}");
            assert_eq!(outcome.ended, out == whole, "{codec:?} cut to {cut}");
            assert_eq!(outcome.ended, outcome.fault.is_none(), "{codec:?} cut to {cut}");
            most = out.len();
            let mut damaged = bytes.to_vec();
            damaged[cut] ^= 0x55;
            let (out, outcome) = decoded(codec, &damaged);
            assert_eq!(outcome.produced, out.len() as u64);
        }
        assert!(most > 100, "{codec:?} gave {most}");
    }
    // The decoder gives nothing of the input that it meets an error in; nothing that is read twice is given twice.
    let (codec, bytes) = packed()[1];
    let (whole, _) = decoded(codec, bytes);
    let mut damaged = bytes.to_vec();
    *damaged.last_mut().unwrap() ^= 0xff;
    let (out, _) = decoded(codec, &damaged);
    assert!(out.len() > 100 && whole[..100] == out[..100]);
}

#[test]
fn frames_around_brotli_are_read_over() {
    // The same note, in a stream with an end.
    let bytes = b"\x1b\x8b\0\0\x24\x15\x40\xc2\x6a\x92\xc4\x2a\x39\x5d\x51\xf8\x01";
    let frame = [b"\x50\x2a\x4d\x18\x08\0\0\0\x11\0\0\0BR\x01\0".as_slice(), bytes].concat();
    let (out, outcome) = decoded(Codec::Brotli(u64::MAX), &[frame.as_slice(), &frame].concat());
    assert_eq!((out.len(), outcome.ended, outcome.members), (280, true, 2));
}

#[test]
fn a_giant_model_is_refused() {
    let (_, outcome) = decoded(Codec::PpmdH { order: 6, memory: 1 << 30, size: 177 }, &[0; 64]);
    assert_eq!(outcome.fault.map(|fault| fault.kind), Some(FaultKind::Unsupported));
}
