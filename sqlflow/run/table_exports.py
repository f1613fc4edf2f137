"""Rows of published blocks in tables of other targets: written aside there, and held against the table, before publishing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from sqlflow.core.block import Block
from sqlflow.core.engine import Column, Relation, Session
from sqlflow.core.errors import BuildError, Problem, SqlflowError, StatementError
from sqlflow.core.flow import TableExport
from sqlflow.core.names import TableName, quoted
from sqlflow.plan.versions import version_relation
from sqlflow.run import exported
from sqlflow.run.build import row_count
from sqlflow.run.elsewhere import Origin, batches
from sqlflow.run.exported import Into
from sqlflow.run.exports import ExportStopped
from sqlflow.run.fitting import misfits
from sqlflow.run.incremental import refuse_missing
from sqlflow.run.publish import ADOPTED
from sqlflow.run.target import Held
from sqlflow.run.work import Work

if TYPE_CHECKING:
    import pyarrow as pa


class Staged(Struct, frozen=True):
    """Rows that lie `aside` in another target, ready to go into `table`; `there` are its columns, None where it is to be made.

    `taken` is somebody else's relation of that name, which is to be kept under another one.
    """

    block: Block
    export: TableExport
    origin: str
    table: TableName
    aside: TableName
    version: str
    columns: tuple[Column, ...]
    rows: int
    there: tuple[Column, ...] | None
    taken: Relation | None = None

    @property
    def shown(self) -> str:
        """The table as people are told of it."""
        return f"{self.table} in {self.export.target}"


def staged(
    work: Work, passing: Iterable[TableName], held: Mapping[str, Held], adopt: bool, is_stopped: Callable[[], bool]
) -> Iterator[Staged]:
    """Write aside what goes from the `passing` blocks into tables of other targets and is not there yet.

    Raise ExportStopped soon after `is_stopped` has begun to tell so, and BuildError, at the export's place, for rows that the
    table cannot take.
    """
    project = work.plan.project
    for block in (project.blocks[name] for name in passing):
        for export in block.flow.tables:
            target = held[export.target]
            with closing(target.connection.session(work.run)) as session:
                table, version = project.environment.relation(export.table), work.binder.relations[block.name]
                listing = target.connection
                into = exported.found(listing, session, project.environment, [table])[table]
                if not into.holds(version.name, export.mode):
                    _refuse(problem(block, export, table, into, adopt))
                    yield _staged(work, block, export, table, into, target, session, is_stopped)


def problem(block: Block, export: TableExport, table: TableName, into: Into, adopt: bool) -> Problem | None:
    """Return what keeps an export from the relation that has the name of its table; None if nothing does."""
    relation = into.relation
    if relation is None or into.is_ours or (adopt and (export.mode == "replace" or relation.kind != "table")):
        return None
    what = f"the target `{export.target}` has a {relation.kind} `{table}` that no export of sqlflow has made"
    kept = f"`sqlflow build --adopt`: the {relation.kind} is kept as `{table.name}{ADOPTED}`"
    if relation.kind != "table":
        return Problem(
            f"`export` of `{block.name}`: {what}", export.place, f"give the table another name, or run {kept}"
        )
    if export.mode == "replace":
        hint = f"say `mode: append` or `mode: upsert` to add to it, or run {kept}"
        return Problem(f"`export` of `{block.name}`: {what}, which `mode: replace` would empty", export.place, hint)
    return None


def _refuse(*problems: Problem | None) -> None:
    found = [one for one in problems if one is not None]
    if found:
        raise BuildError(found)


def _staged(
    work: Work, block: Block, export: TableExport, table: TableName, into: Into, target: Held, session: Session,
    is_stopped: Callable[[], bool],
) -> Staged:  # fmt: skip
    own, relation = work.plan.project.target, work.binder.relations[block.name]
    aside = version_relation(block.name, f"{work.run} export {export.target} {table}")
    taken = into.relation if into.relation and not into.is_ours and _gives_way(export, into.relation) else None
    is_there = into.relation is not None and taken is None
    try:
        origin = Origin(own, relation, work.open_session)
        with batches(block.name, origin, export.place, work.at_work, "cast it in the block, or leave it out") as rows:
            session.load(aside, _until(is_stopped, rows))
        columns = session.columns(f"select * from {aside.sql}")
        there = session.columns(f"select * from {table.sql}") if is_there else None
        found = Staged(
            block, export, own.name, table, aside, relation.name, columns, row_count(aside, session), there, taken
        )
        _refuse_keys(found, session)
        _refuse(*_misfits(found, target, session))
    except (SqlflowError, InterruptedError) as error:
        _drop(aside, session)
        if is_stopped():
            raise ExportStopped("the run was told to end") from error
        if isinstance(error, StatementError):
            raise BuildError(f"`export` of `{block.name}` to `{table}`: {error.message}", export.place) from error
        raise
    return found


def _gives_way(export: TableExport, relation: Relation) -> bool:
    """Tell whether somebody else's relation, which may be adopted, is not what the rows go into."""
    return export.mode == "replace" or relation.kind != "table"


