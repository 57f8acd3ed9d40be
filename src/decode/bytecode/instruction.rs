//! From bytes to instructions, and whether they are those of a version at all.

use super::table::{Op, Version};
use crate::bytes::Cursor;
use crate::decode::marshal::{Id, Objects};

/// One instruction with its whole argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) op: Op,
    pub(super) argument: u32,
    /// Offset of its opcode.
    pub(super) at: u64,
    /// Offset of the next one, caches skipped.
    pub(super) next: u64,
}

/// The instructions of a code object; None if they make no sense in `version`, or `steps` are used up.
pub(super) fn program(objects: &Objects, id: Id, version: Version, steps: &mut u64) -> Option<Vec<Instruction>> {
    let code = objects.code(id).filter(|code| code.layout == version.layout())?;
    let bytes = objects.bytes(code.bytecode)?;
    *steps = steps.saturating_sub(bytes.len() as u64 / 2);
    if *steps == 0 {
        return None;
    }
    let wide = version < Version::V36;
    let mut cursor = Cursor::new(bytes, 0);
    let mut program = Vec::new();
    let (mut prefix, mut prefixes) = (0_u32, 0_u8);
    while !cursor.is_empty() {
        let at = cursor.offset();
        let byte = cursor.u8().ok()?;
        let (op, caches) = version.op(byte)?;
        let low = match (wide, byte >= 90) {
            (true, true) => u32::from(cursor.u16_le().ok()?),
            (true, false) => 0,
            (false, _) => u32::from(cursor.u8().ok()?),
        };
        let argument = prefix.checked_shl(if wide { 16 } else { 8 }).unwrap_or(0) | low;
        if op == Op::Extended {
            prefixes = prefixes.saturating_add(1);
            // More do not fit into an argument, and none is written.
            if prefixes > 3 {
                return None;
            }
            prefix = argument;
            continue;
        }
        (prefix, prefixes) = (0, 0);
        for _ in 0..caches {
            // An interpreter writes into the caches; stored ones are empty.
            if cursor.u16_le().ok()? != 0 {
                return None;
            }
        }
        program.push(Instruction { op, argument, at, next: cursor.offset() });
    }
    let fits = |instruction: &Instruction| fits(objects, id, version, instruction);
    let ends = matches!(program.last()?.op, Op::Leave | Op::Return | Op::ReturnConst | Op::Jump | Op::JumpTo);
    (ends && prefixes == 0 && program.iter().all(fits)).then_some(program)
}

/// True if the argument of an instruction is one that it can have.
fn fits(objects: &Objects, id: Id, version: Version, instruction: &Instruction) -> bool {
    let Some(code) = objects.code(id) else { return false };
    let index = instruction.argument as usize;
    let named = |index: usize| index < objects.tuple(code.names).len();
    match instruction.op {
        Op::Const | Op::ReturnConst | Op::Keywords => index < objects.tuple(code.constants).len(),
        Op::Name | Op::NameOf | Op::ImportName | Op::ImportFrom | Op::StoreName | Op::StoreGlobal | Op::StoreAttr => {
            named(index)
        }
        Op::Method => named(index),
        Op::Global => named(if version >= Version::V311 { index >> 1 } else { index }),
        Op::Attr => named(if version >= Version::V312 { index >> 1 } else { index }),
        Op::SuperAttr => named(index >> 2),
        Op::Fast | Op::StoreFast => index < objects.tuple(code.locals).len(),
        Op::FastFast | Op::StoreFastFast | Op::StoreFastLoad => {
            index >> 4 < objects.tuple(code.locals).len() && index & 15 < objects.tuple(code.locals).len()
        }
        _ => true,
    }
}
