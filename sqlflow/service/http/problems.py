"""Refusals, and how they are told: `application/problem+json` (RFC 9457) that says nothing of the inside."""

import json
from http import HTTPStatus
from typing import Any

from sqlflow.core.errors import printable
from sqlflow.core.secrets import masked

DETAIL_CHARACTERS = 500
MEDIA_TYPE = "application/problem+json"


class Refused(Exception):
    """A request that is not carried out. `detail` is for the caller: what is wrong with it, in the caller's words."""

    def __init__(self, status: int, detail: str, **headers: str):
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def problem(refused: Refused) -> bytes:
    """Return the body of a refusal.

    >>> problem(Refused(404, "there is no run `x`"))
    b'{"type":"about:blank","title":"Not Found","status":404,"detail":"there is no run `x`"}'
    """
    title = HTTPStatus(refused.status).phrase
    return as_json({"type": "about:blank", "title": title, "status": refused.status, "detail": _short(refused.detail)})


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= DETAIL_CHARACTERS else text[:DETAIL_CHARACTERS] + "…"


def as_json(value: Any) -> bytes:
    """Return a value as JSON, with secrets masked, and with `<`, `>` and `&` written out: no browser takes it for a page.

    >>> as_json({"error": "password=abcd <b>"})
    b'{"error":"password=*** \\\\u003cb\\\\u003e"}'
    """
    text = json.dumps(without_secrets(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text.encode("utf-8", "replace")


def without_secrets(value: Any) -> Any:
    """Return plain data with every text in it masked, keys of mappings too."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {masked(key): without_secrets(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(inner) for inner in value]
    return value
