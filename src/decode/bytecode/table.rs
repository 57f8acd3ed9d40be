//! The opcodes of every version: what each does, and its number where it exists.
//!
//! One row serves all versions that share an opcode's name; what differs under one name (how a call counts its
//! arguments) is decided where the row is used. Numbers: `Lib/opcode.py` of each version.

use std::sync::LazyLock;

#[allow(clippy::enum_glob_use, clippy::wildcard_imports, reason = "the table names nearly all of them")]
use Op::*;

use crate::decode::marshal::Layout;

/// A group of versions with one table of opcodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 2.7.
    V27,
    /// 3.2 to 3.4.
    V34,
    /// 3.5.
    V35,
    /// 3.6, the first with instructions of two bytes.
    V36,
    /// 3.7.
    V37,
    /// 3.8.
    V38,
    /// 3.9.
    V39,
    /// 3.10.
    V310,
    /// 3.11, the first with caches between instructions.
    V311,
    /// 3.12.
    V312,
    /// 3.13.
    V313,
    /// 3.14.
    V314,
}

impl Version {
    /// All, oldest first.
    pub const ALL: [Self; 12] = [
        Self::V27,
        Self::V34,
        Self::V35,
        Self::V36,
        Self::V37,
        Self::V38,
        Self::V39,
        Self::V310,
        Self::V311,
        Self::V312,
        Self::V313,
        Self::V314,
    ];

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V27 => "2.7",
            Self::V34 => "3.4",
            Self::V35 => "3.5",
            Self::V36 => "3.6",
            Self::V37 => "3.7",
            Self::V38 => "3.8",
            Self::V39 => "3.9",
            Self::V310 => "3.10",
            Self::V311 => "3.11",
            Self::V312 => "3.12",
            Self::V313 => "3.13",
            Self::V314 => "3.14",
        }
    }

    /// The layout of its code objects.
    #[must_use]
    pub const fn layout(self) -> Layout {
        match self {
            Self::V27 => Layout::Python2,
            Self::V34 | Self::V35 | Self::V36 | Self::V37 => Layout::Python30,
            Self::V38 | Self::V39 | Self::V310 => Layout::Python38,
            _ => Layout::Python311,
        }
    }

    /// The version that writes `magic` at the front of compiled modules.
    #[must_use]
    pub const fn of_magic(magic: u16) -> Option<Self> {
        Some(match magic {
            62_171..=62_211 => Self::V27,
            3160..=3310 => Self::V34,
            3320..=3351 => Self::V35,
            3360..=3379 => Self::V36,
            3390..=3399 => Self::V37,
            3400..=3419 => Self::V38,
            3420..=3429 => Self::V39,
            3430..=3449 => Self::V310,
            3450..=3499 => Self::V311,
            3500..=3549 => Self::V312,
            3550..=3599 => Self::V313,
            3600..=3649 => Self::V314,
            _ => return None,
        })
    }

    /// What the opcode `code` does; None if the version has none of that number.
    #[must_use]
    pub(super) fn op(self, code: u8) -> Option<(Op, u8)> {
        TABLES.get(self as usize)?.get(usize::from(code)).copied().flatten()
    }
}

/// What an opcode does to the stack and to names, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Nop,
    Extended,
    /// Takes so many values and leaves so many unknown ones.
    Effect(u8, u8),
    /// `left op right`, by the number that the operator has from 3.11.
    Binary(u8),
    /// The same with the number as its argument.
    Operator,
    Const,
    ReturnConst,
    SmallInt,
    Name,
    NameOf,
    Global,
    Fast,
    FastFast,
    Deref,
    DerefOf,
    Attr,
    Method,
    SuperAttr,
    ImportName,
    ImportFrom,
    ImportStar,
    StoreName,
    StoreGlobal,
    StoreFast,
    StoreFastFast,
    StoreFastLoad,
    StoreDeref,
    StoreAttr,
    Pop,
    /// Copies the value so far from the top.
    Copy(u8),
    CopyArg,
    DupTwo,
    DupMany,
    /// Moves the top so far down.
    Rotate(u8),
    RotateArg,
    Swap,
    Null,
    Call,
    CallKw,
    CallFunction,
    CallFunctionKw,
    CallMethod,
    CallEx,
    /// With so many starred values on top.
    CallStar(u8),
    Build,
    BuildText,
    BuildMap,
    BuildKeyMap,
    BuildSlice,
    FormatValue,
    Unpack,
    UnpackEx,
    MakeFunction,
    MakeClosure,
    Exec,
    /// Puts one value, or key and value, into the container so far from the top.
    Append(u8),
    Extend,
    StoreItem,
    StoreMap,
    /// `object[start:stop]`: 1 has a start, 2 an end.
    SliceOf(u8),
    With,
    Special,
    MakeCell,
    Keywords,
    Intrinsic,
    FunctionPart,
    Return,
    Yield,
    Jump,
    JumpTo,
    PopJump,
    JumpOrPop,
    ForIter,
    /// What follows is reached from elsewhere only.
    Leave,
}

