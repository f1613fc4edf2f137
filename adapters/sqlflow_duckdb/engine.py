"""DuckDB before anything is opened: its names, its parser, and the SQL that is its own."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec.structs import asdict, replace

from sqlflow.core.config import BlockConfig, IndexConfig
from sqlflow.core.engine import Column, Connection
from sqlflow.core.names import TableName, literal, quoted
from sqlflow_duckdb.settings import DuckDBOptions, DuckDBSettings, ScratchSettings

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_PART = r'(?:"(?:[^"]|"")*"|[^\s".]+)'
_LEADING_NAME = re.compile(rf"{_PART}(?:\.{_PART}){{0,2}}")
"""DuckDB tells a table with its alias or sample behind it: `orders AS o`."""
_READERS = {"csv": "read_csv", "tsv": "read_csv", "txt": "read_csv", "parquet": "read_parquet",
            "json": "read_json", "jsonl": "read_json", "ndjson": "read_json"}  # fmt: skip

_SYNONYMS = {
    "int": "integer", "int4": "integer", "signed": "integer", "int8": "bigint", "long": "bigint", "int2": "smallint",
    "short": "smallint", "int1": "tinyint", "text": "varchar", "string": "varchar", "char": "varchar",
    "bpchar": "varchar", "character varying": "varchar", "float8": "double", "double precision": "double", "float4": "float", "real": "float",
    "bool": "boolean", "logical": "boolean", "numeric": "decimal", "datetime": "timestamp", "timestamptz": "timestamp with time zone",
    "bytea": "blob", "binary": "blob", "varbinary": "blob", "decimal": "decimal(18,3)",
}  # fmt: skip


_NOT_IN_ARROW = re.compile(r"\bTIME WITH TIME ZONE\b|\bBIT\b|\bTUPLE\b|\bVARIANT\b")
"""Types that Arrow changes in silence: it forgets the zone, pads the bits, names what has no name."""
_HUGE = ("HUGEINT", "UHUGEINT")
_NOT_ELSEWHERE = re.compile(r"\b(MAP|UNION)\(")
"""Types that other engines have nothing like."""


class DuckDBEngine:
    """The adapter that the entry point names."""

    name = "duckdb"
    temporary = "main"
    dialect = "duckdb"
    fuses_counts = False
    folds_names = False
    settings = DuckDBSettings
    options = DuckDBOptions

    def default_schema(self, settings: DuckDBSettings) -> str:
        return settings.schema

    def catalog(self, settings: DuckDBSettings) -> str:
        return "memory" if settings.path == ":memory:" else Path(settings.path).name.split(".")[0]

    def secrets(self, settings: DuckDBSettings) -> frozenset[str]:
        return frozenset()

    def open(self, settings: DuckDBSettings, root: Path, readonly: bool = False) -> Connection:
        from sqlflow_duckdb.connection import DuckDBConnection

        # Some settings change what a text is parsed to.
        may_share = isinstance(settings, ScratchSettings) and not settings.settings
        return DuckDBConnection(settings, root, readonly, self._parsed if may_share else {})

    def files(self, settings: DuckDBSettings, root: Path) -> tuple[Path, ...]:
        """Return the database file and its log, which is there while something is not in the file.

        Empty for a database in memory, with a copy, or with settings that may send it to files elsewhere.
        """
        if settings.path == ":memory:" or settings.publish_copy or settings.settings:
            return ()
        written = root / settings.path
        return tuple(Path(f"{file}{end}") for file in sorted({written, written.resolve()}) for end in ("", ".wal"))

    def scratch(self, settings: DuckDBSettings) -> DuckDBSettings:
        return ScratchSettings(**(asdict(settings) | {"path": ":memory:", "publish_copy": ""}))

    def limited(self, settings: DuckDBSettings, memory_bytes: int) -> DuckDBSettings:
        return replace(settings, memory_limit=f"{memory_bytes}B")

    @cached_property
    def _parsed(self) -> "dict[str, duckdb.Statement]":
        """Single SELECTs that were parsed, for whoever binds them next: parsing is half of that."""
        return {}

    @cached_property
    def _parser(self) -> "_Parser":
        return _Parser(self._parsed)

    def table_names(self, sql: str) -> frozenset[TableName] | None:
        return self._parser.table_names(sql)

    def syntax_error(self, sql: str) -> tuple[str, int | None] | None:
        return self._parser.syntax_error(sql)

    def version(self) -> str:
        import duckdb

        return duckdb.__version__

    def is_of_now(self, word: str, is_text: bool) -> bool:
        return not is_text and word in ("current_catalog", "current_schema")

    def stability(self, function: str) -> Literal["stable", "volatile", "unknown"]:
        return self._parser.stabilities.get(function, "unknown")

    def adapted(self, tree: Any) -> Any:
        return tree

    def type_name(self, text: str) -> str:
        text = re.sub(r"\s*([(),\[\]])\s*", r"\1", " ".join(text.lower().split()))
        base, bracket, size = text.partition("(")
        known = _SYNONYMS.get(base, base)
        if not bracket:
            return known
        plain = known.partition("(")[0]
        return plain if plain == "varchar" else f"{plain}({size}"

    def file_query(self, path: str, options: dict[str, Any]) -> str | None:
        suffix = path.removesuffix(".gz").removesuffix(".zst").rsplit(".", 1)[-1].lower()
        reader = _READERS.get(suffix, "read_csv")
        given = "".join(f", {quoted(name)} = {_option(value)}" for name, value in options.items())
        return f"select * from {reader}({literal(path)}{given})"

    def as_arrow(self, column: Column) -> str | None:
        if _NOT_IN_ARROW.search(column.type) or ("HUGEINT" in column.type and column.type not in _HUGE):
            return None
        own = quoted(column.name)
        return f"cast({own} as decimal(38, 0))" if column.type in _HUGE else own

    def carried(self, column: Column) -> str | None:
        return None if _NOT_ELSEWHERE.search(column.type) else self.as_arrow(column)

    def sent(self, columns: Sequence[Column]) -> "pa.Schema":
        listed = ", ".join(f"cast(null as {column.type}) as {quoted(column.name)}" for column in columns)
        selected = ", ".join(f"{self.carried(column)} as {quoted(column.name)}" for column in columns)
        return self._parser.schema(f"select {selected} from (select {listed}) where false")

    def loaded(self, schema: "pa.Schema") -> tuple[Column, ...]:
        return self._parser.loaded(schema)

    def unfit(self, config: BlockConfig) -> Iterator[tuple[str, str]]:
        if config.materialize == "materialized_view":
            yield "materialize", "DuckDB has no materialized views: say `table`"
        if any(index.where for index in config.indexes):
            yield "indexes", "DuckDB has no partial indexes: an index takes no `where`"
        if config.grants:
            yield "grants", "DuckDB has no roles: a block takes no `grants`"

    def create(self, relation: TableName, kind: str, options: Mapping[str, Any]) -> str:
        return f"create {kind} {relation.sql}"

    def arranged(self, relation: TableName, options: Mapping[str, Any], ask: Any) -> tuple[str, ...]:
        return ()

    def index(self, relation: TableName, name: str, index: IndexConfig) -> str:
        listed = ", ".join([*map(quoted, index.columns), *(f"({one})" for one in index.expressions)])
        return f"create {'unique ' if index.unique else ''}index {quoted(name)} on {relation.sql} ({listed})"

    def analyzed(self, relation: TableName, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return nothing: DuckDB keeps its statistics by itself."""
        return ()

    def granted(
        self, view: TableName, grants: Mapping[str, Sequence[str]], given: Mapping[str, Sequence[str]], ask: Any
    ) -> tuple[str, ...]:
        """Return nothing: there are no roles, so that loading refuses `grants`."""
        return ()

    def content(self, relation: TableName, columns: Sequence[Column], ordered: bool) -> str | None:
        hashed = ", ".join([*map(_exactly, columns), *(["rowid"] if ordered else [])])
        return (
            f"select count(*), sum(h::hugeint)::varchar, bit_xor(h)::varchar, {_collations(relation)} from"
            f" (select hash({hashed}) as h from {relation.sql})"
        )

    def failing_pattern(self, column: str, pattern: str) -> str:
        return f"not regexp_matches({column}, {pattern})"

    def older_than(self, value: str, seconds: float) -> str:
        return f"({value} is null or {value} < now()::timestamp - to_seconds({seconds!r}))"


