//! The Python functions whose effect on names and values the machine knows.
//!
//! This is knowledge about Python, not about danger: a role says what the result is and what gets called on the way,
//! so that the last name of a chain can be stated. Whether that name is harmful is for the rules.

use std::borrow::Cow;

use super::evidence::TextLoader;
use crate::names;

/// What the machine knows about an imported object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing: calling it is a call.
    Plain,
    /// `getattr(object, name[, default])`.
    GetAttr,
    /// `setattr(object, name, value)`.
    SetAttr,
    /// The name ends in `.__setattr__`: bound to what stands before.
    BoundSetAttr,
    /// The name ends in `.__getattribute__` or `.__getattr__`: bound to what stands before.
    BoundGetAttr,
    /// The name ends in `.__getitem__` or `.get` of a namespace: bound to what stands before.
    BoundGetItem,
    /// The name ends in `.__call__`: the same as what stands before.
    BoundCall,
    /// `attrgetter(names…)`: an object that is called.
    AttrGetter,
    /// `itemgetter(keys…)`.
    ItemGetter,
    /// `methodcaller(name, arguments…)`.
    MethodCaller,
    /// `getitem(object, key)`, `dict.get`, `dict.__getitem__`.
    GetItem,
    /// `setitem(object, key, value)`.
    SetItem,
    /// `vars(object)`.
    Vars,
    /// `globals()`, `locals()`.
    Globals,
    /// `__import__(name)`: the root package of a dotted name, unless a list of names is given.
    Import,
    /// `import_module(name)` and relatives: the module itself.
    ImportModule,
    /// `resolve_name("module:path")` and relatives.
    Locate,
    /// `partial(function, arguments…)`, `MethodType(function, object)`.
    Partial,
    /// Calls one of its arguments.
    Forward {
        /// Which.
        callee: u8,
        /// With what.
        pass: Pass,
    },
    /// `max`, `min`, `sorted`, `nlargest`: call the argument `key`, which has this place if it may stand without its name.
    Keyed(Option<u8>),
    /// `_reconstructor(class, base, state)`, `numpy._reconstruct(class, …)`: an instance of the first argument.
    Instance,
    /// `__newobj__(class, arguments…)` and `object.__new__`.
    NewObj,
    /// `__newobj_ex__(class, arguments, keywords)`.
    NewObjEx,
    /// `add_extension(module, name, code)`.
    AddExtension,
    /// Makes a code object out of its parts.
    CodeMaker,
    /// Makes a function out of a code object: the result runs it when called.
    FunctionMaker,
    /// Makes a class: the result is called to make instances.
    ClassMaker,
    /// `_builtin_type(name)`, `_load_type(name)`: a type of the module `types`.
    TypeByName,
    /// `_create_namedtuple(name, fields, module)`: a class of that module.
    ClassByName,
    /// `str.join` and relatives: a method called through its class.
    StringMethod,
    /// `chr`, `str`, `bytes`, `list`, `reversed`…: evaluated by the name.
    Function,
    /// `encode(object, encoding)`.
    Encode,
    /// `decode(object, encoding)`.
    Decode,
    /// A decoder of base64, hexadecimal, zlib…: evaluated by the name.
    Decoder,
    /// Reads a pickle from bytes that it is given.
    Unpickle,
    /// The same with the persistent ids of `PyTorch`.
    UnpickleTorch,
    /// A class whose instances make an object of the class that they are called with.
    ClassCaller,
    /// Makes a class of `SymPy` for a function without a definition.
    UndefinedFunction,
    /// Unpickles its argument at this place, and makes an object of its own out of what comes of it.
    UnpickleArgument(u8),
    /// Reads code objects from bytes.
    Unmarshal,
    /// Makes objects out of text of another format.
    LoadText(TextLoader),
    /// `BytesIO(bytes)`: the bytes, for a loader.
    Buffer,
    /// Opens a file; the mode decides.
    Open,
    /// `_create_array(function, arguments, state[, attributes])`: calls the function, then sets the state of the result.
    Rebuild,
    /// Makes a container out of the items of its arguments: an object among them runs its own code.
    Container,
    /// Reads a file if the argument in this place names one.
    Reader(u8),
}

