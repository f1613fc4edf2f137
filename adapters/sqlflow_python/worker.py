"""A process of functions, seen from the run: calls go in, batches and errors come out."""

import json
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlflow.core.errors import BuildError, Problem
from sqlflow.core.process import Child, clean_environment, ended_text
from sqlflow.core.runtime import Ask, Call, Inputs, Say, Verdict
from sqlflow_python.wire import Closed, receive, send_json

if TYPE_CHECKING:
    import pyarrow as pa

_FRAMES_SHOWN = 8


class PythonWorker:
    """One process, kept warm: its next call begins with the modules that the last one has imported."""

    def __init__(self, folder: Path) -> None:
        ours, theirs = socket.socketpair()
        self._sock = ours
        with theirs:
            # Not isolated by -I, which would leave texts another hash, and so sets another order, in each process.
            command = [sys.executable, "-s", "-P", "-u", "-m", "sqlflow_python.child", str(theirs.fileno())]
            self._child = Child(command, clean_environment({"PYTHONHASHSEED": "0"}), folder, [theirs.fileno()])
        self._interrupted = False
        self._talk: _Talk | None = None

    @property
    def reached(self) -> str:
        return self._talk.reached if self._talk else ""

    @property
    def is_alive(self) -> bool:
        return not self._interrupted and self._child.is_alive

    def interrupt(self) -> None:
        self._interrupted = True
        self._child.kill("it was stopped")

    def close(self) -> None:
        self._child.close()
        self._sock.close()

    @contextmanager
    def run(self, call: Call, inputs: Inputs, ask: Ask, say: Say) -> "Iterator[pa.RecordBatchReader]":
        talk = self._talk = _Talk(self._sock, self._child, call, ask)
        files = talk.written(inputs)
        with self._told(call, say) as mark:
            talk.begin(files, {"mark": mark, "checks": False})
            reader = talk.reader()
            try:
                yield reader
            except Exception as error:
                if talk.error is not None:
                    raise talk.error from error
                if not talk.ended:
                    self._child.kill("its rows were not wanted any more")
                raise

    def check(self, call: Call, inputs: Inputs, ask: Ask, say: Say) -> Verdict:
        talk = self._talk = _Talk(self._sock, self._child, call, ask)
        files = talk.written(inputs)
        with self._told(call, say) as mark:
            talk.begin(files, {"mark": mark, "checks": True, "sample_rows": 10})
            return talk.verdict()

    @contextmanager
    def _told(self, call: Call, say: Say) -> Iterator[str]:
        mark = f"\x00sqlflow {secrets.token_hex(16)}"
        self._child.limit(call.memory_bytes)
        self._child.prints.begin(say, mark)
        try:
            yield mark
        finally:
            if self._child.is_alive and not self._interrupted:
                self._child.limit(None)
            self._child.prints.end()


