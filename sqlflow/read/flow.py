"""What of a block's front matter says how it takes part in a run, and not what its rows are."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, TypeVar

from sqlflow.core.block import Block, Query
from sqlflow.core.config import BlockConfig, ExportConfig, WaitConfig
from sqlflow.core.errors import Problem, ProjectError, did_you_mean
from sqlflow.core.flow import PLAIN, Condition, Export, Flow, TableExport, Wait
from sqlflow.core.names import TableName
from sqlflow.core.node import Node
from sqlflow.core.text import Place
from sqlflow.read.dialect import translated
from sqlflow.read.embedded import embedded
from sqlflow.read.sql import infer
from sqlflow.read.tokens import named_uses

if TYPE_CHECKING:
    from sqlflow.read.blocks import Reading

_QUERY = re.compile(r"\s*(select|with|from|values)\b", re.IGNORECASE)
_FORMATS: Mapping[str, Literal["parquet", "csv", "json"]] = {
    ".parquet": "parquet", ".csv": "csv", ".json": "json", ".jsonl": "json",
}  # fmt: skip
_TABLE_HINT = "such as `export: {target: serving, table: marts.revenue}`"
T = TypeVar("T")
_WORDS = {"true": True, "1": True, "false": False, "0": False, "none": False, "": False}


def flow_of(config: BlockConfig, this: TableName, reading: "Reading", given: Node | None) -> Flow:
    """Return how a block takes part in a run; what is wrong with it is added to the problems of `reading`.

    `given` is its front matter: the places are those of its values.
    """
    if not (config.when or config.wait_for or config.on_success or config.on_failure or config.export):
        return PLAIN
    found = _Reader(this, reading, config.dialect)
    written = given.get("wait_for") if given is not None else None

    def at(key: str) -> Place:
        """Return the place of a key; what is not in the front matter is in the project file's `defaults`."""
        node = given.get(key) if given is not None else None
        return node.place if node is not None else Place("sqlflow.yml")

    exports = [
        (one, node, node.place if node else at("export")) for one, node in _paired(config.export, given, "export")
    ]
    try:
        return Flow(
            found.condition(config.when) if config.when is not None else None,
            waits(config.wait_for, written, at("wait_for"), found.query),
            found.statements(config.on_success),
            found.statements(config.on_failure),
            tuple(found.file(*one) for one in exports if one[0].target is None and one[0].table is None),
            tuple(found.table(*one) for one in exports if one[0].target is not None or one[0].table is not None),
        )
    except ProjectError as error:
        reading.problems.extend(error.problems)
        return PLAIN


