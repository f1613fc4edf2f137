"""From a query as it was written to the statement that the engine gets: only table names change."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from sqlflow.core.block import Block, Project, Query, TableUse
from sqlflow.core.errors import UsageError, did_you_mean
from sqlflow.core.names import TableName, quoted
from sqlflow.core.text import MappedText
from sqlflow.plan.graph import Link, Resolver
from sqlflow.plan.versions import NAME_BYTES, helper_name

_LAST_PART = re.compile(r'("(?:[^"]|"")*"|[^\s."]+)\s*$')
_SKIPPED = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_WITH = re.compile(rf"{_SKIPPED}with\b({_SKIPPED}recursive\b)?", re.IGNORECASE | re.DOTALL)
_DESCRIBES = re.compile(rf"{_SKIPPED}(describe|summarize|show)\b", re.IGNORECASE | re.DOTALL)


class Binder(Struct, frozen=True):
    """Says which relation each block is in this run: its new version, or the one that is published.

    `relations` holds every block that has one; `queries` the rendered queries of ephemeral blocks. `given` are those of
    `relations` that stand for what the target has, as in a unit test.
    """

    project: Project
    resolver: Resolver
    relations: Mapping[TableName, TableName]
    queries: Mapping[TableName, Query]
    given: frozenset[TableName] = frozenset()
    texts: Mapping[TableName, str] = field(default_factory=dict)
    """Queries in brackets that stand for blocks and sources, in place of relations."""

    def reading(self, block: TableName, relation: TableName) -> "Binder":
        """Return a binder to which a block is the given relation."""
        return replace(self, relations={**self.relations, block: relation})

    def bound(self, query: Query, schema: str) -> MappedText:
        """Return the query's text with table names replaced by position, ephemeral inputs as CTEs before it.

        `schema` is where bare names are looked up first.
        """
        body = self._replaced(query, schema)
        ctes = self._ctes(query, schema)
        if not ctes:
            return body
        texts = [
            f"{quoted(_cte_name(name))} as (\n" + self._replaced(self.queries[name], name.schema) + "\n)"
            for name in ctes
        ]
        joined = texts[0]
        for text in texts[1:]:
            joined = joined + ", " + text
        with_ = _WITH.match(body.text)
        if with_:
            return body.slice(0, with_.end()) + " " + joined + ",\n" + body.slice(with_.end(), len(body.text))
        return "with " + joined + "\n" + body

    def _replaced(self, query: Query, schema: str) -> MappedText:
        edits = []
        for use in query.tables:
            link = self.resolver.link(use.name, schema)
            if not use.alias and self.relations.get(link.name) == use.name:
                continue
            new = self._relation_sql(link, use.name)
            if new is not None:
                edits.append((use.start, use.end, _replacement(use, query.text.text[use.start : use.end], new)))
        return query.text.replaced(edits)

    def _relation_sql(self, link: Link, written: TableName) -> str | None:
        """Return what stands for a name; None where the name itself is right, as for a table that is a source.

        A source that is declared is read where it was declared, whatever other table the engine would find by a bare name.
        """
        if link.name in self.texts:
            return self.texts[link.name]
        if link.kind == "block":
            if link.name in self.queries:
                return quoted(_cte_name(link.name))
            return self.relations[link.name].sql
        if link.name in self.relations:
            return self.relations[link.name].sql
        source = self.project.sources.get(link.name)
        if source is not None and source.files:
            path = str(Path(self.project.root).resolve() / source.files)
            return f"({self.project.target.engine.file_query(path, source.options)})"
        return link.name.sql if link.name.schema and not written.schema else None

    def _ctes(self, query: Query, schema: str) -> list[TableName]:
        """Return the ephemeral blocks that a query reads, also through one another, inputs first."""
        if not self.queries:
            return []
        found: dict[TableName, None] = {}

        def visit(query: Query, schema: str) -> None:
            for name in self._blocks(query, schema):
                if name in self.queries and name not in found:
                    visit(self.queries[name], name.schema)
                    found[name] = None

        visit(query, schema)
        return list(found)

    def _blocks(self, query: Query, schema: str) -> Iterable[TableName]:
        return [link.name for link in self._links(query, schema) if link.kind == "block"]

    def _links(self, query: Query, schema: str) -> Iterable[Link]:
        names = sorted({use.name for use in query.tables})
        return [self.resolver.link(name, schema) for name in names]

    def _links_of_all(self, query: Query, schema: str) -> frozenset[Link]:
        """Return what a query reads, that inside of ephemeral blocks included."""
        schemas = [(query, schema), *((self.queries[name], name.schema) for name in self._ctes(query, schema))]
        return frozenset(link for read, where in schemas for link in self._links(read, where))

    def inputs(self, query: Query, schema: str) -> tuple[TableName, ...]:
        """Return the relations that the bound query reads, those inside ephemeral blocks included."""
        links = self._links_of_all(query, schema)
        return tuple(sorted({self.relations[link.name] for link in links if link.name in self.relations}))

    def sources(self, query: Query, schema: str) -> list[tuple[TableName, TableName]]:
        """Return the sources with a relation of sqlflow's that the bound query reads, each with its relation."""
        names = [link.name for link in self._links_of_all(query, schema) if link.kind == "source"]
        return sorted(
            (name, self.relations[name]) for name in names if name in self.relations and name not in self.given
        )


def _cte_name(name: TableName) -> str:
    """Return what an ephemeral block is called inside of its readers: at most 63 bytes, as version names are."""
    readable = f"_sqlflow_{name.schema}__{name.name}"
    return readable if len(readable.encode()) <= NAME_BYTES else helper_name(name, "ephemeral")


def _replacement(use: TableUse, written: str, new: str) -> str:
    match = _LAST_PART.search(written)
    own = quoted(use.alias) if use.alias else match.group(1) if match else quoted(use.name.name)
    if use.qualifier:
        return own
    return new if use.aliased else f"{new} as {own}"


def selectable(text: MappedText) -> MappedText:
    """Return the query in a form that may stand behind `create table … as`."""
    return "select * from (\n" + text + "\n) as described" if _DESCRIBES.match(text.text) else text


def cte_query(body: MappedText, cte: str, project: Project, block: Block) -> MappedText:
    """Return the query cut so that it selects from one of its own CTEs."""
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(body.text, read=project.target.engine.dialect)
    with_ = tree.args.get("with_") or tree.args.get("with")
    names = [found.alias for found in with_.expressions] if with_ is not None else []
    known = {name.lower(): name for name in names if not name.startswith("_sqlflow_")}
    if cte.lower() not in known:
        listed = ", ".join(f"`{name}`" for name in known.values()) or "none"
        raise UsageError(f"`{block.name}` has no CTE `{cte}`; it has {listed}", hint=did_you_mean(cte, known))
    select = exp.select("*").from_(exp.to_table(known[cte.lower()]))
    select.set("with_" if "with_" in tree.args else "with", with_)
    return MappedText.plain(select.sql(project.target.engine.dialect))
