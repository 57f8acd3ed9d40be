//! One pass over a JSON text that finds what a loader would make Python objects of.

use std::sync::Arc;

use crate::bytes::{Exceeded, MemorySource, ReadAt};
use crate::decode::armor::Armor;
use crate::decode::json::{Lexer, Text, Token};
use crate::formats::Halt;
use crate::formats::encoded_text::armored;

/// Brackets inside brackets that are followed; Python's own reader stops far before.
const MOST_LEVELS: usize = 100_000;
/// Longest key that means something, with every character escaped.
const LONGEST_KEY: u64 = 128;
/// Longest name of an object: Python refuses to import longer ones.
const LONGEST_NAME: usize = 4096;
/// Longest key of jsonpickle that is a text of its own.
const LONGEST_JSON_KEY: usize = 1 << 20;
/// Shorter text is no pickle that calls anything.
const SHORTEST: u64 = 24;
/// A key of jsonpickle that stands for an object.
const JSON_KEY: &[u8] = b"json://";

/// Something that is more than text to a loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::formats) enum Found {
    /// jsonpickle gets hold of a Python object by its name.
    Name {
        /// Where the name stands.
        at: u64,
        /// Dotted path.
        name: String,
        /// `called`, `referenced` or `imported`.
        usage: &'static str,
    },
    /// Base64 of a pickle that the loader of the document unpickles.
    Pickle {
        /// The base64.
        text: Text,
        /// The key of the object that it stands in.
        key: Option<Text>,
    },
    /// Text that begins like a pickle, compressed or not, written in that way.
    Value(Text, Armor),
}

/// What a key says about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Tag {
    #[default]
    Plain,
    /// `:serialized:` of Stable-Baselines3.
    Serialized,
    /// Name of a class of which an object is made.
    Object,
    /// Name of a class or function.
    Reference,
    Module,
    /// Python's own spelling of an object, which is evaluated.
    Repr,
    /// What `__reduce__` gave: a callable and its arguments.
    Reduce,
    Tuple,
}

/// An object or array that is not closed yet.
#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    is_object: bool,
    /// What it stands under.
    tag: Tag,
    key: Option<Text>,
    /// Its values so far.
    index: u64,
    /// In an object: the key whose value comes next.
    next: Tag,
    next_key: Option<Text>,
    /// In an object: a colon was read, and no value.
    expects_value: bool,
}

/// Visits what is found until `visit` says that it is enough. True if the text came to its end and everything in it was
/// closed.
///
/// # Errors
/// Those of `visit`; too many levels; I/O.
pub(in crate::formats) fn walk(
    source: &dyn ReadAt,
    visit: &mut dyn FnMut(Found) -> Result<bool, Halt>,
) -> Result<bool, Halt> {
    let mut keys = Vec::new();
    let whole = Walk::default().run(source, &mut keys, visit)?;
    // A key that is a text may have such keys, each shorter than the one around it.
    while let Some((at, text)) = keys.pop() {
        let mut inner = |found| match found {
            Found::Name { name, usage, .. } => visit(Found::Name { at, name, usage }),
            Found::Pickle { .. } | Found::Value(..) => Ok(true),
        };
        let mut below = Vec::new();
        Walk::default().run(&*text, &mut below, &mut inner)?;
        keys.extend(below.into_iter().map(|(_, text)| (at, text)));
    }
    Ok(whole)
}

/// Where a walk is.
#[derive(Default)]
struct Walk {
    open: Vec<Frame>,
}

/// Keys that are texts of their own, and where they stand.
type Keys = Vec<(u64, Arc<dyn ReadAt>)>;

