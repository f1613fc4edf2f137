"""From YAML nodes to the frozen values of `sqlflow.core.config`, all faults told at once."""

import math
import re
import types
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import replace

from sqlflow.core.errors import Problem, ProjectError, did_you_mean
from sqlflow.core.node import Node
from sqlflow.core.spans import written
from sqlflow.core.text import Place
from sqlflow.read.yaml import UNCLEAR, plain_value

T = TypeVar("T", bound=msgspec.Struct)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kKMGT]i?B?)?B?")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|m|h|d|w|(?:second|minute|hour|day|week)s?)?")


class _Wrong(Exception):
    """Only inside this module: the node has been told of, its value is not to be had."""


def decoded(node: Node | None, kind: type[T], problems: list[Problem], path: str = "") -> T | None:
    """Return the mapping `node` as a `kind`, or None with the faults added to `problems`.

    `path` is put before the names of keys in messages.
    """
    try:
        return _struct(node, kind, problems, path)
    except _Wrong:
        return None


def _struct(node: Node | None, kind: type[T], problems: list[Problem], path: str) -> T:
    short = getattr(kind, "SHORT", None)
    fields = _fields(kind)
    hints = _hints(kind)
    if node is not None and node.kind != "mapping" and short:
        value = _value(node, hints[short], problems, f"{path}{short}")
        return kind(**{short: value})
    if node is not None and node.kind != "mapping":
        problems.append(
            Problem(f"{f'`{path[:-1]}`' if path else 'this'} must be a mapping of keys to values", node.place)
        )
        raise _Wrong
    wrong = False
    values: dict[str, Any] = {}
    for key, value in node.pairs if node else ():
        field = fields.get(key.text)
        try:
            if field is None:
                problems.append(unknown_key(key, fields, path))
                continue
            if value.is_null and field.default is None:
                continue
            values[field.name] = _value(value, hints[field.name], problems, f"{path}{key.text}")
        except _Wrong:
            wrong = True
    given = {key.text for key, _ in node.pairs} if node else set()
    for name, field in fields.items():
        if field.required and name not in given:
            place = node.place if node else None
            problems.append(Problem(f"`{path}{name}` is required", place))
            wrong = True
    if wrong:
        raise _Wrong
    return kind(**values)


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


_HINTS: dict[type, dict[str, Any]] = {}


def _hints(kind: type) -> dict[str, Any]:
    if kind not in _HINTS:
        _HINTS[kind] = get_type_hints(kind, include_extras=True)
    return _HINTS[kind]


def unknown_key(key: Node, known: Iterable[str], path: str = "") -> Problem:
    """Return the problem of a key that is not among the `known` ones, with the nearest of them."""
    names = sorted(known)
    hint = did_you_mean(key.text, names) or "known: " + ", ".join(f"`{name}`" for name in names)
    return Problem(f"unknown key `{path}{key.text}`", key.place, hint)


def _value(node: Node, kind: Any, problems: list[Problem], path: str) -> Any:
    if node.kind == "missing":
        raise _Wrong
    limits: tuple[msgspec.Meta, ...] = ()
    while get_origin(kind) is Annotated:
        kind, *metas = get_args(kind)
        limits += tuple(meta for meta in metas if isinstance(meta, msgspec.Meta))
    reading = next((meta.extra["read"] for meta in limits if meta.extra and "read" in meta.extra), None)
    if reading == "raw":
        return node
    try:
        read: Callable[[Node, str], Any] | None = {"duration": duration, "size": size, "moment": moment}.get(
            reading or ""
        )
        value = read(node, path) if read else _typed(node, kind, problems, path)
        _check_limits(value, limits, node, path)
    except ProjectError as error:
        problems.extend(error.problems)
        raise _Wrong from error
    return value


