"""The law: whatever is edited, a build ends in the same tables as a clean build, and builds nothing that it need not.

Random projects of SQL of real shapes, random data, and random edits. After each edit, what was built is held against an
oracle that looks at the data alone: a table is built only if it is new, its own definition has changed, or what it reads.
"""

import os
import random
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import postgres_server
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import write
from test_publish import second_connection

from sqlflow import Project
from sqlflow.core import events
from sqlflow.core.errors import ProjectError
from sqlflow.core.names import TableName
from sqlflow.plan.columns import lineages
from sqlflow.plan.origins import EVERY

EXAMPLES = int(os.environ.get("SQLFLOW_LAW_EXAMPLES", "500"))
ON_POSTGRES = max(EXAMPLES // 50, 1)
SHARES = 10
"""How many tests the examples are divided among, so that workers can share them."""
Rows = list[tuple[object, ...]]
Contents = dict[str, tuple[list[str], Rows]]

QUERIES = (
    "select k, v{x} from {0}",
    "select *{y} from {0}",
    "select k, sum(v) as v{g} from {0} group by k",
    "select k, count(*) as v{g} from {0} group by all",
    "select a.k, a.v + b.v as v from {0} a join {1} b on a.k = b.k",
    "select a.k, coalesce(b.v, {number}) as v from {0} a left join {1} b using (k)",
    "select k, v from {0} union all select k, v from {1}",
    "select k, v from {0} union select k, v from {1}",
    "select k, v from {0} except select k, v from {1}",
    "select k, row_number() over (order by k, v) as v{x} from {0}",
    "select k, sum(v) over (partition by k) as v{x} from {0}",
    "select k, v{x} from {0} where v > {number}",
    "select k, v from {0} qualify rank() over (partition by k order by v desc) = 1",
    "select distinct k, v from {0}",
    "select k, v from {0} order by v desc, k limit 3",
    "select k, first(v) as v from {0} group by k",
    "with s as (select * from {0}), t as (select k, v{x} from s) select * from t",
    "with s as (select k, max(v) as v from {0} group by k) select s.k, s.v + a.v as v from s join {1} a using (k)",
    "select k, v from {0} a where exists (select 1 from {1} b where b.k = a.k and b.v > {number})",
    "select k, (select max(b.v) from {1} b where b.k = a.k) as v{x} from {0} a",
    "select k, v from {0} where k not in (select k from {1} where v > {number})",
    "select a.k, l.v from {0} a, lateral (select max(v) as v from {1} b where b.k = a.k) l",
    "select k, unnest([v, {number}]) as v from {0}",
    "with recursive r as (select k, v from {0} union all select k, v - 1 from r where v > {number}) select k, v from r",
    "select k, v * {{{{ var('n') }}}} as v{x} from {0}",
    "select k, {{{{ plus('v') }}}} as v{x} from {0}",
    "select k, case when v > {number} then v else 0 end as v{x} from {0}",
    "select k, v from {0} semi join {1} using (k)",
    "from {0} select k, v",
)
EXTRA = {
    "x": ("", ", v + 1 as x", ", v + 2 as x", ", k as x", ", v as z"),
    "y": ("", "", ", v + 3 as y"),
    "g": ("", ", max(v) as g", ", min(v) as g", ", min(v) as h"),
}
NOT_IN_POSTGRES = ("group by all", "qualify", "first(", "unnest([", "semi join", "from {0} select")
IN_POSTGRES = tuple(query for query in QUERIES if not any(words in query for words in NOT_IN_POSTGRES))
TARGET = "targets: {dev: {engine: duckdb, threads: 1}}\n"
"""With more threads, DuckDB gives groups in an order that differs from run to run, and with it what `first()` finds."""
KINDS = ("table", "table", "table", "table", "table", "table", "view", "ephemeral")


@dataclass(frozen=True)
class Sql:
    """A block: which query, over which inputs, and the columns beside `k` and `v`."""

    query: str
    inputs: tuple[str, str]
    number: int
    kind: str
    extra: tuple[int, int, int] = (0, 0, 0)
    note: str = ""

    @property
    def text(self) -> str:
        extra = {slot: EXTRA[slot][at % len(EXTRA[slot])] for slot, at in zip("xyg", self.extra, strict=True)}
        query = self.query.format(*self.inputs, number=self.number, **extra)
        return f"/*---\nmaterialize: {self.kind}\n---*/\n{query}{self.note}"


@dataclass(frozen=True)
class State:
    """A project: its blocks by name, its data, its var and its macro."""

    blocks: tuple[tuple[str, Sql], ...]
    seed: str
    source: str
    var: int = 1
    macro: int = 1
    edit: str = "first"
    target: str = TARGET

    def with_block(self, at: int, block: Sql, edit: str, name: str = "") -> "State":
        """Return the project with another block at a place, under the same name if no other is given."""
        blocks = list(self.blocks)
        blocks[at] = (name or blocks[at][0], block)
        return replace(self, blocks=tuple(blocks), edit=edit)

    @property
    def files(self) -> dict[str, str]:
        return {
            "sqlflow.yml": f"name: p\nvars: {{n: {self.var}}}\nsources: {{raw: {{f: {{files: f.csv}}}}}}\n{self.target}",
            "f.csv": self.source,
            "seeds/seed/s.csv": self.seed,
            "macros/m.sql": "{% macro plus(x) %}" + f"{{{{ x }}}} + {self.macro}" + "{% endmacro %}",
            **{f"blocks/m/{name}.sql": block.text for name, block in self.blocks},
        }


EDITS = (
    "logic", "comment", "column", "column", "column", "column", "number", "kind", "seed", "source", "order of rows", "macro",
    "var", "remove", "rename", "revert",
)  # fmt: skip


class Author:
    """Somebody who writes projects and changes them, at random."""

    def __init__(self, seed: int, queries: tuple[str, ...] = QUERIES, target: str = TARGET) -> None:
        self.pick = random.Random(seed)
        self.queries, self.target = queries, target

    def history(self) -> list[State]:
        """Return a project and then what becomes of it, one edit after the other."""
        blocks = tuple((f"b{number}", self.sql(number)) for number in range(self.pick.randint(3, 7)))
        history = [State(blocks, self.data(), self.data(), target=self.target)]
        for _ in range(self.pick.randint(1, 4)):
            history.append(self.edited(history))
        return history

    def data(self) -> str:
        rows = [(self.pick.randint(0, 3), self.pick.randint(0, 5)) for _ in range(self.pick.randint(1, 6))]
        return "k,v\n" + "".join(f"{k},{v}\n" for k, v in rows)

    def sql(self, number: int) -> Sql:
        names = ["seed.s", "raw.f", *(f"m.b{earlier}" for earlier in range(number))]
        inputs = (self.pick.choice(names[-3:]), self.pick.choice(names))
        extra = (self.pick.randint(0, 4), self.pick.randint(0, 2), self.pick.randint(0, 3))
        return Sql(self.pick.choice(self.queries), inputs, self.pick.randint(0, 3), self.pick.choice(KINDS), extra)

    def edited(self, history: list[State]) -> State:
        """Return the latest project after one edit."""
        state, edit = history[-1], self.pick.choice(EDITS)
        number = self.pick.randrange(len(state.blocks))
        name, block = state.blocks[number]
        match edit:
            case "logic":
                return state.with_block(number, self.sql(number), edit)
            case "comment":
                return state.with_block(number, replace(block, note=block.note + "\n-- a comment"), edit)
            case "column":
                return self.with_column(state)
            case "number":
                return state.with_block(number, replace(block, number=self.pick.randint(0, 3)), edit)
            case "kind":
                return state.with_block(number, replace(block, kind=self.pick.choice(KINDS)), edit)
            case "seed":
                return replace(state, seed=self.data(), edit=edit)
            case "source":
                return replace(state, source=self.data(), edit=edit)
            case "order of rows":
                head, *lines = state.seed.splitlines(keepends=True)
                return replace(state, seed="".join([head, *reversed(lines)]), edit=edit)
            case "macro":
                return replace(state, macro=3 - state.macro, edit=edit)
            case "var":
                return replace(state, var=3 - state.var, edit=edit)
        is_read = any(f"m.{name}" in other.inputs for _, other in state.blocks)
        if edit == "remove" and not is_read and len(state.blocks) > 1:
            return replace(state, blocks=tuple(pair for pair in state.blocks if pair[0] != name), edit=edit)
        if edit == "rename" and not is_read:
            return state.with_block(number, block, edit, f"{name}x")
        return replace(self.pick.choice(history), edit="revert")

    def with_column(self, state: State) -> State:
        """Return the project with a column of a block added, changed, renamed or removed."""
        slots = [
            (at, slot) for at, (_, block) in enumerate(state.blocks) for slot in "xyg" if f"{{{slot}}}" in block.query
        ]
        if not slots:
            return state
        at, slot = self.pick.choice(slots)
        block = state.blocks[at][1]
        extra = tuple(value + (name == slot) for value, name in zip(block.extra, "xyg", strict=True))
        return state.with_block(at, replace(block, extra=extra), "column")  # type: ignore[arg-type]


@dataclass
class Warehouse:
    """A folder that is built again and again; `definitions` are the texts of blocks as they were built last."""

    folder: Path
    definitions: dict[str, str] = field(default_factory=dict)
    contents: Contents = field(default_factory=dict)

    def build(self, state: State) -> tuple[Project, bool, set[str]]:
        for file in self.folder.glob("blocks/m/*.sql"):
            file.unlink()
        built: set[str] = set()

        def listen(event: events.Event) -> None:
            if isinstance(event, events.BlockBuilt) and event.materialize == "table":
                built.add(event.block)

        project = Project.load(write(self.folder, state.files))
        try:
            return project, project.build(listener=listen).ok, built
        except ProjectError:  # it reads a column that is not there any more, which is found before anything runs
            return project, False, built

    def keep(self, project: Project, contents: Contents, state: State) -> None:
        """Remember what was built, to hold the next build against it."""
        self.contents = contents
        names = [str(name) for name in project.loaded.blocks if name.schema == "m"]
        self.definitions = {name: definition(project, name, state) for name in names}


def contents(project: Project) -> Contents:
    """Return the columns and rows of all that is published, as they lie."""
    kept = [block.name for block in project.loaded.blocks.values() if block.config.materialize != "ephemeral"]
    with second_connection(project) as session:
        found = {str(name): session.rows(f"select * from {name.sql}") for name in kept}
    shown = {name: (list(one.columns), list(one.rows)) for name, one in found.items()}
    head, *lines = (project.loaded.root / "f.csv").read_text().splitlines()
    shown["raw.f"] = (head.split(","), [tuple(map(int, line.split(","))) for line in lines])
    return shown


def sorted_contents(found: Contents) -> Contents:
    return {name: (columns, sorted(lines, key=repr)) for name, (columns, lines) in found.items()}


def needless(project: Project, built: set[str], was: Warehouse, now: Contents, state: State) -> set[str]:
    """Return the tables that were built although neither their definition nor what they read of their inputs has changed."""
    graph, known = project.graph, lineages(project.graph)
    found = set()
    for name in built & was.contents.keys():
        block = TableName.parse(name)
        if block.schema == "seed" or was.definitions.get(name) != definition(project, name, state):
            continue
        reads = known[block]
        assert reads is not None
        heeds = any((one := known[below]) is None or one.ordered for below in graph.downstream([block]))
        if not any(changed(name, read.table, read.column, was, now, heeds, project, state) for read in reads.reads):
            found.add(name)
    return found


def definition(project: Project, name: str, state: State) -> str:
    kind = project.block(name).config.materialize
    return kind + project.rendered(name).text.replace("\n-- a comment", "") + str(state.var) + str(state.macro)


def changed(
    reader: str, table: str, column: str, was: Warehouse, now: Contents, heeds: bool, project: Project, state: State
) -> bool:
    """Tell whether a column of a table, or its number of rows, is not what it was, by itself or beside the others."""
    if table not in now or table not in was.contents:
        return True
    if table.startswith("m.") and not (
        project.block(table).config.materialize == "table" and was.definitions[table].startswith("table")
    ):
        return True  # what a view gives is not kept, so that nothing can be held against it
    (columns, lines), (columns_before, lines_before) = now[table], was.contents[table]
    if not column:
        return len(lines) != len(lines_before) or heeds
    wanted = columns if column == EVERY else [column]
    if column == EVERY and columns != columns_before:
        return True
    return pick(columns, lines, wanted, heeds) != pick(columns_before, lines_before, wanted, heeds)


def pick(columns: list[str], lines: Rows, wanted: list[str], heeds: bool) -> Rows | None:
    if not set(wanted) <= set(columns):
        return None
    found = [tuple(line[columns.index(column)] for column in wanted) for line in lines]
    return found if heeds else sorted(found, key=repr)


@pytest.mark.parametrize("share", range(SHARES))
@settings(max_examples=max(EXAMPLES // SHARES, 1), deadline=None)
@given(seed=st.integers(0, 10**9))
def test_a_build_after_edits_is_equal_to_a_clean_build_and_needs_no_less(share: int, seed: int) -> None:
    law_holds(Author(seed * SHARES + share).history())


@settings(max_examples=ON_POSTGRES, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_a_build_after_edits_is_equal_to_a_clean_build_on_postgres(seed: int) -> None:
    urls = [postgres_server.new_database() for _ in range(2)]
    targets = [f"targets: {{dev: {{engine: postgres, url: '{url}', schema: main}}}}\n" for url in urls]
    try:
        law_holds(Author(seed, IN_POSTGRES, targets[0]).history(), targets[1])
    finally:
        for url in urls:
            postgres_server.drop_database(url)


def law_holds(history: list[State], clean_target: str = TARGET) -> None:
    """Build each state after the other, and the last one in an empty target."""
    folder = Path(tempfile.mkdtemp())
    try:
        warehouse = Warehouse(folder / "edited")
        for state in history:
            project, ok, built = warehouse.build(state)
            if not ok:
                break
            now = contents(project)
            assert not needless(project, built, warehouse, now, state), state.edit
            warehouse.keep(project, now, state)
        clean, clean_ok, _ = Warehouse(folder / "clean").build(replace(state, target=clean_target))
        assert ok == clean_ok
        if ok:
            assert sorted_contents(now) == sorted_contents(contents(clean)), [state.edit for state in history]
            assert all(step.action in ("reuse", "inline") for step in project.plan().steps)
    finally:
        shutil.rmtree(folder)
