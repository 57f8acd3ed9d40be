//! Datatype and dataspace messages: what the elements are and how many.

use super::{File, Stop};
use crate::bytes::{Cursor, Malformed};

/// The kinds of element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Integers.
    Integer,
    /// Floating-point numbers.
    Float,
    /// Text of a fixed length.
    Text,
    /// Bytes without a meaning.
    Opaque,
    /// Several fields.
    Compound,
    /// References to objects.
    Reference,
    /// Named integers.
    Enumeration,
    /// Sequences of a length of their own.
    Sequence,
    /// Text of a length of its own.
    VariableText,
    /// Arrays of a fixed shape.
    Array,
    /// Bit fields, times and complex numbers.
    Other,
}

/// The type of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datatype {
    /// Its kind.
    pub class: Class,
    /// Bytes of one element.
    pub size: u64,
    /// The number is signed.
    pub signed: bool,
    /// What a sequence consists of, and the size of that.
    pub base: Option<(Class, u64)>,
}

impl Datatype {
    /// Reads a datatype message.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let mut read = Self::one(cursor)?;
        if read.class == Class::Sequence {
            let base = Self::one(cursor)?;
            read.base = Some((base.class, base.size));
        }
        Ok(read)
    }

    fn one(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let class = cursor.u8()? & 0x0f;
        let [bits, _, _] = cursor.array()?;
        let class = match class {
            0 => Class::Integer,
            1 => Class::Float,
            3 => Class::Text,
            5 => Class::Opaque,
            6 => Class::Compound,
            7 => Class::Reference,
            8 => Class::Enumeration,
            9 if bits & 0x0f == 1 => Class::VariableText,
            9 => Class::Sequence,
            10 => Class::Array,
            _ => Class::Other,
        };
        let signed = class == Class::Integer && bits & 0x08 != 0;
        Ok(Self { class, size: u64::from(cursor.u32_le()?), signed, base: None })
    }

    /// Its name, in the spelling of `NumPy` where there is one.
    #[must_use]
    pub fn name(&self) -> String {
        let bits = self.size.saturating_mul(8);
        match (self.class, self.base) {
            (Class::Integer, _) if self.signed => format!("int{bits}"),
            (Class::Integer, _) => format!("uint{bits}"),
            (Class::Float, _) => format!("float{bits}"),
            (Class::Text, _) => format!("S{}", self.size),
            (Class::Opaque, _) => format!("V{}", self.size),
            (Class::Compound, _) => "structured".to_owned(),
            (Class::Reference, _) => "reference".to_owned(),
            (Class::Enumeration, _) => "enum".to_owned(),
            (Class::Sequence, Some((class, size))) => {
                let element = Self { class, size, signed: false, base: None };
                format!("sequence of {}", element.name())
            }
            (Class::Sequence, None) => "sequence".to_owned(),
            (Class::VariableText, _) => "string".to_owned(),
            (Class::Array, _) => "array".to_owned(),
            (Class::Other, _) => "other".to_owned(),
        }
    }

    /// True for elements that have a length of their own.
    #[must_use]
    pub fn is_sequence(&self) -> bool {
        matches!(self.class, Class::Sequence | Class::VariableText)
    }

    /// True for bytes and text: what a pickle can be stored in.
    #[must_use]
    pub fn is_bytes(&self) -> bool {
        match self.class {
            Class::Text | Class::Opaque | Class::VariableText => true,
            Class::Integer => self.size == 1,
            Class::Sequence => self.base.is_some_and(|(_, size)| size == 1),
            _ => false,
        }
    }
}

impl File<'_> {
    /// Reads a dataspace message: the lengths of the dimensions, None if there is not even one element.
    pub(super) fn dataspace(&self, cursor: &mut Cursor<'_>) -> Result<Option<Vec<u64>>, Stop> {
        let wrong = cursor.malformed("a version of a dataspace that does not exist");
        let (version, rank, _flags) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
        let null = match version {
            1 => cursor.skip(5).map(|()| false)?,
            2 => cursor.u8()? == 2,
            _ => return Err(wrong.into()),
        };
        let mut lengths = Vec::new();
        for _ in 0..rank {
            lengths.push(self.length(cursor)?);
        }
        Ok((!null).then_some(lengths))
    }
}

/// The elements of a shape; None if no number holds them.
#[must_use]
pub(super) fn count(lengths: &[u64]) -> Option<u64> {
    lengths.iter().try_fold(1_u64, |product, length| product.checked_mul(*length))
}
