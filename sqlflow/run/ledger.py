"""Which intervals the versions of blocks of time ranges have, and the parts that hold them: rows of the state.

A part has a key of its own, by which the run after one that was cut off finds it, until a version shows it. From then on
what it holds is for assertions to judge, and it is not used for anything else.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from sqlflow.core.engine import Session
from sqlflow.core.names import TableName, literal
from sqlflow.core.spans import Span
from sqlflow.plan.current import Made, Part, Slice
from sqlflow.plan.versions import INTERVALS, STATE_SCHEMA, Key
from sqlflow.run import state
from sqlflow.run.listing import Lists

_TABLE = state.table_of("sqlflow_intervals")
_VERSIONS = state.table_of("sqlflow_versions")


def with_slices(session: Session, made: tuple[Made, ...]) -> tuple[Made, ...]:
    """Return versions with their ledgers, where they have one."""
    if not any(INTERVALS in version.inputs for version in made):
        return made
    found: dict[str, list[Slice]] = {}
    for relation, part, start, end in session.rows(f"select relation, part, starts_at, ends_at from {_TABLE}").rows:
        found.setdefault(relation, []).append(Slice(Span(start, end), part))
    return tuple(replace(version, slices=tuple(sorted(found.get(version.relation.name, ())))) for version in made)


def waiting(listing: Lists, session: Session) -> tuple[Part, ...]:
    """Return the parts that runs have left which were cut off."""
    there = {relation.name.name for relation in listing.relations([STATE_SCHEMA]) if not relation.is_lost}
    found = session.rows(
        f"select relation, key from {_VERSIONS} where kind = {literal(state.PART)} and key <> relation"
    )
    return tuple(Part(TableName(STATE_SCHEMA, name), key) for name, key in found.rows if name in there)


def record_part(session: Session, part: TableName, block: TableName, key: Key, run: str) -> None:
    """Record that a part is there. An empty key is that of one that no other run may use."""
    state.record_versions(session, [state.Version(part, str(block), state.PART, key, run, ())])


def record(session: Session, version: TableName, slices: Iterable[Slice], built: Iterable[Slice]) -> None:
    """Record the ledger of a version, in the transaction that records the version. What was `built` for it is found no more."""
    every = list(slices)
    rows = ", ".join(state.values(version.name, one.part, one.span.start, one.span.end) for one in every)
    session.execute(f"insert into {_TABLE} values {rows}")
    parts = ", ".join(sorted({literal(one.part) for one in (*every, *built)}))
    session.execute(
        f"update {_VERSIONS} set key = relation where kind = {literal(state.PART)} and key <> relation"
        f" and relation in ({parts})"
    )
