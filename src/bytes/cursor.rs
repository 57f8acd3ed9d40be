//! Reading fields from a window of bytes: bounds-checked, endian-aware, with absolute offsets.

/// The only way a decoder can fail: where, and what is wrong. Small, so that failing costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at offset {at}")]
pub struct Malformed {
    /// Absolute offset in the innermost input.
    pub at: u64,
    /// What is wrong, in words; never text from the file.
    pub what: &'static str,
}

/// A position in a window of bytes. A failed read empties it, so a loop that ignores an error still ends.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    rest: &'a [u8],
    /// Absolute offset of `rest`.
    at: u64,
}

macro_rules! integers {
    ($($le:ident $be:ident $ty:ty),* $(,)?) => { $(
        #[doc = concat!("Reads a little-endian `", stringify!($ty), "`.")]
        /// # Errors
        /// The window ends inside the field.
        pub fn $le(&mut self) -> Result<$ty, Malformed> {
            self.array().map(<$ty>::from_le_bytes)
        }

        #[doc = concat!("Reads a big-endian `", stringify!($ty), "`.")]
        /// # Errors
        /// The window ends inside the field.
        pub fn $be(&mut self) -> Result<$ty, Malformed> {
            self.array().map(<$ty>::from_be_bytes)
        }
    )* };
}

impl<'a> Cursor<'a> {
    /// Starts at the front of `bytes`, which lie at absolute offset `at`.
    #[must_use]
    pub const fn new(bytes: &'a [u8], at: u64) -> Self {
        Self { rest: bytes, at }
    }

    /// Absolute offset of the next byte.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.at
    }

    /// Bytes not yet read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// True when every byte was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// An error at the current offset.
    #[must_use]
    pub const fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { at: self.at, what }
    }

    /// Reads `n` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn bytes(&mut self, n: u64) -> Result<&'a [u8], Malformed> {
        let split = usize::try_from(n).ok().and_then(|n| self.rest.split_at_checked(n));
        let Some((taken, rest)) = split else { return Err(self.ended()) };
        self.rest = rest;
        self.at = self.at.saturating_add(n);
        Ok(taken)
    }

    /// Skips `n` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn skip(&mut self, n: u64) -> Result<(), Malformed> {
        self.bytes(n).map(drop)
    }

    /// Reads exactly `N` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else { return Err(self.ended()) };
        self.rest = rest;
        self.at = self.at.saturating_add(N as u64);
        Ok(*taken)
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// None is left.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    integers! {
        u16_le u16_be u16, u32_le u32_be u32, u64_le u64_be u64, i32_le i32_be i32, i64_le i64_be i64, f64_le f64_be f64,
    }

    fn ended(&mut self) -> Malformed {
        let malformed = self.malformed("the data ends inside a field");
        self.rest = &[];
        malformed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_know_their_absolute_offset() {
        let mut cursor = Cursor::new(&[1, 2, 0, 0, 0, 3], 100);
        assert_eq!(cursor.u8(), Ok(1));
        assert_eq!(cursor.u32_le(), Ok(2));
        assert_eq!(cursor.offset(), 105);
        assert_eq!(cursor.u16_le(), Err(Malformed { at: 105, what: "the data ends inside a field" }));
        assert!(cursor.is_empty(), "a failed read empties the cursor");
    }

    #[test]
    fn a_length_beyond_the_address_space_is_an_error() {
        assert!(Cursor::new(b"abc", 0).bytes(u64::MAX).is_err());
    }
}
