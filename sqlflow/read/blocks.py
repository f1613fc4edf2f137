"""From one file to one block."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from sqlflow.core.block import Assertion, Block, Query, Reads, TableUse
from sqlflow.core.config import AssertionFileConfig, BlockConfig
from sqlflow.core.engine import Engine, Rows
from sqlflow.core.errors import Problem, ProjectError
from sqlflow.core.names import TableName
from sqlflow.core.node import Node
from sqlflow.core.spans import Span
from sqlflow.core.text import MappedText, Place, SourceFile
from sqlflow.read import front_matter
from sqlflow.read.assertion_kinds import Scope
from sqlflow.read.assertions import block_assertions, threshold
from sqlflow.read.config import no_such_target
from sqlflow.read.decode import decoded
from sqlflow.read.dialect import translated
from sqlflow.read.embedded import embedded
from sqlflow.read.engine_options import refuse_unfit
from sqlflow.read.flow import flow_of
from sqlflow.read.incremental import (
    SOME_TIME,
    is_own,
    joined,
    refuse_incremental,
    refuse_timeless,
)  # fmt: skip
from sqlflow.read.lazily import Lazily
from sqlflow.read.render import STAND_IN, Renderer, Template
from sqlflow.read.snapshots import refuse_partial
from sqlflow.read.sql import infer, refuse_unread
from sqlflow.read.tags import has_tags
from sqlflow.read.tokens import named_uses

NAME_BYTES_AT_MOST = 63
RESERVED_SCHEMAS = frozenset({"information_schema", "pg_catalog", "pg_toast", "_sqlflow"})
RESERVED_PREFIX = "sqlflow_"
SEED_SUFFIXES = (".csv", ".parquet", ".json")
_NAME = re.compile(r"[^\W\d]\w*")


class Reading(Struct, frozen=True):
    """What reading the files of one project needs. Faults are added to `problems`."""

    engine: Engine
    schema: str
    """The schema of files that lie right in a block folder."""
    renderer: Renderer
    defaults: Mapping[str, Node]
    problems: list[Problem]
    disabled: dict[TableName, str] = field(default_factory=dict)
    """The blocks that are switched off, and their files."""
    target: str = ""
    """The name of the target whose engine it is."""
    others: Mapping[str, "Reading"] = field(default_factory=dict)
    """What reads the blocks of the other targets, by name."""

    def at(self, target: str | None) -> "Reading":
        """Return what reads the blocks of a target; this one for a name that is none, and for no name."""
        return self.others.get(target, self) if target else self

    def with_vars(self, vars: Mapping[str, Any]) -> "Reading":
        """Return what reads with other values of some vars, in all targets; faults are added to the problems of this one."""
        others = Lazily({name: name for name in self.others}, lambda name: self._other_with_vars(name, vars))
        return replace(self, renderer=self.renderer.with_vars(vars), others=others)

    def _other_with_vars(self, name: str, vars: Mapping[str, Any]) -> "Reading":
        other = self.others[name]
        return replace(other, renderer=other.renderer.with_vars(vars), problems=self.problems)


def table_name(path: str, folder: str, config: BlockConfig, reading: Reading) -> TableName | None:
    """Return the name that a file's place gives its block: the first folder is the schema, the file the table.

    None, with the fault told, if the name cannot be a table's.
    """
    relative = PurePosixPath(path).relative_to(folder) if folder else PurePosixPath(path)
    schema = config.schema or (relative.parts[0] if len(relative.parts) > 1 else reading.schema)
    name = config.name or relative.name[: -len(relative.suffix)]
    faults = [fault for part in (schema, name) if (fault := name_fault(part))]
    if schema.lower() in RESERVED_SCHEMAS or schema.lower().startswith("pg_"):
        faults.append((f"the schema `{schema}` is reserved", "choose another folder name, or set `schema`"))
    if name.lower().startswith(RESERVED_PREFIX):
        faults.append((f"names that begin with `{RESERVED_PREFIX}` are reserved", "rename the file, or set `name`"))
    reading.problems.extend(Problem(message, Place(path), hint) for message, hint in faults)
    return None if faults else TableName.of(*(unicodedata.normalize("NFC", part) for part in (schema, name)))


def name_fault(name: str) -> tuple[str, str] | None:
    """Return what keeps a text from being a name, and what to do; None for one that is good."""
    if len(name.encode()) > NAME_BYTES_AT_MOST:
        return f"the name `{name}` is {len(name.encode())} bytes long: at most {NAME_BYTES_AT_MOST} bytes", "shorten it"
    if name[:1].isdigit():
        return f"the name `{name}` begins with a digit", "put a letter before it"
    if not _NAME.fullmatch(unicodedata.normalize("NFC", name)):
        plain = re.sub(r"\W+", "_", name).strip("_") or "a_name"
        return f"the name `{name}` may hold only letters, digits and `_`", f"rename it to `{plain}`"
    return None


def sql_block(source: SourceFile, folder: str, reading: Reading, given: TableName | None = None) -> Block | None:
    """Return the block of a `.sql` file; None if it is switched off or faulty, with the faults told.

    `given` is its name, instead of the one that its file and its front matter say.
    """
    try:
        file = front_matter.split(source)
    except ProjectError as error:
        reading.problems.extend(error.problems)
        return None
    config = block_config(file.front_matter, source.path, reading)
    if config is None:
        _tell_faults_of_sql(file, reading)
        return None
    reading = reading.at(config.target)
    name = given or table_name(source.path, folder, config, reading)
    if name is None:
        return None
    if not config.enabled:
        reading.disabled[name] = source.path
        return None
    queries = _queries(file, name, config, reading)
    _refuse_what_does_not_fit(config, file, reading)
    refuse_incremental(config, file, reading.problems)
    assertions = block_assertions(
        config, Scope(name, reading.engine, reading.renderer, reading.problems, config.dialect)
    )
    if queries is None:
        return None
    (query, continuing), before, after = queries
    refuse_partial(config, query, continuing, file, reading.problems)
    return Block(
        name, "sql", file.source, config, query, assertions, file.body, before, after, continuing,
        flow_of(config, name, reading, file.front_matter),
    )  # fmt: skip


def _queries(
    file: front_matter.SqlFile, name: TableName, config: BlockConfig, reading: Reading
) -> tuple[tuple[Query, Query | None], tuple[Query, ...], tuple[Query, ...]] | None:
    """Return a block's query and what gives its new rows, and the statements before and after it; None with the faults told."""
    try:
        query = both_queries(file.template, name, config, reading)
        before, after = (_statements(config, key, file.front_matter, name, reading) for key in STATEMENT_KEYS)
    except ProjectError as error:
        reading.problems.extend(error.problems)
        return None
    return query, before, after


