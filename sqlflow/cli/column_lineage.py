"""What one column is made from and what is made from it, as text, as Mermaid, and as nodes and edges."""

from typing import Literal

from sqlflow.cli import as_json
from sqlflow.cli.lineage import tree
from sqlflow.plan.columns import Edges
from sqlflow.plan.origins import Read


def shown(column: Read, above: Edges, below: Edges, form: Literal["text", "mermaid", "json"]) -> str:
    """Return the edges from what the column is made from (`above`) down to what is made from it (`below`)."""
    if form == "text":
        lines = [str(column)]
        for title, edges in (("made from", above), ("read by", below)):
            found = tree(column, edges)
            lines += [f"  {title}:", *(f"    {line}" for line in found)] if found else [f"  {title}: nothing"]
        return "\n".join(lines)
    pairs = [(source, read) for read, sources in above.items() for source in sources]
    pairs += [(source, read) for source, reads in below.items() for read in reads]
    nodes = sorted({column, *(read for pair in pairs for read in pair)})
    return _json(nodes, sorted(pairs)) if form == "json" else _mermaid(nodes, sorted(pairs))


def _json(nodes: list[Read], pairs: list[tuple[Read, Read]]) -> str:
    document = {
        "nodes": [{"name": str(node), "table": node.table, "column": node.column or None} for node in nodes],
        "edges": [{"from": str(source), "to": str(read)} for source, read in pairs],
    }
    return as_json.text(document)


def _mermaid(nodes: list[Read], pairs: list[tuple[Read, Read]]) -> str:
    ids = {node: f"n{number}" for number, node in enumerate(nodes)}
    lines = ["flowchart LR"]
    lines += [f'    {ids[node]}["{str(node).replace(chr(34), "#quot;")}"]' for node in nodes]
    return "\n".join(lines + [f"    {ids[source]} --> {ids[read]}" for source, read in pairs])
