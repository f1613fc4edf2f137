"""What holds around the calls of functions: processes that are kept, calls that begin anew, seeds, signals, leavings."""

import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import TextIO

import crash
import duckdb
import pandas as pd
import pytest
from support import write
from test_process import is_gone, wait_until_gone

from sqlflow import Project
from sqlflow.core.errors import TargetError
from sqlflow.core.text import SourceFile
from sqlflow_python import RUNTIME

SETTINGS = {"sqlflow.yml": "name: p\ntargets: {dev: {engine: duckdb, path: warehouse.duckdb}}\n"}
HEAD = "import os\nimport sys\nimport pandas as pd\nfrom sqlflow import block\n\n@block\n"
FIRST = """def first(context):
    os.environ["LEFT"] = "over"
    sys.path.insert(0, "/left/over")
    os.chdir("/")
    return pd.DataFrame({"pid": [os.getpid()]})
"""
SECOND = """def second(first):
    found = ["LEFT" in os.environ, "/left/over" in sys.path, os.getcwd() == "/"]
    return pd.DataFrame({"pid": [os.getpid()], "found": [found]})
"""
FOREVER = """def forever(context):
    import time
    (context.scratch / "left").write_text("over")
    print(os.getpid(), flush=True)
    time.sleep(600)
"""


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(folder / "warehouse.duckdb")) as reader:
        return reader.execute(query).fetchall()


def printed_pid(lines: TextIO) -> int:
    """Return the number that the block `forever` prints once it has begun."""
    return next(int(line.split()[-1]) for line in lines if line.split()[-1].isdecimal() and "forever" in line)


def test_a_process_serves_many_calls_and_each_begins_as_if_it_were_the_first(tmp_path: Path) -> None:
    write(tmp_path, SETTINGS | {"blocks/first.py": HEAD + FIRST, "blocks/second.py": HEAD + SECOND})
    assert Project.load(tmp_path).build(threads=1).ok
    (found,) = rows(tmp_path, "select first.pid = second.pid, found from first, second")
    assert found == (True, [False, False, False])


def test_texts_have_the_same_hash_in_every_process(tmp_path: Path) -> None:
    body = "def hashes(given):\n    return pd.DataFrame({'h': [hash('a')], 'order': [''.join({'a', 'b', 'c', 'd', 'e'})]})\n"
    write(tmp_path, SETTINGS | {"blocks/given.sql": "select 1 as id", "blocks/hashes.py": HEAD + body})
    found = []
    for _ in range(2):
        assert Project.load(tmp_path).build(full_refresh=True).ok
        found += rows(tmp_path, "select * from hashes")
    assert found[0] == found[1]


def test_a_seed_is_that_of_the_version(tmp_path: Path) -> None:
    seeds = []
    for text in ("[context.seed]", "[context.seed]", "[context.seed] * 2"):
        code = HEAD + f"def drawn(context):\n    return pd.DataFrame({{'seed': {text}}})\n"
        write(tmp_path, SETTINGS | {"blocks/drawn.py": code})
        assert Project.load(tmp_path).build(full_refresh=True).ok
        seeds.append(rows(tmp_path, "select distinct seed from drawn")[0])
    assert seeds[0] == seeds[1] != seeds[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_function_with_the_build(number: signal.Signals, tmp_path: Path) -> None:
    write(tmp_path, SETTINGS | {"blocks/forever.py": HEAD + FOREVER})
    with crash.command(tmp_path, "build") as (process, lines):
        pid = printed_pid(lines)
        os.kill(process.pid, number)
        assert "cancelled" in lines.read()
        process.join(30)
    assert (process.exitcode, is_gone(pid)) == (128 + number, True)
    assert not list((tmp_path / ".sqlflow").glob("scratch/*/*"))


def test_what_a_killed_build_has_left_goes_with_the_next_one(tmp_path: Path) -> None:
    write(tmp_path, SETTINGS | {"blocks/forever.py": HEAD + FOREVER})
    with crash.command(tmp_path, "build") as (process, lines):
        pid = printed_pid(lines)
        process.kill()
        process.join()
    wait_until_gone(pid)
    assert is_gone(pid)
    assert list(tmp_path.rglob("left"))
    write(tmp_path, {"blocks/forever.py": HEAD + "def forever():\n    return pd.DataFrame({'x': [1]})\n"})
    assert Project.load(tmp_path).build().ok
    assert not list(tmp_path.rglob("left"))


@pytest.mark.parametrize(("frame", "package"), [("pl.LazyFrame", "polars"), ("nw.DataFrame", "narwhals")])
def test_a_library_that_is_missing_is_told_with_its_extra(
    frame: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # Python's own way to say that there is none
    file = RUNTIME.read(SourceFile("blocks/m.py", f"@block\ndef m(a: {frame}): ..."), lambda *_: None, {})
    assert file is not None
    (problem,) = RUNTIME.missing([file.block], file.packages, [])
    assert problem.message == f"`{package}` is not installed"
    assert problem.hint == f"install it with `pip install 'sqlflow[{package}]'`"


@pytest.mark.parametrize("if_missing", ["fail", "skip"])
def test_where_there_is_no_r_its_blocks_fail_or_are_skipped_and_all_else_is_built(
    if_missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code = f"#' ---\n#' if_missing: {if_missing}\n#' ---\nstats <- function(first) first\n"
    files = {"blocks/first.sql": "select 1 as id", "blocks/stats.R": code, "blocks/last.sql": "select * from stats"}
    project = Project.load(write(tmp_path, SETTINGS | files))
    if if_missing == "fail":
        with pytest.raises(TargetError, match="`Rscript` was not found"):
            project.build()
        return
    report = project.build()
    assert {str(result.block): result.status for result in report.blocks} == {
        "main.first": "built",
        "main.stats": "skipped",
        "main.last": "skipped",
    }


def test_a_block_s_file_is_an_ordinary_module(tmp_path: Path) -> None:
    write(tmp_path, SETTINGS | {"blocks/doubled.py": HEAD + "def doubled(first, by=2):\n    return first * by\n"})
    spec = importlib.util.spec_from_file_location("doubled", tmp_path / "blocks/doubled.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.doubled(pd.DataFrame({"x": [1, 2]}))["x"].tolist() == [2, 4]
