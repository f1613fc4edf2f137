"""`sqlflow plan`"""

from typing import TYPE_CHECKING

import click

from sqlflow.cli.options import (
    Place,
    Selection,
    environment_option,
    json_option,
    pipeline_option,
    project_options,
    selection_options,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlflow.app import Project
    from sqlflow.plan.plan import Plan
    from sqlflow.plan.reuse import Step


@click.command("plan")
@selection_options
@click.option("--offline", is_flag=True, help="Do not look into the target: check the project alone.")
@json_option
@project_options
@environment_option
@pipeline_option
def command(selection: Selection, offline: bool, output: str, place: Place) -> None:
    """Show what `sqlflow build` would do to each block, and why. Nothing is changed."""
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo
    from sqlflow.core.errors import BuildError, ProjectError, TargetError
    from sqlflow.plan.saved import fingerprints

    project = place.load()
    plan = project.plan(selection.select, selection.exclude, offline=offline)
    if output == "json":
        document = {
            "steps": plan.steps,
            "assertions": len(plan.checks),
            "removed": plan.removed,
            "problems": (*plan.problems, *plan.faults),
            "target": plan.project.target.name,
            **({"targets": _targets(plan, project)} if project.loaded.targets else {}),
            "environment": plan.project.environment.name,
            **_selection(selection, project),
            "is_offline": offline,
            **fingerprints(plan),
        }
        if plan.exports:
            document["exports"] = plan.exports
        if project.pipelines:
            document["pipelines"] = _reached(plan, project)
        echo(as_json.text(as_json.plain(document)))
    else:
        echo(_text(plan, project))
    if plan.faults:
        raise ProjectError(plan.faults)
    if plan.problems:
        raise BuildError(plan.problems)
    if plan.lacking:
        raise TargetError(plan.lacking)


def _selection(selection: Selection, project: "Project") -> dict[str, object]:
    """Return what a build of this plan selects: a pipeline's blocks by name, since it is not asked again."""
    if project.pipeline is None or selection.select:
        return {"select": selection.select, "exclude": selection.exclude}
    return {"select": sorted(map(str, project.selected((), selection.exclude))), "exclude": ()}


def _text(plan: "Plan", project: "Project") -> str:
    from sqlflow.core.words import count

    built = plan.nodes - plan.inlined
    acting = [
        step
        for step in plan.steps
        if step.action in ("build", "reuse")
        or step.block in plan.left_out
        or (step.action == "inline" and plan.graph.downstream([step.block]) & built)
    ]
    width = max((len(str(step.block)) for step in acting), default=0)
    forms = max(9, *(len(project.loaded.blocks[step.block].form) for step in acting), 0)
    targets = _targets(plan, project) if project.loaded.targets else {}
    wide = max((len(target) for target in targets.values()), default=0)
    lines = []
    for step in acting:
        block = project.loaded.blocks[step.block]
        where = f"{targets[str(step.block)]:<{wide}}  " if targets else ""
        lines.append(f"{step.action:<7}{step.block!s:<{width}}  {block.form:<{forms}}  {where}{step.reason}")
        lines += [" " * 7 + change for change in _columns(step)]
    lines += [f"export {due.block} to {due}" for due in plan.exports]
    lines += [f"warning: {warning}" for warning in project.loaded.warnings]
    for name in sorted(set(plan.readers) & {*plan.built, *plan.removed}):
        listed = ", ".join(f"`{reader}`" for reader in plan.readers[name])
        lines.append(
            f"`{name}` is read by {listed}, which sqlflow did not make: it can get more columns, and lose none"
        )
    if plan.removed:
        lines.append("not in the project any more, dropped by `--prune`: " + ", ".join(map(str, plan.removed)))
    borrowed = sorted(set(plan.borrowed) - set(plan.built) - set(plan.reused))
    if borrowed:
        lines.append("not selected, shown as `prod` shows it: " + ", ".join(map(str, borrowed)))
    if project.pipelines and (names := _reached(plan, project)):
        lines.append("pipelines that this reaches: " + ", ".join(names))
    skipped = sum(step.action == "skip" and step.block not in plan.left_out for step in plan.steps)
    left = f", {len(plan.left_out)} to skip" if plan.left_out else ""
    left += f", {skipped} not selected" if skipped else ""
    reused = f", {len(plan.reused)} to reuse" if plan.reused else ""
    checks = count(len(plan.checks), "assertion")
    lines.append(f"\n{count(len(plan.built), 'block')} to build{reused}, {checks} to run{left}")
    return "\n".join(lines)


def _reached(plan: "Plan", project: "Project") -> tuple[str, ...]:
    from sqlflow.plan.pipelines import reached

    return reached(plan, project.pipelines)


def _targets(plan: "Plan", project: "Project") -> dict[str, str]:
    """Return the name of the target in which each block of a plan is built."""
    blocks = project.loaded.blocks
    return {str(step.block): project.loaded.target_of(blocks[step.block]).name for step in plan.steps}


def _columns(step: "Step") -> "Iterator[str]":
    """Yield what becomes of a block's columns, and what that breaks."""
    if step.columns is not None:
        found = step.columns
        changes = [f"+ {column}" for column in found.added] + [f"- {column}" for column in found.removed]
        changes += [f"{column.name}: {column.before} → {column.after}" for column in found.retyped]
        what = "cannot read what it becomes" if found.retyped else "reads what goes"
        yield "columns: " + ", ".join(changes)
        yield from (f"breaks: `{reader}` {what}" for reader in found.breaks)
