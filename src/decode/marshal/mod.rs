//! Python's `marshal`: the encoding of code objects in `.pyc` files, in stored functions and behind `marshal.loads`.
//!
//! Nothing in the data says which interpreter wrote it, and the fields of a code object changed three times: every
//! layout that reads without contradiction is handed back, because the one that a loader will use is not known.
//!
//! [`objects`] is what comes out (an arena, also filled from other encodings of code objects), `reader` the encoding,
//! [`pyc`] the header of compiled modules.
//!
//! Layout: `Python/marshal.c` of each version of `CPython`.

pub mod objects;
pub mod pyc;

mod reader;

pub use objects::{Code, Id, Layout, Object, Objects};
pub use reader::{Marshal, read, read_any};
