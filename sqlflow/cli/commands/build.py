"""`sqlflow build`"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sqlflow.cli.options import (
    Place,
    Selection,
    environment_option,
    events_option,
    lock_timeout_option,
    pipeline_option,
    project_options,
    quiet_option,
    selection_options,
    threads_option,
    time_option,
)

if TYPE_CHECKING:
    from sqlflow.run.settled import Look


class _Places(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The size of a pool: `heavy=2`."""

    name = "pool"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        name, _, places = str(value).partition("=")
        if not name or not places.isdecimal() or not 1 <= int(places) <= 256:
            self.fail(f"`{value}` is not like `heavy=2`, with 1 to 256 places", param, ctx)
        return name, int(places)


def _seen(place: Place, selection: Selection, prune: bool) -> "Look":
    """Return what is to be seen of the project's files before it is loaded."""
    from sqlflow.run.settled import look

    return look(Path(place.project_dir), (place.target, place.given_vars, place.environment, selection, prune))


@click.command("build")
@selection_options
@threads_option
@click.option(
    "--publish",
    "publish_what",
    type=click.Choice(["all", "passing"]),
    default="all",
    help="`all`: if anything fails, nothing is published. `passing`: what passed, with all its inputs, is.",
)
@click.option("--fail-fast", is_flag=True, help="Begin nothing new after the first failure.")
@click.option("--full-refresh", is_flag=True, help="Build anew whatever is there already.")
@click.option("--prune", is_flag=True, help="Drop published relations of blocks that are not in the project any more.")
@click.option(
    "--adopt", is_flag=True, help="Take over names that other relations have; those are renamed, not dropped."
)
@click.option("--cascade", is_flag=True, help="Drop views of others that stand in the way of new columns.")
@click.option(
    "--plan",
    "plan_file",
    metavar="FILE",
    type=click.Path(),
    help="Do what this plan says, as `sqlflow plan --output json` has printed it, and nothing if it is not true any more.",
)
@time_option(
    "--timeout", "How long the run may take; then it is stopped, and nothing is published. 0 is as long as it wants."
)
@click.option(
    "--retries",
    type=click.IntRange(0, 100),
    metavar="N",
    help="How often a run that failed is tried again.  [default: 0]",
)
@click.option(
    "--pool",
    "pools",
    type=_Places(),
    multiple=True,
    metavar="NAME=N",
    help="How many blocks of a pool are built at once; can be given several times.",
)
@click.option("--no-wait-for", is_flag=True, help="Begin at once, whatever the pipeline's `wait_for` says.")
@lock_timeout_option
@events_option
@quiet_option
@project_options
@environment_option
@pipeline_option
def command(
    selection: Selection,
    threads: int | None,
    publish_what: Any,
    fail_fast: bool,
    full_refresh: bool,
    prune: bool,
    adopt: bool,
    cascade: bool,
    plan_file: str | None,
    timeout: float | None,
    retries: int | None,
    pools: tuple[tuple[str, int], ...],
    no_wait_for: bool,
    lock_timeout: float,
    output: str,
    quiet: bool,
    place: Place,
) -> None:
    """Build, check and publish blocks; all of them without a SELECTOR.

    Each block is built aside and its assertions run on it. If all hold, all relations are published in one
    transaction; if not, readers keep what was there.
    """
    from msgspec.structs import replace

    from sqlflow.cli.running import told_run, tried_again
    from sqlflow.core.errors import UsageError
    from sqlflow.core.flow import Retries
    from sqlflow.run.settled import keep

    if plan_file and (selection.select or selection.exclude or full_refresh):
        raise UsageError("`--plan` says what to build: it takes no selection and no `--full-refresh`")
    plan_file = str(Path(plan_file).absolute()) if plan_file else None
    seen = None if plan_file or full_refresh or adopt or pools or place.pipeline else _seen(place, selection, prune)
    if seen and (settled := seen.found):
        told_run(settled.report, settled.warnings, output, quiet, place.flags)
        return
    project = place.load()
    if pools:
        from sqlflow.read.resources import with_pools

        project = replace(project, loaded=with_pools(project.loaded, dict(pools)))

    def run() -> int:
        report = told_run(
            lambda listener: project.build(
                selection.select, selection.exclude, threads=threads, publish_what=publish_what, fail_fast=fail_fast,
                prune=prune, adopt=adopt, cascade=cascade, timeout=timeout, full_refresh=full_refresh, plan_file=plan_file,
                lock_timeout=lock_timeout, wait_for=not no_wait_for, listener=listener,
            ),
            project.loaded.warnings, output, quiet, place.flags_for(project),
        )  # fmt: skip
        if seen:
            keep(seen, project.graph, report)
        return report.exit_code

    policy = project.pipeline.retries if project.pipeline else Retries()
    sys.exit(tried_again(run, policy if retries is None else replace(policy, count=retries)))
