"""A target that tests open as often as they like."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlflow.core.engine import Connection, Engine


@dataclass
class OpenTarget:
    """A target of an engine, opened as often as asked; `settings` point to a place that holds nothing."""

    engine: Engine
    settings: Any
    root: Path
    opened: list[Connection] = field(default_factory=list)

    def open(self, readonly: bool = False) -> Connection:
        connection = self.engine.open(self.settings, self.root, readonly)
        self.opened.append(connection)
        return connection

    def close(self) -> None:
        while self.opened:
            self.opened.pop().close()
