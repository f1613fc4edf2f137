"""The OpenAPI document of the API, made from the table of its endpoints."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import sqlflow
from sqlflow.service.http.endpoints import Endpoint, Parameter
from sqlflow.service.http.problems import MEDIA_TYPE
from sqlflow.service.http.rules import API
from sqlflow.service.http.schemas import SCHEMAS, named
from sqlflow.service.http.table import ENDPOINTS, RUN

_ALWAYS = (400, 401, 403, 405, 414, 421, 429, 431, 503)
_WRITING = (408, 413, 415)
STREAM = API + "runs/{run}/stream"
_SIGNATURE = ("webhook-id", "webhook-timestamp", "webhook-signature")


def document() -> dict[str, Any]:
    """Return the document, in OpenAPI 3.1."""
    paths: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(API.rstrip("/") + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    paths[STREAM] = {"get": _STREAMED}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sqlflow",
            "version": sqlflow.__version__,
            "description": "What `sqlflow serve` answers. There is no endpoint that runs SQL or code of the caller.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {"schemas": SCHEMAS, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    refusals = {*_ALWAYS, *endpoint.refusals, *(_WRITING if endpoint.method == "POST" else ())}
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": [_parameter(parameter) for parameter in endpoint.parameters],
        "responses": {
            str(endpoint.status): _answer(endpoint.status, "application/json", endpoint.schema),
            **_refused(refusals),
        },
    }  # fmt: skip
    if endpoint.is_signed:
        operation["security"] = []
        operation["parameters"] += [
            {"name": name, "in": "header", "required": True, "schema": {"type": "string"}} for name in _SIGNATURE
        ]
    if endpoint.body or endpoint.is_signed:
        operation["requestBody"] = {
            "required": endpoint.needs_body,
            "content": {"application/json": {"schema": endpoint.body}},
        }
    return operation


def _answer(status: int, media_type: str, schema: str) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": {media_type: {"schema": named(schema)}}}


def _refused(statuses: Iterable[int]) -> dict[str, Any]:
    return {str(status): _answer(status, MEDIA_TYPE, "Problem") for status in sorted(statuses)}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name, "in": parameter.place, "description": parameter.description,
        "required": parameter.place == "path", "schema": parameter.schema,
    }  # fmt: skip


_STREAMED = {
    "operationId": "follow_run",
    "summary": "Follow a run by server-sent events until it has ended.",
    "parameters": [
        _parameter(RUN),
        {
            "name": "last-event-id", "in": "header", "required": False,
            "description": "The events after this one; without it, all.",
            "schema": {"type": "string", "pattern": "^[0-9]{1,15}$"},
        },
    ],
    "responses": {
        "200": {"description": "OK", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **_refused({*_ALWAYS, 404}),
    },
}  # fmt: skip
