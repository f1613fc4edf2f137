"""What Python values Postgres's are in rows that are held in memory: those that Python has no like of are what Postgres writes."""

from typing import Any

from psycopg import DataError
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.types import datetime
from psycopg.types.string import TextLoader


def register(adapters: AdaptersMap) -> None:
    """Let `adapters` give JSON as text, and times that Python does not have, such as infinity and those before the year 1."""
    for kind in ("json", "jsonb"):
        adapters.register_loader(kind, TextLoader)
    for kind, loader in _TIMES.items():
        adapters.register_loader(kind, _or_as_text(loader))


_TIMES: dict[str, type[Loader]] = {
    "date": datetime.DateLoader,
    "time": datetime.TimeLoader,
    "timestamp": datetime.TimestampLoader,
    "timestamptz": datetime.TimestamptzLoader,
    "interval": datetime.IntervalLoader,
}


def _or_as_text(loader: type[Loader]) -> type[Loader]:
    class OrAsText(Loader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._exact = loader(oid, context)

        def load(self, data: Buffer) -> Any:
            try:
                return self._exact.load(data)
            except DataError:
                return bytes(data).decode()

    return OrAsText
