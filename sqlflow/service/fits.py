"""Looks whether the pipelines fit the project, each time that their files are others: in a process of its own, as `fitting` tells it."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sqlflow.core.errors import Problem
from sqlflow.service.questions import Question

AGAIN_SECONDS = 60.0
"""How soon what was wrong is looked at again: it may be put right in a block's file, which nobody watches."""


@dataclass
class FitWatch:
    """What a service knows of the misfits; `seconds` are of a clock that only goes ahead. What is wrong is looked at again soon."""

    root: Path
    problems: tuple[Problem, ...] = ()
    _question: Question | None = None
    _next: float = math.inf

    def begin(self, pipelines: Collection[str]) -> None:
        """Look anew: the files are others. Where there are no pipelines, nothing is wrong with them."""
        self.close()
        self._next = 0.0 if pipelines else math.inf
        self.problems = self.problems if pipelines else ()

    def look(self, seconds: float) -> list[Problem]:
        """Ask when it is time, and return what is wrong that was not before."""
        if self._question is None:
            if seconds >= self._next:
                self._question = Question(("-m", "sqlflow.service.fitting", str(self.root)), seconds)
            return []
        answer = self._question.answer(seconds)
        if answer is None:
            return []
        self._question, before = None, self.problems
        if answer.exit_code == 0:
            self.problems = msgspec.json.decode(answer.text, type=tuple[Problem, ...])
        self._next = seconds + AGAIN_SECONDS if self.problems or answer.exit_code else math.inf
        return [one for one in self.problems if one not in before]

    def close(self) -> None:
        if self._question is not None:
            self._question.close()
            self._question = None
