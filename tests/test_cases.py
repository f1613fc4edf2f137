"""Each folder of `tests/cases/` is a project and what it must lead to.

    <the files of the project, as a user writes them>
    case.yml                        may be absent; its keys are the fields of `Case`
    expected.txt                    what the commands print, with their exit codes
    expected.postgres.txt           the same on Postgres, where that says it in words of its own
    expected/<schema>.<name>.csv    what is published in the end, ordered by all columns

`SQLFLOW_UPDATE_CASES=1 pytest tests/test_cases.py` writes the expected files anew; an empty file in `expected/` asks
for a table's content. Read every line that it changes: an expected file is a promise.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

import duckdb
import pytest
import yaml

CASES = Path(__file__).parent / "cases"
UPDATE = "SQLFLOW_UPDATE_CASES" in os.environ
NOT_OF_THE_PROJECT = ("case.yml", "expected.txt", "expected.postgres.txt", "expected")
NORMALISED = (
    (r"\d{8}T\d{9}[0-9a-f]{4}", "RUN"),
    (r"__[0-9a-f]{12}\b", "__HASH"),
    (r'"seconds":[0-9.e-]+', '"seconds":0'),
    (r'"[0-9a-f]{32}"', '"HASH"'),
    (r" *\b(\d+ m \d+|\d+\.\d\d) s\b", " … s"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{6}| UTC\b)", "NOW"),
    (r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b", "RUN"),
    (r"\bsqlflow_[A-Za-z0-9_-]{43}(?![\w-])", "TOKEN"),
    (r"this one knows \d+", "this one knows N"),
)


@dataclass(frozen=True)
class Case:
    """What `case.yml` may say.

    A step of `run` is a command line behind `sqlflow`, or a change in between: `{write: {path: text}}`,
    `{remove: path}`, `{sql: statements for the warehouse}`, `{keep: {path: command line}}` for what a command prints,
    `{clock: 2026-01-31 05:00}` for what time it is from there on, in UTC.
    """

    run: list[Any] = field(default_factory=lambda: ["build"])
    exit: int | list[int] = 0
    """The exit code of every command, or a list with one for each."""
    env: dict[str, str] = field(default_factory=dict)
    setup_sql: str = ""
    """Run in the warehouse, with the project as working folder, before the first step."""
    engines: list[str] = field(default_factory=lambda: ["duckdb", "postgres"])
    """Where the project is built. Elsewhere than on DuckDB its default target is made anew, and the rest is as it is; what is
    printed there stands in `expected.postgres.txt` if it differs. A project that names targets itself has but those."""
    then: list[dict[str, Any]] = field(default_factory=list)
    """Queries on the warehouse in the end: `sql`, and the `rows` that it must give."""


class Warehouse(Protocol):
    """Where a case's project is built, as somebody else sees it."""

    project: Path
    engine: str

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of the last statement."""

    def expect_content(self, file: Path) -> None:
        """Compare a published relation with the file that is named like it."""


class DuckDBWarehouse:
    engine = "duckdb"

    def __init__(self, project: Path) -> None:
        self.project = project
        self.path = project / "warehouse.duckdb"

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), config={"storage_compatibility_version": "v1.5.0"}) as warehouse:
            warehouse.execute("set timezone = 'UTC'")
            return warehouse.execute(sql).fetchall()

    def expect_content(self, file: Path) -> None:
        columns = self.rows(f"describe {file.stem}")
        rows = self.rows(f"from {file.stem} order by all")
        text = as_csv([[f"{name}:{kind}" for name, kind, *_ in columns], *rows])
        if UPDATE:
            file.write_text(text)
        assert text == file.read_text()


class PostgresWarehouse:
    """The same project with its default target in Postgres, where names without a schema lie in `main` too."""

    engine = "postgres"

    def __init__(self, project: Path, url: str) -> None:
        self.project = project
        self.url = url
        file = project / "sqlflow.yml"
        file.write_text(file.read_text() + f"\ntargets: {{dev: {{engine: postgres, url: '{url}', schema: main}}}}\n")
        self.rows("create schema main")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.url) as warehouse:
            cursor = warehouse.execute("set timezone = 'UTC'; set search_path = main; " + sql)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def expect_content(self, file: Path) -> None:
        header, _, expected = file.read_text().partition("\n")
        names = [column.partition(":")[0] for column in header.split(",")]
        listed = ", ".join(str(number) for number in range(1, len(names) + 1))
        selected = ", ".join(f'"{name}"' for name in names)
        assert as_csv(self.rows(f"select {selected} from {file.stem} order by {listed}")) == expected


def case_folders() -> list[Path]:
    return sorted(folder for group in CASES.iterdir() for folder in group.iterdir() if folder.is_dir())


def case_of(folder: Path) -> Case:
    return Case(**(yaml.safe_load((folder / "case.yml").read_text()) if (folder / "case.yml").exists() else {}))


def cases_on(engine: str) -> list[Any]:
    return [
        pytest.param(folder, id=f"{folder.parent.name}/{folder.name}")
        for folder in case_folders()
        if engine in case_of(folder).engines and (engine == "duckdb" or has_default_target(folder / "sqlflow.yml"))
    ]


def has_default_target(file: Path) -> bool:
    return file.exists() and bool(file.read_text().strip()) and "targets:" not in file.read_text()


@pytest.mark.parametrize("folder", cases_on("duckdb"))
def test_a_project_gives_what_is_expected(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = DuckDBWarehouse(copied(folder, tmp_path))
    codes = run_case(folder, warehouse, monkeypatch)
    assert set(codes) != {2} or case_of(folder).setup_sql or not warehouse.path.exists(), "a wrong call ran something"


@pytest.mark.parametrize("folder", cases_on("postgres"))
def test_a_project_gives_the_same_on_postgres(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    run_case(folder, PostgresWarehouse(copied(folder, tmp_path), postgres_url), monkeypatch)


def copied(folder: Path, tmp_path: Path) -> Path:
    project = tmp_path / "project"
    shutil.copytree(folder, project, ignore=lambda where, _: NOT_OF_THE_PROJECT if Path(where) == folder else ())
    return project


def run_case(folder: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Compare what the case says, prints and leaves in the warehouse; return the exit codes."""
    case = case_of(folder)
    monkeypatch.chdir(warehouse.project)
    monkeypatch.setenv("COLUMNS", "100")
    for name, value in case.env.items():
        monkeypatch.setenv(name, value)
    if case.setup_sql:
        warehouse.rows(case.setup_sql)

    codes, text = transcript(case, warehouse)
    expect(folder, text, warehouse)
    assert codes == (case.exit if isinstance(case.exit, list) else [case.exit] * len(codes))
    for file in sorted((folder / "expected").glob("*.csv")):
        warehouse.expect_content(file)
    for query in case.then:
        assert in_yaml(warehouse.rows(query["sql"])) == query["rows"], query["sql"]
    return codes


