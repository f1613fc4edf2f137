"""The law for time ranges: any order of rows, late rows, builds, backfills, failures and kills ends like one full build.

After each step what is published is held against a model: the rows of each interval are those that the source had when the
interval was built last.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import crash
import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st
from support import times, write

from sqlflow import Project
from sqlflow.core import failpoints
from sqlflow.core.errors import SqlflowError

DAYS, LOOKBACK = 24, 2
Rows = tuple[tuple[int, int], ...]
"""The number and the value of each row."""
Days = Mapping[int, Rows]


def text(day: int) -> str:
    """Return a day as text; the first one has the number 0."""
    return f"{datetime(2026, 1, 1) + timedelta(days=day):%F}"


def block(query: str, end: int, more: str) -> str:
    return (
        f"/*---\nmaterialize: incremental\nstrategy: time_range\ntime_column: day\ninterval: day\nstart: {text(0)}\n"
        f"end: {text(end)}\n{more}---*/\n{query} where day >= '{{{{ start }}}}' and day < '{{{{ end }}}}'\n"
    )


def files(end: int, batch_size: int) -> dict[str, str]:
    more = f"lookback: {LOOKBACK}\nbatch_size: {batch_size}\nassert: [v >= 0]\n"
    return {
        "sqlflow.yml": "name: p\nsources: {landing: {rows: {version: select count(*) + 1000 * max(seq) from landing.rows}}}\n",
        "blocks/marts/ranged.sql": block("select seq, day, v from landing.rows", end, more),
        "blocks/marts/above.sql": block("select seq, day, v from ranged", end, ""),
        "blocks/marts/sums.sql": "select sum(v) as v, count(*) as n from ranged",
    }


@dataclass(frozen=True)
class Shown:
    """What an environment shows: the days of both blocks, and the version of the source that lookback has gone by."""

    ranged: Days
    above: Days
    source: object


@dataclass
class World:
    """A project, its source, and what each environment must show."""

    folder: Path
    end: int = 3
    batch_size: int = 5
    rows: dict[int, tuple[int, int]] = field(default_factory=lambda: {1: (0, 1)})
    """The day and the value of each row of the source, by its number."""
    last: int = 1
    shown: dict[str, Shown] = field(default_factory=dict)

    def there(self, day: int) -> Rows:
        return tuple(sorted((number, value) for number, (when, value) in self.rows.items() if when == day))

    @property
    def version(self) -> int:
        return len(self.rows) + 1000 * max(self.rows)

    def base(self, environment: str) -> Shown | None:
        return self.shown.get(environment) or self.shown.get("prod")

    def built(self, environment: str, afresh: bool = False) -> Shown:
        """Return what an environment must show after a build."""
        before = None if afresh else self.base(environment)
        ranged, above = (dict(before.ranged), dict(before.above)) if before else ({}, {})
        again = [day for day in range(self.end) if day not in ranged]
        if before and before.source != self.version:
            again += range(max(0, self.end - LOOKBACK), self.end)
        ranged = {day: ranged[day] for day in ranged if day < self.end} | {day: self.there(day) for day in again}
        above = {day: above.get(day, ranged[day]) for day in range(self.end)}
        return Shown(ranged, above, self.version)

    def backfilled(self, environment: str, days: range, only_missing: bool) -> Shown:
        """Return what an environment must show after a backfill of `ranged`."""
        before = self.base(environment)
        assert before
        ranged = {day: rows for day, rows in before.ranged.items() if day < self.end}
        ranged |= {day: self.there(day) for day in days if not (only_missing and day in ranged)}
        return replace(before, ranged=ranged)

    def read(self, environment: str, name: str) -> dict[int, Rows]:
        """Return what is published of a block, by day; days without rows are left out."""
        schema = "marts" if environment == "prod" else f"{environment}__marts"
        found: dict[int, Rows] = {}
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as base:
            if not base.execute(
                "from duckdb_views() where schema_name = ? and view_name = ?", [schema, name]
            ).fetchall():
                return {}
            for day, number, value in base.execute(
                f"select day - date '2026-01-01', seq, v from {schema}.{name} order by all"
            ).fetchall():
                found[day] = (*found.get(day, ()), (number, value))
        return found

    def is_shown(self, environment: str, wanted: Shown | None) -> bool:
        days = (wanted.ranged, wanted.above) if wanted else ({}, {})
        pairs = zip(("ranged", "above"), days, strict=True)
        return all(
            self.read(environment, name) == {day: rows for day, rows in one.items() if rows} for name, one in pairs
        )

    def write(self) -> None:
        write(self.folder, files(self.end, self.batch_size))
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as base:
            base.execute("create schema if not exists landing")
            base.execute("create or replace table landing.rows (seq integer, day date, v integer)")
            for number, (day, value) in self.rows.items():
                base.execute("insert into landing.rows values (?, ?, ?)", [number, text(day), value])

    def add(self, day: int, value: int) -> int:
        self.last += 1
        self.rows[self.last] = (day, value)
        return self.last

    def project(self, environment: str = "prod") -> Project:
        return Project.load(self.folder, environment=environment)

    def happened(self, environment: str, wanted: Shown, told: bool | None) -> None:
        """Take for true what is shown: what is wanted if the run has said so, and nothing new if not; either if it was cut off."""
        before = self.shown.get(environment)
        if told is not False and self.is_shown(environment, wanted):
            self.shown[environment] = wanted
        else:
            assert not told
            assert self.is_shown(environment, before)


Step = tuple[str, tuple[int, int, int]]
STEPS = st.tuples(
    st.sampled_from(
        ["row", "row", "row", "bad row", "time", "time", "batches", "build", "build", "build", "build in dev", "full refresh",
         "backfill", "backfill", "backfill in dev", "missing", "fails", "is killed", "backfill is killed"]
    ),
    st.tuples(st.integers(0, 90), st.integers(0, 90), st.integers(0, 9)),
)  # fmt: skip


def do(world: World, step: str, one: int, other: int, value: int) -> None:
    start, end = sorted((one % world.end, other % world.end + 1))
    days = range(start, max(end, start + 1))
    environment = "dev" if step.endswith("dev") else "prod"
    match step:
        case "row":
            world.add(one % DAYS, value)
        case "bad row":
            number = world.add(max(0, world.end - 1 - value % 4), -1)
            world.write()
            wanted = world.built("prod")
            is_good = all(row[1] >= 0 for rows in wanted.ranged.values() for row in rows)
            assert world.project().build().ok == is_good
            world.happened("prod", wanted, is_good)
            del world.rows[number]
            world.last = max(world.rows)
        case "time":
            world.end = min(DAYS, max(2, world.end + value - 2))
        case "batches":
            world.batch_size = value + 1
        case "build" | "build in dev" | "full refresh":
            world.write()
            wanted = world.built(environment, step == "full refresh")
            assert world.project(environment).build(full_refresh=step == "full refresh").ok
            world.happened(environment, wanted, True)
        case "backfill" | "backfill in dev" | "missing":
            world.write()
            wanted = world.backfilled(environment, days, step == "missing")
            project = world.project(environment)
            assert project.backfill(
                ["ranged"], text(days.start), text(days.stop), only_missing=step == "missing"
            ).ok  # fmt: skip
            world.happened(environment, wanted, True)
        case "fails":
            world.write()
            wanted, told = world.built("prod"), False
            with failpoints.armed(f"any:{one + 1}:raise") as failure:
                try:
                    told = world.project().build().ok
                except SqlflowError:
                    told = False
            world.happened("prod", wanted, told if told or not failure.has_happened else None)
        case "is killed":
            world.write()
            wanted = world.built("prod")
            process = crash.in_process(world.folder, f"any:{2 * one + 1}:kill")
            process.join()
            world.happened("prod", wanted, None)
        case "backfill is killed":
            world.write()
            wanted = world.backfilled("prod", days, False)
            words = ("backfill", "ranged", "--from", text(days.start), "--to", text(days.stop))
            with crash.command(world.folder, *words, failure=f"any:{one + 1}:kill") as (process, _):
                process.join()
            world.happened("prod", wanted, None)


@settings(max_examples=times(8, 1000), deadline=None)
@given(st.lists(STEPS, max_size=10))
def test_any_order_of_rows_builds_backfills_and_kills_ends_like_one_full_build(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as name:
        world = World(Path(name))
        do(world, "build", 0, 0, 0)
        for step, numbers in steps:
            do(world, step, *numbers)
        world.end = DAYS
        world.write()
        for environment in ("prod", "dev"):
            project = world.project(environment)
            assert project.build().ok
            assert project.backfill(["ranged+"], text(0), text(DAYS)).ok
            days = {day: world.there(day) for day in range(DAYS)}
            assert world.is_shown(environment, Shown(days, days, world.version))
        assert not crash.left_over(world.folder)
