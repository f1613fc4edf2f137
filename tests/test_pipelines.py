"""What a file of `pipelines/` may say, and what it is told where it is wrong."""

import random
import subprocess
import sys
from datetime import datetime, time
from pathlib import Path

import pytest

from sqlflow.app import Project
from sqlflow.cli.completion import pipeline_names
from sqlflow.core.errors import ProjectError
from sqlflow.core.flow import Retries, Wait
from sqlflow.core.pipeline import After, Files, Notice, Pipeline, Query, Webhook
from sqlflow.core.text import Place, SourceFile
from sqlflow.read.cron import WORDS
from sqlflow.read.pipelines import pipeline_named, pipeline_of, read_pipelines
from sqlflow.run.detach import code_of, detached, drift, written_or_not
from sqlflow.run.waits import seconds_until

NIGHTLY = """\
description: All that the morning needs.
select: [marts.*, tag:daily]
exclude: marts.old
vars: {country: FR}
target: warehouse
env: staging
schedule: "0 5 * * *"
timezone: Europe/Berlin
triggers:
  - after: [Ingest]
    within: 12h
  - files: {path: "inbox/*.csv", settle: 30 seconds}
  - query: {sql: "select max(loaded_at) from raw.orders", when: changed, every: 5m}
  - webhook: {secret: "{{ env('HOOK_SECRET') }}", vars: [country]}
missed: none
overlap: queue
retries: {count: 2, delay: 1m, backoff: 3}
timeout: 2h
threads: 4
pools: {python: 1, heavy: 2}
memory_limit: 4GB
on_failure: [{notify: ops}]
on_success: []
on_warn: ops
deadline: "07:00"
fresh_within: 6h
"""
SECRET = {"HOOK_SECRET": "0123456789abcdef"}


def of(text: str, environment: dict[str, str] | None = None) -> Pipeline:
    return pipeline_of(SourceFile("pipelines/nightly.yml", text), SECRET if environment is None else environment)


def told(text: str) -> list[str]:
    """Return the problems of a file, each with its line, its column, what the mark is under, and the hint."""
    try:
        of(text)
    except ProjectError as error:
        return [
            f"{p.place.line}:{p.place.column} {p.place.text[p.place.column - 1 :][: p.place.length]}: {p.message}"
            for p in error.problems
            if p.place
        ]
    return []


def test_every_key_becomes_a_part_of_the_pipeline() -> None:
    assert of(NIGHTLY) == Pipeline(
        "nightly", of(NIGHTLY).node, "All that the morning needs.", ("marts.*", "tag:daily"), ("marts.old",),
        {"country": "FR"}, "warehouse", "staging", "0 5 * * *", None, "Europe/Berlin",
        (
            After(("ingest",), 43200.0), Files("inbox/*.csv", 30.0),
            Query("select max(loaded_at) from raw.orders", "changed", 300.0), Webhook("0123456789abcdef", ("country",)),
        ),
        (), "none", "queue", Retries(2, 60.0, 3.0), 7200.0, 4, {"python": 1, "heavy": 2}, 4 << 30,
        (Notice("ops"),), (), (Notice("ops"),), (), (), time(7, 0), 21600.0,
    )  # fmt: skip


def test_an_empty_file_is_a_pipeline_of_everything_without_a_schedule() -> None:
    assert of("") == Pipeline("nightly", of("").node)


def test_a_secret_that_is_not_set_is_missing_and_no_fault() -> None:
    assert of(NIGHTLY, {}).triggers[-1] == Webhook(None, ("country",))


