//! From what a run leaves behind to facts.

use super::FORMAT;
use crate::decode::pickle::{Array, ArrayPlace, Machine};
use crate::decode::pickle::names::{MODULE, Name, Use};
use crate::fact::Fact;
use crate::formats::{Scan, member_path};

/// Where the offsets of a machine lie in the input.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// The machine reads a range of the input that begins here.
    Range(u64),
    /// The machine reads bytes that the opcode at this offset decoded.
    Decoded(u64),
}

impl Place {
    /// An offset of the machine as one of the input.
    pub(super) const fn offset(self, at: u64) -> u64 {
        match self {
            Self::Range(base) => base.saturating_add(at),
            Self::Decoded(at) => at,
        }
    }

    const fn length(self, len: u64) -> u64 {
        match self {
            Self::Range(_) => len,
            Self::Decoded(_) => 0,
        }
    }
}

/// What nested pickles make of the uses that load them: index of the use, word for the fact.
pub(super) type Verdicts = Vec<(u32, &'static str)>;

/// States the names, oddities and strings of a finished run.
pub(super) fn state(scan: &mut Scan<'_>, machine: &Machine<'_>, place: Place, stream: u64, verdicts: &Verdicts) {
    super::code::state(scan, machine, place);
    super::loaders::state(scan, machine, place, stream);
    names(scan, machine, place, stream, verdicts);
    for anomaly in &machine.evidence().anomalies {
        let fact =
            Fact::Opcode { effect: anomaly.effect, opcode: anomaly.opcode, detail: &anomaly.detail, stream };
        scan.fact(place.offset(anomaly.at), place.length(1), fact);
    }
    for array in &machine.evidence().arrays {
        stored_array(scan, array, place);
    }
    for &at in &machine.evidence().texts {
        let text = machine.text_at(at);
        scan.fact(place.offset(at.get()), 0, Fact::Text { text: &text, slot: "pickle-string" });
    }
}

/// States an array that joblib keeps outside the pickle: one in the stream is inventory, one in a file a reference.
fn stored_array(scan: &mut Scan<'_>, array: &Array, place: Place) {
    let at = place.offset(array.at);
    let Array { dtype, shape, .. } = array;
    let mut tensor = |bytes| {
        let name = format!("array at {at:#x}");
        scan.fact(at, 0, Fact::Tensor { name: &name, dtype, shape, bytes });
    };
    match &array.place {
        ArrayPlace::Stream(_, bytes) => tensor(*bytes),
        ArrayPlace::Pickle => tensor(0),
        ArrayPlace::Missing(needed) => {
            let anomaly = if needed.is_some() { "tensor-out-of-bounds" } else { "size-overflow" };
            let detail = format!("{dtype} {shape} at {at:#x}");
            let bytes = needed.unwrap_or(0);
            scan.fact(at, 0, Fact::Structure { anomaly, format: FORMAT.name, detail: &detail, bytes });
        }
        ArrayPlace::File(file) => {
            if let Some(detail) = member_path::escape(file) {
                let (anomaly, container) = ("path-traversal", "joblib");
                scan.fact(at, 0, Fact::Member { anomaly, member: file, container, detail });
            }
            scan.fact(at, 0, Fact::Metadata { key: "array_file", value: file, format: FORMAT.name });
        }
    }
}

fn names(scan: &mut Scan<'_>, machine: &Machine<'_>, place: Place, stream: u64, verdicts: &Verdicts) {
    let names = machine.names();
    let mut used = vec![false; names.all().len()];
    for (index, entry) in (0_u32..).zip(names.uses()) {
        let Some(name) = names.get(entry.name) else { continue };
        if let Some(flag) = usize::try_from(entry.name).ok().and_then(|id| used.get_mut(id)) {
            *flag = true;
        }
        let verdict = verdicts.iter().filter(|(id, _)| *id == index).map(|(_, word)| *word);
        // A loader that is given several pickles is as good as the worst of them.
        let arguments = verdict.reduce(super::nested::worse).unwrap_or(entry.arguments);
        let again = entry.again.len() as u64;
        let calls = entry.calls.digest(&entry.call);
        let used = Some((entry, arguments, calls.as_str()));
        let told = named(name, stream, used, entry.count.saturating_sub(again));
        scan.fact(place.offset(name.at), place.length(name.len), told);
        for &at in &entry.again {
            scan.fact(place.offset(at), place.length(1), named(name, stream, used, 1));
        }
        for text in entry.texts.iter().filter(|text| text.len() >= 8) {
            scan.fact(place.offset(name.at), 0, Fact::Text { text, slot: "argument" });
        }
    }
    for (name, used) in names.all().iter().zip(used) {
        // A module that was fetched for one of its attributes is told with the attribute.
        let way = name.function == MODULE && name.walked >= name.named;
        if !used && !way {
            scan.fact(place.offset(name.at), place.length(name.len), named(name, stream, None, name.named));
        }
    }
}

/// The fact that a name is used, or only referenced, so often.
fn named<'n>(name: &'n Name, stream: u64, entry: Option<(&'n Use, &'static str, &'n str)>, count: u64) -> Fact<'n> {
    let idle = if name.popped >= name.named { "discarded" } else { "referenced" };
    Fact::Global {
        module: &name.module,
        function: &name.function,
        opcode: name.opcode,
        invoked_by: entry.map_or("", |(entry, ..)| entry.by),
        invoked: entry.is_some_and(|(entry, ..)| entry.invoked),
        usage: entry.map_or(idle, |(entry, ..)| entry.usage),
        arguments: entry.map_or("", |(_, arguments, _)| arguments),
        call: entry.map_or("", |(entry, ..)| entry.call.as_str()),
        calls: entry.map_or("", |(.., calls)| calls),
        protocol: u64::from(name.protocol),
        stream,
        count,
    }
}
