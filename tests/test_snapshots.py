"""Histories are held against a few lines of Python that keep them in another way: row by row, in one dictionary."""

import random
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import crash
import duckdb
import postgres_server
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import times, write

from sqlflow import Project

DAY = datetime.now(UTC).date() - timedelta(3)
"""Rows are of some days before and behind today."""
Given = dict[tuple[int, int], str]
"""What a query gives: the content of each key and day."""
SETTINGS = {
    "checked": "check: content",
    "timed": "updated_at: day",
    "dated": "updated_at: day",
    "kept": "updated_at: day\nhard_deletes: ignore",
}
QUERIES = {
    "checked": "select id, content from landing.rows where is_latest",
    "timed": "select id, cast(day as timestamp) as day, content from landing.rows",
}
EVERY = "select id, day, content from landing.rows"
SUMS = "select count(*) as n, count(*) filter (where is_current) as open from {}"


@dataclass
class Row:
    """One version of a row."""

    start: Any
    content: str
    day: Any = None
    end: Any = None


@dataclass
class Reference:
    """The histories of all keys, kept as a person would: each build looks at one key after the other."""

    setting: str
    rows: dict[int, list[Row]] = field(default_factory=dict)

    def build(self, given: Given, now: Any) -> None:
        keys = {key for key, _ in given}
        for key in keys:
            days = sorted(day for one, day in given if one == key)
            if self.setting == "checked":
                self._check(key, given[key, days[-1]], now)
            else:
                self._place(key, [(self._time(day), given[key, day]) for day in days], now)
        if self.setting != "kept":
            for key in self.rows.keys() - keys:
                last = self.rows[key][-1]
                if last.end is None:
                    last.end = max(now, last.start + _least(last.start))

    def _time(self, day: int) -> Any:
        found = DAY + timedelta(day)
        return datetime.combine(found, datetime.min.time()) if self.setting == "timed" else found

    def _check(self, key: int, content: str, now: Any) -> None:
        history = self.rows.setdefault(key, [])
        if history and history[-1].end is None:
            if history[-1].content == content:
                return
            now = history[-1].end = max(now, history[-1].start + _least(now))
        elif history:
            now = max(now, history[-1].end)
        history.append(Row(now, content))

    def _place(self, key: int, given: list[tuple[Any, str]], now: Any) -> None:
        history = self.rows.setdefault(key, [])
        ended = history[-1].end if history else None
        holds = history[-1] if history and ended is None else None
        known = {row.day for row in history}
        for day, content in given:
            if day not in known:
                self._insert(history, Row(day, content, day))
        latest, content = given[-1]
        if ended is not None and latest < ended:
            self._insert(history, Row(max(now, ended), content, latest))
        elif holds is not None and holds.day < latest < holds.start:
            self._insert(history, Row(max(now, holds.start), content, latest))

    def _insert(self, history: list[Row], new: Row) -> None:
        """Put a row where it belongs: it ends where the row ends that it falls into, or where the next one begins."""
        before = [row for row in history if row.start < new.start]
        after = [row for row in history if row.start > new.start]
        same = [row for row in history if row.start == new.start]
        if same:
            new.end = same[0].end
        elif before and (before[-1].end is None or before[-1].end > new.start):
            new.end, before[-1].end = before[-1].end, new.start
        else:
            new.end = after[0].start if after else None
        history[:] = [*before, new, *after]

    @property
    def content(self) -> list[tuple[Any, ...]]:
        return sorted(
            (key, row.content, row.start, row.end, row.end is None)
            for key, rows in self.rows.items()
            for row in rows
        )  # fmt: skip


def _least(time: Any) -> timedelta:
    return timedelta(microseconds=1) if isinstance(time, datetime) else timedelta(1)


