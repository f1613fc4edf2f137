"""What goes on for months holds no more than at its beginning: descriptors, threads, and in `make torture` memory."""

import gc
import os
import re
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import crash
import pytest
import serving
from support import times

from sqlflow.service.database import CONNECTIONS_AT_MOST

BUILDS = times(6, 2000)
RUNS = times(3, 300)
WARM_UP = times(3, 100)
GROWTH_AT_MOST = 1.05 if times(0, 1) else 1.5
"""Few builds tell little of memory: this is then no more than a look at whether something great is kept."""
PIPELINES = {"pipelines/all.yml": "description: everything\n"}


def held() -> Counter[str]:
    """Return what the process has open, without the numbers in its names, and its threads."""
    gc.collect()
    found = Counter(thread=threading.active_count())
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the folder itself, which is open for the list
            found[re.sub(r"\d+", "", str(path.readlink()))] += 1
    return found


def megabytes() -> float:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_builds_in_one_process_leave_nothing_open_and_no_thread(engine: str, tmp_path: Path) -> None:
    folder = crash.fresh(tmp_path / "p", engine)

    def build(number: int) -> None:
        project = crash.Project.load(folder, vars={"edition": number})
        assert project.build(prune=True, adopt=True).ok

    for number in range(WARM_UP):
        build(number + 2)
    before, size = held(), megabytes()
    for number in range(BUILDS):
        build(number + WARM_UP + 2)
    assert held() - before == {}, "there is more of these"
    assert megabytes() < size * GROWTH_AT_MOST
    assert crash.left_over(folder) == []


def test_runs_of_a_service_leave_nothing_open_and_no_thread(tmp_path: Path) -> None:
    with serving.served(serving.project(tmp_path, PIPELINES)) as service:

        def run(times: int) -> None:
            for _ in range(times):
                (done,) = serving.ended(service, service.history.request_run("all").id)
                assert done.status == "succeeded", done

        run(2)
        before, size = held(), megabytes()
        run(RUNS)
        more = held() - before
        # Connections to the history are kept, as many as were needed at once: that is a matter of chance up to a bound.
        pooled = [more.pop(name) for name in [*more] if "/history.db" in name]
        assert more == {}, "there is more of these"
        assert max(pooled, default=0) < CONNECTIONS_AT_MOST
        assert megabytes() < size * GROWTH_AT_MOST
