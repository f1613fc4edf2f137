"""Pipelines and their schedules: list, show, pause, resume; what comes next, what came of each tick, how old data is."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import Any

import sqlflow
from sqlflow.core.pipeline import Pipeline
from sqlflow.service import figures
from sqlflow.service.history import History
from sqlflow.service.http import views
from sqlflow.service.http.answers.runs import pipeline_of
from sqlflow.service.http.endpoints import Call
from sqlflow.service.nouns import RunFilter, Tick
from sqlflow.service.schedule import next_time, times

NEXT_SHOWN = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def listed(call: Call) -> dict[str, Any]:
    """Return pipelines in the order of their names, each with its latest run."""
    service, limit, after = call.service, call.values["limit"], call.values["cursor"] or ""
    pipelines = service.pipelines()
    names = sorted(name for name in pipelines if name > after)
    page = names[:limit]
    states, latest, ticks = service.history.schedules(), figures.latest(service.history, page), service.next_ticks()
    shown = [views.pipeline(pipelines[name], states.get(name), latest.get(name), ticks.get(name)) for name in page]
    return {"pipelines": shown, "next": names[limit - 1] if len(names) > limit else None}


def shown(call: Call) -> dict[str, Any]:
    """Return one pipeline, with the next times of its schedule."""
    service, pipeline = call.service, pipeline_of(call.service.pipelines(), call.values["pipeline"])
    latest = service.history.runs(RunFilter((pipeline.name,)), limit=1)
    state = service.history.schedules().get(pipeline.name)
    ticks = list(islice(times(pipeline, call.now), NEXT_SHOWN))
    view = views.pipeline(pipeline, state, latest[0] if latest else None, ticks[0] if ticks else None)
    return view | {"next_ticks": [views.time(at) for at in ticks]}


def paused(call: Call) -> dict[str, Any]:
    """Let a pipeline's schedule and triggers rest."""
    return _changed(call, lambda history, name: history.pause(name, by=call.by))


def resumed(call: Call) -> dict[str, Any]:
    """Let a pipeline's schedule and triggers go on."""
    return _changed(call, lambda history, name: history.resume(name))


def _changed(call: Call, change: Callable[[History, str], None]) -> dict[str, Any]:
    change(call.service.history, pipeline_of(call.service.pipelines(), call.values["pipeline"]).name)
    return shown(call)


def schedule(call: Call) -> dict[str, Any]:
    """Return the next times of all schedules that are not paused, the next first."""
    service = call.service
    pipelines, states = service.pipelines(), service.history.schedules()
    going = {
        name: at
        for name, at in service.next_ticks().items()
        if name in pipelines and not (name in states and states[name].is_paused)
    }
    found = islice(_merged(pipelines, going), call.values["limit"])
    return {"ticks": [{"due_at": views.time(at), "pipeline": name} for at, name in found]}


def _merged(pipelines: Mapping[str, Pipeline], first: Mapping[str, datetime]) -> Iterator[tuple[datetime, str]]:
    """Yield the times of schedules in order, from the first of each on; a schedule is looked into when its turn has come."""
    heap = [(at, name) for name, at in first.items()]
    heapify(heap)
    while heap:
        at, name = heappop(heap)
        yield at, name
        later = next_time(pipelines[name], at)
        if later is not None:
            heappush(heap, (later, name))


def ticks(call: Call) -> dict[str, Any]:
    """Return what came of ticks, the latest first."""
    limit = call.values["limit"]
    before = _tick(call.values["cursor"]) if call.values["cursor"] else None
    found = call.service.history.ticks(call.values["pipeline"] or "", before=before, limit=limit + 1)
    return {
        "ticks": [views.tick(tick) for tick in found[:limit]],
        "next": _cursor(found[limit - 1]) if len(found) > limit else None,
    }


def _cursor(tick: Tick) -> str:
    micros = (tick.due_at - _EPOCH) // timedelta(microseconds=1)
    return f"{micros}.{tick.pipeline}.{tick.key.encode().hex()}"


def _tick(cursor: str) -> Tick:
    micros, pipeline, key = cursor.split(".")
    at = _EPOCH + timedelta(microseconds=int(micros))
    return Tick(pipeline, bytes.fromhex(key).decode("utf-8", "replace"), "schedule", at, at, "fired")


def freshness(call: Call) -> dict[str, Any]:
    """Return how old data is, by target, environment and name, as it was found when it was last asked."""
    ages, limit, wanted = call.service.ages(), call.values["limit"], call.values["status"]
    after = bytes.fromhex(call.values["cursor"] or "").decode("utf-8", "replace")
    found = [one for one in ages.found if one.key > after and (not wanted or one.status(call.now) in wanted)]
    return {
        "asked_at": views.time(ages.asked_at), "data": [views.age(one, call.now) for one in found[:limit]],
        "next": found[limit - 1].key.encode().hex() if len(found) > limit else None,
    }  # fmt: skip


def health(call: Call) -> dict[str, Any]:
    """Return how the service is: `degraded` while a file of the project is wrong and its last good state is used."""
    faults = call.service.faults()
    return {
        "status": "degraded" if faults else "ok", "version": sqlflow.__version__, "faults": [str(fault) for fault in faults],
        "pipelines": len(call.service.pipelines()),
    }  # fmt: skip
