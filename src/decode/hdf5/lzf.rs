//! LZF, the compression that h5py brings along: runs of bytes as they are, and copies of what came out before.
//!
//! ```text
//! 000nnnnn                   n + 1 bytes follow
//! nnnddddd [more] dddddddd   n + 2 bytes from d + 1 bytes back; n of 7 is 7 and the byte `more`
//! ```
//!
//! Specification: `lzf/README.txt` of h5py; <http://software.schmorp.de/pkg/liblzf.html>

use crate::bytes::{Cursor, Malformed};

/// Decodes into `out`, up to `most` bytes; what stands before a break stays there.
pub(super) fn decode(packed: &mut Cursor<'_>, most: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
    while !packed.is_empty() {
        let control = packed.u8()?;
        if control < 0x20 {
            let run = u64::from(control).saturating_add(1);
            let there = run.min(packed.rest().len() as u64);
            out.extend_from_slice(packed.bytes(there)?);
            if there < run {
                return Err(packed.malformed("a compressed chunk is cut off"));
            }
        } else {
            let short = usize::from(control >> 5);
            let more = if short == 7 { usize::from(packed.u8()?) } else { 0 };
            let back = usize::from(control & 0x1f) << 8 | usize::from(packed.u8()?);
            let Some(start) = out.len().checked_sub(back.saturating_add(1)) else {
                return Err(packed.malformed("a compressed chunk refers to bytes before its beginning"));
            };
            // The copy may reach into what it makes.
            for at in start..start.saturating_add(short).saturating_add(more).saturating_add(2) {
                out.extend(out.get(at).copied());
            }
        }
        if out.len() > most {
            return Err(packed.malformed("a compressed chunk is longer than its elements"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(packed: &[u8], most: usize) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let outcome = decode(&mut Cursor::new(packed, 0), most, &mut out);
        (out, outcome.is_ok())
    }

    #[test]
    fn runs_and_copies_are_followed() {
        assert_eq!(decoded(&[2, b'a', b'b', b'c', 0x20, 2], 99), (b"abcabc".to_vec(), true));
        assert_eq!(decoded(&[0, b'a', 0xe0, 3, 0], 99), (vec![b'a'; 13], true));
    }

    #[test]
    fn what_stands_before_a_break_stays() {
        assert_eq!(decoded(&[0, b'a', 0x20, 9], 99), (b"a".to_vec(), false));
        assert_eq!(decoded(&[5, b'a', b'b'], 99), (b"ab".to_vec(), false));
        assert!(!decoded(&[0, b'a', 0xe0, 255, 0], 10).1);
        assert_eq!(decoded(&[0xe0], 10), (Vec::new(), false));
    }
}
