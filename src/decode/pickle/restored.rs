//! Bytes that are unpickled: arguments of loaders, and those in the state of an object whose class unpickles them.

use std::collections::HashSet;

use super::codec;
use super::evidence::{Content, Nested, Purpose};
use super::machine::{By, Machine};
use super::names::looks_like_class;
use super::role::{Role, canonical};
use super::value::{Far, Kind, Value};
use crate::bytes::Exceeded;
use crate::names::{Effect, known};

/// Values of one state that are looked at, those inside its containers counted.
const MOST_VALUES: usize = 1 << 18;
/// Arguments of a loader that are looked at.
const MOST_ARGUMENTS: usize = 8;
/// Shorter bytes are no pickle that reaches anything.
const SHORTEST: usize = 6;
/// Modules whose functions make text or bytes.
const TEXT_MODULES: [&str; 9] =
    ["base64", "binascii", "html", "operator", "re", "string", "textwrap", "urllib.parse", "zlib"];

impl Machine<'_> {
    /// The bytes among the arguments of a loader, as far as they are known.
    pub(super) fn given(&self, role: Role, arguments: Value) -> Vec<Content> {
        let (from, most) = match role {
            Role::Unpickle | Role::UnpickleTorch | Role::Unmarshal | Role::LoadText(_) => (0, MOST_ARGUMENTS),
            Role::UnpickleArgument(place) => (usize::from(place), 1),
            _ => return Vec::new(),
        };
        let items = self.cells.items(arguments).unwrap_or_default();
        // What other calls make of their arguments is not known. It is worth a look where the loader is a finding anyway.
        let any = !matches!(role, Role::UnpickleTorch | Role::UnpickleArgument(_));
        items.into_iter().skip(from).take(most).filter_map(|item| self.bytes_within(item, any)).collect()
    }

    /// The bytes of a value, or those that its buffer is made of: `BytesIO(bytes)`; with `any`, those that any call is
    /// given. A buffer that has been written to does not hold what it was made with.
    fn bytes_within(&self, value: Value, any: bool) -> Option<Content> {
        if self.is_changed(value) || self.states(value).next().is_some() {
            return None;
        }
        if let content @ Some(_) = self.bytes_content(value) {
            return content;
        }
        match self.cells.kind(value) {
            Some(Kind::Call | Kind::Instance) if any || self.keeps_bytes(value) => {
                let first = self.cells.items(self.cells.field(value, 2))?.first().copied()?;
                self.bytes_content(first).filter(|_| !self.is_changed(first))
            }
            _ => None,
        }
    }

    /// True for a buffer or bytes made of the first argument, with the same content.
    pub(super) fn keeps_bytes(&self, made: Value) -> bool {
        self.makes_buffer(self.cells.field(made, 1))
    }

    /// True for what makes them.
    pub(super) fn makes_buffer(&self, callable: Value) -> bool {
        let Value::Global(id) = callable else { return false };
        self.names.get(id).is_some_and(|name| match name.role {
            Role::Buffer => true,
            Role::Function => name.function == "bytearray",
            _ => false,
        })
    }

    /// Hands the bytes in `state` to whoever reads what is nested, if restoring `target` unpickles them. Which of them
    /// the class unpickles is not known, so they all go.
    pub(super) fn hand_over_state(&mut self, target: Value, state: Value, by: By) {
        if !self.unpickles(target) {
            return;
        }
        let (mut left, mut seen, mut cut) = (vec![state], HashSet::new(), false);
        let mut walked: usize = 0;
        while let Some(value) = left.pop() {
            walked = walked.saturating_add(1);
            if walked > MOST_VALUES || self.cells.is_exhausted() {
                cut = true;
                break;
            }
            if let (Value::Node(node), None) = (value, self.encoded_literal(value)) {
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
                    let may_hold = matches!(
                        self.cells.kind(held),
                        None | Some(Kind::Tuple | Kind::List | Kind::Dict | Kind::Set | Kind::Iterator)
                    );
                    cut |= may_hold && matches!(held, Value::Node(_)) && !self.cells.keeps_text(held);
                    left.extend(self.cells.kept_items(held));
                }
            } else if let Some(content) = self.bytes_content(value).filter(|content| content.is_at_least(SHORTEST)) {
                self.evidence.nested(Nested { content, at: by.at, purpose: Purpose::Restored });
            }
        }
        self.cells.charge(walked);
        if cut {
            // Bytes that are unpickled may stand where nobody looked.
            self.evidence.dropped =
                Some(Exceeded { what: "values in a state that is unpickled", limit: MOST_VALUES as u64 });
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
                matches!((module.as_ref(), name.function.as_str()), ("array", "array") | ("struct", "pack"))
                    || module == "builtins"
                        && ["int.", "bytes", "bytearray"].iter().any(|of| name.function.starts_with(of))
                    || module == "numpy" && name.function.starts_with("ndarray.")
                    || !looks_like_class(&name.function) && TEXT_MODULES.contains(&module.as_ref())
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
            Value::Node(_) => self.encoded_literal(value).map(Content::Latin1),
            _ => None,
        }
    }

    /// The text whose characters are the bytes of a value: what pickles below protocol 3 write for bytes, if they are
    /// more than is worked out at once.
    fn encoded_literal(&self, value: Value) -> Option<Far> {
        if self.called_role(value) != Some(Role::Encode) {
            return None;
        }
        let items = self.cells.items(self.cells.field(value, 2))?;
        let [Value::Str(text), codec] = *items.as_slice() else { return None };
        codec::is_latin1(&self.codec_name(codec)?).then_some(text)
    }

    /// The bytes whose characters the text at `at` holds, at most `most`; true if there are more.
    #[must_use]
    pub fn encoded_bytes(&self, at: Far, most: usize) -> Option<(Vec<u8>, bool)> {
        // Characters beyond ASCII take two bytes.
        let cap = most.saturating_mul(2);
        let text = self.content(Value::Str(at), cap)?;
        let is_cut = text.len() >= cap;
        let text = match std::str::from_utf8(&text) {
            Ok(text) => text,
            Err(error) if is_cut && error.error_len().is_none() => {
                std::str::from_utf8(text.get(..error.valid_up_to())?).ok()?
            }
            Err(_) => return None,
        };
        Some((codec::encode_text(text.as_bytes(), "latin1")?, is_cut))
    }
}
