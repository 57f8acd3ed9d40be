//! Which formats an input is: content first, name second, and a disagreement is a fact.
//!
//! All formats that identify are read: a file that is two formats at once is a known way to show a scanner one and a
//! loader the other.

use super::{FORMATS, Format, FormatKind, compressed};
use crate::bytes::Input;
use crate::extension;
use crate::fact::Fact;

/// Bytes looked at from the front and from the end of an input.
const HEAD: usize = 4096;
/// Covers the longest zip comment, so that an end record is always inside.
const TAIL: usize = 66 << 10;

/// What detection may look at.
pub struct Probe<'a> {
    /// The input.
    pub input: &'a Input,
    /// Its first bytes.
    pub head: Vec<u8>,
    tail: std::cell::OnceCell<Vec<u8>>,
}

impl<'a> Probe<'a> {
    /// Reads the first bytes of `input`.
    ///
    /// # Errors
    /// The source's I/O error.
    pub fn new(input: &'a Input) -> std::io::Result<Self> {
        Ok(Self { input, head: input.read(0, HEAD)?, tail: std::cell::OnceCell::new() })
    }

    /// The last bytes, read when first asked for; empty if they cannot be read.
    pub fn tail(&self) -> &[u8] {
        self.tail.get_or_init(|| {
            let offset = self.input.len().saturating_sub(TAIL as u64);
            self.input.read(offset, TAIL).unwrap_or_default()
        })
    }

    /// Up to `want` bytes from `offset`; empty if they cannot be read.
    #[must_use]
    pub fn read(&self, offset: u64, want: usize) -> Vec<u8> {
        self.input.read(offset, want).unwrap_or_default()
    }
}

/// The outcome of detection.
#[derive(Debug, Default)]
pub struct Detected {
    /// Formats by content, in order of preference; a refinement stands for what it refines.
    pub formats: Vec<&'static Format>,
    /// The extension of the innermost name belongs to model files.
    pub model_extension: bool,
}

/// Finds the formats of an input by its content.
#[must_use]
pub fn detect(probe: &Probe<'_>) -> Detected {
    let mut formats: Vec<&'static Format> = FORMATS.iter().copied().filter(|f| (f.identify)(probe)).collect();
    let refined: Vec<&str> = formats.iter().filter_map(|format| format.refines).collect();
    formats.retain(|format| !refined.contains(&format.name));
    let extension = probe.input.name.extension();
    // An archive of any kind may hold a model; its name promises none, but a broken one must not pass unseen.
    let model_extension = extension::is_model(&extension)
        || FORMATS.iter().any(|f| f.kind != FormatKind::Program && f.extensions.contains(&&*extension));
    Detected { formats, model_extension }
}

impl Detected {
    /// The fact that the name promises something else than the content is, if it does.
    #[must_use]
    pub fn mismatch<'e>(&self, extension: &'e str, empty: bool) -> Option<Fact<'e>> {
        let promised = FORMATS
            .iter()
            .copied()
            .find(|format| format.extensions.first() == Some(&extension) && format.kind == FormatKind::Model)?;
        let first = self.formats.first();
        // A suffix that several formats share promises nothing.
        let shared = FORMATS.iter().filter(|format| format.extensions.contains(&extension)).count() > 1;
        // Compressed, the content has to keep the promise; it has the same name.
        let wrapped = self.formats.iter().any(|format| compressed::is_record(format));
        if empty || shared || wrapped || self.formats.iter().any(|format| format.name == promised.name) {
            return None;
        }
        Some(Fact::Mismatch {
            content: first.map_or("unknown", |format| format.name),
            extension,
            promises_safety: !promised.runs_code,
            runs_code: self.formats.iter().any(|format| format.runs_code),
        })
    }
}
