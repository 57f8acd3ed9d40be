//! One object, many spellings: the names under which Python reaches the same module.
//!
//! A pickle may name a module by its C twin (`posix`), its Python 2 name (`__builtin__`) or a bundled copy. Rows in
//! `data/sets/` use one spelling, the public one of Python 3; this table leads there. The second table is what
//! Python applies by itself to pickles below protocol 3 (`Lib/_compat_pickle.py`).

use std::borrow::Cow;

/// A module and a name in it.
type Name = (&'static str, &'static str);

/// Other spellings of a module and of everything below it, sorted.
const ALIASES: &[(&str, &str)] = &[
    ("BaseHTTPServer", "http.server"),
    ("CGIHTTPServer", "http.server"),
    ("ConfigParser", "configparser"),
    ("Cookie", "http.cookies"),
    ("DocXMLRPCServer", "xmlrpc.server"),
    ("Queue", "queue"),
    ("SimpleHTTPServer", "http.server"),
    ("SimpleXMLRPCServer", "xmlrpc.server"),
    ("SocketServer", "socketserver"),
    ("StringIO", "io"),
    ("Tkinter", "tkinter"),
    ("UserDict", "collections"),
    ("UserList", "collections"),
    ("UserString", "collections"),
    ("__builtin__", "builtins"),
    ("__builtins__", "builtins"),
    ("_abc", "abc"),
    ("_abcoll", "collections.abc"),
    ("_ast", "ast"),
    ("_asyncio", "asyncio"),
    ("_bisect", "bisect"),
    ("_bz2", "bz2"),
    ("_collections", "collections"),
    ("_collections_abc", "collections.abc"),
    ("_contextvars", "contextvars"),
    ("_csv", "csv"),
    ("_ctypes", "ctypes"),
    ("_curses", "curses"),
    ("_curses_panel", "curses"),
    ("_datetime", "datetime"),
    ("_dbm", "dbm"),
    ("_decimal", "decimal"),
    ("_dummy_thread", "_thread"),
    ("_elementtree", "xml.etree.ElementTree"),
    ("_frozen_importlib", "importlib"),
    ("_frozen_importlib_external", "importlib"),
    ("_functools", "functools"),
    ("_gdbm", "dbm"),
    ("_heapq", "heapq"),
    ("_imp", "importlib"),
    ("_io", "io"),
    ("_json", "json"),
    ("_locale", "locale"),
    ("_lsprof", "cProfile"),
    ("_lzma", "lzma"),
    ("_opcode", "opcode"),
    ("_operator", "operator"),
    ("_pickle", "pickle"),
    ("_posixsubprocess", "subprocess"),
    ("_py_abc", "abc"),
    ("_pydatetime", "datetime"),
    ("_pydecimal", "decimal"),
    ("_pyio", "io"),
    ("_queue", "queue"),
    ("_random", "random"),
    ("_signal", "signal"),
    ("_socket", "socket"),
    ("_sqlite3", "sqlite3"),
    ("_ssl", "ssl"),
    ("_statistics", "statistics"),
    ("_string", "string"),
    ("_struct", "struct"),
    ("_symtable", "symtable"),
    ("_tkinter", "tkinter"),
    ("_tracemalloc", "tracemalloc"),
    ("_typing", "typing"),
    ("_uuid", "uuid"),
    ("_warnings", "warnings"),
    ("_weakref", "weakref"),
    ("_winreg", "winreg"),
    ("_xxsubinterpreters", "_interpreters"),
    ("_yaml", "yaml"),
    ("_zoneinfo", "zoneinfo"),
    ("anydbm", "dbm"),
    ("cElementTree", "xml.etree.ElementTree"),
    ("cPickle", "pickle"),
    ("cStringIO", "io"),
    ("cdecimal", "decimal"),
    ("commands", "subprocess"),
    ("cookielib", "http.cookiejar"),
    ("copy_reg", "copyreg"),
    ("dbhash", "dbm"),
    ("distributed.cloudpickle", "cloudpickle"),
    ("dumbdbm", "dbm"),
    ("dummy_thread", "_thread"),
    ("exceptions", "builtins"),
    ("gdbm", "dbm"),
    ("genericpath", "os.path"),
    ("httplib", "http.client"),
    ("imp", "importlib"),
    ("joblib.externals.cloudpickle", "cloudpickle"),
    ("macpath", "os.path"),
    ("md5", "hashlib"),
    ("mock", "unittest.mock"),
    ("nt", "os"),
    ("ntpath", "os.path"),
    ("numba.cloudpickle", "cloudpickle"),
    ("numpy._core", "numpy.core"),
    ("pathlib._local", "pathlib"),
    ("pathlib2", "pathlib"),
    ("pickle5", "pickle"),
    ("popen2", "subprocess"),
    ("posix", "os"),
    ("posixpath", "os.path"),
    ("pyspark.cloudpickle", "cloudpickle"),
    ("pysqlite2", "sqlite3"),
    ("ray.cloudpickle", "cloudpickle"),
    ("repr", "reprlib"),
    ("robotparser", "urllib.robotparser"),
    ("ruamel_yaml", "ruamel.yaml"),
    ("setuptools._distutils", "distutils"),
    ("sha", "hashlib"),
    ("six.moves.BaseHTTPServer", "http.server"),
    ("six.moves.CGIHTTPServer", "http.server"),
    ("six.moves.SimpleHTTPServer", "http.server"),
    ("six.moves._dummy_thread", "_thread"),
    ("six.moves._thread", "_thread"),
    ("six.moves.builtins", "builtins"),
    ("six.moves.cPickle", "pickle"),
    ("six.moves.collections_abc", "collections.abc"),
    ("six.moves.configparser", "configparser"),
    ("six.moves.copyreg", "copyreg"),
    ("six.moves.dbm_gnu", "dbm"),
    ("six.moves.dbm_ndbm", "dbm"),
    ("six.moves.html_entities", "html.entities"),
    ("six.moves.html_parser", "html.parser"),
    ("six.moves.http_client", "http.client"),
    ("six.moves.http_cookiejar", "http.cookiejar"),
    ("six.moves.http_cookies", "http.cookies"),
    ("six.moves.queue", "queue"),
    ("six.moves.reprlib", "reprlib"),
    ("six.moves.socketserver", "socketserver"),
    ("six.moves.tkinter", "tkinter"),
    ("six.moves.tkinter_dialog", "tkinter.dialog"),
    ("six.moves.tkinter_filedialog", "tkinter.filedialog"),
    ("six.moves.tkinter_simpledialog", "tkinter.simpledialog"),
    ("six.moves.urllib", "urllib"),
    ("six.moves.urllib_error", "urllib.error"),
    ("six.moves.urllib_parse", "urllib.parse"),
    ("six.moves.urllib_robotparser", "urllib.robotparser"),
    ("six.moves.winreg", "winreg"),
    ("six.moves.xmlrpc_client", "xmlrpc.client"),
    ("six.moves.xmlrpc_server", "xmlrpc.server"),
    ("sklearn.externals.joblib", "joblib"),
    ("sklearn.externals.joblib.externals.cloudpickle", "cloudpickle"),
    ("sklearn.externals.six", "six"),
    ("srsly.cloudpickle", "cloudpickle"),
    ("tensorflow.keras", "keras"),
    ("test.test_support", "test.support"),
    ("tf_keras", "keras"),
    ("thread", "_thread"),
    ("urllib2", "urllib.request"),
    ("urlparse", "urllib.parse"),
    ("whichdb", "dbm"),
    ("xml.etree.cElementTree", "xml.etree.ElementTree"),
    ("xmlrpclib", "xmlrpc.client"),
    ("yaml._yaml", "yaml"),
];

