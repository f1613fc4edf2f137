"""Writes the cases of `bad_inputs.yaml` in the file formats of sqlflow, and runs them.

The corpus is in neutral words (`target: {type: …}`, `materialized`, `timeout_s`, `${env:X}`, `check`); what can be
translated by a rule is translated here, so that the cases stay readable beside those of other tools.
"""

import ctypes
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from threading import Timer
from typing import Any

import yaml

from sqlflow.read.engines import engine_names

Case = dict[str, Any]
ENGINES = ("duckdb", "postgres")
"""The engines that the corpus speaks of; a case that names none is for all."""
RUNTIMES = {"python_block": "python", "r_block": "r"}
PLAIN_PROJECT = "name: demo\ntarget: {type: duckdb, path: warehouse.duckdb}\n"
_MARKS = (("<<FM>>", "/*---"), ("<</FM>>", "---*/"), ("materialized:", "materialize:"), ("timeout_s:", "timeout:"))
_TARGET = re.compile(r"^target: \{(?:type:)?(.*)\}$", re.MULTILINE)
_COMMANDS = {"check": ["plan", "--offline"]}
_OPTIONS = {"--var": "--vars", "--project": "--project-dir"}
_GIVES_UP_RIGHTS = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: what lets root read and write everything


def corpus(path: Path) -> dict[str, Any]:
    """Return the corpus: `meta` and `cases`."""
    found: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
    return found


def is_runnable(case: Case, engine: str = "duckdb") -> bool:
    """Tell whether the case is one for the engine, and every runtime that it needs is installed."""
    runtimes = {point.name for point in entry_points(group="sqlflow.runtimes")}
    files = case["setup"].get("files", [])
    named = {name for name in ENGINES for file in files if f"type: {name}" in file.get("content", "")}
    needed = {RUNTIMES[file["role"]] for file in files if file["role"] in RUNTIMES}
    if "clock" in case["setup"] or case["command"] == "serve":
        return False
    return engine in case.get("engines", ENGINES) and named <= set(engine_names()) and needed <= runtimes


def write(case: Case, root: Path, url: str = "") -> list[str]:
    """Write the case's files below `root` and return their paths, relative to it, in the order of the case.

    With a `url` its project is built in that Postgres.
    """
    setup = case["setup"]
    roles = {file["role"] for file in setup.get("files", [])}
    if "project_file" not in roles and setup.get("project") != "none":
        secrets = [name for file in setup.get("files", []) for name in file.get("front", {}).get("secrets", [])]
        plain = f"name: demo\ntargets: {{dev: {{engine: postgres, url: '{url}'}}}}\n" if url else PLAIN_PROJECT
        _put(root, "sqlflow.yml", _neutral(plain + (f"env: [{', '.join(secrets)}]\n" if secrets else "")))
    return [path for file in setup.get("files", []) for path in _ROLES[file["role"]](root, file)]


def _project_file(root: Path, file: Case) -> list[str]:
    return _put(root, "sqlflow.yml", _neutral(_content(file)))


def _neutral(text: str | bytes) -> str | bytes:
    """Return a project file with the words that sqlflow has for the corpus's neutral ones."""
    if isinstance(text, bytes):
        return text
    text = _TARGET.sub(lambda found: f"targets: {{dev: {{{_engine(found[0], found[1])}}}}}", text)
    return re.sub(r"\$\{env:(\w+)\}", r"{{ env('\1') }}", text.replace("timeout_s:", "timeout:"))


def _engine(whole: str, rest: str) -> str:
    parts = dict(re.findall(r'(\w+): *("[^"]*"|[^,}"]+)', rest))
    if "host" in parts:  # the corpus gives a server in parts, sqlflow takes a URL
        host, user, password, database = (
            parts.get(name, "").strip('"') for name in ("host", "user", "password", "database")
        )
        return f'engine: postgres, url: "postgresql://{user}:{password}@{host}/{database}"'
    return f"engine:{rest}" if "type:" in whole else rest


def _sql_block(root: Path, file: Case) -> list[str]:
    return _put(root, f"blocks/{file['name'].replace('.', '/')}.sql", _with_front(file))


_PYTHON_HEAD = "import sqlflow\n"
_CONTEXT_CALLS = (
    (r'ctx\.ref\("(\w+)"\)', r"\1"),
    (r"ctx\.ref\((.*)\)", r'context.sql("select * from " + \1)'),
    (r"ctx\.frame\(", '__import__("pandas").DataFrame('),
    (r"ctx\.secret\(", "context.env("),
)
"""The corpus's neutral `ctx` in the words of sqlflow: inputs are parameters, and `context` is the rest."""


