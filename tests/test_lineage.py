"""Where the columns and rows of a query come from: every statement of fixtures/lineage.sql, on paper and in DuckDB."""

import os
import random
import re
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from sqlflow.core.names import TableName
from sqlflow.plan.lineage import Input, Lineage, lineage
from sqlflow.plan.origins import EVERY, Origin, Read
from sqlflow.read.tokens import tokens_of

FIXTURE = Path(__file__).parent / "fixtures" / "lineage.sql"
SCHEMA = (FIXTURE.parent / "lineage_schema.sql").read_text()
UPDATE = "SQLFLOW_UPDATE_CASES" in os.environ
CASES_AT_LEAST = 120


@dataclass(frozen=True)
class Case:
    name: str
    head: str
    sql: str
    text: str


def _cases() -> list[Case]:
    found = []
    for text in re.split(r"^;\s*$", FIXTURE.read_text(), flags=re.MULTILINE):
        match = re.search(r"^-- name: (.*)\n((?:-- .*\n)*)", text, flags=re.MULTILINE)
        if match and "-- COLUMN:" not in match.group():
            found.append(Case(match[1], match[2], text[match.end() :].strip(), match.group()))
        elif match:
            match = re.search(r"^-- name: (columns, an .*)\n((?:-- .*\n)*)", text, flags=re.MULTILINE)
            assert match
            found.append(Case(match[1], match[2], text[match.end() :].strip(), match.group()))
    return found


CASES = _cases()
TABLES = {name: re.findall(r"(?:^|, )(\w+) (?!\d)", columns) for name, columns in
          re.findall(r"create table (\S+) \((.*)\);", SCHEMA)}  # fmt: skip
INPUTS = {
    TableName.parse(name): Input(name, None if name.startswith("open.") else tuple(columns))
    for name, columns in TABLES.items()
}


def shown(origin: Origin) -> str:
    reads = sorted(f"{read.table}.{read.column}".removesuffix(".") for read in origin.reads)
    return ", ".join(reads) or "(none)"


def described(found: Lineage | None) -> str:
    """Return a lineage as the fixture shows it."""
    if found is None:
        return "-- unclear: yes\n"
    columns = {"*": found.every} if found.columns is None else found.columns
    lines = [f"-- {name}: {shown(origin)}" for name, origin in columns.items()]
    lines += [f"-- rows: {shown(found.rows)}", *(["-- ordered: yes"] if found.ordered else [])]
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_where_columns_and_rows_come_from(case: Case) -> None:
    head = described(lineage(case.sql, INPUTS, "duckdb"))
    if UPDATE:
        text = FIXTURE.read_text()
        FIXTURE.write_text(text.replace(case.text, f"-- name: {case.name}\n{head}", 1))
    assert UPDATE or case.head == head


def test_the_fixture_is_as_large_as_promised_and_its_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= CASES_AT_LEAST


# What is not read makes no difference: tried on real tables, with all that is not read replaced by other values.

NO_TRIAL = {"a column that nobody has", "a file"}
ROWS = 12
Values = dict[tuple[str, str], list[str]]
KINDS = {name: dict(re.findall(r"(?:^|, )(\w+) (varchar\[\]|struct|[a-z]+)", columns)) for name, columns in
         re.findall(r"create table (\S+) \((.*)\);", SCHEMA)}  # fmt: skip


def value(kind: str, sql: str, pick: random.Random) -> str:
    """Return a value as SQL, often one that the query compares with."""
    words = [word.strip("%") for word in re.findall(r"'([^']*)'", sql) if not word[:1].isdigit()]
    days = re.findall(r"date ('[^']*')", sql) or ["'2026-01-01'"]
    number = pick.choice(["0", "1", "2", *re.findall(r"(?<![\w.'-])\d{1,4}(?![\w.'-])", sql)])
    match kind:
        case "integer":
            return number
        case "decimal":
            return f"{number} + {pick.randint(0, 9)} / 10"
        case "date":
            return f"date {pick.choice(days)} + {pick.randint(-2, 2)}"
        case "timestamp":
            return f"timestamp '2026-01-01' + interval ({pick.randint(0, 3)}) day"
        case "varchar[]":
            return f"['{pick.choice('ab')}', 'a']"
        case "struct":
            return f"{{'city': '{pick.choice('ab')}', 'zip': 'z'}}"
    return f"'{pick.choice([*words, 'a', '13'])}'"


