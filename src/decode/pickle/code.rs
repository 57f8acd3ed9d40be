//! Calls that build a code object out of its parts: `types.CodeType(…)` and the helpers of dill and Python 2.
//!
//! The parts stand in the pickle as literals. They are put together again for whoever reads bytecode; what the machine
//! does not know becomes a constant that says nothing.

use super::evidence::StoredCode;
use super::machine::{By, Machine};
use super::value::{Kind, Value};
use crate::decode::marshal::{Code, Id, Layout, Object, Objects};

/// Tuples within tuples of constants. Compilers fold a few.
const DEEPEST: u8 = 8;
/// Code objects of one stream that are kept.
const MOST_CODES: usize = 4096;

impl Machine<'_> {
    /// Remembers the code object that a call with these arguments builds.
    pub(super) fn store_code(&mut self, items: &[Value], by: By) {
        if self.evidence.codes.len() >= MOST_CODES {
            self.evidence.codes_cut = true;
            return;
        }
        let mut objects = std::mem::take(&mut self.evidence.code_objects);
        let root = self.read_code(items, &mut objects);
        self.evidence.code_objects = objects;
        self.evidence.codes.push(StoredCode { at: by.at, root });
        if let (Some(root), Some(key)) = (root, key_of(items)) {
            self.evidence.code_parts.insert(key, root);
        }
    }

    /// The code object that a call has built.
    fn built(&self, call: Value) -> Option<Id> {
        if self.cells.kind(call) != Some(Kind::Call) {
            return None;
        }
        let items = self.cells.items(self.cells.field(call, 2))?;
        self.evidence.code_parts.get(&key_of(&items)?).copied()
    }

    fn read_code(&self, items: &[Value], objects: &mut Objects) -> Option<Id> {
        // Newer versions of dill put the table of lines in front.
        let items = match items.split_first() {
            Some((&first, rest)) if self.is_text(first).is_some() => rest,
            _ => items,
        };
        let counts =
            items.iter().take_while(|item| matches!(item, Value::Int(_) | Value::Number(_) | Value::Bool(_))).count();
        let layout = match counts {
            4 => Layout::Python2,
            5 => Layout::Python30,
            6 => Layout::Python38,
            _ => return None,
        };
        let parts = items.get(counts..)?;
        let [bytecode, constants, names, locals, filename, name, next, ..] = *parts else { return None };
        // Between name and first line stands the qualified name, from 3.11.
        let qualified = (layout == Layout::Python38 && self.is_text(next).is_some()).then_some(next);
        let layout = if qualified.is_some() { Layout::Python311 } else { layout };
        let line = parts.get(if qualified.is_some() { 7 } else { 6 }).copied().unwrap_or(Value::Unknown);
        let tables = if layout == Layout::Python311 { 10 } else { 8 };
        let more =
            |index: usize| parts.get(index).copied().filter(|&value| self.cells.kind(value) == Some(Kind::Tuple));
        let (free, cells) = (more(tables), more(tables.saturating_add(1)));
        let bytes =
            self.whole(bytecode).filter(|_| layout == Layout::Python2 || self.is_text(bytecode) == Some(false))?;
        let bytecode = objects.add(Object::Bytes(bytes.into()))?;
        let mut all = |value: Value| self.constant(value, objects, 0);
        let (constants, names, filename, name) = (all(constants)?, all(names)?, all(filename)?, all(name)?);
        let qualified = match qualified {
            Some(value) => Some(all(value)?),
            None => None,
        };
        let (mut locals, free, cells) = (all(locals)?, free.and_then(&mut all), cells.and_then(&mut all));
        if layout == Layout::Python311 {
            // Marshalled code has one list of them.
            let every = [Some(locals), cells, free].into_iter().flatten();
            let mut joined: Vec<Id> = Vec::new();
            for id in every.flat_map(|tuple| objects.tuple(tuple)) {
                if !joined.iter().any(|known| objects.bytes(*known) == objects.bytes(*id)) {
                    joined.push(*id);
                }
            }
            locals = objects.add(Object::Tuple(joined))?;
        }
        let old = layout != Layout::Python311;
        let empty = objects.add(Object::Tuple(Vec::new()))?;
        // Parameters, positional-only ones, keyword-only ones; variables, depth of the stack and flags.
        let number = |index: usize| match items.get(index) {
            Some(Value::Int(number)) => u32::try_from(*number).unwrap_or(0),
            _ => 0,
        };
        let code = Code {
            layout,
            arguments: number(0),
            keyword_only: if layout == Layout::Python2 { 0 } else { number(counts.saturating_sub(4)) },
            flags: number(counts.saturating_sub(1)),
            bytecode,
            constants,
            names,
            locals,
            free: old.then_some(free.unwrap_or(empty)),
            cells: old.then_some(cells.unwrap_or(empty)),
            filename,
            name,
            qualified,
            first_line: if let Value::Int(line) = line { u32::try_from(line).unwrap_or(0) } else { 0 },
        };
        let sound = objects.is_sound(&code);
        if sound { objects.add(Object::Code(Box::new(code))) } else { None }
    }

    /// A literal as a constant of code.
    fn constant(&self, value: Value, objects: &mut Objects, depth: u8) -> Option<Id> {
        let object = match value {
            Value::None => Object::None,
            Value::Bool(truth) => Object::Bool(truth),
            Value::Int(number) => Object::Int(i64::from(number)),
            Value::Str(_) | Value::Bytes(_) | Value::Computed(_) => {
                let text = self.is_text(value) == Some(true);
                match self.whole(value) {
                    Some(bytes) if text => Object::Text(bytes.into(), false),
                    Some(bytes) => Object::Bytes(bytes.into()),
                    None => Object::Other,
                }
            }
            Value::Node(_) if self.cells.kind(value) == Some(Kind::Tuple) && depth < DEEPEST => {
                let items = self.cells.items(value)?;
                let items: Option<Vec<Id>> =
                    items.into_iter().map(|item| self.constant(item, objects, depth.saturating_add(1))).collect();
                Object::Tuple(items?)
            }
            _ => match self.built(value) {
                Some(code) => return Some(code),
                None => Object::Other,
            },
        };
        objects.add(object)
    }
}

/// What tells a code object from others: where its instructions and the constants behind them stand.
fn key_of(items: &[Value]) -> Option<[u64; 2]> {
    // The table of lines may stand in front, but no tuple behind it.
    items.windows(2).find_map(|pair| match *pair {
        [Value::Str(code) | Value::Bytes(code), Value::Node(constants)] => Some([code.get(), constants.get()]),
        _ => None,
    })
}
