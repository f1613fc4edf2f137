"""What is loaded into a target before it can be read, once for each version: the blocks of other targets and, for engines that
read no files, sources that are files.

DuckDB is the reader of files for every engine, so that a file has the same columns everywhere.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from sqlflow.core.block import Project, Query
from sqlflow.core.engine import Session
from sqlflow.core.errors import BuildError, Problem
from sqlflow.core.names import TableName, literal
from sqlflow.core.text import MappedText, Place
from sqlflow.plan.graph import place_of
from sqlflow.plan.versions import Key, source_relation
from sqlflow.read.contents import Contents
from sqlflow.read.engines import engine
from sqlflow.read.versions import NO_FILES, FileVersions, file_versions
from sqlflow.run import elsewhere, state
from sqlflow.run.work import Work

if TYPE_CHECKING:
    import pyarrow as pa

NOTHING_CARRIED: Mapping[TableName, str] = {}
_one_at_a_time = threading.Lock()


def relations(
    project: Project, files: FileVersions, run: str, carried: Mapping[TableName, str] = NOTHING_CARRIED
) -> dict[TableName, TableName]:
    """Return the relation of everything that must be loaded before the target can read it, there or not.

    `carried` are the versions of the blocks of other targets. Where a version is not known, it is a new one in each run.
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
    } | {name: source_relation(name, f"carried {version or run}") for name, version in carried.items()}


def bound(work: Work, query: Query, schema: str, where: Place, session: Session) -> MappedText:
    """Return the statement that a query is, and see that the files are loaded that it reads from tables."""
    for name, relation in work.binder.sources(query, schema):
        with _one_at_a_time:
            if not state.is_recorded(session, relation):
                _load(name, relation, work, _place(name, query, schema, work) or where, session)
    return work.binder.bound(query, schema)


def _place(name: TableName, query: Query, schema: str, work: Work) -> Place | None:
    """Return where a query names what is loaded; None where an ephemeral block inside of it does."""
    resolver = work.binder.resolver
    return next((place_of(query, use) for use in sorted(query.inputs) if resolver.link(use, schema).name == name), None)


def _load(name: TableName, relation: TableName, work: Work, where: Place, session: Session) -> None:
    version = state.Version(relation, str(name), "source", Key(f"source {relation.name}", "", ()), work.run, ())
    with _rows(name, work, where) as rows, session.transaction():
        session.load(relation, rows)
        state.record_versions(session, [version])


def _rows(name: TableName, work: Work, where: Place) -> "AbstractContextManager[pa.RecordBatchReader]":
    project = work.binder.project
    if name not in project.elsewhere:
        return batches(name, project, where)
    if name not in work.origins:
        hint = f"build it first: `sqlflow build {name}`"
        raise BuildError(f"`{name}` is built in `{project.elsewhere[name]}`, and is not there", where, hint)
    return elsewhere.batches(name, work.origins[name], where, work.at_work)


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
