"""Column lineage through a whole project: what each column is made from, and what is made from it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from sqlflow.core.block import Block
from sqlflow.core.names import TableName
from sqlflow.plan.declared import declared
from sqlflow.plan.graph import Graph, Resolver
from sqlflow.plan.lineage import Input, Lineage, lineage
from sqlflow.plan.origins import EVERY, Read
from sqlflow.plan.snapshots import as_read

Lineages = Mapping[TableName, Lineage | None]
Edges = Mapping[Read, list[Read]]


def lineages(graph: Graph) -> Lineages:
    """Return the lineage of each block but seeds; None where it cannot be told."""
    resolver = Resolver(graph.project)
    found: dict[TableName, Lineage | None] = {}
    for name in graph.order:
        block = graph.project.blocks[name]
        if block.code is not None:
            said = declared(block, graph.inputs[name] | graph.sources[name], resolver)
            found[name] = said or _lineage(block, resolver, found)
    return found


def _lineage(block: Block, resolver: Resolver, known: Lineages) -> Lineage | None:
    query = block.query
    if query is None or query.opaque or query.dynamic:
        return None
    inputs: dict[TableName, Input] = {}
    for written in query.inputs:
        link = resolver.link(written, block.name.schema).name
        above = known.get(link)
        columns = tuple(above.columns) if above is not None and above.columns is not None else None
        inputs[written] = Input(str(link), columns)
    return lineage(as_read(block, query.text.text), inputs, resolver.project.target_of(block).engine.dialect)


def made_from(graph: Graph, found: Lineages, start: Read) -> Edges:
    """Return what `start` is computed from, what that is computed from, and so on."""
    edges: dict[Read, list[Read]] = {}
    waiting = [start]
    while waiting:
        read = waiting.pop()
        if read not in edges:
            edges[read] = _sources(graph, found, read)
            waiting += edges[read]
    return edges


def _sources(graph: Graph, found: Lineages, read: Read) -> list[Read]:
    block = TableName.parse(read.table)
    if block not in found or not read.column:
        return []
    known = found[block]
    if known is None:
        return [Read(str(name), EVERY) for name in sorted(graph.inputs[block] | graph.sources[block])]
    origin = known.every if read.column == EVERY else known.column(read.column)
    return sorted(source for source in (origin.reads if origin else ()) if source.column)


def made_of(graph: Graph, found: Lineages, start: Read) -> Edges:
    """Return what is computed from `start`, what is computed from that, and so on; also blocks whose rows need it."""
    edges: dict[Read, list[Read]] = defaultdict(list)
    edges[start] = []
    reached = {start}
    for name in _below(graph, TableName.parse(start.table)):
        for read, sources in _computed(graph, found, name, reached):
            for source in sources:
                edges[source].append(read)
            reached.add(read)
    return {read: sorted(targets) for read, targets in edges.items()}


def _below(graph: Graph, table: TableName) -> list[TableName]:
    """Return the blocks below a block or source, inputs first."""
    first = [name for name in graph.order if table in graph.sources[name]] if table not in graph.inputs else [table]
    below = graph.downstream(first)
    return [name for name in graph.order if name in below and name != table]


def _computed(graph: Graph, found: Lineages, name: TableName, reached: Iterable[Read]) -> list[tuple[Read, list[Read]]]:
    """Return the columns of a block, and its rows, with those of `reached` that each is computed from."""
    known = found.get(name)
    near = [read for read in reached if TableName.parse(read.table) in graph.inputs[name] | graph.sources[name]]
    if known is None:
        return [(Read(str(name), EVERY), near)] if near else []
    columns = dict(known.result.columns)
    if known.result.unknown is not None:
        others = [EVERY] if graph.project.blocks[name].function else [read.column for read in near]
        columns = {**{column: known.result.unknown(column) for column in others}, **columns}
    origins = [(Read(str(name), column), origin) for column, origin in columns.items()]
    origins.append((Read(str(name)), known.rows))
    named = {read: _named(found, read) for read in near}
    pairs = [(read, [one for one in near if _needs(origin.reads, one, named[one])]) for read, origin in origins]
    return [(read, sources) for read, sources in pairs if sources]


def _named(found: Lineages, read: Read) -> Collection[str]:
    """Return the columns of a table of which it is known what they are made from."""
    known = found.get(TableName.parse(read.table))
    return known.result.columns if known is not None else ()


def _needs(reads: frozenset[Read], source: Read, named: Collection[str]) -> bool:
    """Tell whether `source` is among `reads`; if it is all columns of a table, then all but those that are `named`."""
    return source in reads or Read(source.table, EVERY) in reads or (source.column == EVERY and any(
        read.table == source.table and read.column and read.column not in named for read in reads))  # fmt: skip
