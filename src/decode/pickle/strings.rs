//! Strings that a stream puts together while it loads: joined, replaced, sliced, decoded.
//!
//! Names reach `STACK_GLOBAL`, `getattr` or an import this way to keep them out of sight. What cannot be evaluated
//! stays a call, and its use as a name is reported as unresolved.

use super::codec;
use super::invoke::Outcome;
use super::machine::{By, Machine};
use super::names::looks_like_class;
use super::text::push_code;
use super::value::{Kind, Value};
use crate::decode::slice::slice;

/// Longest string that evaluation makes.
const LONGEST: usize = 1 << 20;
/// Longest literal that is encoded at once. Longer ones are data of protocol 2, encoded when a loader wants them.
const ENCODED_AT_ONCE: usize = 4096;
/// Fields of a template that are looked at.
const MOST_FIELDS: usize = 64;
/// Parts of a text, or items of an iterable, that are told apart.
const MOST_PARTS: usize = 4096;
/// Bytes that a call asks for at which it counts as exhaustion.
const HUGE: i64 = 1 << 30;

impl Machine<'_> {
    /// A method of `str` or `bytes` called through its class: the object is the first argument.
    pub(super) fn string_method_of(&mut self, id: u32, items: &[Value], by: By) -> Option<Value> {
        let function = self.names.get(id)?.function.clone();
        let method = function.rsplit('.').next()?;
        let (&object, rest) = items.split_first()?;
        self.string_method(object, method.as_bytes(), rest, by)
    }

    /// A method of a string or bytes.
    pub(super) fn string_method(&mut self, object: Value, method: &[u8], items: &[Value], by: By) -> Option<Value> {
        let is_text = self.is_text(object)?;
        let text = self.whole(object)?;
        let argument = |machine: &Self, n: usize| items.get(n).and_then(|&item| machine.whole(item));
        let made = match method {
            b"join" => {
                let parts = self.parts(*items.first()?)?;
                bounded(parts.join(text.as_slice()))?
            }
            b"replace" if items.len() == 2 => replace(&text, &argument(self, 0)?, &argument(self, 1)?)?,
            b"lower" | b"casefold" | b"upper" | b"swapcase" if !text.is_ascii() => return None,
            b"lower" | b"casefold" => text.to_ascii_lowercase(),
            b"upper" => text.to_ascii_uppercase(),
            b"swapcase" => text
                .iter()
                .map(
                    |byte| {
                        if byte.is_ascii_lowercase() { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() }
                    },
                )
                .collect(),
            b"strip" | b"lstrip" | b"rstrip" => {
                let set = match items.first() {
                    // Text counts the separators of information among blanks.
                    None | Some(Value::None) if is_text => b" \t\r\n\x0b\x0c\x1c\x1d\x1e\x1f".to_vec(),
                    None | Some(Value::None) => b" \t\r\n\x0b\x0c".to_vec(),
                    Some(&set) => self.whole(set)?,
                };
                // Characters, not bytes, are compared, and others are blank too.
                if is_text && !(text.is_ascii() && set.is_ascii()) {
                    return None;
                }
                strip(&text, &set, method != b"rstrip", method != b"lstrip")?.to_vec()
            }
            b"removeprefix" => text.strip_prefix(argument(self, 0)?.as_slice()).unwrap_or(&text).to_vec(),
            b"removesuffix" => text.strip_suffix(argument(self, 0)?.as_slice()).unwrap_or(&text).to_vec(),
            b"__add__" => bounded([text, argument(self, 0)?].concat())?,
            b"__str__" if is_text => text,
            b"format" | b"__mod__" => {
                let items = match (method, items.first()) {
                    (b"__mod__", Some(&one)) if self.cells.kind(one) == Some(Kind::Tuple) => self.cells.items(one)?,
                    _ => items.to_vec(),
                };
                if method == b"format" {
                    self.walk_fields(&text, &items, by);
                }
                self.fill_in(&text, is_text, &items, method == b"format")?
            }
            b"encode" => return self.encode(object, items.first().copied().unwrap_or(Value::Unknown)),
            b"decode" => return self.decode(object, items.first().copied().unwrap_or(Value::Unknown)),
            b"__getitem__" => return self.string_item(object, *items.first()?),
            b"__mul__" | b"__rmul__" => Self::repeat(&text, *items.first()?)?,
            b"split" | b"rsplit" if items.len() == 1 => return self.split(&text, &argument(self, 0)?, is_text),
            b"hex" => return None,
            b"fromhex" => codec::hex(&argument(self, 0)?)?,
            _ => return None,
        };
        self.compute(is_text, made, None)
    }

    /// The parts of a text between separators. The last one counts as much as the first, so it is all or nothing.
    fn split(&mut self, text: &[u8], separator: &[u8], is_text: bool) -> Option<Value> {
        let (text, separator) = (std::str::from_utf8(text).ok()?, std::str::from_utf8(separator).ok()?);
        let parts: Vec<&str> = text.split(separator).take(MOST_PARTS.saturating_add(1)).collect();
        if parts.len() > MOST_PARTS {
            return None;
        }
        let parts: Option<Vec<Value>> =
            parts.into_iter().map(|part| self.compute(is_text, part.as_bytes().to_vec(), None)).collect();
        parts.map(|parts| self.list(&parts))
    }

    /// The strings of an iterable; the characters of a string.
    fn parts(&mut self, iterable: Value) -> Option<Vec<Vec<u8>>> {
        if self.is_text(iterable).is_some() {
            let text = self.whole(iterable)?;
            return Some(String::from_utf8_lossy(&text).chars().map(|c| c.to_string().into_bytes()).collect());
        }
        self.iterate(iterable)?.into_iter().map(|item| self.whole(item)).collect()
    }

    /// The attributes that the fields of a template read, `{0.name.name}`: names that the stream reaches as `getattr`
    /// does.
    fn walk_fields(&mut self, template: &[u8], items: &[Value], by: By) {
        let template = String::from_utf8_lossy(template);
        for (next, field) in template.split('{').skip(1).filter(|field| !field.is_empty()).enumerate().take(MOST_FIELDS)
        {
            let field = field.split(['}', ':', '!']).next().unwrap_or_default();
            let Some((argument, path)) = field.split_once('.') else { continue };
            let index = if argument.is_empty() { next } else { argument.parse().unwrap_or(usize::MAX) };
            let path = path.split('[').next().unwrap_or_default();
            if let Some(&object) = items.get(index) {
                self.attribute_path(object, path.as_bytes(), by);
            }
        }
    }

    /// The text that a value is formatted as. Bytes in text, and text in bytes, come out as their notation.
    fn formatted(&self, value: Value, in_text: bool) -> Option<Vec<u8>> {
        match value {
            Value::Int(number) => Some(number.to_string().into_bytes()),
            _ => self.whole(value).filter(|_| self.is_text(value) == Some(in_text)),
        }
    }

    /// `"…{}…".format(…)` or `"…%s…" % …`, with plain fields only.
    fn fill_in(&self, template: &[u8], in_text: bool, items: &[Value], braces: bool) -> Option<Vec<u8>> {
        let (mut out, mut rest, mut next) = (Vec::new(), template, 0_usize);
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match (braces, byte, after.first()) {
                (true, b'{', Some(b'{')) | (true, b'}', Some(b'}')) | (false, b'%', Some(b'%')) => {
                    out.push(byte);
                    rest = after.get(1..).unwrap_or_default();
                }
                (true, b'{', _) => {
                    let close = memchr::memchr(b'}', after)?;
                    let field = std::str::from_utf8(after.get(..close)?).ok()?;
                    let index = if field.is_empty() { next } else { field.parse().ok()? };
                    next = next.saturating_add(1);
                    out.extend(self.formatted(*items.get(index)?, in_text)?);
                    rest = after.get(close.saturating_add(1)..).unwrap_or_default();
                }
                (false, b'%', Some(b's' | b'd' | b'i')) => {
                    out.extend(self.formatted(*items.get(next)?, in_text)?);
                    next = next.saturating_add(1);
                    rest = after.get(1..).unwrap_or_default();
                }
                (false, b'%', Some(b'c')) => {
                    match items.get(next)? {
                        Value::Int(code) => push_code(u32::try_from(*code).ok()?, &mut out),
                        other => out.extend(self.whole(*other)?),
                    }
                    next = next.saturating_add(1);
                    rest = after.get(1..).unwrap_or_default();
                }
                (false, b'%', _) => return None,
                _ => out.push(byte),
            }
        }
        bounded(out)
    }

    fn repeat(text: &[u8], times: Value) -> Option<Vec<u8>> {
        let Value::Int(times) = times else { return None };
        let times = usize::try_from(times).unwrap_or(0);
        (text.len().checked_mul(times)? <= LONGEST).then(|| text.repeat(times))
    }

    /// An item or slice of a string or bytes.
    pub(super) fn string_item(&mut self, object: Value, key: Value) -> Option<Value> {
        let is_text = self.is_text(object)?;
        let text = self.whole(object)?;
        let text = std::str::from_utf8(&text).ok().filter(|_| is_text).map_or_else(
            || text.iter().map(|&byte| char::from(byte)).collect::<Vec<char>>(),
            |text| text.chars().collect(),
        );
        let picked: Vec<char> = match key {
            Value::Int(index) => {
                let at = i64::from(index);
                let at = if at < 0 { at.checked_add(i64::try_from(text.len()).ok()?)? } else { at };
                let one = *text.get(usize::try_from(at).ok()?)?;
                if !is_text {
                    return i32::try_from(u32::from(one)).ok().map(Value::Int);
                }
                vec![one]
            }
            _ => self.slice(&text, key)?,
        };
        let mut out = Vec::new();
        for c in picked {
            if is_text { push_code(u32::from(c), &mut out) } else { out.push(u8::try_from(u32::from(c)).ok()?) }
        }
        self.compute(is_text, out, None)
    }

    /// Applies `slice(…)`, itself the result of a call.
    fn slice(&self, items: &[char], key: Value) -> Option<Vec<char>> {
        let Value::Global(id) = self.cells.field(key, 1) else { return None };
        if self.names.get(id)?.function != "slice" {
            return None;
        }
        let bounds = self.cells.items(self.cells.field(key, 2))?;
        // None for a bound that is not known, which is not the same as one that is not given.
        let number = |value: &Value| match value {
            Value::None => Some(None),
            Value::Int(number) => Some(Some(i64::from(*number))),
            Value::Bool(truth) => Some(Some(i64::from(*truth))),
            _ => None,
        };
        let (start, stop, step) = match bounds.as_slice() {
            [stop] => (None, number(stop)?, None),
            [start, stop] => (number(start)?, number(stop)?, None),
            [start, stop, step] => (number(start)?, number(stop)?, number(step)?),
            _ => return None,
        };
        slice(items, start, stop, Some(step.unwrap_or(1)))
    }

    /// A function of `builtins` or `operator` that makes or changes a string or sequence.
    pub(super) fn function(&mut self, id: u32, items: &[Value], by: By) -> Option<Value> {
        let function = self.names.get(id)?.function.clone();
        let first = items.first().copied();
        match function.trim_matches('_') {
            "chr" | "unichr" => {
                let Some(Value::Int(code)) = first else { return None };
                let mut out = Vec::new();
                push_code(u32::try_from(code).ok()?, &mut out);
                self.compute(true, out, None)
            }
            "ord" => {
                let text = String::from_utf8(self.whole(first?)?).ok()?;
                text.chars().next().and_then(|c| i32::try_from(u32::from(c)).ok()).map(Value::Int)
            }
            "str" | "unicode" => match (first, items.get(1)) {
                (None, _) => self.compute(true, Vec::new(), None),
                (Some(bytes), Some(&encoding)) => self.decode(bytes, encoding),
                (Some(value), None) => {
                    let text = self.formatted(value, true)?;
                    self.compute(true, text, None)
                }
            },
            // What is made of bytes that can change is not followed.
            "bytearray" => self.make_bytes(items, by).and(None),
            "bytes" => self.make_bytes(items, by),
            "list" => self.sequence(first).map(|values| self.list(&values)),
            "tuple" => self.sequence(first).map(|values| self.cells.tuple(&values)),
            "set" | "frozenset" => {
                let values = self.sequence(first)?;
                let set = self.cells.container(Kind::Set);
                self.cells.extend(set, &values);
                Some(set)
            }
            "reversed" => {
                let mut values = self.sequence(first)?;
                values.reverse();
                Some(self.iterator(&values))
            }
            // The next of several depends on how many were taken before.
            "next" if items.len() == 1 && self.cells.kind(first?) == Some(Kind::Iterator) => {
                match self.iterate(first?)?.as_slice() {
                    [only] => Some(*only),
                    _ => None,
                }
            }
            "int" => self.integer(first?, items.get(1).copied()),
            "add" | "concat" | "iadd" | "iconcat" => self.concatenate(first?, *items.get(1)?),
            "mul" | "imul" | "repeat" => {
                let (one, times) = (first?, *items.get(1)?);
                self.note_request(times, by);
                let text = self.whole(one)?;
                let repeated = Self::repeat(&text, times)?;
                self.compute(self.is_text(one)?, repeated, None)
            }
            "mod" => self.string_method(first?, b"__mod__", items.get(1..)?, by),
            _ => None,
        }
    }

    /// `int(text[, radix])`.
    fn integer(&self, text: Value, radix: Option<Value>) -> Option<Value> {
        let text = String::from_utf8(self.whole(text)?).ok()?;
        let radix = match radix {
            Some(Value::Int(radix)) => u32::try_from(radix).ok().filter(|radix| (2..=36).contains(radix))?,
            _ => 10,
        };
        let digits = text.trim().trim_start_matches("0x").trim_start_matches("0X");
        i32::from_str_radix(digits, radix).ok().map(Value::Int)
    }

    fn sequence(&mut self, value: Option<Value>) -> Option<Vec<Value>> {
        let Some(value) = value else { return Some(Vec::new()) };
        if self.is_text(value) == Some(true) {
            let parts = self.parts(value).filter(|parts| parts.len() <= MOST_PARTS)?;
            return parts.into_iter().map(|part| self.compute(true, part, None)).collect();
        }
        self.iterate(value)
    }

    fn concatenate(&mut self, left: Value, right: Value) -> Option<Value> {
        if let Some(is_text) = self.is_text(left) {
            let both = bounded([self.whole(left)?, self.whole(right)?].concat())?;
            return self.compute(is_text, both, None);
        }
        let both = [self.iterate(left)?, self.iterate(right)?].concat();
        Some(if self.cells.kind(left) == Some(Kind::Tuple) { self.cells.tuple(&both) } else { self.list(&both) })
    }

    /// `bytes(…)`, `bytearray(…)`: of integers, of text and an encoding, of bytes; zeros by number.
    fn make_bytes(&mut self, items: &[Value], by: By) -> Option<Value> {
        let Some(&first) = items.first() else { return self.compute(false, Vec::new(), None) };
        if let Some(&encoding) = items.get(1) {
            return self.encode(first, encoding);
        }
        if self.is_text(first) == Some(false) {
            return Some(first);
        }
        self.note_request(first, by);
        let numbers = self.iterate(first)?;
        let bytes: Option<Vec<u8>> = numbers
            .into_iter()
            .map(|number| match number {
                Value::Int(number) => u8::try_from(number).ok(),
                _ => None,
            })
            .collect();
        self.compute(false, bytes?, None)
    }

    /// A call that asks for so many bytes.
    fn note_request(&mut self, count: Value, by: By) {
        let count = match count {
            Value::Int(count) => i64::from(count),
            Value::Number(_) => self.item_text(count).parse().unwrap_or(0),
            _ => 0,
        };
        if count >= HUGE {
            self.odd("expansion", by, |_| format!("a call asks for {count} bytes"));
        }
    }

    /// `encode(text, encoding)`: with Latin-1 how protocols 0 to 2 write bytes.
    pub(super) fn encode(&mut self, object: Value, encoding: Value) -> Option<Value> {
        let text =
            self.content(object, ENCODED_AT_ONCE.saturating_add(1)).filter(|text| text.len() <= ENCODED_AT_ONCE)?;
        let codec = self.codec_name(encoding)?;
        match codec::encode_text(&text, &codec) {
            Some(bytes) => self.compute(false, bytes, None),
            None if codec.starts_with("rot") => self.compute(true, codec::rot13(&text), None),
            None => None,
        }
    }

    /// `decode(object, encoding)`.
    pub(super) fn decode(&mut self, object: Value, encoding: Value) -> Option<Value> {
        let bytes = self.whole(object)?;
        let codec = self.codec_name(encoding)?;
        match codec::decode_text(&bytes, &codec) {
            Some(text) => self.compute(true, text, None),
            None => {
                let is_text = codec.starts_with("rot");
                self.compute(is_text, codec::unwrap(&bytes, &codec)?, None)
            }
        }
    }

    pub(super) fn codec_name(&self, encoding: Value) -> Option<String> {
        match encoding {
            Value::Unknown => Some("utf_8".to_owned()),
            _ => self.name_text(encoding).map(|name| codec::normalize(&name)),
        }
    }

    /// A decoder of the standard library.
    pub(super) fn decode_by_name(&mut self, id: u32, items: &[Value]) -> Option<Value> {
        let function = self.names.get(id)?.function.clone();
        let bytes = match items {
            [bytes] => self.whole(*bytes)?,
            _ => return None,
        };
        self.compute(false, codec::by_function(&bytes, &function)?, None)
    }

    /// `read`, `write` or `unknown`, by the mode that `open` is given.
    pub(super) fn open_mode(&self, items: &[Value], keywords: Value) -> &'static str {
        let pairs = self.cells.items(keywords).unwrap_or_default();
        let named = pairs.chunks_exact(2).find_map(|pair| match *pair {
            [key, value] if self.name_text(key).as_deref() == Some(b"mode") => Some(value),
            _ => None,
        });
        let Some(mode) = named.or_else(|| items.get(1).copied()) else { return "read" };
        match self.name_text(mode) {
            Some(mode) if mode.iter().any(|byte| b"wax+".contains(byte)) => "write",
            Some(_) => "read",
            None => "unknown",
        }
    }

    /// `type(object)` is its class; with three arguments, and in its relatives, a new class.
    pub(super) fn make_class(&mut self, items: &[Value], by: By) -> Outcome {
        match items {
            [object] => {
                let naming = self.naming(by, "type");
                let class = match *object {
                    Value::Global(id) => {
                        let path = self.names.get(id).map(|name| name.function.clone()).unwrap_or_default();
                        match path.as_str() {
                            path if path.ends_with("__code__") => self.name(b"types", b"CodeType", naming),
                            path if looks_like_class(path) => self.name(b"builtins", b"type", naming),
                            _ => self.name(b"types", b"FunctionType", naming),
                        }
                    }
                    value => match self.cells.kind(value) {
                        Some(Kind::Instance) => self.cells.field(value, 1),
                        _ => match self.type_name(value) {
                            Some("NoneType") => self.name(b"types", b"NoneType", naming),
                            Some(name) => self.name(b"builtins", name.as_bytes(), naming),
                            None => return Outcome::unresolved(),
                        },
                    },
                };
                Outcome::resolved(Some(class))
            }
            [name, _, namespace] if self.is_text(*name).is_some() => {
                self.note_hooks(Value::None, *namespace, by);
                Outcome::resolved(None)
            }
            _ => Outcome::resolved(None),
        }
    }
}

/// Text without the bytes of `set` at its left or right end.
fn strip<'t>(text: &'t [u8], set: &[u8], left: bool, right: bool) -> Option<&'t [u8]> {
    let keep = |byte: &u8| !set.contains(byte);
    let first = if left { text.iter().position(keep).unwrap_or(text.len()) } else { 0 };
    let end = text.iter().rposition(keep).map_or(0, |at| at.saturating_add(1));
    text.get(first..if right { end.max(first) } else { text.len() })
}

/// Text with every occurrence of `from` replaced, within [`LONGEST`].
fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    if from.is_empty() {
        return None;
    }
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some(at) = memchr::memmem::find(rest, from) {
        out.extend_from_slice(rest.get(..at)?);
        out.extend_from_slice(to);
        rest = rest.get(at.checked_add(from.len())?..)?;
        if out.len() > LONGEST {
            return None;
        }
    }
    out.extend_from_slice(rest);
    bounded(out)
}

fn bounded(text: Vec<u8>) -> Option<Vec<u8>> {
    (text.len() <= LONGEST).then_some(text)
}
