"""What lies in a target, asked for once."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct, field

from sqlflow.core.engine import Relation


class Lists(Protocol):
    """What can list the relations of schemas: a connection, or what remembers its answers."""

    def relations(self, schemas: Sequence[str]) -> tuple[Relation, ...]: ...


class Listing(Struct):
    """What lies in a target's schemas at one time: each of them is asked for once."""

    connection: Lists
    found: dict[str, list[Relation]] = field(default_factory=dict)

    def relations(self, schemas: Sequence[str]) -> tuple[Relation, ...]:
        """Return the tables and views of the schemas."""
        missing = [schema for schema in schemas if schema not in self.found]
        self.found |= {schema: [] for schema in missing}
        for relation in self.connection.relations(missing) if missing else ():
            self.found[relation.name.schema].append(relation)
        return tuple(relation for schema in schemas for relation in self.found[schema])
