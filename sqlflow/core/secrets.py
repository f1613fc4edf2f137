"""What no message, log, event, file or table may show, and the text without it."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote

CUT = "…"
"""What marks the place where a text was cut: what stands beside it may be a part of a secret."""
_LETTERS_AT_LEAST = 4
"""Shorter values are not masked: they would hide half of every text."""
_IN_URL = re.compile(r"(?<=://)([^/\s:@'\"]*:)([^/\s'\"]+)(?=@)")
_IN_DSN = re.compile(
    r"(\b(?:password|passwd|pwd|sslpassword)\s*=\s*)('(?:[^'\\]|\\.|'')*'|[^\s,;&)'\"*]+)", re.IGNORECASE
)
NAMED_LIKE_ONE = re.compile(
    r"(.*_)?(pw|pwd|pass|passwd|password|secret|token|credentials?|api_?key|access_?key(_id)?)(_.*)?", re.IGNORECASE
)
_hidden: set[str] = set()
"""The secrets of this process. The one piece of global state: every message must pass it, also one of a crash."""
_longest_first: list[str] = []


def hide(secrets: Iterable[str]) -> None:
    """Mask these values from now on, in every form in which a program may quote them, and each of their lines."""
    found = {inner for secret in secrets for inner in (secret, *passwords(secret))}
    forms = {form for secret in found for form in _forms(secret) if len(form) >= _LETTERS_AT_LEAST}
    _hidden.update(forms)
    _longest_first[:] = sorted(_hidden, key=len, reverse=True)


def _forms(secret: str) -> Iterator[str]:
    import base64  # most projects read no secret

    for text in {secret, secret.strip(), *secret.splitlines()}:
        yield text
        yield from (quote(text, safe=""), quote(text), quote_plus(text), unquote(text))
        yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1])
        yield from (
            text.replace("'", "''"),
            text.replace('"', '""'),
            text.replace("'", "'\"'\"'"),
            text.replace("'", "\\'"),
        )
        yield from (
            encode(text.encode()).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)
        )


def masked(text: str) -> str:
    """Return the text with `***` in place of every secret, and of passwords in URLs and connection strings.

    So are parts of secrets where a text was cut, which `…` tells.

    >>> masked("cannot reach postgresql://ann:open+sesame@db/prod, password='a b' host=db")
    'cannot reach postgresql://ann:***@db/prod, password=*** host=db'
    """
    for secret in _longest_first:
        if secret in text:
            text = text.replace(secret, "***")
    if CUT in text and _longest_first:
        text = CUT.join(_without_parts(text.split(CUT)))
    if "@" in text:
        text = _IN_URL.sub(r"\1***", text)
    return _IN_DSN.sub(r"\1***", text) if "=" in text and _may_name_one(text) else text


def _without_parts(texts: list[str]) -> Iterator[str]:
    """Yield what is left of a text that was cut between these: they may begin and end with a part of a secret."""
    for number, text in enumerate(texts):
        kept = _without_beginning(text) if number < len(texts) - 1 else text
        yield _without_end(kept) if number else kept


def _without_beginning(text: str) -> str:
    """Return a text without the beginning of a secret at its end, and the blank that may come before what marks the cut."""
    kept = text.removesuffix(" ")
    for secret in _longest_first:
        start = kept.find(secret[:_LETTERS_AT_LEAST], max(0, len(kept) - len(secret)))
        while start >= 0:
            if secret.startswith(kept[start:]):
                return kept[:start] + "***" + text[len(kept) :]
            start = kept.find(secret[:_LETTERS_AT_LEAST], start + 1)
    return text


def _without_end(text: str) -> str:
    """Return a text without the end of a secret at its beginning."""
    for secret in _longest_first:
        end = text.rfind(secret[-_LETTERS_AT_LEAST:], 0, len(secret)) + _LETTERS_AT_LEAST
        while end >= _LETTERS_AT_LEAST:
            if secret.endswith(text[:end]):
                return "***" + text[end:]
            end = text.rfind(secret[-_LETTERS_AT_LEAST:], 0, end - 1) + _LETTERS_AT_LEAST
    return text


def _may_name_one(text: str) -> bool:
    """Tell whether a text may hold one of the words of a connection string: this costs a fiftieth of looking for one."""
    folded = text.casefold()
    return "passw" in folded or "pwd" in folded


def in_settings(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is secret in the keys of a target by itself: passwords in URLs, and values that are named like secrets."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from in_settings(value)
        elif isinstance(value, str):
            yield from (value,) if NAMED_LIKE_ONE.fullmatch(name) else passwords(value)


def forget() -> None:
    """Mask nothing any more, as in a new process."""
    _hidden.clear()
    _longest_first.clear()


def passwords(text: str) -> Iterator[str]:
    """Yield the passwords in a URL or a connection string."""
    yield from (found[2] for found in _IN_URL.finditer(text))
    yield from (found[2].strip("'") for found in _IN_DSN.finditer(text))
