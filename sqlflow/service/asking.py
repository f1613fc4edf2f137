"""Asks a query of a pipeline, in a process of its own: `python -m sqlflow.service.asking FOLDER PIPELINE trigger|wait NUMBER`.

Of a trigger it prints a text that is another one when the rows are others, of a wait whether it has come: `True` or `False`.
"""

import hashlib
import os
import sys
from pathlib import Path

from sqlflow.app import Project
from sqlflow.core.pipeline import Pipeline, Query
from sqlflow.read.pipelines import read_pipelines
from sqlflow.run.target import opened
from sqlflow.run.waits import is_true
from sqlflow.service.questions import answered

ROWS_AT_MOST = 10_000


def answer(pipeline: Pipeline, sql: str) -> str:
    """Return a text of the rows of a query, asked in the target of a pipeline of the project in this folder."""
    project = Project.load(".", pipeline.target, dict(pipeline.vars), pipeline.environment)
    with opened(project.loaded, readonly=True) as (_, session):
        rows = session.rows(sql, ROWS_AT_MOST).rows
    return hashlib.sha256(repr([tuple(map(str, row)) for row in rows]).encode()).hexdigest()


def has_come(pipeline: Pipeline, number: int) -> bool:
    """Tell whether what a pipeline waits for by a query has come."""
    project = Project.load(".", pipeline.target, dict(pipeline.vars), pipeline.environment)
    return is_true(project.loaded, pipeline.waits[number])


def main(folder: str, name: str, kind: str, number: str) -> int:
    """Print the answer to a query of a pipeline, and return the exit code."""
    os.chdir(folder)
    pipeline = read_pipelines(Path(), problems=[])[name]
    if kind == "wait":
        return answered(lambda: str(has_come(pipeline, int(number))))
    trigger = pipeline.triggers[int(number)]
    assert isinstance(trigger, Query)
    return answered(lambda: answer(pipeline, trigger.sql))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