def _collations(relation: TableName) -> str:
    """Return the query of how a table's texts compare: no type shows it, and readers of equal texts give other rows for it."""
    return (
        r"""(select regexp_extract_all(sql, '("[^"]+"|\w+) VARCHAR COLLATE [^,)]+')::varchar from duckdb_tables()"""
        f" where database_name = current_database() and schema_name = {literal(relation.schema)}"
        f" and table_name = {literal(relation.name)})"
    )


_PLAIN = re.compile(
    r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|BOOLEAN|DECIMAL.*|VARCHAR|DATE|TIME|TIMESTAMP.*|UUID|BLOB|BIT|ENUM.*)(?<!\])"
)


def _exactly(column: Column) -> str:
    """Return what to hash of a column so that no two values are taken for one: DuckDB has 0.0 equal to -0.0, and a month to
    30 days.
    """
    name = quoted(column.name)
    if column.type in ("DOUBLE", "FLOAT"):
        return f"{name}, signbit({name})"
    return name if _PLAIN.fullmatch(column.type) else f"{name}, {name}::varchar"


def _option(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_option(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(str(key))}: {_option(item)}" for key, item in value.items()) + "}"
    return literal(value)


_VOLATILE_TOO = frozenset(
    {"age", "ago", "current_localtime", "current_localtimestamp", "current_setting", "getenv", "getvariable", "user",
     "version"}
)  # fmt: skip
"""Not told as volatile by every DuckDB, but they depend on more than their arguments: `age` of one goes by the clock."""
_STABLE = """(coalesce(stability, 'CONSISTENT') = 'CONSISTENT'
 or stability = 'CONSISTENT_WITHIN_QUERY' and len(parameter_types) > 0
 and regexp_matches(parameter_types::varchar || return_type, 'TIMESTAMPTZ|WITH TIME ZONE'))"""