const __: u8 = u8::MAX;

/// The numbers in the order of [`Version::ALL`]; [`__`] where a version has no such opcode.
#[rustfmt::skip]
const ROWS: &[(&str, Op, [u8; 12])] = &[
    ("POP_TOP", Pop, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 32, 31]),
    ("ROT_TWO", Rotate(2), [2, 2, 2, 2, 2, 2, 2, 2, __, __, __, __]),
    ("ROT_THREE", Rotate(3), [3, 3, 3, 3, 3, 3, 3, 3, __, __, __, __]),
    ("DUP_TOP", Copy(1), [4, 4, 4, 4, 4, 4, 4, 4, __, __, __, __]),
    ("ROT_FOUR", Rotate(4), [5, __, __, __, __, 6, 6, 6, __, __, __, __]),
    ("NOP", Nop, [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 30, 27]),
    ("UNARY_POSITIVE", Effect(1, 1), [10, 10, 10, 10, 10, 10, 10, 10, 10, __, __, __]),
    ("UNARY_NEGATIVE", Effect(1, 1), [11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 42, 41]),
    ("UNARY_NOT", Effect(1, 1), [12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 43, 42]),
    ("UNARY_CONVERT", Effect(1, 1), [13, __, __, __, __, __, __, __, __, __, __, __]),
    ("UNARY_INVERT", Effect(1, 1), [15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 41, 40]),
    ("BINARY_POWER", Binary(8), [19, 19, 19, 19, 19, 19, 19, 19, __, __, __, __]),
    ("BINARY_MULTIPLY", Binary(5), [20, 20, 20, 20, 20, 20, 20, 20, __, __, __, __]),
    ("BINARY_DIVIDE", Effect(2, 1), [21, __, __, __, __, __, __, __, __, __, __, __]),
    ("BINARY_MODULO", Binary(6), [22, 22, 22, 22, 22, 22, 22, 22, __, __, __, __]),
    ("BINARY_ADD", Binary(0), [23, 23, 23, 23, 23, 23, 23, 23, __, __, __, __]),
    ("BINARY_SUBTRACT", Binary(10), [24, 24, 24, 24, 24, 24, 24, 24, __, __, __, __]),
    ("BINARY_SUBSCR", Binary(26), [25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 5, __]),
    ("BINARY_FLOOR_DIVIDE", Binary(2), [26, 26, 26, 26, 26, 26, 26, 26, __, __, __, __]),
    ("BINARY_TRUE_DIVIDE", Effect(2, 1), [27, 27, 27, 27, 27, 27, 27, 27, __, __, __, __]),
    ("INPLACE_FLOOR_DIVIDE", Binary(2), [28, 28, 28, 28, 28, 28, 28, 28, __, __, __, __]),
    ("INPLACE_TRUE_DIVIDE", Effect(2, 1), [29, 29, 29, 29, 29, 29, 29, 29, __, __, __, __]),
    ("SLICE0", SliceOf(0), [30, __, __, __, __, __, __, __, __, __, __, __]),
    ("SLICE1", SliceOf(1), [31, __, __, __, __, __, __, __, __, __, __, __]),
    ("SLICE2", SliceOf(2), [32, __, __, __, __, __, __, __, __, __, __, __]),
    ("SLICE3", SliceOf(3), [33, __, __, __, __, __, __, __, __, __, __, __]),
    ("STORE_SLICE0", Effect(2, 0), [40, __, __, __, __, __, __, __, __, __, __, __]),
    ("STORE_SLICE1", Effect(3, 0), [41, __, __, __, __, __, __, __, __, __, __, __]),
    ("STORE_SLICE2", Effect(3, 0), [42, __, __, __, __, __, __, __, __, __, __, __]),
    ("STORE_SLICE3", Effect(4, 0), [43, __, __, __, __, __, __, __, __, __, __, __]),
    ("DELETE_SLICE0", Effect(1, 0), [50, __, __, __, __, __, __, __, __, __, __, __]),
    ("DELETE_SLICE1", Effect(2, 0), [51, __, __, __, __, __, __, __, __, __, __, __]),
    ("DELETE_SLICE2", Effect(2, 0), [52, __, __, __, __, __, __, __, __, __, __, __]),
    ("DELETE_SLICE3", Effect(3, 0), [53, __, __, __, __, __, __, __, __, __, __, __]),
    ("STORE_MAP", StoreMap, [54, 54, __, __, __, __, __, __, __, __, __, __]),
    ("INPLACE_ADD", Binary(0), [55, 55, 55, 55, 55, 55, 55, 55, __, __, __, __]),
    ("INPLACE_SUBTRACT", Binary(10), [56, 56, 56, 56, 56, 56, 56, 56, __, __, __, __]),
    ("INPLACE_MULTIPLY", Binary(5), [57, 57, 57, 57, 57, 57, 57, 57, __, __, __, __]),
    ("INPLACE_DIVIDE", Effect(2, 1), [58, __, __, __, __, __, __, __, __, __, __, __]),
    ("INPLACE_MODULO", Binary(6), [59, 59, 59, 59, 59, 59, 59, 59, __, __, __, __]),
    ("STORE_SUBSCR", StoreItem, [60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 39, 38]),
    ("DELETE_SUBSCR", Effect(2, 0), [61, 61, 61, 61, 61, 61, 61, 61, 61, 61, 9, 8]),
    ("BINARY_LSHIFT", Binary(3), [62, 62, 62, 62, 62, 62, 62, 62, __, __, __, __]),
    ("BINARY_RSHIFT", Binary(9), [63, 63, 63, 63, 63, 63, 63, 63, __, __, __, __]),
    ("BINARY_AND", Binary(1), [64, 64, 64, 64, 64, 64, 64, 64, __, __, __, __]),
    ("BINARY_XOR", Binary(12), [65, 65, 65, 65, 65, 65, 65, 65, __, __, __, __]),
    ("BINARY_OR", Binary(7), [66, 66, 66, 66, 66, 66, 66, 66, __, __, __, __]),
    ("INPLACE_POWER", Binary(8), [67, 67, 67, 67, 67, 67, 67, 67, __, __, __, __]),
    ("GET_ITER", Nop, [68, 68, 68, 68, 68, 68, 68, 68, 68, 68, 19, 16]),
    ("PRINT_EXPR", Effect(1, 0), [70, 70, 70, 70, 70, 70, 70, 70, 70, __, __, __]),
    ("PRINT_ITEM", Effect(1, 0), [71, __, __, __, __, __, __, __, __, __, __, __]),
    ("PRINT_NEWLINE", Nop, [72, __, __, __, __, __, __, __, __, __, __, __]),
    ("PRINT_ITEM_TO", Effect(2, 0), [73, __, __, __, __, __, __, __, __, __, __, __]),
    ("PRINT_NEWLINE_TO", Effect(1, 0), [74, __, __, __, __, __, __, __, __, __, __, __]),
    ("INPLACE_LSHIFT", Binary(3), [75, 75, 75, 75, 75, 75, 75, 75, __, __, __, __]),
    ("INPLACE_RSHIFT", Binary(9), [76, 76, 76, 76, 76, 76, 76, 76, __, __, __, __]),
    ("INPLACE_AND", Binary(1), [77, 77, 77, 77, 77, 77, 77, 77, __, __, __, __]),
    ("INPLACE_XOR", Binary(12), [78, 78, 78, 78, 78, 78, 78, 78, __, __, __, __]),
    ("INPLACE_OR", Binary(7), [79, 79, 79, 79, 79, 79, 79, 79, __, __, __, __]),
    ("BREAK_LOOP", Leave, [80, 80, 80, 80, 80, __, __, __, __, __, __, __]),
    ("WITH_CLEANUP", Effect(1, 0), [81, 81, __, __, __, __, __, __, __, __, __, __]),
    ("LOAD_LOCALS", Effect(0, 1), [82, __, __, __, __, __, __, __, __, 87, 25, 22]),
    ("RETURN_VALUE", Return, [83, 83, 83, 83, 83, 83, 83, 83, 83, 83, 36, 35]),
    ("IMPORT_STAR", ImportStar, [84, 84, 84, 84, 84, 84, 84, 84, 84, __, __, __]),
    ("EXEC_STMT", Exec, [85, __, __, __, __, __, __, __, __, __, __, __]),
    ("YIELD_VALUE", Yield, [86, 86, 86, 86, 86, 86, 86, 86, 86, 150, 118, 120]),
    ("POP_BLOCK", Nop, [87, 87, 87, 87, 87, 87, 87, 87, __, __, __, __]),
    ("END_FINALLY", Effect(1, 0), [88, 88, 88, 88, 88, 88, __, __, __, __, __, __]),
    ("BUILD_CLASS", Effect(3, 1), [89, __, __, __, __, __, __, __, __, __, __, __]),
    ("STORE_NAME", StoreName, [90, 90, 90, 90, 90, 90, 90, 90, 90, 90, 114, 116]),
    ("DELETE_NAME", Nop, [91, 91, 91, 91, 91, 91, 91, 91, 91, 91, 67, 65]),
    ("UNPACK_SEQUENCE", Unpack, [92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 117, 119]),
    ("FOR_ITER", ForIter, [93, 93, 93, 93, 93, 93, 93, 93, 93, 93, 72, 70]),
    ("LIST_APPEND", Append(1), [94, 145, 145, 145, 145, 145, 145, 145, 145, 145, 80, 78]),
    ("STORE_ATTR", StoreAttr, [95, 95, 95, 95, 95, 95, 95, 95, 95, 95, 108, 110]),
    ("DELETE_ATTR", Effect(1, 0), [96, 96, 96, 96, 96, 96, 96, 96, 96, 96, 63, 61]),
    ("STORE_GLOBAL", StoreGlobal, [97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 113, 115]),
    ("DELETE_GLOBAL", Nop, [98, 98, 98, 98, 98, 98, 98, 98, 98, 98, 66, 64]),
    ("DUP_TOPX", DupMany, [99, __, __, __, __, __, __, __, __, __, __, __]),
    ("LOAD_CONST", Const, [100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 83, 82]),
    ("LOAD_NAME", Name, [101, 101, 101, 101, 101, 101, 101, 101, 101, 101, 92, 93]),
    ("BUILD_TUPLE", Build, [102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 52, 51]),
    ("BUILD_LIST", Build, [103, 103, 103, 103, 103, 103, 103, 103, 103, 103, 47, 46]),
    ("BUILD_SET", Build, [104, 104, 104, 104, 104, 104, 104, 104, 104, 104, 49, 48]),
    ("BUILD_MAP", BuildMap, [105, 105, 105, 105, 105, 105, 105, 105, 105, 105, 48, 47]),
    ("LOAD_ATTR", Attr, [106, 106, 106, 106, 106, 106, 106, 106, 106, 106, 82, 80]),
    ("COMPARE_OP", Effect(2, 1), [107, 107, 107, 107, 107, 107, 107, 107, 107, 107, 58, 56]),
    ("IMPORT_NAME", ImportName, [108, 108, 108, 108, 108, 108, 108, 108, 108, 108, 75, 73]),
    ("IMPORT_FROM", ImportFrom, [109, 109, 109, 109, 109, 109, 109, 109, 109, 109, 74, 72]),
    ("JUMP_FORWARD", Jump, [110, 110, 110, 110, 110, 110, 110, 110, 110, 110, 79, 77]),
    ("JUMP_IF_FALSE_OR_POP", JumpOrPop, [111, 111, 111, 111, 111, 111, 111, 111, 111, __, __, __]),
    ("JUMP_IF_TRUE_OR_POP", JumpOrPop, [112, 112, 112, 112, 112, 112, 112, 112, 112, __, __, __]),
    ("JUMP_ABSOLUTE", JumpTo, [113, 113, 113, 113, 113, 113, 113, 113, __, __, __, __]),
    ("POP_JUMP_IF_FALSE", PopJump, [114, 114, 114, 114, 114, 114, 114, 114, __, 114, 97, 100]),
    ("POP_JUMP_IF_TRUE", PopJump, [115, 115, 115, 115, 115, 115, 115, 115, __, 115, 100, 103]),
    ("LOAD_GLOBAL", Global, [116, 116, 116, 116, 116, 116, 116, 116, 116, 116, 91, 92]),
    ("CONTINUE_LOOP", Leave, [119, 119, 119, 119, 119, __, __, __, __, __, __, __]),
    ("SETUP_LOOP", Nop, [120, 120, 120, 120, 120, __, __, __, __, __, __, __]),
    ("SETUP_EXCEPT", Nop, [121, 121, 121, 121, 121, __, __, __, __, __, __, __]),
    ("SETUP_FINALLY", Nop, [122, 122, 122, 122, 122, 122, 122, 122, __, __, __, __]),
    ("LOAD_FAST", Fast, [124, 124, 124, 124, 124, 124, 124, 124, 124, 124, 85, 84]),
    ("STORE_FAST", StoreFast, [125, 125, 125, 125, 125, 125, 125, 125, 125, 125, 110, 112]),
    ("DELETE_FAST", Nop, [126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 65, 63]),
    ("RAISE_VARARGS", Leave, [130, 130, 130, 130, 130, 130, 130, 130, 130, 130, 101, 104]),
    ("CALL_FUNCTION", CallFunction, [131, 131, 131, 131, 131, 131, 131, 131, __, __, __, __]),
    ("MAKE_FUNCTION", MakeFunction, [132, 132, 132, 132, 132, 132, 132, 132, 132, 132, 26, 23]),
    ("BUILD_SLICE", BuildSlice, [133, 133, 133, 133, 133, 133, 133, 133, 133, 133, 50, 49]),
    ("MAKE_CLOSURE", MakeClosure, [134, 134, 134, __, __, __, __, __, __, __, __, __]),
    ("LOAD_CLOSURE", Effect(0, 1), [135, 135, 135, 135, 135, 135, 135, 135, 136, 136, __, __]),
    ("LOAD_DEREF", Deref, [136, 136, 136, 136, 136, 136, 136, 136, 137, 137, 84, 83]),
    ("STORE_DEREF", StoreDeref, [137, 137, 137, 137, 137, 137, 137, 137, 138, 138, 109, 111]),
    ("CALL_FUNCTION_VAR", CallStar(1), [140, 140, 140, __, __, __, __, __, __, __, __, __]),
    ("CALL_FUNCTION_KW", CallFunctionKw, [141, 141, 141, 141, 141, 141, 141, 141, __, __, __, __]),
    ("CALL_FUNCTION_VAR_KW", CallStar(2), [142, 142, 142, __, __, __, __, __, __, __, __, __]),
    ("SETUP_WITH", With, [143, 143, 143, 143, 143, 143, 143, 143, __, __, __, __]),
    ("EXTENDED_ARG", Extended, [145, 144, 144, 144, 144, 144, 144, 144, 144, 144, 71, 69]),
    ("SET_ADD", Append(1), [146, 146, 146, 146, 146, 146, 146, 146, 146, 146, 105, 107]),
    ("MAP_ADD", Append(2), [147, 147, 147, 147, 147, 147, 147, 147, 147, 147, 95, 98]),
    ("DUP_TOP_TWO", DupTwo, [__, 5, 5, 5, 5, 5, 5, 5, __, __, __, __]),
    ("LOAD_BUILD_CLASS", Effect(0, 1), [__, 71, 71, 71, 71, 71, 71, 71, 71, 71, 24, 21]),
    ("YIELD_FROM", Effect(2, 1), [__, 72, 72, 72, 72, 72, 72, 72, __, __, __, __]),
    ("POP_EXCEPT", Effect(1, 0), [__, 89, 89, 89, 89, 89, 89, 89, 89, 89, 31, 29]),
    ("UNPACK_EX", UnpackEx, [__, 94, 94, 94, 94, 94, 94, 94, 94, 94, 116, 118]),
    ("DELETE_DEREF", Nop, [__, 138, 138, 138, 138, 138, 138, 138, 139, 139, 64, 62]),
    ("LOAD_CLASSDEREF", Deref, [__, 148, 148, 148, 148, 148, 148, 148, 148, __, __, __]),
    ("BINARY_MATRIX_MULTIPLY", Effect(2, 1), [__, __, 16, 16, 16, 16, 16, 16, __, __, __, __]),
    ("INPLACE_MATRIX_MULTIPLY", Effect(2, 1), [__, __, 17, 17, 17, 17, 17, 17, __, __, __, __]),
    ("GET_AITER", Effect(1, 1), [__, __, 50, 50, 50, 50, 50, 50, 50, 50, 16, 14]),
    ("GET_ANEXT", Effect(0, 1), [__, __, 51, 51, 51, 51, 51, 51, 51, 51, 18, 15]),
    ("BEFORE_ASYNC_WITH", Effect(0, 1), [__, __, 52, 52, 52, 52, 52, 52, 52, 52, 1, __]),
    ("GET_YIELD_FROM_ITER", Nop, [__, __, 69, 69, 69, 69, 69, 69, 69, 69, 21, 19]),
    ("GET_AWAITABLE", Effect(1, 1), [__, __, 73, 73, 73, 73, 73, 73, 131, 131, 73, 71]),
    ("WITH_CLEANUP_START", Effect(0, 1), [__, __, 81, 81, 81, 81, __, __, __, __, __, __]),
    ("WITH_CLEANUP_FINISH", Effect(1, 0), [__, __, 82, 82, 82, 82, __, __, __, __, __, __]),
    ("BUILD_LIST_UNPACK", Build, [__, __, 149, 149, 149, 149, __, __, __, __, __, __]),
    ("BUILD_MAP_UNPACK", Build, [__, __, 150, 150, 150, 150, __, __, __, __, __, __]),
    ("BUILD_MAP_UNPACK_WITH_CALL", Build, [__, __, 151, 151, 151, 151, __, __, __, __, __, __]),
    ("BUILD_TUPLE_UNPACK", Build, [__, __, 152, 152, 152, 152, __, __, __, __, __, __]),
    ("BUILD_SET_UNPACK", Build, [__, __, 153, 153, 153, 153, __, __, __, __, __, __]),
    ("SETUP_ASYNC_WITH", Effect(0, 1), [__, __, 154, 154, 154, 154, 154, 154, __, __, __, __]),
    ("SETUP_ANNOTATIONS", Nop, [__, __, __, 85, 85, 85, 85, 85, 85, 85, 37, 36]),
    ("STORE_ANNOTATION", Effect(1, 0), [__, __, __, 127, __, __, __, __, __, __, __, __]),
    ("CALL_FUNCTION_EX", CallEx, [__, __, __, 142, 142, 142, 142, 142, 142, 142, 54, 4]),
    ("FORMAT_VALUE", FormatValue, [__, __, __, 155, 155, 155, 155, 155, 155, 155, __, __]),
    ("BUILD_CONST_KEY_MAP", BuildKeyMap, [__, __, __, 156, 156, 156, 156, 156, 156, 156, 46, __]),
    ("BUILD_STRING", BuildText, [__, __, __, 157, 157, 157, 157, 157, 157, 157, 51, 50]),
    ("BUILD_TUPLE_UNPACK_WITH_CALL", Build, [__, __, __, 158, 158, 158, __, __, __, __, __, __]),
    ("LOAD_METHOD", Method, [__, __, __, __, 160, 160, 160, 160, 160, __, __, __]),
    ("CALL_METHOD", CallMethod, [__, __, __, __, 161, 161, 161, 161, __, __, __, __]),
    ("BEGIN_FINALLY", Nop, [__, __, __, __, __, 53, __, __, __, __, __, __]),
    ("END_ASYNC_FOR", Effect(1, 0), [__, __, __, __, __, 54, 54, 54, 54, 54, 10, 68]),
    ("CALL_FINALLY", Effect(1, 1), [__, __, __, __, __, 162, __, __, __, __, __, __]),
    ("POP_FINALLY", Effect(1, 0), [__, __, __, __, __, 163, __, __, __, __, __, __]),
    ("RERAISE", Leave, [__, __, __, __, __, __, 48, 119, 119, 119, 102, 105]),
    ("WITH_EXCEPT_START", Effect(0, 1), [__, __, __, __, __, __, 49, 49, 49, 49, 44, 43]),
    ("LOAD_ASSERTION_ERROR", Effect(0, 1), [__, __, __, __, __, __, 74, 74, 74, 74, 23, __]),
    ("LIST_TO_TUPLE", Nop, [__, __, __, __, __, __, 82, 82, 82, __, __, __]),
    ("IS_OP", Effect(2, 1), [__, __, __, __, __, __, 117, 117, 117, 117, 76, 74]),
    ("CONTAINS_OP", Effect(2, 1), [__, __, __, __, __, __, 118, 118, 118, 118, 59, 57]),
    ("JUMP_IF_NOT_EXC_MATCH", Effect(2, 0), [__, __, __, __, __, __, 121, 121, __, __, __, __]),
    ("LIST_EXTEND", Extend, [__, __, __, __, __, __, 162, 162, 162, 162, 81, 79]),
    ("SET_UPDATE", Extend, [__, __, __, __, __, __, 163, 163, 163, 163, 107, 109]),
    ("DICT_MERGE", Extend, [__, __, __, __, __, __, 164, 164, 164, 164, 68, 66]),
    ("DICT_UPDATE", Extend, [__, __, __, __, __, __, 165, 165, 165, 165, 69, 67]),
    ("GET_LEN", Effect(0, 1), [__, __, __, __, __, __, __, 30, 30, 30, 20, 18]),
    ("MATCH_MAPPING", Effect(0, 1), [__, __, __, __, __, __, __, 31, 31, 31, 28, 25]),
    ("MATCH_SEQUENCE", Effect(0, 1), [__, __, __, __, __, __, __, 32, 32, 32, 29, 26]),
    ("MATCH_KEYS", Effect(0, 1), [__, __, __, __, __, __, __, 33, 33, 33, 27, 24]),
    ("COPY_DICT_WITHOUT_KEYS", Effect(1, 1), [__, __, __, __, __, __, __, 34, __, __, __, __]),
    ("ROT_N", RotateArg, [__, __, __, __, __, __, __, 99, __, __, __, __]),
    ("GEN_START", Nop, [__, __, __, __, __, __, __, 129, __, __, __, __]),
    ("MATCH_CLASS", Effect(3, 1), [__, __, __, __, __, __, __, 152, 152, 152, 96, 99]),
    ("PUSH_NULL", Null, [__, __, __, __, __, __, __, __, 2, 2, 34, 33]),
    ("PUSH_EXC_INFO", Effect(0, 1), [__, __, __, __, __, __, __, __, 35, 35, 33, 32]),
    ("CHECK_EXC_MATCH", Effect(1, 1), [__, __, __, __, __, __, __, __, 36, 36, 7, 6]),
    ("CHECK_EG_MATCH", Effect(1, 1), [__, __, __, __, __, __, __, __, 37, 37, 6, 5]),
    ("BEFORE_WITH", With, [__, __, __, __, __, __, __, __, 53, 53, 2, __]),
    ("RETURN_GENERATOR", Nop, [__, __, __, __, __, __, __, __, 75, 75, 35, 34]),
    ("ASYNC_GEN_WRAP", Nop, [__, __, __, __, __, __, __, __, 87, __, __, __]),
    ("PREP_RERAISE_STAR", Effect(2, 1), [__, __, __, __, __, __, __, __, 88, __, __, __]),
    ("SWAP", Swap, [__, __, __, __, __, __, __, __, 99, 99, 115, 117]),
    ("POP_JUMP_FORWARD_IF_FALSE", PopJump, [__, __, __, __, __, __, __, __, 114, __, __, __]),
    ("POP_JUMP_FORWARD_IF_TRUE", PopJump, [__, __, __, __, __, __, __, __, 115, __, __, __]),
    ("COPY", CopyArg, [__, __, __, __, __, __, __, __, 120, 120, 61, 59]),
    ("BINARY_OP", Operator, [__, __, __, __, __, __, __, __, 122, 122, 45, 44]),
    ("SEND", Nop, [__, __, __, __, __, __, __, __, 123, 123, 104, 106]),
    ("POP_JUMP_FORWARD_IF_NOT_NONE", PopJump, [__, __, __, __, __, __, __, __, 128, __, __, __]),
    ("POP_JUMP_FORWARD_IF_NONE", PopJump, [__, __, __, __, __, __, __, __, 129, __, __, __]),
    ("JUMP_BACKWARD_NO_INTERRUPT", Leave, [__, __, __, __, __, __, __, __, 134, 134, 78, 76]),
    ("MAKE_CELL", MakeCell, [__, __, __, __, __, __, __, __, 135, 135, 94, 97]),
    ("JUMP_BACKWARD", Leave, [__, __, __, __, __, __, __, __, 140, 140, 77, 75]),
    ("COPY_FREE_VARS", Nop, [__, __, __, __, __, __, __, __, 149, 149, 62, 60]),
    ("RESUME", Nop, [__, __, __, __, __, __, __, __, 151, 151, 149, 128]),
    ("PRECALL", Nop, [__, __, __, __, __, __, __, __, 166, __, __, __]),
    ("CALL", Call, [__, __, __, __, __, __, __, __, 171, 171, 53, 52]),
    ("KW_NAMES", Keywords, [__, __, __, __, __, __, __, __, 172, 172, __, __]),
    ("POP_JUMP_BACKWARD_IF_NOT_NONE", PopJump, [__, __, __, __, __, __, __, __, 173, __, __, __]),
    ("POP_JUMP_BACKWARD_IF_NONE", PopJump, [__, __, __, __, __, __, __, __, 174, __, __, __]),
    ("POP_JUMP_BACKWARD_IF_FALSE", PopJump, [__, __, __, __, __, __, __, __, 175, __, __, __]),
    ("POP_JUMP_BACKWARD_IF_TRUE", PopJump, [__, __, __, __, __, __, __, __, 176, __, __, __]),
    ("INTERPRETER_EXIT", Effect(1, 0), [__, __, __, __, __, __, __, __, __, 3, 22, 20]),
    ("END_FOR", Effect(1, 0), [__, __, __, __, __, __, __, __, __, 4, 11, 9]),
    ("END_SEND", Effect(2, 1), [__, __, __, __, __, __, __, __, __, 5, 12, 10]),
    ("BINARY_SLICE", SliceOf(3), [__, __, __, __, __, __, __, __, __, 26, 4, 1]),
    ("STORE_SLICE", Effect(4, 0), [__, __, __, __, __, __, __, __, __, 27, 38, 37]),
    ("CLEANUP_THROW", Effect(2, 1), [__, __, __, __, __, __, __, __, __, 55, 8, 7]),
    ("RETURN_CONST", ReturnConst, [__, __, __, __, __, __, __, __, __, 121, 103, __]),
    ("LOAD_FAST_CHECK", Fast, [__, __, __, __, __, __, __, __, __, 127, 87, 88]),
    ("POP_JUMP_IF_NOT_NONE", PopJump, [__, __, __, __, __, __, __, __, __, 128, 99, 102]),
    ("POP_JUMP_IF_NONE", PopJump, [__, __, __, __, __, __, __, __, __, 129, 98, 101]),
    ("LOAD_SUPER_ATTR", SuperAttr, [__, __, __, __, __, __, __, __, __, 141, 93, 96]),
    ("LOAD_FAST_AND_CLEAR", Fast, [__, __, __, __, __, __, __, __, __, 143, 86, 85]),
    ("CALL_INTRINSIC_1", Intrinsic, [__, __, __, __, __, __, __, __, __, 173, 55, 53]),
    ("CALL_INTRINSIC_2", Effect(2, 1), [__, __, __, __, __, __, __, __, __, 174, 56, 54]),
    ("LOAD_FROM_DICT_OR_GLOBALS", NameOf, [__, __, __, __, __, __, __, __, __, 175, 90, 91]),
    ("LOAD_FROM_DICT_OR_DEREF", DerefOf, [__, __, __, __, __, __, __, __, __, 176, 89, 90]),
    ("EXIT_INIT_CHECK", Nop, [__, __, __, __, __, __, __, __, __, __, 13, 11]),
    ("FORMAT_SIMPLE", Nop, [__, __, __, __, __, __, __, __, __, __, 14, 12]),
    ("FORMAT_WITH_SPEC", Effect(2, 1), [__, __, __, __, __, __, __, __, __, __, 15, 13]),
    ("TO_BOOL", Effect(1, 1), [__, __, __, __, __, __, __, __, __, __, 40, 39]),
    ("CALL_KW", CallKw, [__, __, __, __, __, __, __, __, __, __, 57, 55]),
    ("CONVERT_VALUE", Nop, [__, __, __, __, __, __, __, __, __, __, 60, 58]),
    ("LOAD_FAST_LOAD_FAST", FastFast, [__, __, __, __, __, __, __, __, __, __, 88, 89]),
    ("SET_FUNCTION_ATTRIBUTE", FunctionPart, [__, __, __, __, __, __, __, __, __, __, 106, 108]),
    ("STORE_FAST_LOAD_FAST", StoreFastLoad, [__, __, __, __, __, __, __, __, __, __, 111, 113]),
    ("STORE_FAST_STORE_FAST", StoreFastFast, [__, __, __, __, __, __, __, __, __, __, 112, 114]),
    ("BUILD_TEMPLATE", Effect(2, 1), [__, __, __, __, __, __, __, __, __, __, __, 2]),
    ("NOT_TAKEN", Nop, [__, __, __, __, __, __, __, __, __, __, __, 28]),
    ("POP_ITER", Effect(1, 0), [__, __, __, __, __, __, __, __, __, __, __, 30]),
    ("BUILD_INTERPOLATION", FormatValue, [__, __, __, __, __, __, __, __, __, __, __, 45]),
    ("LOAD_COMMON_CONSTANT", Effect(0, 1), [__, __, __, __, __, __, __, __, __, __, __, 81]),
    ("LOAD_FAST_BORROW", Fast, [__, __, __, __, __, __, __, __, __, __, __, 86]),
    ("LOAD_FAST_BORROW_LOAD_FAST_BORROW", FastFast, [__, __, __, __, __, __, __, __, __, __, __, 87]),
    ("LOAD_SMALL_INT", SmallInt, [__, __, __, __, __, __, __, __, __, __, __, 94]),
    ("LOAD_SPECIAL", Special, [__, __, __, __, __, __, __, __, __, __, __, 95]),
];

