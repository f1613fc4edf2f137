"""The documentation under test: nothing undocumented, nothing documented that is not there, every example run.

A page is read from top to bottom, as a reader would follow it, in a folder of its own:

    <!-- empty folder -->                    begin with nothing, not with a project file that says `name: shop`
    <!-- starter -->                         begin with the files of `sqlflow init`
    <!-- file: blocks/marts/day.sql -->      the fence behind it is written to this path
    ```console                               each `$ sqlflow …` is run, and must print what stands below it
    ```pycon                                 a doctest
    <!-- not run -->                         the fence behind it is left alone

A page with files and without commands is a project that `sqlflow build` must take.
`SQLFLOW_UPDATE_DOCS=1 pytest tests/test_docs.py` writes the outputs anew. Read every line that it changes.
"""

import doctest
import json
import os
import re
import shlex
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import click
import jsonschema
import msgspec
import pytest
import yaml
from jinja2.defaults import DEFAULT_FILTERS, DEFAULT_NAMESPACE
from support import target
from test_cases import called, normalised

from sqlflow.app import Project
from sqlflow.cli.main import COMMANDS, cli
from sqlflow.cli.starter import write_starter
from sqlflow.core import config, errors, events, pipeline_config
from sqlflow.read import assertion_kinds as assertions
from sqlflow.read import blocks as reading
from sqlflow.read import config as project_config
from sqlflow.read import files, project, sql, template
from sqlflow.read import yaml as yaml_nodes
from sqlflow.read.engines import engine, engine_names
from sqlflow.read.render import Renderer
from sqlflow.read.schema import json_schema_text, pipeline_schema_text
from sqlflow.run import seeds
from sqlflow.service.history import History
from sqlflow.service.http import openapi
from sqlflow.service.http.body import DEPTH_AT_MOST
from sqlflow.service.http.endpoints import LIMIT_AT_MOST
from sqlflow.service.http.limits import Limits
from sqlflow.service.http.metrics import Metrics
from sqlflow.service.http.rules import API
from sqlflow.service.http.table import ENDPOINTS
from sqlflow.service.service import Service
from sqlflow_postgres.settings import PartitionConfig

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
UPDATE = "SQLFLOW_UPDATE_DOCS" in os.environ
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])
GROUPS: dict[str, type] = {
    "project": config.ProjectConfig,
    "block": config.BlockConfig,
    "column": config.ColumnConfig,
    "index": config.IndexConfig,
    "source": config.SourceConfig,
    "assertion-file": config.AssertionFileConfig,
    "unit-test": config.UnitTestConfig,
    "pipeline": pipeline_config.PipelineConfig,
    "trigger": pipeline_config.TriggerConfig,
    "wait": config.WaitConfig,
    "instance": config.InstanceConfig,
    "export": config.ExportConfig,
    "retries": pipeline_config.RetriesConfig,
    "service": config.ServiceConfig,
    "notification": config.NotificationConfig,
    **{f"target/{name}": engine(name).settings for name in engine_names()},
    **{
        f"options/{name}": engine(name).options
        for name in engine_names()
        if msgspec.structs.fields(engine(name).options)
    },
    "options/postgres/partition_by": PartitionConfig,
}
READ_WORDS = {
    "duration": "time: seconds, `30s`, `5m`, `2 days`",
    "size": "size: `500MB`, `2GB`",
    "moment": "time in UTC: `2026-01-31`, `2026-01-31 05:00`",
    "raw": "see below",
}
TEMPLATE_TOPICS = {"include", "macros", "limits"}
ASSERTION_TOPICS = {"options", "custom", "standalone"}


def shown(page: Path) -> str:
    return str(page.relative_to(ROOT))


def names_in(folder: Path) -> set[str]:
    return {page.stem for page in folder.glob("*.md")} - {"index"}


# --- what the code has ---------------------------------------------------------------------------------------------


