"""A plan as a file: what it was made from, so that it is executed only while that is still so."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlflow.core.block import Block
from sqlflow.core.errors import UsageError
from sqlflow.core.names import TableName
from sqlflow.core.unit_test import QueriedRows, Rows, UnitTest
from sqlflow.plan.origins import hashed
from sqlflow.plan.plan import Plan, all_assertions
from sqlflow.plan.ranges import whole_of
from sqlflow.plan.versions import INTERVALS, OF_TARGET, Key

AGAIN = "make it again with `sqlflow plan --output json`"


def fingerprints(plan: Plan) -> dict[str, Any]:
    """Return what a plan was made from.

    `project`, `state` and `versions` are hashes: of what the project says, of what is published, and of what blocks go on from.
    `data` has hashes of what is read from outside, by its name. `time` is that of the intervals of each block of time ranges, and
    the period of each block with `refresh`.
    """
    published = plan.cookbook.published if plan.cookbook else {}
    return {
        "project": hashed(json.dumps(_said(plan), default=str)),
        "state": hashed(json.dumps(_names(published))) if plan.keys else "",
        "versions": hashed(json.dumps([_names(plan.bases), _spans(plan)])),
        "data": _data(plan),
        "time": _time(plan),
    }


def _names(relations: Mapping[TableName, TableName]) -> list[tuple[str, str]]:
    return sorted((str(name), relation.name) for name, relation in relations.items())


def _spans(plan: Plan) -> list[tuple[str, list[str]]]:
    return [(str(name), list(map(str, ranges.batches))) for name, ranges in sorted(plan.ranges.items())]


def _said(plan: Plan) -> list[Any]:
    """Return what the project says of the blocks of a plan, of what must hold of them, and of how they are tested."""
    blocks = [(key.code, sorted(_reading(key)), *_shown(plan.block(name))) for name, key in sorted(plan.keys.items())]
    assertions = [
        (item.key, item.severity, str(item.fail_above), item.code.text.text) for item in all_assertions(plan.project)
    ]
    tests = [_tested(test) for test in plan.project.unit_tests if test.block in plan.keys]
    return [blocks, sorted(assertions), sorted(tests)]


def _reading(key: Key) -> Iterator[str]:
    """Yield the names of what a block reads; what a target says of itself with its version."""
    yield from (f"{read} {version}" if read in OF_TARGET else read for read, version in key.inputs)


def _tested(test: UnitTest) -> tuple[str, ...]:
    given = [(str(one.name), _rows(one.rows)) for one in test.given]
    return (test.key, str(test.vars), str(test.now), str(given), _rows(test.expect))


def _rows(rows: Rows) -> str:
    if isinstance(rows, QueriedRows):
        return rows.text.text
    columns = [name for name, _ in rows.columns]
    return str([columns, *([cell and (cell.text, cell.kind) for cell in row] for row in rows.rows)])


def _shown(block: Block) -> tuple[Any, ...]:
    """Return what is published with a block's rows, and which of its intervals it has."""
    config = block.config
    described = [(name, column.description) for name, column in config.columns.items()]
    return (config.description, described, config.grants, config.start, config.end, config.lookback, config.batch_size)


def _data(plan: Plan) -> dict[str, str]:
    """Return hashes of what the blocks of a plan read beside blocks: files, and tables with a version."""
    others = {*map(str, plan.project.blocks), INTERVALS, *OF_TARGET}
    found: dict[str, str] = {}
    for name, key in sorted(plan.keys.items()):
        left_out = others | _periods(plan.block(name), key).keys()
        found |= {read: hashed(version) for read, version in key.inputs if version and read not in left_out}
    return found


def _time(plan: Plan) -> dict[str, str]:
    now = datetime.fromtimestamp(plan.files.seconds, UTC)
    found: dict[str, str] = {}
    for name, key in sorted(plan.keys.items()):
        block = plan.block(name)
        times = [
            *({str(whole_of(block.config, now))} if block.is_ranged else ()),
            *sorted(set(_periods(block, key).values())),
        ]
        found |= {str(name): ", ".join(times)} if times else {}
    return found


def _periods(block: Block, key: Key) -> dict[str, str]:
    """Return what of a block's inputs is as old as its `refresh` says, each with the period that counts."""
    refresh = block.config.refresh
    return {} if refresh == "always" else {read: text for read, text in key.inputs if text.split(" ")[0] == refresh}


def text_of(path: str | Path) -> str:
    """Return what is in a plan's file. Raise UsageError if it cannot be read."""
    try:
        return Path(path).read_text()
    except OSError as error:
        raise UsageError(f"the plan `{path}` cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the plan `{path}` cannot be read: it is not UTF-8") from error


def read(text: str, path: str) -> Mapping[str, Any]:
    """Return the document of a plan's file. Raise UsageError if it is none."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UsageError(f"`{path}` is no plan: it is no JSON", hint=AGAIN) from error
    wanted = {
        "steps": list,
        "project": str,
        "state": str,
        "versions": str,
        "data": dict,
        "time": dict,
        "target": str,
        "environment": str,
        "select": list,
        "exclude": list,
        "is_offline": bool,
    }
    if not isinstance(document, dict) or any(not isinstance(document.get(key), kind) for key, kind in wanted.items()):
        raise UsageError(f"`{path}` is no plan", hint=AGAIN)
    if document["is_offline"]:
        raise UsageError(
            f"the plan in `{path}` was made with `--offline`: it does not know what the target shows", hint=AGAIN
        )
    return document


def refuse_stale(document: Mapping[str, Any], plan: Plan, path: str) -> None:
    """Raise UsageError if the project or the target is not what it was when the plan was made."""
    now = fingerprints(plan)
    if document["target"] != plan.project.target.name:
        raise UsageError(
            f"the plan in `{path}` is for the target `{document['target']}`, not `{plan.project.target.name}`"
        )
    if document["environment"] != plan.project.environment.name:
        raise UsageError(
            f"the plan in `{path}` is for the environment `{document['environment']}`, not `{plan.project.environment.name}`"
        )
    moved = next(_moved(document, now, plan), None)
    if moved is not None:
        raise UsageError(f"the plan in `{path}` is not true any more: {moved}", hint=AGAIN)


def _moved(then: Mapping[str, Any], now: Mapping[str, Any], plan: Plan) -> Iterator[str]:
    """Yield what has moved on since a plan was made."""
    steps = [(step.get("block"), step.get("action")) for step in then["steps"] if isinstance(step, dict)]
    if then["project"] != now["project"] or {name for name, _ in steps} != {str(step.block) for step in plan.steps}:
        yield "the project has changed since it was made"
    yield from (f"`{name}` has changed since it was made" for name in _differing(then["data"], now["data"]))
    for name in _differing(then["time"], now["time"]):
        yield f"{_due(plan, name)} since it was made"
    if then["state"] != now["state"]:
        yield "something else has been published since it was made"
    if then["versions"] != now["versions"] or steps != [(str(step.block), step.action) for step in plan.steps]:
        yield "other versions are there than when it was made"


def _due(plan: Plan, name: str) -> str:
    block = plan.project.blocks.get(TableName.parse(name))
    if block is None or block.is_ranged:
        return f"an interval of `{name}` has ended"
    return f"`{name}` has become due by `refresh: {block.config.refresh}`"


def _differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
