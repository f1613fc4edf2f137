"""The one key by which every block and source is known."""

import re
from functools import lru_cache
from typing import NamedTuple

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


class TableName(NamedTuple):
    """A table's name in lower case: names are unique without regard to case.

    `schema` and `catalog` are empty where the writer gave none. A tuple, since names are the keys of all that is looked
    up: it is hashed and compared without a call into Python.
    """

    schema: str
    name: str
    catalog: str = ""

    @classmethod
    def of(cls, *parts: str) -> "TableName":
        """Return the name for `name`, `schema, name` or `catalog, schema, name`."""
        catalog, schema, name = ("", "", *parts)[-3:]
        return cls(schema.lower(), name.lower(), catalog.lower())

    @classmethod
    def parse(cls, text: str) -> "TableName":
        """Return the name written as `schema.name`, quotes allowed.

        >>> TableName.parse('staging."Stg Orders"')
        TableName(schema='staging', name='stg orders', catalog='')
        """
        parts = re.findall(r'"((?:[^"]|"")*)"|([^."]+)', text.strip())
        return cls.of(*(quoted.replace('""', '"') or plain for quoted, plain in parts[:3]))

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(part for part in (self.catalog, self.schema, self.name) if part)

    @property
    def sql(self) -> str:
        """The name as SQL text, each part quoted."""
        return ".".join(quoted(part) for part in self.parts)

    def __str__(self) -> str:
        return _written(self)


@lru_cache(1 << 16)  # a plan says each name a dozen times
def _written(name: TableName) -> str:
    return ".".join(part if _PLAIN.fullmatch(part) else quoted(part) for part in name.parts)


def quoted(identifier: str) -> str:
    """Return `identifier` as a quoted SQL identifier.

    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + identifier.replace('"', '""') + '"'


def literal(value: object) -> str:
    """Return `value` as a SQL literal: text, number, Boolean, NULL, or an ISO date or time in quotes."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"
