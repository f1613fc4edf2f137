"""Who may call: tokens of 256 random bits, of which the service keeps hashes alone.

A token that somebody was given is a line of `.sqlflow/tokens.json`. Beside them is one local token, in
`.sqlflow/service.token`, which the owner of that file alone can read: it is for calls from the same account.
"""

import hashlib
import hmac
import json
import logging
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import asdict

from sqlflow.core.errors import SqlflowError, StateError, TargetError, UsageError, did_you_mean
from sqlflow.core.secrets import hide

Scope = Literal["read", "run"]
"""`read` reads; `run` starts, cancels, retries, pauses and resumes too."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
KEPT = "tokens.json"
LOCAL = "service.token"
_PREFIX = "sqlflow_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_log = logging.getLogger("sqlflow.service")
_ONLY_OWNER = 0o600
_OTHERS = 0o077


class Token(Struct, frozen=True):
    """What is kept of a token. `sha256` is of the token's text, in hexadecimal digits; `made_at` is in UTC."""

    name: str
    scope: Scope
    sha256: str
    made_at: str


def new_text() -> str:
    """Return the text of a new token."""
    return _PREFIX + secrets.token_urlsafe(32)


def sha256(text: str) -> str:
    """Return what is kept of a token's text. A token is random, so that a fast hash is as good as a slow one."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def known(tokens: Iterable[Token], text: str) -> Token | None:
    """Return the token that a caller has shown, in a time that does not tell how near it was to one that is known."""
    given, found = sha256(text), None
    for token in tokens:
        if hmac.compare_digest(token.sha256, given):
            found = token
    return found


def kept(folder: Path) -> tuple[Token, ...]:
    """Return the tokens that were given, in the order of their names. `folder` is the project's `.sqlflow`."""
    path = folder / KEPT
    try:
        listed = json.loads(path.read_text("utf-8"))
        tokens = [Token(**{name: str(one[name]) for name in Token.__struct_fields__}) for one in listed]  # type: ignore[arg-type]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise TargetError(f"cannot read `{path}`: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        hint = "remove the file, and make the tokens again with `sqlflow token new`"
        raise StateError(f"`{path}` cannot be read: it is damaged", hint=hint) from error
    return tuple(sorted(tokens, key=lambda token: token.name))


def add(folder: Path, name: str, scope: Scope, now: datetime) -> str:
    """Keep a new token under a name and return its text, which cannot be had again."""
    if not _NAME.fullmatch(name):
        hint = "a name has letters, digits, `_`, `.` and `-`, 63 of them at most"
        raise UsageError(f"`{name}` cannot be a token's name", hint=hint)
    tokens = kept(folder)
    if any(token.name == name for token in tokens):
        raise UsageError(
            f"there is a token `{name}`", hint=f"take another name, or `sqlflow token revoke {name}` first"
        )
    text = new_text()
    _keep(folder, (*tokens, Token(name, scope, sha256(text), now.astimezone(UTC).isoformat(timespec="seconds"))))
    return text


def remove(folder: Path, name: str) -> None:
    """Forget a token: from the next request on it is a wrong one."""
    tokens = kept(folder)
    if all(token.name != name for token in tokens):
        hint = did_you_mean(name, [token.name for token in tokens]) or "`sqlflow token list` shows them"
        raise UsageError(f"there is no token `{name}`", hint=hint)
    _keep(folder, tuple(token for token in tokens if token.name != name))


def local(folder: Path) -> str:
    """Return the local token; make it anew where there is none, or where others than the owner could have read it."""
    path = folder / LOCAL
    with suppress(OSError):
        text = path.read_text("utf-8").strip()
        if text and not path.is_symlink() and not path.stat().st_mode & _OTHERS:
            hide([text])
            return text
    text = new_text()
    _write(path, text + "\n")
    hide([text])
    return text


def _keep(folder: Path, tokens: Iterable[Token]) -> None:
    lines = ",\n ".join(json.dumps(asdict(token)) for token in tokens)
    _write(folder / KEPT, f"[{lines}]\n")


def _write(path: Path, text: str) -> None:
    """Write a file that the owner alone can read, aside, and move it into place whole."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (path.parent / ".gitignore").exists():
            (path.parent / ".gitignore").write_text("*\n")  # a token belongs into no repository
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _ONLY_OWNER)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise TargetError(f"cannot write `{path}`: {error.strerror}") from error


@dataclass(slots=True)
class Keyring:
    """The tokens that are known now; the file is read again when it has changed, so that a revoked one is wrong at once."""

    folder: Path
    _seen: tuple[int, int, int] | None = None
    _tokens: tuple[Token, ...] = ()
    _local: tuple[Token, ...] = field(default=())

    def __post_init__(self) -> None:
        self._local = (Token("local", "run", sha256(local(self.folder)), ""),)

    def caller(self, headers: Mapping[str, str]) -> Token | None:
        """Return whose token the header `Authorization: Bearer` holds; None for a wrong one, or none."""
        kind, _, text = headers.get("authorization", "").partition(" ")
        return known((*self._local, *self._given()), text.strip()) if kind.lower() == "bearer" else None

    def _given(self) -> tuple[Token, ...]:
        try:
            found = (self.folder / KEPT).stat()
        except OSError:
            self._seen, self._tokens = None, ()
            return ()
        seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        if seen != self._seen:
            self._tokens, self._seen = self._read(), seen
        return self._tokens

    def _read(self) -> tuple[Token, ...]:
        """Return what the file holds; nothing, which lets nobody in, where it is damaged."""
        try:
            return kept(self.folder)
        except SqlflowError as error:
            _log.error("%s", error)
            return ()
