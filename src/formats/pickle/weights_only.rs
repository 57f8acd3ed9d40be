//! What `torch.load(weights_only=True)` would refuse.
//!
//! Its unpickler knows the opcodes that protocol 2 writes for a dictionary of tensors, and a closed list of names. The
//! lists below are those of `torch/_weights_only_unpickler.py` without what a program adds by `add_safe_globals`.

use crate::decode::pickle::names::looks_like_class;
use crate::decode::pickle::{Machine, Misuse, opcode};
use crate::fact::Fact;
use crate::formats::{Halt, Scan};

/// The name of the loader in facts.
const LOADER: &str = "weights_only";
/// Refusals that are no names or opcodes.
const ELSEWHERE: &str = "an item written into something other than a dictionary or list";
const NO_STORAGE: &str = "a persistent id that names no storage";
const NO_STATE: &str = "a state for something that has none";
const NO_CLASS: &str = "an instance of something that is no class";
const NO_CALL: &str = "a call of something that is no function, or without a tuple of arguments";
const NO_MEMO: &str = "a memo slot that was never set";
const NO_TEXT: &str = "text that is not UTF-8";
/// Refusals that are kept for one file.
const MOST: usize = 16;

/// Opcodes that it executes.
const OPCODES: &[u8] = &[
    opcode::PROTO,
    opcode::STOP,
    opcode::MARK,
    opcode::GLOBAL,
    opcode::NEWOBJ,
    opcode::REDUCE,
    opcode::BUILD,
    opcode::APPEND,
    opcode::APPENDS,
    opcode::SETITEM,
    opcode::SETITEMS,
    opcode::TUPLE,
    opcode::TUPLE1,
    opcode::TUPLE2,
    opcode::TUPLE3,
    opcode::EMPTY_TUPLE,
    opcode::EMPTY_LIST,
    opcode::EMPTY_DICT,
    opcode::EMPTY_SET,
    opcode::NONE,
    opcode::NEWTRUE,
    opcode::NEWFALSE,
    opcode::BININT,
    opcode::BININT1,
    opcode::BININT2,
    opcode::LONG1,
    opcode::BINFLOAT,
    opcode::BINUNICODE,
    opcode::SHORT_BINSTRING,
    opcode::BINGET,
    opcode::LONG_BINGET,
    opcode::BINPUT,
    opcode::LONG_BINPUT,
    opcode::BINPERSID,
];

/// Element types in the names of storages and tensor classes.
const ELEMENTS: &[&str] = &["BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short"];
/// Those that only storages have, and only storages in main memory.
const COMPLEX: &[&str] = &["ComplexDouble", "ComplexFloat"];
const QUANTIZED: &[&str] = &["QInt32", "QInt8", "QUInt2x4", "QUInt4x2", "QUInt8"];

/// Element types as objects of the module `torch`, and the schemes of quantization beside them.
const DTYPES: &[&str] = &[
    "bfloat16", "bits16", "bits1x8", "bits2x4", "bits4x2", "bits8", "bool", "complex128", "complex32", "complex64",
    "float16", "float32", "float4_e2m1fn_x2", "float64", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
    "float8_e5m2fnuz", "float8_e8m0fnu", "int1", "int16", "int2", "int3", "int32", "int4", "int5", "int6", "int64",
    "int7", "int8", "per_channel_affine", "per_channel_affine_float_qparams", "per_channel_symmetric",
    "per_tensor_affine", "per_tensor_symmetric", "qint32", "qint8", "quint2x4", "quint4x2", "quint8", "uint1",
    "uint16", "uint2", "uint3", "uint32", "uint4", "uint5", "uint6", "uint64", "uint7", "uint8",
];

/// Types among the names below that are not spelt like classes.
const TYPES: &[&str] = &["bytearray", "complex", "device", "set"];

/// Everything else, by module.
const NAMES: &[(&str, &[&str])] = &[
    ("_codecs", &["encode"]),
    ("builtins", &["bytearray", "complex", "set"]),
    ("collections", &["Counter", "OrderedDict"]),
    ("torch", &["Size", "Tensor", "device"]),
    ("torch._tensor", &["_rebuild_from_type_v2"]),
    (
        "torch._utils",
        &[
            "_rebuild_device_tensor_from_cpu_tensor",
            "_rebuild_device_tensor_from_numpy",
            "_rebuild_meta_tensor_no_storage",
            "_rebuild_parameter",
            "_rebuild_parameter_with_state",
            "_rebuild_qtensor",
            "_rebuild_sparse_tensor",
            "_rebuild_tensor",
            "_rebuild_tensor_v2",
            "_rebuild_tensor_v3",
            "_rebuild_wrapper_subclass",
        ],
    ),
    ("torch.nn.parameter", &["Parameter"]),
    ("torch.serialization", &["_get_layout"]),
    ("torch.storage", &["TypedStorage", "UntypedStorage"]),
];

