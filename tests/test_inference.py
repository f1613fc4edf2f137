"""What a SELECT reads: every statement of fixtures/inference.sql, with what it says it reads.

To add a case, write two lines of SQL: `-- name: …`, `-- reads: …`, the statement, and a line with `;` alone.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from sqlflow.core.errors import ProjectError
from sqlflow.core.text import MappedText, Place
from sqlflow.read.engines import engine
from sqlflow.read.sql import infer

FIXTURE = Path(__file__).parent / "fixtures" / "inference.sql"
CASES_AT_LEAST = 150


@dataclass(frozen=True)
class Case:
    name: str
    sql: str
    reads: tuple[str, ...]
    files: tuple[str, ...]
    opaque: bool


def _cases() -> list[Case]:
    found = []
    for text in re.split(r"^;\s*$", FIXTURE.read_text(), flags=re.MULTILINE):
        found_name = re.search(r"^-- name:", text, flags=re.MULTILINE)
        if not found_name:
            continue
        start = found_name.start()
        comments = re.match(r"(-- (?:name|reads|files|opaque):.*\n)+", text[start:])
        assert comments, text
        keys = dict(re.findall(r"-- (\w+): *(.*)", comments.group()))
        reads = () if keys["reads"] == "(none)" else tuple(name.strip() for name in keys["reads"].split(", "))
        files = tuple(sorted(name.strip() for name in keys.get("files", "").split(", ") if name.strip()))
        sql = text[start + comments.end() :].strip()
        found.append(Case(keys["name"], sql, reads, files, keys.get("opaque") == "yes"))
    return found


CASES = _cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_a_statement_reads(case: Case) -> None:
    found = infer(MappedText.plain(case.sql), engine("duckdb"), Place("fixture"))
    reads = tuple(sorted({".".join(use.name.parts) for use in found.tables}))
    assert (reads, tuple(sorted(found.files)), found.opaque) == (tuple(sorted(case.reads)), case.files, case.opaque)


@pytest.mark.parametrize("sql", ["select * from query_table('orders')", "select * from query('from orders')"])
def test_a_table_named_at_run_time_only_is_refused(sql: str) -> None:
    with pytest.raises(ProjectError, match="named only at run time"):
        infer(MappedText.plain(sql), engine("duckdb"), Place("fixture"))


def test_the_fixture_is_as_large_as_promised_and_its_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= CASES_AT_LEAST


@pytest.mark.parametrize(
    ("name", "sql", "why"),
    [
        ("postgres", "select util.round(x) from a", "`util.round()` is not known to give the same each time"),
        ("postgres", "select sum(Util.Lower(x)) from a", "`util.lower()` is not known to give the same each time"),
        ("postgres", "select * from util.unnest(array[1])", "`util.unnest()` is not known to give the same each time"),
        ("postgres", "select a operator(util.+) b from t", "`operator()` is not known to give the same each time"),
        ("postgres", "select pg_catalog.round(x), (a).b from a", ""),
        ("duckdb", "select x.round(), ('a').upper(), t.x.abs() from a", ""),
        ("duckdb", "select * from util.range(3)", "`util.range()` is not known to give the same each time"),
        ("duckdb", "select * from main.range(3)", ""),
    ],
)
def test_a_function_of_a_schema_is_the_users_own_whatever_its_name_is(name: str, sql: str, why: str) -> None:
    assert infer(MappedText.plain(sql), engine(name), Place("x.sql")).volatile == why


@pytest.mark.parametrize(
    "call",
    [
        "date_trunc('month', d)", "year(d)", "strftime(d, '%Y')", "date_diff('day', d, d)", "time_bucket(interval 1 day, d)",
        "timezone('Europe/Berlin', d)", "make_timestamptz(2026, 1, 2, 3, 4, 5)", "last_day(d)",
    ],
)  # fmt: skip
def test_what_goes_by_the_time_zone_alone_gives_the_same_each_time(call: str) -> None:
    assert infer(MappedText.plain(f"select {call} from t"), engine("duckdb"), Place("x.sql")).volatile == ""
