"""Schedules in the words of others: cron, systemd, Airflow, GitHub. Each is text by file name; nothing is left out in silence."""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from sqlflow.core.pipeline import Pipeline

_DAY = 86400
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


class Exported(Struct, frozen=True):
    """The files, and what could not be written into them."""

    files: Mapping[str, str]
    left_out: tuple[str, ...]


def exported(form: str, pipelines: Iterable[Pipeline], root: Path, program: str) -> Exported:
    """Return the schedules of pipelines of the project in a folder, in one of the `FORMS`; `program` is sqlflow's path."""
    ready: list[tuple[Pipeline, str]] = []
    left_out: list[str] = []
    for pipeline in pipelines:
        expression = as_cron(pipeline)
        if expression is None:
            left_out.append(f"{pipeline.name}: {_why_not(pipeline)}")
        elif form == "github" and pipeline.timezone != "UTC":
            left_out.append(f"{pipeline.name}: GitHub knows UTC alone, and its schedule is in {pipeline.timezone}")
        else:
            ready.append((pipeline, expression))
    left_out += [f"{pipeline.name}: its triggers need `sqlflow serve`" for pipeline, _ in ready if pipeline.triggers]
    return Exported(dict(FORMS[form](ready, root, program)), tuple(left_out))


def as_cron(pipeline: Pipeline) -> str | None:
    """Return the five fields of a schedule; None for what cron cannot say.

    >>> as_cron(Pipeline("p", None, every=900.0)), as_cron(Pipeline("p", None, every=7 * 3600.0))
    ('*/15 * * * *', None)
    """
    if pipeline.every is None:
        return pipeline.schedule
    minutes, rest = divmod(pipeline.every, 60)
    if rest or not minutes:
        return None
    if minutes < 60:
        return f"*/{minutes:g} * * * *" if 60 % minutes == 0 else None
    hours, rest = divmod(minutes, 60)
    if rest or 24 % hours:
        return None
    return "0 0 * * *" if hours == 24 else f"0 */{hours:g} * * *"


def _why_not(pipeline: Pipeline) -> str:
    if pipeline.every is not None:
        return f"no cron runs each {pipeline.every:g} s alike"
    return "its triggers need `sqlflow serve`" if pipeline.triggers else "it has no schedule"


def _build(pipeline: Pipeline, root: Path, program: str) -> str:
    return f"{shlex.quote(program)} build --quiet --pipeline {pipeline.name} --project-dir {shlex.quote(str(root))}"


def _as_crontab(ready: list[tuple[Pipeline, str]], root: Path, program: str) -> Iterator[tuple[str, str]]:
    lines = ["# `CRON_TZ` is a setting of cronie's; another cron goes by the machine's time zone."]
    for pipeline, expression in ready:
        command = _build(pipeline, root, program).replace("%", "\\%")
        lines += [f"# {pipeline.name}", f"CRON_TZ={_zone(pipeline)}", f"{expression} {command}"]
    if ready:
        yield "crontab", "\n".join(lines) + "\n"


def _zone(pipeline: Pipeline) -> str:
    return "UTC" if pipeline.every is not None else pipeline.timezone


def _as_units(ready: list[tuple[Pipeline, str]], root: Path, program: str) -> Iterator[tuple[str, str]]:
    for pipeline, expression in ready:
        name = f"sqlflow-{root.name}-{pipeline.name}"
        command = _build(pipeline, root, program).replace("%", "%%")
        limit = f"\nTimeoutStartSec={pipeline.timeout:g}" if pipeline.timeout else ""
        yield (
            f"{name}.service",
            f"[Unit]\nDescription=sqlflow: {pipeline.name}\n\n[Service]\nType=oneshot\nExecStart={command}{limit}\n",
        )
        times = "\n".join(f"OnCalendar={time} {_zone(pipeline)}" for time in calendar(expression))
        persistent = "false" if pipeline.missed == "none" else "true"
        yield (
            f"{name}.timer",
            f"[Unit]\nDescription=sqlflow: {pipeline.name}\n\n[Timer]\n{times}\nPersistent={persistent}\n"
            "AccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n",
        )


def calendar(expression: str) -> list[str]:
    """Return the times of a cron expression as systemd writes them: two, where cron means either of two kinds of day.

    >>> calendar("*/15 6-8 * * 1-5")
    ['Mon,Tue,Wed,Thu,Fri *-*-* 6,7,8:0,15,30,45:00']
    >>> calendar("0 0 13 * 5")
    ['*-*-13 0:0:00', 'Fri *-*-* 0:0:00']
    """
    from croniter import croniter

    minutes, hours, days, months, weekdays = croniter.expand(expression)[0][:5]
    time = f"{_listed(hours)}:{_listed(minutes)}:00"
    by_day = f"*-{_listed(months)}-{_listed(days)} {time}"
    if weekdays == ["*"]:
        return [by_day]
    names = ",".join(_WEEKDAYS[int(day) % 7] for day in weekdays)
    by_weekday = f"{names} *-{_listed(months)}-* {time}"
    return [by_weekday] if days == ["*"] else [by_day, by_weekday]


def _listed(values: Iterable[object]) -> str:
    return ",".join(map(str, values))


def _as_dags(ready: list[tuple[Pipeline, str]], root: Path, program: str) -> Iterator[tuple[str, str]]:
    for pipeline, expression in ready:
        timeout = f"timedelta(seconds={pipeline.timeout:g})" if pipeline.timeout else "None"
        retries = pipeline.retries
        yield (
            f"{re.sub(r'[^0-9A-Za-z_]', '_', root.name)}_{pipeline.name.replace('-', '_')}.py",
            f'''"""{pipeline.name}, as its file in {FOLDER} says."""

from datetime import timedelta

import pendulum
from airflow import DAG

try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # Airflow 2
    from airflow.operators.bash import BashOperator

with DAG(
    {json.dumps(f"sqlflow_{pipeline.name}")},
    schedule={json.dumps(expression)},
    start_date=pendulum.today({json.dumps(_zone(pipeline))}),
    catchup={pipeline.missed == "all"},
    max_active_runs=1,
    default_args={{
        "retries": {retries.count},
        "retry_delay": timedelta(seconds={retries.delay:g}),
        "retry_exponential_backoff": {retries.backoff > 1},
        "execution_timeout": {timeout},
    }},
):
    BashOperator(task_id="build", bash_command={json.dumps(_build(pipeline, root, program) + " --retries 0")})
''',
        )


def _as_workflows(ready: list[tuple[Pipeline, str]], root: Path, program: str) -> Iterator[tuple[str, str]]:
    for pipeline, expression in ready:
        minutes = f"\n    timeout-minutes: {max(1, round(pipeline.timeout / 60))}" if pipeline.timeout else ""
        yield (
            f".github/workflows/{pipeline.name}.yml",
            f"""name: {pipeline.name}
on:
  schedule:
    - cron: {json.dumps(expression)}
  workflow_dispatch:
concurrency: sqlflow-{pipeline.name}
jobs:
  build:
    runs-on: ubuntu-latest{minutes}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {{python-version: "3.12"}}
      - run: pip install sqlflow
      - run: sqlflow build --quiet --pipeline {pipeline.name}
""",
        )


FOLDER = "pipelines/"
Form = Callable[[list[tuple[Pipeline, str]], Path, str], Iterator[tuple[str, str]]]
FORMS: Mapping[str, Form] = {
    "cron": _as_crontab, "systemd": _as_units, "airflow": _as_dags, "github": _as_workflows,
}  # fmt: skip
