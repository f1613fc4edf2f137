"""From the files of `pipelines/` to pipelines. Needs neither the project file nor any block."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import time
from pathlib import Path, PurePosixPath
from typing import TypeVar

from msgspec.structs import replace

from sqlflow.core.block import Query as Select
from sqlflow.core.config import RetriesConfig
from sqlflow.core.environment import Environment
from sqlflow.core.errors import Problem, ProjectError, UsageError, did_you_mean
from sqlflow.core.flow import Retries, Wait
from sqlflow.core.node import Node
from sqlflow.core.pipeline import After, Files, Notice, Pipeline, Query, Trigger, Webhook
from sqlflow.core.pipeline_config import NoticeConfig, PipelineConfig, TriggerConfig
from sqlflow.core.secrets import hide
from sqlflow.core.text import MappedText, Piece, Place, SourceFile
from sqlflow.read import files
from sqlflow.read.config import expanded
from sqlflow.read.cron import cron
from sqlflow.read.decode import decoded
from sqlflow.read.flow import known_zone, time_of_day, waits
from sqlflow.read.yaml import parse

T = TypeVar("T")
FOLDER = "pipelines"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_KINDS = ("after", "files", "query", "webhook")


def read_pipelines(
    root: Path, environment: Mapping[str, str] | None = None, problems: list[Problem] | None = None
) -> dict[str, Pipeline]:
    """Return the pipelines of a project by name, in the order of their files; none where the folder is not there.

    Faults are added to `problems`, each at its place, and the pipelines without any are returned. Without such a list
    they are raised as a ProjectError. Values in `environment` (that of the process) stand for `{{ env('NAME') }}`.
    """
    found: list[Problem] = [] if problems is None else problems
    pipelines: dict[str, Pipeline] = {}
    for path in pipeline_files(root, found):
        pipeline = read_pipeline(root, path, os.environ if environment is None else environment, found)
        if pipeline is None:
            continue
        if pipeline.name in pipelines:
            other = pipelines[pipeline.name].path
            message = f"two pipelines are named `{pipeline.name}`: the other is in `{other}`"
            found.append(Problem(message, pipeline.place("name"), "give one of them another name"))
        else:
            pipelines[pipeline.name] = pipeline
    if not found:
        found += _unknown_triggers(pipelines)
        found += _cycles(pipelines)
    if found and problems is None:
        raise ProjectError(found)
    return pipelines


def pipeline_named(root: Path, name: str, environment: Mapping[str, str] | None = None) -> Pipeline:
    """Return one pipeline; the other files are read only if none is named like it.

    Raise ProjectError with the faults of its file, and UsageError if there is no such pipeline.
    """
    environment = os.environ if environment is None else environment
    for suffix in (".yml", ".yaml"):
        path = f"{FOLDER}/{name}{suffix}"
        if _NAME.fullmatch(name) and (root / path).is_file():
            found = pipeline_of(files.read(root, path), environment)
            if found.name == name.lower():
                return found
    pipelines = read_pipelines(root, environment)
    if name.lower() not in pipelines:
        known = ", ".join(f"`{known}`" for known in list(pipelines)[:5])
        hint = did_you_mean(name, pipelines) or (f"there are {known}" if known else f"write `{FOLDER}/{name}.yml`")
        raise UsageError(f"there is no pipeline `{name}`", hint=hint)
    return pipelines[name.lower()]


def pipeline_files(root: Path, problems: list[Problem]) -> list[str]:
    """Return the paths of the files that hold pipelines, sorted."""
    if not (root / FOLDER).is_dir():
        return []
    return [path for path in files.listed(root, FOLDER, problems).files if path.endswith((".yml", ".yaml"))]


def read_pipeline(root: Path, path: str, environment: Mapping[str, str], problems: list[Problem]) -> Pipeline | None:
    """Return the pipeline of one file; None with its faults added to `problems`. Names of others are not judged."""
    try:
        return pipeline_of(files.read(root, path), environment)
    except ProjectError as error:
        problems.extend(error.problems)
        return None


def pipeline_of(source: SourceFile, environment: Mapping[str, str]) -> Pipeline:
    """Return the pipeline that a file's text says. Raise ProjectError with all its faults."""
    problems: list[Problem] = []
    secrets: set[str] = set()
    written = parse(source) or Node("mapping", source, 0)
    node = _expanded(written, environment, secrets, problems)
    config = decoded(node, PipelineConfig, problems)
    if config is None or problems:
        raise ProjectError(problems)
    reader = _Reader(config, node, environment, secrets, problems)
    pipeline = reader.pipeline()
    hide(secrets)
    if problems:
        raise ProjectError(problems)
    return pipeline


