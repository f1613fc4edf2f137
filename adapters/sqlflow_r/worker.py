"""A process of R, and the way of calls into it and of rows out of it."""

import json
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlflow.core.errors import BuildError, Problem, SqlflowError, TargetError
from sqlflow.core.process import Child, clean_environment, ended_text
from sqlflow.core.runtime import Ask, Call, Inputs, Say, Verdict
from sqlflow_r.installed import GET_R, NO_R, rscript
from sqlflow_r.job import beside, job
from sqlflow_r.literals import r_literal
from sqlflow_r.mishaps import asking_failed, at_argument, of_user, placed, without_crash
from sqlflow_r.receiving import batches, schema
from sqlflow_r.sending import Refused, send

if TYPE_CHECKING:
    import pyarrow as pa

HERE = Path(__file__).parent
_ANSWER_BYTES = 1 << 20


class RWorker:
    """A process that runs `worker.R`, kept warm between calls. What its functions reach is not noticed."""

    reached = ""

    def __init__(self) -> None:
        interpreter = rscript()
        if interpreter is None:
            raise TargetError(NO_R, hint=GET_R)
        self._folder = Path(tempfile.mkdtemp(prefix="sqlflow-r-"))
        reading, self._commands = os.pipe()
        self._answers, writing = os.pipe()
        command = [interpreter, "--vanilla", str(HERE / "worker.R"), str(reading), str(writing), str(HERE / "frames.R")]
        environment = clean_environment({"TMPDIR": str(self._folder)})
        try:
            self._child = Child(command, environment, self._folder, pass_fds=(reading, writing))
        finally:
            os.close(reading)
            os.close(writing)
        self._rest = b""
        self._end: list[int] = []
        self._ended = threading.Thread(target=lambda: self._end.append(self._child.wait()), daemon=True)
        self._ended.start()
        try:
            self._bit64 = bool(self._answer()["bit64"])
        except EOFError:
            self._ended.join()
            why = "; ".join(self._child.prints.last) or ended_text(self._end[0])
            self.close()
            raise TargetError(f"R cannot be started: {why}", hint=GET_R) from None

    @property
    def is_alive(self) -> bool:
        return self._child.is_alive

    def interrupt(self) -> None:
        self._child.kill()

    def close(self) -> None:
        self._child.close()
        for pipe in (self._commands, self._answers):
            os.close(pipe)
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def run(self, call: Call, inputs: Inputs, ask: Ask, say: Say) -> "Iterator[pa.RecordBatchReader]":
        import pyarrow as pa

        answer = self._called(call, inputs, ask, say, checks=False)
        refused: list[Refused] = []

        def rows() -> "Iterator[pa.RecordBatch]":
            try:
                yield from batches(answer, beside(call, "output"))
            except Refused as error:
                refused.append(error)
                raise

        try:
            yield pa.RecordBatchReader.from_batches(schema(answer), rows())
        except Exception:
            if refused:
                raise BuildError(placed(refused[0].problem, call)) from refused[0]
            raise

    def check(self, call: Call, inputs: Inputs, ask: Ask, say: Say) -> Verdict:
        answer = self._called(call, inputs, ask, say, checks=True)
        if answer["kind"] == "error":
            problem = of_user(answer, call)
            return Verdict(failing=1, message=problem.message, problem=problem)
        sample = tuple(tuple(row) for row in answer.get("sample", ()))
        return Verdict(int(answer["failing"]), columns=tuple(answer.get("columns", ())), sample=sample)

    def _called(self, call: Call, inputs: Inputs, ask: Ask, say: Say, checks: bool) -> dict[str, Any]:
        """Run a function to its end and return R's answer. Raise BuildError if it gives none that can be used."""
        mark = secrets.token_hex(16)
        code = job(call, self._sent(call, inputs), mark, checks)
        self._child.limit(call.memory_bytes)
        self._child.prints.begin(without_crash(say, call.function.name), mark)
        failures: list[SqlflowError] = []
        try:
            self._command(code, call)
            while (answer := self._answer())["kind"] == "ask":
                self._command(self._rows(answer, call, ask, failures), call)
        except (EOFError, BrokenPipeError) as error:
            raise BuildError(self._end_of(call)) from error
        except BaseException:
            self._child.kill()  # it waits for an answer that will not come
            raise
        self._child.prints.end()
        self._child.limit(None)
        if failures and str(failures[-1]) in str(answer.get("message")):
            raise asking_failed(failures[-1], answer, call)
        if answer["kind"] == "refused":
            raise BuildError(placed(Problem(answer["refused"], hint=answer["hint"]), call))
        if answer["kind"] == "error" and not (checks and answer["stack"]):
            raise BuildError(of_user(answer, call))
        return answer

    def _sent(self, call: Call, inputs: Inputs) -> dict[str, Any]:
        """Write the rows of all inputs and return what R must know of them, by argument."""
        function = call.function
        frames = {one.name: one.frame for one in (*function.arguments, function.output) if one}
        sent: dict[str, Any] = {}
        for number, (name, rows) in enumerate(inputs, 1):
            try:
                sent[name] = send(rows, beside(call, f"input-{number}"), frames[name], self._bit64)
            except Refused as refused:
                raise BuildError(at_argument(refused.problem, name, call)) from refused
        return sent

    def _rows(self, answer: dict[str, Any], call: Call, ask: Ask, failures: list[SqlflowError]) -> str:
        """Return the reply to `context$sql()`: where its rows are, or why there are none."""
        folder = beside(call, f"asked-{int(answer['number'])}")
        try:
            with ask(answer["sql"]) as rows:
                return r_literal(send(rows, folder, answer["frame"], self._bit64))
        except Refused as refused:
            failures.append(BuildError(placed(refused.problem, call)))
        except SqlflowError as error:
            failures.append(error)
        return r_literal({"error": str(failures[-1])})

    def _command(self, code: str, call: Call) -> None:
        path = beside(call, "command.R")
        path.write_text(code, "utf-8")
        os.write(self._commands, f"{path}\n".encode())

    def _answer(self) -> dict[str, Any]:
        """Return R's next answer. Raise EOFError if there will be none."""
        line, found, rest = self._rest.partition(b"\n")
        while not found:
            more = os.read(self._answers, _ANSWER_BYTES)
            if not more:
                raise EOFError
            before = line + more
            line, found, rest = before.partition(b"\n")
        self._rest = rest
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end_of(self, call: Call) -> Problem:
        """Return why R has ended, once all that it printed has been told."""
        self._ended.join()
        self._child.prints.end()
        code = self._end[0]
        why = self._child.killed_for or f"R ended with {ended_text(code)} before the function had returned"
        if code == -9 and not self._child.killed_for:
            why += ": it may have been killed because the system ran out of memory"
        hint = "a function returns its rows: it does not end R" if code >= 0 else ""
        return placed(Problem(f"`{call.function.name}` gave no result: {why}", hint=hint), call)
