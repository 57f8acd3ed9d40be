//! The walk: every instruction once, in order, with a stack of symbols.
//!
//! A conditional leaves its stack at its target, so that both arms of an expression end with the same depth. Whatever
//! is lost on the way (an exception handler, a loop) is an empty stack, and taking from that gives an unknown value:
//! a name is never invented, at worst a call is told as a mere use.

use std::collections::HashMap;

use super::instruction::Instruction;
use super::references::{Origin, References};
use super::table::{Op, Version};
use super::value::{Atom, Value, join};
use crate::decode::marshal::{Id, Object, Objects};

/// Values on the stack. Calls with more arguments than that lose their callee.
const MOST_STACK: usize = 4096;
/// Values kept at targets of jumps.
const MOST_KEPT: usize = 1 << 16;
/// Times that all code is walked, so that what is stored late is known where it is read early.
const MOST_PASSES: u8 = 4;
/// Longest string that is put together.
const LONGEST_TEXT: usize = 4096;
/// Longest description of a call.
const LONGEST_CALL: usize = 160;

/// Modules that a global is taken for which the code does not define: functions that were taken out of their module
/// refer to its imports like that. Names that nobody gives to a variable.
const FREE_MODULES: &[&str] = &[
    "asyncio",
    "base64",
    "builtins",
    "cloudpickle",
    "codecs",
    "commands",
    "ctypes",
    "dill",
    "ftplib",
    "http",
    "httpx",
    "importlib",
    "io",
    "joblib",
    "marshal",
    "multiprocessing",
    "nt",
    "numpy",
    "os",
    "pathlib",
    "pickle",
    "pip",
    "platform",
    "posix",
    "pty",
    "requests",
    "runpy",
    "shutil",
    "smtplib",
    "socket",
    "subprocess",
    "sys",
    "tarfile",
    "telnetlib",
    "tempfile",
    "threading",
    "torch",
    "types",
    "urllib",
    "urllib2",
    "webbrowser",
    "yaml",
    "zipfile",
    "zlib",
];

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
enum Slot {
    Global(String),
    /// A variable of an enclosing function, by its name.
    Cell(String),
    Local(Id, u32),
}

