"""Which block reads which: names resolved, loops refused."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Literal

from msgspec import Struct, field

from sqlflow.core.block import Assertion, Block, Code, Function, Project
from sqlflow.core.errors import Problem, ProjectError, did_you_mean
from sqlflow.core.names import TableName
from sqlflow.core.text import Place

_NAMES_SHOWN = 20


class Link(Struct, frozen=True):
    """What a name in a query stands for."""

    kind: Literal["block", "source"]
    name: TableName


class Graph(Struct, frozen=True, dict=True):
    """All blocks of a project, with the inputs of each, and the sources that are read.

    `inputs` and `sources` hold every block, also with an empty set. `order` has inputs before readers; among equals
    it goes by name, so that it is the same for the same project.
    """

    project: Project
    inputs: Mapping[TableName, frozenset[TableName]]
    sources: Mapping[TableName, frozenset[TableName]]
    order: tuple[TableName, ...] = field(default=())

    @cached_property
    def readers(self) -> Mapping[TableName, frozenset[TableName]]:
        """The blocks that read each block directly."""
        found: dict[TableName, set[TableName]] = {name: set() for name in self.inputs}
        for reader, inputs in self.inputs.items():
            for name in inputs:
                found[name].add(reader)
        return {name: frozenset(readers) for name, readers in found.items()}

    def upstream(self, names: Iterable[TableName], steps: int | None = None) -> frozenset[TableName]:
        """Return `names` and every block that they are built from, at most `steps` away."""
        return _reached(names, self.inputs, steps)

    def downstream(self, names: Iterable[TableName], steps: int | None = None) -> frozenset[TableName]:
        """Return `names` and every block that is built from them, at most `steps` away."""
        return _reached(names, self.readers, steps)


def _reached(
    names: Iterable[TableName], edges: Mapping[TableName, frozenset[TableName]], steps: int | None
) -> frozenset[TableName]:
    found = set(names)
    front = set(found)
    while front and (steps is None or steps > 0):
        front = set().union(*(edges[name] for name in front)) - found
        found |= front
        steps = None if steps is None else steps - 1
    return frozenset(found)


class Resolver:
    """Says what a name stands for, in the view of one block or of a standalone assertion."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.catalog = project.target.engine.catalog(project.target.settings).lower()
        self.by_bare_name: dict[str, list[TableName]] = defaultdict(list)
        names = (*project.blocks, *project.elsewhere)
        for name in names:
            self.by_bare_name[name.name].append(name)
        self.schemas = frozenset(name.schema for name in names)

    def link(self, name: TableName, schema: str) -> Link:
        """Return what `name`, as written in a block of `schema`, stands for.

        Raise ProjectError if a bare name is that of several blocks, or a name in a schema of blocks is none of them.
        """
        blocks = self.project.blocks
        if name.catalog and name.catalog != self.catalog:
            return Link("source", name)
        if name.catalog:
            name = TableName(name.schema, name.name)
        if name.schema:
            if name in blocks:
                return Link("block", name)
            return self._source(name)
        own = TableName(schema, name.name)
        if own in blocks or own in self.project.elsewhere:
            return self._block(own)
        candidates = self.by_bare_name.get(name.name, [])
        if len(candidates) > 1:
            listed = " or ".join(f"`{candidate}`" for candidate in sorted(candidates))
            raise ProjectError(f"`{name}` could be {listed}", hint="write the schema before the name")
        return self._block(candidates[0]) if candidates else self._bare_source(name)

    def _block(self, name: TableName) -> Link:
        """Return the link to a block; one of another target is a source here, whose rows are carried over."""
        return Link("block" if name in self.project.blocks else "source", name)

    def _bare_source(self, name: TableName) -> Link:
        declared = [source for source in self.project.sources if source.name == name.name]
        return Link("source", declared[0] if len(declared) == 1 else name)

    def _source(self, name: TableName) -> Link:
        is_declared = name in self.project.sources or name in self.project.elsewhere
        if not is_declared and name.schema in self.schemas and name.schema != self.project.target.schema:
            known = (str(known) for known in (*self.project.blocks, *self.project.sources))
            hint = (
                self.disabled_hint(name)
                or did_you_mean(str(name), known)
                or f"declare it below `sources:` if it is a table of `{name.schema}`"
            )
            raise ProjectError(f"`{name}` is read, which no block builds and no source declares", hint=hint)
        return Link("source", name)

    def disabled_hint(self, name: TableName) -> str:
        """Return what to say of a name that is that of a block which is switched off; else an empty text."""
        for disabled, path in self.project.disabled.items():
            if name.name == disabled.name and name.schema in ("", disabled.schema):
                return f"`{path}` builds it, but says `enabled: false`"
        return ""

    def links(
        self, query: Code, schema: str, problems: list[Problem], where: Place | Block,
        declared: frozenset[TableName] = frozenset(),
    ) -> dict[TableName, Link]:  # fmt: skip
        """Return what each name in `query` stands for; faults are added to `problems` at the name's place
        or else at `where`, which may be a block.

        Those of `declared` names that the text does not hold are told elsewhere.
        """
        found: dict[TableName, Link] = {}
        for name in sorted(query.inputs):
            try:
                found[name] = self.link(name, schema)
                if isinstance(query, Function) and name in query.taken:
                    self._refuse_strangers(found[name], name)
            except ProjectError as error:
                place = place_of(query, name)
                if place or name not in declared:
                    problems.extend(Problem(p.message, place or _place(where), p.hint) for p in error.problems)
        for name in sorted(query.unclear & found.keys()):
            if self._is_replaced(found[name]):
                message = f"`{name}` is a CTE and a block here, and the query is beyond what sqlflow can parse"
                hint = f"write the block's schema: `{found[name].name}`"
                problems.append(Problem(message, place_of(query, name) or _place(where), hint))
        self._check_refs(query, schema, problems, where)
        return found

    def _refuse_strangers(self, link: Link, name: TableName) -> None:
        """Refuse a table of a function that nobody declares: a parameter may as well be misspelled."""
        project = self.project
        if link.kind == "block" or link.name in project.sources or link.name in project.elsewhere:
            return
        known = [str(known) for known in (*project.blocks, *project.sources)]
        hint = did_you_mean(str(name), known + [text.replace(".", "__") for text in known] + [*self.by_bare_name])
        raise ProjectError(
            f"`{name}` is neither a block nor a declared source",
            hint=self.disabled_hint(name)
            or hint
            or "declare it below `sources:` if it is a table of the target; a parameter that is a var needs a default",
        )

    def _is_replaced(self, link: Link) -> bool:
        """Tell whether a name is replaced by a relation when the query is run."""
        source = self.project.sources.get(link.name)
        is_block = link.kind == "block" or link.name in self.project.elsewhere
        return is_block or (source is not None and source.files is not None)

    def _check_refs(self, query: Code, schema: str, problems: list[Problem], where: Place | Block) -> None:
        for text in query.reads.refs:
            name = TableName.parse(text)
            if name.name not in self.by_bare_name:
                known = ", ".join(f"`{block}`" for block in sorted(self.project.blocks)[:3])
                hint = did_you_mean(name.name, self.by_bare_name) or f"did you mean one of the blocks, such as {known}?"
                problems.append(
                    Problem(f"`ref({text!r})`: there is no such block", place_of(query, name) or _place(where), hint)
                )


