"""Where people are told of runs: the `notifications` of the project file, which only the service and `sqlflow notify` need."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlflow.core.config import NotificationConfig, ProjectConfig
from sqlflow.core.errors import Problem, did_you_mean
from sqlflow.core.pipeline import Pipeline
from sqlflow.core.secrets import hide, passwords
from sqlflow.read.config import expanded
from sqlflow.read.decode import decoded

_KEYS = ("on_failure", "on_success", "on_warn", "on_recovery", "on_late")
_SECRET_PART = re.compile(r"[^/:@?&=]{16,}")
"""Parts of a URL that are long enough to be tokens: a chat's URL has them in its path."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One entry. It has no `urls` where a variable of the environment that they come from is not set, as `fault` says."""

    name: str
    urls: tuple[str, ...] = field(repr=False)
    fault: str = ""


def notifications(
    config: ProjectConfig, environment: Mapping[str, str], problems: list[Problem]
) -> dict[str, Notification]:
    """Return the entries by name, and mask their URLs from now on. Faults are added to `problems`."""
    found: dict[str, Notification] = {}
    for name, written in config.notifications.items():
        secrets: set[str] = set()
        unset: list[Problem] = []
        ready = expanded(written, environment, secrets, unset)
        entry = None if unset else decoded(ready, NotificationConfig, problems, f"notifications.{name}.")
        if entry and not entry.urls:
            problems.append(Problem(f"`notifications.{name}` has no URL", written.place, "write one, or take it out"))
        urls = entry.urls if entry else ()
        hide({*secrets, *(secret for url in urls for secret in _secrets(url))})
        if entry or unset:
            found[name] = Notification(name, urls, unset[0].message if unset else "")
    return found


def _secrets(url: str) -> Iterator[str]:
    yield url
    yield from passwords(url)
    yield from _SECRET_PART.findall(url)


def unknown_notices(pipelines: Iterable[Pipeline], known: Mapping[str, Notification]) -> Iterator[Problem]:
    """Yield a problem for each name in a pipeline that is none of the project's notifications."""
    for pipeline in pipelines:
        for key in _KEYS:
            for index, notice in enumerate(getattr(pipeline, key)):
                if notice.notify not in known:
                    hint = did_you_mean(notice.notify, known) or "`notifications` in `sqlflow.yml` names them"
                    message = f"`{key}`: there is no notification `{notice.notify}`"
                    yield Problem(message, pipeline.place(key, index), hint)
