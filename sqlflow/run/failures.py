"""The failing rows of assertions, kept for `sqlflow failures`: rows of the state."""

import json
from typing import Any

from msgspec import Struct

from sqlflow.core.engine import Session
from sqlflow.core.environment import Environment
from sqlflow.core.names import literal
from sqlflow.core.secrets import masked
from sqlflow.run.state import FORM_OF_ENVIRONMENTS, form, now, of, table_of, values

_RUNS_KEPT = 20
_TABLE = table_of("sqlflow_failures")


class Failure(Struct, frozen=True):
    """What an assertion found: how many rows, and some of them as text."""

    run: str
    block: str
    assertion: str
    severity: str
    failing: int
    columns: tuple[str, ...]
    sample: tuple[tuple[Any, ...], ...]
    error: str = ""


def record(session: Session, environment: Environment, failure: Failure) -> None:
    """Keep what an assertion found; the failures of older runs go."""
    sample = [[_as_text(value) for value in row] for row in failure.sample]
    session.execute(
        f"insert into {_TABLE} values "
        + values(
            failure.run, failure.block, failure.assertion, failure.severity, failure.failing,
            json.dumps(failure.columns), json.dumps(sample), masked(failure.error), now(), environment.name,
        )
    )  # fmt: skip


def _as_text(value: Any) -> Any:
    """Return a value as JSON can hold it: numbers and Booleans as they are, all else as text without
    secrets."""
    if value is None or isinstance(value, (bool, int)):
        return value
    return masked(str(value))


def forget_old(session: Session, environment: Environment) -> None:
    """Drop the failures of all but the environment's latest runs. Run ids sort by time."""
    session.execute(
        f"delete from {_TABLE} where {of(environment)} and run not in "
        f"(select distinct run from {_TABLE} where {of(environment)} order by run desc limit {_RUNS_KEPT})"
    )


def latest(session: Session, environment: Environment, block: str = "") -> tuple[Failure, ...]:
    """Return what failed in the environment's latest run that had failures, of one block or of all."""
    here = of(environment) if form(session) >= FORM_OF_ENVIRONMENTS else str(environment.is_prod).lower()
    where = f"run = (select max(run) from {_TABLE} where {here})"
    if block:
        where += f" and block = {literal(block)}"
    found = session.rows(
        "select run, block, assertion, severity, failing, columns, sample, error"
        f" from {_TABLE} where {where} order by block, assertion"
    )
    return tuple(
        Failure(run, block, name, severity, failing, tuple(json.loads(columns)), _rows(sample), error)
        for run, block, name, severity, failing, columns, sample, error in found.rows
    )


def _rows(sample: str) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(row) for row in json.loads(sample))
