//! Arrays that joblib writes into the middle of a pickle.
//!
//! After BUILD has restored a `NumpyArrayWrapper`, joblib's unpickler takes the array from the file: for object
//! arrays a pickle of its own, else one byte of padding length and the padding (where the wrapper knows of an
//! alignment), then the elements. The stream goes on behind it, with the same stack and memo.

use super::machine::{By, End, Machine};
use super::memo::Memo;
use super::value::{Kind, Value};
use crate::bytes::Malformed;

/// Pickles within pickles of object arrays.
const DEEPEST: usize = 4;

impl Machine<'_> {
    /// Skips the raw array behind a BUILD that restores a wrapper of joblib.
    pub(super) fn skip_array(&mut self, target: Value, state: Value, by: By) -> Result<(), End> {
        let Value::Global(class) = self.cells.field(target, 1) else { return Ok(()) };
        let is_wrapper = self
            .names
            .get(class)
            .is_some_and(|name| name.function == "NumpyArrayWrapper" && name.module.ends_with("numpy_pickle"));
        if !is_wrapper {
            return Ok(());
        }
        let entry = |name: &[u8]| self.entry(state, name);
        let (shape, dtype, alignment) = (entry(b"shape"), entry(b"dtype"), entry(b"numpy_array_alignment_bytes"));
        let broken = End::Broken(Malformed { at: by.at, what: "the size of an array in the stream cannot be known" });
        let Some(size) = dtype.and_then(|dtype| self.item_size(dtype)) else { return Err(broken) };
        let ItemSize::Bytes(size) = size else { return self.skip_object_array(by) };
        let dimensions = shape.and_then(|shape| self.cells.items(shape)).unwrap_or_default();
        let count = dimensions.iter().try_fold(1_u64, |count, &dimension| match dimension {
            Value::Int(n) => count.checked_mul(u64::try_from(n).ok()?),
            Value::Number(_) => count.checked_mul(self.item_text(dimension).parse().ok()?),
            _ => None,
        });
        let Some(mut length) = count.and_then(|count| count.checked_mul(size)) else { return Err(broken) };
        if matches!(alignment, Some(Value::Int(_))) {
            let padding = self.reader.peek().map_or(0, u64::from);
            length = length.saturating_add(padding).saturating_add(1);
        }
        let end = self.reader.offset().saturating_add(length);
        if end > self.reader.end() {
            return Err(End::Broken(Malformed { at: by.at, what: "an array in the stream reaches past the end" }));
        }
        self.reader.seek(end);
        self.frame_end = None;
        Ok(())
    }

    fn entry(&self, dict: Value, name: &[u8]) -> Option<Value> {
        let items = self.cells.items(dict).filter(|_| self.cells.kind(dict) == Some(Kind::Dict))?;
        items.chunks_exact(2).find_map(|pair| match *pair {
            [key, value] if self.name_text(key).as_deref() == Some(name) => Some(value),
            _ => None,
        })
    }

    /// Bytes of one element of a `numpy.dtype('…')`, or that elements are objects.
    fn item_size(&self, dtype: Value) -> Option<ItemSize> {
        let code = *self.cells.items(self.cells.field(dtype, 2))?.first()?;
        let code = String::from_utf8(self.name_text(code)?).ok()?;
        let code = code.trim_start_matches(['<', '>', '=', '|']);
        let mut letters = code.chars();
        let kind = letters.next()?;
        let state = self.cells.field(self.cells.field(dtype, 4), 1);
        // The flags of a structured type say whether a field holds objects.
        let holds_objects = self
            .cells
            .items(state)
            .is_some_and(|state| matches!(state.get(7), Some(Value::Int(flags)) if flags & 1 == 1 && kind == 'V'));
        if kind == 'O' || holds_objects {
            return Some(ItemSize::Object);
        }
        let digits: String = letters.as_str().chars().take_while(char::is_ascii_digit).collect();
        let number: u64 = digits.parse().ok()?;
        Some(ItemSize::Bytes(if kind == 'U' { number.checked_mul(4)? } else { number }))
    }

    /// Enters the pickle of an object array: its names count, its memo and stack are its own.
    fn skip_object_array(&mut self, by: By) -> Result<(), End> {
        if self.outer.len() >= DEEPEST {
            return Err(End::Broken(Malformed { at: by.at, what: "object arrays are nested too deeply" }));
        }
        self.outer.push(Outer {
            stack: std::mem::take(&mut self.stack),
            marks: std::mem::take(&mut self.marks),
            memo: std::mem::take(&mut self.memo),
            fence: std::mem::take(&mut self.fence),
            protocol: self.protocol,
            start: self.start,
        });
        self.frame_end = None;
        self.start = self.reader.offset();
        Ok(())
    }

    /// At STOP: goes back to the stream around an object array. False if there is none.
    pub(super) fn leave_object_array(&mut self) -> bool {
        let Some(outer) = self.outer.pop() else { return false };
        let Outer { stack, marks, memo, fence, protocol, start } = outer;
        (self.stack, self.marks, self.memo, self.fence) = (stack, marks, memo, fence);
        (self.protocol, self.start) = (protocol, start);
        true
    }
}

/// The state of the stream around an object array.
pub(super) struct Outer {
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Memo,
    fence: usize,
    protocol: u8,
    start: u64,
}

enum ItemSize {
    Bytes(u64),
    Object,
}
