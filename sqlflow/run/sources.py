"""Sources that are files, for engines that read none: their rows are loaded into the target, once for each version of the files.

DuckDB is the reader for every engine, so that a file has the same columns everywhere.
"""

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlflow.core.block import Project, Query
from sqlflow.core.engine import Session
from sqlflow.core.errors import BuildError, Problem
from sqlflow.core.names import TableName, literal
from sqlflow.core.text import MappedText, Place
from sqlflow.plan.versions import Key, source_relation
from sqlflow.read.contents import Contents
from sqlflow.read.engines import engine
from sqlflow.read.versions import NO_FILES, FileVersions, file_versions
from sqlflow.run import state
from sqlflow.run.work import Work

if TYPE_CHECKING:
    import pyarrow as pa

_one_at_a_time = threading.Lock()


def relations(project: Project, files: FileVersions, run: str) -> dict[TableName, TableName]:
    """Return the relation of every source that must be loaded before the target can read it, there or not.

    Where the version of the files is not known, it is a new one in each run.
    """
    found = {
        name: (config.files, config.options)
        for name, config in project.sources.items()
        if config.files and project.target.engine.file_query(config.files, {}) is None
    }
    if found and files is NO_FILES:
        files = file_versions(project, Contents())
    return {
        name: source_relation(name, repr((files.of(path) or run, options))) for name, (path, options) in found.items()
    }


def bound(work: Work, query: Query, schema: str, where: Place, session: Session) -> MappedText:
    """Return the statement that a query is, and see that the files are loaded that it reads from tables."""
    load(work.binder.sources(query, schema), work.binder.project, work.run, where, session)
    return work.binder.bound(query, schema)


def load(
    names: Iterable[tuple[TableName, TableName]], project: Project, run: str, where: Place, session: Session
) -> None:
    """Load the sources, each into its relation, that are not there. Raise BuildError for files that cannot be read."""
    for name, relation in names:
        with _one_at_a_time:
            if not state.is_recorded(session, relation):
                _load(name, relation, project, run, where, session)


def _load(name: TableName, relation: TableName, project: Project, run: str, where: Place, session: Session) -> None:
    version = state.Version(relation, str(name), "source", Key(f"source {relation.name}", "", ()), run, ())
    with batches(name, project, where) as rows, session.transaction():
        session.load(relation, rows)
        state.record_version(session, version)


@contextmanager
def batches(name: TableName, project: Project, where: Place) -> Iterator["pa.RecordBatchReader"]:
    """Yield the rows of a source's files. Raise BuildError for files that cannot be read."""
    import duckdb

    config, root = project.sources[name], str(project.root.resolve())
    query = engine("duckdb").file_query(f"{root}/{config.files}", config.options) or ""
    connection = duckdb.connect(":memory:", config={"python_enable_replacements": "false"})
    try:
        connection.execute(f"set TimeZone = 'UTC'; set file_search_path = {literal(root)}")
        yield connection.sql(query).to_arrow_reader()
    except duckdb.Error as error:
        message = re.sub(r"\s*\n\s*", " ", str(error).split("\n\n", maxsplit=1)[0])
        raise BuildError(
            Problem(f"`{config.files}` of the source `{name}` cannot be read: {message}", where)
        ) from error
    finally:
        connection.close()
