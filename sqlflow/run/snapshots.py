"""The new version of a snapshot: the history that is there, and what has become of its rows since.

A history has one row for each version of a row of the query: it holds from `valid_from` until before `valid_to`, which is
NULL as long as it `is_current`. With `updated_at` a version begins at the time that the row itself tells, so that rows may
come late and in any order; with `check` it begins when a build finds that the row has changed: at the run's start. A row
that the query does not give any more ends then, too.

A version of the table never changes: the history is copied beside, as the rows of an incremental block are.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from msgspec import Struct

from sqlflow.core.block import Block
from sqlflow.core.engine import Column, Describer, Session
from sqlflow.core.errors import BuildError, Problem
from sqlflow.core.names import TableName, quoted
from sqlflow.plan.versions import helper_name
from sqlflow.read.snapshots import ALL, HISTORY_COLUMNS
from sqlflow.run.incremental import columns_with, refuse_missing, selected
from sqlflow.run.key_places import key_place

_WITHOUT_EQUALITY = ("json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle")
"""Types of Postgres whose values are compared as text."""


class History(Struct, frozen=True):
    """How a snapshot gets its version: `delta` holds the rows of its query, `base` the history that is there, if there is.

    `there` are the columns of that history without its own three, `new` those of the query's rows, and `columns` those
    that the new version has beside its own three. `time` is the type of `valid_from`, `moment` when the run has begun.
    """

    block: Block
    base: TableName | None
    delta: TableName
    there: tuple[Column, ...]
    new: tuple[Column, ...]
    columns: tuple[Column, ...]
    time: str
    moment: datetime
    own: tuple[Column, ...]
    """The three columns that the history has beside `columns`."""

    def names(self, named: Sequence[str], columns: Sequence[Column]) -> list[str]:
        """Return columns as SQL, as they are spelled among `columns`."""
        own = {column.name.lower(): column.name for column in columns}
        return [quoted(own[name.lower()]) for name in named]

    @property
    def key(self) -> list[str]:
        return self.names(self.block.config.key, self.columns)

    @property
    def now(self) -> str:
        """The moment, as SQL of the type of `valid_from`."""
        moment = self.moment if self.moment.tzinfo else self.moment.replace(tzinfo=UTC)
        return f"cast(cast('{moment.isoformat(sep=' ')}' as timestamp with time zone) as {self.time})"

    def after(self, time: str) -> str:
        """Return the next time after `time`, as SQL."""
        return f"({time} + 1)" if self.time == "date" else f"({time} + interval '1 microsecond')"


def history_of(
    block: Block, base: TableName | None, relation: TableName, columns: tuple[Column, ...], moment: datetime,
    session: Session,
) -> History:  # fmt: skip
    """Return how a snapshot gets its version `relation`; `columns` are those of its query.

    `moment` is when the run has begun. Raise BuildError for columns that do not go with the settings, or with those of the
    history that is there.
    """
    refuse_unfit(block, columns)
    time, own = _time(block, columns), history_columns(block, columns, session)
    delta = relation._replace(name=helper_name(relation, "delta"))
    if base is None:
        return History(block, None, delta, columns, columns, columns, time, moment, own)
    found = session.columns(f"select * from {base.sql}")
    _refuse_no_history(found, own, block)
    there = without_history(found)
    return History(block, base, delta, there, columns, columns_with(there, columns, block), time, moment, own)


def without_history(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns of a history but its own three; none of a table that has none of these, and so is no history."""
    others = tuple(column for column in columns if column.name.lower() not in HISTORY_COLUMNS)
    return others if len(others) < len(columns) else ()


