//! The state of the symbolic machine and its run over one stream.

use std::collections::{HashMap, HashSet};
use std::io;

use super::array::{Outer, Parting};
use super::call_digest::MOST_DIGESTED;
use super::changes::Changes;
use super::evidence::{Anomaly, Content, Evidence, Nested, Purpose};
use super::memo::Memo;
use super::names::{Fresh, LONGEST_NAME, Names, Naming};
use super::opcode;
use super::reader::{Extent, Reader, Token};
use super::text;
use super::value::{Cells, Far, Kind, Value};
use crate::bytes::{Budget, Exceeded, Malformed, ReadAt, ReadError};
use crate::decode::calls::Calls;

/// Opcodes between two looks at the budget.
pub(super) const STRIDE: u64 = 4096;
/// Values on the stack. A tuple of millions of numbers is written by putting all of them there; the deepest ones are
/// forgotten, and the stream goes on.
pub(super) const MOST_STACK: usize = 4 << 20;
/// Marks on the stack. Values are nested some hundred levels deep at most.
pub(super) const MOST_MARKS: usize = 1 << 16;
/// Bytes of literals that evaluation may touch in one stream.
const MOST_EVALUATED: usize = 32 << 20;
/// Longest literal that evaluation looks at.
pub(super) const LONGEST_LITERAL: usize = 1 << 20;
/// Shortest string constant that is kept.
const SHORTEST_TEXT: u64 = 8;
/// Longest part of a string constant that is looked at.
const LONGEST_TEXT: usize = 4096;

/// How a run ended.
#[derive(Debug)]
pub enum End {
    /// At STOP.
    Stop,
    /// The stream breaks.
    Broken(Malformed),
    /// A limit was reached.
    Limit(Exceeded),
    /// The source failed.
    Failed(io::Error),
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Malformed(malformed) => Self::Broken(malformed),
            ReadError::Io(error) => Self::Failed(error),
        }
    }
}

impl From<Exceeded> for End {
    fn from(exceeded: Exceeded) -> Self {
        Self::Limit(exceeded)
    }
}

/// What the loader does with persistent ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// It has none: every id is odd.
    None,
    /// They name the storages of `PyTorch`.
    Torch,
}

/// The opcode that is being executed.
#[derive(Debug, Clone, Copy)]
pub(super) struct By {
    pub(super) code: u8,
    pub(super) at: u64,
}

impl By {
    pub(super) fn mnemonic(self) -> &'static str {
        opcode::mnemonic(self.code)
    }
}

/// A string or bytes that evaluation produced.
#[derive(Debug)]
pub(super) struct Computed {
    pub(super) text: bool,
    pub(super) bytes: Vec<u8>,
    /// The use of the decoder that it comes from.
    pub(super) decoder: Option<u32>,
}