/// The arguments with which [`Role::Forward`] calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Each item of the next argument.
    Each,
    /// Each item of the next argument, to choose among them.
    Choose,
    /// Each item of the argument before.
    EachBefore,
    /// Each tuple in the next argument.
    Star,
    /// The result so far and each item of the next argument.
    Fold,
    /// All later arguments.
    Rest,
    /// The items of the next argument.
    Spread,
    /// Something that the loader decides later.
    Opaque,
    /// The same, if the argument is there.
    Later,
    /// The arguments before.
    Before,
    /// The items of the argument after the next.
    SpreadLater,
}

/// The public name of a module that has been renamed, has a twin in C or is a copy.
#[must_use]
pub fn canonical(module: &str) -> Cow<'_, str> {
    let public = names::canonical(module);
    match public.as_ref() {
        "_codecs" => "codecs".into(),
        "importlib._bootstrap" => "importlib".into(),
        "cloudpickle.cloudpickle_fast" => "cloudpickle.cloudpickle".into(),
        // joblib, numba, ray and Spark bring their own copy.
        other if other.ends_with(".cloudpickle.cloudpickle") || other.ends_with(".cloudpickle.cloudpickle_fast") => {
            "cloudpickle.cloudpickle".into()
        }
        other if other.ends_with(".cloudpickle") && other != "cloudpickle.cloudpickle" => "cloudpickle".into(),
        _ => public,
    }
}

/// What is known about `module.function`.
#[must_use]
pub(super) fn role(module: &str, function: &str) -> Role {
    let known = role_of(&canonical(module), function);
    match names::from_python2(module, function) {
        // A file of Python 2 means the name that has taken its place.
        Some((module, function)) if known == Role::Plain => role_of(&names::canonical(module), &function),
        _ => known,
    }
    .or_bound(function)
}

fn role_of(module: &str, function: &str) -> Role {
    match module {
        "builtins" => builtin(function),
        "operator" => operator(function),
        "functools" | "itertools" => tools(function),
        "codecs" | "base64" | "binascii" | "zlib" | "gzip" | "bz2" | "lzma" | "_lzma" | "_bz2" | "uu" | "quopri"
        | "zstandard" | "lz4.frame" | "pyzstd" | "compression.bz2" | "compression.gzip" | "compression.lzma"
        | "compression.zlib" | "compression.zstd" => codec(module, function),
        "pickle"
        | "dill"
        | "dill._dill"
        | "cloudpickle"
        | "cloudpickle.cloudpickle"
        | "joblib.numpy_pickle"
        | "joblib"
        | "copyreg"
        | "torch"
        | "torch.storage"
        | "torch.serialization"
        | "marshal"
        | "torch.utils._config_module"
        | "lib2to3.pgen2.grammar"
        | "pandas"
        | "pandas.io.pickle"
        | "jsonpickle"
        | "jsonpickle.unpickler"
        | "new"
        | "yaml"
        | "ruamel.yaml"
        | "types" => library(module, function),
        _ => other(module, function),
    }
}

impl Role {
    /// Names that end in a method of the object before them.
    fn or_bound(self, function: &str) -> Self {
        if self != Self::Plain {
            return self;
        }
        let last = function.rsplit('.').next().unwrap_or(function);
        let before = function.strip_suffix(last).unwrap_or_default().trim_end_matches('.');
        let namespace = ["__dict__", "__globals__", "__builtins__", "modules"].iter().any(|end| before.ends_with(end));
        match last {
            "__call__" if !before.is_empty() => Self::BoundCall,
            "__setattr__" => Self::BoundSetAttr,
            "__getattribute__" | "__getattr__" => Self::BoundGetAttr,
            "__getitem__" | "get" | "pop" | "setdefault" if namespace => Self::BoundGetItem,
            "__new__" if !before.is_empty() => Self::NewObj,
            _ => Self::Plain,
        }
    }
}