def refuse_unfit(block: Block, columns: Sequence[Column]) -> None:
    """Raise BuildError for columns of a query that do not go with what the block says of its history."""
    config = block.config
    setting, named = ("updated_at", (config.updated_at,)) if config.updated_at else ("check", _checked(block, columns))
    refuse_missing("key", config.key, columns, "the result", key_place(block, "key"))
    refuse_missing(setting, named, columns, "the result", key_place(block, setting))
    _refuse_own(columns, block)
    if not _time(block, columns):
        kind = next(column.type for column in columns if column.name.lower() == named[0].lower()).lower()
        message = f"`updated_at` names `{named[0]}`, which is {kind}: a date or a timestamp is needed"
        raise BuildError(
            Problem(message, key_place(block, setting), f"cast it in the query, or take `check: {named[0]}`")
        )


def history_in(base: TableName | None, session: Session) -> TableName | None:
    """Return the version to go on from, if it holds a history or what is meant for one: a table that a block was before may
    not.
    """
    if base is None:
        return None
    found = {column.name.lower() for column in session.columns(f"select * from {base.sql}")}
    return base if found & set(HISTORY_COLUMNS) else None


def _checked(block: Block, columns: Sequence[Column]) -> tuple[str, ...]:
    check = block.config.check
    return tuple(column.name for column in columns) if check == (ALL,) else check


def _refuse_own(columns: Sequence[Column], block: Block) -> None:
    taken = [column.name for column in columns if column.name.lower() in HISTORY_COLUMNS]
    if taken:
        message = f"the result has a column `{taken[0]}`, which a snapshot makes itself"
        hint = f"give it another name: `{taken[0]} as own_{taken[0]}`"
        raise BuildError(Problem(message, block.source.place(block.body), hint))


def _time(block: Block, columns: Sequence[Column]) -> str:
    """Return the type of `valid_from`: that of the column `updated_at`, in the precision that both engines share.

    It is empty where that is no date and no timestamp.
    """
    name = block.config.updated_at
    if not name:
        return "timestamp"
    kind = next((column.type for column in columns if column.name.lower() == name.lower()), "").lower()
    if kind == "date" or not kind.startswith("timestamp"):
        return "date" if kind == "date" else ""
    return "timestamp with time zone" if kind.endswith("with time zone") else "timestamp"


def history_columns(block: Block, columns: Sequence[Column], session: Describer) -> tuple[Column, ...]:
    """Return the three columns that a snapshot has beside `columns`; none if `updated_at` is no time."""
    time = _time(block, columns)
    if not time:
        return ()
    typed = zip(HISTORY_COLUMNS, (time, time, "boolean"), strict=True)
    return session.columns("select " + ", ".join(f"cast(null as {kind}) as {name}" for name, kind in typed))


def _refuse_no_history(found: Sequence[Column], wanted: Sequence[Column], block: Block) -> None:
    """Raise BuildError for a table that has some of the columns of a history, but is none that can be gone on from."""
    types = {column.name.lower(): column.type for column in found}
    for column in wanted:
        if types.get(column.name) != column.type:
            is_there = types.get(column.name, "").lower()
            has = f"has `{column.name}` as {is_there}" if is_there else f"has no `{column.name}`"
            message = f"the table that is there {has}, and its history would go on with {column.type.lower()}"
            anew = f"`protect: false`, and `sqlflow build {block.name} --full-refresh`"
            hint = f"give it such columns while the block is still a table, or begin anew: {anew}"
            raise BuildError(Problem(message, block.source.place(block.body), hint))


def written(history: History, create: str, session: Session) -> int | None:
    """Make the new version, by the statement that begins with `create`, and return how many rows it has, where that is known.

    Raise BuildError for rows that have no key or time, and for two of one.
    """
    _refuse_nulls(history, session)
    _refuse_doubles(history, session)
    order = f" order by {', '.join(history.block.config.order_by)}" if history.block.config.order_by else ""
    found = session.execute(f"{create} as {_query(history)}{order}")
    session.execute(f"drop table {history.delta.sql}")
    return found


