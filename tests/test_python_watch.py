"""A function that reaches outside of its inputs, though nothing in its text says so, is noticed where it runs: no version of it is used again."""

from pathlib import Path

import pytest
from support import write

from sqlflow import Project
from sqlflow.core import events
from sqlflow.run.report import Report

GIVEN = {
    "sqlflow.yml": "name: p\ntargets: {dev: {engine: duckdb, path: warehouse.duckdb}}\n",
    "blocks/given.sql": "select 1 as a",
}
HEAD = "import pandas as pd\nfrom sqlflow import block\n"
MADE = "    return pd.DataFrame({'a': [1]})\n"
DATA = "machine example.org login me password secret\n"


def block(body: str, head: str = "", context: bool = False) -> str:
    """Return the file of a block `f` with a function of this body."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"{head}{HEAD}\n@block\ndef f(given{', context' if context else ''}):\n{lines}{MADE}"


def build(root: Path) -> tuple[Report, list[str], list[str]]:
    """Build, and return the report, the blocks that were built, and what they printed."""
    built: list[str] = []
    printed: list[str] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.BlockBuilt):
            built.append(event.block)
        elif isinstance(event, events.BlockPrinted):
            printed.append(event.line)

    return Project.load(root).build(listener=listen), sorted(built), printed


REACHING = {
    "a file of the project": ("netrc.netrc('HERE/data.netrc')", "import netrc\n", "opens `data.netrc`"),
    "a file elsewhere": ("filecmp.cmp('HERE/../a.txt', 'HERE/../b.txt', shallow=False)", "import filecmp\n", "opens `/"),
    "a folder": ("filecmp.dircmp('HERE', 'HERE').left_list", "import filecmp\n", "lists `"),
    "another program": ("ctypes.util.find_library('surely_not_there')", "import ctypes.util\n", "starts another program"),
    "the network": ("try:\n    logging.handlers.SocketHandler('127.0.0.1', 1).makeSocket()\nexcept OSError:\n    pass", "import logging.handlers\n",
                    "uses the network"),
}  # fmt: skip


@pytest.mark.parametrize("what", REACHING)
def test_what_a_function_reaches_is_said_and_it_runs_again(what: str, tmp_path: Path) -> None:
    body, head, said = REACHING[what]
    root = tmp_path / "project"
    files = GIVEN | {"blocks/f.py": block(body.replace("HERE", str(root)), head), "data.netrc": DATA}
    write(root, files | {"../a.txt": "a", "../b.txt": "b", "blocks/g.sql": "select a from f"})
    report, built, printed = build(root)
    assert (report.ok, built) == (True, ["main.f", "main.g", "main.given"])
    assert [line.startswith(f"`f` {said}") for line in printed] == [True]
    step = next(step for step in Project.load(root).plan().steps if str(step.block) == "main.f")
    assert (step.action, step.reason) == ("build", "it read something else than its key says when it was built")
    assert "main.f" in build(root)[1]
    write(root, {"blocks/f.py": files["blocks/f.py"].replace("@block\n", "@block(refresh='never')\n")})
    assert build(root)[1:] == (["main.f", "main.g"], [])
    assert build(root)[1] == []


OWN = {
    "its own scratch": (f"(context.scratch / 'x').write_text('{DATA.strip()}')\nnetrc.netrc(str(context.scratch / 'x'))", "import netrc\n"),
    "what packages bring": ("import importlib.metadata as m\nm.version('pandas')", ""),
    "times of a zone": ("pd.Timestamp('2026-01-01', tz='Europe/Berlin')", ""),
    "a warning that shows its line": ("import warnings\nwarnings.warn('look')", ""),
    "a package that is imported late": ("import pyarrow.compute, zoneinfo, email.message", ""),
    "a module of its own": ("from lib import helpers\nhelpers.one()", ""),
}  # fmt: skip


@pytest.mark.parametrize("what", OWN)
def test_what_is_a_function_s_own_is_no_reaching(what: str, tmp_path: Path) -> None:
    body, head = OWN[what]
    files = {"blocks/f.py": block(body, head, context=True), "lib/helpers.py": "def one():\n    return 1\n"}
    write(tmp_path, GIVEN | files)
    report, built, printed = build(tmp_path)
    assert (report.ok, built, [line for line in printed if line.startswith("`f`")]) == (
        True,
        ["main.f", "main.given"],
        [],
    )
    assert build(tmp_path)[1] == []


def test_what_a_module_reads_when_it_is_imported_counts_for_all_who_use_it(tmp_path: Path) -> None:
    module = f"import netrc\nread = netrc.netrc('{tmp_path}/data.netrc')\n"
    one = block("helpers.read", "from lib import helpers\n")
    write(tmp_path, GIVEN | {"lib/helpers.py": module, "data.netrc": DATA})
    write(tmp_path, {"blocks/f.py": one, "blocks/g.py": one.replace("def f(given)", "def g(f)")})
    report, built, printed = build(tmp_path)
    assert (report.ok, built, len(printed)) == (True, ["main.f", "main.g", "main.given"], 2)


def test_an_assertion_that_reaches_outside_runs_again(tmp_path: Path) -> None:
    check = "\n\n@assertion\ndef holds(output):\n    return bool(netrc.netrc('HERE/data.netrc').hosts)\n"
    text = block("pass", "import netrc\n").replace("import block", "import assertion, block") + check
    write(tmp_path, GIVEN | {"blocks/f.py": text.replace("HERE", str(tmp_path)), "data.netrc": DATA})
    report, built, printed = build(tmp_path)
    assert (report.ok, built, len(printed)) == (True, ["main.f", "main.given"], 1)
    assert "`holds` opens `data.netrc`" in printed[0]
    write(tmp_path, {"data.netrc": ""})
    report, built, _ = build(tmp_path)
    assert (report.ok, built) == (False, [])
