//! JSON from which a loader makes Python objects: jsonpickle, and the parameters of agents of Stable-Baselines3.
//!
//! JSON holds no code, but `jsonpickle.decode` imports and calls what its keys name, and Stable-Baselines3 unpickles
//! the base64 under `:serialized:`. Text in other values that is a pickle is dormant: its calls are stated as such.
//! JSON with nothing of this is no input.
//!
//! ```text
//! {"policy_class": {":type:": "…", ":serialized:": "gASV…"}}      a pickle, agent.zip!/data!/policy_class
//! {"py/reduce": [{"py/function": "module.name"}, …]}              names
//! ```
//!
//! Layouts: <https://github.com/jsonpickle/jsonpickle/blob/main/jsonpickle/tags.py> and
//! <https://github.com/DLR-RM/stable-baselines3/blob/master/stable_baselines3/common/save_util.py>

mod walk;

use std::collections::HashMap;
use std::sync::Arc;

use super::encoded_text::{pickle_begins, visible};
use super::pickle::{self, Dialect};
use super::{Format, FormatKind, Halt, Probe, Scan};
use crate::bytes::{Exceeded, Malformed, MemorySource, ReadAt};
use crate::decode::armor::{self, Armor};
use crate::decode::json::Text;
use crate::fact::Fact;
pub(super) use walk::{Found, walk};

/// The record.
pub const FORMAT: Format = Format {
    name: "json_objects",
    title: "JSON with Python objects",
    kind: FormatKind::Model,
    extensions: &[],
    runs_code: true,
    refines: None,
    identify,
    scan,
    checks: "names under the keys of jsonpickle; the pickles of Stable-Baselines3; pickles in other values",
    spec: "https://jsonpickle.readthedocs.io/",
};

/// Distinct names that are told of one text.
const MOST_NAMES: usize = 10_000;
/// Longest text that is decoded.
const LONGEST: usize = 64 << 20;
/// Bytes of a value that are looked at to see whether it is a pickle.
const LOOK: usize = 4096;

/// Is it JSON, and does anything in it become an object? That may stand behind any number of plain values, so such text
/// is walked to its end.
fn identify(probe: &Probe<'_>) -> bool {
    let head = visible(probe);
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).trim_ascii_start();
    if !matches!(text, [b'{' | b'[', ..]) {
        return false;
    }
    let source = &*probe.input.source;
    let mut found = false;
    let outcome = walk(source, &mut |one| {
        found = match one {
            Found::Name { .. } | Found::Pickle { .. } => true,
            Found::Value(text, armor) => is_pickle(source, &text, armor),
        };
        Ok(!found)
    });
    found && outcome.is_ok()
}

/// Does the text begin as a pickle, compressed or not?
fn is_pickle(source: &dyn ReadAt, text: &Text, armor: Armor) -> bool {
    let head = text.first(LOOK as u64).read(source, LOOK).ok().flatten().unwrap_or_default();
    let even = head.get(..head.len() & !1).unwrap_or_default();
    armor::decode(armor, even).is_some_and(|bytes| pickle_begins(&bytes))
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let source = Arc::clone(&scan.input.source);
    scan.budget.take_work(source.len())?;
    let (mut names, mut order) = (HashMap::new(), Vec::new());
    let whole = walk(&*source, &mut |found| {
        match found {
            Found::Name { at, name, usage } => {
                let known = names.len();
                let n = *names.entry((name.clone(), usage)).or_insert(known);
                if known >= MOST_NAMES && n == known {
                    return Err(Exceeded { what: "imported names", limit: MOST_NAMES as u64 }.into());
                }
                if n == known {
                    order.push((at, name, usage, 0_u64));
                }
                if let Some((.., count)) = order.get_mut(n) {
                    *count = count.saturating_add(1);
                }
            }
            Found::Pickle { text, key } => loaded(scan, &text, key)?,
            Found::Value(text, armor) => dormant(scan, &text, armor)?,
        }
        Ok(true)
    });
    for (at, name, usage, count) in &order {
        pickle::state_name(scan, *at, ("jsonpickle", 0), (name, usage), *count);
    }
    scan.whole(Fact::Component { name: FORMAT.name, detail: if order.is_empty() { "" } else { "jsonpickle" } });
    if !whole? {
        return Err(Malformed { at: source.len(), what: "the text ends inside a value" }.into());
    }
    Ok(())
}

/// Interprets the pickle of a value that the loader unpickles.
fn loaded(scan: &mut Scan<'_>, text: &Text, key: Option<Text>) -> Result<(), Halt> {
    let Some(bytes) = decoded(scan, text, Armor::Base64)? else { return Ok(()) };
    let key = key.map(|key| key.read(&*scan.input.source, LOOK)).transpose()?.flatten();
    let name = key.map_or_else(|| ":serialized:".to_owned(), |key| String::from_utf8_lossy(&key).into_owned());
    scan.budget.take_member()?;
    let value = scan.input.member(name, MemorySource::new(bytes));
    scan.within(&value, &pickle::FORMAT, |scan| pickle::interpret(scan, 0, Dialect::Plain).map(drop));
    Ok(())
}

/// States what a value would call if it were unpickled.
fn dormant(scan: &mut Scan<'_>, text: &Text, armor: Armor) -> Result<(), Halt> {
    if !is_pickle(&*scan.input.source, text, armor) {
        return Ok(());
    }
    if let Some(bytes) = decoded(scan, text, armor)? {
        pickle::state_dormant(scan, bytes, text.at)?;
    }
    Ok(())
}

/// The bytes that a text stands for; None if it stands for none.
fn decoded(scan: &Scan<'_>, text: &Text, armor: Armor) -> Result<Option<Vec<u8>>, Halt> {
    scan.budget.take_bytes(text.len)?;
    match text.read(&*scan.input.source, LONGEST)? {
        Some(text) => Ok(armor::decode(armor, &text)),
        None => Err(Exceeded { what: "bytes of one value", limit: LONGEST as u64 }.into()),
    }
}