def filled(sql: str, tables: set[str], seed: int) -> Values:
    """Return a few values for each column of the tables, much the same in all tables, so that joins find something."""
    pick = random.Random(seed)
    return {
        (table, column): [value(kind, sql, pick) for _ in range(ROWS)]
        for table in sorted(tables)
        for column, kind in KINDS[table].items()
    }


def result(sql: str, values: Values) -> tuple[list[str], list[tuple[object, ...]]]:
    """Return the columns and rows that DuckDB gives for a query over tables of the given values."""
    warehouse.execute("begin")
    for table in sorted({table for table, _ in values}):
        rows = zip(*(values[table, column] for column in KINDS[table]), strict=True)
        listed = ", ".join("(" + ", ".join(row) + ")" for row in rows)
        warehouse.execute(f"insert into {table} values {listed}")
    found = warehouse.execute(sql)
    names, rows_found = [name.lower() for name, *_ in found.description], found.fetchall()
    warehouse.execute("rollback")
    return names, rows_found


warehouse = duckdb.connect(config={"threads": 1})
warehouse.execute(SCHEMA)


def changed(values: Values, kept: frozenset[Read], other: Values) -> Values:
    """Return the values, with others in all columns that are not among `kept`."""
    names = {(read.table, read.column) for read in kept}
    whole = {read.table for read in kept if read.column == EVERY}
    return {key: old if key in names or key[0] in whole else other[key] for key, old in values.items()}


def in_order(values: list[object]) -> list[str]:
    return sorted(map(repr, values))


TRIALS = [case for case in CASES if case.name not in NO_TRIAL and "unclear" not in case.head]


@pytest.mark.parametrize("case", TRIALS, ids=[case.name for case in TRIALS])
def test_what_is_not_read_makes_no_difference(case: Case) -> None:
    found = lineage(case.sql, INPUTS, "duckdb")
    assert found is not None
    tables = {name for name in KINDS if name in case.sql.lower()}
    for seed in range(2):
        values, other = filled(case.sql, tables, seed), filled(case.sql, tables, seed + 1000)
        names, before = result(case.sql, values)
        assert in_order(result(case.sql, changed(values, found.reads, other))[1]) == in_order(before)
        for column, origin in (found.columns or {}).items():
            at = names.index(column)
            after = result(case.sql, changed(values, found.rows.reads | origin.reads, other))[1]
            assert in_order([row[at] for row in after]) == in_order([row[at] for row in before]), column


def test_most_trials_give_rows() -> None:
    """Else they would show nothing."""
    tables = {case.name: {name for name in KINDS if name in case.sql.lower()} for case in TRIALS}
    found = [case.name for case in TRIALS if result(case.sql, filled(case.sql, tables[case.name], 0))[1]]
    assert len(found) > 0.75 * len(TRIALS)


# Codes tell computations apart: tried on real tables, with one word or number of each query replaced by another.

NOT_ALWAYS = re.compile(
    r"limit|offset|first|last|any_value|asof|sample|array_agg|list\(|string_agg|row_number|distinct on", re.I
)
"""What may give other rows for the same query, where the order leaves ties."""


def others(sql: str, tables: set[str], seed: int) -> list[str]:
    """Return the query with one word or number of it as another that stands in it, or that names a column."""
    pick, kinds = random.Random(seed), ("VAR", "NUMBER")
    tokens = [token for token in tokens_of(sql, "duckdb") if token.token_type.name in kinds]
    words = {kind: sorted({token.text for token in tokens if token.token_type.name == kind}) for kind in kinds}
    words["VAR"] += [column for table in sorted(tables) for column in KINDS[table]]
    found = []
    for token in pick.sample(tokens, min(len(tokens), 12)):
        word = pick.choice(words[token.token_type.name])
        found.append(sql[: token.start] + word + sql[token.end + 1 :])
    return [other for other in found if other != sql]


def what_it_gives(sql: str, values: Values) -> tuple[list[str], list[str]] | None:
    try:
        names, rows = result(sql, values)
    except duckdb.Error:
        warehouse.execute("rollback")
        return None
    return names, in_order(list(rows))


