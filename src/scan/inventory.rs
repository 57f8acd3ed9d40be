//! What the engine notes of the facts that pass by.

use std::collections::HashSet;

use crate::bytes::{Input, InputName};
use crate::escape::{CAP, printable};
use crate::fact::{Fact, Location, Sink};
use crate::formats::SOFTWARE;
use crate::report::WeightsOnly;

/// Tensor names that are kept.
const MAX_TENSOR_NAMES: usize = 1000;
/// Metadata entries that are kept.
const MAX_METADATA: usize = 200;

/// What the bill of materials lists, and where programs are no news.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    /// Names of tensors.
    pub(super) tensors: Vec<String>,
    /// How many there are.
    pub(super) tensor_count: u64,
    /// Metadata of the file.
    pub(super) metadata: serde_json::Map<String, serde_json::Value>,
    /// What a loader makes of it that admits only listed names.
    pub(super) weights_only: Option<WeightsOnly>,
    /// Packages that software is installed or run from.
    pub(super) packages: HashSet<InputName>,
}

impl Inventory {
    fn note(&mut self, fact: &Fact<'_>, name: &InputName) {
        match *fact {
            Fact::Component { name: SOFTWARE, .. } => {
                self.packages.insert(name.clone());
            }
            Fact::Tensor { name, .. } => {
                self.tensor_count = self.tensor_count.saturating_add(1);
                if self.tensors.len() < MAX_TENSOR_NAMES {
                    self.tensors.push(printable(name, CAP));
                }
            }
            Fact::Metadata { key, value, .. } if self.metadata.len() < MAX_METADATA => {
                self.metadata.insert(printable(key, CAP), printable(value, CAP).into());
            }
            Fact::Restricted { accepted, refused, .. } => {
                self.weights_only.get_or_insert_with(|| WeightsOnly { accepted, refused: printable(refused, CAP) });
            }
            _ => {}
        }
    }
}

/// Passes facts on and lets the inventory look.
pub(super) struct Tee<'a> {
    /// Who looks.
    pub(super) inventory: &'a mut Inventory,
    /// Who gets them.
    pub(super) sink: &'a mut dyn Sink,
}

impl Sink for Tee<'_> {
    fn input(&mut self, input: &Input, formats: &[&str]) {
        self.sink.input(input, formats);
    }

    fn take(&mut self, fact: &Fact<'_>, location: &Location<'_>) {
        self.inventory.note(fact, location.name);
        self.sink.take(fact, location);
    }
}