impl Walk {
    fn run(
        &mut self,
        source: &dyn ReadAt,
        keys: &mut Keys,
        visit: &mut dyn FnMut(Found) -> Result<bool, Halt>,
    ) -> Result<bool, Halt> {
        let mut lexer = Lexer::new(source);
        while let Some(token) = lexer.token()? {
            match token {
                Token::Object | Token::Array => self.enter(token == Token::Object)?,
                Token::Close => drop(self.open.pop()),
                Token::Colon => {
                    if let Some(frame) = self.open.last_mut() {
                        frame.expects_value = true;
                    }
                }
                Token::Comma => {
                    if let Some(frame) = self.open.last_mut() {
                        frame.index = frame.index.saturating_add(1);
                        frame.expects_value = false;
                    }
                }
                Token::Text(text) => {
                    if !self.text(source, text, keys, visit)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(self.open.is_empty() && lexer.offset() >= source.len())
    }

    fn enter(&mut self, is_object: bool) -> Result<(), Halt> {
        if self.open.len() >= MOST_LEVELS {
            return Err(Exceeded { what: "levels of brackets", limit: MOST_LEVELS as u64 }.into());
        }
        let (tag, key) = match self.open.last() {
            Some(frame) if frame.is_object => (frame.next, frame.next_key),
            _ => (Tag::Plain, None),
        };
        self.open.push(Frame { is_object, tag, key, ..Frame::default() });
        Ok(())
    }

    /// Takes a string, a key or a value; false if the visitor has seen enough.
    fn text(
        &mut self,
        source: &dyn ReadAt,
        text: Text,
        keys: &mut Keys,
        visit: &mut dyn FnMut(Found) -> Result<bool, Halt>,
    ) -> Result<bool, Halt> {
        let callee = self.is_callee();
        let Some(frame) = self.open.last_mut() else { return Ok(true) };
        if frame.is_object && !frame.expects_value {
            frame.next = tag(source, &text)?;
            frame.next_key = Some(text);
            if text.start().starts_with(JSON_KEY.get(..5).unwrap_or_default())
                && let Some(key) = text.read(source, LONGEST_JSON_KEY)?
                && let Some(inner) = key.strip_prefix(JSON_KEY)
            {
                keys.push((text.at, MemorySource::new(inner)));
            }
            return Ok(true);
        }
        let tag = if frame.is_object { frame.next } else { Tag::Plain };
        let usage = match tag {
            Tag::Serialized => return visit(Found::Pickle { text, key: frame.key }),
            Tag::Object => "called",
            Tag::Reference if callee => "called",
            Tag::Reference => "referenced",
            Tag::Module => "imported",
            Tag::Repr => return evaluated(source, &text, visit),
            Tag::Plain | Tag::Reduce | Tag::Tuple => {
                return match armor(&text) {
                    Some(armor) => visit(Found::Value(text, armor)),
                    None => Ok(true),
                };
            }
        };
        match text.read(source, LONGEST_NAME)? {
            Some(name) => visit(Found::Name { at: text.at, name: String::from_utf8_lossy(&name).into_owned(), usage }),
            None => Ok(true),
        }
    }

    /// True inside the first item of what `__reduce__` gave: it is called with the second one.
    fn is_callee(&self) -> bool {
        let mut around = self.open.iter().rev().skip(1);
        let Some(items) = around.next().filter(|items| !items.is_object && items.index == 0) else { return false };
        match items.tag {
            Tag::Reduce => true,
            Tag::Tuple => around.next().is_some_and(|tuple| tuple.tag == Tag::Reduce),
            _ => false,
        }
    }
}

/// A module is imported, and an expression behind it evaluated.
fn evaluated(
    source: &dyn ReadAt,
    text: &Text,
    visit: &mut dyn FnMut(Found) -> Result<bool, Halt>,
) -> Result<bool, Halt> {
    let name = |name: &str, usage| Found::Name { at: text.at, name: name.to_owned(), usage };
    let spelled = text.read(source, LONGEST_NAME)?.unwrap_or_default();
    if let Some((module, _)) = String::from_utf8_lossy(&spelled).split_once('/')
        && !visit(name(module, "imported"))?
    {
        return Ok(false);
    }
    visit(name("builtins.eval", "called"))
}

fn tag(source: &dyn ReadAt, key: &Text) -> Result<Tag, Halt> {
    if key.len > LONGEST_KEY || !matches!(key.head().first(), Some(b'p' | b':' | b'\\')) {
        return Ok(Tag::Plain);
    }
    let key = key.read(source, usize::MAX)?.unwrap_or_default();
    Ok(match key.as_slice() {
        b":serialized:" => Tag::Serialized,
        b"py/object" => Tag::Object,
        b"py/type" | b"py/function" | b"py/method" | b"py/class" => Tag::Reference,
        b"py/mod" => Tag::Module,
        b"py/repr" => Tag::Repr,
        b"py/reduce" => Tag::Reduce,
        b"py/tuple" => Tag::Tuple,
        _ => Tag::Plain,
    })
}

/// How a text is written that may be a pickle, compressed or not.
fn armor(text: &Text) -> Option<Armor> {
    if text.len < SHORTEST {
        return None;
    }
    let armor = armored(&text.start())?;
    let plain = |byte: &u8| armor.digit(*byte).is_some() || byte.is_ascii_whitespace() || matches!(byte, b'=' | b'\\');
    text.head().iter().all(plain).then_some(armor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, &'static str)> {
        let (source, mut all) = (MemorySource::new(text.as_bytes()), Vec::new());
        let whole = walk(&*source, &mut |found| {
            match found {
                Found::Name { name, usage, .. } => all.push((name, usage)),
                Found::Pickle { text, key } => {
                    let name = key.map(|key| key.read(&*source, 100).unwrap().unwrap()).unwrap_or_default();
                    all.push((String::from_utf8(name).unwrap(), if text.escaped { "escaped" } else { "pickle" }));
                }
                Found::Value(text, armor) => all.push((format!("{armor:?} {}", text.len), "value")),
            }
            Ok(true)
        });
        assert!(whole.unwrap(), "{text}");
        all
    }

    fn one(name: &str, usage: &'static str) -> Vec<(String, &'static str)> {
        vec![(name.to_owned(), usage)]
    }

    #[test]
    fn names_are_found_at_any_depth_and_however_they_are_written() {
        for text in [
            r#"{"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["x"]}]}"#,
            r#"{"py/reduce": {"py/tuple": [{"py/type": "os.system"}, ["x"]]}}"#,
            r#"[{"a": {"\u0070y\/object": "os\u002esystem", "b": NaN}}]"#,
            r#"{"json://{\"py\/object\": \"os.system\"}": 1}"#,
        ] {
            assert_eq!(found(text), one("os.system", "called"), "{text}");
        }
        assert_eq!(found(r#"{"a": [{"py/type": "a.B"}]}"#), one("a.B", "referenced"));
        assert_eq!(found(r#"{"py/reduce": [0, {"py/type": "a.B"}]}"#), one("a.B", "referenced"));
        let repr = [("os".to_owned(), "imported"), ("builtins.eval".to_owned(), "called")];
        assert_eq!(found(r#"{"py/repr": "os/x"}"#), repr);
        let deep = format!("{}{{\"py/mod\": \"os\"}}{}", "[".repeat(99_999), "]".repeat(99_999));
        assert_eq!(found(&deep), one("os", "imported"));
    }

    #[test]
    fn other_text_is_text() {
        for text in [
            r#"{"a": "py/object", "b": ["py/object", "os.system"]}"#,
            r#"{"a": "{\"py/object\": \"os.system\"}"}"#,
            r#"{"py/tuple": ["os.system"], "py/object": 1, "py/objects": "os.system"}"#,
            r#"{"gASVAAAAAAAAAACMAm9zlIwGc3lzdGVt": "gASV"}"#,
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn pickles_are_told_by_key_or_by_their_beginning() {
        assert_eq!(found(r#"{"space": {":type:": "x", ":serialized:": "any"}}"#), one("space", "pickle"));
        assert_eq!(found(r#"{":serialized:": "a\n"}"#), one("", "escaped"));
        assert_eq!(found(r#"["gASVAAAAAAAAAACMAm9zlIwGc3lz"]"#), one("Base64 28", "value"));
        assert_eq!(found(r#"["80049500000000000000008c026f73"]"#), one("Hex 30", "value"));
        assert_eq!(found(r#"["\u0067ASVAAAAAAAAAACMAm9zlIwGc3lz"]"#), one("Base64 33", "value"));
        assert_eq!(found(r#"["gASV, the beginning of a pickle"]"#), []);
    }

    #[test]
    fn what_does_not_close_is_not_whole() {
        for text in ["{\"a\": \"b", "[", "{\"py/object\": "] {
            assert!(!walk(&*MemorySource::new(text.as_bytes()), &mut |_| Ok(true)).unwrap(), "{text}");
        }
    }
}
