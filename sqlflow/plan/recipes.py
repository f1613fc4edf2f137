"""What each block is made from, all the way down: as the project says now, and as versions that are there were made.

A version's recipe is kept in the state, as text: its SQL, what the names in it stand for, and the versions of what it
read. Recipes of a project and of versions have the same form, so that they can be held against each other.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from msgspec import Struct, field

from sqlflow.core.block import Block
from sqlflow.core.names import TableName
from sqlflow.core.secrets import masked
from sqlflow.plan.graph import Graph, Resolver
from sqlflow.plan.snapshots import as_read
from sqlflow.plan.versions import Key, settings_of


class Entry(Struct, frozen=True):
    """A recipe as it is kept. A version has one for each state of its inputs with which it was found to be the same.

    `key` is empty where the version of an input is not known; `code` is the block's own part of it.
    """

    relation: str
    block: str
    key: str
    code: str
    text: str


class Entries:
    """The entries of a target. Their texts are long: all are asked for when one is first looked at."""

    def __init__(self, keys: Iterable[tuple[str, str]] = (), ask: Callable[[], Iterable[Entry]] = tuple) -> None:
        self.keys = dict(keys)
        """The relation of each key, of the latest entry that has it."""
        self._ask = ask

    @cached_property
    def every(self) -> tuple[Entry, ...]:
        """All of them, the latest last."""
        return tuple(self._ask())

    def read(self) -> "Entries":
        """Return the same entries, with all texts asked for now."""
        _ = self.every
        return self


NO_ENTRIES = Entries()
T = TypeVar("T")


def _latest_first(entries: Sequence[Entry], what: Callable[[Entry], T]) -> dict[T, list[Entry]]:
    found: dict[T, list[Entry]] = {}
    for entry in reversed(entries):
        found.setdefault(what(entry), []).append(entry)
    return found


class Recipe(Struct, frozen=True, eq=False):
    """How one dataset is made. `inputs` are the blocks that it reads; `reads` the versions of all that it reads.

    `relation` is the version's own, empty where there is none yet. `columns` are those that it was found to have.
    """

    name: str
    key: str = ""
    code: str = ""
    sql: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, "Recipe"] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    relation: str = ""
    is_stored: bool = True
    """Whether it is a table, and no query over others."""
    is_volatile: bool = False
    is_continued: bool = False
    """Whether it depends on the version that it has gone on from, too: its key alone tells what it holds."""

    def signature(self) -> tuple[object, ...]:
        """Return what tells apart two recipes of one block."""
        inputs = tuple((name, child.relation or child.signature()) for name, child in sorted(self.inputs.items()))
        return self.code, tuple(sorted(self.reads.items())), inputs


class Cookbook:
    """The recipes of a project and of the versions that are there."""

    def __init__(
        self, graph: Graph, keys: Mapping[TableName, Key], published: Mapping[TableName, TableName],
        entries: Entries
    ) -> None:  # fmt: skip
        self.graph = graph
        self.keys = keys
        self.published = published
        self.resolver = Resolver(graph.project)
        self._given = entries
        self._versions: dict[str, Recipe | None] = {}
        self._blocks: dict[TableName, Recipe | None] = {}

    @cached_property
    def entries(self) -> Mapping[str, list[Entry]]:
        """Those of each relation, the latest first."""
        return _latest_first(self._given.every, lambda entry: entry.relation)

    @cached_property
    def codes(self) -> Mapping[tuple[str, str], list[Entry]]:
        """Those of each block and code, the latest first."""
        return _latest_first(self._given.every, lambda entry: (entry.block, entry.code))

    @cached_property
    def _by_key(self) -> Mapping[str, Entry]:
        return {entry.key: entry for entry in self._given.every if entry.key}

    def candidates(self, name: TableName) -> list[Entry]:
        """Return the recipes of versions that were made by the same code, those that are published first."""
        shown = self.published.get(name)
        found = self.codes.get((str(name), self.keys[name].code), [])
        if self.graph.project.blocks[name].is_ranged:  # which intervals it has is in its key alone
            return []
        if self.graph.project.blocks[name].is_continued:
            return [entry for entry in found if shown is not None and entry.relation == shown.name]
        return sorted(found, key=lambda entry: shown is None or entry.relation != shown.name)

    def of_block(self, name: TableName) -> Recipe | None:
        """Return how a block is made: as the project says, or as what is published if the block takes no part in a run."""
        if name not in self._blocks:
            self._blocks[name] = self._block(name)
        return self._blocks[name]

    def _block(self, name: TableName) -> Recipe | None:
        block, key = self.graph.project.blocks[name], self.keys.get(name)
        if key is None:
            shown = self.published.get(name)
            return self.of_version(shown.name) if shown else None
        inputs = {str(read): self.of_block(read) for read in self.graph.inputs[name]}
        known = {read: recipe for read, recipe in inputs.items() if recipe is not None}
        if len(known) < len(inputs):
            return None
        entry = self._by_key.get(key.text)
        columns = _columns(json.loads(entry.text)) if entry else None
        return Recipe(
            str(name), key.text, key.code, sql_of(block), self.links(block), dict(key.inputs), known, columns,
            is_stored=is_stored(block), is_volatile=is_volatile(block), is_continued=block.is_continued,
        )  # fmt: skip

    def links(self, block: Block) -> dict[str, str]:
        """Return what the names in a block's query stand for."""
        if block.code is None:
            return {}
        schema = block.name.schema
        return {str(written): str(self.resolver.link(written, schema).name) for written in sorted(block.code.inputs)}

    def of_version(self, relation: str) -> Recipe | None:
        """Return how a version was made; None if that is not known any more."""
        if relation not in self._versions:
            entries = self.entries.get(relation, [])
            self._versions[relation] = self.of_entry(entries[0]) if entries else None
        return self._versions[relation]

    def reads(self, entry: Entry) -> Mapping[str, str]:
        """Return the versions of what a version's block read."""
        found: Mapping[str, str] = json.loads(entry.text)["reads"]
        return found

    def is_over(self, entry: Entry, name: TableName, relations: Mapping[TableName, TableName]) -> bool:
        """Tell whether a version is a query over the very versions that the block would be a query over now."""
        before, now = json.loads(entry.text), json.loads(described(self, name, relations, None))
        for document in (before, now):
            document.pop("columns")
            for part in (document, *document["inlined"].values()):
                part["reads"] = {read: version for read, version in part["reads"].items() if read not in part["inputs"]}
        outside = [version for part in (now, *now["inlined"].values()) for version in part["reads"].values()]
        return bool(before == now and all(outside))

    def ancestors(self, relation: str) -> tuple[str, ...]:
        """Return a version, the one that it has gone on from, and so on, as far as that is known."""
        found: dict[str, None] = {}
        while relation and relation not in found:
            found[relation] = None
            texts = (json.loads(entry.text) for entry in self.entries.get(relation, []))
            relation = next((text["base"] for text in texts if "base" in text), "")
        return tuple(found)

    def of_entry(self, entry: Entry) -> Recipe | None:
        """Return the recipe that an entry describes, with those of its inputs."""
        return self._kept(entry.block, json.loads(entry.text), entry, {})

    def _kept(self, name: str, document: Mapping[str, Any], entry: Entry, inlined: Mapping[str, Any]) -> Recipe | None:
        parts = {**inlined, **document.get("inlined", {})}
        inputs: dict[str, Recipe] = {}
        for read in document["inputs"]:
            relation = document["relations"].get(read, "") if read not in parts else ""
            found = self._kept(read, parts[read], entry, parts) if read in parts else self.of_version(relation)
            if found is None:
                return None
            inputs[read] = found
        is_own = name == entry.block
        return Recipe(
            name, entry.key if is_own else "", document["code"], document["sql"], document["links"], document["reads"],
            inputs, _columns(document), entry.relation if is_own else "", document["is_stored"],
            is_continued=document.get("is_continued", False),
        )  # fmt: skip