def fields_of(kind: type) -> dict[str, tuple[Any, msgspec.structs.FieldInfo]]:
    """Return the keys of a Struct as a user writes them, with their types."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.encode_name: (hints[field.name], field) for field in msgspec.structs.fields(kind)}


def description_of(kind: Any) -> str:
    metas = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return next((meta.description for meta in metas if isinstance(meta, msgspec.Meta) and meta.description), "")


def type_words(kind: Any) -> str:
    """Return what a user may write for a key of this type."""
    low = high = None
    while get_origin(kind) is Annotated:
        kind, *metas = get_args(kind)
        for meta in metas:
            low, high = meta.ge if meta.ge is not None else low, meta.le if meta.le is not None else high
            if meta.extra:
                return READ_WORDS[meta.extra["read"]]
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        arms = [arm for arm in get_args(kind) if arm is not type(None)]
        return " or ".join(type_words(arm) for arm in arms)
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in get_args(kind))
    if origin is tuple:
        return f"list: {type_words(get_args(kind)[0])}"
    if origin is dict:
        return f"mapping: {type_words(get_args(kind)[1])}"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return ", ".join(f"`{name}`" for name in fields_of(kind))
    if kind is int and low is not None and high is None:
        return f"whole number, at least {low}"
    if kind is int and low is not None:
        return f"whole number, {low} to {high}"
    return {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Any: "any value"}[kind]


def default_words(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value in (None, "", (), {}) or isinstance(value, msgspec.Struct):
        return "none"
    plain = list(value) if isinstance(value, tuple) else value
    return f"`{plain}`" if isinstance(plain, str) else f"`{json.dumps(plain)}`"


def facts(kind: Any, field: msgspec.structs.FieldInfo) -> str:
    """Return the line of a key's page that says its type and default."""
    return f"| {type_words(kind)} | {default_words(field)} |"


