"""Environments: named sets of published relations, all over the same versions."""

import re

from msgspec import Struct

from sqlflow.core.errors import UsageError
from sqlflow.core.names import TableName

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_RESERVED = "sqlflow"


class Environment(Struct, frozen=True):
    """Where blocks are published: `prod` in their own schemas, any other in schemas with its name in front.

    >>> str(Environment("dev").relation(TableName("marts", "revenue")))
    'dev__marts.revenue'
    """

    name: str

    @classmethod
    def parse(cls, text: str) -> "Environment":
        """Return the environment of that name. Raise UsageError for what cannot be the beginning of a schema's name."""
        if not _NAME.fullmatch(text):
            plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_0123456789")
            message = f"`{text}` is no name of an environment: it may hold small letters, digits and single `_`, a letter first"
            raise UsageError(message, hint=f"call it `{plain}`" if _NAME.fullmatch(plain) else "call it `dev`")
        if text.startswith(_RESERVED):
            raise UsageError(f"`{text}` is no name of an environment: `{_RESERVED}` at the beginning is reserved")
        return cls(text)

    @property
    def is_prod(self) -> bool:
        return self.name == PROD.name

    @property
    def flag(self) -> str:
        """The option that names it, with a blank before it; empty for `prod`."""
        return "" if self.is_prod else f" --env {self.name}"

    def relation(self, block: TableName) -> TableName:
        """Return the relation that shows a block."""
        return block if self.is_prod else TableName(f"{self.name}__{block.schema}", block.name)


PROD = Environment("prod")