def _expanded(node: Node, environment: Mapping[str, str], secrets: set[str], problems: list[Problem]) -> Node:
    """Return the file with values of the environment in it, but for webhooks, whose secrets only the service needs."""
    if node.kind == "list":
        return replace(node, items=tuple(_expanded(item, environment, secrets, problems) for item in node.items))
    if node.kind != "mapping":
        return expanded(node, environment, secrets, problems)

    def ready(key: str, value: Node) -> Node:
        if key == "triggers":
            return _expanded(value, environment, secrets, problems)
        return value if key == "webhook" else expanded(value, environment, secrets, problems)

    return replace(node, pairs=tuple((key, ready(key.text, value)) for key, value in node.pairs))


class _Reader:
    """The parts of one pipeline, with what they share."""

    def __init__(
        self, config: PipelineConfig, node: Node, environment: Mapping[str, str], secrets: set[str],
        problems: list[Problem],
    ) -> None:  # fmt: skip
        self.config = config
        self.node = node
        self.environment = environment
        self.secrets = secrets
        self.problems = problems

    def pipeline(self) -> Pipeline:
        config = self.config
        retries = config.retries or RetriesConfig()
        self._check_environment()
        return Pipeline(
            self._name(), self.node, config.description, config.select, config.exclude, config.vars, config.target,
            config.env, self._schedule(), self._every(), self._timezone(), tuple(self._triggers()), self._waits(), config.missed,
            config.overlap, Retries(retries.count, retries.delay, retries.backoff), config.timeout, config.threads,
            config.pools, config.memory_limit, _notices(config.on_failure), _notices(config.on_success),
            _notices(config.on_warn), _notices(config.on_recovery), _notices(config.on_late), self._deadline(),
            config.fresh_within,
        )  # fmt: skip

    def _tell(self, message: str, key: str, hint: str = "") -> None:
        self.problems.append(Problem(message, self._place(key), hint))

    def _name(self) -> str:
        name = self.config.name or PurePosixPath(self.node.source.path).stem
        if not _NAME.fullmatch(name):
            message = f"the name `{name[:80]}` of a pipeline may hold only letters, digits, `_` and `-`, at most 63"
            self._tell(message, "name", "rename the file, or set `name`")
        return name.lower()

    def _check_environment(self) -> None:
        try:
            Environment.parse(self.config.env)
        except UsageError as error:
            for problem in error.problems:
                self._tell(f"`env`: {problem.message}", "env", problem.hint)

    def _schedule(self) -> str | None:
        node = self.node.get("schedule")
        return self._noted(lambda: cron(node, "schedule")) if node is not None and self.config.schedule else None

    def _every(self) -> float | None:
        if self.config.every is not None and self.config.schedule is not None:
            self._tell("`every` and `schedule` both say when the pipeline runs", "every", "leave one of them out")
        return self.config.every

    def _timezone(self) -> str:
        self._noted(lambda: known_zone(self.config.timezone, self._place("timezone"), "timezone"))
        return self.config.timezone

    def _deadline(self) -> time | None:
        text = self.config.deadline
        return self._noted(lambda: time_of_day(text, self._place("deadline"), "deadline")) if text else None

    def _waits(self) -> tuple[Wait, ...]:
        written = self.node.get("wait_for")
        return self._noted(lambda: waits(self.config.wait_for, written, self._place("wait_for"), _as_it_is)) or ()

    def _place(self, key: str) -> Place:
        value = self.node.get(key)
        return value.place if value else Place(self.node.source.path)

    def _noted(self, read: Callable[[], T]) -> T | None:
        """Return what `read` gives; None with its faults noted."""
        try:
            return read()
        except ProjectError as error:
            self.problems.extend(error.problems)
            return None

    def _triggers(self) -> Iterator[Trigger]:
        written = self.node.get("triggers")
        nodes = () if written is None else written.items if written.kind == "list" else (written,)
        for config, node in zip(self.config.triggers, nodes, strict=False):
            trigger = self._trigger(config, node)
            if trigger is not None:
                yield trigger

    def _trigger(self, config: TriggerConfig, node: Node) -> Trigger | None:
        given = [kind for kind in _KINDS if getattr(config, kind)]
        if len(given) != 1:
            listed = ", ".join(f"`{kind}`" for kind in _KINDS)
            message = f"a trigger is one of {listed}" + (f", not {len(given)} of them" if given else "")
            self.problems.append(Problem(message, node.place, "begin each with a `-` of its own" if given else ""))
            return None
        within = node.get("within")
        if within is not None and not config.after:
            self.problems.append(Problem(f"`within` belongs to `after`, not to `{given[0]}`", within.place))
        if config.after:
            names = tuple(name.lower() for name in config.after)
            return After(names, config.within if config.within is not None else 86400.0)
        if config.files:
            self._refuse_outside(config.files.path, node)
            return Files(config.files.path, config.files.settle)
        if config.query:
            return Query(config.query.sql, config.query.when, config.query.every)
        assert config.webhook is not None
        return Webhook(self._secret(config.webhook.secret), config.webhook.vars)

    def _refuse_outside(self, path: str, node: Node) -> None:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts:
            written = node.get("files")
            place = (written.get("path") or written).place if written else node.place
            message = f"`triggers.files`: `{path}` is outside the project"
            self.problems.append(
                Problem(message, place, "write a path below the project's folder, such as `inbox/*.csv`")
            )

    def _secret(self, node: Node) -> str | None:
        """Return a webhook's secret; None where its variable is not set, which only the service minds."""
        unset: list[Problem] = []
        ready = expanded(node, self.environment, self.secrets, unset)
        if ready.kind == "missing":
            return None
        self.problems.extend(unset)
        if ready.kind != "scalar" or ready.is_null or len(ready.text) < 16:
            hint = "write `secret: \"{{ env('HOOK_SECRET') }}\"`, and set the variable to a long random text"
            message = "`triggers.webhook.secret` must be a text of at least 16 characters"
            self.problems.append(Problem(message, node.place, hint))
            return None
        self.secrets.add(ready.text)
        return ready.text


