//! The header of a `NumPy` array file: a Python literal that says type and shape. Nothing of it is evaluated.
//!
//! ```text
//! 0   6 bytes   \x93NUMPY
//! 6   2 bytes   version: 1.0, 2.0 or 3.0
//! 8   u16 LE    length of the header (u32 from version 2 on)
//!     text      {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   padded with blanks, ends with \n
//! ```

mod literal;

pub use literal::Literal;

use crate::bytes::{Malformed, ReadError, Stream};

/// What every array begins with.
pub const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is parsed. `NumPy` itself refuses more than 10 000 bytes unless it is told otherwise.
const MAX_HEADER: u64 = 1 << 20;

/// The header of one array.
#[derive(Debug)]
pub struct Header {
    /// Offset of the elements.
    pub data: u64,
    /// Bytes of the literal.
    pub length: u64,
    /// Type of one element.
    pub dtype: Dtype,
    /// Lengths of the dimensions.
    pub shape: Vec<u64>,
    /// A key that stands twice: readers may differ in which one they take.
    pub duplicate: Option<&'static str>,
}

/// The type of one element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dtype {
    /// Bytes of one element; None if they are not known.
    pub size: Option<u64>,
    /// Elements are, or hold, Python objects: they are stored as a pickle.
    pub objects: bool,
    /// As written; `structured` for one with fields.
    pub text: String,
}

impl Header {
    /// Reads the header of the array at `offset`, which begins with [`MAGIC`].
    ///
    /// # Errors
    /// The header breaks the format, or I/O.
    pub fn read(stream: &mut Stream<'_>) -> Result<Self, ReadError> {
        let (at, length) = Self::extent(stream)?;
        let literal = Literal::parse(stream.bytes(length)?)
            .ok_or(Malformed { at, what: "the header of the array is no Python literal" })?;
        Self::of(&literal, at, length).ok_or_else(|| {
            Malformed { at, what: "the header of the array does not have the keys descr, fortran_order and shape" }
                .into()
        })
    }

    /// Offset and length of the literal in the header of the array at the offset of `stream`, whatever it says.
    ///
    /// # Errors
    /// The version does not exist, the header does not fit, or I/O.
    pub fn extent(stream: &mut Stream<'_>) -> Result<(u64, u64), ReadError> {
        let at = stream.offset();
        let mut head = stream.field(8)?;
        head.skip(MAGIC.len() as u64)?;
        let length = match head.u8()? {
            1 => u64::from(stream.field(2)?.u16_le()?),
            2 | 3 => u64::from(stream.field(4)?.u32_le()?),
            _ => return Err(Malformed { at, what: "a version of the array format that does not exist" }.into()),
        };
        let at = stream.offset();
        if length > stream.remaining() {
            return Err(Malformed { at, what: "the header of the array reaches past the end of the file" }.into());
        }
        if length > MAX_HEADER {
            return Err(Malformed { at, what: "the header of the array is too long" }.into());
        }
        Ok((at, length))
    }

    fn of(literal: &Literal, at: u64, length: u64) -> Option<Self> {
        let Literal::Dict(items) = literal else { return None };
        let (mut dtype, mut order, mut shape, mut duplicate) = (None, None, None, None);
        for pair in items.chunks_exact(2) {
            let [Literal::Text(key), value] = pair else { return None };
            // Of equal keys Python takes the last.
            let twice = match key.as_slice() {
                b"descr" => dtype.replace(Dtype::of(value)).map(|_| "descr"),
                b"fortran_order" => order.replace(matches!(value, Literal::Bool(_))).map(|_| "fortran_order"),
                b"shape" => shape.replace(dimensions(value)?).map(|_| "shape"),
                _ => return None,
            };
            duplicate = duplicate.or(twice);
        }
        order.filter(|&is_truth| is_truth)?;
        Some(Self { data: at.saturating_add(length), length, dtype: dtype?, shape: shape?, duplicate })
    }

    /// Bytes of all elements; None if they are not known or do not fit into 64 bits.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        let size = self.dtype.size?;
        if self.shape.contains(&0) {
            return Some(0);
        }
        self.shape.iter().try_fold(size, |bytes, &length| bytes.checked_mul(length))
    }
}

/// A tuple of lengths.
fn dimensions(value: &Literal) -> Option<Vec<u64>> {
    let Literal::Tuple(items) = value else { return None };
    items.iter().map(|item| if let Literal::Int(n) = item { u64::try_from(*n).ok() } else { None }).collect()
}

impl Dtype {
    /// The type that `descr` describes: a code, a list of fields, or a type with the shape of a sub-array.
    fn of(descr: &Literal) -> Self {
        let text = match descr {
            Literal::Text(text) => String::from_utf8_lossy(text).into_owned(),
            _ => "structured".to_owned(),
        };
        let mut dtype = Self { size: Some(0), objects: false, text };
        // Types within types, each with how often it occurs in one element.
        let mut open = vec![(descr, Some(1_u64))];
        while let Some((descr, times)) = open.pop() {
            match descr {
                Literal::Text(code) => dtype.add(code, times),
                Literal::List(fields) => {
                    for field in fields {
                        match field {
                            Literal::Tuple(parts) => match parts.as_slice() {
                                [_, inner] => open.push((inner, times)),
                                [_, inner, shape] => open.push((inner, product(times, shape))),
                                _ => dtype.size = None,
                            },
                            _ => dtype.size = None,
                        }
                    }
                }
                Literal::Tuple(parts) => match parts.as_slice() {
                    [inner, shape] => open.push((inner, product(times, shape))),
                    _ => dtype.size = None,
                },
                _ => dtype.size = None,
            }
        }
        dtype
    }

