//! The `NumpyArrayWrapper` of joblib, accepted only as joblib writes it.
//!
//! How many bytes joblib takes from the file follows from attributes that the pickle sets. Anything that a genuine
//! writer would not make is not guessed at: readers may differ in the size, and what one skips another one runs.

use super::machine::Machine;
use super::value::{Kind, Value};

/// Dimensions of an array: twice what `NumPy` allows.
const MOST_DIMENSIONS: usize = 128;
/// The attributes of a wrapper.
const ATTRIBUTES: [&[u8]; 6] =
    [b"subclass", b"shape", b"order", b"dtype", b"allow_mmap", b"numpy_array_alignment_bytes"];
/// What rebuilds the type of texts of any length, in `NumPy` 2 and in releases before its modules were renamed.
const STRING_TYPES: [&str; 2] =
    ["numpy._core._internal._convert_to_stringdtype_kwargs", "numpy.core._internal._convert_to_stringdtype_kwargs"];
/// The flag of a `numpy.dtype` whose elements hold objects.
const HOLDS_OBJECTS: i32 = 1;

/// A wrapper as joblib writes it.
pub(super) struct Wrapper {
    /// The class of the array.
    pub(super) subclass: Value,
    /// Code of the element type.
    pub(super) code: String,
    /// Lengths of the dimensions.
    pub(super) lengths: Vec<String>,
    /// What an element takes.
    pub(super) size: ItemSize,
    /// True if one byte says how much padding stands before the elements.
    pub(super) padded: bool,
}

/// What an element of an array takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemSize {
    /// So many bytes.
    Bytes(u64),
    /// The elements are a pickle of their own.
    Object,
    /// The machine no longer knows.
    Forgotten,
}

