"""Why a block is built or not: what has changed since its version was made, what has not, and what would change that."""

import json
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any

from msgspec import Struct

from sqlflow.core.block import Block
from sqlflow.core.names import TableName
from sqlflow.plan.origins import EVERY
from sqlflow.plan.plan import Plan
from sqlflow.plan.recipes import Cookbook, Entry, described
from sqlflow.plan.sameness import Comparison
from sqlflow.plan.versions import DEFINITIONS, INTERVALS, OF_TARGET, REFRESH, SERVER

_OTHERS = {"macros": "the macros that it calls", "settings": "the target's `settings`", "root": "the project's folder",
           "statements": "its statements", "form": "how sqlflow builds", "types": "the types of its columns"}  # fmt: skip


class Difference(Struct, frozen=True):
    """Something that is not as it was, and what would make it so again; empty where nothing can."""

    what: str
    details: tuple[str, ...] = ()
    remedy: str = ""


class Why(Struct, frozen=True):
    """The decision about one block. Without a version of it, nothing has changed and nothing is the same."""

    block: TableName
    action: str
    reason: str
    changed: tuple[Difference, ...] = ()
    same: tuple[str, ...] = ()


def why(plan: Plan, name: TableName, published: TableName | None) -> Why:
    """Return why a plan does what it does to a block, given the version of it that is published."""
    step = next(step for step in plan.steps if step.block == name)
    cookbook, block = plan.cookbook, plan.block(name)
    entries = cookbook.entries.get(published.name, []) if cookbook and published and name in plan.keys else []
    if cookbook is None or not entries:
        return Why(name, step.action, step.reason)
    before = json.loads(entries[0].text)
    relations = {other: TableName("", "") for other in plan.graph.inputs[name] if other not in plan.inlined}
    now = json.loads(described(cookbook, name, relations, None))
    changed = [
        *_query(before, now), *_settings(before, now), *_unknown(plan, block), *_inputs(plan, cookbook, name, entries[0], before, now)
    ]  # fmt: skip
    return Why(name, step.action, step.reason, tuple(changed), tuple(_same(before, now)))


def _query(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    is_known = before["sql"] or now["sql"] or before["settings"] != now["settings"]
    if before["sql"] == now["sql"] and (is_known or before["code"] == now["code"]):
        return
    if not before["sql"] or not now["sql"]:
        told = now["settings"] and before["settings"]  # else they may be what has changed
        yield Difference("its code" if told else "its code or settings", (), "put it back as it was")
        return
    lines = unified_diff(before["sql"].splitlines(), now["sql"].splitlines(), "", "", "", "", n=1, lineterm="")
    shown = tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))
    yield Difference("its query", shown, "put it back as it was")


def _settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    old, new = before["settings"], now["settings"]
    if not old or not new:  # they hold a secret and are not kept
        return
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) == new.get(key) or (key == "root" and not (old[key] and new[key])):
            continue
        if key in ("vars", "env"):
            yield from _values(key, dict(old[key]), dict(new[key]))
        else:
            shown = (
                ()
                if key in ("indexes", "macros", "settings", "root", "statements")
                else (f"{_text(old.get(key))} → {_text(new.get(key))}",)
            )
            yield Difference(
                _OTHERS.get(key, "the engine" if key == "engine" else f"`{key}`"), shown, "put it back as it was"
            )


def _values(kind: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            shown = (f"{old.get(name, 'not read')} → {new.get(name, 'not read')}",) if kind == "vars" else ()
            what = f"the var `{name}`" if kind == "vars" else f"the environment's `{name}`"
            yield Difference(what, shown, "give it the value that it had")


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_text, value)) or "none"
    return json.dumps(value) if isinstance(value, (dict, bool)) else str(value) or "none"


def _unknown(plan: Plan, block: Block) -> Iterator[Difference]:
    if block.pre_statements or block.post_statements:
        yield Difference("what its statements do is not looked into")
    elif block.code and block.code.volatile and block.config.refresh == "always":
        yield Difference(block.code.volatile, (), "`refresh: daily`, `hourly` or `never` in its front matter")


def _inputs(
    plan: Plan, cookbook: Cookbook, name: TableName, entry: Entry, before: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[Difference]:
    recipe, was = cookbook.of_block(name), cookbook.of_entry(entry)
    comparison = Comparison(plan.project.target.engine.dialect)
    columns = comparison.differing(recipe, was) if recipe and was else {}
    for read in sorted(before["reads"].keys() | now["reads"].keys()):
        old, new = before["reads"].get(read), now["reads"].get(read)
        if old == new and new:
            continue
        if read == DEFINITIONS:
            yield Difference(read, ("one has been made, changed or dropped",))
        elif read == SERVER:
            yield Difference(read, (f"{old} is now {new}",))
        elif old is None or new is None:
            yield Difference(f"`{read}` is {'read now' if old is None else 'not read any more'}")
        elif read == INTERVALS:
            yield Difference(INTERVALS, tuple(filter(None, [plan.ranges[name].told if name in plan.ranges else ""])))
        elif read == REFRESH:
            yield Difference(f"`refresh: {new.split()[0]}`", ("the time has come",))
        elif TableName.parse(read) in plan.graph.inputs:
            is_known = recipe is not None and was is not None and comparison.lineage(recipe) is not None
            yield _block(read, columns.get(read), is_known)
        elif there := plan.project.elsewhere.get(TableName.parse(read)):
            what = "it holds something else" if new else f"it is built in `{there}` first"
            yield Difference(f"`{read}`", (what,), f"see `sqlflow why {read}`")
        elif new:
            yield Difference(f"`{read}`", ("it holds something else",), "give it the content that it had")
        else:
            remedy = (
                f"a `version` query for the source `{read}`, or `refresh`"
                if TableName.parse(read) in plan.graph.sources[name]
                else ""
            )
            yield Difference(f"the version of `{read}` is not known", (), remedy)


def _block(read: str, columns: list[str] | None, is_known: bool) -> Difference:
    remedy = f"see `sqlflow why {read}`"
    if is_known and not columns:
        return Difference(f"`{read}`", ("in nothing that is read of it",), remedy)
    words = (
        "which rows there are" if not column else "all columns" if column == EVERY else f"its column `{column}`"
        for column in columns or ()
    )
    return Difference(f"`{read}`", tuple(words), remedy)


def _same(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    if before["sql"] == now["sql"] and now["sql"]:
        yield "its query"
    if before["settings"] == now["settings"]:
        yield "its settings"
    for read in sorted(before["reads"].keys() & now["reads"].keys()):
        if before["reads"][read] == now["reads"][read] and now["reads"][read] and read not in OF_TARGET:
            yield f"`{read}`"
