"""Holds every query against the columns of what it reads, before anything runs: the engine itself is asked.

A false alarm is worse than a fault that is found later: where something is not known, nothing is said.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.block import Block, Project, Query
from sqlflow.core.engine import Column, Session
from sqlflow.core.errors import BuildError, Problem, SqlflowError, StatementError, did_you_mean
from sqlflow.core.names import TableName
from sqlflow.core.text import MappedText
from sqlflow.plan.graph import Graph
from sqlflow.plan.plan import Plan
from sqlflow.plan.unit_tests import inputs_of
from sqlflow.read.incremental import is_own
from sqlflow.run import known_columns
from sqlflow.run.column_changes import with_column_changes
from sqlflow.run.elsewhere import carried_columns
from sqlflow.run.on_paper import OnPaper
from sqlflow.run.shapes import Shapes

Known = Callable[[TableName], tuple[Column, ...] | None]
Sessions = Mapping[str, Session]
NO_SESSIONS: Sessions = {}
_LISTED_AT_MOST = 20
_MISSING = re.compile(
    r'column "?(?:[^\s".]+\.)?(?P<column>[^\s".]+)"? (?:not found|does not exist)|column named "(?P<named>[^"]+)"'
)


_CANDIDATES = re.compile(r" \(use: (?P<names>[^()]+)\)")
"""What an ambiguous name may mean, in the quotes of one version of DuckDB or of another."""


class Checked(Struct, frozen=True):
    """What was found: faults, and the blocks of which nothing can be told, each with the reason."""

    blocks: tuple[TableName, ...]
    problems: tuple[Problem, ...]
    unknown: Mapping[TableName, str]


@contextmanager
def shapes(
    graph: Graph, known: Known, session: Session | None = None, elsewhere: Known = lambda name: None,
    there: Known = lambda name: (),
) -> Iterator[Shapes]:  # fmt: skip
    """Yield what tells the shapes of a project: in memory or, where the engine has no such thing, in the target of `session`.

    Without a session it is told on paper there: less than the engine knows, and nothing else.
    """
    target, root = graph.project.target, graph.project.root
    scratch = target.engine.scratch(target.settings)
    if scratch is None:
        yield Shapes(graph, session or OnPaper(target.engine), True, known, elsewhere, there)
        return
    opened = target.engine.open(scratch, root)
    with closing(opened), closing(opened.session()) as own:
        yield Shapes(graph, own, False, known, elsewhere, there)


class _Everywhere:
    """The shapes of each target, opened when they are asked for; blocks of one may read those of another."""

    def __init__(
        self, stack: ExitStack, graphs: Mapping[str, Graph], known: Callable[[str], Known], sessions: Sessions,
        there: Callable[[str], Known] = lambda target: lambda name: (),
    ):  # fmt: skip
        self.stack, self.graphs, self.known, self.sessions, self.there = stack, graphs, known, sessions, there
        self.opened: dict[str, Shapes] = {}

    def of(self, target: str) -> Shapes:
        if target not in self.opened:
            session, elsewhere = self.sessions.get(target), partial(self.carried, self.graphs[target].project)
            opened = shapes(self.graphs[target], self.known(target), session, elsewhere, self.there(target))
            self.opened[target] = self.stack.enter_context(opened)
        return self.opened[target]

    def carried(self, into: Project, name: TableName) -> tuple[Column, ...] | None:
        """Return the columns that a block of another target has in this one; None where they are not known."""
        there = into.elsewhere[name]
        found = self.of(there).of(name) if there in self.graphs else None
        if found is None or not found.is_whole:
            return None
        return carried_columns(found.columns, self.graphs[there].project.target.engine, into.target.engine)


def known_in(plan: Plan, sources: Mapping[TableName, tuple[Column, ...]]) -> Known:
    """Return what tells the columns of tables of the target, and those of versions that a run would use as they are."""

    def known(name: TableName) -> tuple[Column, ...] | None:
        if name in plan.anew or plan.cookbook is None:
            return sources.get(name)
        relation = plan.reused.get(name) or plan.borrowed.get(name) or plan.cookbook.published.get(name)
        return _recorded(plan, relation) or sources.get(name)

    return known


def _recorded(plan: Plan, relation: TableName | None) -> tuple[Column, ...] | None:
    """Return the columns of a version that is there; None where they are not known."""
    entries = plan.cookbook.entries.get(relation.name, []) if plan.cookbook and relation else []
    columns = json.loads(entries[0].text)["columns"] if entries else None
    return tuple(Column(column, kind) for column, kind in columns) if columns else None


def _gone_on_from(plan: Plan) -> Known:
    """Return what tells the columns of the versions that blocks of a plan go on from."""
    return lambda name: _recorded(plan, plan.bases[name]) if name in plan.bases else ()


def with_faults(
    plans: Mapping[str, Plan], sessions: Sessions = NO_SESSIONS, make_folder: bool = False, is_shown: bool = False
) -> dict[str, Plan]:  # fmt: skip
    """Return plans, by target, with what is wrong with the queries that they would run, as the targets of `sessions` are now.

    Without one, its tables have the columns that they had when it was open the last time. If the plans are to be shown, their
    steps tell what becomes of the columns of what is published.
    """

    def known(target: str) -> Known:
        plan, session = plans[target], sessions.get(target)
        if session is None:
            return known_in(plan, known_columns.kept(plan.project))
        names = frozenset[TableName]().union(*(plan.graph.sources[name] for name in plan.nodes))
        return known_in(plan, known_columns.asked(plan.project, names, session, make_folder))

    with ExitStack() as stack:
        graphs = {target: plan.graph for target, plan in plans.items()}
        every = _Everywhere(stack, graphs, known, sessions, lambda target: _gone_on_from(plans[target]))
        return {
            target: _with_faults(plan, every.of(target), is_shown) if plan.built else plan
            for target, plan in plans.items()
        }


def _with_faults(plan: Plan, found: Shapes, is_shown: bool) -> Plan:
    plan = replace(plan, faults=checked(found, plan.built).problems, foreseen=found.told(plan.built))
    return with_column_changes(plan, found) if is_shown else plan


def checked_alone(graphs: Mapping[str, Graph], names: frozenset[TableName]) -> Checked:
    """Return what is wrong with queries as the project says, without plans. The graphs are those of all targets."""

    def known(target: str) -> Known:
        return known_columns.kept(graphs[target].project).get

    with ExitStack() as stack:
        every = _Everywhere(stack, graphs, known, NO_SESSIONS)
        asked = {target: names & graph.inputs.keys() for target, graph in graphs.items()}
        return together_checked(checked(every.of(target), some) for target, some in asked.items() if some)


def together_checked(found: Iterable[Checked]) -> Checked:
    """Return what was found in all targets."""
    every = tuple(found)
    unknown = {name: why for one in every for name, why in one.unknown.items()}
    return Checked(
        tuple(name for one in every for name in one.blocks),
        tuple(problem for one in every for problem in one.problems),
        unknown,
    )


def checked(found: Shapes, names: Iterable[TableName]) -> Checked:
    """Return what is wrong with the queries of the given blocks, inputs first."""
    wanted = frozenset(names)
    blocks = [found.graph.project.blocks[name] for name in found.graph.order if name in wanted]
    problems: list[Problem] = []
    unknown: dict[TableName, str] = {}
    for block in blocks:
        if block.query is not None:
            reason = _why_not(found, block) or _fault(found, block, block.query, problems)
            if reason:
                unknown[block.name] = reason
            elif (fault := _fault_of_new_rows(found, block)) and fault not in problems:
                problems.append(fault)
        elif block.code is not None:
            unknown[block.name] = "a function is not looked into"
    return Checked(tuple(block.name for block in blocks), tuple(problems), unknown)


def _why_not(found: Shapes, block: Block) -> str:
    """Return why nothing can be told of a block; empty if it can."""
    parts = [block, *(_ephemerals(found.graph, block.name))]
    if any(part.query is None or part.query.dynamic for part in parts):
        return "it is rendered again when it runs"
    if any(part.query is not None and part.query.unclear for part in parts):
        return "it is beyond what sqlflow can parse"
    if block.pre_statements:
        return "what its statements do is not looked into"
    return ""


def _ephemerals(graph: Graph, name: TableName) -> list[Block]:
    return [graph.project.blocks[read] for read, kind in inputs_of(graph, name).items() if kind == "ephemeral"]


def _fault(found: Shapes, block: Block, query: Query, problems: list[Problem]) -> str:
    """Add what the engine says against a query; return why nothing can be told, if that is so."""
    try:
        text = found.text(block, query)
    except SqlflowError:
        text = None
    if text is None:
        lacking = [name for name, kind in inputs_of(found.graph, block.name).items() if _is_lacking(found, name, kind)]
        return f"the columns of `{lacking[0]}` are not known" if lacking else "its inputs are not known"
    try:
        found.described(block.name, text)
    except BuildError as error:
        problems += [problem for problem in error.problems if problem not in problems]
    except StatementError as error:
        if not error.of_columns and not _is_told_on_paper(error, text, found):
            return error.message
        problem = _problem(error, text, block, found)
        if problem not in problems:
            problems.append(problem)
    return ""


def _is_told_on_paper(error: StatementError, text: MappedText, found: Shapes) -> bool:
    """Tell whether what the target says against a query that reads nothing holds for the tables themselves, too.

    A primary key of theirs may allow what is refused without it.
    """
    if not found.is_target:
        return False
    try:
        OnPaper(found.graph.project.target.engine).columns(text.text)
    except StatementError as told:
        return told.of_columns and told.message == error.message
    return False


def _fault_of_new_rows(found: Shapes, block: Block) -> Problem | None:
    """Return what the engine says against the query for the new rows of a block that goes on, which may read the block."""
    query = block.continuing
    if query is None or query.dynamic or query.unclear:
        return None
    if block.config.on_schema_change in ("append", "ignore") and any(
        is_own(use.name, block.name) for use in query.tables
    ):
        return None  # the table that is there may have columns that the query has no more
    try:
        text = found.continuing_text(block)
    except SqlflowError:
        text = None
    try:
        if text is not None:
            found.session.columns(text.text)
    except StatementError as error:
        return _problem(error, text, block, found, reads_itself=True) if text and error.of_columns else None
    return None


def _is_lacking(found: Shapes, name: TableName, kind: str) -> bool:
    return kind != "ephemeral" and not found.of(name).is_whole


_BARE_BORDER = re.compile(r"(?<!')\{\{-?\s*(?:start|end)\s*-?\}\}(?!')")
"""A border of an interval outside of quotes: it is taken for a subtraction of numbers."""


def _problem(
    error: StatementError, text: MappedText, block: Block, found: Shapes, reads_itself: bool = False
) -> Problem:
    """Return the engine's words at the user's place, with the column that was meant if one is near."""
    message = re.split(
        r"; there are: |; perhaps you meant|! Candidate |\. Either add it to the GROUP BY", error.message
    )[0]
    if candidates := _CANDIDATES.search(message):
        message = message.replace(candidates[0], "")
    for name, relation in found.tables.items():
        message = message if relation == name else message.replace(relation.name, str(name))
    place = block.source.place(block.body)
    if error.position is not None:
        word = re.compile(r"\w+(\.\w+)*").match(text.text, error.position)
        place = text.place(error.position, len(word.group()) if word else 1) or place
    if candidates:
        return Problem(message, place, "use " + re.sub("[\"']", "`", candidates["names"]))
    missing = _MISSING.search(message)
    read = inputs_of(found.graph, block.name) | ({block.name: "block"} if reads_itself else {})
    columns = sorted(
        {column.name for name, kind in read.items() if kind != "ephemeral" for column in found.of(name).columns}
    )
    column = (missing["column"] or missing["named"]) if missing else ""
    listed = ", ".join(f"`{name}`" for name in columns[:_LISTED_AT_MOST]) + (", …" if columns[_LISTED_AT_MOST:] else "")
    if column in columns:
        return Problem(message, place, f"what this reads has a column `{column}`, which cannot be seen from here")
    if column and columns:
        return Problem(message, place, did_you_mean(column, columns) or f"there are {listed}")
    bare = _BARE_BORDER.search(block.source.text) if block.is_ranged else None
    return Problem(message, place, f"`{bare[0]}` is text without quotes: write `'{bare[0]}'`" if bare else "")