def _place(where: Place | Block) -> Place:
    """Return a place, or that of a block's code: finding it takes a walk through the file, which few names need."""
    return where.source.place(where.body) if isinstance(where, Block) else where


def place_of(query: Code, name: TableName) -> Place | None:
    """Return where `query` names a table first."""
    for use in query.tables:
        if use.name == name and not use.qualifier:
            return query.text.place(use.start, use.end - use.start)
    return None


def graph(project: Project) -> Graph:
    """Return the graph of a project. Raise ProjectError for names that cannot be resolved, and for loops."""
    resolver = Resolver(project)
    problems: list[Problem] = []
    inputs: dict[TableName, frozenset[TableName]] = {}
    sources: dict[TableName, frozenset[TableName]] = {}
    for name, block in project.blocks.items():
        links = _links(block, resolver, problems)
        inputs[name] = frozenset(link.name for link in links if link.kind == "block")
        sources[name] = frozenset(link.name for link in links if link.kind == "source")
        for assertion in block.assertions:
            resolver.links(assertion.code, name.schema, problems, assertion.place)
    for assertion in project.assertions:
        resolver.links(assertion.code, project.target.schema, problems, assertion.place)
    problems += _missing_dependencies(project, resolver)
    if says := [block for block in project.blocks.values() if block.says_lineage]:
        from sqlflow.plan import declared

        problems += declared.problems(says, resolver)
    if problems:
        raise ProjectError(sorted(dict.fromkeys(problems), key=_position))
    sorter = TopologicalSorter({name: sorted(inputs[name]) for name in sorted(inputs)})
    try:
        order = tuple(sorter.static_order())
    except CycleError as error:
        raise ProjectError(_loop_problem(project, _from_first(error.args[1]), resolver)) from None
    return Graph(project, inputs, sources, order)