def _tell_faults_of_sql(file: front_matter.SqlFile, reading: Reading) -> None:
    """Tell what is wrong with the SQL behind faulty front matter too, where the one can be judged without the other."""
    if file.front_matter is None or file.front_matter.get("depends_on") is None:
        node = file.front_matter.get("strategy") if file.front_matter else None
        is_ranged = node is not None and node.text == "time_range"
        config = BlockConfig(materialize="incremental", strategy="time_range") if is_ranged else BlockConfig()
        _queries(file, TableName.of(reading.schema, PurePosixPath(file.source.path).stem), config, reading)


STATEMENT_KEYS = ("pre_statements", "post_statements")


_OF_TABLES = ("indexes", "order_by", "options")
_OF_RUNS = ("when", "wait_for", "on_success", "on_failure", "retries", "export")
OF_FUNCTIONS = ("inputs", "requirements", "memory_limit", "if_missing")


def _refuse_what_does_not_fit(config: BlockConfig, file: front_matter.SqlFile, reading: Reading) -> None:
    for key in OF_FUNCTIONS:
        node = file.front_matter.get(key) if file.front_matter else None
        if node is not None:
            reading.problems.append(Problem(f"`{key}` is for function blocks: this is SQL", node.place))
    if config.materialize in ("table", "incremental", "snapshot", "materialized_view"):
        return
    unfit: dict[str, str] = {
        key: f"`{key}` needs `materialize: table`; this is `{config.materialize}`" for key in _OF_TABLES
    }
    if config.materialize == "ephemeral":
        unfit |= {key: f"an ephemeral block is never run by itself: it takes no `{key}`" for key in STATEMENT_KEYS}
        unfit |= {key: f"an ephemeral block is never built by itself: it takes no `{key}`" for key in _OF_RUNS}
        unfit["fresh_within"] = "an ephemeral block is never built by itself: it takes no `fresh_within`"
        unfit["grants"] = "an ephemeral block is not published: it takes no `grants`"
    for key, message in unfit.items():
        if getattr(config, key):
            node = file.front_matter.get(key) if file.front_matter else None
            reading.problems.append(Problem(message, node.place if node else Place(file.source.path)))


