"""Webhooks: signed requests that start a pipeline. What is not signed rightly learns nothing, not even which pipelines there are."""

from typing import Any

from sqlflow.core.pipeline import Pipeline, Webhook
from sqlflow.service.http import views
from sqlflow.service.http.body import decoded
from sqlflow.service.http.endpoints import Call
from sqlflow.service.http.problems import Refused
from sqlflow.service.http.signatures import Signed, is_signed, signed
from sqlflow.service.http.vars import checked
from sqlflow.service.ticks import AskedRun

_NOBODY = "no pipeline has this secret" + "-" * 40


def triggered(call: Call) -> dict[str, Any]:
    """Start the pipeline whose secret has signed the request; return the record of it, with its run or why there is none.

    The record has the request's id: that is how a second one with the same id is known, as long as it is not too old.
    """
    headers = signed(call.head, call.now)
    pipeline = call.service.pipelines().get(call.values["pipeline"].lower())
    webhook = _signer(pipeline, headers, call.raw)
    if pipeline is None or webhook is None:
        raise Refused(401, "the signature is wrong")
    body = decoded(call.raw) if call.raw else None
    given = body.get("vars") if isinstance(body, dict) else None
    vars = checked(given, pipeline.vars, webhook.vars)
    asked = AskedRun("webhook", f"webhook:{headers.id}", call.now, vars=vars, by="webhook")
    tick = call.service.triggered(pipeline.name, asked)
    if tick is None:
        raise Refused(409, "a webhook with this id was taken already")
    return views.tick(tick)


def _signer(pipeline: Pipeline | None, headers: Signed, body: bytes) -> Webhook | None:
    """Return the trigger whose secret has signed; the work is the same where there is none, so that time tells nothing."""
    hooks = [one for one in pipeline.triggers if isinstance(one, Webhook) and one.secret] if pipeline else []
    found = None
    for hook in hooks or [Webhook(_NOBODY)]:
        if is_signed(headers, hook.secret or _NOBODY, body) and hooks:
            found = hook
    return found
