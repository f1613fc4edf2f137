"""Postgres before anything is opened: its names, what can be told of SQL, and the SQL that is its own."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from sqlflow.core.config import BlockConfig, IndexConfig
from sqlflow.core.engine import Column, Connection, Rows
from sqlflow.core.names import TableName, quoted
from sqlflow_postgres import arrow, content, functions, tables, views
from sqlflow_postgres.settings import PostgresOptions, PostgresSettings

if TYPE_CHECKING:
    import pyarrow as pa

NAME_BYTES = 63
_KEYWORD = re.compile(r"(?P<name>\w+)\s*=\s*(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|(?P<plain>\S+))")
_CLOSED_OR_OPEN = re.compile(
    r"""--[^\n]*|'(?:[^']|'')*'|"(?:[^"]|"")*"|/\*.*?\*/|\$(\w*)\$.*?\$\1\$|(?P<open>'|"|/\*)""", re.DOTALL
)
_SYNONYMS = {
    "int": "integer", "int4": "integer", "int8": "bigint", "int2": "smallint", "bool": "boolean", "float": "double precision",
    "float8": "double precision", "double": "double precision", "float4": "real", "decimal": "numeric", "string": "text",
    "varchar": "text", "character varying": "text", "datetime": "timestamp", "timestamp without time zone": "timestamp",
    "timestamptz": "timestamp with time zone", "time without time zone": "time", "timetz": "time with time zone",
    "char": "character", "bpchar": "character", "blob": "bytea", "varbit": "bit varying",
}  # fmt: skip