class _Talk:
    """What is said over the socket in one call."""

    def __init__(self, sock: socket.socket, child: Child, call: Call, ask: Ask) -> None:
        self.sock = sock
        self.child = child
        self.call = call
        self.ask = ask
        self.error: BuildError | None = None
        self.ended = False
        self.reached = ""
        self.questions = 0

    def written(self, inputs: Inputs) -> dict[str, tuple[str, str]]:
        """Write the rows of each input aside, and return its file and the kind of its frame."""
        function = self.call.function
        kinds = {one.name: one.frame for one in (*function.arguments, *([function.output] if function.output else []))}
        files: dict[str, tuple[str, str]] = {}
        for number, (name, batches) in enumerate(inputs):
            path = self.call.scratch.parent / f"{self.call.scratch.name}-{number}.arrow"
            _write(path, batches)
            files[name] = (str(path), kinds[name])
        return files

    def begin(self, files: Mapping[str, tuple[str, str]], more: Mapping[str, Any]) -> None:
        """Send the call. From here on the process ends what it prints with a mark, or dies."""
        function = self.call.function
        around = self.call.surroundings
        sent = {
            "function": function.name, "path": str(self.call.root / self.call.source.path), "text": self.call.source.text,
            "root": str(self.call.root), "scratch": str(self.call.scratch), "inputs": dict(files), "values": dict(self.call.values),
            "takes_context": function.takes_context,
            "surroundings": {
                "block": around.block, "target": around.target, "run": around.run, "seed": around.seed,
                "vars": dict(around.vars), "env": dict(around.env), "incremental": around.incremental,
                "start": around.start and around.start.isoformat(), "end": around.end and around.end.isoformat(),
            },
        }  # fmt: skip
        try:
            send_json(self.sock, "c", json.loads(json.dumps({**sent, **more}, default=str)))
        except Closed:
            raise self._died() from None

    def reader(self) -> "pa.RecordBatchReader":
        """Return the function's rows. Raise BuildError if there are none to come."""
        import pyarrow as pa

        schema = pa.ipc.read_schema(pa.py_buffer(self._next("s")))
        return pa.RecordBatchReader.from_batches(schema, self._batches(schema))

    def _batches(self, schema: "pa.Schema") -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        while (payload := self._next("b")) is not None:
            yield pa.ipc.read_record_batch(pa.py_buffer(payload), schema)

    def verdict(self) -> Verdict:
        try:
            told = json.loads(self._next("d") or b"{}")
        except BuildError as error:
            if not isinstance(error, _NotHeld):
                raise
            problem = error.problems[0]
            return Verdict(1, problem.message, problem=problem)
        return Verdict(
            told["failing"], told.get("message", ""), tuple(told.get("columns", ())),
            tuple(tuple(row) for row in told.get("sample", ())),
        )  # fmt: skip

    def _next(self, wanted: str) -> bytearray | None:
        """Return the next payload of the kind that is wanted, or None at the end; questions are answered in between."""
        while True:
            try:
                kind, payload = receive(self.sock)
            except Closed:
                raise self._failed(self._died()) from None
            if kind == "q":
                self._answer(json.loads(payload)["sql"])
            elif kind == "d":
                self.ended = True
                self.reached = json.loads(payload)["reached"]
                return payload if wanted == "d" else None
            elif kind == wanted:
                return payload
            else:
                self.ended = True
                raise self._failed(self._of_user(json.loads(payload)))

    def _failed(self, error: BuildError) -> BuildError:
        self.error = error
        return error

    def _answer(self, sql: str) -> None:
        self.questions += 1
        path = self.call.scratch.parent / f"{self.call.scratch.name}-q{self.questions}.arrow"
        try:
            with self.ask(sql) as batches:
                _write(path, batches)
        except BuildError as error:
            message = "; ".join(problem.message for problem in error.problems)
            hints = [problem.hint for problem in error.problems if problem.hint]
            send_json(self.sock, "f", {"message": f"context.sql(): {message}" + (f" ({hints[0]})" if hints else "")})
        else:
            send_json(self.sock, "a", {"path": str(path)})

    def _died(self) -> BuildError:
        """Return what to say of a process that has ended before its function has returned."""
        code = self.child.wait()
        self.child.prints.join()
        why = self.child.killed_for or f"its process ended with {ended_text(code)} before the function had returned"
        if code == -9 and not self.child.killed_for:
            why += ": it may have been killed because the system ran out of memory"
        said = "".join(f"\n      │ {line}" for line in self.child.prints.last)
        text = f"`{self.call.function.name}` gave no result: {why}" + (
            f"; the last that it printed:{said}" if said else ""
        )
        return BuildError(text, self._place())

    def _place(self) -> Any:
        function = self.call.function
        return self.call.source.place(function.start, function.end - function.start)

    def _of_user(self, told: dict[str, Any]) -> BuildError:
        if "type" not in told:
            return BuildError(told["message"], self._place(), told["hint"])
        own = str(self.call.root / self.call.source.path)
        frames: list[tuple[str, int, str]] = [(str(path), int(line), str(name)) for path, line, name in told["frames"]]
        line = next((line for path, line, _ in reversed(frames) if path == own), 0)
        place = self.call.source.line_place(line, 0) if line else self._place()
        message = f"{told['type']}: {told['message']}".rstrip(": ")
        calls = [f"\n      {self._shown(path)}:{line} in {name}" for path, line, name in frames[-_FRAMES_SHOWN:]]
        if len(frames) > 1 or (frames and frames[0][0] != own):
            message += "\n    called through" + "".join(calls)
        kind = _NotHeld if told.get("assertion") and self.call.function.output else BuildError
        return kind(Problem(message, place, self._hint(told)))

    def _shown(self, path: str) -> str:
        with suppress(ValueError):
            return str(Path(path).relative_to(self.call.root))
        return Path(path).name

    def _hint(self, told: dict[str, Any]) -> str:
        if told["type"] == "ModuleNotFoundError" and told.get("module"):
            package = str(told["module"]).split(".")[0]
            return f"install it, as `pip install {package}`, and list it in `requirements`; modules of the project belong into `lib/`"
        if "Decimal precision out of range" in told["message"]:
            return 'a DECIMAL is exact to its last digit: make floats of it, as `column.astype("float64")`, or cast it in SQL'
        return ""


class _NotHeld(BuildError):
    """Only inside this module: the user's `assert` did not hold, which is an answer and no fault."""


def _write(path: Path, batches: "pa.RecordBatchReader") -> None:
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batches.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
