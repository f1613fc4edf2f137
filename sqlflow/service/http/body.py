"""A request's body as data: JSON as the standard has it, bounded, and nothing that two readers could read in two ways."""

import json
import math
from typing import Any

from sqlflow.service.http.problems import Refused

DEPTH_AT_MOST = 32
DIGITS_AT_MOST = 1000
"""Of an integer; more than Python reads by itself would be an error of its own."""


def decoded(body: bytes) -> Any:
    """Return the JSON value of a body.

    Raise Refused (400) for what is no JSON: NaN, Infinity, numbers beyond a double, doubled keys, text that is not
    Unicode, and values that are nested more than 32 deep.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_no_key_twice,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_bounded,
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise Refused(400, "the body is not JSON: its text is no Unicode") from None
    except RecursionError:
        raise Refused(400, f"the body's JSON is nested more than {DEPTH_AT_MOST} deep") from None
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {error}") from None
    if _depth(value) > DEPTH_AT_MOST:
        raise Refused(400, f"the body's JSON is nested more than {DEPTH_AT_MOST} deep")
    return value


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise Refused(400, f"the body's JSON has a duplicate key `{doubled}`")
    return found


def _no_constant(name: str) -> Any:
    raise Refused(400, f"the body is not JSON: `{name}` is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Refused(400, "the body is not JSON: a number is too large")
    return number


def _bounded(text: str) -> int:
    if len(text) > DIGITS_AT_MOST:
        raise Refused(400, f"the body is not JSON that is taken: an integer has more than {DIGITS_AT_MOST} digits")
    return int(text)


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0) if isinstance(value, dict | list) else 0
