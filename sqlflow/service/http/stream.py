"""Runs as they happen: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import anyio
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sqlflow.core.errors import SqlflowError, UsageError
from sqlflow.service.http import views
from sqlflow.service.http.endpoints import Served
from sqlflow.service.http.limits import Limits
from sqlflow.service.http.problems import Refused, as_json
from sqlflow.service.http.table import RUN
from sqlflow.service.nouns import Run, RunEvent

LOOKED_AT_EACH_SECONDS = 0.5
_MEDIA_TYPE = "text/event-stream"
QUIET_SECONDS = 15
"""After so long a comment is sent, by which both sides know that the other is there."""
_EVENTS_AT_ONCE = 500


class Streams:
    """All streams that are open. One more than the limit is refused (503), so that watchers never slow what they watch."""

    def __init__(self, service: Served, threads: anyio.CapacityLimiter, limits: Limits) -> None:
        self.service = service
        self.threads = threads
        self.limits = limits
        self.open = 0

    async def response(self, request: Request) -> Response:
        """Return the stream of a run, from the event after the header `Last-Event-ID` on. Raise Refused if there is none."""
        id = RUN.read([request.path_params["run"]])
        after = _cursor(request.scope["sqlflow.head"].value("last-event-id"))
        if self.open >= self.limits.streams:
            raise Refused(503, f"{self.limits.streams} streams are open, which is the limit", retry_after="30")
        if request.method == "HEAD":
            await self._asked(partial(self._run, id))
            return Response(media_type=_MEDIA_TYPE)
        self.open += 1
        try:
            await self._asked(partial(self._run, id))
        except BaseException:
            self.open -= 1
            raise
        return _Stream(self._events(id, after), self._closed)

    def _closed(self) -> None:
        self.open -= 1

    async def _events(self, id: str, after: int) -> AsyncIterator[bytes]:
        quiet = 0.0
        while True:
            run, events = await self._asked(partial(self._news, id, after))
            for event in events:
                after = event.id
                yield _message(event.kind, views.event(event), event.id)
            if run.has_ended and not events:
                yield _message("end", views.run(run))
                return
            quiet = 0.0 if events else quiet + LOOKED_AT_EACH_SECONDS
            if quiet >= QUIET_SECONDS:
                quiet = 0.0
                yield b": still there\n\n"
            if not events:
                await anyio.sleep(LOOKED_AT_EACH_SECONDS)

    async def _asked(self, question: Any) -> Any:
        return await run_sync(question, limiter=self.threads)

    def _run(self, id: str) -> Run:
        try:
            return self.service.history.run(id)
        except UsageError as error:
            raise Refused(404, f"there is no run `{id}`") from error
        except SqlflowError as error:
            raise Refused(503, "the service's state, the history of runs, cannot be used now") from error

    def _news(self, id: str, after: int) -> tuple[Run, list[RunEvent]]:
        """Return the run as it was before its events were read: once it has ended, none of them is missing."""
        run = self.service.history.run(id)
        return run, self.service.history.events(id, after=after, limit=_EVENTS_AT_ONCE)


class _Stream(StreamingResponse):
    """Tells when it has been sent, or cut off."""

    def __init__(self, events: AsyncIterator[bytes], closed: Callable[[], None]) -> None:
        super().__init__(events, media_type=_MEDIA_TYPE)
        self.closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.closed()


def _cursor(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Refused(400, "`Last-Event-ID` must be the id of an event")
    return int(text or 0)


def _message(kind: str, value: Any, id: int | None = None) -> bytes:
    head = f"event: {kind}\n" + (f"id: {id}\n" if id is not None else "")
    return head.encode() + b"data: " + as_json(value) + b"\n\n"
