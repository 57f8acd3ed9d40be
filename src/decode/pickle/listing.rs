//! A stream for people: its opcodes one by one, and the calls that it makes as statements.

use super::machine::{End, Machine, Persistence};
use super::opcode as op;
use super::reader::{Operand, Token};
use super::value::{Kind, Value};
use crate::bytes::{Budget, ReadAt};

/// Statements that are kept.
const MOST_STATEMENTS: usize = 10_000;
/// Longest operand shown.
const LONGEST_OPERAND: usize = 80;

/// One opcode of a [`Listing`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Offset of the opcode.
    pub at: u64,
    /// Its mnemonic; `error` for the last line of a stream that breaks.
    pub mnemonic: &'static str,
    /// Its operand as text, capped.
    pub operand: String,
    /// What the machine makes of it: the name that is imported, the call, the object that a memo slot holds.
    pub note: String,
}

/// The opcodes of all pickles from an offset on. Ends behind the last one, or with a line that says what is wrong.
pub struct Listing<'s> {
    machine: Machine<'s>,
    done: bool,
}

impl<'s> Listing<'s> {
    /// Lists `source` from `offset`.
    #[must_use]
    pub fn new(source: &'s dyn ReadAt, offset: u64) -> Self {
        let mut machine = Machine::new(source, Persistence::Torch);
        machine.begin(offset);
        Self { machine, done: false }
    }

    fn line(&self, token: Token) -> Line {
        let Token { at, code, .. } = token;
        let machine = &self.machine;
        let top = machine.stack.last().copied().unwrap_or(Value::Unknown);
        let operand = match token.operand() {
            Operand::None => String::new(),
            Operand::Int(number) => number.to_string(),
            Operand::Float(number) => number.to_string(),
            Operand::Names(..) => machine.qualified_top(),
            Operand::Bytes(extent) if is_string(code) => {
                let shown = machine.show(top);
                if extent.len > LONGEST_OPERAND as u64 { format!("{shown} ({} bytes)", extent.len) } else { shown }
            }
            Operand::Bytes(extent) => {
                let mut line = Vec::new();
                let want = usize::try_from(extent.len).unwrap_or(usize::MAX).min(LONGEST_OPERAND);
                machine.reader.copy(extent.at, want, &mut line);
                let cut = if extent.len > LONGEST_OPERAND as u64 { "…" } else { "" };
                String::from_utf8_lossy(&line).into_owned() + cut
            }
        };
        let note = match code {
            op::STACK_GLOBAL
            | op::GET
            | op::BINGET
            | op::LONG_BINGET
            | op::REDUCE
            | op::INST
            | op::OBJ
            | op::NEWOBJ
            | op::NEWOBJ_EX
            | op::EXT1
            | op::EXT2
            | op::EXT4
            | op::BINPERSID => machine.show(top),
            op::MEMOIZE => format!("slot {}", machine.memo.entries().saturating_sub(1)),
            _ => String::new(),
        };
        Line { at, mnemonic: op::mnemonic(code), operand, note }
    }
}

fn is_string(code: u8) -> bool {
    matches!(
        code,
        op::STRING
            | op::UNICODE
            | op::BINSTRING
            | op::SHORT_BINSTRING
            | op::BINUNICODE
            | op::SHORT_BINUNICODE
            | op::BINUNICODE8
            | op::BINBYTES
            | op::SHORT_BINBYTES
            | op::BINBYTES8
            | op::BYTEARRAY8
    )
}

impl Machine<'_> {
    fn qualified_top(&self) -> String {
        match self.stack.last().copied() {
            Some(Value::Global(id)) => self.qualified(id),
            Some(other) => self.show(other),
            None => String::new(),
        }
    }

    /// Keeps a call as a statement.
    pub(super) fn log_call(&mut self, value: Value, callable: Value, arguments: Value) {
        if self.program.is_none() {
            return;
        }
        let (call, _) = self.describe_call(callable, arguments);
        let made = matches!(self.cells.kind(value), Some(Kind::Call | Kind::Instance));
        let statement = if made || value == Value::Unknown { call } else { format!("{call}  # {}", self.show(value)) };
        self.log(statement);
    }

    /// Keeps a BUILD as a statement.
    pub(super) fn log_build(&mut self, target: Value, state: Value) {
        if self.program.is_some() {
            let statement = format!("{}.__setstate__({})", self.show(target), self.show(state));
            self.log(statement);
        }
    }

    fn log(&mut self, statement: String) {
        if let Some(program) = self.program.as_mut().filter(|program| program.len() < MOST_STATEMENTS) {
            program.push(statement);
        }
    }
}

impl Iterator for Listing<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if self.done {
            return None;
        }
        let at = self.machine.offset();
        let code = self.machine.reader.peek();
        let mut token = Token::START;
        match self.machine.advance(&mut token) {
            Ok(()) => Some(self.line(token)),
            Err(End::Stop) => {
                let result = self.machine.stack.last().map_or_else(String::new, |&top| self.machine.show(top));
                let next = self.machine.offset();
                // Another pickle may follow; anything else ends the listing.
                self.done = !matches!(self.machine.reader.peek(), Some(op::PROTO));
                if !self.done {
                    self.machine.begin(next);
                }
                Some(Line { at, mnemonic: "STOP", operand: String::new(), note: result })
            }
            Err(end) => {
                self.done = true;
                let reason = match end {
                    End::Broken(malformed) => malformed.what.to_owned(),
                    End::Limit(exceeded) => exceeded.to_string(),
                    End::Failed(error) => error.to_string(),
                    End::Stop => String::new(),
                };
                let operand = code.map_or_else(String::new, |code| op::mnemonic(code).to_owned());
                Some(Line { at, mnemonic: "error", operand, note: reason })
            }
        }
    }
}

/// The calls that the pickles from `offset` on make, as Python statements in the order in which loading makes them.
/// A pickle of data alone has none.
#[must_use]
pub fn program(source: &dyn ReadAt, offset: u64, budget: &Budget) -> Vec<String> {
    let mut machine = Machine::new(source, Persistence::Torch);
    machine.keep_program();
    let mut at = offset;
    loop {
        machine.begin(at);
        let end = machine.run(budget, u64::MAX);
        at = machine.offset();
        if !matches!(end, Some(End::Stop)) || machine.reader.peek() != Some(op::PROTO) {
            return machine.program.take().unwrap_or_default();
        }
    }
}
