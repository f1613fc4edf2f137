"""The shapes of what the API answers, as JSON Schema; the tests hold every answer against them."""

from typing import Any, get_args

from sqlflow.core.events import AssertionStatus, BlockStatus
from sqlflow.service.nouns import Cause, Freshness, Outcome
from sqlflow.service.states import STATUSES

Shape = dict[str, Any]
TEXT: Shape = {"type": "string"}
TEXT_OR_NULL: Shape = {"type": ["string", "null"]}
COUNT: Shape = {"type": "integer", "minimum": 0}
COUNT_OR_NULL: Shape = {"type": ["integer", "null"]}
NUMBER_OR_NULL: Shape = {"type": ["number", "null"]}
TIME: Shape = {"type": "string", "format": "date-time"}
TIME_OR_NULL: Shape = {"type": ["string", "null"], "format": "date-time"}
CAUSES: tuple[str, ...] = get_args(Cause)
FRESHNESS: tuple[str, ...] = get_args(Freshness)


def record(**properties: Shape) -> Shape:
    """Return the shape of an object that has exactly these properties."""
    return {"type": "object", "additionalProperties": False, "required": list(properties), "properties": properties}


def listed(shape: Shape) -> Shape:
    return {"type": "array", "items": shape}


def named(name: str) -> Shape:
    return {"$ref": f"#/components/schemas/{name}"}


_RUN = {
    "id": TEXT, "pipeline": TEXT, "status": {"type": "string", "enum": list(STATUSES)},
    "cause": {"type": "string", "enum": list(CAUSES)}, "by": TEXT, "vars": {"type": "object"}, "requested_at": TIME,
    "due_at": TIME_OR_NULL, "started_at": TIME_OR_NULL, "finished_at": TIME_OR_NULL, "seconds": NUMBER_OR_NULL,
    "attempt": COUNT, "reason": TEXT, "build": TEXT, "retry_of": TEXT_OR_NULL, "cancel_by": TEXT_OR_NULL,
}  # fmt: skip
_ATTEMPT = record(
    number=COUNT, status={"type": "string", "enum": list(STATUSES)}, started_at=TIME, finished_at=TIME_OR_NULL,
    exit_code=COUNT_OR_NULL, reason=TEXT,
)  # fmt: skip
_PIPELINE = {
    "name": TEXT, "description": TEXT, "file": TEXT, "select": listed(TEXT), "environment": TEXT, "target": TEXT_OR_NULL,
    "vars": listed(TEXT), "schedule": TEXT_OR_NULL, "every": NUMBER_OR_NULL, "timezone": TEXT, "triggers": listed(TEXT),
    "overlap": TEXT, "missed": TEXT, "paused_at": TIME_OR_NULL, "paused_by": TEXT_OR_NULL, "next": TIME_OR_NULL,
    "latest_run": {"anyOf": [named("Run"), {"type": "null"}]},
}  # fmt: skip
_BLOCK = record(
    block=TEXT, attempt=COUNT, status={"type": "string", "enum": [*get_args(BlockStatus), "running"]},
    started_at=TIME_OR_NULL, seconds=NUMBER_OR_NULL, rows=COUNT_OR_NULL, message=TEXT,
)  # fmt: skip
_ASSERTION = record(
    block=TEXT, assertion=TEXT, attempt=COUNT, status={"type": "string", "enum": list(get_args(AssertionStatus))},
    failing=COUNT, seconds={"type": "number"}, error=TEXT,
    sample=record(columns=listed(TEXT), rows=listed(listed(TEXT_OR_NULL))),
)  # fmt: skip
_TICK = record(
    pipeline=TEXT, key=TEXT, cause={"type": "string", "enum": list(CAUSES)}, due_at=TIME, recorded_at=TIME,
    outcome={"type": "string", "enum": list(get_args(Outcome))}, reason=TEXT, run=TEXT_OR_NULL,
)  # fmt: skip
_AGE = record(
    name=TEXT, kind={"type": "string", "enum": ["source", "block"]}, target=TEXT, environment=TEXT_OR_NULL,
    status={"type": "string", "enum": list(FRESHNESS)}, newest=TIME_OR_NULL, seconds=NUMBER_OR_NULL,
    within={"type": "number"}, reason=TEXT, pipelines=listed(TEXT),
)  # fmt: skip
SCHEMAS: dict[str, Shape] = {
    "Run": record(**_RUN),
    "RunShown": record(**_RUN, attempts=listed(_ATTEMPT)),
    "Runs": record(runs=listed(named("Run")), next=TEXT_OR_NULL),
    "Blocks": record(blocks=listed(_BLOCK)),
    "Assertions": record(assertions=listed(_ASSERTION)),
    "Log": record(lines=listed(record(id=COUNT, attempt=COUNT, block=TEXT, at=TIME, line=TEXT)), after=COUNT),
    "Events": record(
        events=listed(record(id=COUNT, attempt=COUNT, at=TIME, kind=TEXT, body={"type": "object"})), after=COUNT
    ),
    "Pipeline": record(**_PIPELINE),
    "PipelineShown": record(**_PIPELINE, next_ticks=listed(TIME)),
    "Pipelines": record(pipelines=listed(named("Pipeline")), next=TEXT_OR_NULL),
    "Schedule": record(ticks=listed(record(due_at=TIME, pipeline=TEXT))),
    "Tick": _TICK,
    "Ticks": record(ticks=listed(named("Tick")), next=TEXT_OR_NULL),
    "Freshness": record(asked_at=TIME_OR_NULL, data=listed(_AGE), next=TEXT_OR_NULL),
    "Health": record(
        status={"type": "string", "enum": ["ok", "degraded"]}, version=TEXT, faults=listed(TEXT), pipelines=COUNT
    ),
    "Problem": record(type=TEXT, title=TEXT, status={"type": "integer"}, detail=TEXT),
}
