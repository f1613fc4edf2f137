"""The rows of blocks of other targets: carried over as Arrow in batches, and loaded once for each version."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

from sqlflow.core.block import Block, Target
from sqlflow.core.engine import Column, Engine, Session
from sqlflow.core.errors import BuildError, StatementError
from sqlflow.core.names import TableName, quoted
from sqlflow.core.streams import own_errors
from sqlflow.core.text import Place
from sqlflow.plan.origins import hashed
from sqlflow.plan.recipes import is_stored
from sqlflow.plan.types import UNKNOWN
from sqlflow.run import state

if TYPE_CHECKING:
    import pyarrow as pa


class Origin(Struct, frozen=True):
    """Where the rows of a block of another target are."""

    target: Target
    relation: TableName
    open_session: Callable[[], Session]


Origins = Mapping[TableName, Origin]


def version(block: Block, relation: TableName, engine: Engine, session: Session, may_write: bool = True) -> str:
    """Return what tells the rows of a block's version from others: a hash of what a table holds, in its order, where the
    engine gives one; else the version's name.

    A hash is kept once it is known. Return an empty text if it is not, and `session` must not write.
    """
    if not is_stored(block) or not block.config.content_hash:
        return relation.name
    columns = session.columns(f"select * from {relation.sql}")
    query = engine.content(relation, columns, True)
    if query is None:
        return relation.name
    what = hashed("carried " + ", ".join(f"{column.name} {column.type}" for column in columns))
    return state.content(session, relation, what, query if may_write else None)


def carried_columns(columns: Sequence[Column], origin: Engine, into: Engine) -> tuple[Column, ...] | None:
    """Return the columns that rows of one engine have in another; None where that is not known, or they cannot be carried."""
    if any(column.type == UNKNOWN or origin.carried(column) is None for column in columns):
        return None
    return into.loaded(origin.sent(columns))


@contextmanager
def batches(
    name: TableName, origin: Origin, where: Place, at_work: list[Session], hint: str = ""
) -> Iterator["pa.RecordBatchReader"]:  # fmt: skip
    """Yield the rows of a block of another target, from a session that is `at_work` meanwhile.

    Raise BuildError for a column that cannot be carried over; `hint` says what to do, if not to read a view of it.
    """
    session = origin.open_session()
    at_work.append(session)
    try:
        columns = session.columns(f"select * from {origin.relation.sql}")
        selected = ", ".join(_carried(column, name, origin, where, hint) for column in columns)
        try:
            with own_errors(session.batches(f"select {selected} from {origin.relation.sql}")) as rows:
                yield rows
        except StatementError as error:
            message = f"the rows of `{name}` cannot be carried over: {error.message}"
            raise BuildError(message, where, error.hint) from error
    finally:
        at_work.remove(session)
        session.close()


def _carried(column: Column, name: TableName, origin: Origin, where: Place, hint: str) -> str:
    expression, own = origin.target.engine.carried(column), quoted(column.name)
    if expression is None:
        raise BuildError(
            f"the column `{column.name}` of `{name}` cannot be carried over: it is {column.type} in `{origin.target.name}`",
            where,
            hint or f"read a view in `{origin.target.name}` that casts it or leaves it out",
        )
    return own if expression == own else f"{expression} as {own}"