class _Reader:
    """The SQL in a block's settings, read with what the block's file is read with."""

    def __init__(self, this: TableName, reading: "Reading", dialect: str | None) -> None:
        self.this = this
        self.reading = reading
        self.dialect = dialect or reading.renderer.dialect

    def condition(self, node: Node) -> Condition:
        if node.kind != "scalar":
            raise ProjectError("`when` must be a condition or a query", node.place)
        rendered = self.reading.renderer.render(embedded(node), self.this)[0].text
        word = rendered.strip().lower()
        if word in _WORDS:
            return Condition(node.place, _WORDS[word])
        if not _QUERY.match(rendered):
            hint = "write `\"{{ var('country') == 'FR' }}\"`, or `select count(*) > 0 from raw.orders`"
            raise ProjectError(
                f"`when` is neither true nor false nor a query: `{rendered.strip()[:80]}`", node.place, hint
            )
        return Condition(node.place, query=self.query(node))

    def query(self, node: Node) -> Query:
        """Return the SELECT that stands in a value."""
        if node.kind != "scalar" or node.is_null:
            raise ProjectError("a query is needed here", node.place, "write a SELECT of one value")
        text, reads = self.reading.renderer.render(embedded(node), self.this)
        text = translated(text, self.dialect, self.reading.engine, node.place)
        found = infer(text, self.reading.engine, node.place)
        if not found.known:
            raise ProjectError("no parser can read this query", node.place)
        return Query(text.slice(0, found.end), found.tables, reads=reads)

    def statements(self, node: Node | None) -> tuple[Query, ...]:
        """Return statements of any kind, a list of them or one; the tables that they name are told by their tokens."""
        items = () if node is None or node.is_null else node.items if node.kind == "list" else (node,)
        return tuple(self._statement(item) for item in items)

    def file(self, config: ExportConfig, written: Node | None, place: Place) -> Export:
        for key in ("mode", "key"):
            if getattr(config, key):
                at = _place(written, key, place)
                raise ProjectError(f"`export.{key}` is for tables: a file is always written anew", at, _TABLE_HINT)
        node = config.path
        if node is None or node.kind != "scalar" or node.is_null:
            raise ProjectError("`export.path` is required", place, "such as `export: exports/revenue.parquet`")
        path = self._rendered(node)
        suffixes = [suffix for suffix in PurePosixPath(path).suffixes if suffix in _FORMATS]
        form = config.format or (_FORMATS[suffixes[-1]] if suffixes else None)
        if form is None:
            message = f"`export`: the name `{path}` does not say which form the file has"
            raise ProjectError(message, node.place, "end it with `.parquet`, `.csv` or `.json`, or set `format`")
        packed = config.compression or ("gzip" if path.endswith(".gz") else "zstd" if form == "parquet" else "none")
        if packed == "snappy" and form != "parquet":
            raise ProjectError(f"`export.compression`: `snappy` is for Parquet, not for {form}", node.place)
        return Export(node.place, path, form, packed, config.delimiter or ",")

    def table(self, config: ExportConfig, written: Node | None, place: Place) -> TableExport:
        """Return an export to a table. Whether its target and its name can be is for the project to tell."""
        for key in ("path", "format", "compression", "delimiter"):
            if getattr(config, key) is not None:
                at = _place(written, key, place)
                raise ProjectError(f"`export.{key}` is for files: this goes into a table", at, "begin each with a `-`")
        node = config.table
        if config.target is None:
            raise ProjectError("`export.table` needs `target`, the target that has the table", place, _TABLE_HINT)
        if node is not None and (node.kind != "scalar" or node.is_null):
            raise ProjectError("`export.table` must be `schema.name`", node.place, _TABLE_HINT)
        table = self.this if node is None else TableName.parse(self._rendered(node))
        if not table.schema or table.catalog:
            at = node.place if node is not None else place
            raise ProjectError(
                f"`export.table` must be `schema.name`, not `{table}`", at, f"such as `marts.{table.name}`"
            )
        if (config.mode == "upsert") != bool(config.key):
            named = "mode" if config.mode == "upsert" else "key"
            message = (
                "`mode: upsert` needs `key`: the columns that tell which rows are replaced"
                if config.mode == "upsert"
                else "`export.key` needs `mode: upsert`"
            )
            raise ProjectError(message, _place(written, named, place), "such as `mode: upsert` and `key: [order_id]`")
        there, mode = _place(written, "target", place), config.mode or "replace"
        where = node.place if node is not None else there
        return TableExport(where, config.target, there, table, mode, config.key, _place(written, "key", place))

    def _rendered(self, node: Node) -> str:
        return self.reading.renderer.render(embedded(node), self.this)[0].text.strip()

    def _statement(self, node: Node) -> Query:
        if node.kind != "scalar" or node.is_null:
            raise ProjectError("a statement is needed here", node.place, "write SQL, such as `insert into …`")
        text, reads = self.reading.renderer.render(embedded(node), self.this)
        refused = self.reading.engine.syntax_error(text.text)
        if refused:
            raise ProjectError(refused[0], text.place(refused[1] or 0) or node.place)
        return Query(text, named_uses(text.text, frozenset({self.this}), self.reading.engine.dialect), reads=reads)