def test_half_of_the_cases_are_wrong_projects_and_calls() -> None:
    wrong = [folder for folder in case_folders() if "wrong" in (folder.parent.name[:5], folder.name[:5])]
    assert len(case_folders()) >= 75
    assert len(wrong) * 2 >= len(case_folders())


def transcript(case: Case, warehouse: Warehouse) -> tuple[list[int], str]:
    """Return the exit codes of the commands, and all that was said, without what differs from run to run."""
    codes: list[int] = []
    said: list[str] = []
    with contextlib.ExitStack() as clock:
        for step in case.run:
            if isinstance(step, str):
                code, text = called(step)
                codes.append(code)
                said.append(f"$ sqlflow {step}\n{normalised(text, warehouse.project)}exit {code}\n")
            elif "clock" in step:
                clock.enter_context(patch.object(time, "time", return_value=moment(step["clock"])))
                said.append(f"$ clock {step['clock']}\n")
            else:
                said.append(f"$ {changed(step, warehouse)}\n")
    return codes, "\n".join(said)


def moment(text: str) -> float:
    """Return a time in UTC as seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def called(line: str) -> tuple[int, str]:
    """Run `sqlflow` as the console script does, and return the exit code and what was printed."""
    from sqlflow.cli.main import main

    arguments = shlex.split(line)
    if arguments[:1] in (["build"], ["test"]):
        arguments.insert(1, "--threads=1")
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
    with (
        patch.object(sys, "argv", ["sqlflow", *arguments]),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
        same_signals(),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    output.flush()
    assert isinstance(output.buffer, io.BytesIO)
    code = ended.value.code
    return (code if isinstance(code, int) else 0), output.buffer.getvalue().decode()


@contextlib.contextmanager
def same_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def changed(step: dict[str, Any], warehouse: Warehouse) -> str:
    """Do what stands between two commands, and return how it is shown."""
    ((verb, what),) = step.items()
    project = warehouse.project
    if verb == "keep":
        for path, line in what.items():
            code, text = called(line)
            assert code == 0, text
            (project / path).write_text(text)
        return " && ".join(f"sqlflow {line} > {path}" for path, line in what.items())
    if verb == "sql":
        warehouse.rows(what)
        return f"sql {shlex.quote(what.strip())}"
    if verb == "remove":
        (project / what).unlink()
        return f"rm {what}"
    assert verb == "write", f"a step is a command, or one of write, remove, sql, keep, clock: not {verb}"
    for path, text in what.items():
        (project / path).write_text(text)
    return f"edit {' '.join(what)}"


def normalised(text: str, project: Path) -> str:
    """Return the text without run ids, times and paths; the lines of work done side by side in order."""
    text = text.replace(str(project.resolve()), "PROJECT").replace(str(project), "PROJECT")
    for pattern, replacement in NORMALISED:
        text = re.sub(pattern, replacement, text)
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines, 1) if line.startswith("run RUN")), None)
    if start is not None:
        end = lines.index("", start)
        lines[start:end] = sorted(lines[start:end])
    return "".join(f"{line}\n" for line in lines)


def in_yaml(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    """Return rows as YAML holds them: values that it does not know are text."""
    return [
        [value if isinstance(value, (int, float, str, type(None))) else str(value) for value in row] for row in rows
    ]


def expect(folder: Path, text: str, warehouse: Warehouse) -> None:
    assert "Traceback" not in text
    own = folder / f"expected.{warehouse.engine}.txt"
    file = own if own.exists() else folder / "expected.txt"
    if UPDATE and (file == own or warehouse.engine == case_of(folder).engines[0]):
        file.write_text(text)
    assert text == file.read_text()


def as_csv(lines: list[Any]) -> str:
    return "".join(",".join("NULL" if value is None else str(value) for value in line) + "\n" for line in lines)
