//! Is it a pickle? By running it: no other test tells a protocol 0 pickle from text, or raw numbers that begin with
//! 0x80 from a pickle.
//!
//! A stream counts if it reaches STOP, or if it gets as far as using something that it imports: a payload works
//! whether or not its stream is whole.

use super::streams::has_effect;
use crate::bytes::{Budget, Limits, MemorySource, ReadAt};
use crate::decode::pickle::{End, Machine, Persistence, opcode};
use crate::formats::Probe;

/// Opcodes that are run to find out. Pickles show themselves within a few, data that is none fails at once; only
/// padding made of opcodes gets this far.
const MOST_OPCODES: u64 = 1 << 20;
/// Opcodes of a stream with PROTO that do not come by chance.
const CONVINCING: u64 = 12;
/// The same if the stream is only cut off.
const CONVINCING_CUT: u64 = 3;
/// Streams in a row that do not come by chance.
const CONVINCING_STREAMS: u64 = 64;
/// Extensions that only pickles have.
const OWN_NAMES: &[&str] = &["pkl", "pickle", "dill", "joblib", "pdparams", "pdopt"];
/// Shortest data without PROTO and without imports that is called a pickle.
const SHORTEST: u64 = 4;

/// The number that begins a checkpoint of `PyTorch` before 1.6, and the one behind it.
const TORCH_MAGIC: &str = "119547037146038801333356";
const TORCH_PROTOCOL: &str = "1001";
/// Opcodes and bytes of a line that it takes to come to that number.
const MOST_MAGIC: u64 = 4096;
const LONGEST_NUMBER: u64 = 4096;

/// What a look at data says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Pickle,
    Other,
    /// The data at hand ends too early.
    Undecided,
}

/// Does the content at the start of `head` look like a pickle, by a bounded dry run?
#[must_use]
pub fn looks_like_pickle(head: &[u8]) -> bool {
    !cannot_begin(head) && look(&*MemorySource::new(head), false, false) != Look::Other
}

/// True for what the first pickle of a checkpoint of `PyTorch` before 1.6 comes to.
pub(super) fn is_torch_magic(result: &[String]) -> bool {
    matches!(result, [number] if number.trim_end_matches('L') == TORCH_MAGIC)
}

/// Is all of `source` a pickle, or as much of one as works?
#[must_use]
pub fn is_pickle(source: &dyn ReadAt) -> bool {
    let head = source.read_range(0, 64).unwrap_or_default();
    !cannot_begin(&head) && look(source, true, false) == Look::Pickle
}

/// Does a checkpoint of `PyTorch` before 1.6 begin at `offset`: a pickle that comes to its magic number, or one that
/// comes to something that is not known, and then the number of its protocol?
#[must_use]
pub fn is_legacy_torch(source: &dyn ReadAt, offset: u64) -> bool {
    let head = source.read_range(offset, 64).unwrap_or_default();
    if cannot_begin(&head) {
        return false;
    }
    let budget = Budget::new(Limits { timeout: None, ..Limits::default() });
    let mut machine = Machine::new(source, Persistence::None);
    machine.limit_lines(LONGEST_NUMBER);
    let mut number = |offset| {
        machine.begin(offset);
        let stopped = matches!(machine.run(&budget, MOST_MAGIC), Some(End::Stop));
        let result = machine.result();
        let number = result.first().filter(|_| stopped && result.len() == 1)?;
        Some((number.trim_end_matches('L').to_owned(), machine.offset()))
    };
    match number(offset) {
        Some((magic, _)) if magic == TORCH_MAGIC => true,
        Some((magic, end)) if magic == "?" => number(end).is_some_and(|(protocol, _)| protocol == TORCH_PROTOCOL),
        _ => false,
    }
}

pub(super) fn identify(probe: &Probe<'_>) -> bool {
    if cannot_begin(&probe.head) {
        return false;
    }
    // Under its own name, what declares a protocol is a pickle, however soon it breaks; so is what imports something
    // and breaks then, and what is shorter than data has to be that may be anything.
    let named = OWN_NAMES.contains(&probe.input.name.extension().as_str());
    if named && matches!(probe.head.as_slice(), [opcode::PROTO, 0..=5, ..] | [opcode::PROTO]) {
        return true;
    }
    let whole = probe.head.len() as u64 >= probe.input.len();
    match look(&*MemorySource::new(probe.head.as_slice()), whole, named) {
        Look::Pickle => true,
        Look::Other => false,
        Look::Undecided if whole => false,
        Look::Undecided => look(&*probe.input.source, true, named) == Look::Pickle,
    }
}

/// A first byte that is no opcode, one that needs an operand on the stack, or one with an operand that no writer gives
/// it: no machine has to be built.
fn cannot_begin(head: &[u8]) -> bool {
    match head.first() {
        // The loader would be asked for an object of that name before anything else is done; no name of an object has
        // control characters. So much else begins with the letter, ZIP archives above all.
        Some(&opcode::PERSID) => {
            let name = head.get(1..).unwrap_or_default().split(|&byte| byte == b'\n').next().unwrap_or_default();
            !name.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
        }
        Some(&first) => {
            opcode::layout(first).is_none()
                || matches!(
                    first,
                    opcode::STOP | opcode::POP | opcode::POP_MARK | opcode::DUP | opcode::REDUCE | opcode::APPEND
                        | opcode::BUILD | opcode::APPENDS | opcode::GET | opcode::BINGET | opcode::LONG_BINGET
                        | opcode::PUT | opcode::BINPUT | opcode::LONG_BINPUT | opcode::SETITEM | opcode::SETITEMS
                        | opcode::TUPLE | opcode::LIST | opcode::DICT | opcode::NEWOBJ | opcode::TUPLE1
                        | opcode::TUPLE2 | opcode::TUPLE3 | opcode::STACK_GLOBAL | opcode::MEMOIZE | opcode::INST
                        | opcode::OBJ | opcode::BINPERSID | opcode::ADDITEMS | opcode::FROZENSET | opcode::NEWOBJ_EX
                        | opcode::READONLY_BUFFER
                )
        }
        None => true,
    }
}

