//! Writes the table of known names: `known-names LIST TABLE`, run by `tools/names/build.py`.
//!
//! The list has a key and a number a line, with a tab between, sorted by the bytes of the keys.

use std::fs::File;
use std::io::{BufWriter, read_to_string};

use anyhow::{Context as _, bail};
use fst::MapBuilder;

fn main() -> anyhow::Result<()> {
    let [list, table] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        bail!("usage: known-names LIST TABLE")
    };
    let text = read_to_string(File::open(list).with_context(|| list.clone())?)?;
    let mut builder = MapBuilder::new(BufWriter::new(File::create(table)?))?;
    for line in text.lines() {
        let (key, value) = line.split_once('\t').with_context(|| format!("no tab in {line:?}"))?;
        builder.insert(key, value.parse()?)?;
    }
    builder.finish()?;
    Ok(())
}
