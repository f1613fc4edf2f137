"""Which versions that are there are used again, and why each block is built or not."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from sqlflow.core.block import Project
from sqlflow.core.later import later
from sqlflow.core.names import TableName
from sqlflow.plan.current import Current
from sqlflow.plan.recipes import Cookbook, Entry, Recipe, is_stored, is_volatile
from sqlflow.plan.versions import INTERVALS, OF_TARGET, REFRESH, STATE_SCHEMA, Key, goes_by_time

if TYPE_CHECKING:
    from sqlflow.plan import sameness
else:  # where every key is that of a version, nothing is compared
    (sameness,) = later("sqlflow.plan", "sameness")

Action = Literal["build", "reuse", "inline", "skip"]


class Retyped(Struct, frozen=True):
    """A column that gets another type, in the engine's own spelling."""

    name: str
    before: str
    after: str


class ColumnChanges(Struct, frozen=True):
    """The columns that a block gets, loses and has with another type, and the readers that cannot be built from it then."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    breaks: tuple[TableName, ...] = ()
    retyped: tuple[Retyped, ...] = ()


class Step(Struct, frozen=True):
    """What is done to one block.

    `reuse`: a version of the same key is there and is shown. `inline`: an ephemeral block has no relation of its own.
    """

    block: TableName
    action: Action
    reason: str
    columns: ColumnChanges | None = None
    """What becomes of its columns, where something does and it can be told before the block is built."""


class Reuse(Struct, frozen=True):
    """A version that is used again. `changed` names what it reads that is another version now, in nothing that counts."""

    relation: TableName
    changed: tuple[str, ...] = ()


def reuses(cookbook: Cookbook, current: Current) -> dict[TableName, Reuse]:
    """Return the versions that are used again: those of the same key, and those that read nothing of what changed."""
    there = {made.key: made.relation for made in current.made}
    there |= {key: TableName(STATE_SCHEMA, relation) for key, relation in current.entries.keys.items()}
    comparison: sameness.Comparison | None = None
    found: dict[TableName, Reuse] = {}
    of_time: set[TableName] = set()
    for name in cookbook.graph.order:
        key, block = cookbook.keys.get(name), cookbook.graph.project.blocks[name]
        reads_of_time = of_time & cookbook.graph.inputs[name] if of_time else of_time
        if reads_of_time or (block.config.refresh != "always" and key and goes_by_time(dict(key.inputs).values())):
            of_time.add(name)
        if key is None or block.config.materialize == "ephemeral":
            continue
        if key.text in there and not (reads_of_time and _is_of_others(cookbook, name, there[key.text], found)):
            found[name] = Reuse(there[key.text])
            continue
        comparison = comparison or sameness.Comparison(cookbook.graph.project.target.engine.dialect)
        if (entry := _same(cookbook, comparison, name)) is not None:
            found[name] = Reuse(TableName(STATE_SCHEMA, entry.relation), _changed(entry, key, cookbook))
    return found


def _is_of_others(
    cookbook: Cookbook, name: TableName, version: TableName, found: Mapping[TableName, Reuse]
) -> bool:  # fmt: skip
    """Tell whether a version read others than the block would read now.

    Where something goes by the time, as `refresh` says, a key does not tell all: what was built again by `--full-refresh` is of
    another moment, and has the key of before.
    """
    waiting, now = list(cookbook.graph.inputs[name]), dict[str, str]()
    while waiting:
        read = waiting.pop()
        if cookbook.graph.project.blocks[read].config.materialize == "ephemeral":
            waiting += cookbook.graph.inputs[read]
        elif read in found or read not in cookbook.keys:
            shown = found[read].relation if read in found else cookbook.published.get(read)
            now[str(read)] = shown.name if shown else ""
        else:
            now[str(read)] = ""
    recipe = cookbook.of_version(version.name)
    return recipe is None or dict(_relations_read(recipe)) != now


def _relations_read(recipe: Recipe) -> Iterator[tuple[str, str]]:
    for read, child in recipe.inputs.items():
        if child.relation:
            yield read, child.relation
        else:
            yield from _relations_read(child)


def _same(cookbook: Cookbook, comparison: "sameness.Comparison", name: TableName) -> Entry | None:
    """Return the entry of a version of a table that has the same rows as the block would have now."""
    block = cookbook.graph.project.blocks[name]
    if block.code is None or not is_stored(block) or is_volatile(block):
        return None
    for entry in cookbook.candidates(name):
        recipe, before = cookbook.of_block(name), cookbook.of_entry(entry)
        if recipe is not None and before is not None and comparison.needs(recipe, before) is not None:
            return entry
    return None


def _changed(entry: Entry, key: Key, cookbook: Cookbook) -> tuple[str, ...]:
    before, now = cookbook.reads(entry), dict(key.inputs)
    return tuple(sorted(name for name in now if before.get(name) != now[name]))


def step_of(
    name: TableName, reason: str | None, cookbook: Cookbook, reused: Mapping[TableName, Reuse], current: Current,
    full_refresh: bool,
) -> Step:  # fmt: skip
    """Return what is done to a block that takes part for a `reason`, or to one that takes no part."""
    if cookbook.graph.project.blocks[name].config.materialize == "ephemeral":
        return Step(name, "inline", "ephemeral: a part of its readers")
    if reason is None:
        return Step(name, "skip", "not selected")
    if name in reused:
        return Step(name, "reuse", _why_not(reused[name], current.published.get(name)))
    if not current.is_known:
        return Step(name, "build", reason)
    why = "full refresh" if full_refresh else _why(name, reason, cookbook.keys[name], current)
    return Step(name, "build", _unknown_there(why, cookbook.keys[name], cookbook.graph.project))


def _why_not(reuse: Reuse, shown: TableName | None) -> str:
    """Return why a block is not built: what is published of it is as it is to be, or the version that will be is there."""
    changed = ", ".join(f"`{read}`" for read in reuse.changed)
    reason = f"reads nothing of what changed in {changed}" if changed else ""
    if reuse.relation == shown:
        return reason or "unchanged"
    return "; ".join(filter(None, (reason, "its version is there and will be published")))


def _unknown_there(why: str, key: Key, project: Project) -> str:
    """Return why a block is built; what is not known yet of a block of another target is that it is built there first."""
    read = next((TableName.parse(read) for read, version in key.inputs if not version), None)
    there = project.elsewhere.get(read) if read and why == key.unknown else None
    return f"`{read}` is built in `{there}`" if there else why


def _why(name: TableName, reason: str, key: Key, current: Current) -> str:
    """Return why a block is built: what is not as it was when the version that is published was made."""
    if name in current.lost:
        return "its rows may be gone, as after a crash of the server"
    shown = current.published.get(name)
    before = next((made for made in current.made if made.relation == shown), None)
    if shown is None or before is None:
        return "never built" if reason == "selected" else reason
    if before.code != key.code:
        return "its code or settings changed"
    if key.unknown:
        return key.unknown
    inputs = dict(key.inputs)
    every = {*before.inputs, *inputs} - {INTERVALS}
    changed = sorted(read for read in every if before.inputs.get(read) != inputs.get(read))
    known = [read for read in changed if inputs.get(read) or read in OF_TARGET]
    if known == [REFRESH]:
        return f"`refresh: {inputs[REFRESH].split()[0]}` says so"
    if known:
        return f"{known[0] if known[0] in OF_TARGET else f'`{known[0]}`'} has changed"
    if not changed and before.key == key.text:
        return "what it reads has been built again at another moment"
    if not changed and before.key == before.relation.name:  # which stands for one that is not known
        return "it read something else than its key says when it was built"
    return f"`{changed[0]}` is not read any more" if changed else "its version is gone"
