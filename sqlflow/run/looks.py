"""The looks of published relations: comments and rights. What a look gave and the next one does not is taken back."""

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Struct

from sqlflow.core.block import Block
from sqlflow.core.engine import Engine, Session
from sqlflow.core.names import TableName, literal, quoted
from sqlflow.core.secrets import masked


class Look(Struct, frozen=True, omit_defaults=True):
    """What a published relation has been given: its comment, those of its columns, and roles by privilege."""

    description: str = ""
    columns: dict[str, str] = {}
    grants: dict[str, tuple[str, ...]] = {}

    @property
    def text(self) -> str:
        """The look as the state keeps it."""
        return masked(msgspec.json.encode(self).decode())


def look_of(block: Block) -> Look:
    """Return what a block's config asks for."""
    columns = {name: column.description for name, column in block.config.columns.items() if column.description}
    return Look(block.config.description, columns, block.config.grants)


def kept(text: str) -> Look | None:
    """Return the look that the state keeps as `text`; None where an older sqlflow kept a hash of it, or nothing."""
    try:
        return msgspec.json.decode(text, type=Look)
    except msgspec.MsgspecError:
        return None


def dress(view: TableName, old: Look | None, new: Look, session: Session, engine: Engine) -> None:
    """Give a view that has just been made to show something its new look, and take back what only the old one gave it.

    What others have given stays. Nothing is taken back if it is not known what was given.
    """
    old = old or Look()
    for statement in (*_taken(view, old, new, session), *_given(view, new)):
        session.execute(statement)
    for statement in engine.granted(view, new.grants, old.grants, session.rows) if new.grants or old.grants else ():
        session.execute(statement)


def _taken(view: TableName, old: Look, new: Look, session: Session) -> Iterator[str]:
    if old.description and not new.description:
        yield f"comment on view {view.sql} is null"
    gone = old.columns.keys() - new.columns.keys()
    there = _columns(view, session) if gone else {}
    for column in sorted(name.lower() for name in gone):
        if column in there:
            yield f"comment on column {view.sql}.{quoted(there[column])} is null"


def _columns(view: TableName, session: Session) -> Mapping[str, str]:
    """Return the columns of a view by their names in lower case: a config may write them in another case than the engine."""
    return {column.name.lower(): column.name for column in session.columns(f"select * from {view.sql}")}


def _given(view: TableName, look: Look) -> Iterator[str]:
    if look.description:
        yield f"comment on view {view.sql} is {literal(look.description)}"
    for column, description in look.columns.items():
        yield f"comment on column {view.sql}.{quoted(column)} is {literal(description)}"