def _query(history: History) -> str:
    """Return the query that gives the whole history as it is now.

    Versions that begin are found first (`fresh`). Keys without one keep their rows, and end if they are gone; of all
    others, each row ends where the next begins.
    """
    columns = ", ".join(quoted(column.name) for column in history.columns)
    key = ", ".join(history.key)
    same_key = _same(history.key, "old", "one")
    ends = "old.valid_to"
    if history.block.config.hard_deletes == "close":
        ends = (
            "case when old.valid_to is null and given.sqlflow_given is null"
            f" then greatest({history.now}, {history.after('old.valid_from')}) else old.valid_to end"
        )
    return f"""
with added as (select {selected(history.columns, history.new)} from {history.delta.sql}),
there as ({_there(history)}),
known as (select {key}, max(valid_to) as ended, max(case when valid_to is null then 1 else 0 end) as is_open from there group by {key}),
fresh as ({_fresh_by_time(history) if history.block.config.updated_at else _fresh_by_check(history)}),
touched as (select distinct {key}, 1 as sqlflow_touched from fresh),
given as (select distinct {key}, 1 as sqlflow_given from added),
every as (
    select {", ".join(f"old.{quoted(column.name)}" for column in history.columns)}, old.valid_from, {ends} as valid_to
    from there as old
    left join touched as one on {same_key}
    left join given on {_same(history.key, "old", "given")}
    where one.sqlflow_touched is null
    union all
    select {columns}, valid_from, least(
        sqlflow_next, sqlflow_end,
        case when sqlflow_is_new and sqlflow_before > valid_from then sqlflow_before end
    ) as valid_to
    from (
        select *, lead(valid_from) over (partition by {key} order by valid_from) as sqlflow_next,
        max(sqlflow_end) over (
            partition by {key} order by valid_from rows between unbounded preceding and 1 preceding
        ) as sqlflow_before
        from (
            select {", ".join(f"old.{quoted(column.name)}" for column in history.columns)}, old.valid_from,
            old.valid_to as sqlflow_end, false as sqlflow_is_new
            from there as old join touched as one on {same_key}
            where not exists (
                select 1 from fresh where {_same(history.key, "fresh", "old")} and fresh.valid_from = old.valid_from
            )
            union all
            select {columns}, valid_from, sqlflow_end, true from fresh
        ) as moved
    ) as placed
)
select {columns}, valid_from, valid_to, valid_to is null as is_current from every"""


def _there(history: History) -> str:
    """Return the query for the history that is there, with the columns of the new version."""
    if history.base is not None:
        return f"select {selected(history.columns, history.there)}, valid_from, valid_to from {history.base.sql}"
    none = f"cast(null as {history.time})"
    return f"select *, {none} as valid_from, {none} as valid_to from added where 1 = 0"


def _same(key: Sequence[str], one: str, other: str) -> str:
    return " and ".join(f"{one}.{name} = {other}.{name}" for name in key)


def _fresh_by_check(history: History) -> str:
    """Return the query for the rows that are not what they were, with the time since when: the run's start.

    A clock that has been set back does not put a version before the one that it follows.
    """
    types = {column.name.lower(): column.type.lower() for column in history.columns}
    checked = _checked(history.block, history.new)
    kept = [name for name in checked if name.lower() in types]
    compared = [
        (name, types[plain.lower()].removesuffix("[]") in _WITHOUT_EQUALITY)
        for plain, name in zip(kept, history.names(kept, history.columns), strict=True)
    ]
    differs = " or ".join(
        f"cast(added.{name} as text) is distinct from cast(old.{name} as text)"
        if is_text
        else f"added.{name} is distinct from old.{name}"
        for name, is_text in compared
    )
    last = f"case when known.is_open = 1 then {history.after('old.valid_from')} else known.ended end"
    return (
        f"select added.*, greatest({history.now}, {last}) as valid_from, cast(null as timestamp) as sqlflow_end from added"
        f" left join known on {_same(history.key, 'added', 'known')}"
        f" left join there as old on {_same(history.key, 'added', 'old')} and old.valid_to is null"
        f" where old.valid_from is null or {differs or '1 = 0'}"
    )


