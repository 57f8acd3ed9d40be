//! The walk: every instruction once, in order, with a stack of symbols.
//!
//! A conditional leaves its stack at its target, so that both arms of an expression end with the same depth. Whatever
//! is lost on the way (an exception handler, a loop) is an empty stack, and taking from that gives an unknown value:
//! a name is never invented, at worst a call is told as a mere use.

use std::collections::HashMap;

use super::instruction::Instruction;
use super::references::{Origin, References};
use super::table::{Op, Version};
use super::value::{Atom, Value};
use crate::decode::marshal::{Id, Objects};

/// Values on the stack. Calls with more arguments than that lose their callee.
const MOST_STACK: usize = 4096;
/// Values kept at targets of jumps.
const MOST_KEPT: usize = 1 << 16;
/// Times that all code is walked, so that what is stored late is known where it is read early.
const MOST_PASSES: u8 = 4;
/// Longest string that is put together.
pub(super) const LONGEST_TEXT: usize = 1024;

/// Attributes that lead from any object to the interpreter's own.
const REFLECTION: &[&str] = &[
    "__subclasses__",
    "__globals__",
    "__builtins__",
    "func_globals",
    "f_globals",
    "f_builtins",
    "gi_frame",
    "tb_frame",
];

/// Where a variable lives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    Global(String),
    /// A variable of an enclosing function, by its name.
    Cell(String),
    Local(Id, u32),
}

