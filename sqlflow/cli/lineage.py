"""A graph as text, as Mermaid, and as nodes and edges."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from sqlflow.core.names import TableName
from sqlflow.plan.graph import Graph

Node = TypeVar("Node")


def _scope(graph: Graph, centre: TableName | None) -> list[TableName]:
    if centre is None:
        return list(graph.order)
    around = graph.upstream([centre]) | graph.downstream([centre])
    return [name for name in graph.order if name in around]


def as_edges(graph: Graph, centre: TableName | None) -> dict[str, Any]:
    """Return `nodes` (name, kind) and `edges` (from, to); sources are nodes too."""
    scope = _scope(graph, centre)
    sources = sorted({source for name in scope for source in graph.sources[name]})
    nodes: list[dict[str, Any]] = [{"name": name, "kind": "source"} for name in sources]
    nodes += [{"name": name, "kind": _kind(graph, name), **_target(graph, name)} for name in scope]
    known = set(scope)
    edges = [
        {"from": read, "to": name}
        for name in scope
        for read in (*sorted(graph.sources[name]), *sorted(graph.inputs[name] & known))
    ]
    return {"nodes": nodes, "edges": edges}


def _kind(graph: Graph, name: TableName) -> str:
    block = graph.project.blocks[name]
    return block.form


def _target(graph: Graph, name: TableName) -> dict[str, str]:
    """Return the target in which a block is built, where the project has several."""
    project = graph.project
    return {"target": project.target_of(project.blocks[name]).name} if project.targets else {}


def _label(graph: Graph, name: TableName) -> str:
    """Return a block as it is named in the text: with its target, where the project has several."""
    target = _target(graph, name).get("target") if name in graph.project.blocks else None
    return f"{name} in {target}" if target else str(name)


def as_mermaid(graph: Graph, centre: TableName | None) -> str:
    """Return a Mermaid flowchart from left to right."""
    found = as_edges(graph, centre)
    ids = {node["name"]: f"n{number}" for number, node in enumerate(found["nodes"])}
    lines = ["flowchart LR"]
    for node in found["nodes"]:
        opening, closing = ("[(", ")]") if node["kind"] in ("source", "seed") else ("[", "]")
        label = _label(graph, node["name"]).replace('"', "#quot;")
        lines.append(f'    {ids[node["name"]]}{opening}"{label}"{closing}')
    lines += [f"    {ids[edge['from']]} --> {ids[edge['to']]}" for edge in found["edges"]]
    return "\n".join(lines)


def as_text(graph: Graph, centre: TableName | None) -> str:
    """Return a line for each block with its direct inputs; for one block, two trees: upstream and downstream."""
    if centre is None:
        return "\n".join(_line(graph, name) for name in graph.order)
    names = {
        name: _label(graph, name) for name in (*graph.inputs, *frozenset[TableName]().union(*graph.sources.values()))
    }
    inputs = {
        names[name]: _named(names, graph.inputs[name]) + _named(names, graph.sources[name]) for name in graph.inputs
    }
    readers = {names[name]: _named(names, found) for name, found in graph.readers.items()}
    root = names[centre]
    return "\n".join([root, *_section("made from", root, inputs), *_section("read by", root, readers)])


def _named(names: Mapping[TableName, str], found: Iterable[TableName]) -> list[str]:
    return [names[name] for name in sorted(found)]


def _section(title: str, centre: str, edges: Mapping[str, list[str]]) -> list[str]:
    lines = tree(centre, edges)
    return [f"  {title}:", *(f"    {line}" for line in lines)] if lines else [f"  {title}: nothing"]


def _line(graph: Graph, name: TableName) -> str:
    read = [*sorted(graph.inputs[name]), *sorted(graph.sources[name])]
    label = _label(graph, name)
    return f"{label} ← {', '.join(_label(graph, one) for one in read)}" if read else label


def tree(root: Node, edges: Mapping[Node, list[Node]]) -> list[str]:
    """Return the lines below `root`; a branch that was shown before is not shown again."""
    lines: list[str] = []
    seen: set[Node] = set()
    stack = [(child, "", index == len(edges.get(root, [])) - 1) for index, child in enumerate(edges.get(root, []))][
        ::-1
    ]
    while stack:
        name, indent, is_last = stack.pop()
        children = edges.get(name, [])
        again = name in seen and bool(children)
        lines.append(f"{indent}{'└─' if is_last else '├─'} {name}{' …' if again else ''}")
        if not again:
            seen.add(name)
            below = indent + ("   " if is_last else "│  ")
            stack += [(child, below, index == len(children) - 1) for index, child in enumerate(children)][::-1]
    return lines
