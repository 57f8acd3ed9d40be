//! What each opcode does to stack, marks and memo, with the checks and the order of the C unpickler.

use super::evidence::Misuse;
use super::machine::{By, End, LONGEST_LITERAL, MOST_MARKS, MOST_STACK, Machine, Persistence};
use super::names::Naming;
use super::opcode as op;
use super::reader::{Extent, Token};
use super::text::{self, Integer};
use super::value::{Far, Kind, Value};
use crate::bytes::Malformed;

/// Memo indices from here on make `CPython` allocate a gigabyte for the table alone.
const HUGE_INDEX: u64 = 1 << 26;
/// Values of eight bytes each that make a gigabyte.
const HUGE_SIZE: f32 = 134_217_728.0;
/// Items of a persistent id that are told.
const MOST_ID_ITEMS: usize = 16;
/// Longest module and name of a text opcode that are looked at.
const LONGEST_NAMES: usize = 8192;
/// Longest line of a number that is looked at.
const LONGEST_NUMBER: u64 = 16 << 10;
/// Arguments, keywords and state of a node that has none.
const NOTHING: Value = Value::None;

impl Machine<'_> {
    /// Executes `token`.
    pub(super) fn step(&mut self, token: &Token) -> Result<(), End> {
        let by = by_of(token);
        match token.code {
            op::BINGET | op::LONG_BINGET => self.get(by, token.number),
            op::BINPUT | op::LONG_BINPUT => self.put(by, token.number),
            op::MEMOIZE => self.put(by, i64::try_from(self.memo.entries()).unwrap_or(i64::MAX)),
            op::BININT | op::BININT1 | op::BININT2 => self.push(Value::Int(i32::try_from(token.number).unwrap_or(0))),
            op::SHORT_BINUNICODE | op::BINUNICODE | op::BINUNICODE8 | op::SHORT_BINSTRING | op::BINSTRING => {
                let extent = Self::operand_extent(token);
                if self.persistence == Persistence::Torch {
                    self.check_text(token.code, extent);
                }
                self.note_literal(token.at, extent, true);
                self.push(Value::Str(Far::new(token.at)))
            }
            op::SHORT_BINBYTES | op::BINBYTES | op::BINBYTES8 | op::BYTEARRAY8 => {
                self.note_literal(token.at, Self::operand_extent(token), false);
                self.push(Value::Bytes(Far::new(token.at)))
            }
            op::BINFLOAT => self.push(Value::Number(Far::new(token.at))),
            op::LONG1 | op::LONG4 => self.push(match token.extent {
                None => small(token.number, token.at),
                Some(_) => Value::Number(Far::new(token.at)),
            }),
            op::NONE => self.push(Value::None),
            op::NEWTRUE => self.push(Value::Bool(true)),
            op::NEWFALSE => self.push(Value::Bool(false)),
            op::MARK => self.mark(),
            op::TUPLE | op::LIST | op::DICT | op::FROZENSET => self.collect(by),
            op::EMPTY_TUPLE => self.tuple(by, 0),
            op::TUPLE1 => self.tuple(by, 1),
            op::TUPLE2 => self.tuple(by, 2),
            op::TUPLE3 => self.tuple(by, 3),
            op::EMPTY_LIST => self.empty(Kind::List),
            op::EMPTY_DICT => self.empty(Kind::Dict),
            op::EMPTY_SET => self.empty(Kind::Set),
            op::APPEND | op::SETITEM => self.add_one(by),
            op::APPENDS | op::SETITEMS | op::ADDITEMS => self.add_marked(by),
            op::STACK_GLOBAL => self.stack_global(by),
            op::GLOBAL => self.global(token),
            op::REDUCE => self.reduce(by),
            op::NEWOBJ => self.newobj(by, false),
            op::NEWOBJ_EX => self.newobj(by, true),
            op::BUILD => self.build(by),
            op::INST => self.inst(token),
            op::OBJ => self.obj(by),
            op::BINPERSID => self.binpersid(by),
            op::PERSID => self.persid(token),
            op::EXT1 | op::EXT2 | op::EXT4 => self.extension(by, token.number),
            op::POP => self.discard(by),
            op::POP_MARK => self.take_marked(by).map(drop),
            op::DUP => self.top(by).and_then(|top| self.push(top)),
            op::STOP => self.stop(by),
            op::PROTO => self.proto(token),
            op::FRAME => self.frame(token),
            op::NEXT_BUFFER => self.push(Value::Unknown),
            op::READONLY_BUFFER => self.top(by).map(drop),
            _ => self.step_text(token, by),
        }
    }

    /// Notes text that a checkpoint's restricted loader cannot decode: UTF-8, which in the strings of Python 3 may hold
    /// surrogates.
    fn check_text(&mut self, code: u8, extent: Extent) {
        let mut scratch = Vec::new();
        let cap = usize::try_from(extent.len).unwrap_or(usize::MAX).min(LONGEST_LITERAL);
        let mut rest = self.reader.bytes_at(extent.at, cap, &mut scratch);
        let is_cut = cap as u64 != extent.len;
        while let Err(error) = std::str::from_utf8(rest) {
            let (_, broken) = rest.split_at_checked(error.valid_up_to()).unwrap_or_default();
            match broken {
                [0xed, 0xa0..=0xbf, 0x80..=0xbf, behind @ ..] if code == op::BINUNICODE => rest = behind,
                _ if is_cut && error.error_len().is_none() => return,
                _ => return self.evidence.misuse(Misuse::NoText),
            }
        }
    }

    /// The text opcodes that push a literal or use the memo.
    fn step_text(&mut self, token: &Token, by: By) -> Result<(), End> {
        let extent = Self::operand_extent(token);
        let broken = |what| Err(End::Broken(Malformed { at: token.at, what }));
        match token.code {
            // Too long to be looked at: a number with zeros in front of it, or a large one.
            op::INT | op::LONG | op::FLOAT if extent.len > LONGEST_NUMBER => {
                self.push(Value::Number(Far::new(token.at)))
            }
            op::INT | op::LONG => match text::integer(&self.line(extent)) {
                Some(Integer::Bool(truth)) if token.code == op::INT => self.push(Value::Bool(truth)),
                Some(Integer::Bool(truth)) => self.push(Value::Int(i32::from(truth))),
                Some(Integer::Small(number)) => self.push(small(number, token.at)),
                Some(Integer::Large) => self.push(Value::Number(Far::new(token.at))),
                None => broken("an integer that is none"),
            },
            op::FLOAT if text::is_float(&self.line(extent)) => self.push(Value::Number(Far::new(token.at))),
            op::FLOAT => broken("a float that is none"),
            op::STRING | op::UNICODE => {
                if token.code == op::STRING && !self.is_quoted(extent) {
                    return broken("a STRING that is not quoted");
                }
                self.note_literal(token.at, extent, true);
                self.push(Value::Str(Far::new(token.at)))
            }
            op::GET | op::PUT if extent.len > LONGEST_NUMBER => broken("a memo index too long to be read"),
            op::GET | op::PUT => {
                let Some(index) = text::index(&self.line(extent)) else { return broken("a memo index that is none") };
                if token.code == op::GET { self.get(by, index) } else { self.put(by, index) }
            }
            _ => broken("a byte that is no pickle opcode"),
        }
    }

    /// The content of a line, as far as numbers and indices need it.
    fn line(&self, extent: Extent) -> Vec<u8> {
        let mut line = Vec::new();
        let want = usize::try_from(extent.len.min(LONGEST_NUMBER)).unwrap_or(0);
        self.reader.copy(extent.at, want, &mut line);
        line
    }

    fn is_quoted(&self, extent: Extent) -> bool {
        let (mut first, mut last) = (Vec::new(), Vec::new());
        self.reader.copy(extent.at, 1, &mut first);
        // Python 2 took blanks after the closing quote.
        let tail = extent.len.min(16);
        let from = extent.at.saturating_add(extent.len.saturating_sub(tail));
        self.reader.copy(from, usize::try_from(tail).unwrap_or(0), &mut last);
        extent.len >= 2 && matches!(first.first(), Some(b'\'' | b'"')) && last.trim_ascii_end().last() == first.first()
    }

    pub(super) fn push(&mut self, value: Value) -> Result<(), End> {
        if self.stack.len() >= MOST_STACK {
            self.forget_values();
        }
        self.stack.push(value);
        Ok(())
    }

    /// Forgets the deeper half of the stack: a flood must neither cost memory nor hide what comes behind it. Literals
    /// that lie so deep become items of a container too long to be looked at; anything else is said to be missed.
    #[cold]
    fn forget_values(&mut self) {
        let half = self.stack.len().min(MOST_STACK / 2);
        let harmless = |value: Value| {
            matches!(
                value,
                Value::None | Value::Bool(_) | Value::Int(_) | Value::Number(_) | Value::Str(_) | Value::Bytes(_)
            )
        };
        self.forgotten |= !self.stack.drain(..half).all(harmless);
        self.marks.iter_mut().for_each(|mark| *mark = mark.saturating_sub(half));
        self.fence = self.fence.saturating_sub(half);
    }

    fn underflow(&mut self, by: By) -> End {
        self.odd("stack-underflow", by, |_| String::new());
        End::Broken(Malformed { at: by.at, what: "an opcode finds no operand on the stack" })
    }

    fn pop(&mut self, by: By) -> Result<Value, End> {
        if self.stack.len() > self.fence
            && let Some(value) = self.stack.pop()
        {
            return Ok(value);
        }
        Err(self.underflow(by))
    }

    fn top(&mut self, by: By) -> Result<Value, End> {
        match self.stack.last() {
            Some(&value) if self.stack.len() > self.fence => Ok(value),
            _ => Err(self.underflow(by)),
        }
    }

    fn mark(&mut self) -> Result<(), End> {
        if self.marks.len() >= MOST_MARKS {
            self.marks.drain(..MOST_MARKS / 2);
            self.forgotten = true;
        }
        self.marks.push(self.stack.len());
        self.fence = self.stack.len();
        Ok(())
    }

    /// Takes the values above the last mark, and the mark.
    fn take_marked(&mut self, by: By) -> Result<Vec<Value>, End> {
        let Some(mark) = self.marks.pop() else { return Err(self.underflow(by)) };
        self.fence = self.marks.last().copied().unwrap_or(0);
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn collect(&mut self, by: By) -> Result<(), End> {
        let Some(&mark) = self.marks.last() else { return Err(self.underflow(by)) };
        let items = self.stack.get(mark..).unwrap_or_default();
        let node = match by.code {
            op::TUPLE => self.cells.tuple(items),
            op::DICT if items.len() % 2 == 1 => {
                return Err(End::Broken(Malformed { at: by.at, what: "a dict with a key that has no value" }));
            }
            code => {
                let kind = match code {
                    op::LIST => Kind::List,
                    op::DICT => Kind::Dict,
                    _ => Kind::Set,
                };
                let node = self.cells.container(kind);
                self.cells.extend(node, items);
                if kind == Kind::Dict && self.plants_hook(items) {
                    self.pin(node);
                }
                node
            }
        };
        self.stack.truncate(mark);
        self.marks.pop();
        self.fence = self.marks.last().copied().unwrap_or(0);
        self.check_size(node, by);
        self.push(node)
    }

    fn tuple(&mut self, by: By, len: usize) -> Result<(), End> {
        let Some(from) = self.stack.len().checked_sub(len).filter(|&from| from >= self.fence) else {
            return Err(self.underflow(by));
        };
        let node = self.cells.tuple(self.stack.get(from..).unwrap_or_default());
        self.stack.truncate(from);
        self.check_size(node, by);
        self.push(node)
    }

    fn empty(&mut self, kind: Kind) -> Result<(), End> {
        let node = self.cells.container(kind);
        self.push(node)
    }

    /// Sharing lets a stream of a kilobyte describe values of a gigabyte.
    pub(super) fn check_size(&mut self, node: Value, by: By) {
        let size = self.cells.size(node);
        if size < HUGE_SIZE {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate against an estimate")]
        let written = self.reader.offset().saturating_sub(self.start) as f32;
        if size * 8.0 > written * 1000.0 {
            self.odd("expansion", by, |_| format!("{size:.1e} values from {written:.0} bytes"));
        }
    }

    fn get(&mut self, by: By, index: i64) -> Result<(), End> {
        let found = u64::try_from(index).ok().and_then(|index| self.memo.get(index));
        if found.is_none() {
            self.evidence.misuse(Misuse::UnsetMemo);
            self.odd("undefined-memo", by, |_| format!("slot {index} was never set"));
        }
        self.push(found.unwrap_or(Value::Unknown))
    }

    fn put(&mut self, by: By, index: i64) -> Result<(), End> {
        let top = self.top(by)?;
        let Ok(index) = u64::try_from(index) else {
            return Err(End::Broken(Malformed { at: by.at, what: "a negative memo index" }));
        };
        if index >= HUGE_INDEX && index / 16 > self.memo.entries() {
            self.odd("expansion", by, |_| format!("memo slot {index}"));
        }
        self.memo.put(index, top);
        Ok(())
    }

    /// POP takes a mark if that is what lies on top.
    fn discard(&mut self, by: By) -> Result<(), End> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            self.fence = self.marks.last().copied().unwrap_or(0);
            // Protocol 0 has no POP_MARK, and takes back a recursive tuple this way.
            if self.protocol >= 2 {
                self.odd("mark-padding", by, |_| "a mark that nothing uses".to_owned());
            }
            return Ok(());
        }
        if let Value::Global(id) = self.pop(by)?
            && let Some(name) = self.names.get_mut(id)
        {
            name.popped = name.popped.saturating_add(1);
        }
        Ok(())
    }

    fn add_one(&mut self, by: By) -> Result<(), End> {
        let count = if by.code == op::APPEND { 1 } else { 2 };
        let split = self.stack.len().checked_sub(count).filter(|&split| split > self.fence);
        let Some(split) = split else { return Err(self.underflow(by)) };
        self.add_from(split, by)
    }

    fn add_marked(&mut self, by: By) -> Result<(), End> {
        let Some(&mark) = self.marks.last() else { return Err(self.underflow(by)) };
        self.marks.pop();
        self.fence = self.marks.last().copied().unwrap_or(0);
        if mark <= self.fence {
            return Err(self.underflow(by));
        }
        let odd = self.stack.len().saturating_sub(mark) % 2 == 1;
        if by.code == op::SETITEMS && odd {
            return Err(End::Broken(Malformed { at: by.at, what: "a dict with a key that has no value" }));
        }
        self.add_from(mark, by)
    }

    /// Adds the values from `split` on to the object below them.
    fn add_from(&mut self, split: usize, by: By) -> Result<(), End> {
        let Some(&target) = split.checked_sub(1).and_then(|at| self.stack.get(at)) else {
            return Err(self.underflow(by));
        };
        match self.cells.kind(target) {
            Some(kind @ (Kind::List | Kind::Dict | Kind::Set)) => {
                let pairs = matches!(by.code, op::SETITEM | op::SETITEMS);
                if kind != Kind::Set && pairs != (kind == Kind::Dict) || kind == Kind::Set && by.code != op::ADDITEMS {
                    self.evidence.misuse(Misuse::ItemElsewhere);
                }
                let items = self.stack.get(split..).unwrap_or_default();
                self.cells.extend(target, items);
                if self.changes.is_given(target) {
                    let items = items.to_vec();
                    self.note_held(target, &items);
                }
                if kind == Kind::Dict && self.plants_hook(self.stack.get(split..).unwrap_or_default()) {
                    self.pin(target);
                }
                self.note_written(target, pairs);
                self.check_size(target, by);
                self.stack.truncate(split);
            }
            _ => {
                let items = self.stack.split_off(split);
                self.add_to_object(target, &items, by);
            }
        }
        Ok(())
    }

    fn global(&mut self, token: &Token) -> Result<(), End> {
        let value = self.named(token);
        self.push(value)
    }

    /// The object that GLOBAL or INST names.
    fn named(&mut self, token: &Token) -> Value {
        let Some(lines) = token.extent else { return Value::Unknown };
        let mut text = Vec::new();
        let want = usize::try_from(lines.len).unwrap_or(usize::MAX).min(LONGEST_NAMES);
        self.reader.copy(lines.at, want, &mut text);
        let split = memchr::memchr(b'\n', &text).unwrap_or(text.len());
        let (module, name) = text.split_at(split);
        self.find(module, name.get(1..).unwrap_or_default(), by_of(token))
    }

    fn stack_global(&mut self, by: By) -> Result<(), End> {
        let name = self.pop(by)?;
        let module = self.pop(by)?;
        for operand in [module, name] {
            self.feed(operand);
        }
        let text =
            |machine: &Self, value| machine.is_text(value).filter(|&text| text).and_then(|_| machine.name_text(value));
        let (module_text, name_text) = (text(self, module), text(self, name));
        let value = match (module_text, name_text) {
            (Some(module_text), Some(name_text)) => {
                self.note_computed(&[module, name], by);
                self.find(&module_text, &name_text, by)
            }
            _ => {
                self.odd("unresolved-name", by, |machine| format!("{}, {}", machine.show(module), machine.show(name)));
                Value::Unknown
            }
        };
        self.push(value)
    }

    fn reduce(&mut self, by: By) -> Result<(), End> {
        let arguments = self.pop(by)?;
        let callable = self.pop(by)?;
        let is_tuple = self.cells.kind(arguments) == Some(Kind::Tuple);
        if !matches!(callable, Value::Global(_)) || !is_tuple {
            self.evidence.misuse(Misuse::NoCall);
        }
        let value = self.invoke(callable, arguments, NOTHING, by, 0);
        let value = self.returned(value);
        self.push(value)
    }

    fn newobj(&mut self, by: By, keywords: bool) -> Result<(), End> {
        let keywords = if keywords { self.pop(by)? } else { NOTHING };
        let arguments = self.pop(by)?;
        let class = self.pop(by)?;
        if !matches!(class, Value::Global(_)) {
            self.evidence.misuse(Misuse::NoClass);
        }
        let value = self.instantiate(class, arguments, keywords, by);
        self.push(value)
    }

    fn build(&mut self, by: By) -> Result<(), End> {
        let state = self.pop(by)?;
        let target = self.top(by)?;
        if !matches!(self.cells.kind(target), Some(Kind::Call | Kind::Instance)) {
            self.evidence.misuse(Misuse::StateElsewhere);
        }
        if let Some(replacement) = self.restore(target, state, by) {
            self.stack.pop();
            self.push(replacement)?;
        }
        self.skip_array(target, state, by)
    }

    fn inst(&mut self, token: &Token) -> Result<(), End> {
        let by = by_of(token);
        let items = self.take_marked(by)?;
        let class = self.named(token);
        let value = self.make(class, &items, by);
        let value = self.returned(value);
        self.push(value)
    }

    fn obj(&mut self, by: By) -> Result<(), End> {
        let items = self.take_marked(by)?;
        let Some((&class, items)) = items.split_first() else { return Err(self.underflow(by)) };
        let value = self.make(class, items, by);
        let value = self.returned(value);
        self.push(value)
    }

    fn binpersid(&mut self, by: By) -> Result<(), End> {
        let id = self.pop(by)?;
        let items = self.cells.items(id).filter(|_| self.cells.kind(id) == Some(Kind::Tuple));
        let is_tuple = items.is_some();
        if !is_tuple {
            self.evidence.misuse(Misuse::BareId);
        }
        // A class with its source beside it: the loader returns the class.
        let class = items.as_deref().and_then(|items| match items {
            [kind, class @ Value::Global(_), _, _] if self.item_text(*kind) == "module" => Some(*class),
            [class @ Value::Global(_), _, _] => Some(*class),
            _ => None,
        });
        let texts: Vec<String> =
            items.unwrap_or_else(|| vec![id]).iter().take(MOST_ID_ITEMS).map(|&item| self.item_text(item)).collect();
        let known = if is_tuple { is_torch_id(&texts) } else { texts.first().is_some_and(|text| is_number(text)) };
        if self.persistence == Persistence::None || !known {
            self.odd("persistent-id", by, |machine| machine.show(id));
        }
        self.evidence.persistent(by.at, texts);
        let node = class.unwrap_or_else(|| self.cells.node(&[Value::Head(Kind::Persistent, 1.0), id]));
        self.push(node)
    }

    fn persid(&mut self, token: &Token) -> Result<(), End> {
        let text = String::from_utf8_lossy(&self.line(Self::operand_extent(token))).into_owned();
        if self.persistence == Persistence::None || !is_number(&text) {
            self.odd("persistent-id", by_of(token), |_| text.chars().take(200).collect());
        }
        self.evidence.persistent(token.at, vec![text]);
        let node = self.cells.node(&[Value::Head(Kind::Persistent, 1.0), Value::Unknown]);
        self.push(node)
    }

    fn extension(&mut self, by: By, code: i64) -> Result<(), End> {
        let known = self.extensions.get(&code).cloned();
        let detail = match &known {
            Some((module, name)) => {
                format!("code {code}: {}.{}", String::from_utf8_lossy(module), String::from_utf8_lossy(name))
            }
            None => format!("code {code}"),
        };
        self.odd("ext-registry", by, |_| detail);
        let value = known.map_or(Value::Unknown, |(module, name)| self.find(&module, &name, by));
        self.push(value)
    }

    fn stop(&mut self, by: By) -> Result<(), End> {
        let _ = self.top(by)?;
        if let Some(end) = self.frame_end.take().filter(|&end| end > self.reader.offset()) {
            let effect = if end > self.reader.end() { "frame-overrun" } else { "frame-crosses-stop" };
            let frame = By { code: op::FRAME, at: by.at };
            self.odd(effect, frame, |_| format!("a frame ends at {end:#x}, STOP is at {:#x}", by.at));
        }
        if !self.marks.is_empty() {
            self.odd("mark-padding", by, |machine| format!("{} marks are left at STOP", machine.marks.len()));
        }
        if self.leave_object_array() { Ok(()) } else { Err(End::Stop) }
    }

    fn proto(&mut self, token: &Token) -> Result<(), End> {
        let protocol = u8::try_from(token.number).unwrap_or(u8::MAX);
        if token.at != self.start {
            let repeated = self.protocol >= 2;
            let effect = if repeated { "proto-repeated" } else { "proto-not-first" };
            self.odd(effect, by_of(token), |_| format!("protocol {protocol} is declared inside"));
        }
        if protocol > 5 {
            self.odd("proto-unsupported", by_of(token), |_| format!("protocol {protocol}"));
        }
        self.protocol = protocol;
        Ok(())
    }

    fn frame(&mut self, token: &Token) -> Result<(), End> {
        let length = u64::try_from(token.number).unwrap_or(u64::MAX);
        let start = self.reader.offset();
        if let Some(end) = self.frame_end.filter(|&end| start < end) {
            self.odd("frame-divergence", by_of(token), |_| {
                format!("a frame begins at {:#x} inside one that ends at {end:#x}", token.at)
            });
        }
        self.frame_end = Some(start.saturating_add(length));
        Ok(())
    }

    /// How the name at hand is named.
    pub(super) fn naming(&self, by: By, opcode: &'static str) -> Naming {
        let len = self.reader.offset().saturating_sub(by.at);
        Naming { opcode, at: by.at, len, protocol: self.protocol }
    }
}

const fn by_of(token: &Token) -> By {
    By { code: token.code, at: token.at }
}

fn small(number: i64, at: u64) -> Value {
    i32::try_from(number).map_or(Value::Number(Far::new(at)), Value::Int)
}

/// The oldest checkpoints number their tensors.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The persistent ids that `torch.save` writes: `('storage', class, key, location, numel[, view])` and, in old files,
/// `('module', class, file, source)` or the same without its first item.
fn is_torch_id(items: &[String]) -> bool {
    match items {
        [kind, class, key, _, numel] | [kind, class, key, _, numel, _] => {
            kind == "storage"
                && (class == "torch" || class.starts_with("torch."))
                && class.ends_with("Storage")
                && !key.is_empty()
                && key != "?"
                && numel.bytes().all(|byte| byte.is_ascii_digit())
        }
        [kind, _, _, _] => kind == "module",
        [class, _, _] => class.contains('.'),
        _ => false,
    }
}
