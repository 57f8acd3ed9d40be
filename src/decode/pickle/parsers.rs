//! Python text in a state: `SciPy`'s distributions keep the source of their argument parsers and run it when restored.

use super::lookup::MOST_STATE;
use super::machine::{By, Machine};
use super::role::Role;
use super::value::{Kind, Value};

/// Package whose objects do that.
const PACKAGE: &str = "scipy.stats";
/// How their classes are called there, and in packages that derive from them.
const PREFIX: &str = "rv_";
const SUFFIX: &str = "_gen";
/// The entry of the state that is run.
const ENTRY: &[u8] = b"_parse_arg_template";

impl Machine<'_> {
    /// States the text that restoring `target` would run, unless it is what `SciPy` writes itself.
    pub(super) fn note_parsers(&mut self, target: Value, state: Value, by: By) {
        let distribution = matches!(self.cells.field(target, 1), Value::Global(id)
            if self.names.get(id).is_some_and(|name| is_distribution(&name.module, &name.function)));
        let readable = match self.cells.kind(state) {
            Some(Kind::Dict) => self.has_plain_keys(state),
            // The state of SciPy before 1.6: constructor arguments, random state.
            Some(Kind::Tuple) => self.cells.items(state).is_some_and(|items| {
                matches!(items[..], [first, _] if self.cells.kind(first) == Some(Kind::Dict) && self.has_plain_keys(first))
            }) && !self.mentions(state),
            _ => false,
        };
        // An object out of a container or a call that is not followed may be a distribution. A number is no state of one.
        let number = matches!(state, Value::None | Value::Bool(_) | Value::Int(_) | Value::Number(_));
        let hidden = !readable && !number && self.is_hidden(target) && self.cells.kind(state) != Some(Kind::Tuple);
        if distribution && !readable || hidden {
            self.odd("state-code", by, |machine| format!("state of {} cannot be read", machine.show(target)));
            return;
        }
        for (key, value) in self.state_pairs(state) {
            if self.content(key, ENTRY.len().saturating_add(1)).as_deref() == Some(ENTRY) {
                let text = self.whole(value).and_then(|text| String::from_utf8(text).ok());
                if !text.is_some_and(|text| is_parser(&text)) {
                    self.odd("state-code", by, |machine| {
                        format!("_parse_arg_template of {} = {}", machine.show(target), machine.show(value))
                    });
                }
            }
        }
    }

    /// True if it cannot be told of which class the object is.
    pub(super) fn is_hidden(&self, target: Value) -> bool {
        target == Value::Unknown
            || self.called_role(target).is_some_and(|role| {
                matches!(
                    role,
                    Role::Forward { .. } | Role::Function | Role::Keyed(_) | Role::GetItem | Role::BoundGetItem
                )
            })
    }

    /// True if all keys of a dict are texts of the file, and not more than are compared.
    fn has_plain_keys(&self, dict: Value) -> bool {
        let Some(items) = self.cells.items(dict) else { return false };
        items.len().div_euclid(2) <= MOST_STATE
            && items.chunks_exact(2).all(|pair| pair.first().is_some_and(|&key| self.content(key, 1).is_some()))
    }

    /// True if the first dict of an old state has the entry: Python would read such a tuple as pairs.
    fn mentions(&self, state: Value) -> bool {
        let first = self.cells.items(state).and_then(|items| items.first().copied());
        let pairs = first.map(|dict| self.state_pairs(dict)).unwrap_or_default();
        pairs.iter().any(|&(key, _)| self.content(key, ENTRY.len().saturating_add(1)).as_deref() == Some(ENTRY))
    }
}

/// True for the classes that run text of their state.
pub(super) fn is_distribution(module: &str, function: &str) -> bool {
    let inside = module.strip_prefix(PACKAGE).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    function.ends_with(SUFFIX) || inside && function.starts_with(PREFIX)
}

/// True for the functions that `SciPy` generates: they take names with defaults and return them.
fn is_parser(text: &str) -> bool {
    text.lines().filter(|line| !line.trim_ascii().is_empty()).all(|line| {
        let signature = line
            .strip_prefix("def _parse_args(self,")
            .or_else(|| line.strip_prefix("def _parse_args_rvs(self,"))
            .or_else(|| line.strip_prefix("def _parse_args_stats(self,"))
            .and_then(|rest| rest.strip_suffix("):"));
        let result = line.strip_prefix("    return (").and_then(|rest| rest.split_once(')'));
        let check = line.strip_prefix("    return self._argcheck_rvs(").and_then(|rest| rest.strip_suffix(')'));
        match (signature, result, check) {
            (Some(parameters), _, _) => is_list(&parameters.replacen("moments='mv'", "moments", 1)),
            (_, Some((shapes, others)), _) => is_list(shapes) && is_list(others),
            (_, _, Some(arguments)) => is_list(arguments),
            _ => false,
        }
    })
}

/// Names and numbers with commas, spaces and defaults between: nothing that Python would call or look up.
fn is_list(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_ ,=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::is_parser;

    #[test]
    fn only_generated_parsers_are_parsers() {
        let gamma = "\ndef _parse_args(self, a,  loc=0, scale=1):\n    return (a, ), loc, scale\n\n\
                     def _parse_args_rvs(self, a,  loc=0, scale=1, size=None):\n    \
                     return self._argcheck_rvs(a,  loc, scale, size=size)\n\n\
                     def _parse_args_stats(self, a,  loc=0, scale=1, moments='mv'):\n    \
                     return (a, ), loc, scale, moments\n";
        assert!(is_parser(gamma));
        for other in [
            "import os",
            "def _parse_args(self, a=print(1)):",
            "def _parse_args(self, a=(1)):",
            "    return (print(1)), loc",
            "    return (a), print(1)",
            "    return self._argcheck_rvs(a.b)",
            "def _parse_args(self, a): import os",
            "def _parse_args(self, a=b.c):",
            "def _parse_args(self, a='x'):",
        ] {
            assert!(!is_parser(&format!("{gamma}{other}\n")), "{other}");
            assert!(!is_parser(&gamma.replacen("\n\n", &format!("\r{other}\n\n"), 1)), "{other}");
        }
    }
}