pub(super) struct Walk<'o> {
    pub(super) objects: &'o Objects,
    pub(super) version: Version,
    pub(super) steps: &'o mut u64,
    pub(super) references: References,
    pub(super) variables: HashMap<Slot, Vec<Atom>>,
    /// Modules of which everything was imported.
    pub(super) starred: Vec<u32>,
    pub(super) changed: bool,
    // Of the code at hand.
    pub(super) code: Id,
    pub(super) within: String,
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
            starred: Vec::new(),
            changed: false,
            code: Id::default(),
            within: String::new(),
            stack: Vec::new(),
            kept: HashMap::new(),
            kept_values: 0,
        }
    }

    /// Walks all programs until nothing new is stored.
    pub(super) fn run(mut self, programs: &[(Id, Vec<Instruction>)]) -> References {
        for _ in 0..MOST_PASSES {
            self.changed = false;
            for (id, program) in programs {
                *self.steps = self.steps.saturating_sub(program.len() as u64);
                if *self.steps == 0 {
                    return self.references;
                }
                self.walk(*id, program);
            }
            if !self.changed {
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
        for instruction in program {
            if let Some(kept) = self.kept.remove(&instruction.at) {
                self.meet(kept);
            }
            self.step(instruction);
        }
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
        if let Some(at) = self.stack.len().checked_sub(depth) {
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
            Op::Leave | Op::ReturnConst => {
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
                self.keep(instruction, true, usize::from(self.version < Version::V312));
                self.push(Value::UNKNOWN);
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
            | Op::MakeClosure => self.build(instruction.op, count),
            Op::Call
            | Op::CallKw
            | Op::CallFunction
            | Op::CallFunctionKw
            | Op::CallMethod
            | Op::CallEx
            | Op::CallStar(_)
            | Op::Exec => self.calls(instruction.op, count),
            Op::Add | Op::Operator | Op::Subscript => self.binary(instruction.op, argument),
            _ => self.names(instruction.op, argument),
        }
    }

    /// What makes containers, functions and strings.
    fn build(&mut self, op: Op, count: usize) {
        let old = self.version < Version::V35;
        let takes = match op {
            Op::BuildText => return self.text(count),
            Op::BuildMap if old => 0,
            Op::BuildMap => count.saturating_mul(2),
            Op::BuildKeyMap => count.saturating_add(1),
            Op::BuildSlice => {
                if count == 3 {
                    3
                } else {
                    2
                }
            }
            Op::FormatValue => 1_usize.saturating_add(usize::from(count & 4 != 0)),
            Op::MakeFunction | Op::MakeClosure => self.function_parts(op, count),
            Op::Unpack | Op::UnpackEx => {
                self.consume(1);
                let leaves =
                    if op == Op::Unpack { count } else { (count & 0xff).saturating_add(count >> 8).saturating_add(1) };
                (0..leaves.min(MOST_STACK)).for_each(|_| self.push(Value::UNKNOWN));
                return;
            }
            _ => count,
        };
        self.consume(takes);
        self.push(Value::UNKNOWN);
    }

    /// Values that a function is made of.
    fn function_parts(&self, op: Op, count: usize) -> usize {
        let closure = usize::from(op == Op::MakeClosure);
        match self.version {
            Version::V27 => count.saturating_add(1).saturating_add(closure),
            Version::V34 | Version::V35 => {
                let defaults = (count & 0xff).saturating_add((count >> 8 & 0xff).saturating_mul(2));
                defaults.saturating_add(count >> 16 & 0x7fff).saturating_add(2).saturating_add(closure)
            }
            Version::V313 | Version::V314 => 1,
            version => {
                let named = if version >= Version::V311 { 1 } else { 2 };
                let extras = usize::try_from((count & 15).count_ones()).unwrap_or(0);
                extras.saturating_add(named)
            }
        }
    }

    /// `BUILD_STRING`: the pieces joined, if all are constant.
    fn text(&mut self, count: usize) {
        let from = self.stack.len().saturating_sub(count);
        let pieces: Option<Vec<&str>> = self.stack.get(from..).unwrap_or_default().iter().map(Value::text).collect();
        let joined = pieces.filter(|pieces| pieces.len() == count).map(|pieces| pieces.concat());
        self.consume(count);
        self.push(joined.map_or(Value::UNKNOWN, text_value));
    }

    pub(super) fn binary(&mut self, op: Op, argument: u32) {
        let (right, left) = (self.pop(), self.pop());
        let adds = op == Op::Add || op == Op::Operator && matches!(argument, 0 | 13);
        // From 3.14 a subscript is one of the operators.
        let takes_item = op == Op::Subscript || self.version >= Version::V314 && argument == 26;
        let value = match (left.text(), right.text()) {
            (Some(a), Some(b)) if adds => text_value(format!("{a}{b}")),
            (_, Some(_)) if takes_item => {
                right.texts().fold(Value::UNKNOWN, |found, key| found.or(&self.item(&left, key)))
            }
            _ => {
                self.hand_on(&left);
                Value::UNKNOWN
            }
        };
        self.hand_on(&right);
        self.push(value);
    }

    /// `namespace["name"]`.
    fn item(&mut self, namespace: &Value, key: &str) -> Value {
        let mut found = Vec::new();
        for atom in namespace.atoms() {
            let (Atom::Name(id) | Atom::Made(id)) = *atom else { continue };
            let (module, path) = self.references.get(id);
            let (module, path) = (module.to_owned(), path.to_owned());
            let entry = match (module.as_str(), path.as_str()) {
                ("sys", "modules") => self.references.intern(Origin::Import, key, "", &self.within),
                ("builtins", "" | "globals" | "locals" | "vars") => {
                    self.references.intern(Origin::Import, "builtins", key, &self.within)
                }
                (_, path) => match path.strip_suffix("__dict__") {
                    Some(owner) => {
                        let path = format!("{owner}{key}");
                        self.references.intern(Origin::Import, &module, &path, &self.within)
                    }
                    None => {
                        self.references.hand_on(id);
                        None
                    }
                },
            };
            found.extend(entry.map(Atom::Name));
        }
        Value::of(found)
    }

    /// An attribute of a value.
    pub(super) fn attribute(&mut self, value: &Value, name: &str) -> Value {
        let mut found = Vec::new();
        for atom in value.atoms() {
            match *atom {
                Atom::Name(id) | Atom::Made(id) => {
                    found.extend(self.references.attribute(id, name, &self.within).map(Atom::Name));
                }
                Atom::Decoded => found.push(Atom::Decoded),
                Atom::Null | Atom::Text(_) | Atom::Tuple(_) => {}
            }
        }
        if REFLECTION.contains(&name) && found.is_empty() {
            self.references.intern(Origin::Import, "object", name, &self.within);
        }
        Value::of(found)
    }
}

pub(super) fn text_value(text: String) -> Value {
    if text.len() > LONGEST_TEXT { Value::UNKNOWN } else { Value::one(Atom::Text(text.into())) }
}
