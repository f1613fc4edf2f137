"""From `sqlflow.yml`, the command's options and the process's environment to settings."""

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from sqlflow.core.block import Target
from sqlflow.core.config import ProjectConfig, SourceConfig
from sqlflow.core.errors import Problem, ProjectError, UsageError, did_you_mean
from sqlflow.core.names import TableName
from sqlflow.core.node import Node
from sqlflow.core.secrets import hide, in_settings, passwords
from sqlflow.core.text import Place, SourceFile
from sqlflow.read import files
from sqlflow.read.decode import decoded
from sqlflow.read.engines import engine, engine_names
from sqlflow.read.yaml import parse, plain_value

PROJECT_FILE = "sqlflow.yml"
VAR_BYTES_AT_MOST = 64 << 10
_ENV = re.compile(
    r"""\{\{\s*env\(\s*(?P<q>['"])(?P<name>\w*)(?P=q)\s*(?:,\s*(?P<d>['"])(?P<default>.*?)(?P=d)\s*)?\)\s*\}\}"""
)
_EXPANDED_LATER = frozenset({"targets", "defaults", "notifications"})
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Declared(Struct, frozen=True):
    """A target of the project file, None if it is faulty; the `problems` that keep it from being used, and its secrets."""

    target: Target | None
    problems: tuple[Problem, ...] = ()
    secrets: frozenset[str] = frozenset()


class Settings(Struct, frozen=True):
    """The project file and what the call adds to it. `secrets` are values that no output may show."""

    config: ProjectConfig
    target: Target
    vars: Mapping[str, Any]
    sources: Mapping[TableName, SourceConfig]
    defaults: Mapping[str, Node]
    secrets: frozenset[str]
    others: Mapping[str, Declared]
    """The targets that are not the chosen one, by name: blocks may name them."""


def project_file(root: Path) -> SourceFile | None:
    """Return the project file, or None for a folder that has none but has `.sql` files.

    Raise ProjectError if there is neither, or if the file cannot be read.
    """
    if (root / PROJECT_FILE).exists() or (root / PROJECT_FILE).is_symlink():
        return files.read(root, PROJECT_FILE)
    if not root.is_dir():
        raise UsageError(f"`{root}` is no folder", hint="give the project's folder to `--project-dir`")
    found = files.listed(root, "", [])
    if not any(path.endswith(".sql") for path in found.files):
        hint = "go to the project's folder, write a `.sql` file, or make a project with `sqlflow init`"
        raise ProjectError(f"project file `{PROJECT_FILE}` not found, nor any `.sql` file", None, hint)
    return None


def project_config(root: Path, environment: Mapping[str, str] | None = None) -> ProjectConfig:
    """Return what the project file says apart from its targets: no engine is looked for. Raise ProjectError for its faults."""
    source = project_file(root)
    node = parse(source) if source is not None else None
    if node is None:
        return ProjectConfig(name=_name_of(root))
    problems: list[Problem] = []
    secrets: set[str] = set()
    node = _without_env(node, os.environ if environment is None else environment, secrets, problems)
    config = decoded(node, ProjectConfig, problems)
    hide({*secrets, *(passwords(config.service.history) if config else ())})
    if config is None or problems:
        raise ProjectError(problems)
    return config


def _name_of(root: Path) -> str:
    return re.sub(r"\W+", "_", root.resolve().name) or "project"


