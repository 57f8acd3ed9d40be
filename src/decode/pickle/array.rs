//! Arrays that joblib writes into the middle of a pickle, or beside it.
//!
//! After BUILD has restored a `NumpyArrayWrapper`, joblib's unpickler takes the array from the file: for object
//! arrays a pickle of its own, else one byte of padding length and the padding (where the wrapper knows of an
//! alignment), then the elements. The stream goes on behind it, with the same stack and memo. Versions before 0.10
//! wrote each array to a file of its own and its name into a `NDArrayWrapper`.

use super::evidence::{Array, ArrayPlace};
use super::machine::{By, End, Machine};
use super::memo::Memo;
use super::value::{Kind, Value};
use crate::bytes::Malformed;

/// Pickles within pickles of object arrays.
const DEEPEST: usize = 4;
/// Characters of a type, a shape or a file name that are told.
const LONGEST: usize = 512;
/// Dimensions of an array: twice what `NumPy` allows.
const MOST_DIMENSIONS: usize = 128;

impl Machine<'_> {
    /// Follows joblib behind a BUILD that restores one of its wrappers.
    pub(super) fn skip_array(&mut self, target: Value, state: Value, by: By) -> Result<(), End> {
        let Value::Global(class) = self.cells.field(target, 1) else { return Ok(()) };
        let Some(name) = self
            .names
            .get(class)
            .filter(|name| name.module.ends_with("numpy_pickle") || name.module.ends_with("numpy_pickle_compat"))
        else {
            return Ok(());
        };
        match name.function.as_str() {
            "NumpyArrayWrapper" => self.skip_elements(state, by),
            "NDArrayWrapper" | "ZNDArrayWrapper" => {
                let file = self.entry(state, b"filename").map_or_else(|| "?".to_owned(), |file| self.item_text(file));
                self.note_array(by, ArrayPlace::File(file), "", "");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn note_array(&mut self, by: By, place: ArrayPlace, dtype: &str, shape: &str) {
        let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
        let (dtype, shape) = (cut(dtype), cut(shape));
        self.evidence.array(Array { at: by.at, place, dtype, shape });
    }

    /// Skips the elements behind a `NumpyArrayWrapper`, or enters their pickle.
    fn skip_elements(&mut self, state: Value, by: By) -> Result<(), End> {
        let entry = |name: &[u8]| self.entry(state, name);
        let (shape, dtype, alignment) = (entry(b"shape"), entry(b"dtype"), entry(b"numpy_array_alignment_bytes"));
        let dimensions = shape.and_then(|shape| self.cells.items(shape)).unwrap_or_default();
        let lengths: Vec<String> =
            dimensions.iter().take(MOST_DIMENSIONS).map(|&length| self.item_text(length)).collect();
        let text = format!("[{}]", lengths.join(", "));
        let code = dtype.and_then(|dtype| self.type_code(dtype)).unwrap_or_default();
        let size = match dtype.and_then(|dtype| self.item_size(dtype)) {
            Some(ItemSize::Object) => {
                self.note_array(by, ArrayPlace::Pickle, &code, &text);
                return self.enter_object_array(by);
            }
            Some(ItemSize::Bytes(size)) => Some(size),
            None => None,
        };
        let count = lengths.iter().try_fold(1_u64, |count, length| count.checked_mul(length.parse().ok()?));
        let count = if lengths.iter().any(|length| length == "0") { Some(0) } else { count };
        let length = count.zip(size).and_then(|(count, size)| count.checked_mul(size));
        let padding = match alignment {
            Some(Value::Int(_)) => self.reader.peek().map_or(0, u64::from).saturating_add(1),
            _ => 0,
        };
        let begin = self.reader.offset().saturating_add(padding);
        let end = length.and_then(|length| begin.checked_add(length)).filter(|&end| end <= self.reader.end());
        let (Some(end), Some(length)) = (end, length) else {
            self.note_array(by, ArrayPlace::Missing(length), &code, &text);
            let what = match length {
                Some(_) => "an array in the stream reaches past the end",
                None => "the size of an array in the stream cannot be known",
            };
            return Err(End::Broken(Malformed { at: by.at, what }));
        };
        self.note_array(by, ArrayPlace::Stream(begin, length), &code, &text);
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

    /// The code that a `numpy.dtype('…')` is made from.
    fn type_code(&self, dtype: Value) -> Option<String> {
        let code = *self.cells.items(self.cells.field(dtype, 2))?.first()?;
        String::from_utf8(self.name_text(code)?).ok()
    }

    /// Bytes of one element of a `numpy.dtype('…')`, or that elements are objects.
    fn item_size(&self, dtype: Value) -> Option<ItemSize> {
        let code = self.type_code(dtype)?;
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
    fn enter_object_array(&mut self, by: By) -> Result<(), End> {
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
