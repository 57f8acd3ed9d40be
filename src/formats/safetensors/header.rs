//! The JSON header, read as a stream: a header of 100 MB never lies in memory as a whole.
//!
//! `serde_json` keeps the last of two equal keys and says nothing; other readers keep the first. The visitors here see
//! every key, so that a file with two readings is told from one with one.

use std::collections::HashSet;
use std::fmt;
use std::hash::BuildHasher;
use std::io::{self, BufReader, Read};

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::{Halt, Scan, WORK_STEP};
use crate::bytes::{Malformed, ReadAt};
use crate::fact::Fact;

/// Tensors in one file. Two million entries fill the largest permitted header.
const MAX_TENSORS: usize = 2_000_000;
/// Dimensions of one tensor. Frameworks stop at 64.
const MAX_RANK: usize = 64;
/// Characters of a metadata value that facts carry.
const VALUE_CAP: usize = 4096;
/// Metadata values longer than this are no description any more.
const OVERSIZE: usize = 1 << 20;

/// One tensor of the header. Its name went into a fact and is not kept, except for the messages about it.
#[derive(Debug)]
pub(super) struct Entry {
    /// Name, capped for messages.
    pub name: String,
    /// Range relative to the end of the header.
    pub begin: u64,
    pub end: u64,
    /// Bytes that dtype and shape need; None if the product overflows or the dtype is not known.
    pub needed: Option<u64>,
}

/// What the header holds.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub entries: Vec<Entry>,
}

/// Reads the header that lies at 8, `length` bytes long, and states its tensors and metadata.
pub(super) fn read(scan: &mut Scan<'_>, length: u64) -> Result<Header, Halt> {
    let source = std::sync::Arc::clone(&scan.input.source);
    let reader = BufReader::with_capacity(64 << 10, Range { source: &*source, at: 8, end: 8_u64.saturating_add(length) });
    let mut json = serde_json::Deserializer::from_reader(reader);
    let mut header = Header::default();
    let mut state = State { scan, header: &mut header, names: HashSet::new(), hasher: std::hash::RandomState::new(), halt: None };
    let outcome = HeaderSeed(&mut state).deserialize(&mut json).and_then(|()| json.end());
    if let Some(halt) = state.halt.take() {
        return Err(halt);
    }
    match outcome {
        Ok(()) => Ok(header),
        Err(error) if error.is_io() => Err(Halt::Io(error.into())),
        Err(_) => Err(Malformed { at: 8, what: "the header is not the JSON object that the format requires" }.into()),
    }
}

/// A range of a source as a reader.
struct Range<'a> {
    source: &'a dyn ReadAt,
    at: u64,
    end: u64,
}

impl Read for Range<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buf.len());
        let got = self.source.read_at(self.at, buf.get_mut(..want).unwrap_or_default())?;
        self.at = self.at.saturating_add(got as u64);
        Ok(got)
    }
}

struct State<'s, 'a> {
    scan: &'s mut Scan<'a>,
    header: &'s mut Header,
    /// Hashes of the names seen. A keyed hash, so that an attacker cannot build a collision.
    names: HashSet<u64>,
    hasher: std::hash::RandomState,
    /// A limit was reached inside a visitor, whose own error type cannot say so.
    halt: Option<Halt>,
}

impl State<'_, '_> {
    fn structure(&mut self, anomaly: &'static str, detail: &str) {
        self.scan.fact(8, 0, Fact::Structure { anomaly, format: "safetensors", detail, bytes: 0 });
    }

    /// True the first time a name is seen.
    fn first(&mut self, name: &str) -> bool {
        self.names.insert(self.hasher.hash_one(name))
    }

    fn tensor(&mut self, name: &str, info: &Info) {
        let shape = format!("{:?}", info.shape);
        let (begin, end) = info.offsets;
        self.scan.whole(Fact::Tensor { name, dtype: &info.dtype, shape: &shape, bytes: end.saturating_sub(begin) });
        let bits = bits(&info.dtype);
        if bits.is_none() {
            self.structure("unknown-dtype", &format!("{name}: {}", info.dtype));
        }
        let elements = info.shape.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim));
        let needed = bits.and_then(|bits| elements?.checked_mul(bits));
        if bits.is_some() && needed.is_none() {
            self.structure("size-overflow", &format!("{name}: the shape {shape} has more bytes than can be counted"));
        }
        // Elements below a byte must fill whole bytes, or two readers round differently.
        let whole = needed.filter(|bits| bits.is_multiple_of(8)).and_then(|bits| bits.checked_div(8));
        if needed.is_some() && whole.is_none() {
            self.structure("shape-size-mismatch", &format!("{name}: {} elements of {} do not fill whole bytes", elements.unwrap_or(0), info.dtype));
        }
        let name = name.chars().take(120).collect();
        self.header.entries.push(Entry { name, begin, end, needed: whole });
    }
}