/// Python 2 modules under their Python 3 names, sorted.
const PY2_MODULES: &[(&str, &str)] = &[
    ("BaseHTTPServer", "http.server"),
    ("CGIHTTPServer", "http.server"),
    ("ConfigParser", "configparser"),
    ("Cookie", "http.cookies"),
    ("Dialog", "tkinter.dialog"),
    ("DocXMLRPCServer", "xmlrpc.server"),
    ("FileDialog", "tkinter.filedialog"),
    ("HTMLParser", "html.parser"),
    ("Queue", "queue"),
    ("ScrolledText", "tkinter.scrolledtext"),
    ("SimpleDialog", "tkinter.simpledialog"),
    ("SimpleHTTPServer", "http.server"),
    ("SimpleXMLRPCServer", "xmlrpc.server"),
    ("SocketServer", "socketserver"),
    ("StringIO", "io"),
    ("Tix", "tkinter.tix"),
    ("Tkconstants", "tkinter.constants"),
    ("Tkdnd", "tkinter.dnd"),
    ("Tkinter", "tkinter"),
    ("UserDict", "collections"),
    ("UserList", "collections"),
    ("UserString", "collections"),
    ("__builtin__", "builtins"),
    ("_abcoll", "collections.abc"),
    ("_elementtree", "xml.etree.ElementTree"),
    ("_winreg", "winreg"),
    ("anydbm", "dbm"),
    ("cPickle", "pickle"),
    ("cStringIO", "io"),
    ("commands", "subprocess"),
    ("cookielib", "http.cookiejar"),
    ("copy_reg", "copyreg"),
    ("dbhash", "dbm.bsd"),
    ("dbm", "dbm.ndbm"),
    ("dumbdbm", "dbm.dumb"),
    ("dummy_thread", "_dummy_thread"),
    ("gdbm", "dbm.gnu"),
    ("htmlentitydefs", "html.entities"),
    ("httplib", "http.client"),
    ("markupbase", "_markupbase"),
    ("repr", "reprlib"),
    ("robotparser", "urllib.robotparser"),
    ("test.test_support", "test.support"),
    ("thread", "_thread"),
    ("tkColorChooser", "tkinter.colorchooser"),
    ("tkCommonDialog", "tkinter.commondialog"),
    ("tkFileDialog", "tkinter.filedialog"),
    ("tkFont", "tkinter.font"),
    ("tkMessageBox", "tkinter.messagebox"),
    ("tkSimpleDialog", "tkinter.simpledialog"),
    ("ttk", "tkinter.ttk"),
    ("urllib2", "urllib.request"),
    ("urlparse", "urllib.parse"),
    ("whichdb", "dbm"),
    ("xmlrpclib", "xmlrpc.client"),
];

