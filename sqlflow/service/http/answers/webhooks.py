"""Webhooks: signed requests that start a pipeline. What is not signed rightly learns nothing, not even which pipelines there are."""

from datetime import timedelta
from typing import Any

from sqlflow.core.pipeline import Pipeline, Webhook
from sqlflow.service.http import views
from sqlflow.service.http.body import decoded
from sqlflow.service.http.endpoints import Call
from sqlflow.service.http.problems import Refused
from sqlflow.service.http.signatures import WINDOW_SECONDS, Signed, is_signed, signed
from sqlflow.service.http.vars import checked
from sqlflow.service.nouns import Run

_NOBODY = "no pipeline has this secret" + "-" * 40


def triggered(call: Call) -> dict[str, Any]:
    """Start the pipeline whose secret has signed the request; return its run, or why there is none."""
    headers = signed(call.head, call.now)
    pipeline = call.service.pipelines().get(call.values["pipeline"].lower())
    webhook = _signer(pipeline, headers, call.raw)
    if pipeline is None or webhook is None:
        raise Refused(401, "the signature is wrong")
    body = decoded(call.raw) if call.raw else None
    given = body.get("vars") if isinstance(body, dict) else None
    vars = checked(given, pipeline.vars, webhook.vars)
    key = f"webhook {pipeline.name} {headers.id}"
    if not call.service.history.first_seen(key, timedelta(seconds=WINDOW_SECONDS * 2)):
        raise Refused(409, "a webhook with this id was taken already")
    found = call.service.triggered(pipeline.name, cause="webhook", key=headers.id, vars=vars)
    if isinstance(found, Run):
        return {"run": views.run(found), "skipped": None}
    return {"run": None, "skipped": found.reason}


def _signer(pipeline: Pipeline | None, headers: Signed, body: bytes) -> Webhook | None:
    """Return the trigger whose secret has signed; the work is the same where there is none, so that time tells nothing."""
    hooks = [one for one in pipeline.triggers if isinstance(one, Webhook) and one.secret] if pipeline else []
    found = None
    for hook in hooks or [Webhook(_NOBODY)]:
        if is_signed(headers, hook.secret or _NOBODY, body) and hooks:
            found = hook
    return found
