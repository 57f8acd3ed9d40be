//! The text operands of protocol 0, as the C unpickler reads them.
//!
//! Where `CPython`'s own `pickletools` is stricter (numbers in base 10, strings in ASCII), following it would let a
//! stream that loads look broken.

/// What the line of INT or LONG says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integer {
    /// `00` and `01`, which protocol 0 writes for False and True.
    Bool(bool),
    /// A number that fits.
    Small(i64),
    /// A number that does not fit, or one in a spelling that only C accepts.
    Large,
}

/// Reads the line of INT or LONG: `strtol` with base 0, a big integer in base 0 if that fails, and an optional `L`.
///
/// Returns None only for a line that no version of the unpickler takes for a number.
#[must_use]
pub fn integer(line: &[u8]) -> Option<Integer> {
    let line = before_nul(line);
    match line {
        b"00" => return Some(Integer::Bool(false)),
        b"01" => return Some(Integer::Bool(true)),
        _ => {}
    }
    let text = trim(line);
    let text = text.strip_suffix(b"L").or_else(|| text.strip_suffix(b"l")).map_or(text, trim);
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', b'o' | b'O', rest @ ..] | [b'0', rest @ ..] if !rest.is_empty() && octal(rest) => (8, rest),
        [b'0', b'b' | b'B', rest @ ..] => (2, rest),
        _ => (10, digits),
    };
    let mut number = Some(0_i64);
    let mut any = false;
    for &byte in digits {
        if byte == b'_' {
            continue;
        }
        let digit = char::from(byte).to_digit(radix)?;
        any = true;
        number = number.and_then(|n| n.checked_mul(i64::from(radix))?.checked_add(i64::from(digit)));
    }
    if !any {
        return None;
    }
    Some(number.map_or(Integer::Large, |n| Integer::Small(if negative { n.wrapping_neg() } else { n })))
}

/// Reads the line of GET or PUT: always in base 10, so `010` is ten.
#[must_use]
pub fn index(line: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(trim(before_nul(line))).ok()?;
    let misplaced = text.starts_with('_') || text.ends_with('_') || text.contains("__");
    if misplaced { None } else { text.replace('_', "").parse().ok() }
}

/// The part of a line that C sees: functions for strings stop at a NUL.
fn before_nul(line: &[u8]) -> &[u8] {
    memchr::memchr(0, line).and_then(|end| line.get(..end)).unwrap_or(line)
}

/// Without the blanks that C's `isspace` knows; Rust's own trimming leaves the vertical tab.
fn trim(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let start = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last.saturating_add(1));
    text.get(start..end).unwrap_or_default()
}

fn octal(digits: &[u8]) -> bool {
    digits.iter().all(|byte| matches!(byte, b'0'..=b'7' | b'_'))
}

/// True if the line of FLOAT is a number: `strtod`, words for infinity and not-a-number, any surrounding blanks.
#[must_use]
pub fn is_float(line: &[u8]) -> bool {
    let text: Vec<u8> = trim(before_nul(line)).iter().copied().filter(|&byte| byte != b'_').collect();
    let text = std::str::from_utf8(&text).unwrap_or_default();
    let unsigned = text.trim_start_matches(['+', '-']);
    text.parse::<f64>().is_ok() || unsigned.starts_with("0x") || unsigned.starts_with("0X")
}

/// The quoted part of a STRING line; None if it is not quoted, which the unpickler refuses.
#[must_use]
pub fn unquote(line: &[u8]) -> Option<&[u8]> {
    match line.trim_ascii_end() {
        [first @ (b'\'' | b'"'), inner @ .., last] if first == last => Some(inner),
        _ => None,
    }
}

/// Decodes the backslash escapes of a STRING line, without its quotes, onto `out`.
pub fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&escaped, after)) = rest.split_first() else { return out.push(byte) };
        rest = after;
        match escaped {
            b'\n' => {}
            b'\\' | b'\'' | b'"' => out.push(escaped),
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'x' => match hexadecimal(rest, 2) {
                Some(code) => {
                    out.push(u8::try_from(code).unwrap_or(b'?'));
                    rest = rest.get(2..).unwrap_or_default();
                }
                None => out.extend_from_slice(b"\\x"),
            },
            b'0'..=b'7' => {
                let mut code = u32::from(escaped.saturating_sub(b'0'));
                for _ in 0..2 {
                    let Some((&digit @ b'0'..=b'7', after)) = rest.split_first() else { break };
                    code = code.saturating_mul(8).saturating_add(u32::from(digit.saturating_sub(b'0')));
                    rest = after;
                }
                // CPython keeps the low byte of `\777`.
                out.push(u8::try_from(code & 0xff).unwrap_or_default());
            }
            other => out.extend_from_slice(&[b'\\', other]),
        }
    }
}