/// Runs `source`, which is the whole of the data or its beginning. `named`: it has the name of a pickle.
fn look(source: &dyn ReadAt, whole: bool, named: bool) -> Look {
    let budget = Budget::new(Limits { timeout: None, ..Limits::default() });
    let mut machine = Machine::new(source, Persistence::Torch);
    let mut first = [0; 1];
    let marked = source.fill_at(0, &mut first).is_ok() && first == [opcode::PROTO];
    let (mut at, mut total) = (0, 0_u64);
    for _ in 0..CONVINCING_STREAMS {
        machine.begin(at);
        let end = machine.run(&budget, MOST_OPCODES.saturating_sub(total));
        total = total.saturating_add(machine.ops());
        let works = has_effect(&machine) && (marked || named || machine.calls() > 0);
        match end {
            _ if works => return Look::Pickle,
            // Opcodes without end: padding in front of something.
            None => return Look::Pickle,
            Some(End::Stop) if machine.depth() == 0 => return Look::Other,
            Some(End::Stop) if marked => return Look::Pickle,
            Some(End::Stop) => {
                at = machine.offset();
                if !whole && at >= source.len() {
                    return Look::Undecided;
                }
                if is_blank_from(source, at) {
                    let convincing = total >= 2 && (named || source.len() >= SHORTEST);
                    return if convincing { Look::Pickle } else { Look::Other };
                }
            }
            Some(End::Broken(_)) => {
                let least = if machine.ran_out() { CONVINCING_CUT } else { CONVINCING };
                return match (marked && machine.ops() >= least, machine.ran_out() && !whole) {
                    (true, _) => Look::Pickle,
                    (false, true) => Look::Undecided,
                    (false, false) => Look::Other,
                };
            }
            Some(End::Limit(_)) => return Look::Pickle,
            Some(End::Failed(_)) => return Look::Other,
        }
    }
    Look::Pickle
}

/// True if nothing but a few blanks is left.
fn is_blank_from(source: &dyn ReadAt, at: u64) -> bool {
    let left = source.len().saturating_sub(at);
    left <= 16 && source.read_range(at, 16).is_ok_and(|rest| rest.iter().all(u8::is_ascii_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Input;

    #[test]
    fn pickles_are_known_by_running_them() {
        let pickles: &[&[u8]] = &[
            b"\x80\x02N.",
            b"\x80\x04\x95\x0b\0\0\0\0\0\0\0]\x94(K\x01K\x02e.",
            b"(lp0\nI1\na.",
            b"cos\nsystem\n(S'x'\ntR.",
            b"cos\nsystem\n(S'x'\ntR and then anything",
            b"(S'x'\nios\nsystem\n.",
            b"GIF89a\x01\x02\x030cos\nsystem\n(S'x'\ntR.",
            b"I0x10\n0cos\nsystem\n(S'x'\ntR.",
            b"N.N.N.N.cos\nsystem\n(S'x'\ntR.",
        ];
        for pickle in pickles {
            assert!(looks_like_pickle(pickle), "{:?}", String::from_utf8_lossy(pickle));
        }
    }

    #[test]
    fn under_its_own_name_less_will_do() {
        let named = |bytes: &[u8]| {
            let input = Input::new("x.pkl", MemorySource::new(bytes));
            identify(&Probe::new(&input).unwrap())
        };
        for pickle in [b"K\x0a.".as_slice(), b"N.", b"cos\nsystem\n\xff", b"cos\nsystem\n", b"(ios\nsystem\n"] {
            assert!(named(pickle), "{:?}", String::from_utf8_lossy(pickle));
        }
        for other in [b"".as_slice(), b"words of a text\n", b"{\"a\": 1}"] {
            assert!(!named(other), "{:?}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn a_long_line_hides_nothing() {
        let pickle = [b"V".as_slice(), &vec![b'a'; 2 << 20], b"\n0cos\nsystem\n(S'x'\ntR."].concat();
        assert!(is_pickle(&*MemorySource::new(pickle)));
    }

    #[test]
    fn other_data_is_not() {
        let others: &[&[u8]] = &[
            b"",
            b"(a) first, (b) second\n",
            b"cat\ndog\nbird\nfish\n",
            b"I am a README.\n",
            b"class\nobject\n",
            b"{\"a\": 1}",
            b"Vocabulary\nof\nwords",
            b"N.",
            b"\x80\x04\x00\x01\x02\x03",
            b"\x93NUMPY\x01\0v\0{'descr'",
            b"PK\x03\x04",
            b"PK\x03\x04\0\0\x08\x08\0\0\x12\0name\n\x80\x02}q\0cos\nsystem\n)R.",
            b"\x89PNG\r\n\x1a\n",
            b"\x7fELF\x02",
            b"]]]]]]]]",
        ];
        for other in others {
            let source = MemorySource::new(*other);
            let known = !cannot_begin(other) && look(&*source, true, false) == Look::Pickle;
            assert!(!known, "{:?}", String::from_utf8_lossy(other));
        }
    }
}
