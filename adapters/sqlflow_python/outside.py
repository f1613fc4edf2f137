"""Whether a function reaches outside of its inputs, so that the same inputs may give other rows.

What a program does cannot be decided from its text. What is looked for are the usual ways to the network, to files, to
the clock and to chance; `refresh` in the settings has the last word.
"""

import ast

from sqlflow_python.frame_kinds import full_name
from sqlflow_python.imports import Imports

_MODULES = frozenset(
    str.split("""
    MySQLdb adbc_driver_manager adbc_driver_postgresql adbc_driver_sqlite aiofiles aiohttp asyncpg azure boto3 botocore cassandra
    clickhouse_connect clickhouse_driver connectorx cx_Oracle databricks dbm deltalake dotenv elasticsearch fileinput fsspec
    ftplib gcsfs google grpc gspread h5py http.client httpx imaplib importlib.machinery importlib.resources kafka ldap3
    linecache lmdb mmap mysql netCDF4 openpyxl opensearchpy oracledb paramiko pkgutil poplib psutil psycopg psycopg2
    pyarrow.csv pyarrow.dataset pyarrow.feather pyarrow.flight pyarrow.fs pyarrow.json pyarrow.orc pyarrow.parquet pycurl
    pyiceberg pymongo pymysql pyodbc redis requests runpy s3fs secrets shelve smtplib snowflake socket sqlalchemy sqlite3
    subprocess tempfile urllib.request urllib3 uuid websocket websockets xlrd xmlrpc zipimport
    """)
)
_CALLS = frozenset(
    str.split("""
    bz2.BZ2File codecs.open configparser.ConfigParser configparser.RawConfigParser datetime.date.today datetime.datetime.now datetime.datetime.today datetime.datetime.utcnow eval
    exec glob.glob glob.iglob gzip.GzipFile importlib.util.spec_from_file_location input io.FileIO io.open io.open_code
    joblib.load lzma.LZMAFile numpy.DataSource numpy.fromfile numpy.genfromtxt numpy.load numpy.loadtxt numpy.memmap open
    os.cpu_count os.environ os.environb os.getcwd os.getenv os.getlogin os.getpid os.getppid os.listdir os.lstat os.open
    os.popen os.scandir os.stat os.system os.uname os.urandom os.walk pandas.ExcelFile pandas.HDFStore pandas.Timestamp.now
    pandas.Timestamp.today pandas.Timestamp.utcnow platform.node pyarrow.MemoryMappedFile pyarrow.OSFile pyarrow.input_stream
    pyarrow.ipc.open_file pyarrow.ipc.open_stream pyarrow.memory_map random.SystemRandom shutil.copy tarfile.TarFile
    time.asctime time.ctime time.gmtime time.localtime time.monotonic time.monotonic_ns time.perf_counter
    time.perf_counter_ns time.process_time time.strftime time.time time.time_ns torch.load zipfile.ZipFile
    """)
)
_METHODS = frozenset({"read_text", "read_bytes", "iterdir", "rglob", "urlopen", "stat"})
_CALLED = frozenset({"open", "exists", "is_file", "is_dir", "lstat", "glob", "exec_module", "load_module", "walk"})
"""Methods of paths and the like, which are columns as well where they are not called."""
_STARTS = ("os.path.exists", "os.path.get", "os.path.is", "os.path.lexists", "sklearn.datasets.fetch_")
_PURE_STARTS = ("os.path.isabs",)
_MOMENTS = frozenset({"pandas.Timestamp", "pandas.to_datetime", "numpy.datetime64", "pandas.date_range"})
"""What takes the clock's time where it is given `now` or `today`."""
_READERS = ("pandas.read_", "polars.read_", "polars.scan_")
_DUCKDB_WORDS = ("duckdb.typing", "duckdb.sqltypes", "duckdb.functional")
_CHANCE = ("random.", "numpy.random.")
_SEEDED = {"random.seed", "random.Random", "numpy.random.seed", "numpy.random.default_rng", "numpy.random.RandomState"}


def outside(tree: ast.Module, names: Imports) -> str:
    """Return why a file's functions may give other rows for the same inputs; an empty text where nothing says so."""
    used = [node for node in ast.walk(tree) if isinstance(node, (ast.Attribute, ast.Name))]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = {_plain(full_name(node, names.full_names)) for node in used}
    found = [name for name in names.full_names.values() if _is_of_module(name)]
    found += sorted(name for name in called if _reaches(name))
    found += sorted(node.attr for node in used if isinstance(node, ast.Attribute) and node.attr in _METHODS)
    found += sorted(
        call.func.attr for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in _CALLED
    )
    found += sorted(full_name(call.func, names.full_names) for call in calls if _asks_clock(call, names))
    if found:
        return f"`{found[0]}` reaches outside of the block's inputs"
    if _runs(tree):
        return "`context.run` is another one each time"
    chance = sorted(name for name in called if name.startswith(_CHANCE) and name not in _SEEDED)
    chance += sorted({call.func.attr for call in calls if isinstance(call.func, ast.Attribute) and _draws(call)})
    unseeded = _unseeded(tree, names)
    if unseeded or (chance and not called & _SEEDED):
        return f"`{unseeded or chance[0]}` is another one each time: give it `context.seed`"
    return ""


def _plain(name: str) -> str:
    return name.removeprefix("builtins.")


def _is_of_module(name: str) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:length]) in _MODULES for length in range(1, len(parts) + 1))


def _reaches(name: str) -> bool:
    if name in _CALLS or name.startswith(_READERS):
        return True
    if "." in name and _is_of_module(name):  # a name of the function's own may be that of a module
        return True
    if name.startswith(
        "duckdb."
    ):  # its functions ask a database of the process's own; its classes are of use everywhere
        return name.split(".")[1][:1].islower() and not name.startswith(_DUCKDB_WORDS)
    return name.startswith(_STARTS) and not name.startswith(_PURE_STARTS)


def _asks_clock(call: ast.Call, names: Imports) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    texts = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    is_moment = any(text.strip().lower() in ("now", "today") for text in texts)
    return is_moment and full_name(call.func, names.full_names) in _MOMENTS


def _draws(call: ast.Call) -> bool:
    """Tell whether a method of a frame draws lots without a seed: `sample`, and `shuffle` of polars.

    Those of a generator are given what they draw from, and how many or nothing.
    """
    assert isinstance(call.func, ast.Attribute)
    given = {keyword.arg for keyword in call.keywords}
    if given & {"random_state", "seed", "k", None}:
        return False
    return (call.func.attr == "sample" and len(call.args) < 2) or (call.func.attr == "shuffle" and not call.args)


def _runs(tree: ast.Module) -> bool:
    """Tell whether the name of the run may be asked for: of `context`, by whatever name a function has it."""
    nodes = list(ast.walk(tree))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    called = {id(call.func) for call in calls}
    return any(
        isinstance(node, ast.Attribute) and node.attr == "run" and isinstance(node.value, ast.Name)
        for node in nodes
        if id(node) not in called
    ) or any(
        isinstance(call.func, ast.Name)
        and call.func.id == "getattr"
        and isinstance(name, ast.Constant)
        and name.value == "run"
        for call in calls
        for name in call.args[1:2]
    )


def _unseeded(tree: ast.Module, names: Imports) -> str:
    """Return a generator that is made without a seed."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = full_name(call.func, names.full_names)
        if name in _SEEDED and not call.args and not call.keywords:
            return name
    return ""
