"""Each folder of `tests/cases/` is a project and what it must lead to.

    <the files of the project, as a user writes them>
    case.yml                        may be absent; its keys are the fields of `Case`
    expected.txt                    what the commands print, with their exit codes
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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
import yaml

CASES = Path(__file__).parent / "cases"
UPDATE = "SQLFLOW_UPDATE_CASES" in os.environ
NOT_OF_THE_PROJECT = ("case.yml", "expected.txt", "expected")
NORMALISED = (
    (r"\d{8}T\d{9}[0-9a-f]{4}", "RUN"),
    (r"__[0-9a-f]{12}\b", "__HASH"),
    (r'"seconds":[0-9.e-]+', '"seconds":0'),
    (r" *\b\d+\.\d\d s\b", " … s"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d{6}", "NOW"),
)


@dataclass(frozen=True)
class Case:
    """What `case.yml` may say.

    A step of `run` is a command line behind `sqlflow`, or a change in between: `{write: {path: text}}`,
    `{remove: path}`, `{sql: statements for the warehouse}`.
    """

    run: list[Any] = field(default_factory=lambda: ["build"])
    exit: int | list[int] = 0
    """The exit code of every command, or a list with one for each."""
    env: dict[str, str] = field(default_factory=dict)
    setup_sql: str = ""
    """Run in the warehouse, with the project as working folder, before the first step."""
    then: list[dict[str, Any]] = field(default_factory=list)
    """Queries on the warehouse in the end: `sql`, and the `rows` that it must give."""


def case_folders() -> list[Path]:
    return sorted(folder for group in CASES.iterdir() for folder in group.iterdir() if folder.is_dir())


def case_name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


@pytest.mark.parametrize("folder", case_folders(), ids=case_name)
def test_a_project_gives_what_is_expected(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(**(yaml.safe_load((folder / "case.yml").read_text()) if (folder / "case.yml").exists() else {}))
    project = tmp_path / "project"
    shutil.copytree(folder, project, ignore=lambda where, _: NOT_OF_THE_PROJECT if Path(where) == folder else ())
    monkeypatch.chdir(project)
    monkeypatch.setenv("COLUMNS", "100")
    for name, value in case.env.items():
        monkeypatch.setenv(name, value)
    if case.setup_sql:
        in_warehouse(project, case.setup_sql)

    codes, text = transcript(case, project)
    expect(folder, text)
    assert codes == (case.exit if isinstance(case.exit, list) else [case.exit] * len(codes))
    assert set(codes) != {2} or case.setup_sql or not (project / "warehouse.duckdb").exists(), (
        "a wrong call ran something"
    )
    for file in sorted((folder / "expected").glob("*.csv")):
        expect_content(file, project)
    for query in case.then:
        assert in_warehouse(project, query["sql"]) == query["rows"], query["sql"]


def test_half_of_the_cases_are_wrong_projects_and_calls() -> None:
    wrong = [folder for folder in case_folders() if folder.parent.name == "wrong"]
    assert len(case_folders()) >= 75
    assert len(wrong) * 2 >= len(case_folders())


def transcript(case: Case, project: Path) -> tuple[list[int], str]:
    """Return the exit codes of the commands, and all that was said, without what differs from run to run."""
    codes: list[int] = []
    said: list[str] = []
    for step in case.run:
        if isinstance(step, str):
            code, text = called(step)
            codes.append(code)
            said.append(f"$ sqlflow {step}\n{normalised(text, project)}exit {code}\n")
        else:
            said.append(f"$ {changed(step, project)}\n")
    return codes, "\n".join(said)


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


def changed(step: dict[str, Any], project: Path) -> str:
    """Do what stands between two commands, and return how it is shown."""
    ((verb, what),) = step.items()
    if verb == "sql":
        in_warehouse(project, what)
        return f"duckdb warehouse.duckdb {shlex.quote(what.strip())}"
    if verb == "remove":
        (project / what).unlink()
        return f"rm {what}"
    assert verb == "write", f"a step is a command, or one of write, remove, sql: not {verb}"
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


def in_warehouse(project: Path, sql: str) -> list[list[Any]]:
    """Return the rows of the last statement; values that YAML does not know are text."""
    with duckdb.connect(
        str(project / "warehouse.duckdb"), config={"storage_compatibility_version": "v1.5.0"}
    ) as warehouse:
        warehouse.execute("set timezone = 'UTC'")
        rows = warehouse.execute(sql).fetchall()
    return [
        [value if isinstance(value, (int, float, str, type(None))) else str(value) for value in row] for row in rows
    ]


def expect(folder: Path, text: str) -> None:
    assert "Traceback" not in text
    if UPDATE:
        (folder / "expected.txt").write_text(text)
    assert text == (folder / "expected.txt").read_text()


def expect_content(file: Path, project: Path) -> None:
    with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True) as warehouse:
        columns = warehouse.execute(f"describe {file.stem}").fetchall()
        rows = warehouse.execute(f"from {file.stem} order by all").fetchall()
    lines = [[f"{name}:{kind}" for name, kind, *_ in columns], *rows]
    text = "".join(",".join("NULL" if value is None else str(value) for value in line) + "\n" for line in lines)
    if UPDATE:
        file.write_text(text)
    assert text == file.read_text()