@pytest.mark.parametrize("case", TRIALS, ids=[case.name for case in TRIALS])
def test_a_query_that_gives_something_else_has_another_code(case: Case) -> None:
    tables = {name for name in KINDS if name in case.sql.lower()}
    values = filled(case.sql, tables, 0)
    one, given = lineage(case.sql, INPUTS, "duckdb"), what_it_gives(case.sql, values)
    assert one is not None
    for sql in [] if NOT_ALWAYS.search(case.sql) else others(case.sql, tables, 0):
        changed = what_it_gives(sql, values)
        other = lineage(sql, INPUTS, "duckdb") if changed not in (None, given) else None
        assert other is None or (one.rows.code, one.every.code) != (other.rows.code, other.every.code), sql


# Codes tell computations apart.

DIFFERENT = [
    ("amount", "discount"), ("amount + 1", "amount + 2"), ("round(amount)", "floor(amount)"), ("len(status)", "strlen(status)"),
    ("first(amount)", "any_value(amount)"), ("sum(amount)", "fsum(amount)"), ("quantile_cont(amount, 0.5)", "quantile_disc(amount, 0.5)"),
    ("amount::integer", "amount::bigint"), ("cast(amount as integer)", "try_cast(amount as integer)"), ("amount / 2", "amount // 2"),
    ("amount::decimal(9, 1)", "amount::decimal(9, 2)"), ("status like 'a'", "status ilike 'a'"), ("status like 'a'", "status glob 'a'"),
    ("status ~ 'a'", "status like 'a'"), ("status || 'a'", "concat(status, 'a')"), ("status = 'a'", "status is not distinct from 'a'"),
    ("date_diff('day', ordered_at, ordered_at)", "date_sub('day', ordered_at, ordered_at)"), ("count(status)", "count(distinct status)"),
    ("count(*)", "count(status)"), ("string_agg(status, ',')", "string_agg(status, ';')"), ("max(amount)", "max(amount, 2)"),
    ("string_agg(status, ',' order by id)", "string_agg(status, ',' order by id desc)"),
    ("sum(amount) filter (where id > 1)", "sum(amount) filter (where id > 2)"), ("lag(id) over (order by id)", "lag(id, 2) over (order by id)"),
    ("lag(id) over (order by id)", "lag(id ignore nulls) over (order by id)"), ("sum(id) over (order by id)", "sum(id) over (order by id desc)"),
    ("sum(id) over (order by id nulls first)", "sum(id) over (order by id nulls last)"),
    ("sum(id) over (order by id rows 1 preceding)", "sum(id) over (order by id range 1 preceding)"),
    ("sum(id) over (order by id rows 1 preceding)", "sum(id) over (order by id rows 2 preceding)"),
    ("sum(id) over (order by id rows 1 preceding)", "sum(id) over (order by id rows 1 preceding exclude current row)"),
    ("status collate nocase", "status"), ("'a'", "'A'"), ("1", "1.0"), ("case when id > 1 then 1 end", "case when id > 1 then 1 else 0 end"),
    ("id between 1 and 2", "id not between 1 and 2"), ("id in (1, 2)", "id in (1, 3)"), ("extract(year from ordered_at)", "extract(month from ordered_at)"),
    ("interval 1 day", "interval 1 hour"), ("id % 2", "id // 2"), ("epoch(ordered_at)", "epoch_ms(ordered_at)"),
    ("ordered_at at time zone 'UTC'", "ordered_at at time zone 'Europe/Vienna'"), ("status[1]", "status[2]"), ("status[1:2]", "status[1:3]"),
    ("(select max(rate) from shop.rates)", "(select min(rate) from shop.rates)"), ("not (id > 1)", "id > 1"), ("-id", "id"),
    ("id", "id as key"), ("id as key", 'id as "Key"'), ("list_sort([id])", "list_reverse_sort([id])"),
    ("exists (select 1 from shop.rates)", "not exists (select 1 from shop.rates)"), ("substr(status, 1)", "substr(status, 2)"),
    ("strftime(ordered_at, '%Y')", "strftime(ordered_at, '%y')"), ("trim(status)", "ltrim(status)"), ("trim(status)", "trim(status, 'a')"),
]  # fmt: skip


