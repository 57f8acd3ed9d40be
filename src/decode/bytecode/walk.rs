//! The walk: every instruction once, in order, with a stack of symbols.
//!
//! A conditional leaves its stack at its target, so that both arms of an expression end with the same depth. Whatever
//! is lost on the way (an exception handler, a loop) is an empty stack, and taking from that gives an unknown value:
//! a name is never invented, at worst a call is told as a mere use.

use std::collections::HashMap;

use super::instruction::Instruction;
use super::lists::Lists;
use super::references::References;
use super::table::{Op, Version};
use super::value::{Atom, Value, join};
use crate::decode::marshal::{Id, Objects};

/// Values on the stack. Calls with more arguments than that lose their callee.
const MOST_STACK: usize = 4096;
/// Values kept at targets of jumps.
const MOST_KEPT: usize = 1 << 16;
/// Times that all code is walked, so that what is stored late is known where it is read early.
const MOST_PASSES: u8 = 6;
/// Where a variable lives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    Global(String),
    /// A variable of an enclosing function, by its name.
    Cell(String),
    Local(Id, u32),
    /// An attribute of any object that the code makes itself.
    Attribute(String),
    /// What calling a function returns.
    Returned(Id),
}

pub(super) struct Walk<'o> {
    pub(super) objects: &'o Objects,
    pub(super) version: Version,
    pub(super) steps: &'o mut u64,
    pub(super) references: References,
    pub(super) variables: HashMap<Slot, Vec<Atom>>,
    pub(super) lists: Lists,
    /// Modules of which everything was imported.
    pub(super) starred: Vec<u32>,
    pub(super) changed: bool,
    // Of the code at hand.
    pub(super) code: Id,
    pub(super) within: String,
    /// Offset of the instruction, and containers that it has made.
    at: u64,
    made: u32,
    /// Names of the keywords of the next call.
    pub(super) keywords: Vec<String>,
    pub(super) stack: Vec<Value>,
    kept: HashMap<u64, Vec<Value>>,
    kept_values: usize,
}

impl<'o> Walk<'o> {
    pub(super) fn new(objects: &'o Objects, version: Version, steps: &'o mut u64) -> Self {
        Self {
            objects,
            version,
            steps,
            references: References::default(),
            variables: HashMap::new(),
            lists: Lists::default(),
            starred: Vec::new(),
            changed: false,
            code: Id::default(),
            within: String::new(),
            at: 0,
            made: 0,
            keywords: Vec::new(),
            stack: Vec::new(),
            kept: HashMap::new(),
            kept_values: 0,
        }
    }

    /// Walks all programs until nothing new is stored.
    pub(super) fn run(mut self, programs: &[(Id, Vec<Instruction>)]) -> References {
        for _ in 0..MOST_PASSES {
            (self.changed, self.lists.changed) = (false, false);
            for (id, program) in programs {
                *self.steps = self.steps.saturating_sub(program.len() as u64);
                if *self.steps == 0 {
                    return self.references;
                }
                self.walk(*id, program);
                if *self.steps == 0 {
                    return self.references;
                }
            }
            if !self.changed && !self.lists.changed {
                break;
            }
        }
        self.references
    }

    fn walk(&mut self, id: Id, program: &[Instruction]) {
        let Some(code) = self.objects.code(id) else { return };
        self.code = id;
        self.within = self.objects.text(code.qualified.unwrap_or(code.name)).unwrap_or_default().into_owned();
        self.stack.clear();
        self.kept.clear();
        self.kept_values = 0;
        self.keywords.clear();
        self.arguments_to_cells(id);
        for instruction in program {
            if let Some(kept) = self.kept.remove(&instruction.at) {
                self.meet(kept);
            }
            (self.at, self.made) = (instruction.at, 0);
            self.step(instruction);
            if *self.steps == 0 {
                return;
            }
        }
    }

    /// Pays for what costs more than a step.
    pub(super) fn pay(&mut self, cost: usize) {
        *self.steps = self.steps.saturating_sub(cost as u64 / 16);
    }

    /// A container of this instruction.
    pub(super) fn list(&mut self, items: &[Value]) -> Option<u32> {
        let id = self.lists.make((self.code, self.at, self.made))?;
        self.made = self.made.saturating_add(1);
        self.pay(items.len());
        for item in items {
            self.lists.push(id, item);
        }
        Some(id)
    }

    /// Adds to what is kept of a variable.
    pub(super) fn keep_in(&mut self, slot: Slot, value: &Value) {
        self.pay(value.atoms().len());
        self.changed |= join(self.variables.entry(slot).or_default(), value.atoms());
    }

    /// What is kept of a variable.
    pub(super) fn kept_in(&self, slot: &Slot) -> Value {
        self.variables.get(slot).map_or(Value::UNKNOWN, |atoms| Value::of(atoms.clone()))
    }

    /// Two ways lead here: the values of both count.
    fn meet(&mut self, kept: Vec<Value>) {
        if self.stack.len() < kept.len() {
            self.stack = kept;
        } else if self.stack.len() == kept.len() {
            for (value, other) in self.stack.iter_mut().zip(&kept) {
                *value = other.or(value);
            }
        }
    }

    pub(super) fn push(&mut self, value: Value) {
        if self.stack.len() >= MOST_STACK {
            self.stack.clear();
        }
        self.stack.push(value);
    }

