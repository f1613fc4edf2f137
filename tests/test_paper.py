"""What is told of a query on paper is what Postgres says of it: no false alarm, and the same words."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import drop_database, new_database

from sqlflow.core.engine import Column, Session
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName
from sqlflow.plan import paper
from sqlflow.read.engines import engine

POSTGRES = engine("postgres")
TABLES = {
    "shop.orders": "id integer, customer_id integer, status text, amount numeric(9,2), ordered_at timestamp, note text",
    "shop.customers": "id integer, name text, country varchar(2), vip boolean, born date, doc jsonb, tags text[]",
    "shop.keyed": "id integer primary key, name text",
    'shop."Odd"': '"Id" bigint, "group" text, key uuid',
}
RIGHT = """
select o from shop.orders o
select o.*, c.name as who from shop.orders o join shop.customers c on c.id = o.customer_id
select * from shop.orders join shop.customers using (id)
select id from shop.orders join shop.customers using (id) join (select 1 as id) x using (id)
select * from shop.orders natural join (select 1 as id, 2 as other) as x
select ctid, xmin, tableoid from shop.orders
select current_user, session_user, user, current_role, current_catalog, current_schema, current_date, localtime
select status as s, count(*) from shop.orders group by s order by s, count desc
select status, amount as id from shop.orders order by id, (status), lower(note)
select id as a from shop.orders union select customer_id from shop.orders order by a
select distinct on (customer_id) customer_id, amount as total from shop.orders order by customer_id, total
select "Id", "group", KEY from shop."Odd" where "Id" > 1
select x, y from generate_series(1, 3) as x, generate_series(1, x) as y
select n, n.n from generate_series(1, 3) as n
select generate_series from generate_series(1, 3)
select r.a, b from jsonb_to_recordset('[]') as r (a int, b text)
select v, i from unnest(array[1, 2]) with ordinality as u (v, i)
select t, name from shop.customers, unnest(tags) as t
select l.amount from shop.customers c, lateral (select amount from shop.orders o where o.customer_id = c.id limit 1) l
select l.amount from shop.customers c left join lateral (select amount from shop.orders o where o.customer_id = c.id) l on true
select doc->>'a', doc->'b'->>'c', doc #>> '{a,b}', tags[1] from shop.customers
select (o).amount from shop.orders o
select extract(year from ordered_at), ordered_at at time zone 'UTC', date_trunc('day', ordered_at), ordered_at + interval '1 day' from shop.orders
select make_interval(days => id) from shop.orders
select sum(amount) filter (where status = 'a') over w, row_number() over (partition by status order by id) as n from shop.orders window w as (order by id)
select percentile_cont(0.5) within group (order by amount), string_agg(note, ',' order by id), array_agg(distinct status) from shop.orders
select status, customer_id, sum(amount) from shop.orders group by grouping sets ((status), (customer_id), ()) having sum(amount) > 1
select status, customer_id, grouping(status) from shop.orders group by rollup (status, customer_id)
with recursive t (n) as (select 1 union all select n + 1 from t where n < 5) select n from t
with t as materialized (select id as x from shop.orders) select x from t
select (select max(amount) from shop.orders o where o.customer_id = c.id) as top, exists (select 1 from shop.orders where customer_id = c.id) from shop.customers c
select id from shop.orders where (id, customer_id) in (select id, id from shop.customers) and customer_id = any (array[1, 2]) and status = any ('{a}')
select id from shop.orders where id in (1, 2, '3') and status in ('a', 'b') and ordered_at > '2026-01-01' and amount between 1 and '2'
select id from shop.orders where ordered_at > current_date - 30 and ordered_at::date = date '2026-01-01' and id = 1.5 and status = 'a'::varchar
select case when vip then 'a' else name end as k, coalesce(country, name), nullif(id, 0), greatest(id, 1) from shop.customers
select column1, column2 from (values (1, 'a'), (2, 'b')) as v
select a, b from (values (1, 'a'), (2, null)) as v (a, b) where a = 1 and b = 'x'
select id, null as note from shop.orders union all select id, name from shop.customers
select 1 as n union all select amount from shop.orders
select id, '2026-01-01' as day from shop.orders union all select id, ordered_at from shop.orders
select o.id from shop.orders as o (id, who) where who > 1 and o.status = 'x'
select a.id from (shop.orders a join shop.customers b on a.id = b.id) join shop.customers c on c.id = b.id
select c.id from shop.orders a, shop.orders b join shop.customers c on c.id = b.customer_id
select count(*) as count, s.count as inner_count from (select count(*) from shop.orders) s group by s.count
select s.max from (select max(id) from shop.orders) s
select array(select id from shop.orders), row(id, name), name || id::text, name like 'a%', name ~ 'x', id::text = name from shop.customers
select count(*) from shop.orders tablesample system (10)
select id from shop.orders order by 1 desc nulls last limit 3 offset 1
select id from shop.orders for share
table shop.orders
select id, status, count(*) as n from shop.orders group by 1, 2
select lower(status) || 'x' as s, sum(amount) / count(*) as mean, 1 as one from shop.orders group by lower(shop.orders.status)
select o.status from shop.orders o group by status having max(amount) > 1 order by max(o.id), o.status
select status as s, count(*) as n from shop.orders group by s order by s
select date_trunc('day', ordered_at)::date as day, count(*) as n from shop.orders group by (date_trunc('day', ordered_at))::date
select (select max(c.id) from shop.customers c where c.id = o.customer_id) as m, customer_id from shop.orders o group by customer_id
select id, sum(count(*)) over (order by id) as n from shop.orders group by id
select c.name, count(o.id) as n from shop.customers c left join shop.orders o on o.customer_id = c.id group by c.id, c.name
select case when status = 'a' then 1 else 0 end as k, max(amount) as m from shop.orders group by status
select id from shop.orders join shop.customers using (id) group by id
select status, customer_id, grouping(status, customer_id) from shop.orders group by cube (status, (customer_id, status))
select c.id from shop.customers c where exists (select count(*) from shop.orders o having max(o.id) = c.id)
select count(*) as n, 'a' || 'b' as x, current_date from shop.orders
select string_agg(status, ',' order by id), percentile_disc(0.5) within group (order by id) from shop.orders
select k.id, k.name, count(*) as n from shop.keyed k join shop.orders o on o.id = k.id group by k.id
select id, name from shop.keyed group by id order by name
with recursive t (n) as (select 1 union all select n + 1 from t where n < 5) search depth first by n set o select n, o from t
with recursive t (n) as (select 1 union all select n + 1 from t where n < 5) cycle n set c using p select n, c from t
""".strip().splitlines()
WRONG = """
select amonut from shop.orders
select o.amonut from shop.orders o
select orders.id from shop.orders o
select id from shop.orders join shop.customers on true
select id from shop.orders, shop.customers
select name from shop.orders join shop.customers using (name)
select note from shop.orders join shop.customers using (note)
select status as s from shop.orders where s = 'a'
select status as s, lower(s) from shop.orders
select status as s from shop.orders order by lower(s)
select status as s from shop.orders group by lower(s)
select amount as a from shop.orders union select 1 order by amount
select id from shop."Odd"
select "ID" from shop.orders
select a.id from shop.orders a join lateral (select b.id from shop.customers c) x on true
select (select nobody from shop.orders o where o.id = c.id) from shop.customers c
with t as (select id as x from shop.orders) select id from t
with recursive t (n) as (select 1 union all select m + 1 from t) select n from t
select x.id from (select id from shop.orders) as x (other)
select id from shop.orders o where exists (select 1 from shop.customers c where c.order_id = o.id)
select sum(amount) filter (where nobody) from shop.orders
select sum(amount) over (partition by nobody) from shop.orders
select id from shop.orders having count(nobody) > 1
select distinct on (nobody) id from shop.orders
select (o).id, p.id from shop.orders o
select id from shop.orders where id = status
select id from shop.orders where status = 1
select id from shop.orders where status in (1, 2)
select id from shop.orders where amount between status and 3
select id from shop.orders where ordered_at > id
select c.id from shop.orders o join shop.customers c on o.status = c.id
select id from shop.customers where vip = 1
select count(*) as n from shop.orders o join shop.customers c on o.id = c.id where lower(c.name) = o.id + 1
select id from shop.orders union select status from shop.orders
select id, status from shop.orders union all select id from shop.customers
select id from shop.orders except select vip from shop.customers
with t as (select count(*) as n from shop.orders) select n from t where n = 'a'::text
select status, count(*) from shop.orders
select amount, max(id) as m from shop.orders o
select c.name, o.status, count(*) from shop.customers c, shop.orders o group by o.status
select id from (select id, status from shop.orders) s group by status
select lower(status) || note as x, count(*) from (select * from shop.orders) o group by lower(status)
select status from (select * from shop.orders) o group by status order by amount
select status from (select * from shop.orders) o group by status having amount > 1
with t as (select id, status from shop.orders) select id, status from t group by id
select customer_id + 1 as k, count(*) from (select * from shop.orders) o group by 1 order by customer_id
select max(c.name), o.id from shop.customers c join shop.orders o on true
select coalesce(status, 'x') as s, count(*) from (select * from shop.orders) o group by grouping sets ((id), ())
""".strip().splitlines()


@pytest.fixture(scope="module")
def server() -> Iterator[Session]:
    url = new_database()
    connection = POSTGRES.open(POSTGRES.settings(engine="postgres", url=url), Path())
    session = connection.session()
    session.execute("create schema shop")
    for name, columns in TABLES.items():
        session.execute(f"create table {name} ({columns})")
    yield session
    connection.close()
    drop_database(url)


@pytest.fixture(scope="module")
def known(server: Session) -> dict[TableName, tuple[Column, ...]]:
    return {
        TableName.of("shop", name.partition(".")[2].strip('"')): server.columns(f"select * from {name}")
        for name in TABLES
    }


def on_paper(sql: str, known: dict[TableName, tuple[Column, ...]]) -> tuple[Column, ...] | str:
    """Return the columns, or what is wrong with them; nothing where that cannot be told."""
    try:
        return paper.columns(sql, known, "postgres")
    except StatementError as error:
        return error.message if error.of_columns else ()


@pytest.mark.parametrize("sql", RIGHT)
def test_what_postgres_takes_gives_no_alarm_and_the_same_columns(
    sql: str, server: Session, known: dict[TableName, tuple[Column, ...]]
) -> None:
    told, real = on_paper(sql, known), server.columns(sql)
    assert not isinstance(told, str), told
    assert [column.name for column in told] in ([], [column.name for column in real])
    types = {(mine.type, its.type) for mine, its in zip(told, real, strict=False)}
    assert not {(mine, its) for mine, its in types if mine not in ("unknown", its)}


@pytest.mark.parametrize("sql", WRONG)
def test_what_postgres_refuses_for_its_columns_is_told_in_its_words(
    sql: str, server: Session, known: dict[TableName, tuple[Column, ...]]
) -> None:
    with pytest.raises(StatementError) as refused:
        server.columns(sql)
    assert refused.value.of_columns or "GROUP BY" in refused.value.message
    assert on_paper(sql, known) == refused.value.message.partition(";")[0]


def test_most_of_what_postgres_takes_is_told_on_paper(known: dict[TableName, tuple[Column, ...]]) -> None:
    """Else the silence would show nothing."""
    assert sum(on_paper(sql, known) == () for sql in RIGHT) < len(RIGHT) / 3
