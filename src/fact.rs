//! The waist: what formats state and rules judge.
//!
//! A [`Fact`] says what is there and where, never how bad it is: it has no severity and no rule code. Adding a kind
//! of fact is the only reason to change this file; a new dangerous name or a new rule is a line of data.
//!
//! Every fact is a flat record of named fields, so that rows in `data/rules/` can name them (`when`, `message`), the
//! report can carry them (`details`) and `inspect` can print them, all from the one definition below.

use crate::bytes::{Input, InputName};

/// The value of one field of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text, often from the scanned file: printing escapes it.
    Text(&'a str),
    /// A truth.
    Bool(bool),
    /// A count, size or offset.
    Int(u64),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value<'_> {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Int(number)
    }
}

/// Defines the closed set of facts: the enum, its kinds, the subject that `match` looks at, and the field names.
macro_rules! facts {
    ($(
        $(#[doc = $doc:literal])*
        $variant:ident $kind:literal match $subject:ident key [$($key:ident),*] {
            $( $(#[doc = $field_doc:literal])* $field:ident: $ty:ty ),* $(,)?
        }
    )*) => {
        /// One statement about a scanned input.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fact<'a> {
            $( $(#[doc = $doc])* $variant { $( $(#[doc = $field_doc])* $field: $ty ),* }, )*
        }

        /// The kinds of fact, without their fields.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $( $(#[doc = $doc])* $variant, )*
        }

        impl Kind {
            /// All kinds, in the order of their definition.
            pub const ALL: &'static [Self] = &[$( Self::$variant ),*];

            /// The name used in rule rows.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $kind, )* }
            }

            /// The names of the fields that a fact of this kind has.
            #[must_use]
            pub const fn fields(self) -> &'static [&'static str] {
                match self { $( Self::$variant => &[$( stringify!($field) ),*], )* }
            }

            /// The fields that tell two findings of one rule in one input apart.
            #[must_use]
            pub const fn key(self) -> &'static [&'static str] {
                match self { $( Self::$variant => &[$( stringify!($key) ),*], )* }
            }

            /// The field that `match` in a rule row is compared with.
            #[must_use]
            pub const fn subject(self) -> &'static str {
                match self { $( Self::$variant => stringify!($subject), )* }
            }
        }

        impl<'a> Fact<'a> {
            /// The kind of this fact.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $( Self::$variant { .. } => Kind::$variant, )* }
            }

            /// The fields in the order of their definition.
            #[must_use]
            pub fn fields(&self) -> Vec<(&'static str, Value<'a>)> {
                match *self {
                    $( Self::$variant { $( $field ),* } => vec![$( (stringify!($field), Value::from($field)) ),*], )*
                }
            }

            /// One field by name.
            #[must_use]
            pub fn field(&self, name: &str) -> Option<Value<'a>> {
                match *self {
                    $( Self::$variant { $( $field ),* } => {
                        $( if name == stringify!($field) { return Some(Value::from($field)); } )*
                        None
                    } )*
                }
            }

            /// The text that `match` in a rule row is compared with.
            #[must_use]
            pub fn subject(&self) -> &'a str {
                match *self { $( Self::$variant { $subject, .. } => $subject, )* }
            }
        }
    };
}

