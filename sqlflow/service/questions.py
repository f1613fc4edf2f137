"""What the service asks of targets, each time in a process of its own: the service itself never opens one."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Literal

from msgspec import Struct

from sqlflow.core.errors import SqlflowError
from sqlflow.core.process import launched
from sqlflow.core.secrets import masked

QUESTION_SECONDS = 120.0
"""How long an answer may take; `seconds` are of a clock that only goes ahead."""


class Answer(Struct, frozen=True):
    """What a question has come to: its exit code is that of the error, and negative for one that was killed."""

    exit_code: int
    text: str
    error: str


class Question:
    """A process of Python that answers something, by words such as `-m sqlflow freshness`. It prints into files: no pipe fills up."""

    def __init__(self, words: Sequence[str], seconds: float) -> None:
        self.began = seconds
        self._out, self._err = _file(), _file()
        self._process = subprocess.Popen(
            launched([sys.executable, *words]), stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._err
        )

    @classmethod
    def of_pipeline(
        cls, root: Path, pipeline: str, kind: Literal["trigger", "wait"], number: int, seconds: float
    ) -> "Question":
        """Ask the query of one trigger or one wait of a pipeline."""
        return cls(("-m", "sqlflow.service.asking", str(root), pipeline, kind, str(number)), seconds)

    def answer(self, seconds: float) -> Answer | None:
        """Return the answer, or None as long as there is none. One that takes too long is killed."""
        code = self._process.poll()
        if code is None:
            if seconds - self.began > QUESTION_SECONDS:
                self._process.kill()
            return None
        out, err = (_text(file) for file in (self._out, self._err))
        return Answer(code, out, err[:1000] or ("it took too long" if code < 0 else ""))

    def close(self) -> None:
        """End it, and forget what it would have said."""
        self._process.kill()
        self._process.wait()
        self._out.close()
        self._err.close()


def answered(answer: Callable[[], str]) -> int:
    """Print the answer, or what keeps it from being given, in the process that is asked, and return its exit code."""
    try:
        print(answer())
    except SqlflowError as error:
        print(masked(str(error)), file=sys.stderr)
        return error.exit_code
    return 0


def _file() -> IO[str]:
    return TemporaryFile("w+", encoding="utf-8", errors="replace")


def _text(file: IO[str]) -> str:
    with file:
        file.seek(0)
        return file.read().strip()