/// Cache entries behind opcodes, in units of two bytes, from 3.11.
const CACHES: &[(&str, [u8; 4])] = &[
    ("BINARY_OP", [1, 1, 1, 5]),
    ("BINARY_SUBSCR", [4, 1, 1, 0]),
    ("CALL", [4, 3, 3, 3]),
    ("CALL_KW", [0, 0, 0, 3]),
    ("COMPARE_OP", [2, 1, 1, 1]),
    ("CONTAINS_OP", [0, 0, 1, 1]),
    ("FOR_ITER", [0, 1, 1, 1]),
    ("JUMP_BACKWARD", [0, 0, 1, 1]),
    ("LOAD_ATTR", [4, 9, 9, 9]),
    ("LOAD_GLOBAL", [5, 4, 4, 4]),
    ("LOAD_METHOD", [10, 0, 0, 0]),
    ("LOAD_SUPER_ATTR", [0, 1, 1, 1]),
    ("POP_JUMP_IF_FALSE", [0, 0, 1, 1]),
    ("POP_JUMP_IF_NONE", [0, 0, 1, 1]),
    ("POP_JUMP_IF_NOT_NONE", [0, 0, 1, 1]),
    ("POP_JUMP_IF_TRUE", [0, 0, 1, 1]),
    ("PRECALL", [1, 0, 0, 0]),
    ("SEND", [0, 1, 1, 1]),
    ("STORE_ATTR", [4, 4, 4, 4]),
    ("STORE_SUBSCR", [1, 1, 1, 1]),
    ("TO_BOOL", [0, 0, 3, 3]),
    ("UNPACK_SEQUENCE", [1, 1, 1, 1]),
];

