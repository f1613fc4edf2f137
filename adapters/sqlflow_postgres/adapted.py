"""What sqlglot would write so that Postgres does not know it, or takes it for something else."""

from typing import Any


def adapted(tree: Any) -> Any:
    """Return a tree of another dialect in which such functions are Postgres's own."""
    return tree.transform(_adapted, copy=False)


def _adapted(node: Any) -> Any:
    from sqlglot import exp

    if isinstance(node, exp.DateFromParts):
        return _of_integers("make_date", [node.args.get(part) for part in ("year", "month", "day")])
    if isinstance(node, exp.TimestampFromParts) and node.args.get("sec") is not None:
        whole = [_integer(node.args[part]) for part in ("year", "month", "day", "hour", "min")]
        return exp.Anonymous(this="make_timestamp", expressions=[*whole, node.args["sec"]])
    if isinstance(node, exp.Select) and (node.args.get("group") or exp.Group()).args.get("all"):
        return _grouped(node)
    return node


def _grouped(select: Any) -> Any:
    """Postgres knows no `group by all`: these are the columns without an aggregate, by number."""
    from sqlglot import exp

    numbers = [number for number, item in enumerate(select.expressions, 1) if item.find(exp.AggFunc) is None]
    select.set("group", exp.Group(expressions=[exp.Literal.number(number) for number in numbers]) if numbers else None)
    return select


def _of_integers(name: str, arguments: list[Any]) -> Any:
    """Postgres's functions of dates take no bigint."""
    from sqlglot import exp

    return exp.Anonymous(this=name, expressions=[_integer(argument) for argument in arguments if argument is not None])


def _integer(argument: Any) -> Any:
    from sqlglot import exp

    return argument if isinstance(argument, exp.Literal) else exp.cast(argument, "int")
