//! The codecs in which payloads are wrapped: bytes in, bytes out, bounded.

use super::text::push_code;
use crate::decode::armor::{self, Armor};
use crate::decode::codec::literal;

/// Most bytes that one decoding may give.
const LONGEST: usize = 4 << 20;

/// The name of a codec as Python compares it: lower case, `-` and blanks as `_`.
pub(in crate::decode) fn normalize(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase().replace(['-', ' '], "_")
}

/// True for the codec whose bytes are the numbers of characters, under any of its names.
pub(in crate::decode) fn is_latin1(codec: &str) -> bool {
    matches!(codec, "latin1" | "latin_1" | "iso8859_1" | "iso_8859_1" | "l1" | "8859")
}

/// `str.encode`: UTF-8 text to bytes. None for codecs that are not known or text that does not fit.
pub(in crate::decode) fn encode_text(text: &[u8], codec: &str) -> Option<Vec<u8>> {
    match codec {
        "utf_8" | "utf8" | "u8" => Some(text.to_vec()),
        "ascii" | "us_ascii" | "raw_unicode_escape" => text.is_ascii().then(|| text.to_vec()),
        _ if is_latin1(codec) => {
            let text = std::str::from_utf8(text).ok()?;
            text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
        }
        _ => None,
    }
}

/// `bytes.decode`: bytes to UTF-8 text.
pub(in crate::decode) fn decode_text(bytes: &[u8], codec: &str) -> Option<Vec<u8>> {
    match codec {
        "utf_8" | "utf8" | "u8" => std::str::from_utf8(bytes).is_ok().then(|| bytes.to_vec()),
        "ascii" | "us_ascii" => bytes.is_ascii().then(|| bytes.to_vec()),
        "latin1" | "latin_1" | "iso8859_1" | "iso_8859_1" | "l1" => {
            let mut out = Vec::new();
            for &byte in bytes {
                push_code(u32::from(byte), &mut out);
            }
            Some(out)
        }
        "utf_16" | "utf16" if bytes.starts_with(b"\xfe\xff") => None,
        "utf_16" | "utf_16_le" | "utf16" => {
            let bytes = bytes.strip_prefix(b"\xff\xfe").unwrap_or(bytes);
            let units: Vec<u16> = bytes
                .chunks_exact(2)
                .filter_map(|pair| <[u8; 2]>::try_from(pair).ok())
                .map(u16::from_le_bytes)
                .collect();
            Some(String::from_utf16_lossy(&units).into_bytes())
        }
        "unicode_escape" | "string_escape" => {
            // Escapes that need more than the text of a literal of protocol 0 are not followed.
            if !bytes.is_ascii() || bytes.windows(2).any(|pair| matches!(pair, [b'\\', b'u' | b'U' | b'N'])) {
                return None;
            }
            let mut out = Vec::new();
            super::text::unescape(bytes, &mut out);
            Some(out)
        }
        "raw_unicode_escape" => {
            let mut out = Vec::new();
            super::text::raw_unicode(bytes, &mut out);
            Some(out)
        }
        _ => None,
    }
}

/// A codec from bytes to bytes or from text to text, in the direction of decoding.
pub(in crate::decode) fn unwrap(bytes: &[u8], codec: &str) -> Option<Vec<u8>> {
    match codec.strip_suffix("_codec").unwrap_or(codec) {
        "rot13" | "rot_13" => Some(rot13(bytes)),
        "hex" => hex(bytes),
        "base64" | "base_64" => base64(bytes),
        "zlib" | "zip" | "bz2" => literal(bytes, LONGEST),
        _ => None,
    }
}

/// The decoder functions of the standard library, by their name.
pub(in crate::decode) fn by_function(bytes: &[u8], function: &str) -> Option<Vec<u8>> {
    match function.rsplit('.').next().unwrap_or(function) {
        "b64decode" | "standard_b64decode" | "decodebytes" | "decodestring" | "a2b_base64" => {
            // Python passes over what is not in the alphabet.
            base64(&bytes.iter().copied().filter(|byte| !b"-_".contains(byte)).collect::<Vec<u8>>())
        }
        "urlsafe_b64decode" => base64(bytes),
        "b16decode" | "unhexlify" | "a2b_hex" | "fromhex" => hex(bytes),
        "b32decode" => armor::decode(Armor::Base32, bytes),
        "decompress" => literal(bytes, LONGEST),
        _ => None,
    }
}

/// Bytes written as hexadecimal or base64.
#[must_use]
pub fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    if text.iter().all(u8::is_ascii_hexdigit) { hex(text) } else { base64(text) }
}

pub(super) fn rot13(text: &[u8]) -> Vec<u8> {
    let turn = |byte: u8, first: u8| first.saturating_add(byte.saturating_sub(first).saturating_add(13) % 26);
    text.iter()
        .map(|&byte| match byte {
            b'a'..=b'z' => turn(byte, b'a'),
            b'A'..=b'Z' => turn(byte, b'A'),
            other => other,
        })
        .collect()
}

pub(super) fn hex(text: &[u8]) -> Option<Vec<u8>> {
    armor::decode(Armor::Hex, text)
}

/// Either alphabet; characters outside it are skipped, as Python does by default.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    armor::decode(Armor::Base64, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappings_come_off() {
        assert_eq!(base64(b"b3Muc3lzdGVt\n").unwrap(), b"os.system");
        assert_eq!(rot13(b"bf.Flfgrz"), b"os.System");
        assert_eq!(encode_text("é".as_bytes(), "latin1").unwrap(), [0xe9]);
        assert_eq!(encode_text("模".as_bytes(), "latin1"), None);
        assert_eq!(decode_text(b"o\0s\0", "utf_16_le").unwrap(), b"os");
        assert_eq!(normalize(b"UTF-8"), "utf_8");
    }
}