"""What says so of a function. From 2.0.1 on, what is given times with a zone is told as the same within one query alone: it
goes by the session's zone, which is in every key."""
_STABLE_TABLE_FUNCTIONS = ("range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree")


_CHARACTERS_KEPT = 4 << 20
"""Of how much text the statements are kept: each takes a dozen bytes of memory."""


class _Parser:
    """DuckDB's own parser, in a database of its own that holds nothing."""

    def __init__(self, parsed: "dict[str, duckdb.Statement]") -> None:
        """Add to `parsed` the SELECTs that are read, as many as are kept."""
        import duckdb

        self._parsed = parsed
        self._characters = 0
        self._connection = duckdb.connect(":memory:", config={"python_enable_replacements": "false"})
        self._lock = threading.Lock()

    @cached_property
    def stabilities(self) -> dict[str, Literal["stable", "volatile"]]:
        """What DuckDB itself says of its functions; a macro that calls a volatile one is volatile."""
        with self._lock:
            found = self._connection.execute(
                f"select lower(function_name), bool_and({_STABLE}),"
                " coalesce(lower(string_agg(macro_definition, ' ')), '')"
                " from duckdb_functions() where function_type in ('scalar', 'aggregate', 'window', 'macro') group by 1"
            ).fetchall()
        volatile = {name for name, is_stable, _ in found if not is_stable} | _VOLATILE_TOO
        volatile |= {
            name
            for name, _, text in found
            if re.search(r"\b(now|random|uuid|current_\w+|getvariable|duckdb_\w+|pragma_\w+)\b", text)
        }
        told: dict[str, Literal["stable", "volatile"]] = {
            name: "volatile" if name in volatile else "stable" for name, *_ in found
        }
        return told | dict.fromkeys(_STABLE_TABLE_FUNCTIONS, "stable")

    def schema(self, sql: str) -> "pa.Schema":
        import duckdb

        from sqlflow_duckdb.errors import statement_error

        try:
            with self._lock:
                return self._connection.sql(sql).to_arrow_reader().read_all().schema
        except duckdb.Error as error:
            raise statement_error(error, sql) from error

    def loaded(self, schema: "pa.Schema") -> tuple[Column, ...]:
        import duckdb

        from sqlflow_duckdb import enums
        from sqlflow_duckdb.errors import statement_error

        sql = f"describe select *{enums.clause(schema)} from sqlflow_nothing"
        try:
            with self._lock:
                self._connection.register("sqlflow_nothing", schema.empty_table())
                found = self._connection.execute(sql).fetchall()
                self._connection.unregister("sqlflow_nothing")
        except duckdb.Error as error:
            raise statement_error(error, sql) from error
        return tuple(Column(name, kind) for name, kind, *_ in found)

    def table_names(self, sql: str) -> frozenset[TableName] | None:
        import duckdb

        try:
            with self._lock:
                names = self._connection.get_table_names(sql, qualified=True)
        except duckdb.Error:
            return None
        return frozenset(TableName.parse(match.group()) for name in names if (match := _LEADING_NAME.match(name)))

    def syntax_error(self, sql: str) -> tuple[str, int | None] | None:
        import duckdb

        try:
            with self._lock:
                statements = self._connection.extract_statements(sql)
        except duckdb.Error as error:
            from sqlflow_duckdb.errors import statement_error

            told = statement_error(error, sql)
            return told.message, told.position
        # DuckDB makes several statements of one PIVOT; those have no text of their own.
        if any(statement.query.strip() for statement in statements[:-1]):
            return "this must be one statement", len(statements[0].query)
        if len(statements) == 1 and statements[0].type == duckdb.StatementType.SELECT:
            self._keep(sql, statements[0])
        return None

    def _keep(self, sql: str, statement: "duckdb.Statement") -> None:
        if self._characters < _CHARACTERS_KEPT:
            self._characters += len(sql)
            self._parsed[sql] = statement