/// Python 2 names that moved to another module or were renamed, sorted; exceptions are in [`PY2_EXCEPTIONS`].
const PY2_NAMES: &[(Name, Name)] = &[
    (("UserDict", "IterableUserDict"), ("collections", "UserDict")),
    (("UserDict", "UserDict"), ("collections", "UserDict")),
    (("UserList", "UserList"), ("collections", "UserList")),
    (("UserString", "UserString"), ("collections", "UserString")),
    (("__builtin__", "basestring"), ("builtins", "str")),
    (("__builtin__", "intern"), ("sys", "intern")),
    (("__builtin__", "long"), ("builtins", "int")),
    (("__builtin__", "reduce"), ("functools", "reduce")),
    (("__builtin__", "unichr"), ("builtins", "chr")),
    (("__builtin__", "unicode"), ("builtins", "str")),
    (("__builtin__", "xrange"), ("builtins", "range")),
    (("_multiprocessing", "Connection"), ("multiprocessing.connection", "Connection")),
    (("_socket", "fromfd"), ("socket", "fromfd")),
    (("exceptions", "StandardError"), ("builtins", "Exception")),
    (("itertools", "ifilter"), ("builtins", "filter")),
    (("itertools", "ifilterfalse"), ("itertools", "filterfalse")),
    (("itertools", "imap"), ("builtins", "map")),
    (("itertools", "izip"), ("builtins", "zip")),
    (("itertools", "izip_longest"), ("itertools", "zip_longest")),
    (("multiprocessing", "AuthenticationError"), ("multiprocessing.context", "AuthenticationError")),
    (("multiprocessing", "BufferTooShort"), ("multiprocessing.context", "BufferTooShort")),
    (("multiprocessing", "ProcessError"), ("multiprocessing.context", "ProcessError")),
    (("multiprocessing", "TimeoutError"), ("multiprocessing.context", "TimeoutError")),
    (("multiprocessing.forking", "Popen"), ("multiprocessing.popen_fork", "Popen")),
    (("multiprocessing.process", "Process"), ("multiprocessing.context", "Process")),
    (("socket", "_socketobject"), ("socket", "SocketType")),
    (("urllib", "ContentTooShortError"), ("urllib.error", "ContentTooShortError")),
    (("urllib", "getproxies"), ("urllib.request", "getproxies")),
    (("urllib", "pathname2url"), ("urllib.request", "pathname2url")),
    (("urllib", "quote"), ("urllib.parse", "quote")),
    (("urllib", "quote_plus"), ("urllib.parse", "quote_plus")),
    (("urllib", "unquote"), ("urllib.parse", "unquote")),
    (("urllib", "unquote_plus"), ("urllib.parse", "unquote_plus")),
    (("urllib", "url2pathname"), ("urllib.request", "url2pathname")),
    (("urllib", "urlcleanup"), ("urllib.request", "urlcleanup")),
    (("urllib", "urlencode"), ("urllib.parse", "urlencode")),
    (("urllib", "urlopen"), ("urllib.request", "urlopen")),
    (("urllib", "urlretrieve"), ("urllib.request", "urlretrieve")),
    (("urllib2", "HTTPError"), ("urllib.error", "HTTPError")),
    (("urllib2", "URLError"), ("urllib.error", "URLError")),
    (("whichdb", "whichdb"), ("dbm", "whichdb")),
];

