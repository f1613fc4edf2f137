"""Copies of published blocks as files: written aside before publishing, and moved into place after it.

Which version a file holds is kept beside the project, so that a file is written again if it is gone, if its block has
another version, or if the move was cut off.
"""

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from sqlflow.core import events
from sqlflow.core.block import Block, Project
from sqlflow.core.engine import Session
from sqlflow.core.errors import Problem, StatementError, TargetError
from sqlflow.core.failpoints import point
from sqlflow.core.flow import Export
from sqlflow.core.names import TableName, literal, quoted
from sqlflow.core.streams import own_errors
from sqlflow.core.text import Place
from sqlflow.run.kept import write
from sqlflow.run.work import Work

if TYPE_CHECKING:
    import pyarrow as pa

KEPT = Path(".sqlflow/exports.json")


class Written(Struct, frozen=True):
    """A file that lies aside, ready to be moved to `path`."""

    block: Block
    place: Place
    aside: Path
    path: Path
    shown: str
    mark: str
    rows: int


class ExportStopped(TargetError):
    """The run was told to end while a file was being written."""


def written_aside(
    work: Work, passing: Iterable[TableName], session: Session, is_stopped: Callable[[], bool]
) -> tuple[Written, ...]:
    """Write what is to be exported of the `passing` blocks and is not there yet, and return where it lies.

    Raise ExportStopped soon after `is_stopped` has begun to tell so, and TargetError, at the block's place, for what cannot be written; nothing lies aside then.
    """
    project, found = work.plan.project, []
    kept = kept_in(project.root)
    try:
        for name in passing:
            block = project.blocks[name]
            for export in block.flow.exports:
                shown, path = place_of(export, project)
                mark = _mark(work.binder.relations[name], export)
                if kept.get(shown) == mark and path.exists():
                    continue
                aside = path.with_name(f".{path.name}.{work.run}.new")
                found.append(Written(block, export.place, aside, path, shown, mark, 0))
                rows = _write(work, block, export, aside, path, _Rows(session, is_stopped))
                found[-1] = Written(block, export.place, aside, path, shown, mark, rows)
    except BaseException:
        forget(found)
        raise
    return tuple(found)


def forget(written: Iterable[Written]) -> None:
    """Take away what lies aside."""
    for one in written:
        one.aside.unlink(missing_ok=True)


def put_in_place(written: Iterable[Written], work: Work) -> None:
    """Move the files to where they belong, and keep which versions they hold. Raise TargetError for one that cannot be moved."""
    for one in written:
        point("export")
        try:
            one.aside.replace(one.path)
        except OSError as error:
            raise TargetError(_problem(one.place, one.shown, error)) from error
        point("exported")
        kept = {**kept_in(work.plan.project.root), one.shown: one.mark}
        content = json.dumps(kept, indent=1, sort_keys=True).encode()
        write(work.plan.project.root / KEPT, lambda content=content: content, make_folder=True)  # type: ignore[misc]
        work.tell(events.Exported(work.run, str(one.block.name), one.shown, one.rows))


def place_of(export: Export, project: Project) -> tuple[str, Path]:
    """Return the path of a file as it is told, and as it is: in another environment than `prod` its name begins with that.

    Raise TargetError where a link leads out of the folders that the project allows.
    """
    told = Path(shown_path(export, project))
    path = project.root / told
    allowed = [(project.root / folder).resolve() for folder in project.config.export_paths]
    if not told.is_absolute():
        allowed = [folder for folder in allowed if folder.is_relative_to(project.root.resolve())]
    if not any(path.parent.resolve().is_relative_to(folder) for folder in allowed):
        message = f"`export`: a link on the way to `{told}` leads out of `export_paths`"
        raise TargetError(Problem(message, export.place, "take the link away, or add where it leads to `export_paths`"))
    return str(told), path


def shown_path(export: Export, project: Project) -> str:
    """Return the path of a file as it is told."""
    told = Path(export.path)
    return str(told if project.environment.is_prod else told.with_name(f"{project.environment.name}__{told.name}"))


def is_in_place(export: Export, version: TableName, project: Project, kept: Mapping[str, str]) -> bool:
    """Tell whether a file is there and holds a version; `kept` is what `kept_in` returns."""
    shown = shown_path(export, project)
    return kept.get(shown) == _mark(version, export) and (project.root / shown).exists()


def _mark(version: TableName, export: Export) -> str:
    return f"{version.name} {export.format} {export.compression} {export.delimiter}"


def kept_in(root: Path) -> Mapping[str, str]:
    """Return which version each file holds; nothing where that cannot be read."""
    try:
        kept = json.loads((root / KEPT).read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


class _Rows(Struct, frozen=True):
    """Where rows come from, and whether no more of them are wanted."""

    session: Session
    is_stopped: Callable[[], bool]

    def of(self, query: str) -> "pa.RecordBatchReader":
        """Return the rows of a query; reading them raises where no more are wanted."""
        import pyarrow as pa

        reader = self.session.batches(query)

        def batches() -> "Iterator[pa.RecordBatch]":
            for batch in reader:
                if self.is_stopped():
                    raise InterruptedError
                yield batch

        return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _write(work: Work, block: Block, export: Export, aside: Path, path: Path, rows: "_Rows") -> int:
    """Write the rows of a block's version into a file, and return how many they are."""
    import duckdb

    query = _query(work, block, export, rows.session)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{path.name}.*.new"):
            left.unlink(missing_ok=True)
        with duckdb.connect(":memory:", config={"python_enable_replacements": "false"}) as writer:
            writer.execute("set TimeZone = 'UTC'; set preserve_insertion_order = true")
            with own_errors(rows.of(query)) as read:
                writer.register("rows_of_the_block", read)
                copied = writer.execute(
                    f"copy (from rows_of_the_block) to {literal(aside)} ({', '.join(_options(export))})"
                )
                return int(copied.fetchall()[0][0])
    except StatementError as error:
        raise TargetError(Problem(f"`export` of `{block.name}`: {error.message}", export.place, error.hint)) from error
    except (OSError, duckdb.Error) as error:
        if rows.is_stopped():
            raise ExportStopped("the run was told to end") from error
        raise TargetError(_problem(export.place, export.path, error)) from error


def _problem(place: Place, path: str, error: Exception) -> Problem:
    cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error).partition("\n")[0]
    return Problem(f"`export`: `{path}` cannot be written: {cause}", place)


def _options(export: Export) -> Iterator[str]:
    yield f"format {export.format}"
    if export.format == "csv":
        yield f"header, delimiter {literal(export.delimiter)}"
    if export.compression != "none":
        yield f"compression {export.compression}"


def _query(work: Work, block: Block, export: Export, session: Session) -> str:
    """Return the query that gives a version's rows as Arrow can hold them exactly, in the block's order."""
    relation, engine = work.binder.relations[block.name], work.plan.project.target.engine
    expressions = []
    for column in session.columns(f"select * from {relation.sql}"):
        expression = engine.as_arrow(column)
        if expression is None:
            message = f"`export`: the column `{column.name}` is {column.type}, which no file holds as it is"
            raise TargetError(Problem(message, export.place, "cast it in the block, or leave it out"))
        expressions.append(f"{expression} as {quoted(column.name)}")
    order = f" order by {', '.join(block.config.order_by)}" if block.config.order_by else ""
    return f"select {', '.join(expressions)} from {relation.sql}{order}"