/// Size of an element in bits.
fn bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "F64" | "I64" | "U64" | "C64" => 64,
        _ => return None,
    })
}

struct HeaderSeed<'h, 's, 'a>(&'h mut State<'s, 'a>);

impl<'de> DeserializeSeed<'de> for HeaderSeed<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeaderSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let state = self.0;
        while let Some(name) = map.next_key::<String>()? {
            let first = state.first(&name);
            if name == "__metadata__" {
                if !first {
                    state.structure("duplicate-key", "__metadata__");
                }
                map.next_value_seed(MetadataSeed(&mut *state))?;
                continue;
            }
            if !first {
                state.structure("duplicate-tensor", &name);
            }
            let info = map.next_value_seed(InfoSeed(&mut *state, &name))?;
            state.tensor(&name, &info);
            let count = state.header.entries.len();
            let paid = if (count as u64).is_multiple_of(WORK_STEP) { state.scan.budget.take_work(WORK_STEP) } else { Ok(()) };
            if let Err(exceeded) = paid {
                state.halt = Some(exceeded.into());
            } else if count > MAX_TENSORS {
                state.halt = Some(crate::bytes::Exceeded { what: "tensors", limit: MAX_TENSORS as u64 }.into());
            }
            if state.halt.is_some() {
                return Err(A::Error::custom("limit"));
            }
        }
        Ok(())
    }
}

/// The value of one tensor's key.
#[derive(Debug, Default)]
struct Info {
    dtype: String,
    shape: Vec<u64>,
    offsets: (u64, u64),
}

struct InfoSeed<'h, 's, 'a, 'n>(&'h mut State<'s, 'a>, &'n str);

impl<'de> DeserializeSeed<'de> for InfoSeed<'_, '_, '_, '_> {
    type Value = Info;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Info, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for InfoSeed<'_, '_, '_, '_> {
    type Value = Info;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dtype, shape and data_offsets")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Info, A::Error> {
        let Self(state, name) = self;
        let (mut dtype, mut shape, mut offsets) = (None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            let repeated = match key.as_str() {
                "dtype" => dtype.replace(map.next_value::<String>()?).is_some(),
                "shape" => shape.replace(map.next_value_seed(Shape)?).is_some(),
                "data_offsets" => offsets.replace(map.next_value::<(u64, u64)>()?).is_some(),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    state.structure("invalid-metadata", &format!("{name}: a tensor has no '{key}'"));
                    false
                }
            };
            if repeated {
                state.structure("duplicate-key", &format!("{name}.{key}"));
            }
        }
        match (dtype, shape, offsets) {
            (Some(dtype), Some(shape), Some(offsets)) => Ok(Info { dtype, shape, offsets }),
            _ => Err(A::Error::custom("a tensor without dtype, shape or data_offsets")),
        }
    }
}

/// A list of dimensions, bounded while it is read.
struct Shape;

impl<'de> DeserializeSeed<'de> for Shape {
    type Value = Vec<u64>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Vec<u64>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = Vec<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of dimensions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u64>, A::Error> {
        let mut shape = Vec::new();
        while let Some(dim) = seq.next_element()? {
            if shape.len() == MAX_RANK {
                return Err(A::Error::custom("more dimensions than any framework has"));
            }
            shape.push(dim);
        }
        Ok(shape)
    }
}

struct MetadataSeed<'h, 's, 'a>(&'h mut State<'s, 'a>);

impl<'de> DeserializeSeed<'de> for MetadataSeed<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MetadataSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let state = self.0;
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !keys.insert(state.hasher.hash_one(&key)) {
                state.structure("duplicate-key", &format!("__metadata__.{key}"));
            }
            let Text(value) = map.next_value()?;
            let Some(value) = value else {
                state.structure("invalid-metadata", &format!("__metadata__.{key} is not a string"));
                continue;
            };
            if value.len() > OVERSIZE {
                state.structure("invalid-metadata", &format!("__metadata__.{key} has {} bytes", value.len()));
            }
            if value.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
                state.structure("invalid-metadata", &format!("__metadata__.{key} holds control characters"));
            }
            let capped = capped(&value);
            state.scan.fact(8, 0, Fact::Metadata { key: &key, value: capped, format: "safetensors" });
            state.scan.fact(8, 0, Fact::Text { text: capped, slot: "metadata" });
        }
        Ok(())
    }
}

fn capped(value: &str) -> &str {
    let end = value.char_indices().nth(VALUE_CAP).map_or(value.len(), |(at, _)| at);
    value.get(..end).unwrap_or(value)
}

/// A string, or None for any other JSON value.
struct Text(Option<String>);

impl<'de> serde::Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(Some(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}