facts! {
    /// A Python object that a pickle names, resolved through the memo, the operand stack and known string functions.
    /// One fact for each distinct name and use in one stream, at the opcode that names it, and one for each of the next
    /// few uses of the same kind, at the opcode that uses it; their `count`s add up.
    Global "global" match module key [module, function] {
        /// Module as written in the file.
        module: &'a str,
        /// Attribute path inside the module as written, dots kept (`Outer.Inner`).
        function: &'a str,
        /// Opcode that names it: `GLOBAL`, `STACK_GLOBAL`, `INST`, `EXT1`…; `getattr` where an attribute walk does, `subimport` and
        /// `type-by-name` where a helper of stored code does, `yaml` and `jsonpickle` in text for those loaders.
        opcode: &'a str,
        /// Opcode that used it, `REDUCE`, `OBJ`, `INST`, `NEWOBJ`, `NEWOBJ_EX`, `BUILD`, `APPEND`…; empty if none did.
        invoked_by: &'a str,
        /// True if loading calls it, by an opcode or through a helper that calls its argument.
        invoked: bool,
        /// `called` (as a function), `instantiated` (`__new__` only, or state restored), `passed` (to a function that is
        /// called), `referenced` (stored), `discarded` (popped, but imported all the same).
        usage: &'a str,
        /// What the arguments make of it, where that decides: for `open` `read`, `write` or `unknown`; for getattr and
        /// other helpers `resolved` or `unresolved`, for setattr on a class that the stream makes `own`; for nested loaders
        /// `clean` (they call nothing), `dirty`, `opaque` (they are not known, or not read to their end); `inert` for what
        /// acts on texts or addresses only and is given none; for containers `asked` if an object is among what they are
        /// made of; for readers `read` if they are given a file; for other functions `objects` if they are given any
        /// object of the file that has methods of its own; else empty.
        arguments: &'a str,
        /// The reconstructed call, capped.
        call: &'a str,
        /// Digest of everything that all such calls are given; empty if `call` says it.
        calls: &'a str,
        /// Protocol in force, which decides about name mapping and dotted names.
        protocol: u64,
        /// Which pickle of a file with several, from 0.
        stream: u64,
        /// How often this name is used this way in the stream.
        count: u64,
    }

    /// Python code objects that a file stores by value: functions of dill and cloudpickle, marshalled modules. One fact
    /// for each stream.
    Code "code" match names key [] {
        /// Names of the functions, capped; empty if none could be read.
        names: &'a str,
        /// How the code is stored: `function` (built from its parts), `marshal`, `module` (a compiled module), `source`
        /// (the text of a class, which the loader compares with its own and does not run), `module-source` (of modules that
        /// a package imports in place of those of the machine).
        form: &'a str,
        /// Versions of Python whose bytecode it is, `3.11 or 3.12`; empty if of none that is known.
        version: &'a str,
        /// `stored`, or `run` if loading the file calls it.
        usage: &'a str,
        /// `walked`, `unknown-opcodes` (of no known version, or remapped), `unreadable` (no code object came out), `cut`
        /// (a limit was reached) or `text`.
        state: &'a str,
        /// How many code objects.
        count: u64,
    }

    /// A name that stored code reaches. Running the code uses it, not loading the file.
    CodeReference "code-reference" match module key [module, function] {
        /// Module.
        module: &'a str,
        /// Attribute path inside it; `*` for the module as a whole.
        function: &'a str,
        /// `calls` or `names`.
        usage: &'a str,
        /// `read`, `write` or `unknown` for what opens a file; `decoded` for what gets the result of a decoder;
        /// `unresolved` if the bytecode could not be followed; else empty.
        arguments: &'a str,
        /// The call, capped.
        call: &'a str,
        /// Digest of everything that all such calls are given; empty if `call` says it.
        calls: &'a str,
        /// The code object that uses it.
        within: &'a str,
        /// True for code of Python 2, whose modules have other names.
        python2: bool,
    }

    /// A Python object that a pickle would call which lies in the data of another one and is not loaded with it.
    Dormant "dormant" match module key [module, function] {
        /// Module as written in the file.
        module: &'a str,
        /// Attribute path inside the module as written.
        function: &'a str,
        /// The reconstructed call, capped.
        call: &'a str,
        /// Digest of everything that all such calls are given; empty if `call` says it.
        calls: &'a str,
        /// As for `global`.
        arguments: &'a str,
        /// Protocol in force.
        protocol: u64,
    }

    /// Something about the shape of a pickle program that no ordinary writer produces.
    Opcode "opcode" match effect key [effect] {
        /// What it does, in the vocabulary that `data/rules/s2-pickle.toml` lists.
        effect: &'a str,
        /// Mnemonic of the opcode that does it.
        opcode: &'a str,
        /// Specifics: operand, sizes, target; capped.
        detail: &'a str,
        /// Which pickle of a file with several, from 0.
        stream: u64,
    }

    /// Something about an archive member that a safe, ordinary archive does not have.
    Member "member" match anomaly key [anomaly, member] {
        /// What is unusual, in the vocabulary that `data/rules/s4-files.toml` lists.
        anomaly: &'a str,
        /// Member name as stored.
        member: &'a str,
        /// Container format, `zip`, `tar`….
        container: &'a str,
        /// Specifics: the other value, the link target, sizes; capped.
        detail: &'a str,
    }

    /// Machine code or a script, confirmed by its structure.
    Executable "executable" match form key [form, place] {
        /// `pe`, `elf`, `macho`, `wasm`, `java-class`, `dex`, `python-bytecode`, `shell-script`, `batch-script`,
        /// `powershell-script`.
        form: &'a str,
        /// `whole` (the input itself), `carved` (inside other data).
        place: &'a str,
        /// Architecture, interpreter or kind, where the header names it.
        detail: &'a str,
    }

    /// A structural property of a file that its format's contract forbids, though it can be read.
    Structure "structure" match anomaly key [anomaly, detail] {
        /// What is wrong, in the vocabulary that `data/rules/s9-integrity.toml` lists.
        anomaly: &'a str,
        /// Format that is read, by its table name.
        format: &'a str,
        /// Specifics: name of the tensor, key, sizes; capped.
        detail: &'a str,
        /// Size of the region concerned, 0 if none.
        bytes: u64,
    }

    /// A tensor as the header describes it. Inventory; contradictions are stated as `Structure`.
    Tensor "tensor" match name key [name] {
        /// Name in the file.
        name: &'a str,
        /// Element type, in the format's own spelling.
        dtype: &'a str,
        /// Shape, `[2, 3]`.
        shape: &'a str,
        /// Stored bytes.
        bytes: u64,
    }

    /// A key and value that the file carries beside its model.
    Metadata "metadata" match key key [key] {
        /// Key.
        key: &'a str,
        /// Value, capped.
        value: &'a str,
        /// Format that is read, by its table name.
        format: &'a str,
    }

    /// Text in a slot that a person or a program interprets: string constants, metadata, names.
    Text "text" match text key [slot, text] {
        /// The text, capped.
        text: &'a str,
        /// Where it stands: `pickle-string`, `metadata`, `argument` (of a call), `member-name` (of members with
        /// characters that do not show, and of no others).
        slot: &'a str,
    }

    /// What the file is, for the inventory and the bill of materials.
    Component "component" match name key [name] {
        /// Format by its table name.
        name: &'a str,
        /// Specifics such as a version or producer; may be empty.
        detail: &'a str,
    }

    /// What a loader that admits only listed names and opcodes would make of the input. Inventory.
    Restricted "restricted" match loader key [loader] {
        /// `weights_only`, of `torch.load`.
        loader: &'a str,
        /// True if it would load the input.
        accepted: bool,
        /// True if it refuses the file as a whole: for its kind, or because it is broken.
        whole: bool,
        /// The kind, what is broken, or the first few opcodes and names that it refuses; empty if it accepts.
        refused: &'a str,
    }

    /// The name promises another format than the content is.
    Mismatch "mismatch" match content key [content] {
        /// Format that the content is, `unknown` if none.
        content: &'a str,
        /// Extension of the name.
        extension: &'a str,
        /// True if the extension promises a format that cannot run code.
        promises_safety: bool,
        /// True if the content can run code.
        runs_code: bool,
    }

    /// The bytes break the format; reading stopped here.
    Malformed "malformed" match reason key [reason] {
        /// What is wrong.
        reason: &'a str,
        /// Format that was read, by its table name.
        format: &'a str,
    }

    /// A limit stopped the reading.
    Limit "limit" match reason key [reason] {
        /// Which limit.
        reason: &'a str,
        /// Format that was read, by its table name.
        format: &'a str,
    }

    /// A feature or format that cannot be read.
    Unsupported "unsupported" match reason key [reason] {
        /// What cannot be read.
        reason: &'a str,
        /// Format concerned, by its table name, or the extension.
        format: &'a str,
    }

    /// A pointer whose object is not there: nothing was scanned behind it.
    Unresolved "unresolved" match pointer key [pointer, object] {
        /// `git-lfs`, `git-annex`, `dvc`.
        pointer: &'a str,
        /// Object id or key.
        object: &'a str,
    }

    /// A fault of this program: the input was not read.
    Fault "fault" match reason key [reason] {
        /// Panic message or I/O error; never text from the file.
        reason: &'a str,
        /// Format that was read, by its table name.
        format: &'a str,
    }
}

/// A range of bytes in the innermost input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// First byte.
    pub offset: u64,
    /// Length in bytes; 0 for a point.
    pub length: u64,
}

impl Span {
    /// A range.
    #[must_use]
    pub const fn new(offset: u64, length: u64) -> Self {
        Self { offset, length }
    }
}

/// Where a fact holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location<'a> {
    /// Name chain of the input.
    pub name: &'a InputName,
    /// Bytes in the innermost input; None when the fact is about the whole input.
    pub span: Option<Span>,
}

/// Receives facts as they are stated: the judge in production, a recorder in tests and `inspect`.
pub trait Sink {
    /// Told of each input that is looked into, before its facts, with the names of the formats that it is read as. An
    /// input may be told of more than once.
    fn input(&mut self, _input: &Input, _formats: &[&str]) {}

    /// Takes one fact. It is borrowed: whoever wants to keep it copies it.
    fn take(&mut self, fact: &Fact<'_>, location: &Location<'_>);
}
