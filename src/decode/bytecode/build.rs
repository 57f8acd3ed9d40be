//! Instructions that make containers, strings and functions, and those that take them apart.

use super::fold;
use super::table::{Op, Version};
use super::value::{Atom, Use, Value, join};
use super::walk::{Slot, Walk};
use crate::decode::marshal::{Id, Object};

/// Values that one instruction leaves.
const MOST_LEFT: usize = 4096;
/// Tuples within tuples of constants that are kept.
const DEEPEST: u8 = 4;
/// Items of a constant tuple that are kept.
const MOST_CONSTANTS: usize = 1024;
/// Combinations of constants that one operation is evaluated for.
const MOST_COMBINED: usize = 16;

impl Walk<'_> {
    /// What makes and changes containers, functions and strings.
    pub(super) fn build(&mut self, op: Op, count: usize) {
        match op {
            Op::BuildText => self.build_text(count),
            Op::BuildSlice => {
                let bounds = self.take(if count == 3 { 3 } else { 2 });
                let value = slice_of(&bounds);
                self.push(value);
            }
            Op::SliceOf(bounds) => {
                let stop = if bounds & 2 == 0 { Value::one(Atom::None) } else { self.pop() };
                let start = if bounds & 1 == 0 { Value::one(Atom::None) } else { self.pop() };
                self.push(slice_of(&[start, stop]));
                self.binary(fold::SUBSCRIPT);
            }
            Op::FormatValue => {
                // With a specification the text is another one.
                let specification = count & 4 != 0;
                self.consume(usize::from(specification));
                let value = self.pop();
                self.hand_on(&value);
                self.push(if specification { Value::UNKNOWN } else { value });
            }
            Op::Unpack | Op::UnpackEx => self.unpack(op, count),
            Op::MakeFunction | Op::MakeClosure => self.make_function(op, count),
            Op::FunctionPart => {
                let function = self.pop();
                let part = self.pop();
                self.hand_on(&part);
                if count == 1 {
                    self.defaults(&function, &part);
                }
                self.push(function);
            }
            Op::Append(values) => {
                let values = self.take(usize::from(values));
                let container = self.peek(count);
                for value in &values {
                    self.append(&container, value);
                }
            }
            Op::Extend => {
                let (more, container) = (self.pop(), self.peek(count));
                self.extend(&container, &more);
            }
            Op::StoreItem | Op::StoreMap => self.store_item(op),
            Op::With | Op::Special => self.enter(op, count),
            Op::Yield => self.yields(),
            Op::BuildMap if self.version < Version::V35 => self.container(0),
            Op::BuildMap => self.container(count.saturating_mul(2)),
            Op::BuildKeyMap => {
                self.pop();
                self.container(count);
            }
            _ => self.container(count),
        }
    }

    /// `container[key] = value`.
    fn store_item(&mut self, op: Op) {
        let parts = self.take(3);
        // The value lies below its container, in a dict display of Python 2 above it.
        let (container, value) = if op == Op::StoreItem { (1, 0) } else { (0, 1) };
        if let (Some(container), Some(value)) = (parts.get(container), parts.get(value)) {
            self.put(container, value);
        }
        if op == Op::StoreMap {
            self.push(parts.into_iter().next().unwrap_or_default());
        }
    }

    /// A value that a generator gives: the function returns a container of them.
    fn yields(&mut self) {
        let value = self.pop();
        self.hand_on(&value);
        if let Some(list) = self.lists.make((self.code, u64::MAX, 0)) {
            match value.atoms() {
                [Atom::Each(_)] => self.append(&Value::one(Atom::List(list)), &value),
                _ => self.lists.push(list, &value),
            }
            self.keep_in(Slot::Returned(self.code), &Value::one(Atom::List(list)));
        }
        self.push(Value::UNKNOWN);
    }

    /// Takes values off the stack, the lowest first.
    pub(super) fn take(&mut self, count: usize) -> Vec<Value> {
        let from = self.stack.len().saturating_sub(count);
        let values = self.stack.split_off(from);
        for value in &values {
            self.hand_on(value);
        }
        values
    }

    /// A container of the values on top.
    fn container(&mut self, count: usize) {
        let items = self.take(count);
        let list = self.list(&items);
        self.push(list.map_or(Value::UNKNOWN, |list| Value::one(Atom::List(list))));
    }

    /// Puts a value behind the last item; the items of a sequence one by one.
    pub(super) fn append(&mut self, container: &Value, value: &Value) {
        self.hand_on(value);
        for atom in container.atoms() {
            if let Atom::List(list) = *atom {
                match value.atoms() {
                    [Atom::Each(all)] => {
                        self.pay(all.len());
                        all.iter().for_each(|one| self.lists.push(list, &Value::one(one.clone())));
                    }
                    _ => self.lists.push(list, value),
                }
            }
        }
    }

    /// Puts the items of `more` behind the last item.
    fn extend(&mut self, container: &Value, more: &Value) {
        self.hand_on(more);
        let items = match more.atoms() {
            [Atom::List(from)] => Some(*from).filter(|&from| self.lists.items(from).1),
            _ => None,
        };
        match items.map(|from| self.lists.items(from).0.to_vec()) {
            Some(items) => {
                self.pay(items.len());
                for item in &items {
                    self.append(container, item);
                }
            }
            None => {
                let any = self.elements(more);
                self.append(container, &any);
            }
        }
    }

    /// Puts a value into a container, nobody knows where.
    pub(super) fn put(&mut self, container: &Value, value: &Value) {
        for atom in container.atoms() {
            if let Atom::List(list) = *atom {
                self.lists.put(list, value);
            }
        }
    }

    /// What going through a value gives.
    pub(super) fn elements(&mut self, value: &Value) -> Value {
        let mut found = Vec::new();
        for atom in value.atoms() {
            match atom {
                Atom::List(list) => match self.constants_of(*list).and_then(fold::each_of) {
                    Some(each) => found.push(each),
                    None => {
                        let any = self.any(*list);
                        self.pay(any.atoms().len());
                        join(&mut found, any.atoms());
                    }
                },
                Atom::Text(_) | Atom::Bytes(_) => found.extend(fold::each(atom)),
                Atom::Decoded => found.push(Atom::Decoded),
                _ => {}
            }
        }
        Value::of(found)
    }

    /// All that any item of a container may be.
    pub(super) fn any(&mut self, list: u32) -> Value {
        self.pay(self.lists.items(list).0.len().saturating_mul(8));
        self.lists.any(list)
    }

    /// The items of a container, if it is known to be of plain constants.
    fn constants_of(&mut self, list: u32) -> Option<Vec<Atom>> {
        let (items, whole) = self.lists.items(list);
        let mut all = Vec::new();
        for item in items {
            match item.atoms() {
                [Atom::Each(each)] => all.extend(each.iter().cloned()),
                [one] if one.is_constant() => all.push(one.clone()),
                _ => return None,
            }
        }
        self.pay(all.len());
        (whole && !all.is_empty()).then_some(all)
    }

    /// The constants that a value is a sequence of.
    pub(super) fn parts(&mut self, value: &Value) -> Option<Vec<Atom>> {
        value.atoms().iter().find_map(|atom| match atom {
            Atom::List(list) => self.constants_of(*list),
            Atom::Text(_) | Atom::Bytes(_) => match fold::each(atom)? {
                Atom::Each(all) => Some(all.to_vec()),
                _ => None,
            },
            _ => None,
        })
    }

    /// `BUILD_STRING`: the pieces joined, if all are constant.
    fn build_text(&mut self, count: usize) {
        let pieces = self.take(count);
        let pieces: Option<Vec<Atom>> = pieces.iter().map(|piece| piece.atoms().first().cloned()).collect();
        let whole = pieces.filter(|pieces| pieces.len() == count).and_then(|pieces| {
            let template = "{}".repeat(count.min(fold::LONGEST));
            fold::fill_in(&template, &pieces.iter().collect::<Vec<_>>(), &[], true)
        });
        self.pay(count);
        self.push(whole.map_or(Value::UNKNOWN, Value::one));
    }

    /// `left op right`.
    pub(super) fn binary(&mut self, operator: u8) {
        let (right, left) = (self.pop(), self.pop());
        let mut found = Vec::new();
        if operator == fold::SUBSCRIPT {
            let value = self.subscript(&left, &right);
            found.extend_from_slice(value.atoms());
        } else {
            self.hand_on(&left);
        }
        self.hand_on(&right);
        if operator.is_multiple_of(fold::IN_PLACE) || operator == 6 {
            self.concatenate(operator, &left, &right, &mut found);
        }
        let combined = left.atoms().iter().flat_map(|one| right.atoms().iter().map(move |other| (one, other)));
        let mut cost = 0_usize;
        for (one, other) in combined.filter(|(a, b)| a.is_constant() && b.is_constant()).take(MOST_COMBINED) {
            cost = cost.saturating_add(fold::size(one)).saturating_add(fold::size(other));
            if let Some(made) = fold::operator(operator, one, other) {
                join(&mut found, &[made]);
            }
        }
        self.pay(cost);
        self.push(Value::of(found));
    }

    /// Containers added, and templates filled in with a tuple.
    fn concatenate(&mut self, operator: u8, left: &Value, right: &Value, found: &mut Vec<Atom>) {
        let (first, second) = (left.atoms().first(), right.atoms().first());
        match (first, second) {
            (Some(Atom::Text(template)), Some(Atom::List(_))) if operator == 6 => {
                let parts = self.parts(right).unwrap_or_default();
                found.extend(fold::fill_in(template, &parts.iter().collect::<Vec<_>>(), &[], false));
            }
            (Some(Atom::List(_)), Some(_)) if operator != 6 => {
                if let Some(list) = self.list(&[]) {
                    let both = Value::one(Atom::List(list));
                    self.extend(&both, left);
                    self.extend(&both, right);
                    found.push(Atom::List(list));
                }
            }
            _ => {}
        }
    }

    /// Items of a sequence, each on its own.
    fn unpack(&mut self, op: Op, count: usize) {
        let value = self.pop();
        self.hand_on(&value);
        let exact = match value.atoms() {
            [Atom::List(list)] => Some(self.lists.items(*list)),
            _ => None,
        };
        let exact = exact.filter(|(items, whole)| *whole && op == Op::Unpack && items.len() == count);
        if let Some(items) = exact.map(|(items, _)| items.to_vec()) {
            items.into_iter().rev().for_each(|item| self.push(item));
            return;
        }
        let leaves = match op {
            Op::Unpack => count,
            _ => (count & 0xff).saturating_add(count >> 8).saturating_add(1),
        };
        // Pairs of a dict are not told apart from what is in them.
        let any = self.elements(&value).or(&value);
        (0..leaves.min(MOST_LEFT)).for_each(|_| self.push(any.clone()));
    }

    /// `with value as name`: most managers hand themselves or what they were given to the block.
    fn enter(&mut self, op: Op, count: usize) {
        let value = self.pop();
        self.hand_on(&value);
        if op == Op::With {
            self.push(Value::UNKNOWN);
            self.push(value);
            return;
        }
        // The method, called next; that for the exit is the other one.
        let entered = if count == 0 { self.list(&[value]) } else { None };
        self.push(entered.map_or(Value::UNKNOWN, |list| Value::one(Atom::ListMethod(list, Use::Read))));
        self.push(Value::one(Atom::Null));
    }

    /// A function, with the defaults of its parameters.
    fn make_function(&mut self, op: Op, count: usize) {
        let closure = usize::from(op == Op::MakeClosure);
        let parts = match self.version {
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
        };
        let parts = self.take(parts);
        let codes = parts.iter().flat_map(Value::atoms);
        let code = codes.filter_map(|atom| if let Atom::Code(id) = *atom { Some(id) } else { None }).next_back();
        let function = code.map_or(Value::UNKNOWN, |code| Value::one(Atom::Function(code)));
        match self.version {
            version if version < Version::V36 => {
                let defaults = parts.get(..count & 0xff).unwrap_or_default().to_vec();
                self.default_each(&function, &defaults);
            }
            version if version < Version::V313 && count & 1 == 1 => {
                let defaults = parts.first().cloned().unwrap_or_default();
                self.defaults(&function, &defaults);
            }
            _ => {}
        }
        self.push(function);
    }

    /// Gives parameters their defaults, which are the items of a container.
    fn defaults(&mut self, function: &Value, defaults: &Value) {
        let items = match defaults.atoms() {
            [Atom::List(list)] => self.lists.items(*list).0.to_vec(),
            _ => return,
        };
        self.default_each(function, &items);
    }

    /// Gives the last parameters these defaults.
    fn default_each(&mut self, function: &Value, defaults: &[Value]) {
        for atom in function.atoms() {
            let Atom::Function(id) = *atom else { continue };
            let Some(code) = self.objects.code(id) else { continue };
            let first = (code.arguments as usize).saturating_sub(defaults.len());
            for (index, value) in defaults.iter().enumerate() {
                let place = u32::try_from(first.saturating_add(index)).unwrap_or(u32::MAX);
                self.keep_in(Slot::Local(id, place), value);
            }
        }
    }

    /// A constant of the code at hand.
    pub(super) fn constant(&mut self, index: usize) -> Value {
        let constants = self.objects.code(self.code).map(|code| code.constants);
        let id = constants.and_then(|constants| self.objects.tuple(constants).get(index)).copied();
        id.map_or(Value::UNKNOWN, |id| self.constant_value(id, 0))
    }

    fn constant_value(&mut self, id: Id, depth: u8) -> Value {
        let objects = self.objects;
        Value::one(match objects.get(id) {
            Some(Object::None) => Atom::None,
            Some(Object::Int(number)) => Atom::Int(*number),
            Some(Object::Bytes(bytes)) if self.version > Version::V27 => {
                if bytes.len() > fold::LONGEST {
                    return Value::UNKNOWN;
                }
                Atom::Bytes(bytes.clone().into())
            }
            Some(Object::Text(text, _) | Object::Bytes(text)) => {
                self.pay(text.len().min(fold::LONGEST));
                match objects.text(id).filter(|text| text.len() <= fold::LONGEST) {
                    Some(text) => Atom::text(&text),
                    None => return Value::UNKNOWN,
                }
            }
            Some(Object::Code(_)) => Atom::Code(id),
            Some(Object::Tuple(items) | Object::Items(items)) if depth < DEEPEST => {
                // Constants do not change: filled once, however often they are loaded, and however they refer to each
                // other.
                let site = (id, 0, 0);
                if let Some(list) = self.lists.known(site) {
                    return Value::one(Atom::List(list));
                }
                let Some(list) = self.lists.make(site) else { return Value::UNKNOWN };
                for item in items.iter().take(MOST_CONSTANTS) {
                    let value = self.constant_value(*item, depth.saturating_add(1));
                    self.lists.push(list, &value);
                }
                self.pay(items.len().min(MOST_CONSTANTS));
                Atom::List(list)
            }
            _ => return Value::UNKNOWN,
        })
    }
}

/// The slice of these bounds: start, end and perhaps step.
fn slice_of(bounds: &[Value]) -> Value {
    let mut slice = [None; 3];
    for (place, bound) in slice.iter_mut().zip(bounds) {
        *place = match bound.atoms() {
            [Atom::Int(number)] => Some(*number),
            [Atom::None] => None,
            _ => return Value::UNKNOWN,
        };
    }
    Value::one(Atom::Slice(slice))
}
