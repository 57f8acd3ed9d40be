//! HDF5: groups, datasets and attributes, in which Keras, `PyTables` and pandas keep models and tables.
//!
//! The format has no code in it, but `PyTables` and `pandas.read_hdf` unpickle what they find there: every attribute
//! whose text is a pickle, when it is asked for, and every row of a `VLArray` that says it holds objects. Both are
//! interpreted here (`pickles`). Data that a file takes from others is how it reads what its author could not (S1116).
//!
//! ```text
//! model.h5 ─▶ groups and datasets, each object once, however many links lead to it
//!               ├── @attribute   a pickle: an input of its own, model.h5!/group/node@attribute
//!               ├── rows         pickles: one input for the dataset, model.h5!/group/node
//!               └── links, storage and virtual datasets that leave the file: facts
//! ```
//!
//! Specification: <https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html>

mod paths;
mod pickles;

use std::collections::HashSet;
use std::sync::Arc;

use super::member_path::escape;
use super::region::undescribed;
use super::{Format, FormatKind, Halt, Probe, Scan, archive_tar};
use crate::bytes::Malformed;
use crate::decode::hdf5::{self, Attribute, Dataset, File, Object, Storage, Target};
use crate::fact::Fact;
use paths::Paths;

/// The record.
pub const FORMAT: Format = Format {
    name: "hdf5",
    title: "HDF5",
    kind: FormatKind::Model,
    extensions: &["h5", "hdf5", "hdf", "he5"],
    runs_code: true,
    refines: None,
    identify,
    scan,
    checks: "groups, attributes and datasets in all their storage forms; the pickles of PyTables and pandas in \
             attributes and object rows; links, storage and virtual datasets in other files; data behind the end",
    spec: "https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html",
};

/// Work that an object costs beside its bytes; it bounds how many there can be.
const OBJECT: u64 = 256;
/// Faults of one file that are told of.
const MOST_FAULTS: u32 = 64;
/// Longest text of an attribute of the root that is told of.
const LONGEST_TEXT: usize = 256;

/// Does a superblock stand where the library looks for one? That of a file in a TAR archive may: it begins where the
/// data of the member does, and is read as what it is.
fn identify(probe: &Probe<'_>) -> bool {
    let named = || FORMAT.extensions.contains(&probe.input.name.extension().as_str());
    match hdf5::signature(|at, want| probe.read(at, want), probe.input.len()) {
        Some(0) => true,
        Some(at) => named() || !archive_tar::hands_on(probe, |start, _| start == at),
        None => false,
    }
}

impl From<hdf5::Stop> for Halt {
    fn from(stop: hdf5::Stop) -> Self {
        match stop {
            hdf5::Stop::Read(error) => error.into(),
            hdf5::Stop::Limit(exceeded) => exceeded.into(),
            hdf5::Stop::Unsupported(what) => Self::Unsupported(what),
        }
    }
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let source = Arc::clone(&scan.input.source);
    let file = File::open(&*source, scan.budget)?;
    let user = match file.user_block() {
        0 => String::new(),
        bytes => format!(", behind {bytes} bytes of the user's own"),
    };
    let detail = format!("superblock version {}{user}", file.version);
    scan.whole(Fact::Component { name: FORMAT.name, detail: &detail });
    let mut walk =
        Walk { file: &file, paths: Paths::default(), seen: HashSet::new(), pickled: HashSet::new(), told: 0, keras: false };
    walk.run(scan)?;
    if walk.keras {
        // Silence about layers that may hold code would be taken for their absence.
        scan.halt(&Halt::Unsupported("the layers that Keras makes of model_config"));
    }
    let end = file.end.min(source.len());
    if file.end > source.len() {
        return Err(Malformed { at: source.len(), what: "the file is shorter than its superblock says" }.into());
    }
    undescribed(scan, (end, source.len().saturating_sub(end)), "trailing-bytes", "object", "<trailing>".to_owned())
}

/// A walk over the objects of a file.
struct Walk<'f> {
    file: &'f File<'f>,
    /// The objects found, each with the first path to it.
    paths: Paths,
    /// Their addresses.
    seen: HashSet<u64>,
    /// Values that were looked at: many attributes may share one.
    pickled: HashSet<hdf5::Range>,
    /// Faults so far.
    told: u32,
    /// True if the root holds the configuration of a Keras model.
    keras: bool,
}