/// The machine. One value runs any number of streams of one source, one after the other.
pub struct Machine<'s> {
    pub(super) reader: Reader<'s>,
    pub(super) stack: Vec<Value>,
    pub(super) marks: Vec<usize>,
    /// Stack depth at the last mark: nothing below it can be taken.
    pub(super) fence: usize,
    /// True if something was forgotten at the bottom of the stack that may matter.
    pub(super) forgotten: bool,
    pub(super) memo: Memo,
    pub(super) cells: Cells,
    pub(super) names: Names,
    pub(super) evidence: Evidence,
    pub(super) computed: Vec<Computed>,
    /// True if something was decoded whose result is not known.
    pub(super) undecoded: bool,
    /// What changed since the stream wrote it.
    pub(super) changes: Changes,
    /// Bytes of literals that evaluation may still touch.
    pub(super) allowance: std::cell::Cell<usize>,
    /// What looking at everything that calls are given may still cost.
    pub(super) digests_left: std::cell::Cell<usize>,
    /// Attributes and items that the stream writes to imported objects, by `module\0path`.
    pub(super) planted: HashMap<Vec<u8>, Value>,
    /// Methods that the stream writes as items into objects, with their keys.
    pub(super) hook_items: HashMap<Far, Vec<Value>>,
    /// Objects that must not be forgotten with their cells.
    pub(super) pinned: HashSet<Far>,
    /// Codes registered in the file, with module and name. They outlive a stream, as the registry does.
    pub(super) extensions: HashMap<i64, (Vec<u8>, Vec<u8>)>,
    pub(super) persistence: Persistence,
    pub(super) protocol: u8,
    pub(super) start: u64,
    pub(super) frame_end: Option<u64>,
    pub(super) ops: u64,
    /// The opcodes executed, one bit each.
    codes: [u64; 4],
    pub(super) calls: u64,
    /// Calls made by helpers.
    pub(super) forwarded: u64,
    /// Call statements for people, when asked for.
    pub(super) program: Option<Vec<String>>,
    /// The streams around the object array at hand.
    pub(super) outer: Vec<Outer>,
    /// True if arrays are taken out of the stream, as joblib does it.
    pub(super) reads_arrays: bool,
    /// The first array of the stream, from which on other loaders read something else.
    pub(super) parting: Option<Parting>,
    scratch: Vec<u8>,
}

impl<'s> Machine<'s> {
    /// A machine for the pickles of `source`.
    #[must_use]
    pub fn new(source: &'s dyn ReadAt, persistence: Persistence) -> Self {
        Self {
            reader: Reader::new(source, 0),
            stack: Vec::new(),
            marks: Vec::new(),
            fence: 0,
            forgotten: false,
            memo: Memo::default(),
            cells: Cells::default(),
            names: Names::default(),
            evidence: Evidence::default(),
            computed: Vec::new(),
            undecoded: false,
            changes: Changes::default(),
            allowance: std::cell::Cell::new(MOST_EVALUATED),
            digests_left: std::cell::Cell::new(MOST_DIGESTED),
            planted: HashMap::new(),
            hook_items: HashMap::new(),
            pinned: HashSet::new(),
            extensions: HashMap::new(),
            persistence,
            protocol: 0,
            start: 0,
            frame_end: None,
            ops: 0,
            codes: [0; 4],
            calls: 0,
            forwarded: 0,
            program: None,
            outer: Vec::new(),
            reads_arrays: persistence == Persistence::None,
            parting: None,
            scratch: Vec::new(),
        }
    }

    /// Begins a stream at `offset`: empty stack, memo and tables.
    pub fn begin(&mut self, offset: u64) {
        self.reader.seek(offset);
        self.stack.clear();
        self.marks.clear();
        self.fence = 0;
        self.forgotten = false;
        self.memo.clear();
        self.cells.clear();
        self.names.clear();
        self.evidence.clear();
        self.computed.clear();
        self.undecoded = false;
        self.changes.clear();
        self.allowance.set(MOST_EVALUATED);
        self.digests_left.set(MOST_DIGESTED);
        self.planted.clear();
        self.hook_items.clear();
        self.pinned.clear();
        self.protocol = 0;
        self.start = offset;
        self.frame_end = None;
        self.outer.clear();
        self.parting = None;
        self.ops = 0;
        self.codes = [0; 4];
        self.calls = 0;
        self.forwarded = 0;
    }

    /// Refuses lines of more than `bytes`, for a look at data that may be anything.
    pub fn limit_lines(&mut self, bytes: u64) {
        self.reader.limit_lines(bytes);
    }

    /// Sets what the loader does with persistent ids.
    pub fn set_persistence(&mut self, persistence: Persistence) {
        self.persistence = persistence;
    }

    /// Keeps the calls as statements, for [`super::program`].
    pub fn keep_program(&mut self) {
        self.program = Some(Vec::new());
    }

