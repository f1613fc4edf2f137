"""HTTP/1.1 as uvicorn and h11 speak it, with bounds on what comes before a request is whole."""

import asyncio
import socket
import struct
import sys
import time
from email.utils import formatdate
from functools import lru_cache
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from sqlflow.service.http.guard import HEADERS
from sqlflow.service.http.limits import Limits
from sqlflow.service.http.problems import MEDIA_TYPE, Refused, problem

_AT_ONCE = struct.pack("ii", 1, 0)
"""Closing forgets what was not read yet, which the system would keep for as long as the other side likes."""


def bounded(limits: Limits) -> type[asyncio.Protocol]:
    """Return the protocol of a server with these limits."""
    return type("Bounded", (BoundedProtocol,), {"limits": limits})


class BoundedProtocol(H11Protocol):
    """Closes what sends no whole head in time, and what does not read its answer.

    When all connections are taken, the one that is waited for longest makes room.

    uvicorn by itself waits without end for the first head, and lets slow connections keep good callers out.
    """

    limits = Limits()
    waits_since = 0.0
    """On the loop's clock, in seconds."""
    _waiting: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= self.limits.connections:
            _make_room(self.connections)
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        self._is_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._is_read()
        self._unread = self.loop.call_later(self.limits.send_seconds, self.close)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._is_read()

    def data_received(self, data: bytes) -> None:
        self.server_state.default_headers = [(b"date", _date(int(time.time())))]
        super().data_received(data)
        if self.has_request:
            self._head_is_there()
        elif self._waiting is None and not self.transport.is_closing():
            self._wait_for_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.has_request and self.conn.trailing_data[0]:
            self._wait_for_head()

    @property
    def has_request(self) -> bool:
        """Whether a request is being answered, of which the body may be on its way."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def is_waited_for(self) -> bool:
        """Whether more must come from the caller before there is anything to do."""
        return not self.has_request or self.cycle.more_body

    def _wait_for_head(self) -> None:
        self._head_is_there()
        self.waits_since = self.loop.time()
        self._waiting = self.loop.call_later(self.limits.head_seconds, self.close)

    def _head_is_there(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def close(self) -> None:
        """Close a connection that is no longer waited for; its place is free at once."""
        self.connections.discard(self)
        connection = self.transport.get_extra_info("socket")
        if connection is not None and not self.transport.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Tell what h11 could not read; uvicorn calls it while it handles the error."""
        error = sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        refused = Refused(status, "the request is too long" if status in (413, 431) else "the request is not HTTP/1.1")
        if self.has_request or (self.conn.our_state is not h11.IDLE and self.conn.our_state is not h11.SEND_RESPONSE):
            self.close()
            return
        body = problem(refused)
        headers = {**HEADERS, "content-type": MEDIA_TYPE, "content-length": str(len(body)), "connection": "close"}
        pairs: list[Any] = [(name.encode(), value.encode()) for name, value in headers.items()]
        for event in (
            h11.Response(status_code=status, headers=pairs, reason=STATUS_PHRASES[status]), h11.Data(data=body),
            h11.EndOfMessage(),
        ):  # fmt: skip
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


@lru_cache(1)
def _date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()


def _make_room(connections: Any) -> None:
    """Close the connection that is waited for longest; none where all requests are whole."""
    waited_for = [one for one in connections if isinstance(one, BoundedProtocol) and one.is_waited_for]
    if waited_for:
        min(waited_for, key=lambda one: one.waits_since).close()