const fn forward(callee: u8, pass: Pass) -> Role {
    Role::Forward { callee, pass }
}

fn builtin(function: &str) -> Role {
    match function {
        "getattr" | "object.__getattribute__" | "type.__getattribute__" => Role::GetAttr,
        "setattr" | "object.__setattr__" | "type.__setattr__" => Role::SetAttr,
        "dict.get" | "dict.__getitem__" | "dict.pop" | "dict.setdefault" | "list.__getitem__" | "tuple.__getitem__"
        | "str.__getitem__" | "list.pop" => Role::GetItem,
        "dict.__setitem__" | "list.__setitem__" => Role::SetItem,
        "vars" => Role::Vars,
        "globals" | "locals" => Role::Globals,
        "__import__" => Role::Import,
        "apply" => forward(0, Pass::Spread),
        "map" | "imap" => forward(0, Pass::Each),
        "filter" => forward(0, Pass::Choose),
        "reduce" => forward(0, Pass::Fold),
        "iter" => forward(0, Pass::Opaque),
        "max" | "min" | "sorted" | "list.sort" => Role::Keyed(None),
        "type" => Role::ClassMaker,
        "object.__new__" => Role::NewObj,
        "open" | "file" => Role::Open,
        "chr" | "unichr" | "ord" | "str" | "unicode" | "bytes" | "bytearray" | "list" | "tuple" | "dict" | "next"
        | "reversed" | "slice" | "int" | "format" | "hex" | "ascii" | "repr" | "set" | "frozenset" => Role::Function,
        "bytes.fromhex" | "bytearray.fromhex" => Role::Decoder,
        _ if ["str.", "bytes.", "bytearray.", "unicode."].iter().any(|of| function.starts_with(of)) => {
            Role::StringMethod
        }
        _ => Role::Plain,
    }
}

fn operator(function: &str) -> Role {
    match function {
        "attrgetter" => Role::AttrGetter,
        "itemgetter" => Role::ItemGetter,
        "methodcaller" => Role::MethodCaller,
        "getitem" | "__getitem__" => Role::GetItem,
        "setitem" | "__setitem__" => Role::SetItem,
        "call" | "__call__" => forward(0, Pass::Rest),
        "add" | "concat" | "__add__" | "__concat__" | "iadd" | "iconcat" | "mul" | "__mul__" | "mod" | "__mod__"
        | "imul" | "repeat" => Role::Function,
        _ => Role::Plain,
    }
}

fn tools(function: &str) -> Role {
    match function {
        "partial" | "partialmethod" => Role::Partial,
        "reduce" => forward(0, Pass::Fold),
        "chain"
        | "combinations"
        | "combinations_with_replacement"
        | "compress"
        | "cycle"
        | "islice"
        | "izip"
        | "izip_longest"
        | "pairwise"
        | "permutations"
        | "product"
        | "zip_longest"
        | "batched" => Role::Container,
        "map" | "imap" => forward(0, Pass::Each),
        "filterfalse" | "ifilter" | "ifilterfalse" | "takewhile" | "dropwhile" => forward(0, Pass::Choose),
        "starmap" => forward(0, Pass::Star),
        "accumulate" | "groupby" => forward(1, Pass::EachBefore),
        _ => Role::Plain,
    }
}

fn codec(module: &str, function: &str) -> Role {
    match (module, function) {
        ("codecs", "encode") => Role::Encode,
        ("codecs", "decode") => Role::Decode,
        ("codecs", "open") => Role::Open,
        ("codecs", "escape_decode" | "utf_8_decode" | "latin_1_decode") => Role::Plain,
        (_, name) if name.contains("decode") || name.contains("decompress") => Role::Decoder,
        ("binascii", "unhexlify") => Role::Decoder,
        ("binascii", name) if name.starts_with("a2b_") => Role::Decoder,
        _ => Role::Plain,
    }
}