/// Decodes a UNICODE line (`raw-unicode-escape`: Latin-1 with `\uXXXX` and `\UXXXXXXXX`) onto `out`, as UTF-8 in
/// which lone surrogates are encoded like other characters.
pub fn raw_unicode(line: &[u8], out: &mut Vec<u8>) {
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            push_code(u32::from(byte), out);
            continue;
        }
        let width = match rest.first() {
            Some(b'u') => 4,
            Some(b'U') => 8,
            // A doubled backslash hides an escape from the decoder.
            Some(&other) => {
                out.push(byte);
                push_code(u32::from(other), out);
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            None => return out.push(byte),
        };
        let digits = rest.get(1..).unwrap_or_default();
        match hexadecimal(digits, width) {
            Some(code) => {
                push_code(code, out);
                rest = digits.get(width..).unwrap_or_default();
            }
            None => out.push(byte),
        }
    }
}

fn hexadecimal(digits: &[u8], width: usize) -> Option<u32> {
    let digits = std::str::from_utf8(digits.get(..width)?).ok()?;
    // `from_str_radix` would take a sign.
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// Appends a code point as UTF-8, surrogates included.
pub(super) fn push_code(code: u32, out: &mut Vec<u8>) {
    if let Some(c) = char::from_u32(code) {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        let continuation = |shift: u32| 0x80 | u8::try_from(code >> shift & 0x3f).unwrap_or_default();
        out.extend_from_slice(&[
            0xe0 | u8::try_from(code >> 12 & 0xf).unwrap_or_default(),
            continuation(6),
            continuation(0),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_that_c_skips_are_skipped() {
        for line in [&b"\x0b12"[..], b" 12 ", b"12 L", b"\x0b12L", b" 12 L\r"] {
            assert_eq!(integer(line), integer(b"12"), "{line:?}");
        }
    }

    #[test]
    fn memo_indices_are_decimal() {
        let cases: &[(&[u8], Option<i64>)] = &[
            (b"010", Some(10)),
            (b" +5 ", Some(5)),
            (b"1_0", Some(10)),
            (b"7\0x", Some(7)),
            (b"0x1", None),
            (b"_1", None),
        ];
        for (line, expected) in cases {
            assert_eq!(index(line), *expected, "{line:?}");
        }
    }

    #[test]
    fn c_reads_to_the_first_nul() {
        assert_eq!(integer(b"5\0junk"), Some(Integer::Small(5)));
        assert!(is_float(b"5.0\0junk"));
    }

    #[test]
    fn integers_have_the_bases_of_c() {
        let cases: &[(&[u8], Option<Integer>)] = &[
            (b"00", Some(Integer::Bool(false))),
            (b"01", Some(Integer::Bool(true))),
            (b"0x10", Some(Integer::Small(16))),
            (b"0x10L", Some(Integer::Small(16))),
            (b"010", Some(Integer::Small(8))),
            (b"0b11", Some(Integer::Small(3))),
            (b" -12 ", Some(Integer::Small(-12))),
            (b"99999999999999999999L", Some(Integer::Large)),
            (b"0", Some(Integer::Small(0))),
            (b" am text", None),
            (b"", None),
        ];
        for (line, expected) in cases {
            assert_eq!(integer(line), *expected, "{line:?}");
        }
    }

    #[test]
    fn escapes_are_decoded_before_anyone_judges() {
        let mut out = Vec::new();
        unescape(unquote(b"'\\x6f\\163\\n\\q'").unwrap(), &mut out);
        assert_eq!(out, b"os\n\\q");
        out.clear();
        raw_unicode(b"\\u006fs \\\\u0041\xe9\\ud800", &mut out);
        assert_eq!(out, b"os \\\\u0041\xc3\xa9\xed\xa0\x80");
        assert_eq!(unquote(b"os"), None);
        assert_eq!(unquote(b"'"), None);
    }

    #[test]
    fn floats_have_words() {
        assert!(is_float(b"1.5e3") && is_float(b"-inf") && is_float(b"nan") && is_float(b"1_0.0"));
        assert!(!is_float(b"rom") && !is_float(b""));
    }
}
