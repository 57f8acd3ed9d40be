//! Which file names belong to models.
//!
//! A name decides nothing about content. It decides what is worth a line when a file cannot be read, and which files a
//! changed companion brings into a scan.

/// Extensions that writers give to files with weights, graphs or whole models, with a decoder in this build or without.
const MODELS: &[&str] = &[
    "bin",
    "bst",
    "cbm",
    "ckpt",
    "coreml",
    "dill",
    "engine",
    "ggml",
    "gguf",
    "h5",
    "hdf",
    "hdf5",
    "he5",
    "joblib",
    "keras",
    "llamafile",
    "mar",
    "mlmodel",
    "mnn",
    "model",
    "msgpack",
    "ncnn",
    "nemo",
    "npy",
    "npz",
    "onnx",
    "ort",
    "p",
    "param",
    "params",
    "pb",
    "pbtxt",
    "pck",
    "pdiparams",
    "pdmodel",
    "pdopt",
    "pdparams",
    "pickle",
    "pkl",
    "plan",
    "pmml",
    "pt",
    "pt2",
    "pte",
    "pth",
    "ptl",
    "rda",
    "rdata",
    "rds",
    "rknn",
    "safetensors",
    "skops",
    "t7",
    "tflite",
    "torchscript",
    "trt",
    "ubj",
    "weights",
];

/// True if files of that extension (lower case, no dot) are model files.
#[must_use]
pub fn is_model(extension: &str) -> bool {
    MODELS.binary_search(&extension).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::FormatKind;

    #[test]
    fn the_list_is_sorted_and_knows_what_every_format_is_called() {
        assert!(MODELS.is_sorted());
        for format in crate::formats::FORMATS.iter().filter(|format| format.kind == FormatKind::Model) {
            for extension in format.extensions {
                assert!(is_model(extension), "{} of {}", extension, format.name);
            }
        }
    }
}