/// Names of the Python 2 module `exceptions`, which are built-in names today, sorted.
const PY2_EXCEPTIONS: &[&str] = &[
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BaseException",
    "BufferError",
    "BytesWarning",
    "DeprecationWarning",
    "EOFError",
    "EnvironmentError",
    "Exception",
    "FloatingPointError",
    "FutureWarning",
    "GeneratorExit",
    "IOError",
    "ImportError",
    "ImportWarning",
    "IndentationError",
    "IndexError",
    "KeyError",
    "KeyboardInterrupt",
    "LookupError",
    "MemoryError",
    "NameError",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "PendingDeprecationWarning",
    "ReferenceError",
    "RuntimeError",
    "RuntimeWarning",
    "StopIteration",
    "SyntaxError",
    "SyntaxWarning",
    "SystemError",
    "SystemExit",
    "TabError",
    "TypeError",
    "UnboundLocalError",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "UnicodeError",
    "UnicodeTranslateError",
    "UnicodeWarning",
    "UserWarning",
    "ValueError",
    "Warning",
    "ZeroDivisionError",
];

/// Components of a module name that an alias can have at most.
const ALIAS_DEPTH: usize = 5;

/// Packages under which the modules of Python stand again, by their names of Python 3.
const SHELVES: &[&str] = &["future.backports.", "future.moves."];
/// Packages that bring a copy of another one, which has the same by names of its own.
const COPIES: &[&str] = &["botocore.vendored.", "django.utils.", "sklearn.externals.", "urllib3.packages."];
const COPIED: &str = "six.moves";

/// The module without the package that only passes it on.
fn unshelved(module: &str) -> &str {
    let copied = || COPIES.iter().find_map(|copy| module.strip_prefix(copy)).filter(|rest| rest.starts_with(COPIED));
    SHELVES.iter().find_map(|shelf| module.strip_prefix(shelf)).or_else(copied).unwrap_or(module)
}