def forget(found: Iterable[Staged], target: Held) -> None:
    """Take away what lies aside in a target."""
    with suppress(SqlflowError), closing(target.connection.session()) as session:
        for one in found:
            _drop(one.aside, session)


def _drop(aside: TableName, session: Session) -> None:
    """Drop what lies aside; what cannot be dropped now is swept by a later run."""
    with suppress(SqlflowError):
        session.execute(f"drop table if exists {aside.sql}")


def _until(is_stopped: Callable[[], bool], rows: "pa.RecordBatchReader") -> "pa.RecordBatchReader":
    """Return the same rows; reading them raises where no more are wanted."""
    import pyarrow as pa

    def wanted() -> "Iterator[pa.RecordBatch]":
        for batch in rows:
            if is_stopped():
                raise InterruptedError
            yield batch

    return pa.RecordBatchReader.from_batches(rows.schema, wanted())


def _refuse_keys(found: Staged, session: Session) -> None:
    """Raise BuildError for rows whose key does not tell which row they are."""
    named, place = found.export.key, found.export.key_place or found.export.place
    if not named:
        return
    refuse_missing("export.key", named, found.columns, f"`{found.block.name}`", place)
    own = {column.name.lower(): quoted(column.name) for column in found.columns}
    key, listed = [own[name.lower()] for name in named], ", ".join(named)
    absent = " or ".join(f"{name} is null" for name in key)
    nulls = int(session.rows(f"select count(*) from {found.aside.sql} where {absent}").rows[0][0])
    if nulls:
        rows = "1 row" if nulls == 1 else f"{nulls} rows"
        message = f"`export`: the `key` ({listed}) is NULL in {rows} of `{found.block.name}`"
        raise BuildError(Problem(message, place, "leave such rows out, or give them a value"))
    columns = ", ".join(key)
    doubled = session.rows(
        f"select {columns}, count(*) from {found.aside.sql} group by {columns} having count(*) > 1 order by {columns} limit 1"
    ).rows
    if doubled:
        values = ", ".join(map(str, doubled[0][:-1]))
        message = f"`export`: {doubled[0][-1]} rows of `{found.block.name}` have the `key` ({listed}) = ({values}): one row may have it"
        raise BuildError(Problem(message, place, "let the block give one row for each key"))


def _misfits(found: Staged, target: Held, session: Session) -> Iterator[Problem]:
    """Yield what keeps the rows out of the table that is there."""
    place, engine, name = found.export.place, target.project.target.engine, found.export.target
    if found.there is None:
        return
    if found.export.mode != "replace":
        known: Sequence[Column] = found.there
        for misfit in misfits(found.aside, found.columns, found.table, known, name, engine, session):
            yield Problem(f"`export` of `{found.block.name}`: {misfit.message}", place, misfit.hint)
        if found.export.key:
            refuse_missing("export.key", found.export.key, known, f"`{found.table}`", found.export.key_place or place)
    elif not has_same_columns(found):
        readers = [f"`{reader}`" for _, reader in target.connection.dependents([found.table])]
        if readers:
            message = f"`{found.table}` in `{name}` gets other columns and is read by {', '.join(readers)}"
            yield Problem(
                f"`export` of `{found.block.name}`: {message}", place, "drop what reads it, and make it again"
            )


def has_same_columns(found: Staged) -> bool:
    """Tell whether the table that is there has the columns that it is to have, and in their order."""
    return found.there is not None and [(one.name.lower(), one.type) for one in found.there] == [
        (one.name.lower(), one.type) for one in found.columns
    ]
