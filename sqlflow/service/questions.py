"""Queries that pipelines ask in their targets, each in a process of its own: the service itself never opens a target."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlflow.core.process import launched

QUESTION_SECONDS = 120.0
"""How long an answer may take; `seconds` are of a clock that only goes ahead."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question has come to: its exit code is that of the error, and negative for one that was killed."""

    exit_code: int
    text: str
    error: str


class Question:
    """The query of one trigger or one wait of a pipeline, being asked."""

    def __init__(
        self, root: Path, pipeline: str, kind: Literal["trigger", "wait"], number: int, seconds: float
    ) -> None:
        self.began = seconds
        command = [sys.executable, "-m", "sqlflow.service.asking", str(root), pipeline, kind, str(number)]
        self._process = subprocess.Popen(
            launched(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def answer(self, seconds: float) -> Answer | None:
        """Return the answer, or None as long as there is none. One that takes too long is killed."""
        code = self._process.poll()
        if code is None:
            if seconds - self.began > QUESTION_SECONDS:
                self._process.kill()
            return None
        out, err = self._process.communicate()
        return Answer(code, out.strip(), err.strip()[:1000] or ("it took too long" if code < 0 else ""))

    def close(self) -> None:
        """End it, and forget what it would have said."""
        self._process.kill()
        self._process.communicate()
