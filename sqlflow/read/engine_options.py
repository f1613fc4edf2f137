"""What of a block's settings is the engine's own to judge."""

from msgspec.structs import fields

from sqlflow.core.config import BlockConfig
from sqlflow.core.engine import Engine
from sqlflow.core.errors import Problem
from sqlflow.core.node import Node
from sqlflow.read.decode import decoded


def refuse_unfit(config: BlockConfig, given: Node, engine: Engine, problems: list[Problem]) -> None:
    """Add what the engine does not have to `problems`, at its place in the front matter or in `defaults`."""
    _refuse_options(config, given.get("options"), engine, problems)
    _refuse_empty_indexes(config, given.get("indexes"), problems)
    for key, message in engine.unfit(config):
        node = given.get(key)
        problems.append(Problem(message, node.place if node else given.place))


def _refuse_options(config: BlockConfig, node: Node | None, engine: Engine, problems: list[Problem]) -> None:
    if not config.options or node is None:
        return
    if not fields(engine.options):
        message = f"`{node.pairs[0][0].text}` is no option of a table on `{engine.name}`, which has none"
        problems.append(Problem(message, node.pairs[0][0].place, "leave `options` out"))
        return
    decoded(node, engine.options, problems, "options.")


def _refuse_empty_indexes(config: BlockConfig, node: Node | None, problems: list[Problem]) -> None:
    for number, index in enumerate(config.indexes):
        if node is not None and not index.columns and not index.expressions:
            place = node.items[number].place if node.kind == "list" else node.place
            problems.append(Problem("an index needs `columns` or `expressions`", place))
