//! Every decompressor on the same bytes: it ends, its counts are those of what it gave, and it never uses bytes that
//! are not there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelaudit::bytes::MemorySource;
use modelaudit::decode::codec::{Codec, decode, literal};

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
        Codec::Lz4,
        Codec::JoblibZf,
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
    assert!(literal(bytes, 1000).is_none_or(|out| out.len() <= 1000));
});
