//! Helpers that call one of their arguments, and what takes objects for data.

use super::invoke::{MOST_ITEMS, Outcome};
use super::machine::{By, Machine};
use super::role::Pass;
use super::value::{Kind, Value};

impl Machine<'_> {
    /// A helper that calls one of its arguments.
    pub(super) fn forward(&mut self, callee: usize, pass: Pass, items: &[Value], by: By, depth: u8) -> Outcome {
        let Some(&function) = items.get(callee) else {
            return if pass == Pass::Before { Outcome::plain(None) } else { Outcome::unresolved() };
        };
        // `filter(None, …)` calls nothing, and `iter` of one thing is that thing.
        if function == Value::None {
            return Outcome::resolved(None);
        }
        if pass == Pass::Opaque && items.len() == 1 && !self.is_callable(function) {
            let value = match self.iterate(function) {
                Some(items) => self.iterator(&items),
                None => function,
            };
            return Outcome::resolved(Some(value));
        }
        let resolved = self.is_resolved(function);
        let deeper = depth.saturating_add(1);
        let next = items.get(callee.saturating_add(1)).copied().unwrap_or(Value::Unknown);
        let iterable = if pass == Pass::EachBefore { items.first().copied().unwrap_or(Value::Unknown) } else { next };
        let many = match pass {
            Pass::Later | Pass::Before | Pass::SpreadLater => None,
            _ => self.iterate(iterable).filter(|many| many.len() <= MOST_ITEMS),
        };
        let value = match (pass, many) {
            (Pass::Each | Pass::EachBefore | Pass::Choose, Some(many)) => {
                let others = if pass == Pass::Each { items.get(callee.saturating_add(2)..) } else { None };
                let results = self.each(function, &many, others.unwrap_or_default(), by, deeper);
                // The others give what they are given, or sums of it.
                (pass == Pass::Each).then(|| self.iterator(&results))
            }
            (Pass::Star, Some(many)) => {
                let results: Vec<Value> =
                    many.iter().map(|&item| self.invoke(function, item, Value::None, by, deeper)).collect();
                Some(self.iterator(&results))
            }
            (Pass::Fold, Some(many)) => {
                let initial = items.get(callee.saturating_add(2)).copied();
                let Some(result) = self.fold(function, many, initial, by, deeper) else {
                    return Outcome::resolved(None);
                };
                Some(result)
            }
            (Pass::Before, _) => Some(self.spread(function, items.get(..callee).unwrap_or_default(), by, deeper)),
            (Pass::SpreadLater, _) => {
                let later = items.get(callee.saturating_add(2)).copied().unwrap_or(Value::Unknown);
                let many = self.iterate(later).unwrap_or_default();
                Some(self.spread(function, &many, by, deeper))
            }
            (Pass::Spread, Some(many)) => Some(self.spread(function, &many, by, deeper)),
            (Pass::Rest, _) => {
                let rest = items.get(callee.saturating_add(1)..).unwrap_or_default();
                Some(self.spread(function, rest, by, deeper))
            }
            _ => {
                self.invoke(function, Value::Unknown, Value::None, by, deeper);
                None
            }
        };
        if resolved { Outcome::resolved(value) } else { Outcome { value, arguments: "unresolved" } }
    }

    /// Calls the first of `items` with the second, and gives the result the states behind them.
    pub(super) fn rebuild(&mut self, items: &[Value], by: By, depth: u8) -> Outcome {
        let made = self.forward(0, Pass::Spread, items, by, depth);
        let Some(mut object) = made.value else { return made };
        for &state in items.iter().skip(2).take(2).filter(|&&state| state != Value::None) {
            // Arrays have no such function in their attributes. Following one from here could lead back here.
            if !self.hooks(object, b"__setstate__", by).is_empty() {
                self.odd("unresolved-callable", by, |machine| machine.describe_call(object, state).0);
                return Outcome::unresolved();
            }
            object = self.restore(object, state, by).unwrap_or(object);
        }
        Outcome { value: Some(object), ..made }
    }

    /// Calls `function` with the result so far and each of `many`; None if there is nothing to begin with.
    fn fold(&mut self, function: Value, many: Vec<Value>, initial: Option<Value>, by: By, depth: u8) -> Option<Value> {
        let mut rest = many.into_iter();
        let first = initial.or_else(|| rest.next())?;
        Some(rest.fold(first, |result, item| self.spread(function, &[result, item], by, depth)))
    }

    /// Calls `function` with `arguments` by position.
    fn spread(&mut self, function: Value, arguments: &[Value], by: By, depth: u8) -> Value {
        let arguments = self.cells.tuple(arguments);
        self.invoke(function, arguments, Value::None, by, depth)
    }

    /// Calls `function` with each of `many`, beside what `others` have at the same place.
    fn each(&mut self, function: Value, many: &[Value], others: &[Value], by: By, depth: u8) -> Vec<Value> {
        let others: Vec<Vec<Value>> = others
            .iter()
            .map(|&other| self.iterate(other).unwrap_or_else(|| vec![Value::Unknown; many.len()]))
            .collect();
        let rows = many.iter().enumerate().take_while(|(at, _)| others.iter().all(|other| other.len() > *at));
        rows.map(|(at, &item)| {
            let row = others.iter().filter_map(|other| other.get(at).copied());
            let row: Vec<Value> = std::iter::once(item).chain(row).collect();
            let arguments = self.cells.tuple(&row);
            self.invoke(function, arguments, Value::None, by, depth)
        })
        .collect()
    }

    pub(super) fn list(&mut self, items: &[Value]) -> Value {
        let list = self.cells.container(Kind::List);
        self.cells.extend(list, items);
        list
    }

    /// `max(items, key=function)` and relatives.
    pub(super) fn keyed(&mut self, place: Option<u8>, items: &[Value], keywords: Value, by: By, depth: u8) -> Outcome {
        let pairs = self.cells.items(keywords).unwrap_or_default();
        let key = pairs.chunks_exact(2).find_map(|pair| match *pair {
            [key, value] if matches!(self.name_text(key).as_deref(), Some(b"key" | b"repl")) => Some(value),
            _ => None,
        });
        let placed = place.and_then(|place| items.get(usize::from(place)).copied());
        let calls = |&value: &Value| self.is_callable(value) || self.cells.kind(value) == Some(Kind::Instance);
        if let Some(function) = key.or(placed).filter(calls) {
            let iterable = match place {
                None => items.first(),
                Some(_) => items.get(1),
            };
            self.forward(0, Pass::Each, &[function, iterable.copied().unwrap_or(Value::Unknown)], by, depth);
        }
        Outcome { value: None, arguments: if self.holds_objects(items) { "objects" } else { "" } }
    }

    /// What makes a container, or another object of data, out of its arguments: they may be called if they are
    /// functions, and are asked for their items if they are objects.
    pub(super) fn ask(&mut self, items: &[Value], keywords: Value, by: By, depth: u8) -> Outcome {
        let (given, depth) = (self.cells.tuple(items), depth.saturating_add(1));
        self.pass_on(given, by, depth);
        self.pass_on(keywords, by, depth);
        Outcome { value: None, arguments: if self.asks_anything(given) { "asked" } else { "" } }
    }

    /// `namedtuple`, `Enum` and `type`: the first two go through what names their fields.
    pub(super) fn make_named_class(&mut self, id: u32, items: &[Value], keywords: Value, by: By, depth: u8) -> Outcome {
        let made = self.make_class(items, by);
        // `Enum(…, type=Class)` makes its members of that class.
        for (_, value) in self.mapping_pairs(keywords) {
            if let Value::Global(class) = value {
                self.note_use(class, "called", by, "", (value, Value::Unknown));
            }
        }
        match self.asks(id) {
            true => Outcome { value: made.value, arguments: self.ask(items, keywords, by, depth).arguments },
            false => made,
        }
    }
}