def _python_block(root: Path, file: Case) -> list[str]:
    """Write a function as a block: with a decorator for its front matter, and a parameter for each input."""
    content = _content(file)
    text = content.decode() if isinstance(content, bytes) else content
    mark, text = ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)
    inputs = re.findall(r'ctx\.ref\("(\w+)"\)', text)
    for neutral, ours in _CONTEXT_CALLS:
        text = re.sub(neutral, ours, text)
    settings = ", ".join(f"{key}={value}" for key, value in _settings(file.get("front", {})))
    head = f"@sqlflow.block({settings})\n" if settings else "@sqlflow.block\n"
    parameters = ", ".join([*dict.fromkeys(inputs), *(["context"] if "context." in text else [])])
    text = re.sub(r"^((?:async )?def block)\(ctx\)", lambda found: f"{head}{found[1]}({parameters})", text, flags=re.M)
    return _put(root, f"blocks/{file['name'].replace('.', '/')}.py", mark + _PYTHON_HEAD + text)


def _settings(front: Case) -> Iterator[tuple[str, str]]:
    names = {"materialized": "materialize", "timeout_s": "timeout"}
    for key, value in front.items():
        if key != "secrets":
            computed = isinstance(value, str) and value.startswith("@py:")
            yield names.get(key, key), value.removeprefix("@py:") if computed else repr(value)


def _r_block(root: Path, file: Case) -> list[str]:
    """Write a function as a block, with its front matter in `#'` lines."""
    front = "".join(f"#' {key}: {value}\n" for key, value in _settings(file.get("front", {})))
    head = f"#' ---\n{front}#' ---\n" if front else ""
    text = str(_content(file)).replace("ctx", "context")
    return _put(root, f"blocks/{file['name'].replace('.', '/')}.R", head + text)


def lines_added(case: Case) -> int:
    """Return how many lines stand above what the corpus says is a file's first line."""
    files = case["setup"].get("files", [])
    return 2 if files and files[0]["role"] == "python_block" else 0


def _assertion(root: Path, file: Case) -> list[str]:
    path = f"assertions/{file['name']}.sql"
    return _put(root, f"assertions/more/{file['name']}.sql" if (root / path).exists() else path, _with_front(file))


def _seed(root: Path, file: Case) -> list[str]:
    return _put(root, f"seeds/{file['name']}", _content(file))


_PIPELINE_WORDS = (
    (r"schedule: \{cron: (.*), timezone: (.*)\}", r"schedule: \1\ntimezone: \2"),
    (r"^after: (.*)$", r"triggers:\n  - after: \1"),
    (r"^on_file: (.*)$", r"triggers:\n  - files: \1"),
    (r"^blocks:", "select:"),
)


def _pipeline_file(root: Path, file: Case) -> list[str]:
    text = str(_content(file))
    for neutral, ours in _PIPELINE_WORDS:
        text = re.sub(neutral, ours, text, flags=re.M)
    return _put(root, f"pipelines/{file['name']}.yml", text)


def _raw(root: Path, file: Case) -> list[str]:
    path = root / file["name"]
    if "mode" not in file and not {"symlink_to", "hardlink_to", "fifo"} & set(file):
        return _put(root, file["name"], _content(file))
    path.parent.mkdir(parents=True, exist_ok=True)
    if "symlink_to" in file:
        path.symlink_to(file["symlink_to"])
    elif "hardlink_to" in file:
        path.hardlink_to(root / file["hardlink_to"])
    elif "fifo" in file:
        os.mkfifo(path)
    else:
        _put(root, file["name"], _content(file))
        path.chmod(int(file["mode"], 8))
    return [file["name"]]


def _generated(root: Path, file: Case) -> list[str]:
    return [path for name, text in _GENERATED[file["generate"]]() for path in _put(root, name, text)]


def _chain(length: int, last: str) -> Iterator[tuple[str, str]]:
    for number in range(length - 1):
        yield f"blocks/n{number}.sql", f"select * from n{number + 1}\n"
    yield f"blocks/n{length - 1}.sql", last


def _readers(count: int) -> Iterator[tuple[str, str]]:
    yield "blocks/one.sql", "select 1 as id\n"
    for number in range(count):
        yield f"blocks/r{number}.sql", "select * from one\n"


_GENERATED: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "200 SQL blocks n0..n199, each reading the next, the last reading n0": lambda: _chain(200, "select * from n0\n"),
    "5000 SQL blocks in one chain": lambda: _chain(5000, "select 1 as id\n"),
    "10000 blocks reading one": lambda: _readers(10_000),
    "a.sql under 1000 nested folders": lambda: iter([("blocks/" + "d/" * 1000 + "a.sql", "select 1 as id\n")]),
    "500 blocks": lambda: _readers(499),
}
_ROLES: dict[str, Callable[[Path, Case], list[str]]] = {
    "project_file": _project_file, "sql_block": _sql_block, "assertion": _assertion, "seed": _seed, "raw": _raw,
    "generated": _generated, "pipeline_file": _pipeline_file, "python_block": _python_block, "r_block": _r_block,
}  # fmt: skip


