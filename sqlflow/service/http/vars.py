"""Vars that come with a request: only those that the pipeline declares, of the kind that it declares, and data alone.

A var lands in templates as text. What a caller gives must therefore mean nothing in SQL but a value: numbers and truth
values as JSON has them, dates, and words without blanks, quotes or brackets.
"""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from typing import Any

from sqlflow.service.http.problems import Refused

WORD = re.compile(r"(?!.*--)\w[\w.:+@/-]{0,254}")
_WORDS = "a word of letters, digits and `_ . : + @ / -`, without blanks and quotes"
ITEMS_AT_MOST = 1000


def checked(given: Any, declared: Mapping[str, Any], allowed: Collection[str]) -> dict[str, Any]:
    """Return the vars of a request. Raise Refused (400) for one that is not `allowed` or of another kind than `declared`.

    >>> checked({"day": "2026-01-31", "rows": 10}, {"day": "2026-01-01", "rows": 5}, ["day", "rows"])
    {'day': '2026-01-31', 'rows': 10}
    """
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise Refused(400, "`vars` must be an object of names and values")
    for name in given:
        if name not in allowed or name not in declared:
            known = ", ".join(f"`{one}`" for one in sorted(allowed)) or "none"
            raise Refused(400, f"the var `{name}` is not allowed here; those that are: {known}")
    return {name: _value(name, value, declared[name]) for name, value in given.items()}


def _value(name: str, value: Any, declared: Any) -> Any:
    if isinstance(declared, list | tuple):
        if not isinstance(value, list) or len(value) > ITEMS_AT_MOST:
            raise Refused(400, f"the var `{name}` must be a list of at most {ITEMS_AT_MOST} values")
        return [_value(name, item, declared[0] if declared else "") for item in value]
    if isinstance(declared, str) and not (_is_time(declared) or _is_date(declared)):
        if isinstance(value, str) and WORD.fullmatch(value):
            return value
        raise Refused(400, f"the var `{name}` must be {_WORDS}")
    for is_one, said in _KINDS:
        if is_one(declared):
            if is_one(value):
                return value
            raise Refused(400, f"the var `{name}` must be {said}, as the pipeline declares it")
    raise Refused(400, f"the var `{name}` cannot be given by a request: the pipeline declares no plain value for it")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_date(value: Any) -> bool:
    return isinstance(value, date) or _reads(value, r"\d{4}-\d{2}-\d{2}", date.fromisoformat)


def _is_time(value: Any) -> bool:
    form = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?"
    return isinstance(value, datetime) or _reads(value, form, datetime.fromisoformat)


def _reads(value: Any, form: str, read: Any) -> bool:
    if not isinstance(value, str) or not re.fullmatch(form, value, re.ASCII):
        return False
    try:
        read(value)
    except ValueError:
        return False
    return True


_KINDS: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (lambda value: isinstance(value, bool), "true or false"),
    (_is_integer, "an integer"),
    (lambda value: _is_integer(value) or isinstance(value, float), "a number"),
    (_is_time, "a time such as 2026-01-31T05:00:00"),
    (_is_date, "a date such as 2026-01-31"),
)
"""Tells of the declared value which kind the var has, and of the given one whether it is of that kind."""
