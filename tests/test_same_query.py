"""Which texts are the same query, for the key of a version: a table of pairs, and what the engines make of case."""

import duckdb
import pytest

from sqlflow.read.engines import engine
from sqlflow.read.tokens import code, tokens_of

BOTH = ("duckdb", "postgres")
SAME = [
    (BOTH, "select a from t", "SELECT a\n  FROM t -- a comment"),
    (BOTH, "select a from t group by a", "select a from t GROUP   BY a"),
    (BOTH, "select sum(a) as x", "select SUM(a) AS x"),
    (BOTH, "select case when a is null then 1 end as x from t", "select CASE WHEN a IS NULL THEN 1 END as x from t"),
    (("postgres",), "select a from staging.t as o", "select A from Staging.T as O"),
    (("postgres",), "select E'a'", "select e'a'"),
]
OTHERS = [
    (BOTH, "select 'a' as x", "select 'A' as x"),
    (BOTH, 'select "a" from t', 'select "A" from t'),
    (BOTH, "select $$a$$ as x", "select $$A$$ as x"),
    (BOTH, "select É from t", "select é from t"),
    (("duckdb",), "select a from t", "select A from t"),
    (("duckdb",), "select 1 as end", "select 1 as End"),
    (("duckdb",), "select t.end from t", "select t.End from t"),
    (("duckdb",), "select {'a': 1} as x", "select {'A': 1} as x"),
    (("postgres",), "select U&'a' as x", "select U&'A' as x"),
    (("postgres",), "select E'a' as x", "select E'A' as x"),
]


def is_same(name: str, one: str, other: str) -> bool:
    adapter = engine(name)
    first, second = (code(tokens_of(sql, adapter.dialect), adapter) for sql in (one, other))
    return first == second


@pytest.mark.parametrize(("names", "one", "other"), SAME)
def test_these_are_the_same(names: tuple[str, ...], one: str, other: str) -> None:
    assert [is_same(name, one, other) for name in names] == [True] * len(names)


@pytest.mark.parametrize(("names", "one", "other"), OTHERS)
def test_these_are_not(names: tuple[str, ...], one: str, other: str) -> None:
    assert [is_same(name, one, other) for name in names] == [False] * len(names)


NAMED = "select {sum}(A), A + 1, {cast}(A {as_} int), {case} {when} A = 1 {then} 2 {end}, A {is_} {null}, {not_} A, A {in_} (1)"


def test_columns_without_a_name_get_none_from_duckdb_that_tells_the_case_of_words_and_functions() -> None:
    words = ("sum", "cast", "as_", "case", "when", "then", "end", "is_", "null", "not_", "in_")
    lower, upper = (
        NAMED.format(**{word: change(word.strip("_")) for word in words}) + " from (select 1 as A) group by all"
        for change in (str.lower, str.upper)
    )
    assert is_same("duckdb", lower, upper)
    with duckdb.connect() as connection:
        names = [[name for name, *_ in connection.execute(sql).description or ()] for sql in (lower, upper)]
    assert names[0] == names[1]
