"""What a call can do to the machine, by the dotted name of what is called."""

import functools
import re

# Worst last: one name has one reason.
REASONS = ["opens files", "connects", "imports by name", "deserialises", "calls its arguments",
           "starts programs", "executes code"]
FILES, CONNECTS, IMPORTS, DESERIALISES, ARGUMENTS, PROGRAMS, EXECUTES = range(1, len(REASONS) + 1)

# Exact names; `x.*` stands for everything below `x`.
CALLS = {
    FILES: """
        open io.open io.FileIO os.open os.fdopen codecs.open gzip.open gzip.GzipFile bz2.open bz2.BZ2File lzma.open
        lzma.LZMAFile tarfile.open tarfile.TarFile zipfile.ZipFile fileinput.* mmap.mmap os.remove os.unlink os.rename
        os.renames os.replace os.mkdir os.makedirs os.rmdir os.removedirs os.chmod os.chown os.link os.symlink
        os.truncate os.mkfifo os.mknod os.utime os.listdir os.scandir os.walk os.chdir glob.glob glob.iglob
        shutil.* tempfile.* sqlite3.connect sqlite3.* dbm.* logging.FileHandler
        logging.handlers.* numpy.save numpy.savez numpy.savez_compressed numpy.savetxt numpy.fromfile numpy.memmap
        numpy.genfromtxt numpy.loadtxt numpy.lib.format.open_memmap pandas.read_* pandas.ExcelWriter pandas.HDFStore
        h5py.File tables.open_file PIL.Image.open cv2.imread cv2.VideoCapture cv2.VideoWriter cv2.imwrite imageio.*
        linecache.* lxml.etree.parse lxml.etree.iterparse lxml.etree.xmlfile datasets.load_from_disk
        tokenize.open xml.etree.ElementTree.parse xml.dom.minidom.parse xml.sax.parse netrc.netrc wave.open
        zipfile.Path skimage.io.* soundfile.* librosa.load torchaudio.load torchaudio.save torchvision.io.* torch.save
        torch.from_file joblib.dump pickle.dump safetensors.torch.load_file safetensors.torch.save_file
        safetensors.safe_open safetensors.torch.load_model pyarrow.memory_map pyarrow.OSFile pyarrow.parquet.*
        pyarrow.csv.* fsspec.* smart_open.* torch.utils.tensorboard.SummaryWriter tensorboardX.SummaryWriter
        tensorflow.io.gfile.* tensorflow.summary.create_file_writer onnx.load scipy.io.loadmat scipy.io.savemat
        sentencepiece.SentencePieceProcessor yaml.safe_load_file zarr.open zarr.open_group netCDF4.Dataset
        kornia.core.external.onnxruntime.InferenceSession autogluon.common.loaders.*
        mmengine.fileio.* mmengine.list_from_file polygraphy.backend.common.bytes_from_path
        tensorflow.compat.v2.lookup.TextFileInitializer tensorflow.lookup.TextFileInitializer kvikio.CuFile
        pkgutil.get_data llama_cpp.Llama""",
    CONNECTS: """
        socket.socket socket.create_connection socket.getaddrinfo socket.gethostbyname socket.gethostbyaddr
        requests.* urllib.request.* urllib.urlopen urllib2.* http.client.* ftplib.* smtplib.* imaplib.* poplib.*
        telnetlib.* xmlrpc.client.* socketserver.* http.server.* websocket.* websockets.* paramiko.* aiohttp.* httpx.*
        urllib3.* boto3.* botocore.* google.cloud.* azure.* pymongo.* redis.* psycopg2.* sqlalchemy.create_engine
        huggingface_hub.* wandb.* mlflow.* comet_ml.* neptune.* clearml.* grpc.* zmq.* ray.init
        torch.hub.load_state_dict_from_url torch.hub.download_url_to_file torch.hub.load torch.hub.*
        torch.utils.model_zoo.* torch.distributed.init_process_group torch.distributed.TCPStore
        torch.distributed.FileStore torch.distributed.rpc.* transformers.pipeline gdown.* kagglehub.*
        multiprocessing.connection.* datasets.load_dataset
        nltk.download gensim.downloader.* tensorflow.keras.utils.get_file keras.utils.get_file
        sentence_transformers.SentenceTransformer sentence_transformers.CrossEncoder fastembed.*
        chromadb.* petrel_client.* pyannoteai.* tritonclient.*
        torchaudio.datasets.utils.download_url torchvision.datasets.utils.download_url""",
    IMPORTS: """
        __import__ sys.path.append sys.path.insert sys.path.extend
        importlib.import_module importlib.reload importlib.util.spec_from_file_location
        importlib.util.module_from_spec importlib.__import__ importlib.machinery.* imp.* pkgutil.resolve_name
        pkgutil.get_loader pkgutil.find_loader pydoc.locate pydoc.safeimport hydra.utils.* zipimport.*
        pkg_resources.load_entry_point keras.saving.serialization_lib.deserialize_keras_object
        keras.src.saving.serialization_lib.deserialize_keras_object
        tf_keras.src.saving.serialization_lib.deserialize_keras_object""",
    DESERIALISES: """
        pickle.load pickle.loads pickle.Unpickler cPickle.load cPickle.loads cPickle.Unpickler _pickle.loads
        cloudpickle.load cloudpickle.loads dill.load dill.loads dill.Unpickler marshal.load marshal.loads shelve.*
        joblib.load joblib.numpy_pickle.load sklearn.externals.joblib.load torch.load torch.jit.load torch.package.*
        torch.export.load torch.serialization.load numpy.load yaml.load yaml.unsafe_load yaml.full_load yaml.load_all
        ruamel.yaml.* pandas.read_pickle keras.models.load_model tensorflow.keras.models.load_model
        tensorflow.saved_model.load tensorflow.saved_model.* jsonpickle.decode jsonpickle.loads six.moves.cPickle.load
        six.moves.cPickle.loads skops.io.load srsly.pickle_loads catalogue.* torch.storage._load_from_bytes
        autogluon.common.loaders.load_pkl.load clip.load mmengine.load mmengine.fileio.load mmengine.runner.load_checkpoint
        mmengine.runner.checkpoint.load_checkpoint spacy.load""",
    PROGRAMS: """
        subprocess.* os.system os.popen os.popen2 os.popen3 os.startfile os.fork os.forkpty os.execl os.execle
        os.execlp os.execv os.execve os.execvp os.execvpe os.spawnl os.spawnle os.spawnlp os.spawnv os.spawnve
        os.spawnvp os.posix_spawn os.posix_spawnp os.kill os.killpg commands.* pty.* popen2.* pexpect.* sh.*
        multiprocessing.Process multiprocessing.Pool multiprocessing.pool.Pool multiprocessing.context.*
        torch.multiprocessing.Process torch.multiprocessing.spawn torch.multiprocessing.start_processes
        concurrent.futures.ProcessPoolExecutor webdataset.WebDataset asyncio.create_subprocess_exec
        asyncio.create_subprocess_shell webbrowser.*""",
    EXECUTES: """
        eval exec compile execfile code.* codeop.* runpy.* types.FunctionType types.CodeType types.LambdaType
        ctypes.CDLL ctypes.cdll.* ctypes.WinDLL ctypes.OleDLL ctypes.PyDLL ctypes.windll.* ctypes.string_at
        ctypes.memmove ctypes.cast cffi.* torch.ops.load_library torch.classes.load_library
        torch.utils.cpp_extension.* tensorflow.load_op_library tensorflow.load_library timeit.* cProfile.run
        pandas.eval numexpr.evaluate sympy.sympify sympy.parsing.sympy_parser.parse_expr
        sympy.utilities.lambdify.lambdify sympy.lambdify mmengine.Config.fromfile
        mmengine.config.Config.fromfile marshal_func_load func_load doctest.* sys.settrace""",
}

