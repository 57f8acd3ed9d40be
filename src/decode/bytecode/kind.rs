//! Functions whose result is known: they import, fetch attributes, decode, open, compose.

/// What is known about a callee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// `__import__(name)`.
    Import,
    /// `import_module(name)`.
    ImportModule,
    /// `resolve_name("module:path")`, `locate("module.path")`.
    Locate,
    GetAttr,
    /// `owner.__getattribute__(…)`.
    OwnAttribute,
    /// `vars(object)`.
    Vars,
    /// `namespace.get(key)` and its like.
    Entry,
    /// `hasattr`, `isinstance`…: look at an object and forget it.
    Look,
    Decoder,
    /// Runs, compiles or unpickles what it is given.
    Runner,
    Open,
    /// A built-in function of constants: `chr`, `str`.
    Constant,
    /// A method called through its type: `str.join("", …)`.
    Unbound,
    /// Returns what it is given, or items of it.
    Passes,
    /// Calls its first argument with the items of the others.
    Map,
    /// Calls its first argument with the others.
    Apply,
    Partial,
    AttributeGetter,
    MethodCaller,
    /// Spelt like a class: what it returns has its methods.
    Class,
}

/// What is known about `module.path`.
pub(super) fn kind(module: &str, path: &str) -> Kind {
    let module = if module == "__builtin__" { "builtins" } else { module };
    match (module, path) {
        ("builtins", "__import__") => Kind::Import,
        ("importlib", "import_module" | "__import__") => Kind::ImportModule,
        ("pkgutil", "resolve_name") | ("pydoc", "locate" | "resolve") => Kind::Locate,
        ("builtins", "getattr") | ("inspect", "getattr_static") => Kind::GetAttr,
        ("builtins", "vars") => Kind::Vars,
        ("builtins", "hasattr" | "isinstance" | "issubclass" | "type" | "id" | "repr" | "callable") => Kind::Look,
        ("builtins", "eval" | "exec" | "compile" | "execfile")
        | ("pickle" | "cPickle" | "dill" | "cloudpickle" | "marshal", "loads") => Kind::Runner,
        ("builtins" | "io" | "codecs", "open") => Kind::Open,
        ("builtins", "bytes.fromhex" | "bytearray.fromhex") => Kind::Decoder,
        ("base64" | "binascii" | "zlib" | "gzip" | "bz2" | "lzma" | "codecs", path)
            if ["decode", "decompress", "unhexlify", "a2b_"].iter().any(|word| path.contains(word)) =>
        {
            Kind::Decoder
        }
        ("builtins", "chr" | "unichr" | "ord" | "str" | "unicode" | "bytes" | "bytearray" | "int") => Kind::Constant,
        (
            "builtins",
            "list" | "tuple" | "set" | "frozenset" | "iter" | "next" | "reversed" | "sorted" | "max" | "min" | "dict",
        )
        | ("contextlib", "nullcontext" | "closing")
        | ("copy", "copy" | "deepcopy")
        | ("typing", "cast")
        | ("itertools", "chain" | "cycle" | "repeat" | "chain.from_iterable")
        | ("types", "MappingProxyType")
        | ("functools", "wraps" | "lru_cache" | "cache") => Kind::Passes,
        ("builtins", "map" | "filter") | ("itertools", "starmap") | ("functools" | "builtins", "reduce") => Kind::Map,
        ("operator", "call") => Kind::Apply,
        ("functools", "partial") => Kind::Partial,
        ("operator", "attrgetter") => Kind::AttributeGetter,
        ("operator", "methodcaller") => Kind::MethodCaller,
        ("builtins", path) if is_string_method(path) => Kind::Unbound,
        (_, path) => match path.rsplit('.').next().unwrap_or(path) {
            "__getattribute__" | "__getattr__" => Kind::OwnAttribute,
            "get" | "pop" | "setdefault" | "__getitem__" => Kind::Entry,
            last if last.starts_with(|c: char| c.is_ascii_uppercase()) => Kind::Class,
            _ => Kind::Plain,
        },
    }
}

fn is_string_method(path: &str) -> bool {
    path.split_once('.').is_some_and(|(owner, _)| matches!(owner, "str" | "bytes" | "bytearray"))
}
