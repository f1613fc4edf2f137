"""A real R process for tests, and calls of functions in it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from sqlflow.core.errors import BuildError
from sqlflow.core.runtime import Call, Surroundings, Verdict, Worker
from sqlflow.core.text import SourceFile
from sqlflow.read.yaml import parse
from sqlflow_duckdb.enums import reader
from sqlflow_r import RUNTIME


class Bench:
    """Calls functions of R texts on queries of a DuckDB in memory, in one warm process."""

    def __init__(self, folder: Path) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("set global TimeZone = 'UTC'")
        self.said: list[str] = []
        self._folder = folder
        self._worker: Worker | None = None
        self._calls = 0

    @property
    def worker(self) -> Worker:
        if self._worker is None or not self._worker.is_alive:
            self.close()
            self._worker = RUNTIME.start()
        return self._worker

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()

    def rows(self, text: str, inputs: Mapping[str, str] | None = None, **more: Any) -> pa.Table:
        """Return what the block of an R file gives for queries as inputs."""
        call = self._call(text, 0, **more)
        with self.worker.run(call, self._inputs(inputs or {}), self._ask, self.said.append) as reader:
            return reader.read_all()

    def verdict(self, text: str, inputs: Mapping[str, str]) -> Verdict:
        """Return what the first assertion of an R file says."""
        call = self._call(text, 1)
        return self.worker.check(call, self._inputs(inputs), self._ask, self.said.append)

    def _call(self, text: str, number: int, values: Mapping[str, Any] | None = None, memory: int | None = None) -> Call:
        self.said.clear()
        self._calls += 1
        scratch = self._folder / str(self._calls)
        scratch.mkdir()
        source = SourceFile("blocks/block.R", text)
        file = RUNTIME.read(source, parse, {})
        function = (file.block, *file.assertions)[number]
        around = Surroundings("main.block", "dev", "a-run", 7, {"n": 3, "names": ["a", "é"]}, {"TOKEN": "t"})
        return Call(function, source, self._folder, scratch, values or {}, around, memory)

    def _inputs(self, queries: Mapping[str, str]) -> Iterator[tuple[str, pa.RecordBatchReader]]:
        for name, query in queries.items():
            yield name, reader(self.connection.cursor().sql(query))

    @contextmanager
    def _ask(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        try:
            yield self.connection.cursor().sql(sql).to_arrow_reader()
        except duckdb.Error as error:
            raise BuildError(str(error).splitlines()[0]) from error
