"""Every endpoint of `/api/v1/`. The requests, the checks and the document go by this table."""

from sqlflow.service.http.answers import pipelines, runs, webhooks
from sqlflow.service.http.endpoints import LIMIT, Endpoint, Parameter, Schema, integer, moment
from sqlflow.service.http.schemas import CAUSES, FRESHNESS
from sqlflow.service.states import STATUSES

_NAME_FORM = r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$"
_ID_FORM = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"
_NAME = {"type": "string", "pattern": _NAME_FORM, "description": "a name of letters, digits, `_` and `-`"}
_ID = {"type": "string", "pattern": _ID_FORM, "description": "the id of a run, as an answer's `next` gives it"}
_TICK_FORM = r"^[0-9]{1,16}\.[A-Za-z_][A-Za-z0-9_-]{0,62}\.([0-9a-f]{2}){0,500}$"
_TICK = {"type": "string", "pattern": _TICK_FORM, "description": "the `next` of an answer"}
_AGE = {"type": "string", "pattern": r"^([0-9a-f]{2}){1,500}$", "description": "the `next` of an answer"}
_LINE_AT_MOST = 2**53
_ALL = 20

RUN = Parameter("run", "The run's id.", _ID, "path")
PIPELINE = Parameter("pipeline", "The pipeline's name.", _NAME, "path")
OF_PIPELINE = Parameter("pipeline", "Those of this pipeline alone.", _NAME)
ATTEMPT = Parameter(
    "attempt", "The attempt, by its number; without it, the latest.", {"type": "integer", "minimum": 1, "maximum": 1000}
)
AFTER = integer("after", "What comes after this id; 0 is from the first.", 0, _LINE_AT_MOST, 0)
BLOCK = Parameter(
    "block", "What this block alone has printed.",
    {"type": "string", "pattern": r"^\w+(\.\w+)?$", "maxLength": 130, "description": "a block's name"},
)  # fmt: skip


def _several(name: str, description: str, items: Schema) -> Parameter:
    return Parameter(name, description, {"type": "array", "items": items, "maxItems": _ALL})


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/health", "health", "How the service is.", pipelines.health, "Health"),
    Endpoint(
        "GET", "/pipelines", "list_pipelines", "List pipelines, by name, each with its latest run.", pipelines.listed,
        "Pipelines", parameters=(LIMIT, Parameter("cursor", "The `next` of the page before.", _NAME)),
    ),
    Endpoint(
        "GET", "/pipelines/{pipeline}", "show_pipeline", "Show a pipeline and its next ticks.", pipelines.shown,
        "PipelineShown", parameters=(PIPELINE,), refusals=(404,),
    ),
    Endpoint(
        "POST", "/pipelines/{pipeline}/pause", "pause_pipeline", "Let a pipeline's schedule and triggers rest.",
        pipelines.paused, "PipelineShown", parameters=(PIPELINE,), refusals=(404,),
    ),
    Endpoint(
        "POST", "/pipelines/{pipeline}/resume", "resume_pipeline", "Let a pipeline's schedule and triggers go on.",
        pipelines.resumed, "PipelineShown", parameters=(PIPELINE,), refusals=(404,),
    ),
    Endpoint(
        "GET", "/schedule", "list_schedule", "List the next times of all schedules.", pipelines.schedule, "Schedule",
        parameters=(LIMIT,),
    ),
    Endpoint(
        "GET", "/ticks", "list_ticks", "List what came of ticks, the latest first.", pipelines.ticks, "Ticks",
        parameters=(
            LIMIT, OF_PIPELINE,
            Parameter("cursor", "The `next` of the page before.", _TICK),
        ),
        refusals=(400,),
    ),
    Endpoint(
        "GET", "/freshness", "list_freshness", "List how old data is that says `fresh_within`.", pipelines.freshness,
        "Freshness",
        parameters=(
            LIMIT, Parameter("cursor", "The `next` of the page before.", _AGE),
            _several("status", "Data of these states.", {"type": "string", "enum": list(FRESHNESS)}),
        ),
    ),
    Endpoint(
        "GET", "/runs", "list_runs", "List runs, the latest first.", runs.listed, "Runs",
        parameters=(
            LIMIT, Parameter("cursor", "The `next` of the page before.", _ID),
            _several("pipeline", "Runs of these pipelines.", _NAME),
            _several("status", "Runs in these states.", {"type": "string", "enum": list(STATUSES)}),
            _several("cause", "Runs that these have caused.", {"type": "string", "enum": list(CAUSES)}),
            moment("since", "Runs that were asked for at this time or later."),
            moment("until", "Runs that were asked for before this time."),
        ),
    ),
    Endpoint(
        "POST", "/runs", "start_run", "Ask for a run of a pipeline.", runs.started, "Run", status=202, body=runs.BODY,
        needs_body=True, refusals=(404, 409),
    ),
    Endpoint("GET", "/runs/{run}", "show_run", "Show a run.", runs.shown, "RunShown", parameters=(RUN,), refusals=(404,)),
    Endpoint(
        "GET", "/runs/{run}/blocks", "list_blocks", "List the blocks of a run.", runs.blocks, "Blocks",
        parameters=(RUN, ATTEMPT), refusals=(404,),
    ),
    Endpoint(
        "GET", "/runs/{run}/assertions", "list_assertions", "List the assertions of a run, with the first failing rows.",
        runs.assertions, "Assertions", parameters=(RUN, ATTEMPT), refusals=(404,),
    ),
    Endpoint(
        "GET", "/runs/{run}/log", "read_log", "Read what a run has printed.", runs.log, "Log",
        parameters=(RUN, BLOCK, AFTER, LIMIT), refusals=(404,),
    ),
    Endpoint(
        "GET", "/runs/{run}/events", "list_events", "List what happened in a run.", runs.events, "Events",
        parameters=(RUN, AFTER, LIMIT), refusals=(404,),
    ),
    Endpoint(
        "POST", "/runs/{run}/cancel", "cancel_run", "Ask for the end of a run.", runs.cancelled, "Run", status=202,
        parameters=(RUN,), refusals=(404, 409),
    ),
    Endpoint(
        "POST", "/runs/{run}/retry", "retry_run", "Ask for a new run of what has failed.", runs.retried, "Run",
        status=202, parameters=(RUN,), refusals=(404, 409),
    ),
    Endpoint(
        "POST", "/webhooks/{pipeline}", "send_webhook", "Start a pipeline by a signed request.", webhooks.triggered,
        "Tick", status=202, parameters=(PIPELINE,), refusals=(404, 409), is_signed=True,
    ),
)  # fmt: skip