def _paired(configs: "tuple[T, ...]", given: Node | None, key: str) -> "Iterator[tuple[T, Node | None]]":
    """Yield the settings of a key with the nodes that they were read from; None for those that this file does not say."""
    written = given.get(key) if given is not None else None
    items = () if written is None else written.items if written.kind == "list" else (written,)
    yield from zip(configs, items or (None,) * len(configs), strict=True)


def _place(written: Node | None, key: str, otherwise: Place) -> Place:
    """Return the place of a key of a mapping, where it was written there."""
    node = written.get(key) if written is not None else None
    return node.place if node is not None else otherwise


def waits(
    configs: tuple[WaitConfig, ...], written: Node | None, place: Place, query_of: Callable[[Node], Query]
) -> tuple[Wait, ...]:
    """Return what must come first; `place` is that of all of it, where it is not `written` in this file.

    Raise ProjectError for one that waits for nothing or for several things at once.
    """
    items = () if written is None else written.items if written.kind == "list" else (written,)
    nodes: tuple[Node | None, ...] = items or (None,) * len(configs)
    return tuple(
        _wait(config, node, node.place if node else place, query_of)
        for config, node in zip(configs, nodes, strict=True)
    )


def _wait(config: WaitConfig, node: Node | None, place: Place, query_of: Callable[[Node], Query]) -> Wait:
    given = [kind for kind in ("file", "query", "time") if getattr(config, kind) is not None]
    if len(given) != 1:
        problem = f", not {len(given)} of them" if given else ""
        hint = "begin each with a `-` of its own" if given else "such as `wait_for: {file: inbox/done.txt}`"
        raise ProjectError(f"`wait_for` is one of `file`, `query` and `time`{problem}", place, hint)

    def at(key: str) -> Place:
        value = node.get(key) if node is not None else None
        return value.place if value is not None else place

    pure = PurePosixPath(config.file or ".")
    if pure.is_absolute() or ".." in pure.parts:
        hint = "write a path below the project's folder, such as `inbox/done.txt`"
        raise ProjectError(f"`wait_for.file`: `{config.file}` is outside the project", at("file"), hint)
    known_zone(config.timezone, at("timezone"), "wait_for.timezone")
    moment = time() if config.time is None else time_of_day(config.time, at("time"), "wait_for.time")
    query = query_of(config.query) if config.query is not None else None
    limits = config.every, config.timeout
    return Wait(place, given[0], config.file or "", query, moment, config.timezone, *limits)  # type: ignore[arg-type]


def time_of_day(text: str, place: Place, path: str) -> time:
    """Return the time that `07:30` is. Raise ProjectError for what is none."""
    if not re.fullmatch(r"([01]?[0-9]|2[0-3]):[0-5][0-9]", text):
        raise ProjectError(f"`{path}` must be a time of day such as `07:00`, not `{text}`", place)
    hour, minute = text.split(":")
    return time(int(hour), int(minute))


def known_zone(name: str, place: Place, path: str) -> None:
    """Raise ProjectError if there is no such time zone."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        hint = did_you_mean(name, available_timezones()) or "write it as in `Europe/Berlin`"
        raise ProjectError(f"`{path}`: no such time zone as `{name}`", place, hint) from error


def refuse_heavy(blocks: Iterable[Block], pools: Mapping[str, int]) -> Iterator[Problem]:
    """Yield the blocks that take more places than their pool has: they could never be built."""
    for block in blocks:
        if block.config.weight > 1 and not block.pool:
            hint = "add `pool: heavy`, and its size to `pools` of sqlflow.yml"
            yield Problem("`weight` counts places in a `pool`, and there is none", block.key_place("weight"), hint)
        elif block.config.weight > pools.get(block.pool, block.config.weight):
            message = f"`weight: {block.config.weight}` is more than the pool `{block.pool}` holds: {pools[block.pool]}"
            yield Problem(message, block.key_place("weight"), "make the pool larger, or the weight smaller")
