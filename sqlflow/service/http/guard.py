"""The one gate: every request passes it before routing, and every answer passes it on its way out."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlflow.core.secrets import masked
from sqlflow.service.http.limits import Limits, Rate
from sqlflow.service.http.problems import MEDIA_TYPE, Refused, problem
from sqlflow.service.http.rules import LOOPBACK, PUBLIC, READING, WEBHOOKS, Head, check
from sqlflow.service.http.tokens import Keyring, Token

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
_log = logging.getLogger("sqlflow.service")
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""On every answer; an endpoint may set one of them itself."""
_PIECE_BYTES = 64 << 10
_READ_AWAY_AT_MOST = 4
"""Bodies of that many times the limit are read to their end, so that their refusal arrives."""


@dataclass(slots=True)
class Guard:
    """An ASGI application around another: it checks, bounds and tells. What goes wrong inside is told as 500, and nothing more."""

    app: App
    keyring: Keyring
    hosts: frozenset[str] = LOOPBACK
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = time.monotonic
    _requests: Rate = field(init=False)
    _wrong_tokens: Rate = field(init=False)

    def __post_init__(self) -> None:
        self._requests = Rate(self.limits.requests_per_second, self.limits.burst)
        self._wrong_tokens = Rate(self.limits.wrong_tokens_per_minute / 60, self.limits.wrong_tokens_per_minute)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, _Answer(send))

    async def _http(self, scope: MutableMapping[str, Any], receive: Receive, answer: "_Answer") -> None:
        try:
            head = Head.of(dict(scope))
            await self._check(head, receive)
            if not self._requests.takes(head.address, self.clock()):
                raise Refused(429, "too many requests", retry_after="1")
            scope["sqlflow.head"] = head
            scope["sqlflow.caller"] = self._caller(head)
            scope["sqlflow.body"] = await _whole(receive, self.limits)
            await self.app(scope, _disconnected(receive), answer)
        except Refused as refused:
            await answer.refuse(refused, is_last="sqlflow.body" not in scope)
        except Exception as error:  # noqa: BLE001  the edge of the process: a caller is told nothing of the inside
            _log.error(
                "%s",
                masked(f"a request ended in a fault of ours: {type(error).__name__}: {error}"),
                exc_info=_log.isEnabledFor(logging.DEBUG),
            )
            await answer.refuse(Refused(500, "a fault of the service; its log says more"))

    async def _check(self, head: Head, receive: Receive) -> None:
        try:
            check(head, self.hosts, self.limits)
        except Refused as refused:
            if (
                refused.status == 413
            ):  # a caller that is cut off while it sends sees a broken connection, not the answer
                await _read_away(receive, self.limits)
            raise

    def _caller(self, head: Head) -> Token | None:
        """Return whose token came with the request; None where none is needed. Raise Refused (401, 403, 429)."""
        if head.path in PUBLIC or head.path.startswith(WEBHOOKS):
            return None
        given = head.value("authorization")
        caller = self.keyring.caller({"authorization": given})
        if caller is None:
            if given and not self._wrong_tokens.takes(head.address, self.clock()):
                raise Refused(429, "too many wrong tokens", retry_after="60")
            said = "this token is not known" if given else "a token is needed: `Authorization: Bearer …`"
            raise Refused(401, said, www_authenticate='Bearer realm="sqlflow"')
        if head.method not in READING and caller.scope != "run":
            raise Refused(403, f"the token `{caller.name}` may read alone; a token of the scope `run` may do this")
        return caller


async def _whole(receive: Receive, limits: Limits) -> bytes:
    """Return the body. Raise Refused for one that is too long (413) or that takes too long to come (408)."""
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "the body ended too early")
                body += message.get("body", b"")
                if len(body) > limits.body_bytes:
                    await _read_away(receive, limits)
                    raise Refused(413, f"the body is longer than {limits.body_bytes} bytes")
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise Refused(408, f"the body did not come within {limits.body_seconds:g} seconds") from None


async def _read_away(receive: Receive, limits: Limits) -> None:
    """Read what a caller sends beyond the limit, for a bounded while."""
    left = limits.body_bytes * _READ_AWAY_AT_MOST
    with suppress(TimeoutError):
        async with asyncio.timeout(limits.idle_seconds):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return


def _disconnected(receive: Receive) -> Receive:
    """Return what an application receives of a request whose body was read: that the caller has gone."""

    async def only_the_end() -> Message:
        while (message := await receive())["type"] != "http.disconnect":
            pass
        return message

    return only_the_end


def _pieces(message: Message) -> Iterator[Message]:
    """Yield a message, a long body in pieces: between them the server waits for the caller to read, and keeps no more."""
    body = message.get("body", b"")
    if len(body) <= _PIECE_BYTES:
        yield message
        return
    for start in range(0, len(body), _PIECE_BYTES):
        is_last = start + _PIECE_BYTES >= len(body)
        more = not is_last or message.get("more_body", False)
        yield {**message, "body": body[start : start + _PIECE_BYTES], "more_body": more}


@dataclass(slots=True)
class _Answer:
    """Sends with the headers that every answer has."""

    send: Send
    has_begun: bool = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            names = {name.lower() for name, _ in message["headers"]}
            more = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in names]
            message = {**message, "headers": [*message["headers"], *more]}
        for piece in _pieces(message):
            await self.send(piece)

    async def refuse(self, refused: Refused, is_last: bool = False) -> None:
        """Send a refusal, and close the connection if it `is_last`: nobody knows where its next request would begin.

        An answer that has begun already is cut off, so that nobody takes it for whole.
        """
        if self.has_begun:
            raise ConnectionError("the answer is cut off")
        body = problem(refused)
        headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **refused.headers}
        if is_last:
            headers["connection"] = "close"
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self({"type": "http.response.start", "status": refused.status, "headers": pairs})
        await self({"type": "http.response.body", "body": body})