/// Adds what the unpickler would refuse in the stream that `machine` has run, each refusal once.
pub(super) fn refusals(machine: &Machine<'_>, refused: &mut Vec<String>) {
    if refused.len() >= MOST {
        return;
    }
    for &code in opcode::ALL.iter().filter(|&&code| machine.executed(code) && !OPCODES.contains(&code)) {
        add(refused, || format!("opcode {}", opcode::mnemonic(code)));
    }
    for name in machine.names().all() {
        if !is_listed(&name.module, &name.function) {
            add(refused, || format!("{}.{}", name.module, name.function));
        }
    }
    // What happens to an object of a refused name is not for this loader to say.
    if machine.names().all().iter().all(|name| is_listed(&name.module, &name.function)) {
        misuses(machine, refused);
    }
    if machine.evidence().persistent.iter().any(|id| id.items.len() > 1 && id.items.first().is_none_or(|kind| kind != "storage")) {
        add(refused, || NO_STORAGE.to_owned());
    }
    for anomaly in &machine.evidence().anomalies {
        match anomaly.effect {
            "item-write-on-import" | "item-write-on-tensor" => {
                add(refused, || ELSEWHERE.to_owned());
            }
            "persistent-id" => add(refused, || NO_STORAGE.to_owned()),
            _ => {}
        }
    }
}

/// Adds what it refuses in the use of what it knows.
fn misuses(machine: &Machine<'_>, refused: &mut Vec<String>) {
    for misuse in &machine.evidence().misuses {
        let reason = match misuse {
            Misuse::ItemElsewhere => ELSEWHERE,
            Misuse::StateElsewhere => NO_STATE,
            Misuse::NoClass => NO_CLASS,
            Misuse::NoCall => NO_CALL,
            Misuse::UnsetMemo => NO_MEMO,
            Misuse::NoText => NO_TEXT,
            Misuse::BareId => NO_STORAGE,
        };
        add(refused, || reason.to_owned());
    }
    for used in machine.names().uses() {
        let Some(name) = machine.names().get(used.name) else { continue };
        let is_type = TYPES.contains(&name.function.as_str()) || looks_like_class(&name.function);
        let is_value = name.module == "torch" && DTYPES.contains(&name.function.as_str());
        match used.usage {
            "instantiated" if !is_type => add(refused, || NO_CLASS.to_owned()),
            "called" if is_value => add(refused, || NO_CALL.to_owned()),
            _ => {}
        }
    }
}

/// Why the loader refuses a pickle that breaks off; None if it is not known to do so.
pub fn broken(halt: &Halt) -> Option<String> {
    match halt {
        Halt::Malformed(malformed) => Some(format!("broken data: {}", malformed.what)),
        _ => None,
    }
}

/// States what the loader makes of the input, given what it refuses in it.
pub fn state(scan: &mut Scan<'_>, refused: &[String]) {
    let refusals = refused.join(", ");
    let accepted = refused.is_empty();
    scan.whole(Fact::Restricted { loader: LOADER, accepted, whole: false, refused: &refusals });
}

/// States that the loader takes no file of this kind, or that is broken like this.
pub fn state_whole(scan: &mut Scan<'_>, kind: &str) {
    scan.whole(Fact::Restricted { loader: LOADER, accepted: false, whole: true, refused: kind });
}

fn add(refused: &mut Vec<String>, refusal: impl FnOnce() -> String) {
    if refused.len() < MOST {
        let refusal = refusal();
        if !refused.contains(&refusal) {
            refused.push(refusal);
        }
    }
}

/// The loader looks up module and name joined, wherever the stream divides them, under the names of Python 3.
fn is_listed(module: &str, name: &str) -> bool {
    let module = if module == "__builtin__" { "builtins" } else { module };
    let path = format!("{module}.{name}");
    let Some((module, name)) = path.rsplit_once('.') else { return false };
    let of = |elements: &[&str], kind: &str| name.strip_suffix(kind).is_some_and(|element| elements.contains(&element));
    match module {
        "torch" if DTYPES.contains(&name) || of(QUANTIZED, "Storage") => return true,
        "torch" | "torch.cuda" if of(ELEMENTS, "Storage") || of(COMPLEX, "Storage") || of(ELEMENTS, "Tensor") => {
            return true;
        }
        "torch.sparse" | "torch.cuda.sparse" if name != "BoolTensor" && of(ELEMENTS, "Tensor") => return true,
        _ => {}
    }
    NAMES.iter().any(|(listed, names)| *listed == module && names.contains(&name))
}