def _as_it_is(node: Node) -> Select:
    """Return the query that stands in a pipeline: it names published tables, in the words of the engine."""
    if node.kind != "scalar" or node.is_null:
        raise ProjectError("a query is needed here", node.place, "write a SELECT of one value")
    return Select(MappedText((Piece(node.text, node.source, node.offset + (1 if node.quoted else 0)),)))


def _notices(configs: Iterable[NoticeConfig]) -> tuple[Notice, ...]:
    return tuple(Notice(config.notify) for config in configs)


def _named(pipeline: Pipeline) -> Iterator[tuple[str, Place]]:
    """Yield the pipelines that a pipeline waits for, each with its place."""
    written = pipeline.node.get("triggers")
    for item in () if written is None else written.items if written.kind == "list" else (written,):
        after = item.get("after")
        for name in () if after is None else after.items if after.kind == "list" else (after,):
            yield name.text.lower(), name.place


def _unknown_triggers(pipelines: Mapping[str, Pipeline]) -> Iterator[Problem]:
    for pipeline in pipelines.values():
        for name, place in _named(pipeline):
            if name not in pipelines:
                hint = did_you_mean(name, pipelines) or f"there are {', '.join(f'`{known}`' for known in pipelines)}"
                yield Problem(f"`after`: there is no pipeline `{name}`", place, hint)


def _cycles(pipelines: Mapping[str, Pipeline]) -> Iterator[Problem]:
    """Yield the cycle of pipelines that start one another, if there is one."""
    from graphlib import CycleError, TopologicalSorter

    waits = {name: [other for other, _ in _named(pipeline)] for name, pipeline in pipelines.items()}
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        names: list[str] = error.args[1]
        listed = " → ".join(f"`{name}`" for name in names)
        first = pipelines[names[-1]]
        place = next(place for name, place in _named(first) if name == names[-2])
        yield Problem(f"pipelines start one another in a cycle: {listed}", place, "take one `after` out")
