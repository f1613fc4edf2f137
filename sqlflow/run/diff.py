"""Compares what two environments show of a block: columns, counts, and rows by key, computed in the engine."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from sqlflow.core.block import Block, Project
from sqlflow.core.engine import Column, Connection, Session
from sqlflow.core.environment import Environment
from sqlflow.core.errors import UsageError, did_you_mean
from sqlflow.core.names import TableName, quoted
from sqlflow.core.words import count
from sqlflow.plan.reuse import Retyped
from sqlflow.read.snapshots import VALID_FROM
from sqlflow.run import state
from sqlflow.run.target import opened

_WITHOUT_EQUALITY = frozenset({"json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle"})
"""Types of Postgres that have no `=`: their values are compared as text."""
_FAMILIES = (
    re.compile(r"u?(tiny|small|big|huge)?int(eger)?|decimal.*|numeric.*|real|float|double( precision)?"),
    re.compile(r"varchar|text|character.*"),
)
"""Types whose values can be compared with one another: 10 as an integer is 10.00 as a decimal."""


class Some(Struct, frozen=True):
    """How many rows there are of a kind, and a few of them."""

    count: int
    columns: tuple[str, ...] = ()
    sample: tuple[tuple[Any, ...], ...] = ()


class Difference(Struct, frozen=True):
    """How a block in one environment (`after`) differs from that in another (`before`).

    Without a `key` no row counts as changed. `columns_changed` counts, by column, the rows of both that differ in it, each
    with the key, the value before and the value after. `keyless` rows have NULL in their key, before and after, and are
    left out.
    """

    block: TableName
    before: str
    after: str
    is_same_version: bool
    columns_added: tuple[Column, ...] = ()
    columns_removed: tuple[Column, ...] = ()
    columns_retyped: tuple[Retyped, ...] = ()
    rows_before: int = 0
    rows_after: int = 0
    key: tuple[str, ...] = ()
    keyless: tuple[int, int] = (0, 0)
    added: Some = Some(0)
    removed: Some = Some(0)
    changed: int = 0
    columns_changed: Mapping[str, Some] | None = None

    @property
    def is_same(self) -> bool:
        """Whether columns and rows are the same on both sides."""
        columns = (self.columns_added, self.columns_removed, self.columns_retyped)
        rows = (self.added.count, self.removed.count, self.changed, self.keyless[0] - self.keyless[1])
        return self.is_same_version or not (any(columns) or any(rows))


class Side(Struct, frozen=True):
    """One of the two: the name of its environment, and the relation that it shows."""

    environment: str
    relation: TableName


def compared(project: Project, block: Block, other: Environment, key: tuple[str, ...], limit: int) -> Difference:
    """Return how a block differs in the project's environment from what another one shows."""
    here = project.environment
    if here == other:
        raise UsageError(
            f"`{here.name}` is compared with itself", hint="name another environment with `--env` or `--against`"
        )
    with opened(project, readonly=True) as (connection, session):
        before, after = (side(connection, session, block, environment) for environment in (other, here))
        return difference(block, before, after, key, limit, session)


def side(connection: Connection, session: Session, block: Block, environment: Environment) -> Side:
    """Return what an environment shows of a block. Raise UsageError if it shows none, or is no environment."""
    if block.config.materialize == "ephemeral":
        raise UsageError(f"`{block.name}` is ephemeral: no environment shows it")
    state.refuse_unknown(connection, session, environment)
    relation = state.shown(connection, session, environment).get(block.name)
    if relation is None:
        hint = f"run `sqlflow build {block.name}{environment.flag}`"
        raise UsageError(f"`{environment.name}` does not show `{block.name}`", hint=hint)
    return Side(environment.name, relation)


class _Pair:
    """The two relations, and the columns that both have."""

    def __init__(self, block: Block, before: Side, after: Side, session: Session) -> None:
        self.block, self.before, self.after, self.session = block, before, after, session
        self.old = {column.name.lower(): column for column in self._columns(before)}
        self.new = {column.name.lower(): column for column in self._columns(after)}
        self.both = [name for name in self.new if name in self.old]

    def _columns(self, side: Side) -> Sequence[Column]:
        return self.session.columns(f"select * from {side.relation.sql}")

    def count(self, side: Side, condition: str = "true") -> int:
        query = f"select count(*) from {side.relation.sql} where {condition}"
        return int(self.session.rows(query).rows[0][0])

    def text(self, name: str, columns: Mapping[str, Column]) -> str:
        """Return a column as it can be compared: as text where the types are not of one kind, or know no equality."""
        types = {self.old[name].type.lower(), self.new[name].type.lower()}
        own = quoted(columns[name].name)
        is_one = len(types) == 1 and not types & _WITHOUT_EQUALITY
        is_like = any(all(family.fullmatch(kind) for kind in types) for family in _FAMILIES)
        return own if is_one or is_like else f"cast({own} as varchar)"


