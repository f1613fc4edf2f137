"""How old the data of sources and blocks is, beside how old `fresh_within` lets it be.

A source that is a table is as old as its `loaded_at` says, one of files as the newest of them. A block is as old as the newest
value of its `time_column`, and without one as the version that is published: since then its rows are what they are.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.block import Block, Project
from sqlflow.core.config import SourceConfig
from sqlflow.core.engine import Session
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName, quoted
from sqlflow.plan.graph import Graph
from sqlflow.plan.pipelines import Resolved
from sqlflow.read.versions import files_at
from sqlflow.run import state
from sqlflow.run.target import is_there, opened

_SELECT = re.compile(r"\s*(select|with)\b", re.IGNORECASE)

Answer = date | str
"""When the newest data is of (a datetime without a zone is in UTC, a date is its first moment), or why that is not known."""


class Freshness(Struct, frozen=True):
    """How old the data of a source or a block is. `newest` is in UTC, `seconds` is its age, `within` how old it may be, in seconds.

    It is `unknown`, for a `reason`, where that could not be told. `pipelines` are those that build it in this target and environment,
    or read it in this target.
    """

    name: TableName
    kind: Literal["source", "block"]
    target: str
    within: float
    status: Literal["fresh", "stale", "unknown"] = "unknown"
    newest: datetime | None = None
    seconds: float | None = None
    reason: str = ""
    pipelines: tuple[str, ...] = ()


def freshness(
    whole: Graph, parts: Iterable[Graph], chosen: frozenset[TableName], pipelines: Iterable[Resolved]
) -> tuple[Freshness, ...]:
    """Return how old the chosen blocks are and the sources that they read, of those that say `fresh_within`, by target and name.

    `parts` are what each target sees of the `whole`. Where all blocks are chosen, so are sources that none of them reads. Raise
    BusyError or TargetError for a target that cannot be opened.
    """
    known = {name: source for name, source in whole.project.sources.items() if source.fresh_within is not None}
    unread = known.keys() - _read(whole, whole.inputs) if chosen >= whole.inputs.keys() else set()
    found: list[Freshness] = []
    for one in parts:
        here = chosen & one.inputs.keys()
        names = (_read(one, here) & known.keys()) | (unread if one.project.target == whole.project.target else set())
        blocks = {name: one.project.blocks[name] for name in sorted(here)}
        blocks = {name: block for name, block in blocks.items() if block.config.fresh_within is not None}
        found += _in_target(one.project, {name: known[name] for name in sorted(names)}, blocks)
    users = tuple(pipelines)
    return tuple(replace(one, pipelines=_using(one, whole, users)) for one in found)


def _read(graph: Graph, blocks: Iterable[TableName]) -> frozenset[TableName]:
    return frozenset[TableName]().union(*(graph.sources[name] for name in blocks))


def _using(found: Freshness, graph: Graph, pipelines: Iterable[Resolved]) -> tuple[str, ...]:
    return tuple(one.pipeline.name for one in pipelines if _is_using(one, found, graph))


def _is_using(one: Resolved, found: Freshness, graph: Graph) -> bool:
    project = graph.project
    if found.kind == "block" and one.pipeline.environment != project.environment.name:
        return False
    target = one.pipeline.target or project.config.target or project.target.name
    here = {name for name in one.blocks if (project.blocks[name].config.target or target) == found.target}
    return found.name in (here if found.kind == "block" else _read(graph, here))


def _in_target(
    project: Project, sources: Mapping[TableName, SourceConfig], blocks: Mapping[TableName, Block]
) -> Iterator[Freshness]:
    asked = [name for name, source in sources.items() if not source.files]
    answers: dict[TableName, Answer] = {}
    if is_there(project) and (asked or blocks):
        with opened(project, readonly=True) as (connection, session):
            answers |= {name: _answer(_source_query(name, sources[name]), session) for name in asked}
            if state.exists(connection):
                answers |= _of_blocks(project, blocks, session)
    for name, source in sources.items():
        answer = _of_files(project, source.files) if source.files else answers.get(name, "nothing is in the target")
        yield _judged(Freshness(name, "source", project.target.name, source.fresh_within or 0.0), answer)
    for name, block in blocks.items():
        found = Freshness(name, "block", project.target.name, block.config.fresh_within or 0.0)
        yield _judged(found, answers.get(name, "it is not published"))


def _source_query(name: TableName, source: SourceConfig) -> str:
    said = source.loaded_at or ""
    return said if _SELECT.match(said) else f"select max({said}) from {name.sql}"


def _of_blocks(project: Project, blocks: Mapping[TableName, Block], session: Session) -> dict[TableName, Answer]:
    shown, built = state.published(session, project.environment), state.built_at(session)
    found: dict[TableName, Answer] = {}
    for name, block in blocks.items():
        relation, column = shown.get(name), block.config.time_column
        if relation is not None and column:
            found[name] = _answer(f"select max({quoted(column)}) from {relation.sql}", session)
        elif relation is not None:
            found[name] = built.get(relation, "it is not known when it was built")
    return found


def _answer(query: str, session: Session) -> Answer:
    """Return the one time that a query gives."""
    try:
        found = session.rows(query, 2)
    except StatementError as error:
        return "its table is not there" if error.missing_table else error.message.split("\n")[0]
    if len(found.columns) != 1 or len(found.rows) > 1:
        return "`loaded_at` must give one value"
    value = found.rows[0][0] if found.rows else None
    if value is None:
        return "there are no rows"
    return value if isinstance(value, date) else f"`loaded_at` must give a time, not `{str(value)[:80]}`"


def _of_files(project: Project, path: str) -> Answer:
    try:
        times = [file.stat().st_mtime for file in files_at(project.root, path)]
    except OSError as error:
        return error.strerror or "its files cannot be looked at"
    return datetime.fromtimestamp(max(times), UTC) if times else f"no file is found at `{path}`"


def _judged(asked: Freshness, answer: Answer) -> Freshness:
    if isinstance(answer, str):
        return replace(asked, reason=answer)
    if not isinstance(answer, datetime):
        answer = datetime.combine(answer, time())
    newest = answer.astimezone(UTC) if answer.tzinfo else answer.replace(tzinfo=UTC)
    seconds = (datetime.now(UTC) - newest).total_seconds()
    return replace(asked, newest=newest, seconds=seconds, status="stale" if seconds > asked.within else "fresh")
