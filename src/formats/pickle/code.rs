//! Code objects in a pickle: built out of their parts, or given to `marshal.loads`.

use super::facts::Place;
use super::nested;
use crate::decode::pickle::{Machine, Purpose};
use crate::formats::Scan;
use crate::formats::python_code::Gathered;

/// Marshalled bytes of one stream that are looked at.
const LONGEST: usize = 32 << 20;

/// States the code that a finished run has met.
pub(super) fn state(scan: &mut Scan<'_>, machine: &Machine<'_>, place: Place) {
    let evidence = machine.evidence();
    let mut functions = Gathered::new("function");
    for code in &evidence.codes {
        let at = place.offset(code.at);
        if code.read {
            functions.add(&code.objects, at, None);
        } else {
            functions.add_unreadable(at);
        }
    }
    if evidence.codes_cut {
        functions.cut();
    }
    let mut marshalled = Gathered::new("marshal");
    let mut left = LONGEST;
    for nested in evidence.nested.iter().filter(|nested| nested.purpose == Purpose::Unmarshalled) {
        let at = place.offset(nested.at);
        match nested::bytes_of(machine, nested, place, left) {
            Some(bytes) => {
                // The same bytes may be loaded again and again.
                left = left.saturating_sub(bytes.len().max(4096));
                marshalled.add_marshalled(&bytes, at);
            }
            None => marshalled.add_unreadable(at),
        }
    }
    functions.state(scan, evidence.runs_code);
    marshalled.state(scan, evidence.runs_code);
}