def _columns(document: Mapping[str, Any]) -> tuple[str, ...] | None:
    columns = document.get("columns")
    return None if columns is None else tuple(name.lower() for name, _ in columns)


def sql_of(block: Block) -> str | None:
    """Return the SQL whose lineage tells what a block reads; None for what has none.

    What holds values of the environment is not kept in the state: they may be secrets.
    """
    query = block.query
    if query is None or query.reads.env or query.opaque or query.dynamic or query.named:
        return None
    text = as_read(block, query.text.text)
    if block.config.order_by:
        return f"select * from (\n{text}\n) as ordered order by {', '.join(block.config.order_by)}"
    return text


def is_stored(block: Block) -> bool:
    return block.config.materialize not in ("view", "ephemeral")


def is_volatile(block: Block) -> bool:
    volatile = block.code is not None and block.code.volatile and block.config.refresh == "always"
    return bool(block.pre_statements or block.post_statements or volatile)


def described(
    cookbook: Cookbook, name: TableName, relations: Mapping[TableName, TableName], columns: Any, base: str = ""
) -> str:
    """Return the text that is kept of a block's recipe; `relations` are the versions that it reads, `base` the one that it has
    gone on from.

    Where it would hold a secret, the SQL and the settings are left out: the version is known by its key alone then.
    """
    inlined: dict[str, Any] = {}
    document = {**_document(cookbook, name, relations, inlined), "columns": columns, "inlined": inlined}
    document |= {"base": base} if base else {}
    text = json.dumps(document, default=str)
    if masked(text) == text:
        return text
    for part in (document, *inlined.values()):
        part.update(sql=None, settings={})
    return masked(json.dumps(document, default=str))


def _document(
    cookbook: Cookbook, name: TableName, relations: Mapping[TableName, TableName], inlined: dict[str, Any]
) -> dict[str, Any]:
    graph, key = cookbook.graph, cookbook.keys[name]
    block = graph.project.blocks[name]
    for read in sorted(graph.inputs[name]):
        if read not in relations and str(read) not in inlined:
            inlined[str(read)] = {}
            inlined[str(read)] = _document(cookbook, read, relations, inlined)
    stored = {str(read): relations[read].name for read in sorted(graph.inputs[name]) if read in relations}
    return {
        "code": key.code,
        "sql": sql_of(block),
        "links": cookbook.links(block),
        "reads": dict(key.inputs),
        "inputs": sorted(map(str, graph.inputs[name])),
        "relations": stored,
        "is_stored": is_stored(block),
        "settings": settings_of(block, graph.project),
        **({"is_continued": True} if block.is_continued else {}),
    }
