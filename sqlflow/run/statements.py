"""Statements before and after a block: names of blocks in them mean what is published, in the environment of the run."""

from collections.abc import Set as AbstractSet

from sqlflow.core.block import TableUse
from sqlflow.core.names import TableName
from sqlflow.core.text import MappedText
from sqlflow.plan.plan import Plan
from sqlflow.read.tokens import named_uses


def in_environment(statement: MappedText, plan: Plan) -> MappedText:
    """Return the statement with the environment's relations for the blocks that it names.

    What the environment does not show yet keeps its name, which is that in `prod`.
    """
    project = plan.project
    if project.environment.is_prod or plan.cookbook is None:
        return statement
    shown = (plan.cookbook.published.keys() & project.blocks.keys()) - plan.borrowed.keys()
    bare = {TableName("", name.name): name for name in shown if name.schema == project.target.schema}
    uses = (*_uses(statement, shown, plan, anywhere=True), *_uses(statement, bare.keys(), plan, anywhere=False))
    edits = [(use.start, use.end, project.environment.relation(bare.get(use.name, use.name)).sql) for use in uses]
    return statement.replaced(sorted(edits))


def _uses(statement: MappedText, names: AbstractSet[TableName], plan: Plan, anywhere: bool) -> tuple[TableUse, ...]:
    dialect = plan.project.target.engine.dialect
    return named_uses(statement.text, frozenset(names), dialect, anywhere)
