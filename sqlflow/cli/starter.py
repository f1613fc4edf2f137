"""The project that `sqlflow init` makes."""

import re
from pathlib import Path

from sqlflow.core.errors import UsageError

SCHEMA_FILE = ".sqlflow/sqlflow.schema.json"
PIPELINE_SCHEMA_FILE = ".sqlflow/pipeline.schema.json"

_FILES = {
    "sqlflow.yml": f"""\
# yaml-language-server: $schema={SCHEMA_FILE}
name: {{name}}
targets:
  dev: {{{{engine: duckdb, path: warehouse.duckdb}}}}
vars:
  currency: EUR
""",
    ".gitignore": """\
.sqlflow/
*.duckdb
*.duckdb.wal
""",
    "seeds/raw/orders.csv": """\
order_id,customer,status,amount_cents,ordered_on
1,ada,shipped,1250,2026-01-03
2,grace,placed,990,2026-01-03
3,ada,returned,4500,2026-01-04
4,edsger,shipped,700,2026-01-05
5,grace,shipped,12000,2026-01-05
""",
    "macros/money.sql": """\
{{% macro money(cents) %}}cast({{{{ cents }}}} / 100.0 as decimal(12, 2)){{% endmacro %}}
""",
    "blocks/staging/stg_orders.sql": """\
/*---
description: One row per order, amounts in whole units.
materialize: view
assert:
  - unique: order_id
  - not_null: [order_id, customer, ordered_on]
  - accepted_values: {{status: [placed, shipped, returned]}}
  - amount >= 0
---*/
select
    order_id,
    customer,
    status,
    {{{{ money('amount_cents') }}}} as amount,
    ordered_on
from raw.orders
""",
    "blocks/marts/revenue.sql": """\
/*---
description: Revenue per day, returned orders left out.
columns:
  day: {{description: The day of the order., assert: [unique, not_null]}}
  revenue: {{description: 'In {{{{ var("currency") }}}}.', assert: [{{range: {{min: 0}}}}]}}
---*/
select
    ordered_on as day,
    '{{{{ var("currency") }}}}' as currency,
    count(*) as orders,
    sum(amount) as revenue
from staging.stg_orders
where status <> 'returned'
group by ordered_on
order by ordered_on
""",
    "assertions/revenue_matches_orders.sql": """\
/*---
description: What the mart shows is what the orders sum up to.
---*/
select mart.total as shown, orders.total as expected
from (select sum(revenue) as total from marts.revenue) as mart,
    (select sum(amount) as total from staging.stg_orders where status <> 'returned') as orders
where mart.total <> orders.total
""",
}


def write_starter(folder: Path) -> list[str]:
    """Write the files that are not there yet, and the JSON Schemas, and return their paths."""
    from sqlflow.read.schema import json_schema_text, pipeline_schema_text

    if folder.exists() and not folder.is_dir():
        raise UsageError(f"`{folder}` is no folder")
    name = re.sub(r"\W+", "_", folder.resolve().name) or "project"
    texts = {path: text.format(name=name) for path, text in _FILES.items()}
    schemas = {SCHEMA_FILE: json_schema_text(), PIPELINE_SCHEMA_FILE: pipeline_schema_text()}
    texts |= schemas
    made = []
    for path, text in texts.items():
        file = folder / path
        if file.exists() and path not in schemas:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        made.append(path)
    return [path for path in made if path not in schemas]
