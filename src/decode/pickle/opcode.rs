//! The 68 opcodes of protocols 0 to 5 and how their operands are laid out.
//!
//! Bytes and operand sizes as the C unpickler of `CPython` reads them (`Modules/_pickle.c`).

/// How the bytes after an opcode are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Nothing follows.
    Bare,
    /// One unsigned byte.
    U8,
    /// Two bytes, little-endian.
    U16,
    /// Four bytes, little-endian, signed.
    I32,
    /// Four bytes, little-endian, unsigned.
    U32,
    /// Eight bytes, little-endian: the length of a frame, whose content is read as part of the stream.
    Frame,
    /// Eight bytes, big-endian IEEE 754.
    F64,
    /// Text up to a newline.
    Line,
    /// Two texts, each up to a newline.
    Lines,
    /// A length of one byte, then so many bytes.
    Counted8,
    /// A length of four bytes, unsigned, then so many bytes.
    Counted32,
    /// A length of four bytes, signed and not negative, then so many bytes.
    CountedI32,
    /// A length of eight bytes, then so many bytes.
    Counted64,
    /// An integer of so many bytes as the byte before it says.
    Long8,
    /// An integer of so many bytes as the four bytes before it say.
    Long32,
}

macro_rules! opcodes {
    ($( $name:ident $byte:literal $layout:ident $protocol:literal )*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`, since protocol ", stringify!($protocol), ".")]
            pub const $name: u8 = $byte;
        )*

        /// The mnemonic of an opcode; empty for a byte that is none.
        #[must_use]
        pub const fn mnemonic(code: u8) -> &'static str {
            match code { $( $byte => stringify!($name), )* _ => "" }
        }

        /// The protocol that introduced an opcode.
        #[must_use]
        pub const fn protocol(code: u8) -> u8 {
            match code { $( $byte => $protocol, )* _ => 0 }
        }

        const fn layout_of(code: u8) -> Option<Layout> {
            match code { $( $byte => Some(Layout::$layout), )* _ => None }
        }

        /// Every opcode byte, in the order of the definition.
        pub const ALL: &[u8] = &[$( $byte ),*];
    };
}

opcodes! {
    MARK 0x28 Bare 0
    STOP 0x2e Bare 0
    POP 0x30 Bare 0
    POP_MARK 0x31 Bare 1
    DUP 0x32 Bare 0
    FLOAT 0x46 Line 0
    INT 0x49 Line 0
    BININT 0x4a I32 1
    BININT1 0x4b U8 1
    LONG 0x4c Line 0
    BININT2 0x4d U16 1
    NONE 0x4e Bare 0
    PERSID 0x50 Line 0
    BINPERSID 0x51 Bare 1
    REDUCE 0x52 Bare 0
    STRING 0x53 Line 0
    BINSTRING 0x54 CountedI32 1
    SHORT_BINSTRING 0x55 Counted8 1
    UNICODE 0x56 Line 0
    BINUNICODE 0x58 Counted32 1
    APPEND 0x61 Bare 0
    BUILD 0x62 Bare 0
    GLOBAL 0x63 Lines 0
    DICT 0x64 Bare 0
    EMPTY_DICT 0x7d Bare 1
    APPENDS 0x65 Bare 1
    GET 0x67 Line 0
    BINGET 0x68 U8 1
    INST 0x69 Lines 0
    LONG_BINGET 0x6a U32 1
    LIST 0x6c Bare 0
    EMPTY_LIST 0x5d Bare 1
    OBJ 0x6f Bare 1
    PUT 0x70 Line 0
    BINPUT 0x71 U8 1
    LONG_BINPUT 0x72 U32 1
    SETITEM 0x73 Bare 0
    TUPLE 0x74 Bare 0
    EMPTY_TUPLE 0x29 Bare 1
    SETITEMS 0x75 Bare 1
    BINFLOAT 0x47 F64 1
    PROTO 0x80 U8 2
    NEWOBJ 0x81 Bare 2
    EXT1 0x82 U8 2
    EXT2 0x83 U16 2
    EXT4 0x84 I32 2
    TUPLE1 0x85 Bare 2
    TUPLE2 0x86 Bare 2
    TUPLE3 0x87 Bare 2
    NEWTRUE 0x88 Bare 2
    NEWFALSE 0x89 Bare 2
    LONG1 0x8a Long8 2
    LONG4 0x8b Long32 2
    BINBYTES 0x42 Counted32 3
    SHORT_BINBYTES 0x43 Counted8 3
    SHORT_BINUNICODE 0x8c Counted8 4
    BINUNICODE8 0x8d Counted64 4
    BINBYTES8 0x8e Counted64 4
    EMPTY_SET 0x8f Bare 4
    ADDITEMS 0x90 Bare 4
    FROZENSET 0x91 Bare 4
    NEWOBJ_EX 0x92 Bare 4
    STACK_GLOBAL 0x93 Bare 4
    MEMOIZE 0x94 Bare 4
    FRAME 0x95 Frame 4
    BYTEARRAY8 0x96 Counted64 5
    NEXT_BUFFER 0x97 Bare 5
    READONLY_BUFFER 0x98 Bare 5
}

/// Layouts by opcode byte, so that the hot loop does one table look-up.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler: a wrong index does not build")]
static LAYOUTS: [Option<Layout>; 256] = {
    let mut table = [None; 256];
    let mut i = 0;
    while i < ALL.len() {
        table[ALL[i] as usize] = layout_of(ALL[i]);
        i += 1;
    }
    table
};

/// The layout of an opcode; None for a byte that is no opcode.
#[must_use]
pub fn layout(code: u8) -> Option<Layout> {
    LAYOUTS.get(usize::from(code)).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_68_distinct_opcodes() {
        let mut seen = ALL.to_vec();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!((ALL.len(), seen.len()), (68, 68));
        assert!((0..=255).filter(|&code| layout(code).is_some()).count() == 68);
        assert_eq!(mnemonic(STACK_GLOBAL), "STACK_GLOBAL");
        assert_eq!(mnemonic(0), "");
    }
}
