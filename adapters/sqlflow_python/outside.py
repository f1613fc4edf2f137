"""Whether a function reaches outside of its inputs, so that the same inputs may give other rows.

What a program does cannot be decided from its text. What is looked for are the usual ways to the network, to files, to
the clock and to chance; `refresh` in the settings has the last word.
"""

import ast

from sqlflow_python.frame_kinds import full_name
from sqlflow_python.imports import Imports

_MODULES = {
    "aiohttp", "boto3", "botocore", "ftplib", "google", "httpx", "imaplib", "paramiko", "poplib", "psycopg", "psycopg2", "pymysql",
    "requests", "secrets", "smtplib", "socket", "sqlalchemy", "sqlite3", "subprocess", "urllib.request", "urllib3", "uuid", "websockets",
    "xmlrpc", "snowflake", "pymongo", "redis", "kafka", "http.client", "fsspec", "s3fs", "gcsfs", "azure",
}  # fmt: skip
_CALLS = {
    "open", "input", "os.environ", "os.getenv", "os.listdir", "os.scandir", "os.walk", "os.popen", "os.system", "os.urandom",
    "glob.glob", "glob.iglob", "io.open", "shutil.copy", "time.time", "time.time_ns", "time.monotonic", "time.perf_counter",
    "datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow", "datetime.date.today", "pandas.Timestamp.now",
    "pandas.Timestamp.today", "pandas.Timestamp.utcnow", "random.SystemRandom", "os.getpid", "os.cpu_count",
    "pyarrow.parquet.read_table", "pyarrow.csv.read_csv", "pyarrow.dataset.dataset", "pyarrow.feather.read_table", "duckdb.sql",
    "duckdb.connect", "duckdb.read_csv", "duckdb.read_parquet", "numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "numpy.fromfile",
}  # fmt: skip
_METHODS = {"read_text", "read_bytes", "iterdir", "rglob", "urlopen", "stat"}
_READERS = ("pandas.read_", "polars.read_", "polars.scan_")
_CHANCE = ("random.", "numpy.random.")
_SEEDED = {"random.seed", "random.Random", "numpy.random.seed", "numpy.random.default_rng", "numpy.random.RandomState"}


def outside(tree: ast.Module, names: Imports) -> str:
    """Return why a file's functions may give other rows for the same inputs; an empty text where nothing says so."""
    for name in names.full_names.values():
        if any(name == module or name.startswith(f"{module}.") for module in _MODULES):
            return f"`{name}` reaches outside of the block's inputs"
    used = [node for node in ast.walk(tree) if isinstance(node, (ast.Attribute, ast.Name))]
    called = {full_name(node, names.full_names) for node in used}
    found = sorted(name for name in called if name in _CALLS or name.startswith(_READERS))
    found += sorted(node.attr for node in used if isinstance(node, ast.Attribute) and node.attr in _METHODS)
    if found:
        return f"`{found[0]}` reaches outside of the block's inputs"
    if _runs(tree):
        return "`context.run` is another one each time"
    chance = sorted(name for name in called if name.startswith(_CHANCE) and name not in _SEEDED)
    unseeded = _unseeded(tree, names)
    if unseeded or (chance and not called & _SEEDED):
        return f"`{unseeded or chance[0]}` is another one each time: give it `context.seed`"
    return ""


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