# Methods of objects whose class the tree does not tell. Only names that mean one thing.
METHODS = {
    FILES: "open read_text read_bytes write_text write_bytes unlink rmdir mkdir touch makedirs",
    CONNECTS: "from_pretrained urlopen hf_hub_download snapshot_download load_state_dict_from_url",
    IMPORTS: "import_module exec_module load_module find_class",
    DESERIALISES: "read_pickle load_model pickle_loads cloudpickle_loads load_pickle from_pickle unpickle",
    PROGRAMS: "Popen check_output check_call",
    EXECUTES: "run_code",
}

EXACT, BELOW, LAST = {}, {}, {}
for _reason, _text in CALLS.items():
    for _name in _text.split():
        if _name.endswith("*"):
            BELOW[_name[:-1]] = _reason
        else:
            EXACT[_name] = _reason
for _reason, _text in METHODS.items():
    LAST.update(dict.fromkeys(_text.split(), _reason))

# Modules that load, under the names that packages give them: `joblib.externals.cloudpickle.loads`, `compat.pickle.load`.
PICKLES = re.compile(r"(?i)(^|\.)\w*(pickle|dill|joblib|marshal)\w*\.(loads?|Unpickler)$")

# Looking, not touching: below the prefixes above, but without effect.
HARMLESS = {"tempfile.gettempdir", "shutil.which", "subprocess.list2cmdline", "huggingface_hub.utils.logging.get_logger",
            "shutil.get_terminal_size", "urllib.request.pathname2url", "urllib.request.url2pathname"}

# Functions that fetch what an argument behind the first names.
LATER = {"transformers.pipeline"}

# Functions that are not followed: they refuse text, which is all that the functions below them would run.
CLOSED = {"sympy.core.sympify._sympify"}

# Functions that run text and make values of anything else, and the class whose instances they return as they are.
EVALUATORS = {"sympy.core.sympify.sympify", "sympy.sympify", "sympy.S"}
EVALUATED = ("sympy.core.basic", "Basic")


@functools.cache
def reason(name):
    """The reason why calling `name` is not harmless, 0 if none is known."""
    if name in HARMLESS:
        return 0
    if name in EXACT:
        return EXACT[name]
    for prefix, found in BELOW.items():
        if name.startswith(prefix):
            last = name.rsplit(".", 1)[1]
            # Errors and constants of such modules are values.
            return 0 if last.endswith(("Error", "Exception", "Warning")) else found
    return loader(name)


def loader(name):
    """The same for a call through a module that stands for one that loads: `self.pickle.loads`."""
    return DESERIALISES if PICKLES.search(name) else 0


def method(name):
    """The same for a method of an unknown object."""
    return LAST.get(name, 0)
