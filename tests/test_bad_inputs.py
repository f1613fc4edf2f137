"""What goes wrong gets an answer: the corpus of bad inputs, run through the real command line."""

import contextlib
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from bad_inputs_adapter import Case, Outcome, corpus, is_runnable, lines_added, run, write

CATEGORIES = (
    "project-yaml", "front-matter", "sql", "jinja", "graph-names", "files", "env-secrets", "seeds", "assertions", "cli",
    "python-block", "r-block", "schedules",
)  # fmt: skip
"""The other categories come with what they test."""
CORPUS = corpus(Path(__file__).with_name("bad_inputs.yaml"))
RUNNABLE = [case for case in CORPUS["cases"] if case["category"] in CATEGORIES and is_runnable(case)]
RUNNABLE_AT_LEAST = 195
SECONDS = 10
MEGABYTES = 1000
PATIENCE = 3
"""How many times the corpus's limit a noisy machine may take."""
_RAW_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_the_corpus_is_whole() -> None:
    assert Counter(case["category"] for case in CORPUS["cases"]) == CORPUS["meta"]["per_category"]


def test_no_case_is_lost_on_the_way_to_be_run() -> None:
    assert len(RUNNABLE) >= RUNNABLE_AT_LEAST


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A project folder, taken away by a program that minds neither depth nor modes."""
    (tmp_path / "project").mkdir()
    (tmp_path / "outside").mkdir()
    yield tmp_path / "project"
    subprocess.run(["chmod", "u+rwx", tmp_path / "project"], check=True)
    subprocess.run(["rm", "-rf", tmp_path / "project"], check=True)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in RUNNABLE])
def test_a_bad_input_gets_the_answer_that_the_corpus_asks_for(case: Case, root: Path) -> None:
    files = write(case, root)
    warehouse = root / "warehouse.duckdb"
    if "before" in case["setup"].get("target", {}):
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute(case["setup"]["target"]["before"])
    relations, names = _relations(warehouse), _names(root)
    limits = {"seconds": SECONDS, "rss_mb": MEGABYTES} | case.get("limits", {})
    outcome = run(case, root, limits["seconds"] * PATIENCE, root.parent / "outside")
    faults = [*faults_told(case, outcome, files), *_faults_left(case, root, files)]
    if case.get("expect_no_process") and (left := _processes_of(root.parent / "outside")):
        faults.append(f"left running: {left}")
    if outcome.exit_code != 0 and _relations(warehouse) != relations:
        faults.append(f"published: {_relations(warehouse) - relations}")
    if case["command"].startswith("check") and _names(root) != names:
        faults.append(f"check wrote {_names(root) - names}")
    if outcome.megabytes > limits["rss_mb"]:
        faults.append(f"took {outcome.megabytes:.0f} MB")
    assert not faults, f"{faults}\n{outcome.output[:4000]}"


def faults_told(case: Case, outcome: Outcome, files: list[str]) -> Iterator[str]:
    """Yield what is wrong with the exit code and the words."""
    said = outcome.output.lower()
    if outcome.exit_code != case["expect_exit"]:
        yield f"exit {outcome.exit_code}, not {case['expect_exit']}"
    for fragment in case["expect_message_contains"]:
        if not re.search(_pattern(fragment, files, lines_added(case)), said):
            yield f"does not say {fragment!r}"
    any_of = case.get("expect_message_contains_any", [])
    if any_of and not any(fragment.lower() in said for fragment in any_of):
        yield f"says none of {any_of}"
    for fragment in ("traceback", *case.get("expect_not_contains", [])):
        if fragment.lower() in said:
            yield f"says {fragment!r}"
    if found := _RAW_CONTROL.search(outcome.output):
        yield f"prints the raw control character {found.group()!r}"


def _pattern(fragment: str, files: list[str], lines: int) -> str:
    if fragment == "@file":
        return re.escape(files[0].lower())
    if fragment.startswith("@line="):
        number = fragment.removeprefix("@line=")
        number = str(int(number) + lines) if number else r"\d+"
        return rf"\bline {number}\b|:{number}:"
    return re.escape(fragment.lower())


def _faults_left(case: Case, root: Path, files: list[str]) -> Iterator[str]:
    """Yield what is wrong with what the command has left behind."""
    for path in case.get("expect_not_exists", []):
        if Path(path).exists():
            yield f"{path} exists"
    for sql, rows in case.get("expect_rows", {}).items():
        found = _rows(root / "warehouse.duckdb", sql)
        if found != rows:
            yield f"{sql}: {found}, not {rows}"
    for fragment in case.get("expect_not_contains", []):
        written = [path for path in root.rglob("*") if path.is_file() and str(path.relative_to(root)) not in files]
        if any(fragment.encode() in (root / path).read_bytes() for path in files if (root / path).is_file()):
            written = [
                path for path in written if path.name != "loaded.bin"
            ]  # it holds the text of the project's files
        yield from (f"{path} holds {fragment!r}" for path in written if _holds(path, fragment))


def _processes_of(outside: Path) -> list[str]:
    """Return the processes that began with the environment of this test's run, told by its home folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"HOME={outside}".encode() in (process / "environ").read_bytes().split(b"\x00"):
                found.append((process / "cmdline").read_bytes().decode(errors="replace").replace("\x00", " "))
    return found


def _holds(path: Path, fragment: str) -> bool:
    """Tell whether a file holds a text; of the database, the data are the user's, and what is told of them is not."""
    if path.suffix == ".duckdb":
        return fragment in str(_rows(path, "select * from _sqlflow.sqlflow_failures"))
    return fragment.encode() in path.read_bytes()


def _rows(warehouse: Path, sql: str) -> list[list[object]]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return [list(row) for row in connection.execute(sql).fetchall()]


def _relations(warehouse: Path) -> set[tuple[object, ...]]:
    """Return what readers can see: every relation outside the schema of versions and state."""
    if not warehouse.exists() or not warehouse.stat().st_size:
        return set()
    every = "select schema_name, table_name from duckdb_tables() where not internal union all select schema_name,"
    every += " view_name from duckdb_views() where not internal"
    return {tuple(row) for row in _rows(warehouse, every) if row[0] != "_sqlflow"}


def _names(root: Path) -> set[str]:
    return {entry.name for entry in root.iterdir()}
