"""Runs: list, show, start, cancel, retry."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlflow.core.errors import UsageError
from sqlflow.core.pipeline import Pipeline
from sqlflow.service.http import views
from sqlflow.service.http.endpoints import Call
from sqlflow.service.http.problems import Refused
from sqlflow.service.http.vars import checked
from sqlflow.service.nouns import Run, RunFilter

BODY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["pipeline"],
    "properties": {
        "pipeline": {"type": "string", "description": "The pipeline's name."},
        "vars": {
            "type": "object",
            "description": "Vars that the pipeline declares, of the kinds that it declares.",
            "additionalProperties": True,
        },
    },
}


def listed(call: Call) -> dict[str, Any]:
    """Return runs, the latest first."""
    values, limit = call.values, call.values["limit"]
    wanted = RunFilter(
        values["pipeline"] or (), values["status"] or (), values["cause"] or (), values["since"], values["until"]
    )
    found = call.service.history.runs(wanted, before=values["cursor"] or "", limit=limit + 1)
    return {
        "runs": [views.run(run) for run in found[:limit]],
        "next": found[limit - 1].id if len(found) > limit else None,
    }


def shown(call: Call) -> dict[str, Any]:
    """Return one run with its attempts."""
    run = _run(call)
    return views.run(run) | {"attempts": [views.attempt(one) for one in call.service.history.attempts(run.id)]}


def blocks(call: Call) -> dict[str, Any]:
    """Return the blocks of a run."""
    found = call.service.history.blocks(_run(call).id, call.values["attempt"])
    return {"blocks": [views.block(one) for one in found]}


def assertions(call: Call) -> dict[str, Any]:
    """Return the assertions of a run, those that did not hold first."""
    found = call.service.history.assertions(_run(call).id, call.values["attempt"])
    return {"assertions": [views.assertion(one) for one in found]}


def log(call: Call) -> dict[str, Any]:
    """Return lines that a run has printed, and the cursor for those that come after them."""
    values = call.values
    lines = call.service.history.logs(
        _run(call).id, block=values["block"] or "", after=values["after"], limit=values["limit"]
    )
    return {"lines": [views.line(line) for line in lines], "after": lines[-1].id if lines else values["after"]}


def events(call: Call) -> dict[str, Any]:
    """Return what happened in a run, and the cursor for what comes after it."""
    values = call.values
    found = call.service.history.events(_run(call).id, after=values["after"], limit=values["limit"])
    return {"events": [views.event(one) for one in found], "after": found[-1].id if found else values["after"]}


def started(call: Call) -> dict[str, Any]:
    """Ask for a run of a pipeline."""
    body = call.body if isinstance(call.body, dict) else {}
    if not isinstance(body.get("pipeline"), str):
        raise Refused(400, 'the body must be JSON such as {"pipeline": "nightly"}')
    if unknown := sorted(set(body) - set(BODY["properties"])):  # type: ignore[call-overload]
        raise Refused(400, f"the body has an unknown key `{unknown[0]}`; it may have `pipeline` and `vars`")
    pipeline = pipeline_of(call.service.pipelines(), body["pipeline"])
    vars = checked(body.get("vars"), pipeline.vars, pipeline.vars)
    only = pipeline.has_one_run
    return _asked(lambda: call.service.history.request_run(pipeline.name, by=call.by, vars=vars, only=only))


def cancelled(call: Call) -> dict[str, Any]:
    """Ask for the end of a run."""
    run = _run(call)
    if run.has_ended:
        raise Refused(409, f"the run {run.id} has finished: it is {run.status}")
    return _asked(lambda: call.service.history.request_cancel(run.id, by=call.by))


def retried(call: Call) -> dict[str, Any]:
    """Ask for a new run of what has failed."""
    run = _run(call)
    pipeline = pipeline_of(call.service.pipelines(), run.pipeline)
    return _asked(lambda: call.service.history.request_retry(run.id, by=call.by, only=pipeline.has_one_run))


def _asked(ask: Callable[[], Run]) -> dict[str, Any]:
    """Return the run that was asked for, or asked to end. Raise Refused (409) if the history says that it cannot be."""
    try:
        return views.run(ask())
    except UsageError as error:
        raise Refused(409, error.problems[0].message) from error


def _run(call: Call) -> Run:
    try:
        return call.service.history.run(call.values["run"])
    except UsageError as error:
        raise Refused(404, f"there is no run `{call.values['run']}`") from error


def pipeline_of(pipelines: Mapping[str, Pipeline], name: str) -> Pipeline:
    """Return a pipeline by its name. Raise Refused (404) if there is none."""
    if name.lower() not in pipelines:
        raise Refused(404, f"there is no pipeline `{name[:80]}`")
    return pipelines[name.lower()]
