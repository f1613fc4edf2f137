"""Loading a project runs none of its code and touches nothing outside of it, whatever the project holds."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from bad_inputs_adapter import write as write_bad_input
from support import write
from test_bad_inputs import RUNNABLE
from test_cases import NOT_OF_THE_PROJECT, Case, called, case_folders
from watch import watched

from sqlflow import Project
from sqlflow.core.errors import ProjectError
from sqlflow.read import template

COMMANDS = ("list", "plan --offline", "lineage")
PARTS = 4
HOSTILE = {
    "sqlflow.yml": "name: p\n",
    "blocks/evil.py": "import os\nos.system('touch /tmp/sqlflow-was-here')\nfrom sqlflow import block\n"
    "@block\ndef evil():\n    import pandas as pd\n    return pd.DataFrame({'a': [1]})\n",
    "lib/__init__.py": "raise SystemExit('ran')",
    "lib/sqlflow.py": "raise SystemExit('ran')",
    "sqlflow/__init__.py": "raise SystemExit('ran')",
    "sitecustomize.py": "raise SystemExit('ran')",
    "blocks/reads.sql": "select * from read_csv('/etc/passwd')",
    "blocks/web.sql": "select * from 'https://127.0.0.1:1/x.csv'",
    "blocks/asks.sql": "select {{ query('select 1 as a') | length }} as a",
}


def done(root: Path) -> list[str]:
    """Return what the commands that only load have done and must not do."""
    here = Path.cwd()
    with watched(root) as seen:
        os.chdir(root)
        try:
            for command in COMMANDS:
                called(command)
        finally:
            os.chdir(here)
    return seen


@pytest.mark.parametrize("part", range(PARTS))
def test_no_project_of_the_corpus_makes_loading_do_anything_else(
    part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = []
    for number, case in enumerate(RUNNABLE[part::PARTS]):
        if case["setup"].get("fault") or any(
            "fifo" in file or "generate" in file for file in case["setup"].get("files", [])
        ):
            continue
        root = tmp_path / str(number)
        root.mkdir()
        write_bad_input(case, root)
        faults += [f"{case['id']}: {what}" for what in done(root)]
        subprocess.run(["rm", "-rf", root], check=True)
    assert not faults


@pytest.mark.parametrize("part", range(PARTS))
def test_no_project_of_the_cases_makes_loading_do_anything_else(
    part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = []
    for folder in case_folders()[part::PARTS]:
        root = tmp_path / folder.parent.name / folder.name
        shutil.copytree(folder, root, ignore=shutil.ignore_patterns(*NOT_OF_THE_PROJECT))
        case = Case(**(yaml.safe_load((folder / "case.yml").read_text()) if (folder / "case.yml").exists() else {}))
        for name, value in case.env.items():
            monkeypatch.setenv(name, value)
        faults += [f"{folder.name}: {what}" for what in done(root)]
    assert not faults


def test_a_hostile_project_runs_nothing_when_it_is_loaded(tmp_path: Path) -> None:
    write(tmp_path, HOSTILE)
    assert done(tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({path.split("/")[0] for path in HOSTILE})


def test_the_watch_sees_what_it_is_there_to_see(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "x.py").write_text("")
    with watched(tmp_path / "in") as seen:
        os.system("true")
        (tmp_path / "out").write_text("")
        (tmp_path / "in/x").write_text("")
        (tmp_path / "x.py").read_text()
        (tmp_path / "out").unlink()
    assert [what.split()[0] for what in seen] == ["os.system", "writes", "reads", "os.remove"]


WITHOUT_END = "{% for x in range(99999) %}{% for y in range(99999) %}{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    "files",
    [
        {"blocks/a.sql": f"select 1 as id {WITHOUT_END}"},
        {"blocks/a.sql": "select {{ m() }} as id", "macros/m.sql": f"{{% macro m() %}}1{WITHOUT_END}{{% endmacro %}}"},
        {"blocks/a.sql": "select 1 as id", "macros/m.sql": f"{WITHOUT_END}{{% macro m() %}}1{{% endmacro %}}"},
        {"blocks/a.sql": "select 1 as id", "assertions/b.sql": f"select * from a {WITHOUT_END}"},
        {
            "blocks/a.sql": "/*---\nassert: [{m: id}]\n---*/\nselect 1 as id",
            "macros/m.sql": f"{{% macro m(column) %}}select * from {{{{ this }}}} {WITHOUT_END}{{% endmacro %}}",
        },
    ],
)
def test_a_template_that_does_not_end_is_stopped_wherever_it_stands(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template, "SECONDS_AT_MOST", 0.1)
    with pytest.raises(ProjectError, match=r"takes longer than .* s of time to render"):
        Project.load(write(tmp_path, {"sqlflow.yml": "name: p\n", **files})).plan()