    pub(super) fn pop(&mut self) -> Value {
        self.stack.pop().unwrap_or_default()
    }

    /// Takes values that are used as data: names among them are handed on.
    pub(super) fn consume(&mut self, count: usize) {
        for _ in 0..count.min(self.stack.len()) {
            let value = self.pop();
            self.hand_on(&value);
        }
    }

    pub(super) fn hand_on(&mut self, value: &Value) {
        for atom in value.atoms() {
            if let Atom::Name(id) = atom {
                self.references.hand_on(*id);
            }
        }
    }

    /// The attribute path of a name.
    pub(super) fn path(&self, id: u32) -> &str {
        self.references.get(id).1
    }

    /// The value so far from the top.
    pub(super) fn peek(&self, depth: usize) -> Value {
        self.stack.len().checked_sub(depth).and_then(|at| self.stack.get(at)).cloned().unwrap_or_default()
    }

    fn rotate(&mut self, depth: usize) {
        if let Some(at) = self.stack.len().checked_sub(depth).filter(|_| depth > 0) {
            let top = self.pop();
            self.stack.insert(at, top);
        }
    }

    fn swap(&mut self, depth: usize) {
        let len = self.stack.len();
        if let Some(at) = len.checked_sub(depth).filter(|_| depth > 0) {
            self.stack.swap(at, len.saturating_sub(1));
        }
    }

    /// Keeps the stack for a target further on.
    fn keep(&mut self, instruction: &Instruction, relative: bool, drop: usize) {
        let unit = if self.version >= Version::V310 { 2 } else { 1 };
        let distance = u64::from(instruction.argument).saturating_mul(unit);
        let relative = relative || self.version >= Version::V311;
        let target = if relative { instruction.next.saturating_add(distance) } else { distance };
        let len = self.stack.len().saturating_sub(drop);
        if target <= instruction.at
            || self.kept_values.saturating_add(len) > MOST_KEPT
            || self.kept.contains_key(&target)
        {
            return;
        }
        self.kept_values = self.kept_values.saturating_add(len);
        self.kept.insert(target, self.stack.get(..len).unwrap_or_default().to_vec());
    }

    fn step(&mut self, instruction: &Instruction) {
        let argument = instruction.argument;
        let count = argument as usize;
        match instruction.op {
            Op::Nop | Op::Extended => {}
            Op::Effect(takes, leaves) => {
                self.consume(usize::from(takes));
                (0..leaves).for_each(|_| self.push(Value::UNKNOWN));
            }
            Op::Pop => drop(self.pop()),
            Op::Copy(depth) => self.push(self.peek(usize::from(depth))),
            Op::CopyArg => self.push(self.peek(count)),
            Op::DupTwo => (0..2).for_each(|_| self.push(self.peek(2))),
            Op::DupMany => (0..count.min(5)).for_each(|_| self.push(self.peek(count))),
            Op::Rotate(depth) => self.rotate(usize::from(depth)),
            Op::RotateArg => self.rotate(count),
            Op::Swap => self.swap(count),
            Op::Null => self.push(Value::one(Atom::Null)),
            Op::Leave | Op::Return | Op::ReturnConst => {
                let value = match instruction.op {
                    Op::Return => self.peek(1),
                    Op::ReturnConst => self.constant(count),
                    _ => Value::UNKNOWN,
                };
                self.keep_in(Slot::Returned(self.code), &value);
                self.consume(usize::MAX);
            }
            Op::Jump | Op::JumpTo => {
                self.keep(instruction, instruction.op == Op::Jump, 0);
                self.stack.clear();
            }
            Op::PopJump => {
                self.pop();
                self.keep(instruction, false, 0);
            }
            Op::JumpOrPop => {
                self.keep(instruction, false, 0);
                self.pop();
            }
            Op::ForIter => {
                let item = self.elements(&self.peek(1));
                self.push(item);
                // Behind the loop the iterator is gone; from 3.12 instructions take it off the stack, and from 3.13 they
                // take the item too.
                let drop = match self.version {
                    Version::V313 | Version::V314 => 0,
                    Version::V312 => 1,
                    _ => 2,
                };
                self.keep(instruction, true, drop);
            }
            Op::Build
            | Op::BuildText
            | Op::BuildMap
            | Op::BuildKeyMap
            | Op::BuildSlice
            | Op::FormatValue
            | Op::Unpack
            | Op::UnpackEx
            | Op::MakeFunction
            | Op::MakeClosure
            | Op::FunctionPart
            | Op::Append(_)
            | Op::Extend
            | Op::StoreItem
            | Op::StoreMap
            | Op::SliceOf(_)
            | Op::With
            | Op::Special
            | Op::Yield => self.build(instruction.op, count),
            Op::Keywords => self.keywords = self.constant_names(count),
            Op::Call
            | Op::CallKw
            | Op::CallFunction
            | Op::CallFunctionKw
            | Op::CallMethod
            | Op::CallEx
            | Op::CallStar(_)
            | Op::Exec => self.calls(instruction.op, count),
            Op::Binary(operator) => self.binary(operator),
            Op::Operator => self.binary(u8::try_from(count).unwrap_or(u8::MAX)),
            _ => self.names(instruction.op, argument),
        }
    }
}