def _content(file: Case) -> str | bytes:
    content: str | bytes = eval(file["content_expr"]) if "content_expr" in file else file["content"]
    return content


def _with_front(file: Case) -> str | bytes:
    """Return the text of a SQL file with its front matter between the marks of sqlflow."""
    content = _content(file)
    if isinstance(content, bytes):
        for neutral, ours in _MARKS:
            content = content.replace(neutral.encode(), ours.encode())
        return content
    front = eval(file["front_expr"]) if "front_expr" in file else file.get("front_raw", "")
    if "front" in file:
        front = yaml.safe_dump(file["front"], sort_keys=False).rstrip("\n")
    text = f"<<FM>>\n{front}\n<</FM>>\n{content}" if front else content
    if "<<FM>>" in text:
        for neutral, ours in _MARKS:
            text = text.replace(neutral, ours)
    return text


def _put(root: Path, name: str, content: str | bytes) -> list[str]:
    """Write a file, folder by folder: a path may be longer than the system takes in one go."""
    *folders, last = Path(name).parts
    here = os.open(root, os.O_RDONLY)
    for folder in folders:
        with suppress(FileExistsError):
            os.mkdir(folder, dir_fd=here)
        inner = os.open(folder, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    descriptor = os.open(last, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=here)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    os.close(here)
    return [name]


def arguments(command: str) -> tuple[list[str], str]:
    """Return sqlflow's arguments for a neutral command line, and the shell command behind a pipe."""
    call, _, pipe = command.partition(" | ")
    words = shlex.split(call)
    return [*_COMMANDS.get(words[0], words[:1]), *map(_argument, words[1:])], pipe


def _argument(word: str) -> str:
    name, mark, expression = word.partition("=@expr:")
    if mark:
        return f"{name}={eval(expression)}"
    name, mark, digits = word.partition("=@bytes:")
    if mark:  # no argument of a process can hold a NUL, but YAML can write one
        escaped = "".join(f"\\x{byte:02x}" for byte in bytes.fromhex(digits))
        return f'{{{name}: "{escaped}"}}'
    return _OPTIONS.get(word, word)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run of the command line ended. `exit_code` is -9 if it had to be killed for taking too long."""

    exit_code: int
    output: str
    megabytes: float


_HOOKS = {
    "delete the file between listing and reading": """
def hook(event, args):
    if event == "open" and str(args[0]).endswith("blocks/a.sql"):
        os.path.exists(args[0]) and os.unlink(args[0])
sys.addaudithook(hook)
""",
    "fail-point raises inside the tool": """
def hook(event, args):
    if event == "open" and str(args[0]).endswith("sqlflow.yml"):
        raise RuntimeError("the fail-point")
sys.addaudithook(hook)
""",
    "rewrite b while a runs": """
class Watching(io.TextIOWrapper):
    def write(self, text):
        if '"block_started"' in text:
            open("blocks/b.sql", "w").write("select 99 as id")
        return super().write(text)
sys.stdout = Watching(sys.stdout.buffer, line_buffering=True)
""",
}
"""Faults inside the process, tripped by what it does and never by a clock."""
_MODES = {"project folder mounted read-only": 0o555, "state folder mode 0500": 0o500}


def run(case: Case, root: Path, seconds: float, outside: Path) -> Outcome:
    """Run the case's command in the folder `root`; what it writes elsewhere goes to the folder `outside`."""
    words, pipe = arguments(case["command"])
    fault = case["setup"].get("fault", "")
    main = "import io, os, runpy, sys\n" + _HOOKS.get(fault, "") + "runpy.run_module('sqlflow', run_name='__main__')"
    command = [sys.executable, "-c", main, *words] if fault in _HOOKS else [sys.executable, "-m", "sqlflow", *words]
    if pipe:
        command = ["bash", "-o", "pipefail", "-c", f"{shlex.join(command)} | {pipe}"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(outside), "TMPDIR": str(outside), "LANG": "C.UTF-8"}
    if fault == "PATH without Rscript":
        environment["PATH"] = str(outside)
    if fault in _MODES:
        root.chmod(_MODES[fault])
    printed = outside / "printed.txt"
    with printed.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=root, env=environment | case["setup"].get("env", {}), stdin=subprocess.DEVNULL, stdout=file,
            stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=_without_rights_of_root,  # noqa: PLW1509  one system call, and no lock is taken
        )  # fmt: skip
        killer = Timer(seconds, os.killpg, (process.pid, signal.SIGKILL))
        killer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            killer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    megabytes = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)
    return Outcome(process.returncode, printed.read_bytes().decode(errors="replace"), megabytes)


def _without_rights_of_root() -> None:
    """Let file modes hold for root too, as they do for everybody else."""
    if sys.platform == "linux" and os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in _GIVES_UP_RIGHTS:
            libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
