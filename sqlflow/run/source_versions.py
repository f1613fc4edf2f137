"""The versions of tables that sqlflow did not make: what their `version` queries give."""

import hashlib
from collections.abc import Iterable

from sqlflow.core.block import Project
from sqlflow.core.engine import Session
from sqlflow.core.errors import BuildError, Problem, StatementError
from sqlflow.core.names import TableName
from sqlflow.core.text import Place

_ROWS_AT_MOST = 1000


def versions(project: Project, names: Iterable[TableName], session: Session) -> dict[TableName, str]:
    """Return the versions of those of the sources that have a query for it.

    A table that is not there has none: its readers tell it. Raise BuildError for a query that the engine refuses.
    """
    asked = {name: project.sources[name].version for name in names if name in project.sources}
    found = {name: _version(name, query, session) for name, query in sorted(asked.items()) if query}
    return {name: version for name, version in found.items() if version}


def _version(name: TableName, query: str, session: Session) -> str:
    try:
        rows = session.rows(query, _ROWS_AT_MOST + 1).rows
    except StatementError as error:
        if error.missing_table:
            return ""
        raise BuildError(
            Problem(f"the `version` query of the source `{name}`: {error.message}", Place("sqlflow.yml"))
        ) from error
    if len(rows) > _ROWS_AT_MOST:
        message = f"the `version` query of the source `{name}` gives more than {_ROWS_AT_MOST} rows"
        raise BuildError(
            Problem(
                message, Place("sqlflow.yml"), "one row is enough, such as `select max(loaded_at), count(*) from …`"
            )
        )
    return hashlib.blake2b(repr(rows).encode(), digest_size=16).hexdigest() if rows else ""