def _fresh_by_time(history: History) -> str:
    """Return the query for the rows that are not known yet, with the time that they tell themselves.

    A row that was gone and is back as it was holds from the run's start; it gives way to one that tells that very time, which
    ends where it would have ended (`sqlflow_end`). So does a row that is newer than the one that holds, and tells a time before
    that began to hold: what the query gives last of a key is what holds.
    """
    (updated,) = history.names([history.block.config.updated_at or ""], history.columns)
    key = ", ".join(history.key)
    own = f"cast(added.{updated} as {history.time})"
    is_old = f"{_same(history.key, 'added', 'old')} and old.{updated} = added.{updated}"
    return (
        f"select added.*, {own} as valid_from, same.valid_to as sqlflow_end from added"
        f" left join there as same on {_same(history.key, 'added', 'same')} and same.valid_from = {own}"
        f" where not exists (select 1 from there as old where {is_old})"
        f" union all select added.*, greatest({history.now}, holds.valid_from, known.ended), cast(null as {history.time}) from added"
        f" join known on {_same(history.key, 'added', 'known')}"
        f" left join there as holds on {_same(history.key, 'added', 'holds')} and holds.valid_to is null"
        f" join (select {key}, max({updated}) as sqlflow_latest from added group by {key}) as latest"
        f" on {_same(history.key, 'added', 'latest')} and latest.sqlflow_latest = added.{updated}"
        f" where case when known.is_open = 0 then {own} < known.ended"
        f" else {own} < holds.valid_from and (holds.{updated} is null or holds.{updated} < added.{updated}) end"
    )


def _refuse_nulls(history: History, session: Session) -> None:
    config = history.block.config
    wanted = {"key": config.key, "updated_at": (config.updated_at,) if config.updated_at else ()}
    for setting, named in wanted.items():
        names = history.names(named, history.new)
        if not names:
            continue
        absent = " or ".join(f"{name} is null" for name in names)
        nulls = int(session.rows(f"select count(*) from {history.delta.sql} where {absent}").rows[0][0])
        if nulls:
            why = "whose history they belong to" if setting == "key" else "since when they are as they are"
            message = f"`{setting}` ({', '.join(named)}) is NULL in {nulls} of the rows: it does not tell {why}"
            raise BuildError(
                Problem(message, key_place(history.block, setting), "leave such rows out, or give them a value")
            )


def _refuse_doubles(history: History, session: Session) -> None:
    """Raise BuildError for two rows of one key, or of one key and time, and for a history in which two are current."""
    config, place = history.block.config, key_place(history.block, "key")
    named = (*config.key, config.updated_at) if config.updated_at else config.key
    if found := _doubled(history.names(named, history.new), history.delta, "1 = 1", session):
        what = "`key` and `updated_at`" if config.updated_at else "`key`"
        message = f"{found[-1]} rows have the {what} ({', '.join(named)}) = ({', '.join(map(str, found[:-1]))}): one row may have it"
        raise BuildError(Problem(message, place, "let the query give one row for each"))
    if history.base is None:
        return
    if found := _doubled(history.names(config.key, history.there), history.base, "valid_to is null", session):
        shown = ", ".join(map(str, found[:-1]))
        message = f"the history that is there has {found[-1]} current rows with the `key` ({', '.join(config.key)}) = ({shown})"
        hint = "a history goes on with the key that it was begun with; give a block with another key another name"
        raise BuildError(Problem(message, place, hint))


def _doubled(key: Sequence[str], relation: TableName, condition: str, session: Session) -> tuple[object, ...]:
    listed = ", ".join(key)
    query = f"select {listed}, count(*) from {relation.sql} where {condition} group by {listed} having count(*) > 1"
    found = session.rows(f"{query} order by {listed} limit 1").rows
    return found[0] if found else ()


@lru_cache(8)  # every block of a run asks
def moment_of(run: str) -> datetime:
    """Return when a run has begun, in UTC, as its id says.

    >>> moment_of("20260102T030405678abcd").isoformat()
    '2026-01-02T03:04:05.678000+00:00'
    """
    return datetime.strptime(run[:18] + "000", "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
