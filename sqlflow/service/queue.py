"""Who may begin: runs in the order in which they were asked for, as far as there is room.

A run takes its share when it begins: of each pool what its pipeline says or else all of it, of `threads` what the pipeline
says, or what is free of that. Once it has planned, and tells what its blocks can take, it gives the rest back. One run of a pipeline is on
at a time. A run that waits for room lets nobody past who would take what it waits for, so that each comes to its turn.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct, field

from sqlflow.core.pipeline import Pipeline
from sqlflow.service import values
from sqlflow.service.database import Transaction

RUNS = "runs"
THREADS = "threads"


class Limits(Struct, frozen=True):
    """What all runs together may take: so many `runs` at once, so many blocks at once (None is any), and of each pool."""

    runs: int = 4
    threads: int | None = None
    pools: Mapping[str, int] = field(default_factory=dict)


class Share(Struct, frozen=True):
    """What one run takes while it is on. `threads` is None where it is given no number."""

    threads: int | None = None
    pools: Mapping[str, int] = field(default_factory=dict)

    def text(self) -> str:
        return values.as_json({"threads": self.threads, "pools": dict(self.pools)})

    @classmethod
    def of(cls, text: str) -> "Share":
        kept = values.from_json(text) if text else {}
        return cls(kept.get("threads"), kept.get("pools", {}))


class Standing(Struct, frozen=True):
    """A run that has not ended, as the queue sees it."""

    id: str
    pipeline: str
    status: str
    reason: str
    not_before: datetime | None
    share: Share


class Turn(Struct, frozen=True):
    """What one look at the queue gives: who begins with what, and why each of the others waits."""

    begin: Mapping[str, Share]
    wait: Mapping[str, str]
    unknown: tuple[str, ...] = ()
    """Runs whose pipeline is not there."""


def standing(transaction: Transaction) -> list[Standing]:
    """Return the runs that have not ended, in the order in which they were asked for."""
    rows = transaction.rows(
        "select id, pipeline, status, reason, not_before, takes from runs where finished_at is null order by id"
    )
    return [
        Standing(id, pipeline, status, reason, values.time(not_before), Share.of(takes))
        for id, pipeline, status, reason, not_before, takes in rows
    ]


def turn(
    runs: Sequence[Standing], pipelines: Mapping[str, Pipeline], limits: Limits, now: datetime, held: Mapping[str, str] = {}
) -> Turn:  # fmt: skip
    """Return which runs begin now. Pure. `held` says of runs by id why they wait for something else."""
    free = _free([run for run in runs if run.status == "running"], limits)
    busy = {run.pipeline: run.id for run in runs if run.status == "running"}
    begin: dict[str, Share] = {}
    wait: dict[str, str] = {}
    unknown: list[str] = []
    for run in runs:
        if run.status == "running":
            continue
        pipeline = pipelines.get(run.pipeline)
        if pipeline is None:
            unknown.append(run.id)
            continue
        if run.pipeline in busy:
            wait[run.id] = f"the run {busy[run.pipeline]} of the pipeline comes first"
            continue
        busy[run.pipeline] = run.id
        if run.not_before is not None and run.not_before > now:
            wait[run.id] = run.reason
        elif run.id in held:
            wait[run.id] = held[run.id]
        else:
            asked = _asked(pipeline, limits)
            lacking = next((name for name, places in asked.items() if free[name] < places), None)
            if lacking is None:
                begin[run.id] = _taken(pipeline, limits, free)
            else:
                wait[run.id] = _for_room(lacking, limits)
                for name, places in asked.items():  # nobody takes what it waits for
                    free[name] = max(0, free[name] - places)
    return Turn(begin, wait, tuple(unknown))


def _free(running: Iterable[Standing], limits: Limits) -> Counter[str]:
    free = Counter(dict(limits.pools))
    free[RUNS] = limits.runs
    free[THREADS] = limits.threads or 0
    for run in running:
        free.subtract(run.share.pools)
        free.subtract({RUNS: 1, THREADS: run.share.threads or 0})
    return free


def _asked(pipeline: Pipeline, limits: Limits) -> dict[str, int]:
    """Return what a run of a pipeline must have to begin."""
    threads = {THREADS: 1} if limits.threads is not None else {}
    return {RUNS: 1, **threads, **_pools(pipeline, limits)}


def _pools(pipeline: Pipeline, limits: Limits) -> dict[str, int]:
    return {name: min(pipeline.pools.get(name, size), size) for name, size in limits.pools.items()}


def _taken(pipeline: Pipeline, limits: Limits, free: Counter[str]) -> Share:
    """Return the share of a run that begins, and take it from what is free."""
    pools = _pools(pipeline, limits)
    threads = pipeline.threads
    if limits.threads is not None:
        threads = min(threads or limits.threads, free[THREADS])
    free.subtract(pools)
    free.subtract({RUNS: 1, THREADS: threads or 0})
    return Share(threads, pools)


def _for_room(lacking: str, limits: Limits) -> str:
    if lacking == RUNS:
        return f"waits until fewer than {limits.runs} runs are on"
    if lacking == THREADS:
        return f"waits for threads: all {limits.threads} are taken"
    return f"waits for the pool `{lacking}`: not enough of its {limits.pools[lacking]} places are free"
