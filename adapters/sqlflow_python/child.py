"""The process in which functions run: takes one call after the other, and begins each as if it were the first."""

import json
import linecache
import logging
import os
import socket
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlflow_python.fresh import import_from_text
from sqlflow_python.types import Refused
from sqlflow_python.watch import Watch
from sqlflow_python.wire import Closed, receive, send, send_json

_TEXT_CHARACTERS = 4000


def main() -> None:
    """Serve the socket whose number is the first argument, until it is closed."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    environment, folder, path, watch = dict(os.environ), Path.cwd(), list(sys.path), Watch()
    while True:
        try:
            kind, payload = receive(sock)
        except Closed:
            return
        assert kind == "c"
        call = json.loads(payload)
        try:
            watch.begin(call["root"], path, Path(call["scratch"]))
            _Call(sock, call, watch).answer()
        finally:
            _flush()
            os.write(1, call["mark"].encode() + b"\n")
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.path[:] = path


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue


class _Call:
    """One call while it lasts."""

    def __init__(self, sock: socket.socket, call: dict[str, Any], watch: Watch) -> None:
        self.sock = sock
        self.call = call
        self.watch = watch
        self.scratch = Path(call["scratch"])
        self.process = os.getpid()

    def answer(self) -> None:
        """Call the function and send what it gives, or what went wrong. A copy that the function forked says nothing."""
        try:
            os.chdir(self.scratch)
            import_from_text(self.call["root"])
            sys.path.append(self.call["root"])
            value = self._called()
            self._end_a_copy()
            if self.call["checks"]:
                self._send_verdict(value)
            else:
                self._send_rows(value)
        except Closed:
            raise
        except Refused as error:
            self._send_error({"message": error.message, "hint": error.hint})
        except AssertionError as error:
            self._send_error(self._told(error) | {"assertion": True})
        except BaseException as error:  # noqa: BLE001  whatever a user's code raises, sys.exit() included, is told
            self._send_error(self._told(error))

    def _called(self) -> Any:
        function = getattr(self._module(), self.call["function"], None)
        if not callable(function):
            raise Refused(f"`{self.call['function']}` is no function when the file is run")
        from sqlflow_python.frames import frame

        arguments = {name: frame(Path(path), kind) for name, (path, kind) in self.call["inputs"].items()}
        arguments |= self.call["values"]
        if self.call["takes_context"]:
            arguments["context"] = self._context()
        return function(**arguments)

    def _module(self) -> ModuleType:
        """Return the user's file as a module, made from the text that was loaded."""
        path, text = self.call["path"], self.call["text"]
        module = ModuleType(f"sqlflow_block_{Path(path).stem}")
        module.__file__ = path
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
        sys.modules[module.__name__] = module
        exec(compile(text, path, "exec"), module.__dict__)
        return module

    def _context(self) -> Any:
        from datetime import datetime

        from sqlflow.core.functions import Context

        log = logging.getLogger(f"sqlflow.block.{self.call['surroundings']['block']}")
        if not log.handlers:
            handler = logging.StreamHandler(sys.stdout)
            handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
            log.addHandler(handler)
            log.setLevel(logging.INFO)
            log.propagate = False
        given = dict(self.call["surroundings"])
        for name in ("start", "end"):
            given[name] = datetime.fromisoformat(given[name]) if given[name] else None
        secrets = given.pop("env")
        return Context(
            **given, project=Path(self.call["root"]), scratch=self.scratch, log=log, secrets=secrets, ask=self._asked
        )

    def _asked(self, query: str, kind: type | None) -> Any:
        """Return the rows of a query, which the target runs, as a frame."""
        from sqlflow_python.frame_kinds import DEFAULT_FRAME, FRAMES
        from sqlflow_python.frames import frame

        name = "" if kind is None else f"{kind.__module__.split('.')[0]}.{kind.__qualname__}"
        send_json(self.sock, "q", {"sql": str(query)})
        answer, payload = receive(self.sock)
        told = json.loads(payload)
        if answer == "f":
            raise RuntimeError(told["message"])
        return frame(Path(told["path"]), FRAMES.get(name, DEFAULT_FRAME))

    def _end_a_copy(self) -> None:
        """End a process that the function has forked and that came back from it: one alone may answer."""
        if os.getpid() != self.process:
            _flush()
            os._exit(0)

    def _send_rows(self, value: Any) -> None:
        from sqlflow_python.results import result_batches

        schema, batches = result_batches(value, self.scratch)
        send(self.sock, "s", schema.serialize())
        for batch in batches:
            if batch.num_rows:
                send(self.sock, "b", batch.serialize())
        self._send_end({})

    def _send_verdict(self, value: Any) -> None:
        """Send what an assertion says: how many rows are wrong, and the first of them."""
        if value is None or value is True:
            self._send_end({"failing": 0})
        elif value is False:
            self._send_end({"failing": 1, "message": "the assertion returned False"})
        else:
            self._send_failing_rows(value)

    def _send_failing_rows(self, value: Any) -> None:
        from sqlflow_python.results import result_batches

        schema, batches = result_batches(value, self.scratch)
        failing = 0
        sample: list[list[Any]] = []
        for batch in batches:
            failing += batch.num_rows
            if len(sample) < self.call["sample_rows"]:
                rows = batch.slice(0, self.call["sample_rows"] - len(sample)).to_pylist()
                sample += [[_as_json(row[name]) for name in schema.names] for row in rows]
        self._send_end({"failing": failing, "columns": schema.names, "sample": sample})

    def _send_end(self, told: dict[str, Any]) -> None:
        send_json(self.sock, "d", {**told, "reached": self.watch.reached})

    def _send_error(self, told: dict[str, Any]) -> None:
        self._end_a_copy()
        send_json(self.sock, "e", told)

    def _told(self, error: BaseException) -> dict[str, Any]:
        """Return what a user's exception says, and where: the frames of the user's own files alone."""
        frames = [
            (frame.filename, frame.lineno or 0, frame.name)
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).is_relative_to(self.call["root"])
        ]
        return {
            "type": type(error).__name__,
            "message": _words(error),
            "frames": frames[-50:],
            "module": getattr(error, "name", ""),
        }


def _words(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException as failure:  # noqa: BLE001  the user's `__str__` may do anything
        return f"(its text cannot be had: {type(failure).__name__})"
    return text if len(text) <= _TEXT_CHARACTERS else text[:_TEXT_CHARACTERS] + " … cut"


def _as_json(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


if __name__ == "__main__":
    main()
