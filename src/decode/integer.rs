//! Integers as Python reads them from text: `int(text, radix)`.
//!
//! Readers written in Python take more than digits where a format has a number: blanks around it, a sign, the prefix
//! of the radix, and underscores between digits.

/// The number in `text`, of radix 8 or 16; None if it is none, is negative, or has more than 128 bits.
#[must_use]
pub fn python(text: &[u8], radix: u32) -> Option<u128> {
    let text = std::str::from_utf8(text).ok()?.trim_matches(is_blank);
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefixes = if radix == 8 { ["0o", "0O"] } else { ["0x", "0X"] };
    let prefixed = prefixes.into_iter().find_map(|prefix| text.strip_prefix(prefix));
    // An underscore may stand behind the prefix, too.
    let text = prefixed.map_or(text, |rest| rest.strip_prefix('_').unwrap_or(rest));
    let mut number = 0_u128;
    for group in text.split('_') {
        if group.is_empty() {
            return None;
        }
        for digit in group.chars() {
            number = number.checked_mul(u128::from(radix))?.checked_add(u128::from(digit.to_digit(radix)?))?;
        }
    }
    (!negative || number == 0).then_some(number)
}

const fn is_blank(c: char) -> bool {
    matches!(c, '\t'..='\r' | '\x1c'..='\x1f' | ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_python_takes() {
        for text in ["100", "0100", "0o100", "0O100", "+100", " 1_00\n", "0o_100", "-0"] {
            assert_eq!(python(text.as_bytes(), 8), Some(if text == "-0" { 0 } else { 64 }), "{text}");
        }
        for text in ["1a", "0x1a", "0X1A", " +0x1a ", "0x_1a", "1_a"] {
            assert_eq!(python(text.as_bytes(), 16), Some(26), "{text}");
        }
        for text in ["", " ", "_1", "1_", "1__0", "0o", "+-1", "-1", "8", "0x10", "1 0", "1\0"] {
            assert_eq!(python(text.as_bytes(), 8), None, "{text}");
        }
    }
}