def _links(block: Block, resolver: Resolver, problems: list[Problem]) -> list[Link]:
    if block.code is None:
        return []
    declared = frozenset(TableName.parse(text) for text in block.config.depends_on)
    return list(resolver.links(block.code, block.name.schema, problems, block, declared).values())


def _missing_dependencies(project: Project, resolver: Resolver) -> list[Problem]:
    """Return the problems of `depends_on` entries that are no blocks: they can only be meant as blocks."""
    problems = []
    for block in project.blocks.values():
        for text in block.config.depends_on:
            name = TableName.parse(text)
            exists = name in project.blocks if name.schema else name.name in resolver.by_bare_name
            if not exists:
                hint = did_you_mean(text, map(str, project.blocks))
                found = block.source.text.find("depends_on")
                place = block.source.place(max(found, 0), 10)
                problems.append(Problem(f"`depends_on` of `{block.name}` names `{text}`: no such block", place, hint))
    return problems


def _from_first(ring: list[TableName]) -> list[TableName]:
    """Return a loop as each reads the next, from the first of its names to that name again."""
    loop = list(reversed(ring))
    start = loop.index(min(loop[:-1]))
    return loop[start:-1] + loop[: start + 1]


def _position(problem: Problem) -> tuple[str, int, int]:
    place = problem.place
    return (place.path, place.line, place.column) if place else ("", 0, 0)


def _loop_problem(project: Project, loop: list[TableName], resolver: Resolver) -> Problem:
    """Return the whole loop, each edge with its file and line; the middle of a very long one is counted."""
    lines = []
    for reader, read in pairwise(loop):
        place = _edge_place(project.blocks[reader], read, resolver)
        lines.append(f"`{reader}` reads `{read}` ({place})")
    if len(lines) > _NAMES_SHOWN:
        lines[_NAMES_SHOWN - 1 : -1] = [f"… {len(lines) - _NAMES_SHOWN} more …"]
    place = _edge_place(project.blocks[loop[0]], loop[1], resolver)
    if len(loop) == 2:
        return Problem(f"`{loop[0]}` reads itself", place, "read its source instead, or give one of them another name")
    hint = "one of them must not read the next: break the cycle at one of these places"
    return Problem("the blocks form a cycle:\n    " + "\n    ".join(lines), place, hint)


def _edge_place(block: Block, read: TableName, resolver: Resolver) -> Place:
    for use in block.code.tables if block.code else ():
        if not use.qualifier and resolver.link(use.name, block.name.schema).name == read:
            place = block.code.text.place(use.start, use.end - use.start) if block.code else None
            if place:
                return place
    return block.source.place(block.body)


def gated(assertion: Assertion, graph: Graph, resolver: Resolver, schema: str) -> frozenset[TableName]:
    """Return the blocks that are not published if the assertion fails: its own, or all that a file reads.

    A file that reads no block gates the readers of the sources that it reads, and all blocks where there are none.
    """
    if assertion.block:
        return frozenset({assertion.block})
    sources = {resolver.link(name, schema).name for name in assertion.code.inputs}
    readers = frozenset(name for name, read in graph.sources.items() if read & sources)
    return blocks_read(assertion.code, resolver, schema) or readers or frozenset(graph.inputs)


def blocks_read(query: Code, resolver: Resolver, schema: str) -> frozenset[TableName]:
    """Return the blocks among the inputs of a query whose names are known to resolve."""
    links = (resolver.link(name, schema) for name in query.inputs)
    return frozenset(link.name for link in links if link.kind == "block")
