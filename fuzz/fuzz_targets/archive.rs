//! The structure of ZIP, TAR, SQLite and JSON: what both readers say about a file lies in it, and their work has an end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelaudit::bytes::{Budget, Limits, MemorySource, ReadAt as _};
use modelaudit::decode::{json, sqlite, tar, zip};

fuzz_target!(|bytes: &[u8]| {
    let len = bytes.len() as u64;
    let limits = Limits { decoded_bytes: 32 << 20, members: 1000, work: 2_000_000, ..Limits::default() };
    let (source, budget) = (MemorySource::new(bytes), Budget::new(limits));
    if let Ok(archive) = zip::Archive::read(&source, &budget) {
        for entry in archive.entries.iter().filter(|entry| entry.local.is_some()) {
            assert!(entry.at < len && entry.data <= len);
        }
        assert!(archive.regions.iter().all(|region| region.len > 0 && region.at + region.len <= len));
        assert!(archive.overlapping.iter().all(|&n| n < archive.entries.len()));
        assert!(archive.overlapping.is_sorted());
    }
    if let Ok(archive) = tar::Archive::read(&source, &budget) {
        let mut headers: Vec<_> = archive.entries.iter().map(|entry| entry.at).collect();
        headers.sort_unstable();
        assert!(headers.iter().all(|&at| at < len));
        assert!(archive.regions.iter().all(|&(at, length)| length > 0 && at + length <= len));
        for entry in &archive.entries {
            let pieces = entry.sparse.as_deref().unwrap_or_default();
            if let Some(file) = tar::Expanded::of(source.clone(), entry.data, pieces, entry.size.min(1 << 20)) {
                assert!(file.read_range(0, 1 << 16).unwrap().len() as u64 <= file.len());
            }
        }
    }
    if let Ok(db) = sqlite::Database::open(&*source, &budget) {
        for table in db.tables().unwrap_or_default() {
            let _ = db.rows(table.root, &mut |mut row| {
                for n in 0..row.columns.len() {
                    assert!(row.ranges(&db, n)?.iter().all(|&(at, size)| at + size <= len + db.page_size()));
                    assert_eq!(row.value(&db, n, &source)?.len(), row.columns[n].len);
                }
                Ok(())
            });
        }
    }
    let mut lexer = json::Lexer::new(&*source);
    while let Ok(Some(token)) = lexer.token() {
        if let json::Token::Text(text) = token {
            assert!(text.at + text.len < len);
        }
    }
});
