//! Instructions that load, store and import by name.

use super::references::{FREE_MODULES, Origin};
use super::table::{Op, Version};
use super::value::{Atom, Value};
use super::walk::{Slot, Walk};
use crate::decode::marshal::Id;

/// Modules of which everything is imported, that are kept.
const MOST_STARRED: usize = 8;
/// Numbers of functions of the interpreter.
const IMPORT_STAR: u32 = 2;
const LIST_TO_TUPLE: u32 = 6;

impl Walk<'_> {
    /// What loads, stores and imports by name.
    pub(super) fn names(&mut self, op: Op, argument: u32) {
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
            Op::ImportStar => self.import_star(),
            Op::Intrinsic => match argument {
                IMPORT_STAR => {
                    self.import_star();
                    self.push(Value::UNKNOWN);
                }
                LIST_TO_TUPLE => {}
                _ => {
                    self.consume(1);
                    self.push(Value::UNKNOWN);
                }
            },
            Op::MakeCell => {
                let value = self.kept_in(&Slot::Local(self.code, argument));
                let slot = self.cell(index);
                self.keep_in(slot, &value);
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
                let value = self.pop();
                self.hand_on(&value);
                let slot = Slot::Attribute(self.name(index));
                self.keep_in(slot, &value);
            }
            Op::SmallInt => self.push(Value::one(Atom::Int(i64::from(argument)))),
            // Whatever else only leaves a value.
            _ => self.push(Value::UNKNOWN),
        }
    }

    fn name(&self, index: usize) -> String {
        let names = self.objects.code(self.code).map(|code| code.names);
        names.and_then(|names| self.objects.name(names, index)).unwrap_or_default().into_owned()
    }

    fn import_star(&mut self) {
        let value = self.pop();
        self.hand_on(&value);
        for atom in value.atoms() {
            if let Atom::Name(id) = atom
                && !self.starred.contains(id)
                && self.starred.len() < MOST_STARRED
            {
                self.starred.push(*id);
                self.changed = true;
            }
        }
    }

    /// The strings of a constant tuple.
    pub(super) fn constant_names(&self, index: usize) -> Vec<String> {
        let constants = self.objects.code(self.code).map(|code| code.constants);
        let id = constants.and_then(|constants| self.objects.tuple(constants).get(index));
        let names = id.map_or(&[][..], |id| self.objects.tuple(*id));
        names.iter().take(255).map(|name| self.objects.text(*name).unwrap_or_default().into_owned()).collect()
    }

    /// Parameters that inner functions refer to live in cells, up to 3.10 from the start.
    pub(super) fn arguments_to_cells(&mut self, id: Id) {
        let Some(code) = self.objects.code(id) else { return };
        let Some(cells) = code.cells else { return };
        let (locals, count) = (code.locals, code.arguments.saturating_add(code.keyword_only).min(255));
        for cell in self.objects.tuple(cells).iter().take(255) {
            let name = self.objects.bytes(*cell);
            self.pay(count as usize);
            let is_it = |place: &u32| {
                let local = self.objects.tuple(locals).get(*place as usize);
                local.is_some_and(|local| self.objects.bytes(*local) == name)
            };
            if let Some(place) = (0..count).find(is_it) {
                let value = self.kept_in(&Slot::Local(id, place));
                let slot = Slot::Cell(String::from_utf8_lossy(name.unwrap_or_default()).into_owned());
                self.keep_in(slot, &value);
            }
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
        let known = self.kept_in(slot);
        self.pay(known.atoms().len());
        self.push(known);
    }

    fn store(&mut self, slot: Slot) {
        let value = self.pop();
        // Of a class body, whose names are attributes.
        if let Slot::Global(name) = &slot
            && self.within != "<module>"
        {
            self.keep_in(Slot::Attribute(name.clone()), &value);
        }
        // Handed on with its variable.
        self.keep_in(slot, &value);
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
            name if FREE_MODULES.contains(&name) && bound => None,
            name if FREE_MODULES.contains(&name) => self.references.intern(Origin::Free, name, "", within),
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
        let listed = names.atoms().iter().any(|atom| matches!(atom, Atom::List(_)));
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
}
