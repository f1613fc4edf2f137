"""The law for what goes on from what is there, and for its readers: each is held against a few lines of Python.

An incremental table and a history depend on all builds before, so that no clean build gives them. Their readers must show
what they hold after each build, and must not be built for nothing.
"""

import random
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import postgres_server
from hypothesis import given, settings
from hypothesis import strategies as st
from support import times, write
from test_publish import second_connection

from sqlflow import Project
from sqlflow.core import events

BLOCKS = {
    "a": "/*---\nmaterialize: {kind}\n---*/\nselect k, max(v) + {number} as v from raw.s group by k",
    "merged": "/*---\nmaterialize: incremental\nstrategy: merge\nkey: k\n---*/\nselect k, v from a",
    "kept": "/*---\nmaterialize: snapshot\nkey: k\ncheck: v\n---*/\nselect k, v from a",
    "sums": "select cast(sum(v) as integer) as s, count(*) as n from merged",
    "keys": "select k from merged where k > 1",
    "current": "/*---\nmaterialize: view\n---*/\nselect k, v from kept where is_current",
    "past": "select k, v from kept where not is_current",
    "over": "select k, v from current where v > 2",
}
READERS = ("sums", "keys", "past", "over")


@dataclass(frozen=True)
class State:
    """What an author may change: the rows, the number that is added, what kind `a` is, and comments."""

    rows: tuple[tuple[int, int], ...]
    number: int = 1
    kind: str = "table"
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> dict[str, str]:
        seed = "k,v\n" + "".join(f"{k},{v}\n" for k, v in self.rows)
        texts = {name: text.format(kind=self.kind, number=self.number) for name, text in BLOCKS.items()}
        blocks = {f"blocks/m/{name}.sql": text + "\n-- note" * self.notes.count(name) for name, text in texts.items()}
        return {"seeds/raw/s.csv": seed, **blocks}


@dataclass
class Reference:
    """What the blocks hold, kept in dictionaries."""

    merged: dict[int, int] = field(default_factory=dict)
    current: dict[int, int] = field(default_factory=dict)
    past: list[tuple[int, int]] = field(default_factory=list)

    def build(self, state: State) -> None:
        now = {k: max(v for key, v in state.rows if key == k) + state.number for k, _ in state.rows}
        self.merged |= now
        self.past += [(k, v) for k, v in self.current.items() if now.get(k) != v]
        self.current = now

    @property
    def contents(self) -> dict[str, list[tuple[int, ...]]]:
        found = {
            "sums": [(sum(self.merged.values()), len(self.merged))],
            "keys": [(k,) for k in self.merged if k > 1],
            "past": self.past,
            "current": list(self.current.items()),
            "over": [(k, v) for k, v in self.current.items() if v > 2],
            "merged": list(self.merged.items()),
        }
        return {name: sorted(rows) for name, rows in found.items()}


def edited(history: list[State], pick: random.Random) -> State:
    """Return the latest state after one edit."""
    state = history[-1]
    match pick.choice(("rows", "rows", "rows", "number", "kind", "comment", "revert")):
        case "rows":
            return replace(state, rows=data(pick))
        case "number":
            return replace(state, number=3 - state.number)
        case "kind":
            return replace(state, kind="view" if state.kind == "table" else "table")
        case "comment":
            return replace(state, notes=(*state.notes, pick.choice(tuple(BLOCKS))))
    return pick.choice(history)


def data(pick: random.Random) -> tuple[tuple[int, int], ...]:
    return tuple((pick.randint(0, 3), pick.randint(0, 2)) for _ in range(pick.randint(1, 4)))


def shown(project: Project) -> dict[str, list[tuple[int, ...]]]:
    with second_connection(project) as session:
        names = (*READERS, "current", "merged")
        return {name: sorted(session.rows(f"select * from m.{name}").rows) for name in names}


def law_holds(seed: int, folder: Path, target: str = "") -> None:
    pick, reference = random.Random(seed), Reference()
    history = [State(data(pick))]
    write(folder, {"sqlflow.yml": f"name: p\n{target}"})
    before: dict[str, list[tuple[int, ...]]] = {}
    for _ in range(pick.randint(3, 6)):
        state, built = history[-1], set()

        def listen(event: events.Event, built: set[str] = built) -> None:
            if isinstance(event, events.BlockBuilt):
                built.add(event.block)

        project = Project.load(write(folder, state.files))
        assert project.build(listener=listen).ok
        reference.build(state)
        now = shown(project)
        assert now == reference.contents
        inputs = {"sums": "merged", "keys": "merged", "over": "current"}
        needless = {name for name, read in inputs.items() if f"m.{name}" in built and before.get(read) == now[read]}
        assert not needless
        assert all(step.action == "reuse" for step in project.plan().steps)
        before = now
        history.append(edited(history, pick))


@settings(max_examples=times(20, 1000), deadline=None)
@given(seed=st.integers(0, 10**9))
def test_readers_show_what_the_tables_hold_that_go_on(seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        law_holds(seed, Path(name))


@settings(max_examples=times(3, 100), deadline=None)
@given(seed=st.integers(0, 10**9))
def test_readers_show_on_postgres_what_the_tables_hold_that_go_on(seed: int) -> None:
    url = postgres_server.new_database()
    try:
        with tempfile.TemporaryDirectory() as name:
            law_holds(seed, Path(name), f"targets: {{dev: {{engine: postgres, url: '{url}', schema: main}}}}\n")
    finally:
        postgres_server.drop_database(url)