def block_config(given: Node | None, path: str, reading: Reading) -> BlockConfig | None:
    """Return the front matter with the folders' defaults below it; tags add up."""
    if given is not None and given.kind != "mapping":
        reading.problems.append(Problem("front matter must be a mapping of keys to values", given.place))
        return None
    folders = [node for folder, node in reading.defaults.items() if f"{path}/".startswith(folder.strip("/") + "/")]
    merged = given
    for node in reversed(folders):
        merged = _merged(node, merged)
    config = decoded(merged, BlockConfig, reading.problems)
    if config is not None and merged is not None:
        refuse_unknown_target(config.target, merged, reading)
        refuse_unfit(config, merged, reading.at(config.target).engine, reading.problems)
    return config


def refuse_unknown_target(name: str | None, given: Node, reading: Reading) -> None:
    """Add to the problems that a block, or an assertion, names a target that the project file does not have."""
    known = {reading.target, *reading.others}
    if name is not None and name not in known:
        node = given.get("target")
        reading.problems.append(no_such_target(name, sorted(known), node.place if node else given.place))


def _merged(below: Node, above: Node | None) -> Node:
    if above is None:
        return below
    own = {key.text for key, _ in above.pairs}
    pairs = [pair for pair in below.pairs if pair[0].text not in own]
    for key, value in above.pairs:
        inherited = below.get("tags")
        if key.text == "tags" and inherited is not None and value.kind != "mapping":
            items = (inherited.items or (inherited,)) + (value.items if value.kind == "list" else (value,))
            pairs.append((key, Node("list", value.source, value.offset, items=items)))
        else:
            pairs.append((key, value))
    return Node("mapping", above.source, above.offset, pairs=tuple(pairs))


def both_queries(
    template: Template, this: TableName, config: BlockConfig, reading: Reading
) -> tuple[Query, Query | None]:
    """Return the SELECT of a block, and the one for the new rows of an incremental block where that is another."""
    is_incremental = config.materialize == "incremental"
    if is_incremental and config.strategy == "time_range":
        query = block_query(template, this, config, reading.renderer, reading.engine, True, SOME_TIME)
        refuse_timeless(query, template.source.place(template.start))
        return query, None
    query = block_query(template, this, config, reading.renderer, reading.engine)
    if config.materialize not in ("incremental", "snapshot") or not has_tags(template.text):
        return query, None
    return joined(query, block_query(template, this, config, reading.renderer, reading.engine, True), this)


def block_query(
    template: Template, this: TableName, config: BlockConfig, renderer: Renderer, engine: Engine,
    incremental: bool = False, span: Span | None = None,
) -> Query:  # fmt: skip
    """Return the SELECT of a block as far as it can be known before anything has run."""
    where = template.source.place(template.start)
    declared = frozenset(TableName.parse(name) for name in config.depends_on)
    if not template.dynamic:
        text, reads = renderer.render(template, this, incremental=incremental, span=span)
        _refuse_braces(text, where)
        text = translated(text, config.dialect or renderer.dialect, engine, where)
        return _with_declared(text, reads, declared, engine, where)
    return _dynamic_query(template, this, declared, config.dialect, renderer, engine, incremental, span)


def _with_declared(
    text: MappedText, reads: Reads, declared: frozenset[TableName], engine: Engine, where: Place
) -> Query:
    found = infer(text, engine, where)
    text = text.slice(0, found.end)
    if found.known:
        return Query(
            text, found.tables, found.files, reads, found.opaque,
            named=declared, unclear=found.unclear, unnamed=found.unnamed, code=found.code, volatile=found.volatile,
        )  # fmt: skip
    if not declared:
        refuse_unread(found, text, where, "correct it, or name the blocks that it reads in `depends_on`")
    uses = named_uses(text.text, declared, engine.dialect)
    return Query(text, uses, reads=reads, opaque=True, named=declared, volatile="no parser can read it")


def _dynamic_query(
    template: Template, this: TableName, declared: frozenset[TableName], own_dialect: str | None, renderer: Renderer,
    engine: Engine, incremental: bool, span: Span | None,
) -> Query:  # fmt: skip
    """Return what can be told of a template that calls `query()`: rendered with a stand-in row, and with none."""
    where = template.source.place(template.start)
    named = set(declared)
    reads = Reads()
    attempts: list[Query] = []
    fault: ProjectError | None = None
    for run_query in (None, lambda text: Rows((), ())):
        try:
            text, reads = renderer.render(template, this, run_query, incremental, span)
            dialect = own_dialect or renderer.dialect
            text = translated(text, dialect, engine, where)
            for asked in reads.queries:
                plain = translated(MappedText.plain(asked), dialect, engine, where)
                named |= {use.name for use in infer(plain, engine, where).tables}
            attempts.append(_with_declared(text, reads, declared, engine, where))
        except ProjectError as error:
            fault = fault or error
    if not attempts and fault is not None and not declared:
        raise fault
    for query in attempts:
        named |= query.inputs
    shown = attempts[0] if attempts else Query(MappedText.whole(template.source, template.start))
    tables = tuple(use for use in shown.tables if STAND_IN not in str(use.name))
    named = {name for name in named if STAND_IN not in str(name)}
    volatile = "what `query()` gives is known only at run time"
    return Query(shown.text, tables, shown.files, reads, shown.opaque, True, frozenset(named), volatile=volatile)