/// The public spelling of a module: its longest known prefix replaced.
#[must_use]
pub(crate) fn canonical(module: &str) -> Cow<'_, str> {
    let module = unshelved(module);
    let ends = module.match_indices('.').map(|(at, _)| at).chain([module.len()]).take(ALIAS_DEPTH);
    let longest = ends.filter_map(|end| {
        let (prefix, rest) = module.split_at_checked(end)?;
        let index = ALIASES.binary_search_by_key(&prefix, |(alias, _)| alias).ok()?;
        ALIASES.get(index).map(|(_, public)| (*public, rest))
    });
    match longest.last() {
        None => Cow::Borrowed(module),
        Some((public, "")) => Cow::Borrowed(public),
        Some((public, rest)) => Cow::Owned(format!("{public}{rest}")),
    }
}

/// What Python 3 looks up for a name in a pickle below protocol 3; None if it takes the name as written.
#[must_use]
pub(crate) fn from_python2<'n>(module: &str, name: &'n str) -> Option<(&'static str, Cow<'n, str>)> {
    if module == "exceptions" && PY2_EXCEPTIONS.binary_search(&name).is_ok() {
        return Some(("builtins", name.into()));
    }
    // Attributes are walked after the mapping: `unicode.lower` is `str.lower`.
    let (first, rest) = name.split_at(name.find('.').unwrap_or(name.len()));
    if let Ok(index) = PY2_NAMES.binary_search_by_key(&(module, first), |(old, _)| *old) {
        let (_, (module, new)) = PY2_NAMES.get(index)?;
        return Some((module, if rest.is_empty() { Cow::Borrowed(*new) } else { format!("{new}{rest}").into() }));
    }
    let index = PY2_MODULES.binary_search_by_key(&module, |(old, _)| old).ok()?;
    PY2_MODULES.get(index).map(|(_, new)| (*new, name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_for_binary_search() {
        assert!(ALIASES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(PY2_MODULES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(PY2_NAMES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(PY2_EXCEPTIONS.is_sorted_by(|a, b| a < b));
        assert_eq!((PY2_MODULES.len(), PY2_NAMES.len() + PY2_EXCEPTIONS.len()), (55, 88));
    }

    #[test]
    fn aliases_lead_to_a_spelling_that_is_no_alias() {
        for (alias, public) in ALIASES {
            assert_eq!(canonical(public), *public, "{alias} leads to another alias");
            assert!(alias.split('.').count() <= ALIAS_DEPTH);
        }
    }

    #[test]
    fn the_longest_prefix_is_replaced_at_a_dot() {
        assert_eq!(canonical("posix"), "os");
        assert_eq!(canonical("numpy._core.multiarray"), "numpy.core.multiarray");
        assert_eq!(canonical("sklearn.externals.joblib.numpy_pickle"), "joblib.numpy_pickle");
        assert_eq!(canonical("joblib.externals.cloudpickle.cloudpickle"), "cloudpickle.cloudpickle");
        assert_eq!(canonical("posixx"), "posixx");
        assert_eq!(canonical("future.moves.pickle"), "pickle");
        assert_eq!(canonical("django.utils.six.moves.urllib.request"), "urllib.request");
        assert_eq!(canonical("other.six.moves.queue"), "other.six.moves.queue");
        assert_eq!(canonical(""), "");
    }

    #[test]
    fn python2_names_are_mapped_as_cpython_does() {
        assert_eq!(from_python2("commands", "getoutput"), Some(("subprocess", "getoutput".into())));
        assert_eq!(from_python2("itertools", "imap"), Some(("builtins", "map".into())));
        assert_eq!(from_python2("itertools", "chain"), None);
        assert_eq!(from_python2("exceptions", "KeyError"), Some(("builtins", "KeyError".into())));
        assert_eq!(from_python2("__builtin__", "unicode.lower"), Some(("builtins", "str.lower".into())));
        assert_eq!(from_python2("urllib", "urlopen"), Some(("urllib.request", "urlopen".into())));
    }
}