class Target:
    """Where a project is built, and rows are landed, by SQL."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder, self.url = folder, url
        target = f"targets: {{dev: {{engine: postgres, url: '{url}'}}}}\n" if url else ""
        files = {"sqlflow.yml": f"name: p\n{target}"}
        for name, how in SETTINGS.items():
            front = f"/*---\nmaterialize: snapshot\nkey: id\n{how}\nassert: [{{unique: [id, valid_from]}}]\n---*/\n"
            files[f"blocks/marts/{name}.sql"] = front + QUERIES.get(name, EVERY)
            files[f"blocks/marts/{name}_sums.sql"] = SUMS.format(name)
        write(folder, files)
        self.rows(
            "create schema landing; create table landing.rows (id int, day date, content text, is_latest boolean)"
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._opened() as run:
            return run(sql)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        if not self.url:
            with duckdb.connect(str(self.folder / "warehouse.duckdb")) as one:
                yield lambda sql: one.execute(sql).fetchall()
            return
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as other:
            yield lambda sql: cursor.fetchall() if (cursor := other.execute(sql)).description else []

    def land(self, given: Given) -> None:
        latest = {key: max(day for one, day in given if one == key) for key, _ in given}
        rows = [
            f"({key}, date '{DAY + timedelta(day)}', '{content}', {latest[key] == day})"
            for (key, day), content in given.items()
        ]
        insert = f"insert into landing.rows values {', '.join(rows)}" if rows else "select 1"
        self.rows(f"delete from landing.rows; {insert}")

    def build(self) -> str:
        """Build, and return the run."""
        report = Project.load(self.folder).build()
        assert report.ok, report
        return report.run

    def content(self, name: str) -> list[tuple[Any, ...]]:
        return sorted(self.rows(f"select id, content, valid_from, valid_to, is_current from marts.{name}"))

    def faults(self, references: dict[str, Reference]) -> list[str]:
        found = []
        for name, reference in references.items():
            shown, sums = self.content(name), self.rows(f"select n, open from marts.{name}_sums")
            if shown != reference.content or sums != [(len(shown), sum(row[-1] for row in shown))]:
                found.append(f"{name}: {shown} {sums}, not {reference.content}")
        return found


def moment(run: str) -> datetime:
    """Return the time that a run's id tells."""
    return datetime.strptime(run[:15], "%Y%m%dT%H%M%S") + timedelta(milliseconds=int(run[15:18]))


GIVEN = st.dictionaries(st.tuples(st.integers(1, 3), st.integers(0, 6)), st.sampled_from("abc"), max_size=5)


def history_is_kept(target: Target, builds: list[Given]) -> None:
    references = {name: Reference(name) for name in SETTINGS}
    for landed in builds:
        target.land(landed)
        advance(references, landed, moment(target.build()))
    assert not target.faults(references)


@settings(max_examples=times(8, 1000), deadline=None)
@example([{(1, 0): "a"}, {}, {(1, 0): "a"}, {}, {(1, 3): "b"}])
@example([{(1, 0): "a"}, {}, {(1, 0): "a"}, {(1, 1): "b"}, {(1, 1): "b"}])
@example([{(1, 5): "b", (2, 1): "a"}, {}, {}, {(2, 0): "a", (2, 2): "a", (1, 2): "a"}])
@given(st.lists(GIVEN, min_size=1, max_size=5))
def test_a_history_is_what_a_person_would_keep(builds: list[Given]) -> None:
    with tempfile.TemporaryDirectory() as name:
        history_is_kept(Target(Path(name)), builds)


@settings(max_examples=times(2, 200), deadline=None)
@given(st.lists(GIVEN, min_size=2, max_size=5))
def test_a_history_is_the_same_on_postgres(builds: list[Given]) -> None:
    with tempfile.TemporaryDirectory() as name:
        history_is_kept(Target(Path(name), postgres_server.new_database()), builds)


@settings(max_examples=times(5, 500), deadline=None)
@given(
    st.dictionaries(st.tuples(st.integers(1, 3), st.integers(0, 6)), st.sampled_from("abc"), min_size=1, max_size=8),
    st.randoms(),
)
def test_rows_with_times_give_one_history_in_whatever_order_they_come(events: Given, chance: random.Random) -> None:
    pieces: list[Given] = [{}, {}, {}]
    for event, content in events.items():
        for piece in chance.sample(pieces, chance.randint(1, 2)):
            piece[event] = content
    with tempfile.TemporaryDirectory() as name:
        target, reference = Target(Path(name)), Reference("kept")
        for piece in pieces:
            target.land(piece)
            target.build()
        reference.build(events, None)
        assert target.content("kept") == reference.content


def test_a_build_that_is_killed_anywhere_leaves_the_history_before_or_behind_it(tmp_path: Path) -> None:
    target, chance = Target(tmp_path / "p"), random.Random(1)
    references = {name: Reference(name) for name in SETTINGS}
    for number in range(times(5, 300)):
        landed = {(chance.randrange(4), chance.randrange(7)): chance.choice("abc") for _ in range(4)}
        target.land(landed)
        if number:
            process = crash.in_process(target.folder, f"any:{chance.randrange(1, 120)}:kill")
            process.join()
            assert process.exitcode in (0, -signal.SIGKILL)
            if target.faults(references):  # it was killed behind publishing
                advance(references, landed, published_at(target))
            assert not target.faults(references)
        advance(references, landed, moment(target.build()))
        assert not target.faults(references)
        assert not crash.left_over(target.folder)


def advance(references: dict[str, Reference], given: Given, now: datetime) -> None:
    for name, reference in references.items():
        reference.build(given, now if name in ("checked", "timed") else now.date())


def published_at(target: Target) -> datetime:
    """Return when the run began that has published last, as far as that made a difference."""
    return max(time for row in target.content("checked") for time in row[2:4] if time is not None)
