"""The HTTP server of the service: bound before it is told of, answering in a thread of its own."""

import errno
import logging
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from threading import Thread
from typing import Any

from msgspec import Struct

from sqlflow.core.errors import TargetError, UsageError
from sqlflow.service.http.limits import Limits
from sqlflow.service.http.rules import ANY_ADDRESS, LOOPBACK
from sqlflow.service.http.tokens import Token

PORT = 8750
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]")
_STOPPED_WITHIN_SECONDS = 1
"""Answers take less; streams are cut off, and their callers go on where they were."""
_BACKLOG = 512


class Address(Struct, frozen=True):
    """Where the service listens. `allowed_hosts` are more names by which callers may call it, without a port."""

    host: str = "127.0.0.1"
    port: int = PORT
    allowed_hosts: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def url(self) -> str:
        return f"http://{_in_url(self.host)}:{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """The names by which callers may call: those of the loopback, what was allowed, and for others any address."""
        others = () if self.is_local else (ANY_ADDRESS,)
        return frozenset(
            {*LOOPBACK, *others, _in_url(self.host).lower(), *(name.lower() for name in self.allowed_hosts)}
        )


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def check_address(address: Address, tokens: tuple[Token, ...]) -> None:
    """Raise UsageError for an address that others can reach while nobody was given a token, and for names that are none."""
    for name in address.allowed_hosts:
        if not _NAME.fullmatch(name):
            hint = "write it as callers do, without a port: `--allow-host etl.example`"
            raise UsageError(f"`--allow-host {name[:80]}` is no name of a host", hint=hint)
    if address.is_local or tokens:
        return
    hint = "make one with `sqlflow token new NAME`, or leave `--host` out: then only this machine can call"
    raise UsageError(
        f"`{address.host}` can be reached by others, and there is no token: it needs authentication", hint=hint
    )


def listening(address: Address) -> socket.socket:
    """Return a socket that listens. Raise TargetError if the port is in use, or the address is none of this machine."""
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        # Said to be TCP, without which asyncio leaves an answer's second packet waiting for the caller's word: 40 ms.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise _not_bound(address, error) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address.host, address.port))
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise _not_bound(address, error) from error
    return bound


def _not_bound(address: Address, error: OSError) -> TargetError:
    if error.errno == errno.EADDRINUSE:
        hint = "another service may be running; `--port` takes another port"
        return TargetError(f"port {address.port} of `{address.host}` is in use", hint=hint)
    return TargetError(f"cannot listen at `{address.host}`, port {address.port}: {error.strerror or error}")


@contextmanager
def serving(app: Any, address: Address, limits: Limits | None = None) -> Iterator[Address]:
    """Answer with an ASGI application until the end of the `with`; give the address, with the port that was bound."""
    import uvicorn

    from sqlflow.service.http.protocol import bounded
    from sqlflow.service.http.sleeping import Server

    limits = limits or Limits()
    bound = listening(address)
    config = uvicorn.Config(
        app, http=bounded(limits), ws="none", loop="asyncio", lifespan="off", log_config=None, access_log=False,
        proxy_headers=False, server_header=False, date_header=False, timeout_keep_alive=int(limits.idle_seconds),
        limit_concurrency=limits.connections * 2, h11_max_incomplete_event_size=limits.head_bytes * 2,
        timeout_graceful_shutdown=_STOPPED_WITHIN_SECONDS, backlog=_BACKLOG,
    )  # fmt: skip
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # the guard tells what goes wrong, without the inside
    server = Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [bound]}, name="sqlflow-http", daemon=True)
    thread.start()
    try:
        yield Address(address.host, bound.getsockname()[1], address.allowed_hosts)
    finally:
        server.stop()
        thread.join(_STOPPED_WITHIN_SECONDS * 10)
        bound.close()