def rendered_again(
    block: Block, renderer: Renderer, engine: Engine, run_query: Callable[[str], Rows], incremental: bool = False,
    span: Span | None = None,
) -> Query:  # fmt: skip
    """Return a dynamic block's query with the rows of its `query()` calls, or that of a block of time ranges for a span.

    Raise ProjectError if it now reads a table that was not known before.
    """
    file = front_matter.SqlFile(block.source, None, block.body)
    text, reads = renderer.render(file.template, block.name, run_query, incremental, span)
    where = block.source.place(block.body)
    text = translated(text, block.config.dialect or renderer.dialect, engine, where)
    declared = frozenset(TableName.parse(name) for name in block.config.depends_on)
    query = _with_declared(text, reads, declared, engine, where)
    assert block.query is not None
    for use in query.tables:
        if use.name not in block.query.inputs and not (incremental and is_own(use.name, block.name)):
            when = "`query()` had run" if block.query.dynamic else f"the rows of {span} were asked for"
            raise ProjectError(
                f"`{use.name}` was not known to be read before {when}",
                query.text.place(use.start, use.end - use.start) or where,
                f"add `depends_on: [{use.name}]`",
            )
    return query


def _refuse_braces(text: MappedText, where: Place) -> None:
    for mark in ("{{", "{%"):
        offset = text.text.find(mark)
        if offset >= 0 and any(piece.moves is False for piece in text.pieces):
            hint = "what a template puts out is not rendered a second time"
            raise ProjectError(f"`{mark}` is left after rendering", text.place(offset, 2) or where, hint)


def _statements(
    config: BlockConfig, key: str, given: Node | None, this: TableName, reading: Reading
) -> tuple[Query, ...]:
    node = given.get(key) if given else None
    items = () if node is None else node.items if node.kind == "list" else (node,)
    if not items and getattr(config, key):
        default = next(node for node in reading.defaults.values() if node.get(key) is not None).get(key)
        items = default.items if default is not None and default.kind == "list" else (default,) if default else ()
    return tuple(_statement(item, this, reading) for item in items)


def _statement(node: Node, this: TableName, reading: Reading) -> Query:
    """Return a statement of any kind; the tables that it names are told by its tokens."""
    text, reads = reading.renderer.render(embedded(node), this)
    refused = reading.engine.syntax_error(text.text)
    if refused:
        raise ProjectError(refused[0], text.place(refused[1] or 0) or node.place)
    uses: tuple[TableUse, ...] = named_uses(text.text, frozenset({this}), reading.engine.dialect, anywhere=True)
    return Query(text, tuple(replace(use, aliased=True) for use in uses), reads=reads)


def assertion_file(source: SourceFile, reading: Reading) -> Assertion | None:
    """Return the standalone assertion of a file in `assertions/`."""
    try:
        file = front_matter.split(source)
        config = decoded(file.front_matter, AssertionFileConfig, reading.problems)
        if config is None or not config.enabled:
            return None
        if file.front_matter is not None:
            refuse_unknown_target(config.target, file.front_matter, reading)
        reading = reading.at(config.target)
        where = file.source.place(file.body)
        text, reads = reading.renderer.render(file.template)
        _refuse_braces(text, where)
        text = translated(text, reading.renderer.dialect, reading.engine, where)
        query = _with_declared(text, reads, frozenset(), reading.engine, where)
    except ProjectError as error:
        reading.problems.extend(error.problems)
        return None
    name = config.name or PurePosixPath(source.path).stem
    borne = threshold(config.fail_above, reading.problems)
    if borne.share is not None:
        message = "a share of rows has no meaning here: the file belongs to no block"
        reading.problems.append(
            Problem(message, config.fail_above.place, "give a number of rows, such as `fail_above: 10`")
        )
    return Assertion(
        name, "file", None, query, where, config.severity, borne, config.sample_rows, config.timeout, config.description,
        source.path, config.target or "",
    )  # fmt: skip
