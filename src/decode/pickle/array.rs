//! Arrays that joblib writes into the middle of a pickle, or beside it.
//!
//! After BUILD has restored a `NumpyArrayWrapper`, joblib's unpickler takes the array from the file: for object
//! arrays a pickle of its own, else one byte of padding length and the padding (where the wrapper knows of an
//! alignment), then the elements. The stream goes on behind it, with the same stack and memo. Versions before 0.10
//! wrote each array to a file of its own and its name into a `NDArrayWrapper`.
//!
//! Any other loader runs the elements as opcodes, with the memo of the stream around them. A stream with arrays has
//! two readings, and [`Machine::other_reading`] is the second one.

use super::evidence::{Array, ArrayPlace};
use super::machine::{By, End, Machine, STRIDE};
use super::memo::Memo;
use super::names::{LONGEST_NAME, Name, Spelling, spelling};
use super::reader::Token;
use super::value::{Kind, Value};
use super::wrapper::{ItemSize, Wrapper};
use crate::bytes::{Budget, Exceeded, Malformed};

/// Pickles within pickles of object arrays.
const DEEPEST: usize = 4;
/// Characters of a type, a shape or a file name that are told.
const LONGEST: usize = 512;
/// The classes of joblib's wrappers, now and before 0.10.
pub(super) const WRAPPERS: [&str; 3] = ["NumpyArrayWrapper", "NDArrayWrapper", "ZNDArrayWrapper"];
/// Arguments of a call, and items of them, among which a wrapper is looked for.
const MOST_ARGUMENTS: usize = 4096;
/// What ends a load in Python, though the machine goes on.
const FATAL: [&str; 3] = ["undefined-memo", "unresolved-name", "invalid-name"];

/// Where a stream begins to have two readings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parting {
    /// Opcodes executed up to there.
    ops: u64,
    /// Offset of the elements of the first array.
    at: u64,
}

/// False for a name that Python would not find in a second reading: it is none, or it is the type of the elements of an
/// object array, which is named through the memo and so comes out as something else.
#[must_use]
pub fn may_exist(name: &Name) -> bool {
    let known = name.function != "dtype" || name.module.split('.').next() == Some("numpy");
    known && name.module.len() < LONGEST_NAME && spelling(&name.module) != Spelling::Invalid
}

fn last_part(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or_default()
}