def difference(block: Block, before: Side, after: Side, key: Sequence[str], limit: int, session: Session) -> Difference:
    """Return how `after` differs from `before`, with at most `limit` rows of each kind.

    The columns of the `key` must be in both; without them it is the first that the block says and that holds in both. Raise
    UsageError for a key that is not there or not unique.
    """
    pair = _Pair(block, before, after, session)
    asked = _given(pair, key)
    if before.relation == after.relation:
        rows, chosen = pair.count(after), asked or next(_said(pair), [])
        names = tuple(pair.new[name].name for name in chosen)
        return Difference(
            block.name, before.environment, after.environment, True, rows_before=rows, rows_after=rows, key=names
        )
    if asked:
        _refuse_doubled(pair, asked)
    chosen = asked or next((names for names in _said(pair) if not any(_doubled(pair, names))), [])
    return _by_key(pair, chosen, limit) if chosen else _whole(pair, limit)


def _given(pair: _Pair, key: Sequence[str]) -> list[str]:
    for name in key:
        if name.lower() not in pair.both:
            hint = did_you_mean(name, pair.both) or "both must have the columns of the key"
            raise UsageError(f"`{pair.block.name}` has no column `{name}` in both environments", hint=hint)
    return [name.lower() for name in key]


def _said(pair: _Pair) -> Iterator[list[str]]:
    """Yield the keys that a block says, of columns that both have."""
    for columns in _keys(pair.block):
        names = [name.lower() for name in columns]
        if names and all(name in pair.both for name in names):
            yield names


def _keys(block: Block) -> Iterator[Sequence[str]]:
    """Yield the columns that tell rows apart: as new rows find them, as assertions say, as unique indexes hold.

    With `delete_insert` a key has many rows.
    """
    config = block.config
    if block.is_snapshot:
        yield (*config.key, VALID_FROM)
    elif config.strategy == "merge":
        yield config.key
    for assertion in block.assertions:
        yield assertion.columns
    for index in config.indexes:
        yield index.columns if index.unique and not index.expressions and not index.where else ()


def _schema(pair: _Pair) -> dict[str, Any]:
    retyped = [name for name in pair.both if pair.old[name].type != pair.new[name].type]
    return {
        "columns_added": tuple(column for name, column in pair.new.items() if name not in pair.old),
        "columns_removed": tuple(column for name, column in pair.old.items() if name not in pair.new),
        "columns_retyped": tuple(Retyped(pair.new[n].name, pair.old[n].type, pair.new[n].type) for n in retyped),
        "rows_before": pair.count(pair.before),
        "rows_after": pair.count(pair.after),
    }


def _whole(pair: _Pair, limit: int) -> Difference:
    """Compare rows as a whole, in the columns that both have: as many equal rows as there are in both are the same."""
    names = tuple(pair.new[name].name for name in pair.both)

    def only(one: Side, columns: Mapping[str, Column], other: Side, others: Mapping[str, Column]) -> Some:
        lists = [", ".join(pair.text(name, side) for name in pair.both) for side in (columns, others)]
        query = f"select {lists[0]} from {one.relation.sql} except all select {lists[1]} from {other.relation.sql}"
        count = int(pair.session.rows(f"select count(*) from ({query}) as only_here").rows[0][0])
        order = ", ".join(str(number) for number in range(1, len(names) + 1))
        ordered = f"select * from ({query}) as only_here order by {order} limit {limit}"
        return Some(count, names, pair.session.rows(ordered).rows if count else ())

    added = only(pair.after, pair.new, pair.before, pair.old) if names else Some(0)
    removed = only(pair.before, pair.old, pair.after, pair.new) if names else Some(0)
    return Difference(
        pair.block.name, pair.before.environment, pair.after.environment, False,
        **_schema(pair), added=added, removed=removed,
    )  # fmt: skip


