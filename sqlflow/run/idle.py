"""A build that has nothing to do: that is found out and told without the lease, and nothing is written.

What was seen is true of one moment, as it is for a build that had the lease: whoever builds next sees for himself.
"""

from collections.abc import Iterable

from sqlflow.core.engine import Connection, Session
from sqlflow.core.environment import Environment
from sqlflow.core.errors import StatementError
from sqlflow.core.events import Listener
from sqlflow.plan.plan import Plan
from sqlflow.run import publish, state
from sqlflow.run.lease import Leases
from sqlflow.run.listing import Lists
from sqlflow.run.options import Options
from sqlflow.run.report import Report
from sqlflow.run.settled import reported
from sqlflow.run.sweep import is_swept


def free_leases(session: Session) -> Leases | None:
    """Return the leases as they are; None where one is taken, or where there is no state of this sqlflow's form.

    All else is asked behind it: what another run changes meanwhile shows in the leases.
    """
    try:
        if state.form(session) != state.FORM:
            return None
    except StatementError:  # nothing was ever built
        return None
    found = Leases.now(session)
    return found if found.are_free else None


def is_idle(
    plan: Plan, options: Options, connection: Connection, listing: Lists, session: Session, environment: Environment
) -> bool:  # fmt: skip
    """Tell whether a build would change nothing: not what is shown, nor what is kept."""
    to_do = plan.built, plan.checks, plan.renewed, plan.left_out, plan.problems, options.prune and plan.removed
    return (
        not any(to_do)
        and not options.adopt
        and not connection.wants_copy
        and not publish.to_show(plan, plan.reused, listing, session, environment)
        and is_swept(listing, session, [name.name for name in plan.reused.values()], plan.project.config.keep)
    )


def idle_report(plan: Plan, targets: Iterable[str], environment: Environment, tell: Listener) -> Report:
    """Tell of a run in which every block is used again, and return its report."""
    reused = {name: plan.reused[name] for name in plan.graph.order if name in plan.reused}
    return reported(", ".join(targets), environment.name, reused, tell)
