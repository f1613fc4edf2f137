"""The corpus's cases of a target that changes, of locks, of state and of limits: what is around the project goes wrong."""

import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Timer

import duckdb
import pytest
from bad_inputs_adapter import Case, is_runnable, run, write
from test_bad_inputs import CORPUS, MEGABYTES, PATIENCE, SECONDS, _faults_left, _relations, faults_told

SQLFLOW = (sys.executable, "-m", "sqlflow")
STATE = "_sqlflow.sqlflow_state"


def built(root: Path, fail: str = "") -> "subprocess.CompletedProcess[str]":
    environment = os.environ | ({"SQLFLOW_FAIL": fail} if fail else {})
    return subprocess.run((*SQLFLOW, "build"), cwd=root, env=environment, capture_output=True, text=True, check=False)


def done(root: Path, sql: str) -> None:
    with duckdb.connect(
        str(root / "warehouse.duckdb"), config={"storage_compatibility_version": "v1.5.0"}
    ) as warehouse:
        warehouse.execute(sql)


def after_a_build(sql: str) -> Callable[[Path], None]:
    def prepare(root: Path) -> None:
        assert built(root).returncode == 0
        done(root, sql)

    return prepare


def after_a_kill(root: Path) -> None:
    assert built(root, "create table:1:kill").returncode == -9


def with_spilled_files(root: Path) -> None:
    (root / "warehouse.duckdb.tmp").mkdir()
    (root / "warehouse.duckdb.tmp/duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(bytes(1000))


def as_a_view(root: Path) -> None:
    front = (root / "blocks/a.sql").read_text()
    (root / "blocks/a.sql").write_text("select 1 as id\n")
    assert built(root).returncode == 0
    (root / "blocks/a.sql").write_text(front)


@contextmanager
def holding(root: Path, *command: str, fail: str = "") -> Iterator["subprocess.Popen[str]"]:
    """Yield a process that has said its first line to stderr, and now has the file."""
    environment = os.environ | {"SQLFLOW_FAIL": fail}
    with subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline()
        try:
            yield process
        finally:
            process.kill()


def build_that_hangs(root: Path) -> "contextmanager[subprocess.Popen[str]]":
    return holding(root, *SQLFLOW, "build", fail="lease taken:1:hang")  # type: ignore[return-value]


@contextmanager
def build_that_ends_soon(root: Path) -> Iterator[None]:
    with build_that_hangs(root) as process:  # type: ignore[attr-defined]
        Timer(2.0, process.kill).start()
        yield


def program(read_only: bool) -> Callable[[Path], "contextmanager[subprocess.Popen[str]]"]:
    code = f"import duckdb, sys; c = duckdb.connect('warehouse.duckdb', read_only={read_only}); print('x', file=sys.stderr, flush=True); input()"

    def start(root: Path) -> "contextmanager[subprocess.Popen[str]]":
        if not (root / "warehouse.duckdb").exists():
            done(root, "select 1")
        return holding(root, sys.executable, "-c", code)  # type: ignore[return-value]

    return start


@contextmanager
def few_files(root: Path) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


BEFORE: dict[str, Callable[[Path], object]] = {
    "drift-upstream-column-dropped": after_a_build("alter table ext drop column b"),
    "drift-upstream-type-changed": after_a_build("drop table ext; create table ext as select 'x' as a"),
    "materialization-changes-table-to-view": as_a_view,
    "duckdb-file-not-a-database": lambda root: (root / "warehouse.duckdb").write_text("text" * 5000),
    "lock-holder-killed": after_a_kill,
    "state-newer-schema": after_a_build(f"update {STATE} set form = form + 1"),
    "state-version-missing": after_a_build(f"delete from {STATE}"),
    "temp-dir-leftovers": with_spilled_files,
    "target-is-a-view-now": lambda root: None,
    "target-table-not-ours": lambda root: None,
    "duckdb-index-blocks-rename": lambda root: None,
}
"""What is done before the command of a case, in the words of the corpus's `fault` and `target`."""
MEANWHILE = {
    "lock-two-builds-fail-fast": build_that_hangs,
    "lock-two-builds-wait": build_that_ends_soon,
    "lock-other-tool-holds-duckdb": program(False),
    "lock-readers-hold-duckdb": program(True),
    "fd-exhausted": few_files,
}
"""Who is there while the command runs."""
CASES = [case for case in CORPUS["cases"] if case["id"] in BEFORE | MEANWHILE and is_runnable(case)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    (tmp_path / "outside").mkdir()
    return tmp_path / "project"


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_what_goes_wrong_around_a_project_gets_the_answer_that_the_corpus_asks_for(case: Case, root: Path) -> None:
    files = write(case, root)
    before = case["setup"].get("target", {}).get("before", "")
    if re.match(r"create\b", before):
        done(root, before)
    BEFORE.get(case["id"], lambda root: None)(root)
    shown = _relations(root / "warehouse.duckdb") if "not-a-database" not in case["id"] else set()
    asked = case | {
        "command": case["command"].replace("--no-wait", "--lock-timeout 0").replace("--wait", "--lock-timeout")
    }
    if "lock-" in case["id"] and "--lock-timeout" not in asked["command"] and case["expect_exit"] == 3:
        asked["command"] += " --lock-timeout 0"
    limits = {"seconds": SECONDS, "rss_mb": MEGABYTES} | case.get("limits", {})
    with ExitStack() as stack:
        if case["id"] in MEANWHILE:
            stack.enter_context(MEANWHILE[case["id"]](root))  # type: ignore[arg-type]
        outcome = run(asked, root, limits["seconds"] * PATIENCE, root.parent / "outside")
    faults = [*faults_told(case, outcome, files), *_faults_left(case, root, files)]
    if outcome.exit_code != 0 and "not-a-database" not in case["id"] and _relations(root / "warehouse.duckdb") != shown:
        faults.append("published")
    if any(root.glob("*.tmp")):
        faults.append("spilled files are left")
    assert not faults, f"{faults}\n{outcome.output[:4000]}"


def test_no_case_of_these_is_lost() -> None:
    assert len(CASES) == len(BEFORE | MEANWHILE)