def settings(
    root: Path,
    source: SourceFile | None,
    target_name: str | None,
    given_vars: Mapping[str, Any],
    environment: Mapping[str, str],
    problems: list[Problem],
    asked_at: Place | None = None,
) -> Settings | None:
    """Return the settings of a project; None with the faults added to `problems` if there are any.

    `asked_at` is where `target_name` is named, if a file names it.
    """
    if source is None:
        return _default_settings(root, given_vars, target_name, problems, asked_at)
    try:
        node = parse(source)
    except ProjectError as error:
        problems.extend(error.problems)
        return None
    if node is None:
        problems.append(Problem("the project file is empty", Place(source.path), "it needs at least a `name`"))
        return None
    secrets: set[str] = set()
    before = len(problems)
    node = _without_env(node, environment, secrets, problems)
    _check_schemas(node.get("sources"), problems)
    config = decoded(node, ProjectConfig, problems)
    declared = _targets(node, environment, problems)
    name = _chosen(node, config, target_name, declared, problems, asked_at)
    chosen = declared.pop(name, Declared(None))
    target = chosen.target
    problems.extend(chosen.problems)
    secrets |= chosen.secrets
    hide(secrets)
    if len(problems) > before or config is None or target is None:
        return None
    variables = dict(config.vars) | _declared_types(given_vars, config.vars)
    _check_vars(variables, problems)
    _check_paths(config, node, problems)
    _check_freshness(config, node, problems)
    defaults = _defaults(config, problems)
    sources = {
        TableName.of(schema, name): source_config
        for schema, tables in config.sources.items()
        for name, source_config in tables.items()
    }
    return Settings(config, target, variables, sources, defaults, frozenset(secrets), declared)


def _default_settings(
    root: Path, given_vars: Mapping[str, Any], target_name: str | None, problems: list[Problem], asked_at: Place | None
) -> Settings | None:
    """Return what holds in a folder without a project file: everything into `warehouse.duckdb` beside the files."""
    name = target_name or "dev"
    if target_name not in (None, "dev"):
        hint = f"leave `--target` out, or write a `{PROJECT_FILE}` that names it"
        problems.append(
            Problem(f"there is no target `{target_name}`: the folder has no `{PROJECT_FILE}`", asked_at, hint)
        )
        return None
    adapter = engine("duckdb")
    chosen = adapter.settings(engine="duckdb", path="warehouse.duckdb")
    config = ProjectConfig(name=_name_of(root), block_paths=("",))
    target = Target(name, adapter, chosen, adapter.default_schema(chosen))
    _check_vars(given_vars, problems)
    return Settings(config, target, dict(given_vars), {}, {}, frozenset(), {})


def _without_env(node: Node, environment: Mapping[str, str], secrets: set[str], problems: list[Problem]) -> Node:
    """Return the project file with `{{ env('NAME') }}` replaced where the room that reads a part does not do it itself."""
    if node.kind != "mapping":
        return node
    pairs = tuple(
        (key, value if key.text in _EXPANDED_LATER else expanded(value, environment, secrets, problems))
        for key, value in node.pairs
    )
    return replace(node, pairs=pairs)


def expanded(node: Node, environment: Mapping[str, str], secrets: set[str], problems: list[Problem]) -> Node:
    """Return `node` with environment variables in place of `{{ env('NAME') }}`; their values become secrets.

    Values are not looked through again. Unset and empty variables, and any other Jinja, are faults.
    """
    if node.kind == "list":
        return replace(node, items=tuple(expanded(item, environment, secrets, problems) for item in node.items))
    if node.kind == "mapping":
        pairs = tuple((key, expanded(value, environment, secrets, problems)) for key, value in node.pairs)
        return replace(node, pairs=pairs)
    if "{{" not in node.text and "{%" not in node.text and "${" not in node.text:
        return node

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        found = environment.get(name, default)
        if found is None or (found == "" and default is None):
            state = "not set" if found is None else "empty"
            problems.append(Problem(f"the environment variable `{name}` is {state}", node.place))
            return ""
        if name in environment and found:
            secrets.add(found)
        return found

    rest = _ENV.sub("", node.text)
    if "{{" in rest or "{%" in rest or "${" in rest:
        shown = node.text[:80]
        hint = "write `\"{{ env('NAME') }}\"`: nothing else of Jinja works in config values"
        problems.append(Problem(f"cannot read `{shown}`", node.place, hint))
        return node
    before = len(problems)
    text = _ENV.sub(value, node.text)
    return replace(node, text=text, kind="scalar" if len(problems) == before else "missing", secret=True)


