"""From a seed and its sidecar to a block."""

import msgspec

from sqlflow.core.block import Block
from sqlflow.core.config import BlockConfig
from sqlflow.core.errors import Problem, ProjectError
from sqlflow.core.node import Node
from sqlflow.core.text import SourceFile
from sqlflow.read.assertion_kinds import Scope
from sqlflow.read.assertions import block_assertions
from sqlflow.read.blocks import OF_FUNCTIONS, STATEMENT_KEYS, Reading, block_config, table_name
from sqlflow.read.flow import flow_of
from sqlflow.read.incremental import INCREMENTAL_ALONE
from sqlflow.read.snapshots import SNAPSHOT_ALONE


def seed_block(path: str, sidecar: SourceFile | None, folder: str, reading: Reading) -> Block | None:
    """Return the block of a seed; its sidecar, a `.yml` of the same name, is its front matter."""
    from sqlflow.read.yaml import parse

    try:
        given = parse(sidecar) if sidecar else None
    except ProjectError as error:
        reading.problems.extend(error.problems)
        return None
    config = block_config(given, path, reading)
    if config is None or not config.enabled:
        return None
    reading = reading.at(config.target)
    if config.materialize != "table":
        config = _as_table(config, given, path, reading)
    _refuse_what_a_seed_has_not(given, reading)
    name = table_name(path, folder, config, reading)
    if name is None:
        return None
    scope = Scope(name, reading.engine, reading.renderer, reading.problems, config.dialect)
    source = sidecar or SourceFile(path, "")
    assertions, flow = block_assertions(config, scope), flow_of(config, name, reading, given)
    return Block(name, "seed", SourceFile(path, source.text), config, None, assertions, flow=flow)


def _refuse_what_a_seed_has_not(given: Node | None, reading: Reading) -> None:
    for key in ("depends_on", "order_by", *STATEMENT_KEYS, *OF_FUNCTIONS, *INCREMENTAL_ALONE, *SNAPSHOT_ALONE):
        node = given.get(key) if given is not None else None
        if node is not None:
            message = f"a seed takes no `{key}`"
            reading.problems.append(Problem(message, node.place, "write a block that reads the seed"))


def _as_table(config: BlockConfig, given: Node | None, path: str, reading: Reading) -> BlockConfig:
    node = given.get("materialize") if given is not None else None
    if node is not None:
        reading.problems.append(Problem(f"a seed is a table, not `{config.materialize}`", node.place))
    return msgspec.structs.replace(config, materialize="table")
