//! Bytes in the state of an object whose class unpickles them when it is restored.

use std::collections::HashSet;

use super::evidence::{Content, Nested, Purpose};
use super::machine::{By, Machine};
use super::names::looks_like_class;
use super::role::canonical;
use super::value::{Kind, Value};
use crate::names::{Effect, known};

/// Values of one state that are looked at, those inside its containers counted.
const MOST_VALUES: usize = 4096;
/// Shorter bytes are no pickle that reaches anything.
const SHORTEST: usize = 6;
/// Modules whose functions make text or bytes.
const TEXT_MODULES: [&str; 9] =
    ["base64", "binascii", "html", "operator", "re", "string", "textwrap", "urllib.parse", "zlib"];

impl Machine<'_> {
    /// Hands the bytes in `state` to whoever reads what is nested, if restoring `target` unpickles them. Which of them
    /// the class unpickles is not known, so they all go.
    pub(super) fn hand_over_state(&mut self, target: Value, state: Value, by: By) {
        if !self.unpickles(target) {
            return;
        }
        let (mut left, mut seen) = (vec![state], HashSet::new());
        for _ in 0..MOST_VALUES {
            let Some(value) = left.pop() else { return };
            if let Value::Node(node) = value {
                if seen.insert(node) {
                    let held = match self.cells.kind(value) {
                        // `BytesIO(bytes)`, and whatever else wraps them: arguments and state.
                        Some(Kind::Call | Kind::Instance) => {
                            if self.is_computed(value) {
                                self.odd("state-computed", by, |machine| {
                                    format!("{} <- {}", machine.show(target), machine.show(value))
                                });
                            }
                            left.extend(self.states(value));
                            self.cells.field(value, 2)
                        }
                        _ => value,
                    };
                    left.extend(self.cells.items(held).unwrap_or_default().into_iter().take(MOST_VALUES));
                }
            } else if let Some(content) = self.bytes_content(value).filter(|content| content.is_at_least(SHORTEST)) {
                self.evidence.nested(Nested { content, at: by.at, purpose: Purpose::Restored });
            }
        }
    }

    /// True for calls that make bytes or text, and were not worked out.
    fn is_computed(&self, value: Value) -> bool {
        if self.cells.kind(value) != Some(Kind::Call) {
            return false;
        }
        let Value::Global(id) = self.cells.field(value, 1) else { return false };
        self.makes_data(value)
            || self.names.get(id).is_some_and(|name| {
                let module = canonical(&name.module);
                matches!((module, name.function.as_str()), ("array", "array") | ("struct", "pack"))
                    || module == "builtins"
                        && ["int.", "bytes", "bytearray"].iter().any(|of| name.function.starts_with(of))
                    || module == "numpy" && name.function.starts_with("ndarray.")
                    || !looks_like_class(&name.function) && TEXT_MODULES.contains(&module)
            })
    }

    fn unpickles(&self, target: Value) -> bool {
        let Value::Global(id) = self.cells.field(target, 1) else { return false };
        self.names.get(id).is_some_and(|name| {
            known(&name.module, &name.function).and_then(|known| known.restored) == Some(Effect::Deserialises)
        })
    }

    /// The bytes of a value that is bytes or text, where they are or as they were computed.
    pub(super) fn bytes_content(&self, value: Value) -> Option<Content> {
        match value {
            Value::Bytes(far) | Value::Str(far) => match self.extent(far) {
                Some((_, extent)) if extent.len != u64::MAX => Some(Content::Extent(extent)),
                _ => self.whole(value).map(Content::Owned),
            },
            Value::Computed(_) => self.whole(value).map(Content::Owned),
            _ => None,
        }
    }
}