    /// Adds `times` elements of the type with that code, or with several codes and commas between them.
    fn add(&mut self, code: &[u8], times: Option<u64>) {
        let size = code_size(code);
        self.objects |= size == Some(Size::Object) || (size.is_none() && may_hold_objects(code));
        let bytes = match size {
            Some(Size::Bytes(bytes)) => times.and_then(|times| times.checked_mul(bytes)),
            Some(Size::Object) => Some(0),
            None => None,
        };
        self.size = self.size.zip(bytes).and_then(|(sum, bytes)| sum.checked_add(bytes));
    }
}

/// `times` for each element of a sub-array: its shape is a tuple, or one length.
fn product(times: Option<u64>, shape: &Literal) -> Option<u64> {
    let lengths = match shape {
        Literal::Int(n) => vec![u64::try_from(*n).ok()?],
        _ => dimensions(shape)?,
    };
    lengths.iter().try_fold(times?, |product, &length| product.checked_mul(length))
}

#[derive(Debug, PartialEq, Eq)]
enum Size {
    Bytes(u64),
    Object,
}

/// The size of an element by its code: `<f4`, `|O`, `<U10`, `<M8[ns]`, or a single letter.
fn code_size(code: &[u8]) -> Option<Size> {
    let code = std::str::from_utf8(code).ok()?.trim_start_matches(['<', '>', '=', '|']);
    let mut letters = code.chars();
    let kind = letters.next()?;
    let rest = letters.as_str();
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = rest.strip_suffix(digits)?;
    let unit = digits.is_empty() || (matches!(kind, 'M' | 'm') && digits.starts_with('[') && digits.ends_with(']'));
    if !unit {
        return None;
    }
    if number.is_empty() {
        return Some(Size::Bytes(match kind {
            'O' => return Some(Size::Object),
            '?' | 'b' | 'B' => 1,
            'h' | 'H' | 'e' => 2,
            'i' | 'I' | 'f' => 4,
            'l' | 'L' | 'q' | 'Q' | 'd' | 'F' | 'M' | 'm' => 8,
            'D' | 'g' => 16,
            'G' => 32,
            'S' | 'U' | 'V' | 'a' => 0,
            _ => return None,
        }));
    }
    let number: u64 = number.parse().ok()?;
    match kind {
        'O' => Some(Size::Object),
        'U' => number.checked_mul(4).map(Size::Bytes),
        '?' | 'b' | 'i' | 'u' | 'f' | 'c' | 'm' | 'M' | 'S' | 'a' | 'V' => Some(Size::Bytes(number)),
        _ => None,
    }
}

/// Does a code that is not understood name objects? `NumPy` takes `object` and lists such as `f4,O` as well.
fn may_hold_objects(code: &[u8]) -> bool {
    code.contains(&b'O') || memchr::memmem::find(code, b"object").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemorySource;

    fn header(text: &str) -> Result<Header, String> {
        let length = u16::try_from(text.len()).unwrap().to_le_bytes();
        let bytes = [MAGIC, &[1, 0], &length, text.as_bytes()].concat();
        let source = MemorySource::new(bytes);
        Header::read(&mut Stream::new(&*source, 0)).map_err(|error| error.to_string())
    }

    fn size(descr: &str) -> (Option<u64>, bool) {
        let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}\n");
        let header = header(&text).unwrap();
        (header.dtype.size, header.dtype.objects)
    }

    #[test]
    fn sizes_follow_the_description() {
        for (descr, expected) in [
            ("'<f4'", Some(4)),
            ("'|b1'", Some(1)),
            ("'<U10'", Some(40)),
            ("'<M8[ns]'", Some(8)),
            ("'d'", Some(8)),
            ("[('a', '<i8'), ('', '|V3'), ('b', '<f4', (2, 3))]", Some(35)),
            ("[('a', [('x', '<f8'), ('y', '|S2')], (2,))]", Some(20)),
            ("[(('title', 'name'), '<i2')]", Some(2)),
            ("('<f4', (2, 2))", Some(16)),
            ("[]", Some(0)),
            ("'float128x'", None),
            ("7", None),
        ] {
            assert_eq!(size(descr), (expected, false), "{descr}");
        }
    }

    #[test]
    fn objects_are_seen_wherever_they_stand() {
        for descr in ["'|O'", "'O'", "[('a', '<f4'), ('b', [('c', '|O')])]", "('|O', (2,))", "'f4,O'", "'object'"] {
            assert!(size(descr).1, "{descr}");
        }
    }

    #[test]
    fn shapes_are_lengths() {
        let shaped = |shape: &str| {
            header(&format!("{{'descr': '<f4', 'fortran_order': True, 'shape': {shape}, }}\n")).map(|h| h.bytes())
        };
        assert_eq!(shaped("(2, 3)").unwrap(), Some(24));
        assert_eq!(shaped("()").unwrap(), Some(4));
        assert_eq!(shaped("(10L,)").unwrap(), Some(40), "written by Python 2");
        assert_eq!(shaped("(0, 9223372036854775807, 9)").unwrap(), Some(0));
        assert_eq!(shaped("(9223372036854775807, 9)").unwrap(), None);
        for shape in ["(-1,)", "(True,)", "3", "('a',)", "(__import__('os'),)"] {
            assert!(shaped(shape).is_err(), "{shape}");
        }
    }

    #[test]
    fn keys_are_exact() {
        assert!(header("{'descr': '<f4', 'shape': (1,)}").is_err());
        assert!(header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}").is_err());
        assert!(header("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}").is_err());
        let twice = header("{'descr': '<f4', 'descr': '|O', 'fortran_order': False, 'shape': (1,)}").unwrap();
        assert_eq!((twice.duplicate, twice.dtype.objects), (Some("descr"), true));
    }
}