class PostgresEngine:
    """The adapter that the entry point names."""

    name = "postgres"
    temporary = "pg_temp"
    dialect = "postgres"
    fuses_counts = True
    folds_names = True
    settings = PostgresSettings
    options = PostgresOptions

    def default_schema(self, settings: PostgresSettings) -> str:
        return settings.schema

    def catalog(self, settings: PostgresSettings) -> str:
        return _parameters(settings.url).get("dbname", "")

    def secrets(self, settings: PostgresSettings) -> frozenset[str]:
        password = _parameters(settings.url).get("password", "")
        return frozenset({password, unquote(password)} - {""})

    def open(self, settings: PostgresSettings, root: Path, readonly: bool = False) -> Connection:
        from sqlflow_postgres.connection import PostgresConnection

        return PostgresConnection(settings, readonly)

    def files(self, settings: PostgresSettings, root: Path) -> tuple[Path, ...]:
        """Return nothing: a server has them."""
        return ()

    def scratch(self, settings: PostgresSettings) -> None:
        return None

    def limited(self, settings: PostgresSettings, memory_bytes: int) -> PostgresSettings:
        """Return the settings as they are: the server shares its memory by settings of its own."""
        return settings

    def table_names(self, sql: str) -> frozenset[TableName] | None:
        """Return None always: Postgres's parser is in the server, and loading asks no server."""
        return None

    def syntax_error(self, sql: str) -> tuple[str, int | None] | None:
        """Return what is wrong for sure: several statements, an open quote, or a name that Postgres would cut."""
        from sqlglot.dialects import Dialect
        from sqlglot.errors import TokenError

        try:
            tokens = Dialect.get_or_raise(self.dialect).tokenize(sql)
        except TokenError:
            return "a quote or a comment is opened and not closed", _open_quote(sql)
        for token in tokens:
            length = len(token.text.encode())
            if length > NAME_BYTES and token.token_type.name in ("VAR", "IDENTIFIER"):
                return f"the name `{token.text}` is {length} bytes long: Postgres has at most {NAME_BYTES}", token.start
        ends = [number for number, token in enumerate(tokens) if token.token_type.name == "SEMICOLON"]
        following = [tokens[end + 1] for end in ends if end + 1 < len(tokens) and end + 1 not in ends]
        return ("this must be one statement", following[0].start) if following else None

    def version(self) -> str:
        """Return an empty text: the server's version is known to the server alone, and keys are made without it."""
        return ""

    def stability(self, function: str) -> Literal["stable", "volatile", "unknown"]:
        return functions.stability(function)

    def is_of_now(self, word: str, is_text: bool) -> bool:
        return functions.is_moment(word) if is_text else word in functions.OF_THE_SESSION

    def adapted(self, tree: Any) -> Any:
        from sqlflow_postgres.adapted import adapted

        return adapted(tree)

    def type_name(self, text: str) -> str:
        text = re.sub(r"\s*([(),\[\]])\s*", r"\1", " ".join(text.lower().split()))
        found = re.fullmatch(r"([a-z0-9_ ]+?)(\(.*?\))?( with(?:out)? time zone)?((?:\[\])*)", text)
        if not found:
            return text
        base, size, zone, brackets = (part or "" for part in found.groups())
        base = _SYNONYMS.get(base + zone, base + zone)
        return base + ("" if base == "text" else size) + brackets

    def file_query(self, path: str, options: dict[str, Any]) -> str | None:
        return None

    def as_arrow(self, column: Column) -> str | None:
        return quoted(column.name)

    def carried(self, column: Column) -> str | None:
        return quoted(column.name) if arrow.is_exact(column.type) else None

    def sent(self, columns: Sequence[Column]) -> "pa.Schema":
        import pyarrow as pa

        return pa.schema([(column.name, arrow.arrow_type(column.type)) for column in columns])

    def loaded(self, schema: "pa.Schema") -> tuple[Column, ...]:
        return tuple(Column(field.name, arrow.ddl_type(field.type)) for field in schema)

    def unfit(self, config: BlockConfig) -> Iterator[tuple[str, str]]:
        for privilege in config.grants:
            if privilege.lower() not in views.PRIVILEGES:
                known = ", ".join(f"`{one}`" for one in views.PRIVILEGES)
                yield "grants", f"`{privilege}` is no privilege on a relation: there are {known}"
        if config.materialize == "materialized_view":
            for key in ("unlogged", "partition_by"):
                if config.options.get(key):
                    yield "options", f"a materialized view takes no `{key}`: say `materialize: table`"

    def create(self, relation: TableName, kind: str, options: Mapping[str, Any]) -> str:
        return tables.create(relation, kind, options)

    def arranged(self, relation: TableName, options: Mapping[str, Any], ask: Callable[[str], Rows]) -> Iterable[str]:
        return tables.partitioned(relation, options, ask)

    def index(self, relation: TableName, name: str, index: IndexConfig) -> str:
        listed = ", ".join([*map(quoted, index.columns), *(f"({one})" for one in index.expressions)])
        where = f" where {index.where}" if index.where else ""
        return f"create {'unique ' if index.unique else ''}index {quoted(name)} on {relation.sql} ({listed}){where}"

    def analyzed(self, relation: TableName, options: Mapping[str, Any]) -> Iterable[str]:
        return tables.analyzed(relation, options)

    def granted(
        self,
        view: TableName,
        grants: Mapping[str, Sequence[str]],
        given: Mapping[str, Sequence[str]],
        ask: Callable[[str], Rows],
    ) -> Iterable[str]:
        return views.granted(view, grants, given, ask)

    def content(self, relation: TableName, columns: Sequence[Column], ordered: bool) -> str | None:
        return content.query(relation, columns, ordered)

    def failing_pattern(self, column: str, pattern: str) -> str:
        return f"not {column} ~ {pattern}"

    def older_than(self, value: str, seconds: float) -> str:
        return f"({value} is null or {value} < now() - interval '{seconds!r} seconds')"


def _parameters(url: str) -> dict[str, str]:
    """Return what a connection URL or a text of keywords says, without libpq: loading a project does without it."""
    if "://" not in url:
        found = _KEYWORD.finditer(url)
        return {match["name"]: re.sub(r"\\(.)", r"\1", match["quoted"] or match["plain"] or "") for match in found}
    try:
        parts = urlsplit(url)
    except ValueError:
        return {}
    query = dict(pair.partition("=")[::2] for pair in parts.query.split("&"))
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    given = {"dbname": unquote(parts.path[1:]), "password": password or query.get("password", "")}
    return given | {"user": unquote(user)}


def _open_quote(sql: str) -> int | None:
    """Return where the quote or comment begins that is not closed."""
    return next((match.start("open") for match in _CLOSED_OR_OPEN.finditer(sql) if match["open"]), None)
