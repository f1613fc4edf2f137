"""What is kept of a version that has been made: from what, and whether that is known."""

from msgspec.structs import replace

from sqlflow.core.block import Block
from sqlflow.core.engine import Column, Session
from sqlflow.core.names import TableName
from sqlflow.plan.plan import file_paths
from sqlflow.plan.recipes import Entry, described
from sqlflow.plan.versions import Key, version_relation
from sqlflow.run import source_versions, state
from sqlflow.run.records import Record
from sqlflow.run.work import Work


def record_of(
    work: Work, block: Block, relation: TableName, kind: str, inputs: tuple[TableName, ...],
    columns: tuple[Column, ...], session: Session,
) -> Record:  # fmt: skip
    """Return what is to be kept of a version that has just been made from the relations `inputs`."""
    if columns == work.plan.foreseen.get(block.name):
        work.as_foreseen.add(block.name)
    key = known_key(work, block.name, work.plan.keys[block.name], session)
    version = state.Version(relation, str(block.name), kind, key, work.run, state.names_of(inputs))
    return Record(version, None if block.name in work.doubtful else _recipe(work, block.name, relation, columns))


def known_key(work: Work, name: TableName, key: Key, session: Session) -> Key:
    """Return the key of a version of a block; one without text, and the block noted as doubtful, where it does not hold."""
    if key_holds(work, name, session):
        return key
    work.doubtful.add(name)
    return replace(key, text="")


def record_recipe(
    work: Work, name: TableName, relation: TableName, columns: tuple[Column, ...], session: Session
) -> None:
    """Keep how a version was made; of one that is used again, from what it would be made now."""
    recipe = _recipe(work, name, relation, columns)
    state.record_recipes(session, [(recipe, work.run)] if recipe else [])


def _recipe(work: Work, name: TableName, relation: TableName, columns: tuple[Column, ...]) -> Entry | None:
    """Return how a version was made; None if all is built, whatever is there."""
    if work.plan.cookbook is None:
        return None
    known, key = [(column.name, column.type) for column in columns], work.plan.keys[name]
    base = work.plan.bases.get(name) if relation == version_relation(name, work.run) else None
    text = described(work.plan.cookbook, name, work.binder.relations, known, base.name if base else "")
    return Entry(relation.name, str(name), key.text, key.code, text)


def key_holds(work: Work, name: TableName, session: Session) -> bool:
    """Tell whether a block was built from what its key says: no file and no source has changed since the key was made.

    A block that is noted as doubtful was not. Ephemeral inputs are a part of the block, so that their files and inputs count as its own.
    """
    if name in work.doubtful:
        return False
    waiting, seen = [name], {name}
    while waiting:
        part = waiting.pop()
        inputs = work.plan.graph.inputs[part]
        if inputs & work.doubtful or not all(work.plan.files.hold(path) for path in file_paths(work.plan.graph, part)):
            return False
        asked = source_versions.versions(work.plan.project, work.plan.graph.sources[part], session)
        known = dict(work.plan.keys[part].inputs)
        if any(known[str(source)] != version for source, version in asked.items()):
            return False
        inlined = (inputs & work.plan.inlined) - seen
        seen |= inlined
        waiting += inlined
    return True
