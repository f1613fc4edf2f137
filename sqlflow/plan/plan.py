"""From a Graph and what is published to a Plan: what would be done to each block, and why."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from sqlflow.core.block import Assertion, Block, Project
from sqlflow.core.engine import Column
from sqlflow.core.errors import Problem, ProjectError
from sqlflow.core.later import later
from sqlflow.core.names import TableName
from sqlflow.plan.current import NOTHING_KNOWN, Current, around
from sqlflow.plan.exports import Due
from sqlflow.plan.graph import Graph, Resolver, blocks_read, gated
from sqlflow.plan.incremental import base_of, continued_key, protected
from sqlflow.plan.ranges import NOTHING_ASKED, AskedRanges, Ranges, continued
from sqlflow.plan.reasons import told
from sqlflow.plan.recipes import NO_ENTRIES, Cookbook, is_stored
from sqlflow.plan.reuse import Step, reuses, step_of
from sqlflow.plan.versions import Key, assertion_key, version_key
from sqlflow.read.versions import NO_FILES, FileVersions

if TYPE_CHECKING:
    from sqlflow.plan import changes
else:  # where nothing is built, no column changes
    (changes,) = later("sqlflow.plan", "changes")


class Check(Struct, frozen=True, eq=False):
    """When an assertion runs, and what it holds back.

    It runs once the blocks `after` are built; if it fails, the blocks `gates` are not published; the blocks `holds`
    are not built before it has passed.
    """

    assertion: Assertion
    after: frozenset[TableName]
    gates: frozenset[TableName]
    holds: frozenset[TableName]
    key: str = ""
    """Under what the passing is remembered; empty if it must always run."""
    reads: frozenset[TableName] = frozenset()


class Plan(Struct, frozen=True, dict=True):
    """What a run would do. `steps` are in an order in which they could be done, one for each block.

    `removed` are relations that sqlflow has published and that no block of the project makes any more.
    """

    graph: Graph
    steps: tuple[Step, ...]
    checks: tuple[Check, ...]
    removed: tuple[TableName, ...] = ()
    problems: tuple[Problem, ...] = ()
    reused: Mapping[TableName, TableName] = field(default_factory=dict)
    """The relations of the versions that are used again."""
    keys: Mapping[TableName, Key] = field(default_factory=dict)
    files: FileVersions = NO_FILES
    left_out: Mapping[TableName, str] = field(default_factory=dict)
    """The blocks that are selected and are not built, since something is not installed, and why."""
    readers: Mapping[TableName, tuple[TableName, ...]] = field(default_factory=dict)
    """The views of others that read a published relation."""
    lacking: tuple[Problem, ...] = ()
    """What is not installed and must be before the blocks can be built."""
    faults: tuple[Problem, ...] = ()
    """What is wrong with the columns that the queries read which would be run."""
    cookbook: Cookbook | None = None
    """How everything is made; None if all is to be built, whatever is there."""
    renewed: frozenset[TableName] = frozenset()
    """Those of the reused blocks whose inputs have changed, in nothing that they read."""
    borrowed: Mapping[TableName, TableName] = field(default_factory=dict)
    """What takes no part, and is shown from now on as `prod` shows it."""
    bases: Mapping[TableName, TableName] = field(default_factory=dict)
    """The versions that the incremental blocks that are built go on from."""
    ranges: Mapping[TableName, Ranges] = field(default_factory=dict)
    """How the blocks of time ranges that are built get there."""
    carried: Mapping[TableName, str] = field(default_factory=dict)
    """The versions of the blocks of other targets; empty where they are not known."""
    as_published: frozenset[TableName] = frozenset()
    """Those of the blocks that are left out which readers read as they are published."""
    exports: tuple[Due, ...] = ()
    """The copies of blocks that are still to be made."""
    foreseen: Mapping[TableName, tuple[Column, ...]] = field(default_factory=dict)
    """The columns that the blocks are expected to have, of those of which that was found out; they may have others."""

    @property
    def project(self) -> Project:
        return self.graph.project

    @cached_property
    def built(self) -> tuple[TableName, ...]:
        """The blocks that get a new version, in order."""
        return tuple(step.block for step in self.steps if step.action == "build")

    @cached_property
    def anew(self) -> frozenset[TableName]:
        """The same, to look one up among many."""
        return frozenset(self.built)

    @cached_property
    def inlined(self) -> frozenset[TableName]:
        return frozenset(step.block for step in self.steps if step.action == "inline")

    @cached_property
    def nodes(self) -> frozenset[TableName]:
        """The blocks that take part in the run."""
        return self.anew | self.inlined | frozenset(self.reused)

    def block(self, name: TableName) -> Block:
        return self.project.blocks[name]


NOTHING_ABSENT: Mapping[TableName, str] = {}
NOTHING_AROUND: Mapping[str, str] = {}


def plan(
    graph: Graph, chosen: frozenset[TableName], current: Current = NOTHING_KNOWN,
    files: FileVersions = NO_FILES, full_refresh: bool = False, absent: Mapping[TableName, str] = NOTHING_ABSENT,
    unwanted: Mapping[TableName, str] = NOTHING_ABSENT, asked: AskedRanges = NOTHING_ASKED,
    along: Mapping[TableName, str] | None = None, given: "Iterable[Check] | None" = None,
) -> Plan:  # fmt: skip
    """Return what building the `chosen` blocks would do; `files` are the versions of files, as they are at their time.

    `absent` are blocks that cannot be built on this machine and may be left out, and why: so are their readers.
    `unwanted` are left out as well; their readers read what is published of them, and are left out where nothing is.
    `along` says what takes part and why, `given` which assertions do, where that is known. A block whose key is that of a version
    that is there is not built: the version is used.
    """
    kept_out = {name: why for name, why in unwanted.items() if name in chosen}
    reasons = taking_part(graph, chosen, current, unwanted) if along is None else dict(along)
    keys, known, bases, ranges = _keys(graph, reasons, current, files, full_refresh, asked)
    cookbook = Cookbook(graph, keys, current.published, NO_ENTRIES if full_refresh else current.entries)
    reused = {} if full_refresh else reuses(cookbook, current)
    never = {name: why for name, why in unwanted.items() if name not in current.published}
    missing = {name: why for name, why in absent.items() if name in reasons and name not in reused}
    left_out = {name: why for name, why in _left_out(graph, missing | never).items() if name in {*reasons, *kept_out}}
    left_out |= {name: why for name, why in kept_out.items() if name not in left_out}
    reasons = {name: reason for name, reason in reasons.items() if name not in left_out}
    reused = {name: reuse for name, reuse in reused.items() if name not in left_out}
    steps = tuple(
        Step(name, "skip", left_out[name]) if name in left_out
        else step_of(name, reasons.get(name), cookbook, reused, current, full_refresh)
        for name in graph.order
    )  # fmt: skip
    anew = [step.block for step in steps if step.action == "build"]
    columns = changes.column_changes(cookbook, anew) if anew else {}
    steps = tuple(replace(step, columns=columns[step.block]) if step.block in columns else step for step in steps)
    building = [graph.project.blocks[step.block] for step in steps if step.action == "build"]
    bases = {block.name: bases[block.name] for block in building if block.name in bases}
    ranges = {block.name: ranges[block.name] for block in building if block.name in ranges}
    steps = tuple(told(step, graph.project.blocks[step.block], bases, ranges, keys, reused, current) for step in steps)
    removed = tuple(sorted(set(current.published) - current.borrowed - relations_of(graph.project)))
    carried = {name: current.sources.get(name, "") for name in graph.project.elsewhere}
    known |= carried
    of_target = around(current)
    found = (
        checks_of(graph, frozenset(reasons), known, of_target, files)
        if given is None
        else _keyed(given, graph, known, of_target, files)
    )
    fresh = (check for check in found if not check.key or check.key not in current.checked or full_refresh)
    checks = tuple(check for check in fresh if not _reads_none(check, left_out, current))
    relations = {name: reuse.relation for name, reuse in reused.items()}
    renewed = frozenset(name for name, reuse in reused.items() if reuse.changed)
    return Plan(
        graph,
        steps,
        checks,
        removed,
        (*current.problems, *protected(building, bases, current, full_refresh)),
        relations,
        keys,
        files,
        left_out,
        current.readers,
        cookbook=cookbook,
        renewed=renewed,
        borrowed={name: current.published[name] for name in sorted(current.borrowed & relations_of(graph.project))},
        bases=bases,
        ranges=ranges,
        carried=carried,
        as_published=frozenset(kept_out.keys() & current.published.keys()),
    )


def taking_part(
    graph: Graph, chosen: frozenset[TableName], current: Current, unwanted: Mapping[TableName, str] = NOTHING_ABSENT
) -> dict[TableName, str]:
    """Return the blocks that take part in building the `chosen` ones, each with the reason.

    Blocks come along where the result would be wrong without them: what has never been built and is read by a block
    or by an assertion on it, and views over what is built.
    """
    reasons = dict.fromkeys(chosen - unwanted.keys(), "selected")
    size = -1
    while size != len(reasons):
        size = len(reasons)
        if current.is_known:
            _add_missing_inputs(graph, reasons, {**unwanted, **current.published})
            _add_missing_in_assertions(graph, reasons, {**unwanted, **current.published})
        _add_views(graph, reasons, unwanted)
    return reasons


def _left_out(graph: Graph, absent: Mapping[TableName, str]) -> dict[TableName, str]:
    """Return the blocks that are left out, and why: those that are absent, and all that is built from them."""
    found = dict(absent)
    for name in graph.order:
        missing = sorted(read for read in graph.inputs[name] if read in found)
        if missing and name not in found:
            found[name] = f"`{missing[0]}` is left out"
    return found


def _reads_none(check: Check, left_out: Mapping[TableName, str], current: Current) -> bool:
    """Tell whether an assertion needs a block that is left out and has never been built."""
    return any(name not in current.published for name in left_out.keys() & (check.reads | check.gates))


def _is_ephemeral(graph: Graph, name: TableName) -> bool:
    return graph.project.blocks[name].config.materialize == "ephemeral"


def _keys(
    graph: Graph, reasons: Mapping[TableName, str], current: Current, files: FileVersions, full_refresh: bool,
    asked: AskedRanges,
) -> tuple[dict[TableName, Key], dict[TableName, str], dict[TableName, TableName], dict[TableName, Ranges]]:  # fmt: skip
    """Return the keys of the blocks that take part, and the keys of all: those of the others are what is published.

    Then the versions that incremental blocks can go on from, and how blocks of time ranges do.
    """
    made = {version.relation: version.key for version in current.made}
    keys: dict[TableName, Key] = {}
    known: dict[TableName, str] = {}
    bases: dict[TableName, TableName] = {}
    ranges: dict[TableName, Ranges] = {}
    now = datetime.fromtimestamp(files.seconds, UTC)
    for name in graph.order:
        if name not in reasons and not _is_ephemeral(graph, name):
            relation = current.published.get(name)
            known[name] = made.get(relation, "") if relation else ""
            continue
        inputs = {str(read): known[read] for read in graph.inputs[name]}
        outside = _outside(graph, name, files, current)
        block = graph.project.blocks[name]
        keys[name] = version_key(block, graph.project, inputs, outside, files.seconds)
        if block.is_ranged:
            found = continued(block, keys[name], current, now, asked, full_refresh)
            keys[name] = found.key
            bases |= {name: found.base} if found.base else {}
            ranges |= {name: found.ranges} if found.ranges else {}
        elif block.is_continued and not full_refresh:
            if base := base_of(block, keys[name], current):
                bases[name] = base
            keys[name] = continued_key(keys[name], base, current)
        known[name] = keys[name].text
    return keys, known, bases, ranges


def _outside(graph: Graph, name: TableName, files: FileVersions, current: Current) -> dict[str, str]:
    """Return the versions of what a block reads beside blocks."""
    found = {path: files.of(path) for path in file_paths(graph, name)}
    found |= {} if graph.project.blocks[name].is_continued else around(current)
    for source in graph.sources[name]:
        config = graph.project.sources.get(source)
        if config is None or not config.files:
            found[str(source)] = current.sources.get(source, "")
            found |= {} if source.schema else {f"where {source} is found": graph.project.target.schema}
        elif config.options:
            found[f"options of {source}"] = repr(config.options)
    return found


def file_paths(graph: Graph, name: TableName) -> tuple[str, ...]:
    """Return the paths of the files that a block reads, as they are written, those of its sources included."""
    project, block = graph.project, graph.project.blocks[name]
    own = block.code.files if block.code else (block.source.path,)
    configs = (project.sources.get(source) for source in sorted(graph.sources[name]))
    return (*own, *(config.files for config in configs if config and config.files))


def relations_of(project: Project) -> set[TableName]:
    return {name for name, block in project.blocks.items() if block.config.materialize != "ephemeral"}


def _add_missing_inputs(graph: Graph, reasons: dict[TableName, str], published: Mapping[TableName, object]) -> None:
    for name in reversed(graph.order):
        needed = name in reasons
        for read in graph.inputs[name] if needed else ():
            if read in reasons:
                continue
            if graph.project.blocks[read].config.materialize == "ephemeral":
                reasons[read] = "ephemeral"
            elif read not in published:
                reasons[read] = f"`{name}` reads it and it has never been built"


def _add_missing_in_assertions(
    graph: Graph, reasons: dict[TableName, str], published: Mapping[TableName, object]
) -> None:
    """Add what the assertions on the blocks of `reasons` read and cannot find, since it has never been built."""
    if set(graph.inputs) <= reasons.keys() | published.keys():
        return
    for assertion, gates, read in assertions_read(graph):
        for name in sorted(read - reasons.keys()) if gates & reasons.keys() else ():
            if graph.project.blocks[name].config.materialize == "ephemeral":
                reasons[name] = "ephemeral"
            elif name not in published:
                reasons[name] = f"the assertion `{assertion.name}` reads it and it has never been built"


def assertions_read(graph: Graph) -> Iterator[tuple[Assertion, frozenset[TableName], frozenset[TableName]]]:
    """Yield each assertion with the blocks that it gates and the blocks that it reads."""
    resolver = Resolver(graph.project)
    for assertion in all_assertions(graph.project):
        schema = assertion.block.schema if assertion.block else graph.project.target.schema
        yield assertion, gated(assertion, graph, resolver, schema), blocks_read(assertion.code, resolver, schema)


def _add_views(graph: Graph, reasons: dict[TableName, str], unwanted: Mapping[TableName, str]) -> None:
    for name in graph.order:
        block = graph.project.blocks[name]
        if name in reasons or name in unwanted or is_stored(block):
            continue
        changed = sorted(read for read in graph.inputs[name] if read in reasons)
        if changed:
            what = "a view over" if block.config.materialize == "view" else "ephemeral over"
            reasons[name] = f"{what} `{changed[0]}`"


def checks_of(
    graph: Graph, building: frozenset[TableName], keys: Mapping[TableName, str] | None = None,
    of_target: Mapping[str, str] = NOTHING_AROUND, files: FileVersions = NO_FILES,
) -> tuple[Check, ...]:  # fmt: skip
    """Return the assertions on the blocks of `building`, each with its place in the order.

    A reader waits for an assertion on its input, unless the assertion itself waits for the reader.
    One that reads no block waits for nothing, and nothing but publishing waits for it.
    """
    checks = []
    resolver = Resolver(graph.project)
    for assertion, gates, named in assertions_read(graph):
        if not gates & building:
            continue
        if not named and assertion.block is None:
            checks.append(Check(assertion, frozenset(), gates, frozenset()))
            continue
        read = named | gates
        key = _assertion_key(assertion, read, resolver, keys or {}, of_target, files)
        if read == gates and len(gates) == 1:
            checks.append(Check(assertion, gates, gates, (graph.downstream(gates, 1) - gates) & building, key, read))
            continue
        after = graph.upstream(read) & building
        holds = graph.downstream(gates) - gates - graph.upstream(read)
        checks.append(Check(assertion, after, gates, holds & building, key, read))
    return tuple(checks)


def _keyed(
    checks: Iterable[Check],
    graph: Graph,
    keys: Mapping[TableName, str],
    of_target: Mapping[str, str],
    files: FileVersions,
) -> Iterator[Check]:
    """Yield assertions with the keys that they have in one target."""
    resolver = Resolver(graph.project)
    for check in checks:
        key = _assertion_key(check.assertion, check.reads, resolver, keys, of_target, files) if check.reads else ""
        yield replace(check, key=key)


def _assertion_key(
    assertion: Assertion, read: frozenset[TableName], resolver: Resolver, keys: Mapping[TableName, str],
    of_target: Mapping[str, str], files: FileVersions,
) -> str:  # fmt: skip
    """Return the key of an assertion; empty if it reads a table that is no block's, or a file of no known version."""
    schema = assertion.block.schema if assertion.block else resolver.project.target.schema
    links = (resolver.link(name, schema) for name in assertion.code.inputs)
    if any(link.kind == "source" and link.name not in resolver.project.elsewhere for link in links):
        return ""
    versions = {path: files.of(path) for path in assertion.code.files}
    return assertion_key(assertion, {**of_target, **versions} | {str(name): keys.get(name, "") for name in read})


def all_assertions(project: Project) -> Iterable[Assertion]:
    """Yield the assertions of all blocks, then those of `assertions/`."""
    for block in project.blocks.values():
        yield from block.assertions
    yield from project.assertions


def refuse(problems: Iterable[Problem]) -> None:
    """Raise ProjectError if there are any problems."""
    found = tuple(problems)
    if found:
        raise ProjectError(found)
