"""The columns of tables that sqlflow did not make: asked of the target when it is open, and kept for when it is not."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlflow.core.block import Project
from sqlflow.core.engine import Column, Session
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName
from sqlflow.run.kept import write

FILE = Path(".sqlflow/columns.json")
SourceColumns = dict[TableName, tuple[Column, ...]]


def kept(project: Project) -> SourceColumns:
    """Return what was kept of the target's tables; nothing where there is none, or where it cannot be read."""
    try:
        tables = _read(project.root).get(project.target.name, {})
        return {
            TableName.parse(name): tuple(Column(str(column), str(kind)) for column, kind in columns)
            for name, columns in tables.items()
        }
    except (TypeError, ValueError, AttributeError):
        return {}


def _read(root: Path) -> dict[str, Any]:
    try:
        found = json.loads((root / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def asked(project: Project, names: Iterable[TableName], session: Session, make_folder: bool = False) -> SourceColumns:
    """Return the columns of those sources that are tables of the target, and keep them where there is a folder for it."""
    found: SourceColumns = {}
    for name in sorted(names):
        source = project.sources.get(name)
        if (source is not None and source.files) or name in project.elsewhere:
            continue
        try:
            found[name] = session.columns(f"select * from {name.sql}")
        except StatementError:
            continue
    _keep(project, found, make_folder)
    return found


def _keep(project: Project, found: SourceColumns, make_folder: bool) -> None:
    file = project.root / FILE
    document = _read(project.root)
    tables = {name.sql: [[column.name, column.type] for column in columns] for name, columns in found.items()}
    if document.get(project.target.name, {}) != tables:
        write(file, lambda: json.dumps({**document, project.target.name: tables}).encode(), make_folder)
