"""From what an environment shows to a Plan that shows it elsewhere and builds nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.environment import Environment
from sqlflow.core.errors import Problem, UsageError
from sqlflow.core.names import TableName
from sqlflow.core.text import Place
from sqlflow.plan.current import Current
from sqlflow.plan.plan import Plan
from sqlflow.plan.reuse import Step


class Promotion(Struct, frozen=True):
    """What is promoted: a plan of all blocks in `source`, and what `source` and the environment promoted to show.

    `built` says when each version was built, as anything that sorts.
    """

    source: Environment
    plan: Plan
    there: Current
    here: Current
    built: Mapping[TableName, Any]


def promoted(promotion: Promotion) -> Plan:
    """Return the plan that shows what the source shows.

    Raise UsageError, with each block that differs, if the source does not show what the project says now.
    """
    plan, shown = promotion.plan, promotion.there.published
    blocks = [step.block for step in plan.steps if step.action in ("build", "reuse")]
    differing = list(_differing(promotion, blocks))
    if differing:
        message = f"`{promotion.source.name}` does not show what the project says now: nothing was promoted"
        hint = f"run `sqlflow build{promotion.source.flag}`, and promote then"
        raise UsageError([Problem(message, hint=hint), *differing])
    why = f"as `{promotion.source.name}` shows it"
    steps = tuple(Step(step.block, "reuse", why) if step.action in ("build", "reuse") else step for step in plan.steps)
    return replace(
        plan, steps=steps, reused={name: shown[name] for name in blocks}, removed=(), problems=(), lacking=(),
        renewed=frozenset(), borrowed={},
    )  # fmt: skip


def _differing(promotion: Promotion, blocks: list[TableName]) -> Iterator[Problem]:
    there = {version.relation for version in promotion.there.made}
    for name in blocks:
        relation = promotion.there.published.get(name)
        if relation is None or relation not in there:
            reason = "it has never been built"
        else:
            reason = _difference(promotion, name, relation)
        if reason:
            yield Problem(f"`{name}`: {reason}", Place(promotion.plan.block(name).source.path))


def _difference(promotion: Promotion, name: TableName, relation: TableName) -> str:
    """Return how a version differs from what the block is now; empty where nothing is known to."""
    plan, key = promotion.plan, promotion.plan.keys[name]
    if plan.reused.get(name) == relation:
        return ""
    code, reads = _made_from(promotion, relation)
    if code != key.code:
        return "its code or settings changed"
    now = dict(key.inputs)
    changed = [read for read in sorted({*reads, *now}) if _differ(reads.get(read), now.get(read))]
    if changed:
        return f"`{changed[0]}` has changed"
    if key.text:
        return "what it was made from is not known"
    if _is_older(relation, promotion.here.published.get(name), promotion.built):
        return "it has been built in `prod` since, and what it reads has no known version"
    return ""


def _differ(one: str | None, other: str | None) -> bool:
    """Tell whether two versions are known to be others: an empty one is not known, and None is of what is not read."""
    return one != other and "" not in (one, other)


def _made_from(promotion: Promotion, relation: TableName) -> tuple[str, Mapping[str, str]]:
    """Return the code that a version was made by, and the versions of what it read when it was last found to be good."""
    cookbook = promotion.plan.cookbook
    entries = cookbook.entries.get(relation.name, []) if cookbook else []
    if cookbook and entries:
        return entries[0].code, cookbook.reads(entries[0])
    version = next(version for version in promotion.there.made if version.relation == relation)
    return version.code, version.inputs


def _is_older(relation: TableName, shown: TableName | None, built: Mapping[TableName, Any]) -> bool:
    return shown is not None and shown in built and relation in built and built[relation] < built[shown]


def overtaken(promotion: Promotion) -> Iterator[TableName]:
    """Yield the blocks of which the environment promoted to shows rows that were added after the source went its own way.

    Those are blocks that go on from the version that is there: what is shown is none of those that the source's version has
    gone on from, and is either later than all of them, or has gone on from one of them.
    """
    cookbook = promotion.plan.cookbook
    for name, relation in promotion.there.published.items():
        shown = promotion.here.published.get(name)
        block = promotion.plan.project.blocks.get(name)
        if cookbook is None or block is None or not block.is_continued or shown in (None, relation):
            continue
        assert shown is not None
        theirs, ours = cookbook.ancestors(relation.name), cookbook.ancestors(shown.name)
        first = TableName(relation.schema, theirs[-1])
        if shown.name not in theirs and (set(theirs) & set(ours) or _is_older(first, shown, promotion.built)):
            yield name