def test_a_secret_is_not_shown() -> None:
    assert SECRET["HOOK_SECRET"] not in repr(of(NIGHTLY))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("scedule: x", "1:1 scedule: unknown key `scedule`"),
        ("- a", "1:1 -: this must be a mapping of keys to values"),
        ('schedule: "61 * * * *"', "1:12 61: `schedule`: `61` is no minute: 0 to 59"),
        ('schedule: "0 24 * * *"', "1:14 24: `schedule`: `24` is no hour: 0 to 23"),
        ("schedule: 0 5 * foo *", "1:17 foo: `schedule`: `foo` is no month: 1 to 12, or jan/feb/mar/apr/may/jun/jul/aug/sep/oct/nov/dec"),
        ("schedule: 0 5 * * 8", "1:19 8: `schedule`: `8` is no day of the week: 0 to 7, or sun/mon/tue/wed/thu/fri/sat"),
        ("schedule: 5-1 * * * *", "1:11 5-1: `schedule`: the range `5-1` is empty"),
        ("schedule: '*/0 * * * *'", "1:12 */0: `schedule`: the step of `*/0` is not from 1 to 59"),
        ("schedule: 5/15 * * * *", "1:11 5/15: `schedule`: `5/15` has a step but no range"),
        ("schedule: 0 0 L * *", "1:15 L: `schedule`: `L` is no day of the month: 1 to 31"),
        ("schedule: 0 0 12 * * *", "1:11 0 0 12 * * *: `schedule` needs five fields (minute, hour, day, month, weekday), not 6"),
        ("schedule: 0 0 30 2 *", "1:15 30: `schedule` never fires: no such month has a day 30"),
        ("schedule: '@never'", "1:11 '@neve: `schedule`: no such word as `@never`"),
        ("schedule: '" + "0-59/1," * 50 + "0 * * * *'", None),
        ("every: 0", "1:8 0: `every` must be more than 0 seconds"),
        ("every: 0.5", "1:8 0: `every` must be at least 1"),
        ("every: 5m\nschedule: '@daily'", "1:8 5m: `every` and `schedule` both say when the pipeline runs"),
        ("timezone: Mars/Olympus", "1:11 Mars/Olympus: `timezone`: no such time zone as `Mars/Olympus`"),
        ("retries: -1", "1:10 -: `retries.count` must be at least 0"),
        ("missed: last", "1:9 last: `missed` is one of `all`, `latest`, `none`, not `last`"),
        ("deadline: 7", "1:11 7: `deadline` must be text, not `7`"),
        ('deadline: "25:00"', "1:11 \"25:0: `deadline` must be a time of day such as `07:00`, not `25:00`"),
        ("env: Prod!", None),
        ("name: a b", "1:7 a b: the name `a b` of a pipeline may hold only letters, digits, `_` and `-`, at most 63"),
        ("triggers:\n  - within: 5m", "2:5 w: a trigger is one of `after`, `files`, `query`, `webhook`"),
        ("triggers:\n  - after: a\n    files: b", "2:5 a: a trigger is one of `after`, `files`, `query`, `webhook`, not 2 of them"),
        ("triggers:\n  - files: b\n    within: 5m", "3:13 5m: `within` belongs to `after`, not to `files`"),
        ('triggers:\n  - files: "/etc/*"', '2:12 "/etc/: `triggers.files`: `/etc/*` is outside the project'),
        ("triggers:\n  - files: {path: ../x}", "2:19 ../x: `triggers.files`: `../x` is outside the project"),
        ("triggers:\n  - webhook: {secret: short}", "2:23 short: `triggers.webhook.secret` must be a text of at least 16 characters"),
        ("target: \"{{ env('NOT_SET') }}\"", "1:9 \"{{ env('NOT_SET') }: the environment variable `NOT_SET` is not set"),
        ("on_failure: [{notfy: ops}]", "1:15 notfy: unknown key `on_failure.notfy`"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_place(text: str, problem: str | None) -> None:
    assert problem in told(text) if problem else len(told(text)) == 1


def test_pipelines_are_read_without_a_project(tmp_path: Path) -> None:
    (tmp_path / "pipelines/daily").mkdir(parents=True)
    (tmp_path / "pipelines/daily/nightly.yml").write_text("triggers: [{after: ingest}]")
    (tmp_path / "pipelines/ingest.yaml").write_text("every: 5m")
    assert {name: p.path for name, p in read_pipelines(tmp_path).items()} == {
        "nightly": "pipelines/daily/nightly.yml",
        "ingest": "pipelines/ingest.yaml",
    }


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"a": "triggers: [{after: b}]", "b": "triggers: [{after: a}]"}, "pipelines start one another in a cycle: `a` → `b` → `a`"),
        ({"a": "triggers: [{after: a}]"}, "pipelines start one another in a cycle: `a` → `a`"),
        ({"a": "triggers: [{after: nope}]"}, "`after`: there is no pipeline `nope`"),
        ({"a": "", "b": "name: a"}, "two pipelines are named `a`: the other is in `pipelines/a.yml`"),
    ],
)  # fmt: skip
def test_pipelines_that_do_not_fit_together_are_told(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    (tmp_path / "pipelines").mkdir()
    for name, text in files.items():
        (tmp_path / f"pipelines/{name}.yml").write_text(text)
    with pytest.raises(ProjectError) as error:
        read_pipelines(tmp_path)
    assert [p.message for p in error.value.problems] == [problem]


def test_a_pipeline_gives_the_engine_and_functions_so_much_memory(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "sqlflow.yml").write_text("name: shop\npools: {python: 2, r: 1}\nthreads: 8\nmemory_limit: 1GB")
    (tmp_path / "pipelines/nightly.yml").write_text("memory_limit: 512MB\nthreads: 2\npools: {python: 1}")
    (tmp_path / "a.sql").write_text("select 1 as one")
    loaded = Project.load(tmp_path, pipeline="nightly").loaded
    given = loaded.config.threads, loaded.config.pools, loaded.config.memory_limit, loaded.target.settings.memory_limit
    assert given == (2, {"python": 1, "r": 1}, 512 << 20, f"{512 << 20}B")


def test_the_shell_completes_the_names_of_pipelines(tmp_path: Path) -> None:
    (tmp_path / "pipelines/daily").mkdir(parents=True)
    for path in ("daily/Nightly.yml", "noon.yaml", "hourly.yml"):
        (tmp_path / "pipelines" / path).touch()
    assert pipeline_names(str(tmp_path), "n") == ["nightly", "noon"]


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        ("2026-03-29T00:30:00+00:00", 3600.0),  # 01:30 in Berlin; the clock is set forward at two
        ("2026-10-25T00:30:00+00:00", 7200.0),  # 02:30 in Berlin, for the first of two times
        ("2026-07-01T01:29:59+00:00", 1.0),
        ("2026-07-01T21:00:00+00:00", -70200.0),
    ],
)
def test_a_time_of_day_is_waited_for_over_changes_of_the_clock(now: str, seconds: float) -> None:
    wait = Wait(Place("p"), "time", at=time(3, 30), timezone="Europe/Berlin")
    assert seconds_until(wait, datetime.fromisoformat(now)) == seconds


