//! Every decompressor on the same bytes: it ends, its counts are those of what it gave, and it never uses bytes that
//! are not there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelaudit::bytes::MemorySource;
use modelaudit::decode::codec::{Branches, Codec, bcj2, decode, literal};

/// More output than any decoder makes of one step.
const ENOUGH: u64 = 16 << 20;

fuzz_target!(|bytes: &[u8]| {
    let source = MemorySource::new(bytes);
    for codec in [
        Codec::Deflate,
        Codec::Deflate64,
        Codec::Zlib,
        Codec::Gzip,
        Codec::Bzip2,
        Codec::Xz,
        Codec::Lzma,
        Codec::ZipLzma(None),
        Codec::ZipLzma(Some(1000)),
        Codec::Zstd,
        Codec::PpmdH { order: 6, memory: 1 << 16, size: 1000 },
        Codec::PpmdI(None),
        Codec::PpmdI(Some(1000)),
        Codec::Brotli(u64::MAX),
        Codec::Brotli(1000),
        Codec::Lz4,
        Codec::JoblibZf,
        Codec::BareLzma { props: 0x5d, dictionary: 1 << 16, size: 1000 },
        Codec::Lzma2(1 << 16),
        Codec::Delta(3),
        Codec::Branches(Branches::X86),
        Codec::Branches(Branches::Arm64),
        Codec::Branches(Branches::RiscV),
        Codec::Branches(Branches::Ia64),
    ] {
        let mut made = 0;
        let outcome = decode(codec, &*source, 0, u64::MAX, |piece, used| {
            assert!(used <= bytes.len() as u64);
            made += piece.len() as u64;
            Ok(made < ENOUGH)
        })
        .unwrap();
        assert_eq!(outcome.produced, made);
        assert!(outcome.consumed <= bytes.len() as u64);
        assert!(!(outcome.ended && outcome.fault.is_some()));
    }
    // Four streams: where each ends, the first three bytes say.
    if let Some((cuts, streams)) = bytes.split_first_chunk::<3>() {
        let mut at = [0, 0, 0, 0, streams.len()];
        for (place, cut) in at[1..4].iter_mut().zip(cuts) {
            *place = usize::from(*cut).min(streams.len());
        }
        at.sort_unstable();
        let sources = std::array::from_fn(|n| MemorySource::new(&streams[at[n]..at[n + 1]]));
        let mut made = 0;
        bcj2(&sources, 1000, |piece| {
            made += piece.len();
            Ok(true)
        })
        .unwrap();
        assert!(made <= 1000);
    }
    assert!(literal(bytes, 1000).is_none_or(|out| out.len() <= 1000));
});