fn library(module: &str, function: &str) -> Role {
    match (module, function) {
        ("types", "CodeType") | ("new", "code") | ("dill._dill", "_create_code") => Role::CodeMaker,
        ("types", "FunctionType" | "LambdaType")
        | ("new", "function")
        | ("dill._dill", "_create_function")
        | ("cloudpickle.cloudpickle", "_make_function" | "_make_skel_func" | "_fill_function") => Role::FunctionMaker,
        ("jsonpickle", "decode" | "loads") | ("jsonpickle.unpickler", "decode") => {
            Role::LoadText(TextLoader::Jsonpickle)
        }
        ("yaml" | "ruamel.yaml", name) if name.contains("load") => Role::LoadText(TextLoader::Yaml),
        ("types", "MethodType") => Role::Partial,
        ("types", "new_class") => Role::ClassMaker,
        ("copyreg", "_reconstructor") => Role::Instance,
        ("copyreg", "__newobj__") => Role::NewObj,
        ("copyreg", "__newobj_ex__") => Role::NewObjEx,
        ("copyreg", "add_extension") => Role::AddExtension,
        ("torch.storage", "_load_from_bytes") | ("torch" | "torch.serialization", "load") => Role::UnpickleTorch,
        ("marshal", "loads" | "load") => Role::Unmarshal,
        (
            "pickle" | "dill" | "dill._dill" | "cloudpickle" | "cloudpickle.cloudpickle",
            "loads" | "load" | "_loads" | "_load",
        )
        | ("pickle", "Unpickler" | "_Unpickler")
        | ("joblib" | "joblib.numpy_pickle", "load" | "_unpickle")
        | ("torch.utils._config_module", "ConfigModule.load_config")
        | ("lib2to3.pgen2.grammar", "Grammar.loads")
        | ("pandas" | "pandas.io.pickle", "read_pickle") => Role::Unpickle,
        ("dill._dill", "_load_type") | ("cloudpickle.cloudpickle" | "cloudpickle", "_builtin_type") => Role::TypeByName,
        ("dill._dill", "_import_module") | ("cloudpickle.cloudpickle" | "cloudpickle", "subimport") => {
            Role::ImportModule
        }
        ("dill._dill", "_get_attr" | "_getattribute") => Role::GetAttr,
        ("dill._dill", "_create_array") => Role::Rebuild,
        ("dill._dill", "_create_namedtuple") => Role::ClassByName,
        ("dill._dill", "_create_type" | "_create_class")
        | (
            "cloudpickle.cloudpickle" | "cloudpickle",
            "_make_skeleton_class" | "_make_skeleton_enum" | "_rehydrate_skeleton_class" | "_make_dict_keys",
        ) => Role::ClassMaker,
        _ => Role::Plain,
    }
}

