"""A damaged run history is told, or gives what it holds: nobody who looks into it gets a traceback."""

import random
from pathlib import Path

import pytest
from support import times, write
from test_cases import called
from test_faults import broken

from sqlflow.service.history import FILE, History

LOOKS = ("runs", "runs --output json", "runs show {run}", "logs {run}", "schedule list", "cancel {run}", "retry {run}")
FILES = {
    "sqlflow.yml": "name: p\n",
    "blocks/a.sql": "select 1 as id",
    "pipelines/nightly.yml": "select: a\nschedule: '0 2 * * *'\n",
}


def test_a_damaged_history_is_told_or_gives_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, FILES)
    monkeypatch.chdir(tmp_path)
    history = History.open(tmp_path)
    runs = [history.request_run("nightly", vars={"text": "x" * 300}).id for _ in range(20)]
    for run in runs[:10]:
        history.request_cancel(run)
    history.close()
    assert {called(look.format(run=runs[0]))[0] for look in LOOKS[:5]} == {0}
    whole, chance, faults = (tmp_path / FILE).read_bytes(), random.Random(1), []
    for number in range(times(100, 2000)):
        for path in (tmp_path / FILE).parent.glob("history.db*"):
            path.unlink()
        (tmp_path / FILE).write_bytes(broken(whole, chance))
        for look in LOOKS:
            code, said = called(look.format(run=runs[number % len(runs)]))
            if code not in (0, 1, 2, 4, 5) or "Traceback" in said or "internal error" in said:
                faults.append(f"{number}: `sqlflow {look}` ends with {code}: {said[-300:]}")
    assert not faults, "\n".join(faults)


def test_a_history_whose_damage_is_no_text_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite quotes the statement that it cannot read."""
    write(tmp_path, FILES)
    monkeypatch.chdir(tmp_path)
    History.open(tmp_path).close()
    whole = (tmp_path / FILE).read_bytes()
    assert b"CREATE TABLE" in whole
    (tmp_path / FILE).write_bytes(whole.replace(b"CREATE TABLE", b"CREATE T\xf3BLE"))
    code, said = called("runs")
    assert code == 5
    assert said.startswith(f"error: the run history in `{FILE}` cannot be used: it is damaged\n")
