"""A session of an engine that is not at hand: it tells the columns of queries from their texts, and runs nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlflow.core.engine import Column, Engine
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName
from sqlflow.plan import paper

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class OnPaper:
    """Holds the columns of what was loaded, and no rows."""

    engine: Engine
    tables: dict[TableName, tuple[Column, ...]] = field(default_factory=dict)

    def execute(self, sql: str) -> int | None:
        """Raise StatementError always."""
        raise StatementError("nothing runs on paper")

    def columns(self, sql: str) -> tuple[Column, ...]:
        """Return the columns of a query. Raise StatementError for a fault, and if nothing can be told."""
        return paper.columns(sql, self.tables, self.engine.dialect)

    def load(
        self, relation: TableName, batches: "pa.RecordBatchReader", options: Mapping[str, Any] | None = None
    ) -> None:
        self.tables[relation] = self.engine.loaded(batches.schema)