    /// Runs until the stream ends, at most `most` opcodes.
    ///
    /// Returns None if there is more to do.
    pub fn run(&mut self, budget: &Budget, most: u64) -> Option<End> {
        let last = self.ops.saturating_add(most);
        let mut paid = self.ops;
        let mut token = Token::START;
        while self.ops < last {
            if self.ops.saturating_sub(paid) >= STRIDE {
                if let Err(exceeded) = budget.take_work(STRIDE) {
                    return Some(exceeded.into());
                }
                paid = paid.saturating_add(STRIDE);
            }
            if let Err(end) = self.advance(&mut token) {
                let owed = budget.take_work(self.ops.saturating_sub(paid));
                return Some(owed.map_or_else(End::from, |()| end));
            }
        }
        None
    }

    /// Executes one opcode, and leaves it in `token`.
    #[inline]
    pub(super) fn advance(&mut self, token: &mut Token) -> Result<(), End> {
        if let Err(error) = self.reader.token(token) {
            self.note_broken_frame();
            return Err(error.into());
        }
        self.ops = self.ops.saturating_add(1);
        if let Some(word) = self.codes.get_mut(usize::from(token.code >> 6)) {
            *word |= 1 << (token.code & 63);
        }
        if self.frame_end.is_some_and(|end| self.reader.offset() >= end) {
            self.check_frame(token);
        }
        self.step(token)
    }

