"""The cases of the corpus that are for Postgres alone, run through the real command line against a real server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from bad_inputs_adapter import Case, is_runnable, run, write
from test_bad_inputs import CATEGORIES, CORPUS, MEGABYTES, PATIENCE, SECONDS, faults_told

RUNNABLE = [
    case
    for case in CORPUS["cases"]
    if case["category"] in CATEGORIES and is_runnable(case, "postgres") and not is_runnable(case)
]
RUNNABLE_AT_LEAST = 11


def test_no_case_is_lost_on_the_way_to_be_run() -> None:
    assert len(RUNNABLE) >= RUNNABLE_AT_LEAST


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in RUNNABLE])
def test_a_bad_input_gets_the_answer_that_the_corpus_asks_for(case: Case, tmp_path: Path, postgres_url: str) -> None:
    root, outside = tmp_path / "project", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    files = write(case, root, postgres_url)
    limits = {"seconds": SECONDS, "rss_mb": MEGABYTES} | case.get("limits", {})
    outcome = run(case, root, limits["seconds"] * PATIENCE, outside)
    faults = [*faults_told(case, outcome, files), *_faults_left(case, outcome.exit_code, postgres_url)]
    if outcome.megabytes > limits["rss_mb"]:
        faults.append(f"took {outcome.megabytes:.0f} MB")
    assert not faults, f"{faults}\n{outcome.output[:4000]}"


def _faults_left(case: Case, exit_code: int, url: str) -> Iterator[str]:
    """Yield what is wrong with what the command has left in the database."""
    for sql, rows in case.get("expect_rows", {}).items():
        if (found := _rows(url, sql)) != rows:
            yield f"{sql}: {found}, not {rows}"
    every = "select table_schema, table_name from information_schema.tables where table_schema = 'public'"
    if exit_code != 0 and (found := _rows(url, every)):
        yield f"published: {found}"


def _rows(url: str, sql: str) -> list[list[Any]]:
    with psycopg.connect(url) as connection:
        return [list(row) for row in connection.execute(sql.encode()).fetchall()]
