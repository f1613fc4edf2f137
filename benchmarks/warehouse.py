"""One synthetic warehouse in every tool's format: the same SELECTs, the same checks, other words round them.

    python benchmarks/warehouse.py sqlflow 1000 /tmp/w          # or: dbt, sqlmesh, yato, floor

Blocks lie in layers and read 1 to 4 of the layers before. Each is 20 to 80 lines of CTEs, joins, windows, CASE and aggregates; a
fifth goes through Jinja loops and a macro; there are 3 checks for 2 blocks. Sources have 1,000 rows. The same number gives
the same warehouse.
"""

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SOURCES = 10
ROWS = 1_000
_LAYERS = ("staging", "intermediate", "marts", "reports", "final")
_STATUSES = ("placed", "shipped", "returned", "lost")


@dataclass(frozen=True, slots=True)
class Model:
    """One block: its place, what it reads, and which of its parts go through Jinja. `seed` decides its SQL."""

    layer: str
    name: str
    reads: tuple[str, ...]
    templated: bool
    checks: int
    seed: int

    @property
    def full_name(self) -> str:
        return f"{self.layer}.{self.name}"


def models(count: int) -> list[Model]:
    """Return `count` blocks, inputs before readers."""
    draw = random.Random(20261124)
    found: list[Model] = []
    for number in range(count):
        layer = min(number * len(_LAYERS) // count, len(_LAYERS) - 1)
        before = [model.full_name for model in found if model.layer != _LAYERS[layer]][-200:]
        reads = draw.sample(before, draw.randint(1, min(4, len(before)))) if before else []
        sources = tuple(reads) or (f"raw.events_{draw.randrange(SOURCES)}",)
        name = f"{_LAYERS[layer][:3]}_{number:05d}"
        found.append(Model(_LAYERS[layer], name, sources, draw.random() < 0.2, 1 + number % 2, draw.randrange(1 << 30)))
    return found


def select(model: Model, table: Callable[[str], str], jinja: bool = True) -> str:
    """Return the SELECT of a block. `table` gives the word for what is read; without `jinja` its text is written out."""
    draw = random.Random(model.seed)
    ctes = [_input_cte(number, table(name), draw) for number, name in enumerate(model.reads)]
    ctes.append(_joined(len(model.reads)))
    ctes.append(_ranked(draw))
    sums = _templated_sums() if model.templated and jinja else _plain_sums()
    between = ",\n"
    cents = "{{ cents('total_amount') }}" if model.templated and jinja else "round(total_amount * 100)"
    return f"""with
{between.join(ctes)},
summed as (
    select
        customer_id,
        day,
        min(id) as id,
        count(*) as events,
        sum(amount) as total_amount,
{sums}
        max(rank_of_day) as most_of_a_day
    from ranked
    group by customer_id, day
)
select
    id,
    customer_id,
    day,
    events,
    total_amount as amount,
    {cents} as cents,
    case
        when total_amount > {draw.randint(50, 900)} then 'large'
        when total_amount > {draw.randint(5, 49)} then 'middle'
        else 'small'
    end as size,
    case when placed_amount > 0 then 'placed' when shipped_amount > 0 then 'shipped' else 'returned' end as status,
    sum(total_amount) over (partition by customer_id order by day, id) as running_amount,
    most_of_a_day
from summed
where events > 0
"""


def _input_cte(number: int, table: str, draw: random.Random) -> str:
    return f"""input_{number} as (
    select
        id,
        customer_id,
        day,
        amount * {draw.randint(1, 9)} as amount,
        status,
        -- what was lost counts as returned
        case when status = 'lost' then 'returned' else status end as outcome
    from {table}
    where amount >= 0
      and day >= date '2025-01-01'
)"""


def _joined(inputs: int) -> str:
    joins = "".join(
        f"\n    left join input_{number} on input_{number}.id = input_0.id and input_{number}.day = input_0.day"
        for number in range(1, inputs)
    )
    others = "".join(f" + coalesce(input_{number}.amount, 0)" for number in range(1, inputs))
    return f"""joined as (
    select
        input_0.id,
        input_0.customer_id,
        input_0.day,
        input_0.outcome,
        input_0.amount{others} as amount
    from input_0{joins}
)"""


def _ranked(draw: random.Random) -> str:
    return f"""ranked as (
    select
        id,
        customer_id,
        day,
        outcome,
        amount,
        row_number() over (partition by customer_id, day order by amount desc, id) as rank_of_day
    from joined
    where outcome in ('placed', 'shipped', 'returned')
      and amount < {draw.randint(10_000, 90_000_000)}
)"""


def _plain_sums() -> str:
    return "\n".join(_sum(status) for status in _STATUSES[:3])


def _sum(status: str) -> str:
    return f"        sum(case when outcome = '{status}' then amount else 0 end) as {status}_amount,"


def _templated_sums() -> str:
    return (
        "        {% for status in ['placed', 'shipped', 'returned'] -%}\n"
        "        sum(case when outcome = '{{ status }}' then amount else 0 end) as {{ status }}_amount,\n"
        "        {% endfor -%}"
    )


def source_sql(number: int) -> str:
    """Return the SELECT that makes a source's rows."""
    return (
        f"select range as id, range % 97 as customer_id, date '2025-01-01' + cast(range % 300 as integer) as day,"
        f" cast((range * {7 + number}) % 1000 as double) as amount,"
        f" case range % 4 when 0 then 'placed' when 1 then 'shipped' when 2 then 'returned' else 'lost' end as status"
        f" from range({ROWS})"
    )


MACRO = "{% macro cents(column) %}round({{ column }} * 100){% endmacro %}\n"


def write_sqlflow(folder: Path, count: int) -> None:
    sources = "\n".join(f"    events_{number}: {{files: data/events_{number}.parquet}}" for number in range(SOURCES))
    _write(folder / "sqlflow.yml", f"name: bench\nthreads: 2\nsources:\n  raw:\n{sources}\n")
    _write(folder / "macros/cents.sql", MACRO)
    for model in models(count):
        checks = ["  - unique: [id, day]", "  - not_null: customer_id"][: model.checks]
        front = "/*---\nassert:\n" + "\n".join(checks) + "\n---*/\n"
        _write(folder / f"blocks/{model.layer}/{model.name}.sql", front + select(model, lambda name: name))
    _write_files(folder / "data")


def write_floor(folder: Path, count: int) -> None:
    """Write the same statements as one script that needs no tool: CREATE TABLE AS, and each check as a query."""
    lines = [f"create schema if not exists {layer};" for layer in _LAYERS]
    for model in models(count):
        lines.append(f"create table {model.full_name} as\n{select(model, lambda name: name, jinja=False)};")
        lines.append(
            f"select count(*) from (select id, day from {model.full_name} group by 1, 2 having count(*) > 1) as twice;"
        )
        if model.checks > 1:
            lines.append(f"select count(*) from {model.full_name} where customer_id is null;")
    _write(folder / "floor.sql", "\n".join(lines))
    write_sources(folder / "warehouse.duckdb")


def write_dbt(folder: Path, count: int) -> None:
    profile = "bench:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: warehouse.duckdb, threads: 2}\n"
    _write(folder / "profiles.yml", profile)
    project = "name: bench\nversion: '1.0'\nprofile: bench\nmodel-paths: [models]\nmacro-paths: [macros]\nmodels: {bench: {+materialized: table}}\n"
    _write(folder / "dbt_project.yml", project)
    _write(folder / "macros/cents.sql", MACRO)
    tables = "\n".join(f"      - name: events_{number}" for number in range(SOURCES))
    _write(folder / "models/sources.yml", f"version: 2\nsources:\n  - name: raw\n    tables:\n{tables}\n")

    def ref(name: str) -> str:
        schema, _, table = name.partition(".")
        return f"{{{{ source('raw', '{table}') }}}}" if schema == "raw" else f"{{{{ ref('{table}') }}}}"

    described: dict[str, list[str]] = {layer: [] for layer in _LAYERS}
    for model in models(count):
        _write(folder / f"models/{model.layer}/{model.name}.sql", select(model, ref))
        checks = "          - not_null\n" if model.checks > 1 else ""
        described[model.layer].append(
            f"  - name: {model.name}\n    columns:\n      - name: id\n        data_tests:\n          - unique\n"
            + (f"      - name: customer_id\n        data_tests:\n{checks}" if checks else "")
        )
    for layer, lines in described.items():
        _write(folder / f"models/{layer}/schema.yml", "version: 2\nmodels:\n" + "".join(lines))
    write_sources(folder / "warehouse.duckdb")


def write_sqlmesh(folder: Path, count: int) -> None:
    """Write the models with their audits; what goes through Jinja elsewhere is written out."""
    _write(
        folder / "config.yaml",
        "gateways:\n  dev:\n    connection: {type: duckdb, database: warehouse.duckdb, concurrent_tasks: 1}\n"
        "default_gateway: dev\nmodel_defaults: {dialect: duckdb, start: 2025-01-01}\n",
    )
    for model in models(count):
        audits = ["unique_combination_of_columns(columns := (id, day))", "not_null(columns := (customer_id))"]
        head = f"MODEL (name {model.full_name}, kind FULL, audits ({', '.join(audits[: model.checks])}));\n\n"
        text = head + select(model, lambda name: name, jinja=False)
        _write(folder / f"models/{model.layer}/{model.name}.sql", text)
    write_sources(folder / "warehouse.duckdb")


def write_yato(folder: Path, count: int) -> None:
    """Write the models, whose names are their files': all lie in one schema. There are no checks."""

    def table(name: str) -> str:
        return name if name.startswith("raw.") else name.rpartition(".")[2]

    for model in models(count):
        _write(folder / f"sql/{model.name}.sql", select(model, table, jinja=False))
    write_sources(folder / "warehouse.duckdb")


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def write_sources(file: Path) -> None:
    import duckdb

    file.unlink(missing_ok=True)
    with duckdb.connect(str(file), config={"storage_compatibility_version": "v1.5.0"}) as warehouse:
        warehouse.execute("create schema raw")
        for number in range(SOURCES):
            warehouse.execute(f"create table raw.events_{number} as {source_sql(number)}")


def _write_files(folder: Path) -> None:
    """Write the sources as files, whose versions sqlflow can tell."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(SOURCES):
        duckdb.sql(f"copy ({source_sql(number)}) to '{folder}/events_{number}.parquet'")


WRITERS = {
    "sqlflow": write_sqlflow, "dbt": write_dbt, "floor": write_floor, "sqlmesh": write_sqlmesh, "yato": write_yato,
}  # fmt: skip

if __name__ == "__main__":
    WRITERS[sys.argv[1]](Path(sys.argv[3]), int(sys.argv[2]))
