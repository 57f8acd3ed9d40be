//! The two checksums of the format: Bob Jenkins' `lookup3` behind structures, Fletcher's behind filtered chunks.
//!
//! The library refuses what does not have its checksum. Here it is read all the same, and the fault is told.

/// `lookup3` (`hashlittle`) of a structure, from zero.
pub(super) fn structure(bytes: &[u8]) -> u32 {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let start = 0xdead_beef_u32.wrapping_add(length);
    let (mut a, mut b, mut c) = (start, start, start);
    let mut left = bytes;
    while let Some((piece, rest)) = left.split_at_checked(12).filter(|(_, rest)| !rest.is_empty()) {
        add(piece, &mut a, &mut b, &mut c);
        mix(&mut a, &mut b, &mut c);
        left = rest;
    }
    if left.is_empty() {
        return c;
    }
    add(left, &mut a, &mut b, &mut c);
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

/// Adds up to twelve bytes to the three words.
fn add(piece: &[u8], a: &mut u32, b: &mut u32, c: &mut u32) {
    let mut words =
        piece.chunks(4).map(|word| word.iter().rev().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)));
    for to in [a, b, c] {
        *to = to.wrapping_add(words.next().unwrap_or(0));
    }
}

fn mix(a: &mut u32, b: &mut u32, c: &mut u32) {
    for turn in [[4, 6, 8], [16, 19, 4]] {
        let [first, second, third] = turn;
        *a = a.wrapping_sub(*c) ^ c.rotate_left(first);
        *c = c.wrapping_add(*b);
        *b = b.wrapping_sub(*a) ^ a.rotate_left(second);
        *a = a.wrapping_add(*c);
        *c = c.wrapping_sub(*b) ^ b.rotate_left(third);
        *b = b.wrapping_add(*a);
    }
}

/// Fletcher's checksum of a chunk, over words of 16 bits with the upper half first.
pub(super) fn chunk(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (0_u32, 0_u32);
    // So many words cannot overflow the sums.
    for piece in bytes.chunks(720) {
        for word in piece.chunks(2) {
            let byte = |n: usize| u32::from(word.get(n).copied().unwrap_or(0));
            low = low.wrapping_add(byte(0) << 8 | byte(1));
            high = high.wrapping_add(low);
        }
        (low, high) = (fold(low), fold(high));
    }
    (low, high) = (fold(low), fold(high));
    high << 16 | low
}

const fn fold(sum: u32) -> u32 {
    (sum & 0xffff).wrapping_add(sum >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_sums_of_its_author() {
        // The values that lookup3.c names for these texts.
        assert_eq!(structure(b""), 0xdead_beef);
        assert_eq!(structure(b"Four score and seven years ago"), 0x1777_0551);
    }

    #[test]
    fn chunks_have_the_sums_that_h5py_writes() {
        assert_eq!(chunk(b"abc").to_le_bytes(), [0x62, 0xc4, 0xc5, 0x25]);
        assert_eq!(chunk(&b"Four score and seven years ago.".repeat(50)).to_le_bytes(), [0x46, 0x46, 0x39, 0x17]);
    }
}