@pytest.mark.parametrize(
    ("text", "copy"),
    [
        (
            "trend <- function(revenue) {\n  revenue\n}\n",
            "#' ---\n#' origin: {ORIGIN}\n#' ---\ntrend <- function(revenue) {\n  revenue\n}\n",
        ),
        (
            "library(stats)\n\n#' ---\n#' description: A line.\n#' ---\ntrend <- function(revenue) revenue\n",
            "library(stats)\n\n#' ---\n#' origin: {ORIGIN}\n#' description: A line.\n#' ---\ntrend <- function(revenue) revenue\n",
        ),
        (
            "#' @frame revenue tibble\ntrend <- function(revenue) revenue\n",
            "#' ---\n#' origin: {ORIGIN}\n#' ---\n#' @frame revenue tibble\ntrend <- function(revenue) revenue\n",
        ),
    ],
)
def test_a_copy_of_an_r_block_says_where_it_came_from(tmp_path: Path, text: str, copy: str) -> None:
    for folder in ("blocks/marts", "pipelines"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "sqlflow.yml").write_text("name: shop")
    (tmp_path / "pipelines/p.yml").write_text("every: 1h")
    (tmp_path / "blocks/marts/revenue.sql").write_text("select 1 as one")
    (tmp_path / "blocks/marts/trend.R").write_text(text)
    project = Project.load(tmp_path)
    block = project.block("trend")
    made, texts = detached(project.loaded, pipeline_named(tmp_path, "p"), block, "trend_p")
    assert texts[tmp_path / made.path] == copy.replace("ORIGIN", f"block: marts.trend, code: {code_of(block)}")
    with written_or_not(texts):
        assert drift(Project.load(tmp_path).loaded, "trend_p").has_moved is False


def test_a_project_without_pipelines_does_not_pay_for_them(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("select 1 as one")
    program = (
        "import sys; from sqlflow.app import Project; project = Project.load(sys.argv[1]); project.build()\n"
        "print(project.pipelines, *[name for name in sys.modules if name.endswith(('pipeline', 'pipelines', '.cron'))])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "()\n"


def cron_field(chance: random.Random, low: int, high: int, names: tuple[str, ...] = ()) -> str:
    """Return a field of a cron expression as somebody may write it."""

    def part() -> str:
        first, last = sorted(chance.sample(range(low, high + 1), 2))
        step = f"/{chance.randint(1, high)}"
        return chance.choice(["*", f"*{step}", str(first), f"{first}-{last}", f"{first}-{last}{step}", *names])

    return ",".join(part() for _ in range(chance.randint(1, 3)))


@pytest.mark.parametrize("seed", range(40))
def test_what_is_a_cron_expression_here_is_one_for_the_service(seed: int) -> None:
    from croniter import croniter

    chance = random.Random(seed)
    fields = (
        cron_field(chance, 0, 59), cron_field(chance, 0, 23), cron_field(chance, 1, 28),
        cron_field(chance, 1, 12, ("jan", "Feb-apr")), cron_field(chance, 0, 6, ("mon", "Tue-fri", "7")),
    )  # fmt: skip
    schedule = of(f"schedule: '{' '.join(fields)}'").schedule
    assert schedule is not None
    assert croniter(schedule, datetime(2026, 1, 1)).get_next(datetime) > datetime(2026, 1, 1)


@pytest.mark.parametrize("word", WORDS)
def test_words_stand_for_what_they_are_elsewhere(word: str) -> None:
    from croniter import croniter

    start = datetime(2026, 3, 29)
    assert croniter(of(f"schedule: '{word}'").schedule, start).get_next() == croniter(word, start).get_next()
