//! What stands on the stack and in the memo of the symbolic machine.
//!
//! A [`Value`] is eight bytes and copied freely. Literals are the offset of their opcode, decoded when somebody asks.
//! Containers and calls lie in a ring of cells, so memory does not grow with the stream: what was built millions of
//! values ago is forgotten, which makes it unknown to the machine, never harmless.

use std::borrow::Cow;

/// A value, or a field of a node in [`Cells`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// Nothing is known about it.
    Unknown,
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// A small integer.
    Int(i32),
    /// Any other number, by the offset of its opcode.
    Number(Far),
    /// A string literal, by the offset of its opcode.
    Str(Far),
    /// A bytes or bytearray literal, by the offset of its opcode.
    Bytes(Far),
    /// A string or bytes that evaluation produced, by its index.
    Computed(u32),
    /// An imported object, by its index among the names of the stream.
    Global(u32),
    /// A container, call or instance, by its place in the ring.
    Node(Far),
    /// First cell of a node: what it is, and how many values it would be if nothing in it were shared.
    Head(Kind, f32),
    /// Number of items of a node.
    Len(u32),
}

/// An offset of 48 bits, in two parts so that [`Value`] takes eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Far([u16; 3]);

impl Far {
    /// Offsets past 2^48 do not occur: no file system holds such a file.
    #[must_use]
    pub const fn new(offset: u64) -> Self {
        let [a, b, c, d, e, f, ..] = offset.to_le_bytes();
        Self([u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]), u16::from_le_bytes([e, f])])
    }

    /// The offset.
    #[must_use]
    pub const fn get(self) -> u64 {
        let Self([low, middle, high]) = self;
        let ([a, b], [c, d], [e, f]) = (low.to_le_bytes(), middle.to_le_bytes(), high.to_le_bytes());
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }
}

/// What a node is, and which cells follow its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Length, then the items. Of a tuple with more than are kept, those that lead anywhere follow behind their number.
    Tuple,
    /// Length, then the last chunk.
    List,
    /// Length, then the last chunk; items are keys and values in turn.
    Dict,
    /// Length, then the last chunk.
    Set,
    /// Length, the chunk before, then the items.
    Chunk,
    /// What was called, the arguments, the keyword arguments, the state set by BUILD.
    Call,
    /// The class, the arguments of `__new__`, its keyword arguments, the state set by BUILD.
    Instance,
    /// The list of what it gives, and how many changes there were when it was made.
    Iterator,
    /// The persistent id.
    Persistent,
    /// A state set by BUILD, then the one before it.
    State,
}

/// Cells that are kept. A random forest of thousands of trees needs a few hundred thousand at a time.
const KEPT: u64 = 2 << 20;
/// Items that one container keeps: enough for arguments, tables and strings in pieces.
pub const KEPT_ITEMS: usize = 4096;

/// Where the size of a chunk would stand, if text that belongs before it was left out.
const TEXT_LEFT_OUT: f32 = 1.0;

/// Items that may be looked at in one stream, so that looking at the same large container again and again ends.
pub const MOST_LOOKS: u64 = 256 << 20;

/// Nodes of one walk that cost nothing, and what each further one costs in items looked at.
const FREE_WALK: usize = 16;
const COST_OF_NODE: usize = 64;

/// The ring of cells.
#[derive(Debug, Default)]
pub struct Cells {
    ring: Vec<Value>,
    next: u64,
    looks: std::cell::Cell<u64>,
}