def command_of(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def parameters_of(command: click.Command) -> list[click.Parameter]:
    """Return the parameters of a command, those of the commands below it included."""
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return [*command.params, *(parameter for one in below for parameter in parameters_of(one))]


def renderer() -> Renderer:
    return Renderer(target(), {}, {}, (), pytest.fail)


# --- every part has a page, and every page a part ------------------------------------------------------------------


def test_every_command_has_a_page() -> None:
    assert names_in(DOCS / "commands") == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_names_its_options_and_no_others(name: str) -> None:
    text = (DOCS / "commands" / f"{name}.md").read_text()
    options = {
        flag
        for parameter in parameters_of(command_of(name))
        if isinstance(parameter, click.Option)
        for flag in (*parameter.opts, *parameter.secondary_opts)
    }
    section = text.partition("\n## Options\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", section)) == options | {"--help", "-h"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_has_all_its_parts(name: str) -> None:
    headings = re.findall(r"^## (.*)$", (DOCS / "commands" / f"{name}.md").read_text(), re.MULTILINE)
    assert [h for h in headings if h in ("Options", "Example", "Exit codes")] == ["Options", "Example", "Exit codes"]


@pytest.mark.parametrize("group", GROUPS)
def test_every_config_key_has_a_page(group: str) -> None:
    assert names_in(DOCS / "config" / group) == set(fields_of(GROUPS[group]))


def test_there_is_no_page_of_a_config_group_that_is_not_there() -> None:
    folders = {str(page.parent.relative_to(DOCS / "config")) for page in (DOCS / "config").rglob("*.md")}
    assert folders - {"."} == set(GROUPS)


@pytest.mark.parametrize(("group", "key"), [(group, key) for group, kind in GROUPS.items() for key in fields_of(kind)])
def test_the_page_of_a_config_key_says_what_the_code_says(group: str, key: str) -> None:
    text = (DOCS / "config" / group / f"{key}.md").read_text()
    kind, field = fields_of(GROUPS[group])[key]
    assert text.startswith(f"# `{key}`")
    assert description_of(kind) in " ".join(text.split())
    assert facts(kind, field) in text
    assert "\n```" in text, "an example is missing"


def test_every_assertion_kind_has_a_page() -> None:
    assert names_in(DOCS / "assertions") == set(assertions.KINDS) | ASSERTION_TOPICS


@pytest.mark.parametrize(
    ("page", "kind"),
    [("options", assertions.AssertionOptions), ("row_count", assertions.RowCount), ("range", assertions.Range),
     ("freshness", assertions.Freshness)],
)  # fmt: skip
def test_the_page_of_an_assertion_names_its_keys(page: str, kind: type) -> None:
    text = (DOCS / "assertions" / f"{page}.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE))
    assert rows == {name: description_of(hint) for name, (hint, _) in fields_of(kind).items()}


def test_every_template_function_and_filter_has_a_page() -> None:
    environment = renderer()._environment()
    ours = set(environment.globals) - set(DEFAULT_NAMESPACE) | set(environment.filters) - set(DEFAULT_FILTERS)
    assert names_in(DOCS / "templates") == ours | TEMPLATE_TOPICS


def test_what_is_taken_out_of_jinja_is_told() -> None:
    environment = renderer()._environment()
    gone = set(DEFAULT_NAMESPACE) - set(environment.globals) | set(DEFAULT_FILTERS) - set(environment.filters)
    text = (DOCS / "templates" / "limits.md").read_text()
    assert {name for name in gone if f"`{name}`" in text} == gone


def test_every_method_of_a_project_is_told() -> None:
    text = (DOCS / "python-api.md").read_text()
    methods = {name for name in vars(Project) if not name.startswith("_")} - {"load", "loaded", "cache"}
    assert set(re.findall(r"^\| `\.(\w+)", text, re.MULTILINE)) == methods


def test_every_event_is_told_with_its_fields() -> None:
    text = (DOCS / "python-api.md").read_text()
    for kind in get_args(events.Event):
        fields = ", ".join(f"`{name}`" for name in kind.__struct_fields__ if name != "run")
        assert f"| `{kind.__name__}` | {fields} |" in text


def exit_codes(kind: type[errors.SqlflowError]) -> Iterator[int]:
    yield kind.exit_code
    for below in kind.__subclasses__():
        yield from exit_codes(below)


def test_every_exit_code_is_told() -> None:
    text = (DOCS / "exit-codes.md").read_text()
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert told == {*exit_codes(errors.SqlflowError), 0, 143}


def test_every_endpoint_of_the_api_is_told() -> None:
    text = (DOCS / "api.md").read_text()
    endpoints = {(f"{one.method} {API.rstrip('/')}{one.path}", one.summary) for one in ENDPOINTS}
    streamed = openapi.document()["paths"][openapi.STREAM]["get"]["summary"]
    told = set(re.findall(r"^\| `((?:GET|POST) \S+)` \| (.*) \|$", text, re.MULTILINE))
    assert told == endpoints | {(f"GET {openapi.STREAM}", streamed)}


def test_every_metric_is_told(tmp_path: Path) -> None:
    told = set(re.findall(r"^\| `(sqlflow_\w+)` \|", (DOCS / "api.md").read_text(), re.MULTILINE))
    history = History.open(tmp_path)
    text = Metrics(Service(tmp_path, history)).text().decode()
    history.close()
    assert told == set(re.findall(r"^# HELP (\w+)", text, re.MULTILINE))


def test_every_limit_of_the_service_is_told() -> None:
    limits, text = Limits(), (DOCS / "limits.md").read_text()
    for said in (
        f"{limits.head_bytes >> 10} KiB, {limits.headers} of them, all there within {limits.head_seconds:g} s",
        f"{limits.path_bytes >> 10} KiB", f"{limits.body_bytes >> 20} MiB, all there within {limits.body_seconds:g} s",
        f"at most {DEPTH_AT_MOST} levels", f"{limits.requests_per_second:g} a second, and {limits.burst:g} at once",
        f"| {limits.wrong_tokens_per_minute:g} a minute |", f"| {limits.connections};", f"| {limits.streams} |",
        f"{LIMIT_AT_MOST:,} rows a page; callers that read nothing for {limits.send_seconds:g} s",
    ):  # fmt: skip
        assert said in text


LIMITS = {
    f"{files.BYTES_AT_MOST >> 20} MiB": "a file of the project",
    f"{yaml_nodes.DEPTH_AT_MOST} levels": "YAML",
    f"{sql.BYTES_AT_MOST >> 20} MiB after rendering": "SQL",
    f"{sql.NESTING_AT_MOST:,} brackets": "SQL",
    f"{template.RANGE_AT_MOST:,} numbers": "range()",
    f"{template.SECONDS_AT_MOST:.0f} s": "a template",
    f"{project.BLOCKS_AT_MOST:,} blocks": "a project",
    f"{files.DEPTH_AT_MOST} folders": "nesting",
    f"{reading.NAME_BYTES_AT_MOST} bytes": "names",
    f"{project_config.VAR_BYTES_AT_MOST >> 10} KiB": "a var",
    f"{seeds.BYTES_AT_MOST >> 30} GiB": "a seed",
    f"{seeds.COLUMNS_AT_MOST:,} columns": "a seed",
    f"{errors.PROBLEMS_SHOWN} faults": "a report of faults",
}


@pytest.mark.parametrize("limit", LIMITS)
def test_every_limit_is_told(limit: str) -> None:
    assert limit in (DOCS / "limits.md").read_text()


# --- the pages hang together ---------------------------------------------------------------------------------------


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def links_of(page: Path) -> list[tuple[str, str]]:
    """Return the links of a page that are no addresses, as path and anchor."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", without_code(page.read_text())))
    return [tuple((link + "#").split("#")[:2]) for link in found if "://" not in link]  # type: ignore[misc]


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", without_code(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in links_of(page):
        end = (page.parent / path).resolve() if path else page
        assert end.exists(), path
        assert not anchor or anchor in anchors_of(end), f"{path}#{anchor}"


def test_every_page_is_reached_from_the_first() -> None:
    seen: set[Path] = set()
    front = {DOCS / "index.md"}
    while front:
        page = front.pop()
        seen.add(page)
        ends = {(page.parent / path).resolve() for path, _ in links_of(page) if path.endswith(".md")}
        front |= {end for end in ends if end.is_relative_to(DOCS)} - seen
    assert seen == set(DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_commands_that_are_named_are_there(page: Path) -> None:
    text = page.read_text()
    named = set(re.findall(r"(?:`|\$ |^ {4})sqlflow (?!-)([a-z]+)", text, re.MULTILINE))
    assert named <= set(COMMANDS)


def test_the_readme_has_two_commands_for_developers() -> None:
    text = (ROOT / "README.md").read_text()
    assert set(re.findall(r"\bmake [a-z-]+", text)) == {"make example", "make test"}


def test_the_readme_s_make_targets_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"example", "test"} <= targets


def test_every_released_version_is_in_the_changelog() -> None:
    from sqlflow import __version__

    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


# --- every example is run ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fence:
    """A block of code on a page: its language, the comment in front of it, and where its text lies."""

    language: str
    comment: str
    text: str
    start: int


_FENCE = re.compile(
    r"(?:^<!-- (?P<comment>[^\n]*?) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


def fences(text: str) -> list[Fence]:
    return [Fence(m["language"], m["comment"] or "", m["text"], m.start("text")) for m in _FENCE.finditer(text)]


def is_run(page: Path) -> bool:
    return any(
        fence.comment.startswith("file: ") or fence.language in ("console", "pycon")
        for fence in fences(page.read_text())
    )


@pytest.mark.parametrize("page", [page for page in PAGES if is_run(page)], ids=shown)
def test_examples_do_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    text = page.read_text()
    set_warehouse(text, monkeypatch, request)
    if "<!-- starter -->" in text:
        write_starter(tmp_path)
    elif "<!-- empty folder -->" not in text and page.is_relative_to(DOCS):
        (tmp_path / "sqlflow.yml").write_text("name: shop\n")
    has_commands = False
    wrong: list[tuple[Fence, str]] = []
    known: dict[str, Any] = {}
    for fence in fences(text):
        if fence.comment == "not run":
            continue
        if fence.comment.startswith("file: "):
            file = Path(fence.comment.removeprefix("file: "))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(fence.text)
        elif fence.language == "console":
            has_commands = True
            actual = console(fence.text, monkeypatch)
            if normalised(actual, tmp_path) != normalised(fence.text, tmp_path):
                wrong.append((fence, actual))
        elif fence.language == "pycon":
            has_commands = True
            run_doctest(fence.text, shown(page), known)
    if not has_commands:
        assert [called(command) for command in ("build", "list --pipelines") if called(command)[0]] == []
    if UPDATE:
        for fence, actual in reversed(wrong):
            text = text[: fence.start] + actual + text[fence.start + len(fence.text) :]
        page.write_text(text)
        return
    for fence, actual in wrong:
        assert normalised(actual, tmp_path) == normalised(fence.text, tmp_path)


def set_warehouse(text: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Give a page that builds on Postgres a database."""
    if "env('WAREHOUSE_URL')" in text:
        monkeypatch.setenv("WAREHOUSE_URL", request.getfixturevalue("postgres_url"))


def console(text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the commands of a console and return what it shows then."""
    said, code = "", 0
    for line in text.splitlines():
        if not line.startswith("$ "):
            continue
        said += f"{line}\n"
        words = shlex.split(line[2:])
        if words[0] == "sqlflow":
            code, output = called(line[2:].removeprefix("sqlflow "))
            said += output
        elif words[0] == "cd":
            monkeypatch.chdir(words[1])
        else:
            assert line == "$ echo $?", f"a page may not say `{line}`"
            said += f"{code}\n"
    return "".join(f"{line.rstrip()}\n" for line in said.splitlines())


def run_doctest(text: str, name: str, known: dict[str, Any]) -> None:
    """Run a doctest; what it assigns is added to `known`, for the next one of the page."""
    parsed = doctest.DocTestParser().get_doctest(text, known, name, name, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    runner.run(parsed, out=said.append, clear_globs=False)
    known |= parsed.globs
    assert runner.failures == 0, "".join(said)


# --- the JSON Schema -----------------------------------------------------------------------------------------------


def example_settings() -> Any:
    return yaml.safe_load((ROOT / "example_warehouse" / "sqlflow.yml").read_text())


def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(json_schema_text()))


def is_accepted(document: Any) -> bool:
    return validator().is_valid(document)


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(json_schema_text()))


def test_the_schema_accepts_the_example_warehouse() -> None:
    assert [error.message for error in validator().iter_errors(example_settings())] == []


def test_the_schema_accepts_the_short_forms() -> None:
    front = {"tags": "daily", "timeout": "5m", "indexes": ["a", ["a", "b"], {"columns": "a", "unique": True}]}
    sources = {"raw": {"orders": "One row per order.", "lines": {"columns": {"a": "A column."}}}}
    assert is_accepted({"name": "p", "env": "HOME", "timeout": 30, "sources": sources, "defaults": {"blocks": front}})


@pytest.mark.parametrize(
    "change",
    [
        {"thread": 4},
        {"threads": 0},
        {"targets": {"dev": {"engine": "duckdb", "pth": "x.duckdb"}}},
        {"targets": {"dev": {"engine": "oracle"}}},
        {"sources": {"raw": {"t": {"file": "x.csv"}}}},
        {"defaults": {"blocks": {"materialise": "view"}}},
    ],
    ids=str,
)
def test_the_schema_refuses_what_the_reader_refuses(change: dict[str, Any]) -> None:
    assert not is_accepted(example_settings() | change)


YAML_PAGES = [
    page for page in PAGES if any(PurePosixPath(f.comment.removeprefix("file: ")).name == "sqlflow.yml" for f in fences(page.read_text()))
]  # fmt: skip


PIPELINES = re.compile(r"file: pipelines/.*\.yml")


def test_the_schema_of_pipelines_accepts_those_of_the_pages() -> None:
    accepts = jsonschema.Draft202012Validator(json.loads(pipeline_schema_text()))
    found = [f for page in PAGES for f in fences(page.read_text()) if PIPELINES.fullmatch(f.comment)]
    assert len(found) > 30
    assert [f.text for f in found if not accepts.is_valid(yaml.safe_load(f.text))] == []


@pytest.mark.parametrize(
    "change", [{"scedule": "x"}, {"missed": "last"}, {"retries": {"cont": 1}}, {"triggers": [{"file": "x"}]}], ids=str
)
def test_the_schema_of_pipelines_refuses_what_the_reader_refuses(change: dict[str, Any]) -> None:
    assert not jsonschema.Draft202012Validator(json.loads(pipeline_schema_text())).is_valid(change)


@pytest.mark.parametrize("page", YAML_PAGES, ids=shown)
def test_the_schema_accepts_the_project_files_of_the_pages(page: Path) -> None:
    for fence in fences(page.read_text()):
        if fence.comment == "file: sqlflow.yml":
            assert is_accepted(yaml.safe_load(fence.text)), fence.text