    /// Offset of the next opcode; after STOP, the end of the stream.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.reader.offset()
    }

    /// True if the run broke because the source ends, not because of what it holds.
    #[must_use]
    pub fn ran_out(&self) -> bool {
        self.reader.ran_out()
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> &'s dyn ReadAt {
        self.reader.source()
    }

    /// The limit that kept the run from looking at everything, though it went on.
    #[must_use]
    pub fn exhausted(&self) -> Option<Exceeded> {
        if self.names.is_full() {
            return Some(Exceeded { what: "imported names", limit: super::names::MOST_NAME_BYTES as u64 });
        }
        if self.forgotten {
            return Some(Exceeded { what: "values on the pickle stack", limit: MOST_STACK as u64 });
        }
        if self.memo.missed() {
            return Some(Exceeded { what: "memo entries", limit: super::memo::MOST_ENTRIES });
        }
        let looked = || {
            self.cells.is_exhausted().then_some(Exceeded { what: "items looked at", limit: super::value::MOST_LOOKS })
        };
        self.evidence.dropped.or_else(looked)
    }

    /// Offset at which the stream began.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Opcodes executed in this stream.
    #[must_use]
    pub fn ops(&self) -> u64 {
        self.ops
    }

    /// True if this stream executed the opcode.
    #[must_use]
    pub fn executed(&self, code: u8) -> bool {
        self.codes.get(usize::from(code >> 6)).is_some_and(|word| word >> (code & 63) & 1 == 1)
    }

    /// Calls made in this stream, by whatever opcode.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Values on the stack.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.stack.len()
    }

    /// Protocol in force.
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.protocol
    }

    /// Imported names and their uses.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Everything else that was noticed.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The string at the offset of its opcode, as [`Evidence::texts`] lists it, cut to some kilobytes.
    #[must_use]
    pub fn text_at(&self, at: Far) -> String {
        String::from_utf8_lossy(&self.content(Value::Str(at), LONGEST_TEXT).unwrap_or_default()).into_owned()
    }

    /// The object that STOP returned, as text: the items of a tuple or list, or the one value; `?` for what has none.
    #[must_use]
    pub fn result(&self) -> Vec<String> {
        let Some(&value) = self.stack.last() else { return Vec::new() };
        match (self.cells.kind(value), self.cells.items(value)) {
            (Some(Kind::Tuple | Kind::List), Some(items)) => items.iter().map(|&item| self.item_text(item)).collect(),
            _ => vec![self.item_text(value)],
        }
    }

    /// The content of a string or bytes, cut to `cap`; None for other values.
    pub(super) fn content(&self, value: Value, cap: usize) -> Option<Vec<u8>> {
        match value {
            Value::Str(far) | Value::Bytes(far) => self.literal(far, cap),
            Value::Computed(id) => {
                let bytes = &self.computed.get(usize::try_from(id).ok()?)?.bytes;
                bytes.get(..cap.min(bytes.len())).map(<[u8]>::to_vec)
            }
            _ => None,
        }
    }

    /// The whole content of a string or bytes that evaluation may look at; None when it has had enough.
    pub(super) fn whole(&self, value: Value) -> Option<Vec<u8>> {
        let left = self.allowance.get();
        if left == 0 || self.is_changed(value) {
            return None;
        }
        let content = self.content(value, LONGEST_LITERAL.saturating_add(1))?;
        self.allowance.set(left.saturating_sub(content.len()));
        (content.len() <= LONGEST_LITERAL.min(left)).then_some(content)
    }

    /// True for a `str`, false for bytes, None for anything else.
    pub(super) fn is_text(&self, value: Value) -> Option<bool> {
        match value {
            Value::Str(_) => Some(true),
            Value::Bytes(_) => Some(false),
            Value::Computed(id) => Some(self.computed.get(usize::try_from(id).ok()?)?.text),
            _ => None,
        }
    }

    /// Where the bytes of a counted literal are, or the line of a text literal.
    pub(super) fn extent(&self, far: Far) -> Option<(u8, Extent)> {
        let at = far.get();
        let mut head = Vec::new();
        self.reader.copy(at, 9, &mut head);
        let (&code, rest) = head.split_first()?;
        let width = match opcode::layout(code)? {
            opcode::Layout::Counted8 | opcode::Layout::Long8 => 1,
            opcode::Layout::Counted32 | opcode::Layout::CountedI32 | opcode::Layout::Long32 => 4,
            opcode::Layout::Counted64 => 8,
            _ => return Some((code, Extent { at: at.saturating_add(1), len: u64::MAX })),
        };
        let len = rest.get(..width)?.iter().rev().fold(0_u64, |len, &byte| len << 8 | u64::from(byte));
        Some((code, Extent { at: at.saturating_add(1).saturating_add(width as u64), len }))
    }

    fn literal(&self, far: Far, cap: usize) -> Option<Vec<u8>> {
        let (code, extent) = self.extent(far)?;
        let mut out = Vec::new();
        if extent.len != u64::MAX {
            let want = usize::try_from(extent.len).unwrap_or(usize::MAX).min(cap);
            return self.reader.copy(extent.at, want, &mut out).then_some(out);
        }
        // A line: escapes take up to ten bytes for one.
        let mut line = Vec::new();
        let mut want = 256_usize;
        let end = loop {
            line.clear();
            self.reader.copy(extent.at, want, &mut line);
            match memchr::memchr(b'\n', &line) {
                Some(end) => break end,
                None if line.len() < want || want >= cap.saturating_mul(10) => break line.len(),
                None => want = want.saturating_mul(8),
            }
        };
        let line = line.get(..end)?;
        match code {
            opcode::STRING => text::unescape(text::unquote(line)?, &mut out),
            opcode::UNICODE => text::raw_unicode(line, &mut out),
            _ => out.extend_from_slice(line),
        }
        out.truncate(cap);
        Some(out)
    }

    /// Keeps a string or bytes that evaluation produced.
    pub(super) fn compute(&mut self, is_text: bool, bytes: Vec<u8>, decoder: Option<u32>) -> Option<Value> {
        self.allowance.set(self.allowance.get().checked_sub(bytes.len().saturating_add(64))?);
        let id = u32::try_from(self.computed.len()).ok()?;
        self.computed.push(Computed { text: is_text, bytes, decoder });
        Some(Value::Computed(id))
    }

    /// The imported object `module.function`.
    pub(super) fn name(&mut self, module: &[u8], function: &[u8], naming: Naming) -> Value {
        let mut key = std::mem::take(&mut self.scratch);
        key.clear();
        key.extend_from_slice(module.get(..LONGEST_NAME).unwrap_or(module));
        key.push(0);
        key.extend_from_slice(function.get(..LONGEST_NAME).unwrap_or(function));
        let id = self.names.intern(&key, naming);
        self.scratch = key;
        id.map_or(Value::Unknown, Value::Global)
    }

    /// Notes an oddity, described only if it is kept.
    pub(super) fn odd(&mut self, effect: &'static str, by: By, detail: impl FnOnce(&Self) -> String) {
        if self.evidence.wants(effect) {
            let detail = detail(self);
            self.evidence.anomalies.push(Anomaly { effect, opcode: by.mnemonic(), at: by.at, detail });
        }
    }

    /// Counts a use of an imported object.
    pub(super) fn note_use(
        &mut self,
        id: u32,
        usage: &'static str,
        by: By,
        arguments: &'static str,
        called: (Value, Value),
    ) -> Option<u32> {
        if let Some(known) = self.names.count_use(id, usage, by.mnemonic(), arguments, by.at) {
            if self.names.calls(known).is_some_and(|calls| calls.wants()) {
                let given = self.call_digest(called.0, called.1);
                self.names.calls(known).into_iter().for_each(|calls| calls.add(given.clone()));
            }
            return Some(known);
        }
        let (call, texts) = self.describe_call(called.0, called.1);
        let mut calls = Calls::default();
        calls.add(self.call_digest(called.0, called.1));
        let fresh = Fresh { usage, by: by.mnemonic(), arguments, call, calls, texts };
        self.names.add_use(id, usage == "called", fresh)
    }

    /// Looks at a literal in passing: is it text worth keeping, may it be a pickle?
    pub(super) fn note_literal(&mut self, at: u64, extent: Extent, is_text: bool) {
        if extent.len < SHORTEST_TEXT {
            return;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        if is_text && self.evidence.wants_texts() {
            let cap = usize::try_from(extent.len).unwrap_or(usize::MAX).min(LONGEST_TEXT);
            let text = self.reader.bytes_at(extent.at, cap, &mut scratch);
            self.evidence.text(at, text);
        }
        let suspect = match *self.reader.bytes_at(extent.at, 4, &mut scratch) {
            [0x80, 2..=5, ..] => true,
            // The same in base64 and in hexadecimal.
            [b'g', b'A', b'I'..=b'X', _] | [b'8', b'0', b'0', b'2'..=b'5'] => true,
            // Protocols 0 and 1 have no mark at their start: their last byte is STOP.
            [b'c' | b'(' | b'i', ..] => {
                let last = extent.at.saturating_add(extent.len).saturating_sub(1);
                *self.reader.bytes_at(last, 1, &mut scratch) == [opcode::STOP]
            }
            _ => false,
        };
        self.scratch = scratch;
        if suspect {
            self.evidence.nested(Nested { content: Content::Extent(extent), at, purpose: Purpose::Data });
        }
    }

    #[cold]
    fn check_frame(&mut self, token: &Token) {
        let (Some(end), next) = (self.frame_end, self.reader.offset()) else { return };
        if next < end {
            return;
        }
        self.frame_end = None;
        if next > end {
            let by = By { code: token.code, at: token.at };
            self.odd("frame-divergence", by, |_| {
                format!("{} at {:#x} reaches over the end of its frame at {end:#x}", by.mnemonic(), by.at)
            });
        }
    }

    /// A stream that breaks inside a frame that the source cannot hold was announced wrongly.
    fn note_broken_frame(&mut self) {
        if let Some(end) = self.frame_end.take().filter(|&end| end > self.reader.end()) {
            let by = By { code: opcode::FRAME, at: self.reader.offset() };
            self.odd("frame-overrun", by, |machine| {
                format!("a frame ends at {end:#x}, the data at {:#x}", machine.reader.end())
            });
        }
    }

    /// The extent of a string or bytes operand.
    pub(super) fn operand_extent(token: &Token) -> Extent {
        token.extent.unwrap_or(Extent { at: token.at, len: 0 })
    }
}