def _targets(root: Node, environment: Mapping[str, str], problems: list[Problem]) -> dict[str, Declared]:
    """Return the targets of the project file, or the one that there is without any. Values of the environment count where a
    target is used.
    """
    targets = root.get("targets")
    if targets is None or targets.is_null:
        adapter = engine("duckdb")
        chosen = adapter.settings(engine="duckdb", path="warehouse.duckdb")
        return {"dev": Declared(Target("dev", adapter, chosen, adapter.default_schema(chosen)))}
    found: dict[str, Declared] = {}
    for key, node in targets.pairs if targets.kind == "mapping" else ():
        own: list[Problem] = []
        secrets: set[str] = set()
        target = _one_target(key.text, expanded(node, environment, secrets, own), problems)
        if target is not None:
            secrets |= {*target.engine.secrets(target.settings), *in_settings(asdict(target.settings))}
        found[key.text] = Declared(target, tuple(own), frozenset(secrets))
    return found


def _chosen(
    root: Node, config: ProjectConfig | None, asked: str | None, declared: Mapping[str, Declared], problems: list[Problem],
    asked_at: Place | None,
) -> str:  # fmt: skip
    """Return the name of the target that is built; one that is not there is told."""
    targets, names = root.get("targets"), list(declared)
    if targets is None or targets.is_null:
        if asked not in (None, "dev"):
            problems.append(
                Problem(f"there is no target `{asked}`", asked_at, "name it below `targets:` in sqlflow.yml")
            )
        return "dev"
    wanted = asked or (config.target if config else None) or (names[0] if len(names) == 1 else None)
    if targets.kind != "mapping":
        return wanted or ""
    if wanted is None:
        hint = "set `target: NAME` in sqlflow.yml, or give `--target NAME`"
        problems.append(
            Problem(f"which target? There are {', '.join(f'`{name}`' for name in names)}", targets.place, hint)
        )
    elif wanted not in names:
        place = asked_at if asked else (root.get("target") or targets).place
        problems.append(no_such_target(wanted, names, place))
    return wanted or ""


def no_such_target(name: str, known: Iterable[str], place: Place | None) -> Problem:
    """Return the problem that the project file has no target of that name."""
    hint = did_you_mean(name, known) or "targets: " + ", ".join(f"`{one}`" for one in known)
    return Problem(f"there is no target `{name}`", place, hint)


def _one_target(name: str, node: Node, problems: list[Problem]) -> Target | None:
    path = f"targets.{name}."
    word = node.get("engine") if node.kind == "mapping" else None
    if word is None:
        listed = ", ".join(f"`{known}`" for known in engine_names())
        problems.append(Problem(f"`{path}engine` is required: {listed}", node.place))
        return None
    try:
        adapter = engine(word.text, word.place)
    except ProjectError as error:
        problems.extend(Problem(f"`{path}engine`: {p.message}", p.place, p.hint) for p in error.problems)
        return None
    chosen = decoded(node, adapter.settings, problems, path)
    return None if chosen is None else Target(name, adapter, chosen, adapter.default_schema(chosen))