impl Machine<'_> {
    /// Reads the wrapper `target`, which BUILD has just given `state`. The error says what no writer makes.
    pub(super) fn wrapper(&self, target: Value, state: Value) -> Result<Wrapper, &'static str> {
        if !self.is_bare_instance(target) {
            return Err("it is not made by NEWOBJ without arguments");
        }
        if self.is_changed(target) {
            return Err("something may have changed it before its state is set");
        }
        if self.cells.field(self.cells.field(target, 4), 2) != Value::None {
            return Err("its state is set more than once");
        }
        let attributes = self.attributes(state).ok_or("its state has other keys than joblib writes, or one twice")?;
        let [subclass, shape, order, dtype, _, alignment] = attributes;
        let subclass = subclass.filter(|class| matches!(class, Value::Global(_))).ok_or("its class is no name")?;
        let padded = match alignment {
            None | Some(Value::None) => false,
            Some(Value::Int(_)) => true,
            Some(_) => return Err("its alignment is no integer"),
        };
        if !order.is_some_and(|order| self.is_string(order, &[b"C", b"F"])) {
            return Err("its order is neither C nor F");
        }
        let lengths = shape.and_then(|shape| self.lengths(shape)).ok_or("its shape is no tuple of integers")?;
        let dtype = dtype.ok_or("it has no dtype")?;
        if matches!(dtype, Value::Node(_)) && self.cells.kind(dtype).is_none() {
            return Ok(Wrapper { subclass, code: String::new(), lengths, size: ItemSize::Forgotten, padded });
        }
        let (code, size) = self.dtype(dtype)?;
        Ok(Wrapper { subclass, code, lengths, size, padded })
    }

    /// True if `target` is an instance made without arguments: by NEWOBJ, or as protocols 0 and 1 write it.
    fn is_bare_instance(&self, target: Value) -> bool {
        if self.cells.kind(target) != Some(Kind::Instance) || self.cells.field(target, 3) != Value::None {
            return false;
        }
        match self.cells.items(self.cells.field(target, 2)).as_deref() {
            Some([]) => true,
            Some([base, Value::None]) => {
                matches!(self.item_text(*base).as_str(), "builtins.object" | "__builtin__.object")
            }
            _ => false,
        }
    }

    /// The values of [`ATTRIBUTES`] in a state that holds nothing else, each once.
    fn attributes(&self, state: Value) -> Option<[Option<Value>; ATTRIBUTES.len()]> {
        let items = self.cells.items(state).filter(|_| self.cells.kind(state) == Some(Kind::Dict))?;
        let mut found = [None; ATTRIBUTES.len()];
        for pair in items.chunks(2) {
            let [key, value] = *pair else { return None };
            let name = self.name_text(key).filter(|_| self.is_text(key) == Some(true))?;
            let index = ATTRIBUTES.iter().position(|attribute| *attribute == name.as_slice())?;
            if found.get_mut(index)?.replace(value).is_some() {
                return None;
            }
        }
        Some(found)
    }

    fn lengths(&self, shape: Value) -> Option<Vec<String>> {
        let items = self.cells.items(shape).filter(|_| self.cells.kind(shape) == Some(Kind::Tuple))?;
        if items.len() > MOST_DIMENSIONS {
            return None;
        }
        let length = |&item: &Value| {
            let text = matches!(item, Value::Int(_) | Value::Number(_)).then(|| self.item_text(item))?;
            text.strip_prefix('-').unwrap_or(&text).bytes().all(|byte| byte.is_ascii_digit()).then_some(text)
        };
        items.iter().map(length).collect()
    }

    fn is_string(&self, value: Value, words: &[&[u8]]) -> bool {
        self.is_text(value) == Some(true) && self.name_text(value).is_some_and(|text| words.contains(&text.as_slice()))
    }

    /// Code and size of a `numpy.dtype('…', False, True)`, with the state that `NumPy` writes behind it or none.
    fn dtype(&self, dtype: Value) -> Result<(String, ItemSize), &'static str> {
        if let Some(strings) = self.string_dtype(dtype) {
            return strings;
        }
        let is_dtype = matches!(self.cells.kind(dtype), Some(Kind::Call | Kind::Instance))
            && self.item_text(self.cells.field(dtype, 1)) == "numpy.dtype"
            && self.cells.field(dtype, 3) == Value::None;
        if !is_dtype {
            return Err("its dtype is not made by numpy.dtype");
        }
        let arguments = self.cells.items(self.cells.field(dtype, 2)).unwrap_or_default();
        let flag = |value: &Value| matches!(value, Value::Bool(_) | Value::Int(0 | 1));
        let code = match arguments.as_slice() {
            [code, flags @ ..] if flags.len() <= 2 && flags.iter().all(flag) && self.is_text(*code) == Some(true) => {
                self.name_text(*code).and_then(|code| String::from_utf8(code).ok())
            }
            _ => None,
        };
        let code = code.ok_or("the arguments of its dtype are not those that NumPy writes")?;
        let (kind, size) = type_code(&code).ok_or("the code of its dtype is not one that NumPy writes")?;
        let state = self.cells.field(dtype, 4);
        if self.cells.kind(state).is_none() {
            let item = if kind == b'O' { ItemSize::Object } else { ItemSize::Bytes(size) };
            return if state == Value::None { Ok((code, item)) } else { Ok((code, ItemSize::Forgotten)) };
        }
        if self.cells.field(state, 2) != Value::None {
            return Err("the state of its dtype is set more than once");
        }
        let size = self.dtype_state(self.cells.field(state, 1), kind, size);
        size.map(|size| (code, size)).ok_or("the state of its dtype contradicts its code")
    }

    /// The type of texts of any length, which `NumPy` rebuilds with a function of its own; its arrays hold objects. None
    /// for other types.
    fn string_dtype(&self, dtype: Value) -> Option<Result<(String, ItemSize), &'static str>> {
        let name = self.item_text(self.cells.field(dtype, 1));
        if self.cells.kind(dtype) != Some(Kind::Call) || !STRING_TYPES.contains(&name.as_str()) {
            return None;
        }
        let arguments = self.cells.items(self.cells.field(dtype, 2)).unwrap_or_default();
        let plain = matches!(
            arguments.as_slice(),
            [Value::Bool(_) | Value::Int(0 | 1)] | [Value::Bool(_) | Value::Int(0 | 1), _]
        ) && self.cells.field(dtype, 3) == Value::None
            && self.cells.field(dtype, 4) == Value::None;
        let strings = ("T16".to_owned(), ItemSize::Object);
        Some(if plain { Ok(strings) } else { Err("the arguments of its dtype are not those that NumPy writes") })
    }

    /// The size that a state of a dtype agrees with.
    fn dtype_state(&self, state: Value, kind: u8, size: u64) -> Option<ItemSize> {
        let items = self.cells.items(state).filter(|_| self.cells.kind(state) == Some(Kind::Tuple))?;
        let (head, rest) = items.split_first_chunk::<8>()?;
        let [version, order, subarray, names, fields, itemsize, alignment, flags] = *head;
        let flexible = matches!(kind, b'S' | b'U' | b'V');
        let Value::Int(flags) = flags else { return None };
        let sized = match itemsize {
            Value::Int(-1) => true,
            Value::Int(itemsize) => flexible && u64::try_from(itemsize) == Ok(size),
            _ => false,
        };
        let aligned = match alignment {
            Value::Int(-1) => true,
            Value::Int(alignment) => flexible && alignment > 0,
            _ => false,
        };
        let structured = names != Value::None || fields != Value::None;
        let holds_objects = flags & HOLDS_OBJECTS != 0;
        let plausible = matches!(version, Value::Int(3 | 4))
            && rest.len() <= 1
            && self.is_string(order, &[b"<", b">", b"|", b"="])
            && subarray == Value::None
            && (kind == b'V' || !structured)
            && match kind {
                b'O' => holds_objects,
                b'V' => structured || !holds_objects,
                _ => !holds_objects,
            };
        (sized && aligned && plausible).then_some(if holds_objects { ItemSize::Object } else { ItemSize::Bytes(size) })
    }
}

/// Kind and size of a code such as `f8` or `<U7`, if `NumPy` writes it.
fn type_code(code: &str) -> Option<(u8, u64)> {
    let code = code.strip_prefix(['<', '>', '=', '|']).unwrap_or(code);
    let (&kind, digits) = code.as_bytes().split_first()?;
    let canonical = matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && digits.iter().all(u8::is_ascii_digit);
    let number: u64 = std::str::from_utf8(digits).ok().filter(|_| canonical)?.parse().ok()?;
    let size = match (kind, number) {
        (b'b', 1)
        | (b'i' | b'u', 1 | 2 | 4 | 8)
        | (b'f', 2 | 4 | 8 | 12 | 16)
        | (b'c', 8 | 16 | 24 | 32)
        | (b'M' | b'm', 8)
        | (b'O', 4 | 8)
        | (b'S' | b'V', _) => number,
        (b'U', _) => number.checked_mul(4)?,
        _ => return None,
    };
    Some((kind, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_that_numpy_writes() {
        for (code, kind, size) in
            [("f8", b'f', 8), ("<U7", b'U', 28), ("V0", b'V', 0), ("O8", b'O', 8), ("b1", b'b', 1)]
        {
            assert_eq!(type_code(code), Some((kind, size)), "{code}");
        }
        for code in ["", "f", "f3", "V1,V5", "V01", "V+1", "f8 ", "x4", "S-1", "<<f8", "V99999999999999999999"] {
            assert_eq!(type_code(code), None, "{code}");
        }
    }
}