fn other(module: &str, function: &str) -> Role {
    match (module, function) {
        ("importlib", "import_module" | "__import__" | "_gcd_import" | "reload" | "load_module") => Role::ImportModule,
        ("pkgutil", "resolve_name")
        | ("pydoc", "locate" | "safeimport" | "resolve")
        | ("django.utils.module_loading", "import_string")
        | ("hydra.utils", "get_method" | "get_class" | "get_object" | "get_static_method")
        | ("hydra._internal.utils", "_locate")
        | ("logging.config", "_resolve")
        | ("unittest.mock", "_importer" | "_dot_lookup")
        | ("test.support.import_helper", "import_module")
        | ("xmlrpc.server", "resolve_dotted_attribute") => Role::Locate,
        ("hydra._internal.target_policy", "_DeferredTarget") => Role::Partial,
        ("inspect", "getattr_static") | ("multiprocessing.reduction", "_reduce_method") => Role::GetAttr,
        ("io", "open" | "FileIO" | "open_code") | ("pathlib", "Path.open" | "PosixPath.open") => Role::Open,
        ("io", "BytesIO" | "BufferedReader" | "StringIO") => Role::Buffer,
        ("torch_geometric.data.batch", "DynamicInheritanceGetter") => Role::ClassCaller,
        ("sympy.core.function", "_rebuild_undef") => Role::UndefinedFunction,
        // What numba compiles, and the parts of objects of spaCy that are pickles of their own.
        ("numba.core.serialize", "_unpickle__CustomPickled") => Role::UnpickleArgument(0),
        ("spacy.tokens.doc", "unpickle_doc") => Role::UnpickleArgument(1),
        ("spacy.vocab", "unpickle_vocab") => Role::UnpickleArgument(4),
        ("heapq", "nlargest" | "nsmallest") => Role::Keyed(Some(2)),
        // The replacement may be a function.
        ("re", "sub" | "subn" | "Pattern.sub" | "Pattern.subn") => Role::Keyed(Some(1)),
        ("atexit", "register") => forward(0, Pass::Rest),
        ("weakref", "finalize") | ("signal", "signal") => forward(1, Pass::Rest),
        ("weakref", "ref") | ("configparser", "ConfigParser" | "RawConfigParser") => forward(1, Pass::Later),
        ("difflib", "SequenceMatcher") => forward(0, Pass::Later),
        ("numpy.random._pickle", "__generator_ctor" | "__randomstate_ctor") => forward(1, Pass::Before),
        ("torch._tensor" | "torch.tensor", "_rebuild_from_type_v2") => forward(0, Pass::SpreadLater),
        ("torch._tensor" | "torch.tensor", "_rebuild_from_type") => forward(0, Pass::SpreadLater),
        ("jax._src.array", "_reconstruct_array") | ("numba.core.types.abstract", "_type_reconstructor") => {
            forward(0, Pass::Spread)
        }
        ("collections", "deque" | "Counter" | "OrderedDict" | "ChainMap" | "UserDict" | "UserList" | "UserString")
        | ("array", "array")
        | ("numpy" | "numpy.core.multiarray" | "numpy._core.multiarray", "array" | "asarray" | "asanyarray")
        | ("graphlib", "TopologicalSorter")
        | ("http.cookies", "SimpleCookie")
        | ("optparse", "Values") => Role::Container,
        ("traceback", "FrameSummary") | ("dateutil.tz" | "dateutil.tz.tz" | "dateutil.zoneinfo", "tzfile") => {
            Role::Reader(0)
        }
        ("xml.etree.ElementTree", "ElementTree") => Role::Reader(1),
        (
            "mmcv" | "mmcv.utils" | "mmcv.utils.config" | "mmengine" | "mmengine.config" | "mmengine.config.config",
            "Config",
        ) => Role::Reader(2),
        ("_thread", "start_new_thread" | "start_new") => forward(0, Pass::Spread),
        ("threading", "Timer") => forward(1, Pass::Spread),
        ("threading", "settrace" | "setprofile") | ("sys", "settrace" | "setprofile" | "addaudithook") => {
            forward(0, Pass::Opaque)
        }
        ("collections", "namedtuple") | ("enum", "Enum" | "IntEnum") => Role::ClassMaker,
        (module, "_reconstruct") if module.starts_with("numpy") && module.contains("multiarray") => Role::Instance,
        _ => Role::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_under_their_old_and_private_spellings() {
        assert_eq!(role("__builtin__", "getattr"), Role::GetAttr);
        assert_eq!(role("_operator", "attrgetter"), Role::AttrGetter);
        assert_eq!(role("copy_reg", "_reconstructor"), Role::Instance);
        assert_eq!(role("itertools", "imap"), forward(0, Pass::Each));
        assert_eq!(role("builtins", "eval.__call__"), Role::BoundCall);
        assert_eq!(role("builtins", "__setattr__"), Role::BoundSetAttr);
        assert_eq!(role("sys", "modules.get"), Role::BoundGetItem);
        assert_eq!(role("os", "system"), Role::Plain);
        assert_eq!(role("_collections", "deque"), Role::Container);
        assert_eq!(role("UserList", "UserList"), Role::Container);
        assert_eq!(role("cElementTree", "ElementTree"), Role::Reader(1));
        assert_eq!(role("sklearn.externals.joblib", "load"), Role::Unpickle);
        assert_eq!(role("cStringIO", "StringIO"), Role::Buffer);
        assert_eq!(role("ray.cloudpickle.cloudpickle_fast", "_make_function"), Role::FunctionMaker);
    }
}