def _declared_types(given: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    """Return the vars of the call; one that the project declares as text stays text."""
    return {
        name: str(value) if isinstance(declared.get(name), str) and not isinstance(value, str) else value
        for name, value in given.items()
    }


def _check_vars(variables: Mapping[str, Any], problems: list[Problem]) -> None:
    for name, value in variables.items():
        if isinstance(value, str) and len(value.encode()) > VAR_BYTES_AT_MOST:
            problems.append(Problem(f"the var `{name}` is larger than {VAR_BYTES_AT_MOST >> 10} KiB"))
        if isinstance(value, str) and _CONTROL.search(value):
            problems.append(Problem(f"the var `{name}` holds a control character"))


def _check_paths(config: ProjectConfig, node: Node, problems: list[Problem]) -> None:
    given = node.get("block_paths")
    for path in config.block_paths:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts:
            place = given.place if given else None
            problems.append(Problem(f"`block_paths`: `{path}` is outside the project", place))


_OF_A_TABLE = re.compile(r"(?is)\s*(?:select|with|from)\s.*|\S+\.[\w*]+|\d+\s*[a-z]+")
"""A query, a path or a time: what is said of a table, and no description."""


def _check_schemas(sources: Node | None, problems: list[Problem]) -> None:
    """Tell the sources that are written as `schema.table`, or without a schema: what they say of it would be taken for tables."""
    for key, value in sources.pairs if sources is not None and sources.kind == "mapping" else ():
        schema, _, table = key.text.rpartition(".")
        if schema:
            what = "{…}" if value.kind == "mapping" else "…"
            hint = f"write the table below its schema: `{schema}: {{{table}: {what}}}`"
            problems.append(
                Problem(f"`{key.text}` is no schema, which is what a key of `sources` names", key.place, hint)
            )
        for name, said in value.pairs if value.kind == "mapping" and not schema else ():
            if name.text in ("version", "files", "fresh_within") and _OF_A_TABLE.fullmatch(said.text):
                message = f"`{name.text}` would be a table of the schema `{key.text}`, with a description"
                hint = f"name the schema first: `raw: {{{key.text}: {{{name.text}: …}}}}`"
                problems.append(Problem(message, name.place, hint))


def _check_freshness(config: ProjectConfig, node: Node, problems: list[Problem]) -> None:
    """Tell the sources that say how old they may be and not how old they are, or the other way round."""
    for schema, tables in config.sources.items():
        for name, source in tables.items():
            given = _at(node, "sources", schema, name)
            if source.files and source.loaded_at:
                hint = "leave `loaded_at` out: files are as old as the newest of them"
                problems.append(
                    Problem("`loaded_at` is for a table, not for `files`", _place(given, "loaded_at"), hint)
                )
            elif source.loaded_at and source.fresh_within is None:
                hint = "add how old the newest data may be, such as `fresh_within: 6h`"
                problems.append(Problem("`loaded_at` needs `fresh_within`", _place(given, "loaded_at"), hint))
            elif source.fresh_within is not None and not source.files and not source.loaded_at:
                hint = "add the column that tells when a row was loaded: `loaded_at: loaded_at`"
                problems.append(Problem("`fresh_within` needs `loaded_at`", _place(given, "fresh_within"), hint))


def _at(node: Node | None, *keys: str) -> Node | None:
    for key in keys:
        node = node.get(key) if node is not None else None
    return node


def _place(node: Node | None, key: str) -> Place:
    value = node.get(key) if node is not None else None
    return value.place if value is not None else Place(PROJECT_FILE)


def _defaults(config: ProjectConfig, problems: list[Problem]) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for path, node in sorted(config.defaults.items(), key=lambda item: len(item[0])):
        if node.kind == "mapping":
            found[path] = node
        elif not node.is_null:
            problems.append(Problem(f"`defaults.{path}` must be a mapping of front-matter keys", node.place))
    return found


def given_vars(texts: tuple[str, ...]) -> dict[str, Any]:
    """Return the vars of `--vars`, each `name=value` or a YAML mapping. Raise UsageError for anything else."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if equals and name.strip().isidentifier():
            found[name.strip()] = _given_value(name.strip(), value)
            continue
        try:
            node = parse(SourceFile("--vars", text))
        except ProjectError as error:
            hint = "write `--vars name=value`, or a YAML mapping in quotes"
            raise UsageError(f"`--vars {text[:80]}` is {error.problems[0].message}", hint=hint) from error
        if node is None or node.kind != "mapping":
            raise UsageError(
                f"`--vars {text[:80]}` is neither `name=value` nor a YAML mapping", hint="write `--vars name=value`"
            )
        found |= plain_value(node)
    return found


def _given_value(name: str, text: str) -> Any:
    if _CONTROL.search(text) or len(text.encode()) > VAR_BYTES_AT_MOST:
        return text
    node = Node("scalar", SourceFile("--vars", text), 0, text)
    try:
        value = plain_value(node)
    except ProjectError:
        return text
    return "" if value is None else value


def declared_environment(config: ProjectConfig, environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return what `env()` gives in templates: the declared names alone, None where a name is not set."""
    return {name: environment.get(name) for name in config.env}


def clean_name(name: str) -> str:
    """Return `name` in Unicode's composed form, lower case: what makes two files the same block."""
    return unicodedata.normalize("NFC", name).lower()
