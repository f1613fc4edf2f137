"""What the benchmarks of frames share: the rows that go in and out, and what a step takes here and in the function's process."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FRAME = """
    select range::integer as i, (range * 7919 + 9007199254740993)::bigint as big, random() as d,
           case when range % 50 > 0 then 'N' || lpad((range * 31 % 4000)::text, 5, '0') || 'AA' end as s,
           date '2013-01-01' + (range % 365)::integer as day,
           timestamp '2013-01-01 00:00:00.000001' + to_microseconds(range * 3_000_017) as t
    from range({rows})
"""


@dataclass
class Taken:
    """CPU seconds of a step, of this process and of the function's, and wall seconds."""

    here: float = 0
    there: float = 0
    wall: float = 0


@contextmanager
def measured(worker: Any = None) -> Iterator[Taken]:
    """Yield what is told, when the block ends, of what it took."""
    wall, cpu, child = time.perf_counter(), time.process_time(), _cpu_of(worker)
    taken = Taken()
    yield taken
    taken.here, taken.there = time.process_time() - cpu, _cpu_of(worker) - child
    taken.wall = time.perf_counter() - wall


@contextmanager
def timed(what: str, worker: Any = None) -> Iterator[Taken]:
    with measured(worker) as taken:
        yield taken
    print(f"{what}: {taken.wall:.3f} s, CPU {taken.here:.2f} s here and {taken.there:.2f} s there", flush=True)


def _cpu_of(worker: Any) -> float:
    if worker is None:
        return 0.0
    fields = Path(f"/proc/{worker._child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