WHOLE = [
    ("select {} as x from (values (1, 2), (3, 5)) as t(a, b)", "a - b", "b - a"), ("select {} as x from read_csv('f.csv')", "a", "b"),
    ("select t.{} as x from 'f.csv' as t", "a", "b"), ("select x from (from 'f.csv') as t({})", "x, y", "y, x"),
    ("select x from (values (1, 2)) as t({})", "x, y", "y, x"), ("select x from unnest([1], [2]) as t({})", "x, y", "y, x"),
    ("with recursive t({}) as (select 1, 2 union all from t where false) select x from t", "x, y", "y, x"),
    ("with recursive t as (from 'f.csv' union all from t where false) select {} as x from t", "a", "b"),
    ("select {} as x from (from 'f.csv' union all from 'g.csv')", "a", "b"), ("select {} as x from open.events", "info.a", "info.b"),
    ("select {} as x from shop.events", "info.city", "info.zip"), ("select {} as x from shop.events e", "e.info.city", "e.info.zip"),
    ("select y.id - {}.id as x from shop.orders y, shop.orders z", "y", "z"), ("select {}.* from shop.orders y, shop.orders z", "y", "z"),
    ("select y.id from shop.orders y where exists (select 1 from shop.orders z where z.id = {}.id)", "y", "z"),
    ("select l.x from shop.orders y, lateral (select max({}.id) as x from shop.orders z) l", "y", "z"),
    ("select {}.name from open.events y join open.events z on y.id = z.id + 1", "y", "z"),
    ("select y.id from shop.orders y, shop.orders z where y.id > {}.amount", "y", "z"),
    ("select * exclude ({}) from open.events", "id", "name"), ("select * replace (1 as {}) from open.events", "id", "name"),
]  # fmt: skip
"""What is known as a whole, and what is taken of it."""


@pytest.mark.parametrize(("sql", "one", "other"), WHOLE)
def test_another_part_of_a_whole_is_another_code(sql: str, one: str, other: str) -> None:
    found = [lineage(sql.format(part), INPUTS, "duckdb") for part in (one, other)]
    codes = {(known.rows.code, known.every.code) for known in found if known is not None}
    assert len(codes) == len([known for known in found if known is not None])


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_another_computation_is_another_code(one: str, other: str) -> None:
    texts = [f"select {expression} from shop.orders" for expression in (one, other)]
    found = [lineage(sql, INPUTS, "duckdb") for sql in texts]
    assert found[0] is None or found[1] is None or found[0].every.code != found[1].every.code


CLAUSES = [
    "", "where id > 1", "where id > 2", "group by id, status", "group by all", "having count(*) > 1", "order by id", "order by id desc",
    "order by status", "limit 1", "limit 2", "limit 10%", "offset 1", "qualify rank() over (order by id) = 1", "cross join shop.rates r",
    "join shop.rates r using (id)", "left join shop.rates r using (id)", "join shop.rates r on r.id = shop.orders.id",
    "semi join shop.rates r using (id)", "anti join shop.rates r using (id)", "asof join shop.rates r on ordered_at > valid_from",
    "order by id nulls first", "limit 1 offset 2", "where id is null", "where id is not null",
]  # fmt: skip


def test_other_rows_are_another_code() -> None:
    found = [lineage(f"select status from shop.orders {clause}", INPUTS, "duckdb") for clause in CLAUSES]
    codes = [one.rows.code for one in found if one is not None]
    assert len(set(codes)) == len(codes) >= len(CLAUSES) - 1


SAME_ROWS = [
    ("select id, amount from shop.orders", "select id, amount + 1 as amount, upper(status) as s from shop.orders"),
    ("select status, sum(amount) as a from shop.orders group by status", "select status, max(discount) as b from shop.orders group by status"),
    ("select count(*) as n from shop.orders", "select count(*) as n, sum(amount) as total from shop.orders"),
    ("with s as (select * from shop.orders) select id from s", "with s as (select *, id + 1 as x from shop.orders) select id, x from s"),
    ("select id from shop.orders", "select  ID from Shop.Orders -- a comment"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME_ROWS)
def test_columns_do_not_change_the_code_of_the_rows(one: str, other: str) -> None:
    first, second = lineage(one, INPUTS, "duckdb"), lineage(other, INPUTS, "duckdb")
    assert first is not None
    assert second is not None
    assert first.rows == second.rows


def test_a_new_column_of_an_input_changes_what_a_bare_name_may_mean() -> None:
    sql = "select id from shop.customers where exists (select 1 from shop.items where sku = name)"
    before = lineage(sql, INPUTS, "duckdb")
    items = Input("shop.items", ("order_id", "sku", "quantity", "name"))
    after = lineage(sql, INPUTS | {TableName.parse("shop.items"): items}, "duckdb")
    assert before is not None
    assert after is not None
    assert (before.rows == after.rows, Read("shop.items", "name") in after.reads) == (False, True)