impl Cells {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.ring.clear();
        self.next = 0;
        self.looks.set(0);
    }

    /// Builds a node from its cells.
    pub fn node(&mut self, cells: &[Value]) -> Value {
        let at = self.next;
        self.push_all(cells);
        Value::Node(Far::new(at))
    }

    fn push_all(&mut self, cells: &[Value]) {
        // Until the ring is full, which most streams never see, cells are simply appended.
        if (self.ring.len().saturating_add(cells.len()) as u64) <= KEPT {
            self.ring.extend_from_slice(cells);
            self.next = self.next.saturating_add(cells.len() as u64);
        } else {
            for &cell in cells {
                self.push(cell);
            }
        }
    }

    fn push(&mut self, cell: Value) {
        if (self.ring.len() as u64) < KEPT {
            self.ring.push(cell);
        } else if let Some(slot) = slot(self.next).and_then(|slot| self.ring.get_mut(slot)) {
            *slot = cell;
        }
        self.next = self.next.saturating_add(1);
    }

    fn kept(&self, at: u64) -> bool {
        at < self.next && self.next.saturating_sub(at) <= KEPT
    }

    /// The cell `field` places behind the head of `node`; Unknown if the node is forgotten or `node` is none.
    #[must_use]
    pub fn field(&self, node: Value, field: u64) -> Value {
        let Value::Node(far) = node else { return Value::Unknown };
        let at = far.get();
        // The head is the first cell to be overwritten: a node is kept as long as its head is.
        if !self.kept(at) {
            return Value::Unknown;
        }
        slot(at.saturating_add(field)).and_then(|slot| self.ring.get(slot)).copied().unwrap_or(Value::Unknown)
    }

    /// Replaces the cell `field` places behind the head of `node`.
    pub fn set(&mut self, node: Value, field: u64, value: Value) {
        let Value::Node(far) = node else { return };
        let at = far.get();
        if !self.kept(at) {
            return;
        }
        if let Some(cell) = slot(at.saturating_add(field)).and_then(|slot| self.ring.get_mut(slot)) {
            *cell = value;
        }
    }

    /// What `value` is, if it is a node that is still kept.
    #[must_use]
    pub fn kind(&self, value: Value) -> Option<Kind> {
        match self.field(value, 0) {
            Value::Head(kind, _) => Some(kind),
            _ => None,
        }
    }

    /// How many values `value` would be if nothing in it were shared.
    #[must_use]
    pub fn size(&self, value: Value) -> f32 {
        if !matches!(value, Value::Node(_)) {
            return 1.0;
        }
        match self.field(value, 0) {
            Value::Head(Kind::Tuple | Kind::List | Kind::Dict | Kind::Set, size) => size,
            _ => 1.0,
        }
    }

    /// A tuple of `items`, of which the first [`KEPT_ITEMS`] are kept, and others if they lead anywhere.
    pub fn tuple(&mut self, items: &[Value]) -> Value {
        let size = 1.0 + items.iter().map(|&item| self.size(item)).sum::<f32>();
        let node = self.node(&[Value::Head(Kind::Tuple, size), length(items.len())]);
        if let Some((first, rest)) = items.split_at_checked(KEPT_ITEMS) {
            let rest = leading_items(Kind::Tuple, rest);
            self.push_all(first);
            self.push(length(rest.len()));
            self.push_all(&rest);
        } else {
            self.push_all(items);
        }
        node
    }

    /// An empty list, dict or set.
    pub fn container(&mut self, kind: Kind) -> Value {
        self.node(&[Value::Head(kind, 1.0), Value::Len(0), Value::None])
    }

    /// Adds items to a list, dict or set. Its size grows by theirs.
    pub fn extend(&mut self, container: Value, items: &[Value]) {
        let (Value::Head(kind, size), Value::Len(len)) = (self.field(container, 0), self.field(container, 1)) else {
            return;
        };
        let added = items.iter().map(|&item| self.size(item)).sum::<f32>();
        self.set(container, 0, Value::Head(kind, size + added));
        let grown = len.saturating_add(u32::try_from(items.len()).unwrap_or(u32::MAX));
        self.set(container, 1, Value::Len(grown));
        let before = self.field(container, 2);
        let had_gap = self.leaves_out_text(before);
        // Pairs of a dict stay together.
        let room = KEPT_ITEMS.saturating_sub(usize::try_from(len).unwrap_or(usize::MAX)) & !1;
        let (items, has_gap) = match items.split_at_checked(room) {
            Some((first, rest)) if !rest.is_empty() => {
                let is_text = |item: &Value| matches!(item, Value::Str(_) | Value::Bytes(_) | Value::Computed(_));
                let kept = [first, &leading_items(kind, rest)].concat();
                (Cow::Owned(kept), had_gap || rest.iter().any(is_text))
            }
            _ => (Cow::Borrowed(items), had_gap),
        };
        if items.is_empty() && has_gap == had_gap {
            return;
        }
        let gap = if has_gap { TEXT_LEFT_OUT } else { 0.0 };
        let chunk = self.node(&[Value::Head(Kind::Chunk, gap), length(items.len()), before]);
        self.push_all(&items);
        self.set(container, 2, chunk);
    }

    /// True for the last chunk of a container that has no room for some of its text.
    fn leaves_out_text(&self, chunk: Value) -> bool {
        matches!(self.field(chunk, 0), Value::Head(Kind::Chunk, gap) if gap == TEXT_LEFT_OUT)
    }

    /// True if every text and all bytes in a tuple, list, dict or set are among the items that are kept.
    #[must_use]
    pub fn keeps_text(&self, container: Value) -> bool {
        let container = self.listed(container);
        if self.items(container).is_some() {
            return true;
        }
        let mut chunk = self.field(container, 2);
        if !matches!(self.kind(container), Some(Kind::List | Kind::Dict | Kind::Set)) || self.leaves_out_text(chunk) {
            return false;
        }
        while self.kind(chunk) == Some(Kind::Chunk) && self.look(1).is_some() {
            chunk = self.field(chunk, 2);
        }
        chunk == Value::None
    }

    /// The items of a tuple, list, dict or set that are kept, in order, be they all or not.
    #[must_use]
    pub fn kept_items(&self, container: Value) -> Vec<Value> {
        if let Some(items) = self.items(container) {
            return items;
        }
        if self.kind(container) == Some(Kind::Tuple) {
            let behind = (KEPT_ITEMS as u64).saturating_add(2);
            let more = match self.field(container, behind) {
                Value::Len(more) => usize::try_from(more).unwrap_or(usize::MAX),
                _ => 0,
            };
            if self.look(KEPT_ITEMS.saturating_add(more)).is_none() {
                return Vec::new();
            }
            let fields = (2..behind).chain((behind.saturating_add(1)..).take(more));
            return fields.map(|field| self.field(container, field)).collect();
        }
        let (mut chunks, mut chunk) = (Vec::new(), self.field(container, 2));
        while self.kind(chunk) == Some(Kind::Chunk) && self.look(self.len(chunk)).is_some() {
            chunks.push((chunk, self.len(chunk)));
            chunk = self.field(chunk, 2);
        }
        self.joined(&chunks)
    }

    /// The items of chunks, of which the last comes first.
    fn joined(&self, chunks: &[(Value, usize)]) -> Vec<Value> {
        let mut items = Vec::with_capacity(chunks.iter().map(|(_, len)| len).sum());
        for &(chunk, len) in chunks.iter().rev() {
            items.extend((3_u64..).take(len).map(|field| self.field(chunk, field)));
        }
        items
    }

    /// Number of items of a container.
    #[must_use]
    pub fn len(&self, container: Value) -> usize {
        match self.field(container, 1) {
            Value::Len(len) => usize::try_from(len).unwrap_or(usize::MAX),
            _ => 0,
        }
    }

    /// True if containers were looked at so often that they no longer are.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.looks.get() > MOST_LOOKS
    }

    /// The list of an iterator; any other value is itself.
    fn listed(&self, value: Value) -> Value {
        if self.kind(value) == Some(Kind::Iterator) { self.field(value, 1) } else { value }
    }

    /// Pays for a look at so many items.
    fn look(&self, items: usize) -> Option<()> {
        self.looks.set(self.looks.get().saturating_add(items as u64));
        (!self.is_exhausted()).then_some(())
    }

    /// Pays for a walk over so many nodes. Short ones, of which genuine files have many, are free.
    pub fn charge(&self, walked: usize) {
        let _ = self.look(walked.saturating_sub(FREE_WALK).saturating_mul(COST_OF_NODE));
    }

    /// True if one of the kept items of a list, dict or set, in any order, is like that.
    #[must_use]
    pub fn any(&self, container: Value, like: impl Fn(Value) -> bool) -> bool {
        let mut chunk = self.field(self.listed(container), 2);
        // A chain is no longer than the ring, and goes back only.
        while self.kind(chunk) == Some(Kind::Chunk) && self.look(self.len(chunk)).is_some() {
            if (3_u64..).take(self.len(chunk)).any(|field| like(self.field(chunk, field))) {
                return true;
            }
            chunk = self.field(chunk, 2);
        }
        false
    }

    /// The items of a tuple, list, dict or set in order; None if it is none of them, or not all are kept.
    #[must_use]
    pub fn items(&self, container: Value) -> Option<Vec<Value>> {
        let container = self.listed(container);
        let len = self.len(container);
        if len > KEPT_ITEMS {
            return None;
        }
        self.look(len)?;
        match self.kind(container)? {
            Kind::Tuple => Some((2_u64..).take(len).map(|field| self.field(container, field)).collect()),
            Kind::List | Kind::Dict | Kind::Set => {
                let mut chunks = Vec::new();
                let mut chunk = self.field(container, 2);
                let mut left = len;
                while left > 0 {
                    let part = self.len(chunk);
                    if self.kind(chunk) != Some(Kind::Chunk) || part == 0 || part > left {
                        return None;
                    }
                    chunks.push((chunk, part));
                    left = left.saturating_sub(part);
                    chunk = self.field(chunk, 2);
                }
                Some(self.joined(&chunks))
            }
            _ => None,
        }
    }
}

