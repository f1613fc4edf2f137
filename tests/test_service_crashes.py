"""The service and its runs are killed at random moments: no tick is lost or doubled, no run is stuck, and builds converge."""

import random
import subprocess
import sys
import time
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from serving import killed, process, processes_of, project, waited
from support import times

from sqlflow.service.history import History
from sqlflow.service.nouns import RunFilter
from sqlflow.service.states import ACTIVE

KILLS = times(8, 50)
BLOCKS = {f"blocks/a/b{number}.sql": f"select id + {number} as id, now() as at from one\n" for number in range(8)}
PIPELINE = "every: 1s\noverlap: {overlap}\nmissed: {missed}\nretries: {{count: 100, delay: 0.1s, backoff: 1}}\n"


@pytest.mark.parametrize(("overlap", "missed"), [("skip", "latest"), ("skip", "all"), ("cancel", "latest")])
def test_kills_at_random_moments(tmp_path: Path, overlap: str, missed: str) -> None:
    chance = random.Random(f"{overlap} {missed}")
    pipeline = tmp_path / "pipelines/often.yml"
    history = History.open(
        project(tmp_path, {**BLOCKS, "pipelines/often.yml": PIPELINE.format(overlap=overlap, missed=missed)})
    )
    service = process(tmp_path)
    waited(lambda: bool(history.runs()))
    of_service = of_runs = 0
    while of_service + of_runs < KILLS or not (of_service and of_runs):
        time.sleep(chance.uniform(0.1, 1.5))
        runs = processes_of(tmp_path)
        if runs and chance.random() < 0.5:
            killed(chance.choice(runs))
            of_runs += 1
        else:
            service.kill()
            service.communicate()
            service = process(tmp_path)
            of_service += 1
    pipeline.write_text(pipeline.read_text().replace("every: 1s", "every: 1000h"))
    waited(lambda: not history.runs(RunFilter(statuses=ACTIVE)))
    service.terminate()
    service.communicate()
    ticks = sorted(history.ticks(limit=100_000), key=lambda tick: tick.due_at)
    runs = history.runs(limit=100_000)
    assert {later.due_at - earlier.due_at for earlier, later in pairwise(ticks)} == {timedelta(seconds=1)}
    assert sorted(tick.run for tick in ticks if tick.outcome == "fired") == sorted(run.id for run in runs)
    ended_as = {run.status for run in runs}
    assert ended_as <= ({"succeeded", "cancelled"} if overlap == "cancel" else {"succeeded"}), runs
    assert any(attempt.status == "lost" for run in runs for attempt in history.attempts(run.id))
    assert processes_of(tmp_path) == []
    build = [sys.executable, "-m", "sqlflow", "build", "--project-dir", str(tmp_path)]
    assert subprocess.run(build, capture_output=True, check=False).returncode == 0
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as warehouse:
        assert warehouse.execute("select id from a.b7").fetchall() == [(8,)]
