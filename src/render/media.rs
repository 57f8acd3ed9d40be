//! Media types of formats, where one is registered or in common use.

/// The media type of a format by its table name.
pub(super) fn of(format: &str) -> Option<&'static str> {
    Some(match format {
        "zip" | "wheel" | "pytorch" | "pytorch-zip" | "torchscript" | "keras" | "keras-zip" | "npz" | "skops"
        | "mar" => "application/zip",
        "tar" | "oci" => "application/x-tar",
        "cpio" => "application/x-cpio",
        "rar" => "application/vnd.rar",
        "gzip" => "application/gzip",
        "bzip2" => "application/x-bzip2",
        "xz" => "application/x-xz",
        "zstd" => "application/zstd",
        "7z" => "application/x-7z-compressed",
        "hdf5" | "keras-h5" => "application/x-hdf5",
        "json" => "application/json",
        "yaml" => "application/yaml",
        "xml" | "pmml" | "openvino" => "application/xml",
        "python" => "text/x-python",
        "text" | "jinja" => "text/plain",
        _ => return None,
    })
}

/// True for formats that only hold other files: not a model by themselves.
pub(super) fn is_archive(format: &str) -> bool {
    matches!(
        format,
        "zip" | "wheel" | "tar" | "gzip" | "bzip2" | "xz" | "zstd" | "lz4" | "7z" | "oci" | "cpio" | "ar" | "rar"
    )
}

/// True for formats that hold text which people write: configuration, source, templates.
pub(super) fn is_text(format: &str) -> bool {
    matches!(format, "json" | "yaml" | "toml" | "xml" | "python" | "text" | "jinja" | "notebook")
}