def _typed(node: Node, kind: Any, problems: list[Problem], path: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        arms = tuple(arm for arm in get_args(kind) if arm is not type(None))
        return _value(node, arms[0], problems, path) if len(arms) == 1 else _one_of(node, arms, path)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _struct(node, kind, problems, f"{path}.")
    if origin is tuple:
        return _tuple(node, get_args(kind)[0], problems, path)
    if origin is dict:
        return _dict(node, get_args(kind)[1], problems, path)
    if origin is Literal:
        return _choice(node, get_args(kind), path)
    if kind is Any:
        return _any(node, path)
    return _plain(node, kind, path)


def _one_of(node: Node, kinds: tuple[type, ...], path: str) -> Any:
    """Return a scalar of one of several kinds, as its writing tells."""
    value = _any(node, path)
    if type(value) not in kinds:
        raise ProjectError(f"`{path}` must be {' or '.join(_WORDS[kind] for kind in kinds)}", node.place)
    return value


def _any(node: Node, path: str) -> Any:
    try:
        return plain_value(node)
    except ProjectError as error:
        raise ProjectError(Problem(f"`{path}`: {p.message}", p.place, p.hint) for p in error.problems) from error


def _tuple(node: Node, kind: Any, problems: list[Problem], path: str) -> tuple[Any, ...]:
    if node.kind == "mapping" and not _takes_mapping(kind):
        raise ProjectError(f"`{path}` must be a list", node.place)
    items = node.items if node.kind == "list" else (node,)
    return tuple(_value(item, kind, problems, path) for item in items)


def _takes_mapping(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _dict(node: Node, kind: Any, problems: list[Problem], path: str) -> dict[str, Any]:
    if node.is_null:
        return {}
    if node.kind != "mapping":
        raise ProjectError(f"`{path}` must be a mapping of names to values", node.place)
    values, wrong = {}, False
    for key, value in node.pairs:
        try:
            values[key.text] = _value(value, kind, problems, f"{path}.{key.text}")
        except _Wrong:
            wrong = True
    if wrong:
        raise _Wrong
    return values


def _choice(node: Node, choices: tuple[str, ...], path: str) -> str:
    if node.kind == "scalar" and node.text in choices:
        return node.text
    listed = ", ".join(f"`{choice}`" for choice in choices)
    shown = f"`{node.shown}`" if node.kind == "scalar" else f"a {node.kind}"
    hint = did_you_mean(node.text, choices)
    raise ProjectError(f"`{path}` is one of {listed}, not {shown}", node.place, hint)


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "`true` or `false`"}


def _plain(node: Node, kind: type, path: str) -> Any:
    wanted = _WORDS[kind]
    if node.kind != "scalar":
        raise ProjectError(f"`{path}` must be {wanted}, not a {node.kind}", node.place)
    if node.is_null:
        raise ProjectError(f"`{path}` is required: it must be {wanted}", node.place)
    if kind is bool and not node.quoted and node.text.lower() in UNCLEAR:
        return node.text.lower() in ("yes", "on")
    if kind is str and (node.quoted or node.secret or node.text.lower() not in UNCLEAR):
        return _text(node, path)
    value = _any(replace(node, quoted=False, secret=False) if node.secret else node, path) if kind is not str else None
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        quote = " (put quotes round it)" if kind is str else ""
        raise ProjectError(f"`{path}` must be {wanted}, not `{node.shown}`{quote}", node.place)
    return value


def _text(node: Node, path: str) -> str:
    if not isinstance(plain_value(node), str):
        raise ProjectError(
            f"`{path}` must be text, not `{node.shown}`", node.place, f'put quotes round it: "{node.shown}"'
        )
    return node.text


def duration(node: Node, path: str) -> float:
    """Return the seconds that `30`, `30s`, `5m`, `2h` or `2 days` stand for.

    Raise ProjectError for anything else, negative and endless times included.
    """
    match = _DURATION.fullmatch(node.text.strip()) if node.kind == "scalar" else None
    if not match:
        raise ProjectError(
            f"`{path}` must be a number of seconds or a time such as `30s`, `5m` or `2 days`", node.place
        )
    seconds = float(match[1]) * _UNITS[(match[2] or "s")[0]]
    if not math.isfinite(seconds) or seconds <= 0:
        raise ProjectError(f"`{path}` must be more than 0 seconds", node.place)
    return seconds


def size(node: Node, path: str) -> int:
    """Return the bytes that `500MB`, `2 GB` or a number stand for, in steps of 1024. Raise ProjectError for anything else."""
    match = _SIZE.fullmatch(node.text.strip()) if node.kind == "scalar" else None
    if not match or float(match[1]) <= 0:
        raise ProjectError(f"`{path}` must be a size such as `500MB` or `2GB`", node.place)
    return int(float(match[1]) * 1024 ** " kmgt".index((match[2] or " ")[0].lower()))


def moment(node: Node, path: str) -> str:
    """Return a time such as `2026-01-31` or `2026-01-31 05:00` as text in UTC. Raise ProjectError for anything else."""
    try:
        found = datetime.fromisoformat(node.text.strip()) if node.kind == "scalar" else None
    except ValueError:
        found = None
    if found is None or found.microsecond:
        raise ProjectError(f"`{path}` must be a time such as `2026-01-31` or `2026-01-31 05:00`, in UTC", node.place)
    return written(found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found)


def _check_limits(value: Any, limits: tuple[msgspec.Meta, ...], node: Node, path: str) -> None:
    for limit in limits:
        if limit.ge is not None and value < limit.ge:
            raise ProjectError(f"`{path}` must be at least {limit.ge}", _short(node))
        if limit.le is not None and value > limit.le:
            raise ProjectError(f"`{path}` must be at most {limit.le}", _short(node))
        if limit.min_length is not None and len(value) < limit.min_length:
            raise ProjectError(f"`{path}` is empty", node.place)


def _short(node: Node) -> Place:
    return node.source.place(node.offset)