impl Walk<'_> {
    fn run(&mut self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        self.seen.insert(self.file.root);
        self.paths.root(self.file.root);
        let mut next = 0;
        while let Some(address) = self.paths.address(next) {
            scan.budget.take_work(OBJECT)?;
            match self.file.object(address) {
                Ok(object) => {
                    self.object(scan, next, &object)?;
                    self.members(scan, next, &object)?;
                }
                Err(stop) => self.tell(scan, stop)?,
            }
            for fault in self.file.take_faults() {
                self.tell(scan, fault)?;
            }
            next = next.saturating_add(1);
        }
        Ok(())
    }

    /// States what could not be read, the first few times; a limit ends the walk.
    fn tell(&mut self, scan: &mut Scan<'_>, stop: hdf5::Stop) -> Result<(), Halt> {
        match Halt::from(stop) {
            halt @ (Halt::Malformed(_) | Halt::Unsupported(_)) => {
                if self.told < MOST_FAULTS {
                    scan.halt(&halt);
                }
                self.told = self.told.saturating_add(1);
                Ok(())
            }
            halt => Err(halt),
        }
    }

    /// Reads the attributes and the elements of one object.
    fn object(&mut self, scan: &mut Scan<'_>, number: usize, object: &Object) -> Result<(), Halt> {
        let path = self.paths.of(number);
        let mut objects = false;
        let Self { file, pickled, keras, .. } = self;
        file.attributes(object, |attribute| {
            objects |= pickles::says_objects(file, &attribute)?;
            if number == 0 {
                *keras |= attribute.name == "model_config";
                describe(scan, file, &attribute)?;
            }
            pickles::attribute(scan, file, &path, &attribute, pickled)
        })?;
        let dataset = match self.file.dataset(object) {
            Ok(dataset) => dataset,
            Err(stop) => {
                self.tell(scan, stop)?;
                None
            }
        };
        let Some(dataset) = dataset else { return Ok(()) };
        self.dataset(scan, &path, object, &dataset)?;
        if objects {
            pickles::rows(scan, self.file, path, &dataset)?;
        }
        Ok(())
    }

    /// States what a dataset is, and which other files it takes its elements from.
    fn dataset(&self, scan: &mut Scan<'_>, path: &str, object: &Object, dataset: &Dataset) -> Result<(), Halt> {
        let bytes = dataset.elements.and_then(|elements| elements.checked_mul(dataset.datatype.size));
        let (shape, dtype) = (format!("{:?}", dataset.shape), dataset.datatype.name());
        scan.whole(Fact::Tensor { name: path, dtype: &dtype, shape: &shape, bytes: bytes.unwrap_or(0) });
        if bytes.is_none() {
            let (anomaly, detail) = ("size-overflow", format!("{path}: the elements of the shape {shape}"));
            scan.whole(Fact::Structure { anomaly, format: FORMAT.name, detail: &detail, bytes: 0 });
        }
        for (file, at) in &dataset.external {
            let detail = format!("the raw elements of {path}");
            let member = Fact::Member { anomaly: "external-storage", member: file, container: FORMAT.name, detail: &detail };
            scan.fact(*at, 0, member);
        }
        if let Storage::Virtual = dataset.storage {
            for file in self.file.sources(object)? {
                foreign(scan, self.file.user_block().saturating_add(object.address), &file, &format!("the virtual dataset {path}"));
            }
        }
        let Storage::Whole(range) = dataset.storage else { return Ok(()) };
        // What a cut file has lost is told once, for the file.
        let most = self.file.end.max(scan.input.len());
        if dataset.external.is_empty() && range.at.checked_add(range.len).is_none_or(|end| end > most) {
            let detail = format!("{path}: {} bytes at {:#x}", range.len, range.at);
            let format = FORMAT.name;
            let anomaly = "tensor-out-of-bounds";
            scan.fact(range.at, 0, Fact::Structure { anomaly, format, detail: &detail, bytes: range.len });
        }
        Ok(())
    }

    /// Puts the members of a group on the list.
    fn members(&mut self, scan: &mut Scan<'_>, number: usize, object: &Object) -> Result<(), Halt> {
        let Self { file, paths, seen, .. } = self;
        Ok(file.links(object, |link| {
            match link.target {
                Target::Hard(address) => {
                    if seen.insert(address) {
                        scan.budget.take_work(OBJECT)?;
                        paths.add(number, link.name, address);
                    }
                }
                // What it leads to is reached on another way, or is not there.
                Target::Soft(_) => {}
                Target::External { file, .. } => {
                    foreign(scan, link.at, &file, &format!("the link {}", paths.below(number, &link.name)));
                }
                Target::UserDefined(kind) => {
                    let what = format!("the link {} of kind {kind}", paths.below(number, &link.name));
                    foreign(scan, link.at, "of a program's own", &what);
                }
            }
            Ok(())
        })?)
    }
}

/// States the text of an attribute of the root: which program wrote the file, and what for.
fn describe(scan: &mut Scan<'_>, file: &File<'_>, attribute: &Attribute) -> Result<(), hdf5::Stop> {
    if let Some(value) = file.text_of(attribute, LONGEST_TEXT)? {
        scan.whole(Fact::Metadata { key: &attribute.name, value: &value, format: FORMAT.name });
    }
    Ok(())
}

/// States that a part of the file is in another HDF5 file.
fn foreign(scan: &mut Scan<'_>, at: u64, file: &str, what: &str) {
    let reason = escape(file);
    let anomaly = if reason.is_some() { "external-data-outside" } else { "external-data" };
    let detail = reason.map_or_else(|| what.to_owned(), |reason| format!("{what}, {reason}"));
    scan.fact(at, 0, Fact::Member { anomaly, member: file, container: FORMAT.name, detail: &detail });
}
