//! Writes the table of known names, `known-names LIST TABLE`, or takes one apart, `known-names --list TABLE`; run by
//! `tools/names/build.py`.
//!
//! The list has a key and a number a line, with a tab between, sorted by the bytes of the keys.

use std::fs::File;
use std::io::{BufWriter, Write as _, copy, read_to_string, stdout};

use anyhow::{Context as _, bail};
use fst::{Map, MapBuilder, Streamer as _};

fn main() -> anyhow::Result<()> {
    match &std::env::args().skip(1).collect::<Vec<_>>()[..] {
        [flag, table] if flag == "--list" => take_apart(table),
        [list, table] => write(list, table),
        _ => bail!("usage: known-names LIST TABLE, or known-names --list TABLE"),
    }
}

fn write(list: &str, table: &str) -> anyhow::Result<()> {
    let text = read_to_string(File::open(list).with_context(|| list.to_owned())?)?;
    let mut builder = MapBuilder::new(BufWriter::new(File::create(table)?))?;
    for line in text.lines() {
        let (key, value) = line.split_once('\t').with_context(|| format!("no tab in {line:?}"))?;
        builder.insert(key, value.parse()?)?;
    }
    builder.finish()?;
    Ok(())
}

fn take_apart(table: &str) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    copy(&mut File::open(table).with_context(|| table.to_owned())?, &mut bytes)?;
    let map = Map::new(bytes)?;
    let mut rows = map.stream();
    let mut out = BufWriter::new(stdout().lock());
    while let Some((key, value)) = rows.next() {
        writeln!(out, "{}\t{value}", String::from_utf8_lossy(key))?;
    }
    Ok(out.flush()?)
}
