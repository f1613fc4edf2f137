"""The commands about runs, on what a service has left in the history."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from serving import ended, gated, process, project, served, waited
from test_cases import called, normalised

from sqlflow.read.pipelines import read_pipelines
from sqlflow.service import installed
from sqlflow.service.history import History
from sqlflow.service.ticks import AskedRun, tick_key, triggered

BAD = "/*---\nassert:\n  - id > 1\n---*/\nselect * from one\n"
PIPELINES = {
    "pipelines/nightly.yml": 'schedule: "0 5 * * *"\ntimezone: Europe/Berlin\nmissed: all\ntimeout: 1h\n',
    "pipelines/often.yml": "every: 15 minutes\n",
    "pipelines/odd.yml": "every: 7 hours\n",
    "pipelines/after.yml": "triggers:\n  - after: [nightly]\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(project(tmp_path, PIPELINES))
    monkeypatch.setenv("COLUMNS", "100")
    yield tmp_path


def said(line: str, folder: Path) -> tuple[int, str]:
    code, text = called(line)
    return code, normalised(text, folder)


def test_a_run_that_failed_is_shown_with_what_broke_it_and_how_to_go_on(folder: Path) -> None:
    (folder / "blocks/a/two.sql").write_text(BAD)
    with served(folder) as service:
        (run,) = ended(service, service.history.request_run("nightly", by="ann").id)
    code, text = said("runs", folder)
    assert code == 0
    assert text.splitlines()[2].split()[:4] == ["RUN", "nightly", "failed", "manual"]
    code, text = said(f"runs show {run.id}", folder)
    assert code == 0
    assert "reason     a.two: 1 row breaks id > 1" in text
    assert "failed: a.two: id > 1\n  1 row breaks it\nid\n──\n 1\n" in text
    assert text.endswith("to run again what has failed: sqlflow retry RUN\n")
    code, text = called(f"runs show {run.id} --output json")
    shown = json.loads(text)
    assert {block["block"]: block["status"] for block in shown["blocks"]} == {"a.one": "built", "a.two": "built"}
    assert shown["assertions"][0]["sample"] == [[1]]
    code, text = called("runs --status failed --output json")
    assert [json.loads(line)["id"] for line in text.splitlines()] == [run.id]
    code, text = said(f"retry {run.id}", folder)
    assert (code, text) == (
        0, "asked for the run RUN of nightly\nwarning: no service is there: `sqlflow serve` does it\n",
    )  # fmt: skip


def test_lines_of_a_run_are_shown_by_block_and_followed_to_its_end(folder: Path) -> None:
    text, gate = gated(folder)
    (folder / "blocks/a/gated.py").write_text(text)
    history = History.open(folder)
    service = process(folder)
    run = history.request_run("nightly")
    follows = subprocess.Popen(
        [sys.executable, "-m", "sqlflow", "logs", run.id, "--follow"], stdout=subprocess.PIPE, text=True
    )
    waited(lambda: any(block.block == "a.gated" for block in history.blocks(run.id)))
    assert follows.poll() is None
    assert said(f"logs {run.id}", folder) == (0, "")
    gate.touch()
    assert follows.communicate()[0] == "a.gated | the gate is open\n"
    assert said(f"logs {run.id} a.gated", folder) == (0, "the gate is open\n")
    assert json.loads(called(f"logs {run.id} -o json")[1])["block"] == "a.gated"
    code, text = said(f"cancel {run.id}", folder)
    assert (code, "has ended" in text) == (2, True)
    service.terminate()
    service.communicate()


def test_schedules_are_listed_with_what_rests(folder: Path) -> None:
    assert said("schedule pause nightly", folder) == (0, "paused: nightly\n")
    code, text = said("schedule list", folder)
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()[2:]] == ["after", "nightly", "odd", "often"]
    assert "paused by" in text
    assert "0 5 * * * Europe/Berlin" in text
    listed = [json.loads(line) for line in called("schedule list -o json")[1].splitlines()]
    assert [one["pipeline"] for one in listed] == ["after", "nightly", "odd", "often"]
    code, text = said("schedule next nightly --limit 2", folder)
    assert (code, len(text.splitlines())) == (0, 4)
    code, text = said("schedule next after", folder)
    assert (code, "has no schedule" in text) == (2, True)


def test_what_keeps_pipelines_from_being_built_is_told_with_their_schedules(folder: Path) -> None:
    (folder / "pipelines/odd.yml").write_text("every: 7 hours\nselect: [a.three]\n")
    code, text = said("schedule list", folder)
    assert code == 0
    assert text.splitlines()[-5:] == [
        "warning: pipelines/odd.yml:2:10: no such block: `a.three`",
        "    2 | select: [a.three]",
        "      |          ^^^^^^^",
        "  hint: did you mean one of `a.one`, `a.two`?",
        "  runs fail until this is put right",
    ]
    assert "a.three" in called("export schedule odd --to airflow --into out")[1]
    assert "a.three" not in called("export schedule often --to airflow --into out")[1]


def test_what_came_of_ticks_is_shown_the_latest_first(folder: Path) -> None:
    assert said("schedule ticks", folder) == (0, "no tick has come yet: `sqlflow serve` waits for them\n")
    history = History.open(folder)
    pipelines = read_pipelines(folder)
    history.pause("often", by="ann")
    for name, hour in (("nightly", 4), ("often", 5), ("nightly", 6)):
        at = datetime(2026, 3, 29, hour, tzinfo=UTC)
        triggered(history, pipelines[name], AskedRun("schedule", tick_key(at), at), at)
    code, text = said("schedule ticks", folder)
    assert (code, [line.split()[:5] for line in text.splitlines()[2:]]) == (
        0,
        [
            ["2026-03-29", "06:00:00", "nightly", "schedule", "skipped"],
            ["2026-03-29", "05:00:00", "often", "schedule", "skipped"],
            ["2026-03-29", "04:00:00", "nightly", "schedule", "fired"],
        ],
    )
    (line,) = called("schedule ticks OFTEN -o json")[1].splitlines()
    tick = json.loads(line)
    assert (tick["pipeline"], tick["outcome"], tick["reason"], tick["run"]) == ("often", "skipped", "paused by ann", "")
    assert len(called("schedule ticks --limit 2")[1].splitlines()) == 4
    (folder / "pipelines/often.yml").unlink()
    assert "paused by ann" in called("schedule ticks often")[1]
    code, text = said("schedule ticks nigtly", folder)
    assert (code, "did you mean `nightly`?" in text) == (2, True)


def test_a_run_that_waits_is_cancelled_at_once(folder: Path) -> None:
    assert called("schedule run nightly --vars country=FR")[0] == 0
    (run,) = History.open(folder).runs()
    assert run.vars == {"country": "FR"}
    assert said(f"cancel {run.id}", folder) == (0, "the run RUN is cancelled\n")


def test_who_asks_for_a_run_while_another_one_is_on_is_refused_as_by_the_api_unless_runs_queue_up(folder: Path) -> None:
    (folder / "pipelines/often.yml").write_text("every: 15 minutes\noverlap: queue\n")
    (folder / "pipelines/odd.yml").write_text("overlap: cancel\n")
    for name, second in (("nightly", 2), ("odd", 2), ("often", 0)):
        assert called(f"schedule run {name}")[0] == 0
        code, text = said(f"schedule run {name.upper()}", folder)
        assert (code, f"error: the run RUN of `{name}` is already queued" in text) == (second, second == 2)
    history = History.open(folder)
    gone = {run.pipeline: history.request_cancel(run.id).id for run in history.runs()}
    for name, second in (("nightly", 2), ("often", 0)):
        assert called(f"retry {gone[name]}")[0] == 0
        code, text = said(f"retry {gone[name]}", folder)
        assert (code, f"error: the run RUN of `{name}` is already queued" in text) == (second, second == 2)
    (folder / "pipelines/nightly.yml").unlink()
    assert "there is no pipeline `nightly`" in called(f"retry {gone['nightly']}")[1]


@pytest.mark.parametrize("form", ["cron", "systemd", "airflow", "github"])
def test_schedules_are_written_for_others_and_what_is_left_out_is_told(folder: Path, form: str) -> None:
    code, text = called(f"export schedule --to {form} --into out")
    assert code == 0
    assert "left out: odd: no cron runs each 25200 s alike" in text
    assert "left out: after: its triggers need `sqlflow serve`" in text
    assert ("left out: nightly: GitHub knows UTC alone" in text) is (form == "github")
    files = {path.name: path.read_text() for path in (folder / "out").rglob("*") if path.is_file()}
    whole = "\n".join(files.values())
    assert "build --quiet --pipeline often" in whole
    if form == "cron":
        assert "CRON_TZ=Europe/Berlin\n0 5 * * * " in whole
        assert "CRON_TZ=UTC\n*/15 * * * * " in whole
    elif form == "systemd":
        assert "OnCalendar=*-*-* 5:0:00 Europe/Berlin\nPersistent=true" in whole
    elif form == "airflow":
        assert all(compile(text, name, "exec") for name, text in files.items())
        assert "catchup=True" in whole
    else:
        documents = [yaml.safe_load(text) for text in files.values()]
        assert documents[0][True]["schedule"] == [{"cron": "*/15 * * * *"}]


def test_without_the_extra_it_is_said_how_to_install_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(installed._PACKAGES, "nosuchpackage", "nosuchpackage")
    for line in ("serve", "schedule list", "schedule next nightly", "export schedule --to cron"):
        code, text = called(line)
        assert (code, "nosuchpackage" in text, "pip install 'sqlflow[serve]'" in text) == (4, True, True)


def test_a_history_that_cannot_be_reached_is_told_by_each_command(folder: Path) -> None:
    (folder / "sqlflow.yml").write_text("name: p\nservice: {history: 'postgresql://u:sesame99@127.0.0.1:1/d'}\n")
    began = time.monotonic()
    for line in ("runs", "schedule run nightly", f"logs {'0' * 26}"):
        code, text = called(line)
        assert (code, "the run history in Postgres cannot be used" in text, "sesame99" in text) == (4, True, False)
    assert time.monotonic() - began < 60
