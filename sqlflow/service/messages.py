"""What people are told of a change: pure functions from the history's nouns to a title and a text, masked and bounded."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from sqlflow.core.errors import printable
from sqlflow.core.pipeline import Notice, Pipeline
from sqlflow.core.secrets import masked
from sqlflow.core.words import count, that_break
from sqlflow.service.nouns import AssertionRun, BlockRun, Change, Run
from sqlflow.service.states import GOOD

BAD = ("failed", "lost")
BLOCKS_TOLD = 5
ROWS_TOLD = 5
COLUMNS_TOLD = 8
CELL_CHARACTERS = 40
LINE_CHARACTERS = 300
TEXT_CHARACTERS = 3000


class Message(Struct, frozen=True):
    """What is sent. A title has no newline."""

    title: str
    text: str


class Ended(Struct, frozen=True):
    """A run that has ended, with what of it people want to know."""

    run: Run
    before: str
    """The status of the pipeline's run before it; empty if there was none."""
    blocks: Sequence[BlockRun] = ()
    assertions: Sequence[AssertionRun] = ()
    was_late: bool = False
    """Whether the pipeline was late, or its result too old."""


def targets(change: Change, pipeline: Pipeline) -> tuple[str, ...]:
    """Return the names of the notifications that a change is for, each once, in the order of the file."""
    status, before = change.body.get("status", ""), change.body.get("before", "")
    wanted: list[Notice] = []
    if change.kind != "ended":
        wanted += pipeline.on_late
    elif status in BAD:
        wanted += pipeline.on_failure
    elif status in GOOD:
        wanted += pipeline.on_recovery if before in BAD or change.body.get("was_late") else ()
        wanted += pipeline.on_warn if status == "warned" else ()
        wanted += pipeline.on_success
    return tuple(dict.fromkeys(notice.notify for notice in wanted))


def targets_of_data(change: Change, pipelines: Mapping[str, Pipeline]) -> tuple[str, ...]:
    """Return the names of the notifications of all pipelines that a source or a block has to do with, each once."""
    concerned = [pipelines[name] for name in change.body["pipelines"] if name in pipelines]
    notices = (one.on_late if change.kind == "data_stale" else one.on_recovery for one in concerned)
    return tuple(dict.fromkeys(notice.notify for listed in notices for notice in listed))


def of_data(change: Change, flags: str = "") -> Message:
    """Return the message of a source or a block whose data is too old, or fresh again."""
    body, name = change.body, change.body["name"]
    if body.get("environment") not in (None, "", "prod"):
        name = f"{name} ({body['environment']})"
    newest = _time(body["newest"])
    if change.kind == "data_fresh":
        title, line = f"{name} is fresh again", f"its newest data is of {newest}"
    elif body["newest"]:
        title = f"{name} is not fresh"
        line = f"its newest data is of {newest}: that is longer ago than {_duration(float(body['within']))}"
    else:
        title, line = f"{name} is not known to be fresh", str(body["reason"])
    used = f"pipelines: {', '.join(body['pipelines'])}"
    return _message(title, [line, used, "", f"to look again: sqlflow freshness{body.get('flags', '')}{flags}"])


def of_run(ended: Ended, flags: str = "") -> Message:
    """Return the message of a run that has ended. `flags` are options that commands of this project need."""
    run = ended.run
    if run.status in BAD:
        title = f"{run.pipeline} failed" if run.status == "failed" else f"{run.pipeline} was lost"
        lines = [*_failed(ended), "", f"to run again what has failed: sqlflow retry {run.id}{flags}"]
    elif ended.before in BAD or ended.was_late:
        title = f"{run.pipeline} has recovered" + (", with warnings" if run.status == "warned" else "")
        was = {"failed": "the run before has failed", "lost": "the run before was lost"}
        lines = [was.get(ended.before, "it was late, or its result too old"), *_held_not(ended)]
    else:
        title = f"{run.pipeline} {'has warnings' if run.status == 'warned' else 'succeeded'}"
        lines = list(_held_not(ended))
    took = f", {_duration(run.seconds)}" if run.seconds is not None else ""
    tried = f", attempt {run.attempt}" if run.attempt > 1 else ""
    return _message(title, [*lines, "", f"run {run.id} ({run.cause}{tried}{took})"])


def of_lateness(change: Change, pipeline: Pipeline, latest: Run | None, flags: str = "") -> Message:
    """Return the message of a pipeline that is late, or whose result is too old."""
    if change.kind == "late":
        title = f"{pipeline.name} is late"
        lines = [f"no run of today has ended well by {pipeline.deadline:%H:%M} ({pipeline.timezone})"]
    else:
        title = f"{pipeline.name} is not fresh"
        since, within = _time(change.body.get("since")), float(change.body.get("fresh_within", 0))
        lines = [f"no run has ended well since {since}: that is longer than {_duration(within)}"]
    if latest is not None:
        lines.append(f"its latest run is {latest.status}: {latest.id}")
    return _message(title, [*lines, "", f"its runs: sqlflow runs --pipeline {pipeline.name}{flags}"])


def _failed(ended: Ended) -> Iterator[str]:
    failed = [block for block in ended.blocks if block.status == "failed"]
    if ended.run.reason and not failed and not any(one.status == "failed" for one in ended.assertions):
        yield ended.run.reason
    for block in failed[:BLOCKS_TOLD]:
        yield f"{block.block} failed: {_first_line(block.message)}"
    if len(failed) > BLOCKS_TOLD:
        yield f"… and {count(len(failed) - BLOCKS_TOLD, 'more block')}"
    yield from _held_not(ended)
    if skipped := sum(block.status == "skipped" for block in ended.blocks):
        yield f"skipped: {count(skipped, 'block')}"


def _held_not(ended: Ended) -> Iterator[str]:
    """Yield the assertions that did not hold, with the first rows that break each."""
    found = [one for one in ended.assertions if one.status != "passed"]
    for one in found[:BLOCKS_TOLD]:
        why = _first_line(one.error) if one.error else f"{that_break(one.failing)} it"
        yield f"{one.block}: {one.assertion} {one.status}: {why}"
        yield from (f"    {_row(one.columns, row)}" for row in one.sample[:ROWS_TOLD])
    if len(found) > BLOCKS_TOLD:
        yield f"… and {count(len(found) - BLOCKS_TOLD, 'more assertion')}"


def _row(columns: Sequence[str], row: Sequence[object]) -> str:
    cells = [f"{name}: {_cell(value)}" for name, value in zip(columns, row, strict=False)][:COLUMNS_TOLD]
    return ", ".join(cells) + (", …" if len(columns) > COLUMNS_TOLD else "")


def _cell(value: object) -> str:
    text = "null" if value is None else masked(str(value))
    return text if len(text) <= CELL_CHARACTERS else text[:CELL_CHARACTERS] + "…"


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def _duration(seconds: float) -> str:
    """Return a duration for people.

    >>> _duration(5.25), _duration(21600)
    ('5.2 s', '6:00:00')
    """
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def _time(text: object) -> str:
    return f"{datetime.fromisoformat(str(text)):%Y-%m-%d %H:%M} UTC" if text else "it is known"


def _message(title: str, lines: Iterable[str]) -> Message:
    shown = [masked(line) for line in lines]
    text = "\n".join(line if len(line) <= LINE_CHARACTERS else line[:LINE_CHARACTERS] + "…" for line in shown).strip(
        "\n"
    )
    text = "\n".join(printable(line) for line in text.split("\n"))
    return Message(printable(masked(title)), text if len(text) <= TEXT_CHARACTERS else text[:TEXT_CHARACTERS] + "\n…")
