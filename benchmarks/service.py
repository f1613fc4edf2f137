"""What the API of `sqlflow serve` takes over a long history: 1,000 pipelines and 100,000 runs of them.

    python benchmarks/service.py [--folder .bench-service] [--pipelines 1000] [--runs 100000] [--calls 30]

Of each call: the milliseconds of CPU that the service took, and the wall-clock of the median and of the slowest but one in
twenty; machines are noisy, so that the budget of 100 ms is held against CPU. Memory is the service's own, before and after all
calls. Ends with 1 if a list takes longer, or if memory has grown by more than a tenth.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from measure import Figure

from sqlflow.service.history import History
from sqlflow.service.http import tokens
from sqlflow.service.ids import new_id

BUDGET_MS = 100.0
GROWTH = 1.10
STATUSES = ("succeeded",) * 17 + ("warned", "failed", "cancelled")
BEGIN = time.time() // 86400 * 86400 - 40 * 86400
"""Within what is kept: older runs would be forgotten while they are counted."""
PATHS = {
    "runs, the latest 50": "/runs",
    "runs, 1,000 of them": "/runs?limit=1000",
    "runs, a page in the middle": "/runs?cursor={middle}",
    "runs of one pipeline": "/runs?pipeline=p500",
    "runs that have failed": "/runs?status=failed",
    "runs that have failed, of one pipeline": "/runs?pipeline=p500&status=failed",
    "runs that wait": "/runs?status=queued",
    "runs of a day": "/runs?since={day}T00:00:00Z&until={day}T23:59:59Z",
    "pipelines, the first 50": "/pipelines",
    "a pipeline": "/pipelines/p500",
    "the schedule, the next 50": "/schedule",
    "ticks, the latest 50": "/ticks",
    "ticks of one pipeline": "/ticks?pipeline=p500",
    "how old data is": "/freshness",
    "blocks of a run": "/runs/{middle}/blocks",
    "the log of a run": "/runs/{middle}/log",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(".bench-service"))
    parser.add_argument("--pipelines", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=30)
    given = parser.parse_args()
    folder = given.folder.resolve()
    middle = made(folder, given.pipelines, given.runs)
    token = tokens.local(folder / ".sqlflow")
    with served(folder) as (service, port):
        is_good = measured(service.pid, port, token, middle, given.calls)
        before = megabytes(service.pid)
        for _ in range(3):
            is_good &= measured(service.pid, port, token, middle, given.calls, quiet=True)
        after = megabytes(service.pid)
    print(f"memory: {before:.0f} MB, then {after:.0f} MB after {4 * given.calls * len(PATHS):,} calls")
    return 0 if is_good and after <= before * GROWTH else 1


@contextmanager
def served(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Yield a service of a project that has loaded it, and its port."""
    command = [sys.executable, "-m", "sqlflow", "serve", "--port", "0", "--project-dir", str(folder)]
    service = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert service.stdout
        port = int(re.search(r":(\d+)/", next(line for line in service.stdout if "listening" in line))[1])  # type: ignore[index]
        next(line for line in service.stdout if "loaded" in line)
        yield service, port
    finally:
        service.terminate()
        service.wait()


def idle(folder: Path, pipelines: int, seconds: float) -> Figure:
    """Return what a service takes in so many seconds in which nothing is due."""
    made(folder, pipelines, 0)
    with served(folder) as (service, _):
        before = cpu_ms(service.pid)
        time.sleep(seconds)
        return Figure((cpu_ms(service.pid) - before) / 1000, seconds, megabytes(service.pid))


def made(folder: Path, pipelines: int, runs: int) -> str:
    """Write the project and its history, and return the id of the run in the middle, if there is one."""
    (folder / "pipelines").mkdir(parents=True, exist_ok=True)
    (folder / "blocks").mkdir(exist_ok=True)
    (folder / "blocks" / "one.sql").write_text("select 1 as id\n")
    (folder / "sqlflow.yml").write_text("name: bench\n")
    for number in range(pipelines):
        (folder / "pipelines" / f"p{number}.yml").write_text(f'schedule: "{number % 60} {number % 24} 1 1 *"\n')
    history = History.open(folder)
    ids = [new_id(BEGIN + number * 30) for number in range(runs)]
    if not history.runs(limit=1):
        with history.database.transaction() as transaction:
            transaction.many(RUN, [run_row(number, id, pipelines) for number, id in enumerate(ids)])
            transaction.many(TICK, [tick_row(number, id, pipelines) for number, id in enumerate(ids)])
    rows = history.database.rows("select id from runs order by id limit 1 offset ?", runs // 2)
    history.close()
    return str(rows[0][0]) if rows else ""


RUN = (
    "insert into runs (id, pipeline, status, cause, run_key, requested_at, requested_by, vars, due_at, started_at,"
    " finished_at, attempt, tries, interruptions, reason, build, retry_of, cancel_by, service, takes)"
    " values (?, ?, ?, 'schedule', ?, ?, 'service', '{}', ?, ?, ?, 1, 1, 0, '', '', '', '', '', '')"
)
TICK = "insert into ticks values (?, ?, 'schedule', ?, ?, 'fired', '', ?)"


def run_row(number: int, id: str, pipelines: int) -> tuple[object, ...]:
    at = moment(number)
    status = STATUSES[(number * 7 + number // pipelines) % len(STATUSES)]
    return id, f"p{number % pipelines}", status, f"schedule:{at}", at, at, at, moment(number + 1)


def tick_row(number: int, id: str, pipelines: int) -> tuple[object, ...]:
    at = moment(number)
    return f"p{number % pipelines}", f"schedule:{at}", at, at, id


def moment(number: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(BEGIN + number * 30))


def measured(pid: int, port: int, token: str, middle: str, calls: int, quiet: bool = False) -> bool:
    """Call each path some times, print how long that takes, and return whether all lists are within the budget."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    slow = []
    for name, path in {**PATHS, "metrics": "METRICS"}.items():
        where = "/metrics" if path == "METRICS" else "/api/v1" + path.format(middle=middle, day=moment(2880)[:10])
        took = []
        cpu = cpu_ms(pid)
        for _ in range(calls):
            begin = time.perf_counter()
            connection.request("GET", where, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            size = len(answer.read())
            took.append((time.perf_counter() - begin) * 1000)
            assert answer.status == 200, where
            time.sleep(0.021)  # the service takes 50 requests a second of one address
        each = (cpu_ms(pid) - cpu) / calls
        median, slowest = sorted(took)[len(took) // 2], sorted(took)[int(len(took) * 0.95)]
        if path != "METRICS" and each > BUDGET_MS:
            slow.append(name)
        if not quiet:
            print(f"{name:40} {each:7.1f} ms CPU  {median:7.1f} ms  {slowest:7.1f} ms  {size:9,} bytes", flush=True)
    if slow:
        print(f"slower than {BUDGET_MS:.0f} ms: {', '.join(slow)}")
    return not slow


def cpu_ms(pid: int) -> float:
    """Return what a process has taken of CPU until now."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK") * 1000


def megabytes(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / (1 << 20)


if __name__ == "__main__":
    sys.exit(main())
