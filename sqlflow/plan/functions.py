"""What functions do to rows: which make one row of many, which make many of one, and which look at the rows' order."""

from collections.abc import Iterator
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_AGGREGATES = _words(
    "any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_max_nulls_last"
    " arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg avg bit_and bit_or bit_xor bitstring_agg bool_and"
    " bool_or combine_aggr corr count count_if count_star countif covar_pop covar_samp decimal_average entropy every favg"
    " first fsum grouping group_concat histogram histogram_exact json_agg json_group_array json_group_object"
    " json_group_structure json_object_agg jsonb_agg jsonb_object_agg kahan_sum kurtosis kurtosis_pop last list listagg"
    " lttb mad max max_by mean median min min_by mode percentile_cont percentile_disc product quantile quantile_cont"
    " quantile_disc range_agg range_intersect_agg regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy"
    " reservoir_quantile sem skewness stddev stddev_pop stddev_samp string_agg sum sum_no_overflow sumkahan var_pop"
    " var_samp variance variant_group_object xmlagg"
)
"""Of DuckDB 1.5 and 2.0 (`duckdb_functions()`), and of Postgres."""
_OF_ANY_ORDER = _words(
    "approx_count_distinct avg bit_and bit_or bit_xor bool_and bool_or corr count count_if count_star countif covar_pop"
    " covar_samp every grouping kurtosis kurtosis_pop mad max mean median min percentile_cont percentile_disc product"
    " quantile quantile_cont quantile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx"
    " regr_sxy regr_syy sem skewness stddev stddev_pop stddev_samp sum var_pop var_samp variance"
)
"""Aggregates that give the same for the same rows in any order, the last bits of floats set aside."""
_RANKS = frozenset({"rank", "dense_rank", "rank_dense", "percent_rank", "cume_dist"})
"""Window functions that give equal rows the same."""
_ROW_MAKERS = _words(
    "unnest explode posexplode explode_outer flatten generate_series generate_subscripts regexp_split_to_table"
    " string_split_to_table json_each jsonb_each json_array_elements jsonb_array_elements"
)


def function_name(node: Any, sql: str) -> str:
    """Return a function's name as it stands in `sql`, in lower case: sqlglot has one class for several names.

    Functions with a syntax of their own, such as `cast` and `max`, have a class each and no place. Empty for no function.
    """
    from sqlglot import exp

    start, end = node.meta.get("start"), node.meta.get("end")
    if start is not None and end is not None:
        return sql[start : end + 1].lower()
    return str(node.sql_name()).lower() if isinstance(node, exp.Func) else ""


def own_nodes(tree: Any) -> list[Any]:
    """Return the nodes of an expression, without those of the queries inside of it."""
    from sqlglot import exp

    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += [child for child in node.iter_expressions() if not isinstance(child, (exp.Query, exp.Subquery))]
    return found


def is_aggregate(node: Any, sql: str) -> bool:
    """Tell whether a node calls an aggregate."""
    from sqlglot import exp

    return isinstance(node, exp.AggFunc) or (isinstance(node, exp.Func) and function_name(node, sql) in _AGGREGATES)


def aggregates(expression: Any, sql: str) -> bool:
    """Tell whether an expression makes one row of many: it calls an aggregate, and not as a window."""
    from sqlglot import exp

    nodes = own_nodes(expression)
    windowed = {id(_called(node)) for node in nodes if isinstance(node, exp.Window)}
    return any(is_aggregate(node, sql) and id(node) not in windowed for node in nodes)


def _called(window: Any) -> Any:
    """Return the function that a window calls, behind FILTER and IGNORE NULLS."""
    from sqlglot import exp

    node = window.this
    while isinstance(node, (exp.Filter, exp.IgnoreNulls, exp.RespectNulls, exp.WithinGroup)):
        node = node.this
    return node


def makes_rows(expression: Any, sql: str, dialect: str) -> bool:
    """Tell whether an expression may make several rows, or none, of one; functions that nobody knows may."""
    from sqlglot import exp

    for node in own_nodes(expression):
        if isinstance(node, (exp.UDTF, exp.Explode, exp.GenerateSeries)) or function_name(node, sql) in _ROW_MAKERS:
            return True
        if dialect != "duckdb" and isinstance(node, exp.Anonymous) and function_name(node, sql) not in _AGGREGATES:
            return True
    return False


def heeds_order(tree: Any, sql: str, dialect: str) -> bool:
    """Tell whether a query's rows may depend on the order in which the rows that it reads lie.

    LIMIT, `first()`, `array(select …)` and `row_number()` do, since the order that they are given may leave ties.
    """
    from sqlglot import exp

    windowed: set[int] = set()
    for node in tree.walk():
        if isinstance(node, (exp.Limit, exp.Offset, exp.Fetch, exp.TableSample)):
            return True
        if isinstance(node, exp.Array) and any(isinstance(item, exp.Query) for item in node.expressions):
            return True
        if isinstance(node, exp.Distinct) and node.args.get("on") is not None:
            return True
        if isinstance(node, exp.Join) and node.method in ("ASOF", "POSITIONAL"):
            return True
        if isinstance(node, exp.Column) and node.name.lower() in ("rowid", "ctid"):
            return True
        if isinstance(node, exp.Window):
            windowed.add(id(_called(node)))
            if _window_heeds_order(node, sql):
                return True
    return any(_call_heeds_order(node, sql, dialect) for node in tree.walk() if id(node) not in windowed)


def _window_heeds_order(window: Any, sql: str) -> bool:
    from sqlglot import exp

    spec = window.args.get("spec")
    if spec is not None and str(spec.args.get("kind") or "").upper() != "RANGE":
        return True
    called = _called(window)
    return isinstance(called, exp.Func) and function_name(called, sql) not in _OF_ANY_ORDER | _RANKS


def _call_heeds_order(node: Any, sql: str, dialect: str) -> bool:
    from sqlglot import exp

    if not isinstance(node, exp.Func):
        return False
    name = function_name(node, sql)
    if is_aggregate(node, sql):
        return name not in _OF_ANY_ORDER
    return isinstance(node, exp.Anonymous) and dialect != "duckdb"


def children(node: Any) -> Iterator[tuple[str, Any]]:
    for name in sorted(node.args):
        value = node.args[name]
        for item in value if isinstance(value, list) else [value]:
            if item is not None and item is not False:
                yield name, item


def parameters(node: Any) -> frozenset[str]:
    """Return the names of the parameters of the lambdas and comprehensions that a column stands in."""
    from sqlglot import exp

    found: set[str] = set()
    while node is not None and not isinstance(node, exp.Query):
        if isinstance(node, exp.Lambda):
            found |= {item.name.lower() for item in node.expressions}
        elif isinstance(node, exp.Comprehension):
            found |= {part.name.lower() for part in (node.expression, node.args.get("position")) if part is not None}
        node = node.parent
    return frozenset(found)