def _by_key(pair: _Pair, key: list[str], limit: int) -> Difference:
    joined = _Joined(pair, key)
    counts = dict(zip(("added", "removed", "changed", *joined.others), joined.counts(), strict=True))
    names = tuple(pair.new[name].name for name in pair.both)
    keyless = tuple(
        pair.count(side, f"not ({_has_key(key, columns)})")
        for side, columns in ((pair.before, pair.old), (pair.after, pair.new))
    )
    return Difference(
        pair.block.name, pair.before.environment, pair.after.environment, False, **_schema(pair),
        key=tuple(pair.new[name].name for name in key), keyless=(keyless[0], keyless[1]),
        added=Some(counts["added"], names, joined.only("n", "o", limit) if counts["added"] else ()),
        removed=Some(counts["removed"], names, joined.only("o", "n", limit) if counts["removed"] else ()),
        changed=counts["changed"],
        columns_changed={
            pair.new[name].name: Some(counts[name], joined.titles(name), joined.changed(name, limit))
            for name in joined.others
            if counts[name]
        },
    )  # fmt: skip


def _has_key(key: list[str], columns: Mapping[str, Column]) -> str:
    return " and ".join(f"{quoted(columns[name].name)} is not null" for name in key)


def _doubled(pair: _Pair, key: list[str]) -> Iterator[int]:
    """Yield how many values of a key there are more than once, before and after."""
    for side, columns in ((pair.before, pair.old), (pair.after, pair.new)):
        listed = ", ".join(quoted(columns[name].name) for name in key)
        query = (
            f"select count(*) from (select {listed} from {side.relation.sql} where {_has_key(key, columns)}"
            f" group by {listed} having count(*) > 1) as doubled"
        )
        yield int(pair.session.rows(query).rows[0][0])


def _refuse_doubled(pair: _Pair, key: list[str]) -> None:
    for side, doubled in zip((pair.before, pair.after), _doubled(pair, key), strict=True):
        if doubled:
            what = f"`{pair.block.name}` has {count(doubled, 'value')} of the key more than once"
            raise UsageError(
                f"{what} in `{side.environment}`", hint="name columns that are unique together with `--key`"
            )


class _Joined:
    """The two relations side by side: columns are `k0`, `k1`, … for the key and `c0`, `c1`, … for all that both have."""

    def __init__(self, pair: _Pair, key: list[str]) -> None:
        self.pair, self.key = pair, key
        self.others = [name for name in pair.both if name not in key]
        matches = " and ".join(f"o.k{number} = n.k{number}" for number in range(len(key)))
        old, new = self._side(pair.before, pair.old), self._side(pair.after, pair.new)
        self.source = f"({old}) as o full join ({new}) as n on {matches}"
        self.order = ", ".join(str(number) for number in range(1, len(key) + 1))

    def _side(self, side: Side, columns: Mapping[str, Column]) -> str:
        listed = [f"{self.pair.text(name, columns)} as k{number}" for number, name in enumerate(self.key)]
        listed += [f"{self.pair.text(name, columns)} as c{number}" for number, name in enumerate(self.pair.both)]
        return f"select 1 as here, {', '.join(listed)} from {side.relation.sql} where {_has_key(self.key, columns)}"

    def _differs(self, name: str) -> str:
        number = self.pair.both.index(name)
        return f"(o.here = 1 and n.here = 1 and o.c{number} is distinct from n.c{number})"

    def counts(self) -> tuple[int, ...]:
        """Return how many rows were added, removed and changed, and how many differ in each column beside the key."""
        each = [self._differs(name) for name in self.others]
        conditions = ["o.here is null", "n.here is null", " or ".join(each) or "false", *each]
        listed = ", ".join(f"count(*) filter (where {condition})" for condition in conditions)
        return tuple(map(int, self.pair.session.rows(f"select {listed} from {self.source}").rows[0]))

    def only(self, here: str, there: str, limit: int) -> tuple[tuple[Any, ...], ...]:
        """Return the first rows that are on one side alone, in the order of the key."""
        columns = ", ".join(f"{here}.c{number}" for number in range(len(self.pair.both)))
        order = ", ".join(f"{here}.k{number}" for number in range(len(self.key)))
        query = f"select {columns} from {self.source} where {there}.here is null order by {order}"
        return self.pair.session.rows(f"{query} limit {limit}").rows

    def titles(self, name: str) -> tuple[str, ...]:
        names = (self.pair.new[part].name for part in self.key)
        column = self.pair.new[name].name
        return (*names, f"{column} in {self.pair.before.environment}", f"{column} in {self.pair.after.environment}")

    def changed(self, name: str, limit: int) -> tuple[tuple[Any, ...], ...]:
        """Return the first rows that differ in a column: the key, what was before and what is after."""
        keys = ", ".join(f"n.k{number}" for number in range(len(self.key)))
        number = self.pair.both.index(name)
        query = f"select {keys}, o.c{number}, n.c{number} from {self.source} where {self._differs(name)} order by {self.order}"
        return self.pair.session.rows(f"{query} limit {limit}").rows
