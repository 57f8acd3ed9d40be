//! Python pickles: a reader of all opcodes and a machine that runs them on symbols.
//!
//! The stream is read as the C unpickler of `CPython` reads it, not as `pickletools` does: where the two differ, what
//! loads is what counts. Nothing is imported or called: an imported object is its name, a call is a node that
//! remembers what was called with what. Where a known helper (`getattr`, `partial`, `str.join`, …) stands between a
//! name and its use, the machine works out what comes of it, so that the name which is reached in the end is known.
//!
//! Reading path: [`opcode`] (the table) → [`Reader`] (bytes to tokens) → [`value`] (what stands on the stack) →
//! `machine` and `step` (the opcodes) → `invoke`, `lookup`, `strings` (calls) → [`names`] (what is remembered).

pub mod names;
pub mod opcode;
pub mod text;
pub mod value;

mod alias;
mod array;
mod call_digest;
mod changes;
mod code;
pub(in crate::decode) mod codec;
mod evidence;
mod forward;
mod given;
mod hooks;
mod invoke;
mod listing;
mod lookup;
mod machine;
mod memo;
mod parsers;
mod passing;
mod reader;
mod render;
mod restored;
mod role;
mod state;
mod step;
mod strings;
mod wrapper;

pub use array::may_exist;
pub use codec::decoded;
pub use evidence::{
    Anomaly, Array, ArrayPlace, Content, Evidence, Misuse, Nested, PersistentId, Purpose, StoredCode, TextLoader,
};
pub use listing::{Line, Listing, program};
pub use machine::{End, Machine, Persistence};
pub use reader::{Extent, Operand, Reader, Token};
pub use role::{Role, canonical};
pub use value::KEPT_ITEMS as MOST_RESULT;