type Table = [Option<(Op, u8)>; 256];

/// One table for each version: what a number does, and how many cache entries follow.
static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| Version::ALL.into_iter().map(table).collect());

fn table(version: Version) -> Table {
    let mut table = [None; 256];
    let column = version as usize;
    for (name, op, numbers) in ROWS {
        let cached = column.checked_sub(Version::V311 as usize);
        let entries = CACHES.iter().find(|(known, _)| known == name).map(|(_, entries)| entries);
        let caches = cached.and_then(|at| entries?.get(at)).copied().unwrap_or(0);
        if let Some(&number) = numbers.get(column).filter(|&&number| number != __)
            && let Some(slot) = table.get_mut(usize::from(number))
        {
            debug_assert!(slot.is_none(), "{name} has the number of another opcode in {}", version.name());
            *slot = Some((*op, caches));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_know_each_version() {
        let op = |version: Version, code| version.op(code).map(|(op, _)| op);
        assert_eq!(op(Version::V27, 145), Some(Extended));
        assert_eq!(op(Version::V36, 144), Some(Extended));
        assert_eq!(op(Version::V311, 166), Some(Nop));
        assert_eq!(op(Version::V312, 166), None);
        assert_eq!(Version::V313.op(53), Some((Call, 3)));
        assert_eq!(Version::V314.op(80), Some((Attr, 9)));
        assert!(Version::ALL.iter().all(|version| version.op(255).is_none()));
    }
}