impl Machine<'_> {
    /// Sets whether the loader is joblib's and takes arrays out of the stream. Any other one reads opcodes only.
    pub fn read_arrays(&mut self, yes: bool) {
        self.reads_arrays = yes;
    }

    /// The stream from `start` on as a loader reads it that knows no arrays, as far as Python gets; None if there is
    /// no array in it. At most `most` opcodes are read behind the point where the readings part; the limit that ended
    /// the reading, if one did, comes with it.
    #[must_use]
    pub fn other_reading(&self, start: u64, budget: &Budget, most: u64) -> Option<(Self, Option<Exceeded>)> {
        let parting = self.parting?;
        let mut other = Self::new(self.reader.source(), self.persistence);
        other.reads_arrays = false;
        other.extensions.clone_from(&self.extensions);
        other.begin(start);
        let end = other.run(budget, parting.ops).or_else(|| other.run_as_python(budget, most, parting.at));
        let exceeded = match end {
            Some(End::Limit(exceeded)) => Some(exceeded),
            Some(_) => None,
            None => Some(Exceeded { what: "opcodes in the elements of arrays", limit: most }),
        };
        Some((other, exceeded))
    }

    /// Opcodes executed behind the point where the readings of `first` part.
    #[must_use]
    pub fn ops_beyond(&self, first: &Self) -> u64 {
        first.parting.map_or(0, |parting| self.ops.saturating_sub(parting.ops))
    }

    /// Runs on until the stream ends or Python would give up; None after `most` opcodes.
    fn run_as_python(&mut self, budget: &Budget, most: u64, from: u64) -> Option<End> {
        let mut token = Token::START;
        let mut told = self.evidence.anomalies.len();
        let mut named = self.names.all().len();
        let last = self.ops.saturating_add(most);
        while self.ops < last {
            if self.ops.is_multiple_of(STRIDE)
                && let Err(exceeded) = budget.take_work(STRIDE)
            {
                return Some(exceeded.into());
            }
            if let Err(end) = self.advance(&mut token) {
                return Some(end);
            }
            let fresh = self.evidence.anomalies.get(told..).unwrap_or_default();
            let fatal = fresh.iter().any(|anomaly| anomaly.at >= from && FATAL.contains(&anomaly.effect));
            told = self.evidence.anomalies.len();
            let imported = self.names.all().get(named..).unwrap_or_default();
            let missing = imported.iter().any(|name| !may_exist(name));
            named = self.names.all().len();
            if fatal || missing {
                return Some(End::Broken(Malformed { at: token.at, what: "an opcode that Python refuses" }));
            }
        }
        None
    }

    /// Follows joblib behind a BUILD that restores one of its wrappers.
    pub(super) fn skip_array(&mut self, target: Value, state: Value, by: By) -> Result<(), End> {
        if !self.reads_arrays {
            return Ok(());
        }
        let class = self.cells.field(target, 1);
        if !self.is_wrapper_class(class) {
            if self.may_be_wrapper(target, state) {
                self.odd("odd-array", by, |machine| format!("it is hidden in {}", machine.show(target)));
            }
            return Ok(());
        }
        let Value::Global(class) = class else { return Ok(()) };
        let Some(name) = self.names.get(class) else { return Ok(()) };
        let class = last_part(&name.function);
        let plain = class.len() == name.function.len();
        let home = ["numpy_pickle", "numpy_pickle_compat"].iter().any(|home| {
            name.module.strip_suffix(home).is_some_and(|parent| parent == "joblib." || parent.ends_with(".joblib."))
        });
        let known = plain && home;
        match class {
            "NumpyArrayWrapper" => match self
                .wrapper(target, state)
                .and_then(|wrapper| if known { Ok(wrapper) } else { Err("its class is not named as joblib names it") })
            {
                Ok(wrapper) => {
                    // joblib puts the array into the place of its wrapper.
                    let array = self.instance_node(wrapper.subclass, Value::None, Value::None);
                    self.stack.pop();
                    self.push(array)?;
                    self.skip_elements(&wrapper, by)
                }
                Err(what) => {
                    self.odd("odd-array", by, |_| what.to_owned());
                    Ok(())
                }
            },
            "NDArrayWrapper" | "ZNDArrayWrapper" => {
                match self.entry(state, b"filename") {
                    Some(file) => {
                        let file = self.item_text(file);
                        self.note_array(by, ArrayPlace::File(file), "", "");
                    }
                    None => self.odd("odd-array", by, |_| "it names no file".to_owned()),
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn is_wrapper_class(&self, class: Value) -> bool {
        let Value::Global(id) = class else { return false };
        self.names.get(id).is_some_and(|name| WRAPPERS.contains(&last_part(&name.function)))
    }

    /// True if a call may have returned a wrapper that it was given: one that BUILD has not restored yet, after which it
    /// is an array. Of an object that the machine no longer knows, the state tells.
    fn may_be_wrapper(&self, target: Value, state: Value) -> bool {
        match self.cells.kind(target) {
            Some(Kind::Call) => {}
            Some(_) => return false,
            None => return self.entry(state, b"shape").and(self.entry(state, b"dtype")).is_some(),
        }
        let mut left = vec![self.cells.field(target, 2)];
        for _ in 0..MOST_ARGUMENTS {
            let Some(value) = left.pop() else { return false };
            match self.cells.kind(value) {
                Some(Kind::Call | Kind::Instance) => {
                    let fresh = self.cells.field(value, 4) == Value::None;
                    if fresh && self.is_wrapper_class(self.cells.field(value, 1)) {
                        return true;
                    }
                    left.push(self.cells.field(value, 2));
                }
                Some(_) => left.extend(self.cells.items(value).unwrap_or_default()),
                None if self.is_wrapper_class(value) => return true,
                None => {}
            }
        }
        self.is_hidden(target)
    }

    fn note_array(&mut self, by: By, place: ArrayPlace, dtype: &str, shape: &str) {
        let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
        let (dtype, shape) = (cut(dtype), cut(shape));
        self.evidence.array(Array { at: by.at, place, dtype, shape });
    }

    /// Skips the elements behind a `NumpyArrayWrapper`, or enters their pickle.
    fn skip_elements(&mut self, wrapper: &Wrapper, by: By) -> Result<(), End> {
        let at = self.reader.offset();
        self.parting.get_or_insert(Parting { ops: self.ops, at });
        let Wrapper { code, lengths, size, padded, .. } = wrapper;
        let text = format!("[{}]", lengths.join(", "));
        let size = match *size {
            ItemSize::Object => {
                self.note_array(by, ArrayPlace::Pickle, code, &text);
                return self.enter_object_array(by);
            }
            ItemSize::Bytes(size) => Some(size),
            ItemSize::Forgotten => None,
        };
        let count = lengths.iter().try_fold(1_u64, |count, length| count.checked_mul(length.parse().ok()?));
        let count = if lengths.iter().any(|length| length == "0") { Some(0) } else { count };
        let length = count.zip(size).and_then(|(count, size)| count.checked_mul(size));
        let padding = if *padded { self.reader.peek().map_or(0, u64::from).saturating_add(1) } else { 0 };
        let begin = at.saturating_add(padding);
        let end = length.and_then(|length| begin.checked_add(length)).filter(|&end| end <= self.reader.end());
        let (Some(end), Some(length)) = (end, length) else {
            self.note_array(by, ArrayPlace::Missing(length), code, &text);
            let what = match length {
                Some(_) => "an array in the stream reaches past the end",
                None => "the size of an array in the stream cannot be known",
            };
            return Err(End::Broken(Malformed { at: by.at, what }));
        };
        self.note_array(by, ArrayPlace::Stream(begin, length), code, &text);
        self.reader.seek(end);
        self.frame_end = None;
        Ok(())
    }

    /// The value of a key. Of several that are alike Python keeps the last.
    fn entry(&self, dict: Value, name: &[u8]) -> Option<Value> {
        let items = self.unchanged_items(dict).filter(|_| self.cells.kind(dict) == Some(Kind::Dict))?;
        items.chunks_exact(2).rev().find_map(|pair| match *pair {
            [key, value] if self.name_text(key).as_deref() == Some(name) => Some(value),
            _ => None,
        })
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
