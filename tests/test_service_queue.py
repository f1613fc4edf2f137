"""Who may begin: rows of runs that stand in the queue, and who begins with what."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from serving import ended, project, served, until

from sqlflow.core.node import Node
from sqlflow.core.pipeline import Pipeline
from sqlflow.core.text import SourceFile
from sqlflow.service.queue import Limits, Share, Standing, turn

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NODE = Node("mapping", SourceFile("pipelines/p.yml", ""), 0)


def pipeline(name: str, threads: int | None = None, **pools: int) -> Pipeline:
    return Pipeline(name, NODE, threads=threads, pools=pools)


def waits(id: str, pipeline: str, not_before: datetime | None = None) -> Standing:
    return Standing(id, pipeline, "waiting", "later", not_before, Share())


def runs(id: str, pipeline: str, threads: int | None = None, **pools: int) -> Standing:
    return Standing(id, pipeline, "running", "", None, Share(threads, pools))


PIPELINES = {
    one.name: one
    for one in (pipeline("a"), pipeline("b"), pipeline("c"), pipeline("four", threads=4), pipeline("light", heavy=1))
}


@pytest.mark.parametrize(
    ("standing", "limits", "begin", "wait"),
    [
        # In the order in which they were asked for, as many as may be on.
        ([waits("1", "a"), waits("2", "b"), waits("3", "c")], Limits(runs=2), {"1": Share(), "2": Share()},
         {"3": "waits until fewer than 2 runs are on"}),
        # One of a pipeline at a time.
        ([runs("1", "a"), waits("2", "a")], Limits(), {}, {"2": "the run 1 of the pipeline comes first"}),
        ([waits("1", "a"), waits("2", "a")], Limits(), {"1": Share()}, {"2": "the run 1 of the pipeline comes first"}),
        # What is due later lets others past, but not its own pipeline.
        ([waits("1", "a", NOW + timedelta(seconds=1)), waits("2", "a"), waits("3", "b")], Limits(), {"3": Share()},
         {"1": "later", "2": "the run 1 of the pipeline comes first"}),
        ([waits("1", "a", NOW)], Limits(), {"1": Share()}, {}),
        # Threads: what the pipeline says, or what is free of it.
        ([waits("1", "four"), waits("2", "a")], Limits(threads=6), {"1": Share(4), "2": Share(2)}, {}),
        ([runs("1", "a", threads=5), waits("2", "four")], Limits(threads=6), {"2": Share(1)}, {}),
        ([runs("1", "a", threads=6), waits("2", "b")], Limits(threads=6), {}, {"2": "waits for threads: all 6 are taken"}),
        ([waits("1", "four")], Limits(), {"1": Share(4)}, {}),
        # Pools: all of them, unless the pipeline says less.
        ([waits("1", "a"), waits("2", "b")], Limits(pools={"heavy": 2}), {"1": Share(None, {"heavy": 2})},
         {"2": "waits for the pool `heavy`: not enough of its 2 places are free"}),
        ([runs("1", "a", heavy=1), waits("2", "light")], Limits(pools={"heavy": 2}), {"2": Share(None, {"heavy": 1})}, {}),
        ([runs("1", "a"), waits("2", "b")], Limits(pools={"heavy": 2}), {"2": Share(None, {"heavy": 2})}, {}),
        # Nobody gets past one that waits for room.
        ([runs("1", "a", heavy=1), waits("2", "b"), waits("3", "light")], Limits(pools={"heavy": 2}), {},
         {"2": "waits for the pool `heavy`: not enough of its 2 places are free",
          "3": "waits for the pool `heavy`: not enough of its 2 places are free"}),
    ],
)  # fmt: skip
def test_turns(standing: list[Standing], limits: Limits, begin: dict[str, Share], wait: dict[str, str]) -> None:
    found = turn(standing, PIPELINES, limits, NOW)
    assert (dict(found.begin), dict(found.wait), found.unknown) == (begin, wait, ())


def test_a_run_of_a_pipeline_that_is_not_there_is_told() -> None:
    assert turn([waits("1", "gone")], PIPELINES, Limits(), NOW).unknown == ("1",)


def test_limits_are_never_exceeded_and_each_comes_to_its_turn() -> None:
    """A long random day: runs come and go, and whoever waits begins before those who came much later."""
    chance = random.Random(1)
    limits = Limits(runs=3, threads=5, pools={"heavy": 2, "api": 3})
    known = {
        f"p{number}": pipeline(
            f"p{number}", chance.choice([None, 1, 4]), **chance.choice([{}, {"heavy": 1}, {"api": 1}])
        )
        for number in range(8)
    }
    standing: list[Standing] = []
    begun: list[str] = []
    for number in range(3000):
        if len(standing) < 12:
            standing.append(waits(f"{number:05}", chance.choice(list(known))))
        on = [one for one in standing if one.status == "running"]
        if on and chance.random() < 0.5:
            standing.remove(chance.choice(on))
        found = turn(standing, known, limits, NOW)
        standing = [
            runs(one.id, one.pipeline, found.begin[one.id].threads, **found.begin[one.id].pools)
            if one.id in found.begin
            else one
            for one in standing
        ]
        begun += found.begin
        on = [one for one in standing if one.status == "running"]
        taken = sum((Counter(one.share.pools) for one in on), Counter[str]())
        assert len(on) <= limits.runs
        assert sum(one.share.threads or 0 for one in on) <= 5
        assert all(taken[name] <= size for name, size in limits.pools.items())
        assert len({one.pipeline for one in on}) == len(on)
    assert len(begun) > 500
    assert max(abs(place - sorted(begun).index(id)) for place, id in enumerate(begun)) < 12


PYTHON = """import time
from sqlflow import block
@block(pool="heavy")
def {name}():
    import pandas as pd
    time.sleep(0.3)
    return pd.DataFrame({{"id": [1]}})
"""


def test_places_in_pools_are_shared_by_runs_as_the_events_show(tmp_path: Path) -> None:
    files = {
        "sqlflow.yml": "name: p\npools: {heavy: 2}\nservice: {runs: 6}\ntargets:\n"
        + "".join(f"  t{number}: {{engine: duckdb, path: t{number}.duckdb}}\n" for number in range(4))
        + "target: t0\n",
        **{f"blocks/a/h{number}.py": PYTHON.format(name=f"h{number}") for number in range(3)},
        **{f"pipelines/p{number}.yml": f"select: ['a.h*']\ntarget: t{number}\n" for number in range(3)},
        "pipelines/p2.yml": "select: ['a.h*']\ntarget: t2\npools: {heavy: 1}\n",
        "pipelines/sql.yml": "select: [one, two]\ntarget: t3\n",
    }
    with served(project(tmp_path, files)) as service:
        asked = [service.history.request_run(name).id for name in ("p0", "p1", "p2", "sql")]
        assert {run.status for run in ended(service, *asked)} == {"succeeded"}
        until(service, lambda: True)
        spans = []
        for run in asked:
            began = {}
            for event in service.history.events(run):
                if event.kind == "block_started":
                    began[event.body["block"]] = event.at
                elif event.kind == "block_built" and event.body["block"] in began and ".h" in event.body["block"]:
                    spans.append((began[event.body["block"]], event.at))
        assert len(spans) == 9
        assert max(sum(begin < moment < end for begin, end in spans) for _, moment in spans) <= 2
