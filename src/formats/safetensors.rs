//! safetensors: placeholder for the compiler; the real reader follows in this series.
use super::{Format, FormatKind, Halt, Probe, Scan};

/// The record.
pub const FORMAT: Format = Format {
    name: "safetensors",
    title: "safetensors",
    kind: FormatKind::Model,
    extensions: &["safetensors"],
    runs_code: false,
    refines: None,
    identify,
    scan,
    checks: "",
    spec: "",
};

fn identify(_: &Probe<'_>) -> bool {
    false
}

fn scan(_: &mut Scan<'_>) -> Result<(), Halt> {
    Ok(())
}
