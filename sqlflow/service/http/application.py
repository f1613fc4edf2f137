"""The ASGI application: from a request that has passed the guard to an endpoint of the table, and its answer as JSON."""

import logging
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import anyio
from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from sqlflow.core.errors import SqlflowError, StateError, TargetError
from sqlflow.core.secrets import masked
from sqlflow.service.http.body import decoded
from sqlflow.service.http.endpoints import Call, Endpoint, Served
from sqlflow.service.http.guard import App, Guard, Receive, Send
from sqlflow.service.http.limits import Limits
from sqlflow.service.http.metrics import Metrics
from sqlflow.service.http.openapi import STREAM, document
from sqlflow.service.http.problems import Refused, as_json
from sqlflow.service.http.rules import API, Head
from sqlflow.service.http.stream import Streams
from sqlflow.service.http.table import ENDPOINTS
from sqlflow.service.http.tokens import Keyring

THREADS = 8
"""How many answers are made at once: each reads the history, and none may keep the service's own threads waiting."""
_log = logging.getLogger("sqlflow.service")
Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


def application(
    service: Served, keyring: Keyring, hosts: frozenset[str], limits: Limits | None = None, *,
    metrics: Metrics | None = None, clock: Clock = _now,
) -> Guard:  # fmt: skip
    """Return the API of a service, behind its guard. `clock` tells the time by which webhooks are old."""
    limits = limits or Limits()
    threads = anyio.CapacityLimiter(THREADS)
    streams = Streams(service, threads, limits)
    metrics = metrics or Metrics(service)
    openapi = as_json(document())

    async def answer(endpoint: Endpoint, request: Request) -> Response:
        call = _call(service, endpoint, request, clock())
        found = await run_sync(partial(_told, endpoint, call), limiter=threads)
        return Response(found, endpoint.status, media_type="application/json")

    async def scraped(request: Request) -> Response:
        body = await run_sync(partial(_or_refused, metrics.text), limiter=threads)
        return Response(body, media_type=metrics.media_type)

    async def described(request: Request) -> Response:
        return Response(openapi, media_type="application/json")

    async def followed(request: Request) -> Response:
        return await streams.response(request)

    routes = [
        Route("/", _index, methods=["GET"]),
        Route("/healthz", _alive, methods=["GET"]),
        Route("/metrics", scraped, methods=["GET"]),
        Route(API + "openapi.json", described, methods=["GET"]),
        Route(STREAM, followed, methods=["GET"]),
    ]
    for path in dict.fromkeys(endpoint.path for endpoint in ENDPOINTS):
        methods: dict[str, Endpoint] = {endpoint.method: endpoint for endpoint in ENDPOINTS if endpoint.path == path}
        routes.append(Route(API.rstrip("/") + path, _by_method(methods, answer), methods=list(methods)))
    return Guard(_routed(Router(routes, redirect_slashes=False)), keyring, hosts, limits)


def _routed(router: Router) -> App:
    """Return the router, with what it finds no endpoint for handed to the guard, which tells all refusals."""

    async def routed(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        try:
            await router({**scope, "app": router}, receive, send)
        except HTTPException as error:
            if error.status_code == 405:
                allowed = (error.headers or {}).get("Allow", "GET")
                raise Refused(405, f"the methods here are {allowed}", allow=allowed) from None
            raise Refused(404, "there is no such path") from None

    return routed


def _by_method(methods: Mapping[str, Endpoint], answer: Callable[[Endpoint, Request], Any]) -> Callable[[Request], Any]:
    async def answered(request: Request) -> Any:
        return await answer(methods["GET" if request.method == "HEAD" else request.method], request)

    return answered


def _call(service: Served, endpoint: Endpoint, request: Request, now: datetime) -> Call:
    """Return the request as the endpoint takes it. Raise Refused for what is not as the table says."""
    head: Head = request.scope["sqlflow.head"]
    raw: bytes = request.scope["sqlflow.body"]
    caller = request.scope["sqlflow.caller"]
    values = endpoint.values(request.path_params, _query(head.query))
    if raw and request.method != "POST":
        raise Refused(400, f"{request.method} takes no body")
    if raw and not endpoint.is_signed:
        body = decoded(raw)
        if not endpoint.body and body != {}:
            raise Refused(400, "this takes no body")
    else:
        body = None
    return Call(service, values, body, raw, head, f"token {caller.name}" if caller else "webhook", now)


def _query(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        names = ", ".join(f"`{part.partition('=')[0][:40]}`" for part in query.split("&")[:5])
        raise Refused(400, f"the query is not Unicode, or has more than 100 parameters: {names}") from None


def _told(endpoint: Endpoint, call: Call) -> bytes:
    return as_json(_or_refused(partial(endpoint.answer, call)))


def _or_refused(answer: Callable[[], Any]) -> Any:
    """Return an answer; where the history cannot be used, Refused (503), which tells nothing of the inside."""
    try:
        return answer()
    except (StateError, TargetError) as error:
        _log.error("%s", masked(str(error)))
        raise Refused(503, "the service's state, the history of runs, cannot be used now", retry_after="5") from error
    except SqlflowError as error:
        raise Refused(400, error.problems[0].message) from error


async def _index(request: Request) -> Response:
    return Response(
        as_json({"service": "sqlflow", "api": API, "openapi": API + "openapi.json"}), media_type="application/json"
    )


async def _alive(request: Request) -> Response:
    return Response(as_json({"status": "ok"}), media_type="application/json")