fn slot(at: u64) -> Option<usize> {
    usize::try_from(at % KEPT).ok()
}

/// Of items for which a container has no room those that may be called or hold others, with their keys; the rest is data.
fn leading_items(kind: Kind, items: &[Value]) -> Vec<Value> {
    let leads = |value: &Value| matches!(value, Value::Global(_) | Value::Unknown | Value::Node(_));
    let width = if kind == Kind::Dict { 2 } else { 1 };
    items.chunks(width).filter(|part| part.last().is_some_and(leads)).flatten().copied().collect()
}

fn length(len: usize) -> Value {
    Value::Len(u32::try_from(len).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_eight_bytes() {
        assert_eq!(size_of::<Value>(), 8);
        assert_eq!(Far::new(0x1234_5678_9abc).get(), 0x1234_5678_9abc);
    }

    #[test]
    fn large_containers_know_whether_text_is_left_out() {
        let mut cells = Cells::default();
        let list = cells.container(Kind::List);
        cells.extend(list, &[Value::Str(Far::new(1))]);
        cells.extend(list, &vec![Value::None; KEPT_ITEMS]);
        assert!(cells.items(list).is_none() && cells.keeps_text(list));
        cells.extend(list, &[Value::Int(1), Value::Bytes(Far::new(2))]);
        assert!(!cells.keeps_text(list));
        cells.extend(list, &[Value::Unknown]);
        assert!(!cells.keeps_text(list), "what stands behind does not make up for it");
    }

    #[test]
    fn containers_keep_their_items_in_order() {
        let mut cells = Cells::default();
        let list = cells.container(Kind::List);
        cells.extend(list, &[Value::Int(1), Value::Int(2)]);
        cells.extend(list, &[Value::Int(3)]);
        assert_eq!(cells.items(list), Some(vec![Value::Int(1), Value::Int(2), Value::Int(3)]));
        assert_eq!(cells.len(list), 3);
        assert!((cells.size(list) - 4.0).abs() < f32::EPSILON);
        let tuple = cells.tuple(&[list, list]);
        assert!((cells.size(tuple) - 9.0).abs() < f32::EPSILON);
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let mut cells = Cells::default();
        let old = cells.tuple(&[Value::Int(1)]);
        for _ in 0..KEPT / 3 {
            cells.tuple(&[Value::None]);
        }
        assert_eq!(cells.kind(old), None);
        assert_eq!(cells.items(old), None);
        let new = cells.tuple(&[Value::Int(7)]);
        assert_eq!(cells.items(new), Some(vec![Value::Int(7)]));
    }
}