pub(super) struct Walk<'o> {
    objects: &'o Objects,
    version: Version,
    steps: &'o mut u64,
    references: References,
    variables: HashMap<Slot, Vec<Atom>>,
    /// Modules of which everything was imported.
    starred: Vec<u32>,
    changed: bool,
    // Of the code at hand.
    code: Id,
    within: String,
    stack: Vec<Value>,
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
            if let Some(kept) = self.kept.remove(&instruction.at)
                && self.stack.len() < kept.len()
            {
                self.stack = kept;
            }
            self.step(instruction);
        }
    }

    fn push(&mut self, value: Value) {
        if self.stack.len() >= MOST_STACK {
            self.stack.clear();
        }
        self.stack.push(value);
    }

    fn pop(&mut self) -> Value {
        self.stack.pop().unwrap_or_default()
    }

    /// Takes values that are used as data: names among them are handed on.
    fn consume(&mut self, count: usize) {
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
    fn peek(&self, depth: usize) -> Value {
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
            Op::Add | Op::BinaryOp | Op::Subscript => self.binary(instruction.op, argument),
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

    fn binary(&mut self, op: Op, argument: u32) {
        let (right, left) = (self.pop(), self.pop());
        let adds = op == Op::Add || op == Op::BinaryOp && matches!(argument, 0 | 13);
        // From 3.14 a subscript is one of the operators.
        let takes_item = op == Op::Subscript || self.version >= Version::V314 && argument == 26;
        let value = match (left.text(), right.text()) {
            (Some(a), Some(b)) if adds => text_value(format!("{a}{b}")),
            (_, Some(key)) if takes_item => self.item(&left, key),
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

    /// What loads, stores and imports by name.
    fn names(&mut self, op: Op, argument: u32) {
        let index = argument as usize;
        let modern = self.version >= Version::V312;
        match op {
            Op::Const => {
                let value = self.constant(index);
                self.push(value);
            }
            Op::Name | Op::Global | Op::NameOf => self.load_name(op, index),
            Op::Fast => self.load(&Slot::Local(self.code, argument)),
            Op::FastFast => {
                self.load(&Slot::Local(self.code, argument >> 4));
                self.load(&Slot::Local(self.code, argument & 15));
            }
            Op::Deref | Op::DerefOf => {
                if op == Op::DerefOf {
                    self.pop();
                }
                let slot = self.cell(index);
                self.load(&slot);
            }
            Op::Attr => self.load_attribute(if modern { index >> 1 } else { index }, modern && index & 1 == 1),
            Op::Method => self.load_attribute(index, true),
            Op::SuperAttr => {
                self.consume(3);
                self.push(Value::UNKNOWN);
                if index & 1 == 1 {
                    self.push(Value::one(Atom::Null));
                }
            }
            Op::ImportName => self.import(index),
            Op::ImportFrom => {
                let name = self.name(index);
                let value = self.attribute(&self.peek(1), &name);
                self.push(value);
            }
            Op::ImportStar => {
                let value = self.pop();
                self.hand_on(&value);
                for atom in value.atoms() {
                    if let Atom::Name(id) = atom
                        && !self.starred.contains(id)
                    {
                        self.starred.push(*id);
                        self.changed = true;
                    }
                }
            }
            Op::StoreName | Op::StoreGlobal => self.store(Slot::Global(self.name(index))),
            Op::StoreFast => self.store(Slot::Local(self.code, argument)),
            Op::StoreFastFast => {
                self.store(Slot::Local(self.code, argument >> 4));
                self.store(Slot::Local(self.code, argument & 15));
            }
            Op::StoreFastLoad => {
                self.store(Slot::Local(self.code, argument >> 4));
                self.load(&Slot::Local(self.code, argument & 15));
            }
            Op::StoreDeref => self.store(self.cell(index)),
            Op::StoreAttr => {
                self.pop();
                self.consume(1);
            }
            // A small number, and whatever else only leaves a value.
            _ => self.push(Value::UNKNOWN),
        }
    }

    fn name(&self, index: usize) -> String {
        let names = self.objects.code(self.code).map(|code| code.names);
        names.and_then(|names| self.objects.name(names, index)).unwrap_or_default().into_owned()
    }

    fn constant(&self, index: usize) -> Value {
        let constants = self.objects.code(self.code).map(|code| code.constants);
        let Some(&id) = constants.and_then(|constants| self.objects.tuple(constants).get(index)) else {
            return Value::UNKNOWN;
        };
        match self.objects.get(id) {
            Some(Object::Text(..) | Object::Bytes(_)) => {
                let text = self.objects.text(id).unwrap_or_default();
                if text.len() > LONGEST_TEXT { Value::UNKNOWN } else { text_value(text.into_owned()) }
            }
            Some(Object::Tuple(_)) => Value::one(Atom::Tuple(id)),
            _ => Value::UNKNOWN,
        }
    }

    fn cell(&self, index: usize) -> Slot {
        let Some(code) = self.objects.code(self.code) else { return Slot::Cell(String::new()) };
        let own = code.cells.map_or(0, |cells| self.objects.tuple(cells).len());
        let name = match (code.cells, code.free) {
            (Some(cells), _) if index < own => self.objects.name(cells, index),
            (_, Some(free)) => self.objects.name(free, index.saturating_sub(own)),
            _ => self.objects.name(code.locals, index),
        };
        Slot::Cell(name.unwrap_or_default().into_owned())
    }

    fn load(&mut self, slot: &Slot) {
        let known = self.variables.get(slot).cloned().unwrap_or_default();
        self.push(Value::of(known));
    }

    fn store(&mut self, slot: Slot) {
        let value = self.pop();
        // Handed on with its variable.
        self.changed |= join(self.variables.entry(slot).or_default(), &value);
    }

    fn load_name(&mut self, op: Op, index: usize) {
        let shifted = op == Op::Global && self.version >= Version::V311;
        let name = self.name(if shifted { index >> 1 } else { index });
        if op == Op::NameOf {
            self.pop();
        }
        let slot = Slot::Global(name);
        let Slot::Global(name) = &slot else { return };
        let known = self.variables.get(&slot);
        let bound = known.is_some();
        let mut atoms = known.cloned().unwrap_or_default();
        let within = &self.within;
        for id in self.starred.clone() {
            atoms.extend(self.references.attribute(id, name, within).map(Atom::Name));
        }
        let outside = match name.as_str() {
            "__builtins__" => self.references.intern(Origin::Free, "builtins", "", within),
            name if !bound && FREE_MODULES.contains(&name) => self.references.intern(Origin::Free, name, "", within),
            // A variable may hide the built-in function of its name, or only seem to.
            name => self.references.intern(Origin::Builtin, "builtins", name, within),
        };
        atoms.extend(outside.map(Atom::Name));
        let null = shifted && index & 1 == 1;
        if null && self.version < Version::V313 {
            self.push(Value::one(Atom::Null));
        }
        self.push(Value::of(atoms));
        if null && self.version >= Version::V313 {
            self.push(Value::one(Atom::Null));
        }
    }

    fn load_attribute(&mut self, index: usize, method: bool) {
        let name = self.name(index);
        let object = self.pop();
        let value = self.attribute(&object, &name);
        self.push(value);
        if method {
            self.push(Value::one(Atom::Null));
        }
    }

    /// `import a.b` leaves `a`; with a list of names it leaves `a.b`.
    fn import(&mut self, index: usize) {
        let (names, _level) = (self.pop(), self.pop());
        let module = self.name(index);
        let listed = names.atoms().iter().any(|atom| matches!(atom, Atom::Tuple(_)));
        let value = self.module(&module, listed);
        self.push(value);
    }

    /// The module of that name, or the package around it.
    pub(super) fn module(&mut self, name: &str, whole: bool) -> Value {
        let root = name.split('.').next().unwrap_or(name);
        let module = if whole { name } else { root };
        // `import a.b as c` walks from `a`: `a` with the attribute `b`, which the rules take for the same.
        let id = self.references.intern(Origin::Import, module, "", &self.within);
        Value::of(id.map(Atom::Name).into_iter().collect())
    }

    /// The callee and arguments of a call, taken off the stack.
    fn calls(&mut self, op: Op, count: usize) {
        let takes = match op {
            Op::CallFunction if self.version < Version::V36 => {
                (count & 0xff).saturating_add((count >> 8 & 0xff).saturating_mul(2))
            }
            Op::CallFunctionKw if self.version < Version::V36 => {
                (count & 0xff).saturating_add((count >> 8 & 0xff).saturating_mul(2)).saturating_add(1)
            }
            Op::CallStar(extra) => {
                (count & 0xff).saturating_add((count >> 8 & 0xff).saturating_mul(2)).saturating_add(usize::from(extra))
            }
            Op::CallFunctionKw | Op::CallKw => count.saturating_add(1),
            Op::CallEx => match self.version {
                Version::V314 => 2,
                _ => 1_usize.saturating_add(count & 1),
            },
            Op::Exec => 3,
            _ => count,
        };
        let from = self.stack.len().saturating_sub(takes);
        let lost = self.stack.len() < takes;
        let arguments = self.stack.split_off(from);
        let callee = match op {
            Op::Exec => {
                let id = self.references.intern(Origin::Builtin, "builtins", "exec", &self.within);
                Value::of(id.map(Atom::Name).into_iter().collect())
            }
            _ if lost => Value::UNKNOWN,
            // A method or NULL, then the callee or the object: one of the two is what is called.
            Op::Call | Op::CallKw | Op::CallMethod | Op::CallEx
                if op == Op::CallMethod || self.version >= Version::V311 =>
            {
                let (second, first) = (self.pop(), self.pop());
                if second.is_null() { first } else { second }
            }
            _ => self.pop(),
        };
        let value = self.call(&callee, &arguments);
        if op != Op::Exec {
            self.push(value);
        }
    }

    /// Calls whatever `callee` may be.
    fn call(&mut self, callee: &Value, arguments: &[Value]) -> Value {
        let mut results = Vec::new();
        let mut quiet = false;
        for atom in callee.atoms() {
            match *atom {
                Atom::Name(id) => {
                    let (module, path) = self.references.get(id);
                    let (module, path) = (module.to_owned(), path.to_owned());
                    let kind = super::call::kind(&module, &path);
                    let told = kind.told(arguments);
                    let call = || super::call::describe(&module, &path, arguments, LONGEST_CALL);
                    self.references.call(id, told, call, &self.within);
                    quiet |= kind.looks_only();
                    let value = kind.result(self, id, arguments);
                    join(&mut results, &value);
                }
                Atom::Decoded => results.push(Atom::Decoded),
                _ => {}
            }
        }
        if !quiet {
            arguments.iter().for_each(|argument| self.hand_on(argument));
        }
        Value::of(results)
    }
}

pub(super) fn text_value(text: String) -> Value {
    if text.len() > LONGEST_TEXT { Value::UNKNOWN } else { Value::one(Atom::Text(text.into())) }
}
