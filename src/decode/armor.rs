//! Bytes written as text: base64, base32 and hexadecimal, as Python's functions read them.

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Armor {
    /// Either alphabet of base64; characters outside it are passed over.
    Base64,
    /// Base32; characters outside it are passed over.
    Base32,
    /// Pairs of hexadecimal digits, blanks between.
    Hex,
}

/// Decodes text piece by piece.
#[derive(Debug)]
pub struct Decoder {
    armor: Armor,
    bits: u32,
    held: u32,
    digits: u64,
    padding: u64,
    ended: bool,
    broken: bool,
}

impl Decoder {
    /// A decoder at the start of a text.
    #[must_use]
    pub const fn new(armor: Armor) -> Self {
        Self { armor, bits: 0, held: 0, digits: 0, padding: 0, ended: false, broken: false }
    }

    /// Appends the bytes that `text` completes.
    pub fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        for &byte in text {
            if self.ended {
                return;
            }
            match self.armor.digit(byte) {
                Some(digit) => self.digit(digit, out),
                None if byte == b'=' => self.pad(),
                None if self.armor == Armor::Hex && !byte.is_ascii_whitespace() => {
                    (self.ended, self.broken) = (true, true);
                }
                None => {}
            }
        }
    }

    fn digit(&mut self, digit: u8, out: &mut Vec<u8>) {
        let width = self.armor.width();
        self.padding = 0;
        self.digits = self.digits.saturating_add(1);
        self.bits = (self.bits << width | u32::from(digit)) & 0xffff;
        self.held = self.held.saturating_add(width);
        if self.held >= 8 {
            self.held = self.held.saturating_sub(8);
            out.push(u8::try_from(self.bits >> self.held & 0xff).unwrap_or_default());
        }
    }

    fn pad(&mut self) {
        self.padding = self.padding.saturating_add(1);
        match self.armor {
            // Padding ends the text only where a group may end.
            Armor::Base64 => {
                let held = self.digits % 4;
                self.ended = held >= 2 && held.saturating_add(self.padding) >= 4;
            }
            Armor::Base32 => self.ended = true,
            Armor::Hex => (self.ended, self.broken) = (true, true),
        }
    }

    /// True if nothing that follows counts.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.ended
    }
}

impl Armor {
    /// The value of a digit; None for what is none.
    #[must_use]
    pub fn digit(self, byte: u8) -> Option<u8> {
        let (letters, figures) = match (self, byte) {
            (Self::Hex, _) => return char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()),
            (Self::Base64, b'+' | b'-') => return Some(62),
            (Self::Base64, b'/' | b'_') => return Some(63),
            (Self::Base64, b'a'..=b'z') => return Some(byte.saturating_sub(b'a').saturating_add(26)),
            (Self::Base64, _) => (b'A'..=b'Z', (b'0'..=b'9', 52)),
            (Self::Base32, _) => (b'A'..=b'Z', (b'2'..=b'7', 26)),
        };
        let upper = if self == Self::Base32 { byte.to_ascii_uppercase() } else { byte };
        if letters.contains(&upper) {
            return Some(upper.saturating_sub(b'A'));
        }
        let (range, first) = figures;
        range.contains(&byte).then(|| byte.saturating_sub(*range.start()).saturating_add(first))
    }

    const fn width(self) -> u32 {
        match self {
            Self::Base64 => 6,
            Self::Base32 => 5,
            Self::Hex => 4,
        }
    }
}

/// The bytes of a whole text; None for hexadecimal with other characters in it, or with half a byte.
#[must_use]
pub fn decode(armor: Armor, text: &[u8]) -> Option<Vec<u8>> {
    let (mut decoder, mut out) = (Decoder::new(armor), Vec::new());
    decoder.push(text, &mut out);
    (!decoder.broken && (armor != Armor::Hex || decoder.held == 0)).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_bytes() {
        let base64 = |text| decode(Armor::Base64, text).unwrap();
        assert_eq!(base64(b"b3Muc3lzdGVt\n"), b"os.system");
        assert_eq!(base64(b"_-8="), [0xff, 0xef]);
        assert_eq!(base64(b"b3=M="), b"os", "padding inside a group is passed over");
        assert_eq!(base64(b"b3M=b3M="), b"os", "and ends the text behind one");
        assert_eq!(decode(Armor::Base32, b"N5ZQ====").unwrap(), b"os");
        assert_eq!(decode(Armor::Hex, b"6f 73").unwrap(), b"os");
        assert_eq!(decode(Armor::Hex, b"6"), None);
        assert_eq!(decode(Armor::Hex, b"6g"), None);
    }

    #[test]
    fn pieces_may_end_anywhere() {
        let (mut decoder, mut out) = (Decoder::new(Armor::Base64), Vec::new());
        for piece in b"b3Mu\r\nc3lzdGVt".chunks(3) {
            decoder.push(piece, &mut out);
        }
        assert_eq!(out, b"os.system");
    }
}
