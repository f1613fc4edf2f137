"""The example warehouse under test: it builds, its findings are true, and its tour can be followed word for word.

The tour is read from `example_warehouse/README.md`. In a ```console fence a line `$ …` is a command, and below it
stands what it prints; `…` stands for what is left out, alone for whole lines, at the end of a line for its rest.
`$ echo $?` shows the exit code of a command; a command without it must end with 0.
"""

import contextlib
import importlib.util
import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import duckdb
import pytest
from test_cases import NORMALISED, called

from sqlflow.app import Project
from sqlflow.plan.plan import all_assertions
from sqlflow.read.assertion_kinds import KINDS
from sqlflow.run.report import Report

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "example_warehouse"
README = (EXAMPLE / "README.md").read_text()
MADE_HERE = shutil.ignore_patterns("data", "exports", ".sqlflow", "warehouse.duckdb*", "__pycache__")

ROWS = {
    "staging.stg_flights": 336_776,
    "intermediate.int_flight_weather": 336_776,
    "intermediate.int_plane_legs": 328_521,
    "marts.carrier_performance": 16,
    "marts.daily_punctuality": 365,
    "marts.delay_propagation": 24,
    "marts.holiday_travel": 67,
    "marts.on_time_by_month": 12,
    "marts.plane_utilisation": 4_037,
    "marts.route_performance": 224,
    "marts.unusual_days": 32,
    "stats.schedule_pattern": 365,
    "ml.arrival_delay": 82_609,
}
FINDINGS = {
    "{:.1f} % of the year's flights were on time": "select 100 * avg(is_on_time::int) from intermediate.int_flights",
    "Hawaiian leads with {:.1f} %, on one flight a day ({})": """
        select on_time_percent, flights from marts.carrier_performance where on_time_rank = 1 and carrier = 'HA'""",
    "Delta is first ({:.1f} %) and ExpressJet last ({:.1f} %)": """
        select max_by(on_time_percent, -on_time_rank) filter (where carrier = 'DL'), min(on_time_percent)
        from marts.carrier_performance where flights > 10000""",
    "September is the best ({:.1f} %), December the worst ({:.1f} %)": """
        select max(on_time_percent) filter (where month = 9), min(on_time_percent) from marts.on_time_by_month
        having max(on_time_percent) = max(on_time_percent) filter (where month = 9)""",
    "July ({:.1f} %) and June ({:.1f} %)": """
        select max(on_time_percent) filter (where month = 7), max(on_time_percent) filter (where month = 6)
        from marts.on_time_by_month""",
    "On 8 March only {:.1f} % were on time": """
        select min(on_time_percent) from marts.daily_punctuality
        having arg_min(flight_date, on_time_percent) = date '2013-03-08'""",
    "The blizzard of 8 February cancelled {} of {} flights": """
        select cancelled, flights from marts.daily_punctuality where flight_date = '2013-02-08'""",
    "At Newark {:.0f} % of the flights scheduled for five in the morning leave late, and {:.0f} %": """
        select max(departed_late_percent) filter (where scheduled_hour = 5),
               max(departed_late_percent) filter (where scheduled_hour = 19)
        from marts.hourly_delays where origin = 'EWR'""",
    "departs {:.0f} minutes late on its next leg if that was scheduled within five hours, and {:.0f} minutes": """
        select max(average_departure_delay_minutes) filter (where time_to_next_leg = '0 to 5 hours'),
               max(average_departure_delay_minutes) filter (where time_to_next_leg = '9+ hours')
        from marts.delay_propagation where delay_band = '1-2 hours late'""",
    "leaves {} minutes late on average, its third one {}. Its fourth leaves {} late": """
        select min(average_departure_delay_minutes), max(average_departure_delay_minutes) filter (where leg_number = 3),
               max(average_departure_delay_minutes) filter (where leg_number = 4)
        from marts.delay_by_leg""",
    "Heavy rain doubles the share of late departures ({} times the average)": """
        select late_ratio from marts.weather_impact where category = 'heavy rain'""",
    "Freezing precipitation cancels {:.0f} % of the flights": """
        select cancelled_percent from marts.weather_impact where category = 'freezing'""",
    "The day before Thanksgiving has {:.0f} % more flights than the average day and {:.0f} % of them on time": """
        select 100 * (flights_against_average - 1), on_time_percent from marts.holiday_travel
        where holiday = 'Thanksgiving' and days_from_holiday = -1""",
    "the day after has {:.0f} % fewer, and {:.0f} %": """
        select 100 * (1 - flights_against_average), on_time_percent from marts.holiday_travel
        where holiday = 'Thanksgiving' and days_from_holiday = 1""",
    "{} days have an unusual number of flights. Thanksgiving has the most unusual, {} where {} were": """
        select count(*), min(flights) filter (where unusual_rank = 1),
               min(expected_flights) filter (where unusual_rank = 1 and nearest_holiday = 'Thanksgiving')
        from marts.unusual_days""",
    "{} of the {} are Saturdays from September on": """
        select count(*) filter (where isodow(flight_date) = 6 and month(flight_date) >= 9), count(*)
        from marts.unusual_days""",
    "{} of {} routes have a single carrier": """
        select count(*) filter (where carriers = 1), count(*) from marts.route_performance""",
    "makes up {:.1f} minutes on the way, one of less than 500 makes up {:.1f}": """
        select avg(departure_delay_minutes - arrival_delay_minutes) filter (where distance_miles >= 2000),
               avg(departure_delay_minutes - arrival_delay_minutes) filter (where distance_miles < 500)
        from intermediate.int_flights where outcome = 'completed'""",
    "Airbus planes of 20 years and more are as punctual ({:.1f} %) as those under five ({:.1f} %)": """
        select max(on_time_percent) filter (where age_band = '20+ years'),
               max(on_time_percent) filter (where age_band = '0 to 5 years')
        from marts.fleet_age where maker = 'Airbus'""",
    "`N711MQ`, is a Gulfstream with {} seats and {} departures": """
        select seats, departures from marts.plane_utilisation where is_registered
        qualify row_number() over (order by departures desc) = 1 and tail_number = 'N711MQ'""",
    "`N508JB` a four-seat Cirrus that flew {} times": """
        select departures from marts.plane_utilisation where tail_number = 'N508JB' and seats = 4""",
    "allows for the {:,} flights ({:.1f} %) to four airports": """
        select sum(flights) filter (where destination_name is null)::bigint,
               100 * sum(flights) filter (where destination_name is null) / sum(flights)
        from marts.route_performance""",
    "47,869 of them were flown by Envoy Air (`MQ`, {:,}) and American Airlines (`AA`, {:,})": """
        select count(*) filter (where carrier = 'MQ'), count(*) filter (where carrier = 'AA')
        from staging.stg_flights
        where tail_number is not null and tail_number not in (select tail_number from staging.stg_planes)""",
}


@dataclass(frozen=True)
class Built:
    """The example, built in a folder of its own."""

    folder: Path
    report: Report


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("example") / "example_warehouse"
    prepared(folder)
    return Built(folder, Project.load(folder).build())


def prepared(folder: Path) -> str:
    """Copy the example to `folder`, let it prepare its data there, and return what it prints."""
    shutil.copytree(EXAMPLE, folder, ignore=MADE_HERE)
    said, complaint = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaint):
        code = loaded(folder / "prepare.py").main()
    if code:
        pytest.fail(f"the example has no data: {complaint.getvalue()}")
    return said.getvalue()


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_assertion_holds_but_the_one_that_warns(built: Built) -> None:
    other = [
        (check.assertion, check.status, check.failing) for check in built.report.assertions if check.status != "passed"
    ]
    assert (built.report.status, built.report.exit_code, other) == (
        "warned", 0, [("planes_are_registered", "warned", 50_094)],
    )  # fmt: skip


def test_every_block_is_published_with_its_rows(built: Built) -> None:
    with duckdb.connect(str(built.folder / "warehouse.duckdb"), read_only=True) as warehouse:
        rows = {name: warehouse.execute(f"select count(*) from {name}").fetchall()[0][0] for name in ROWS}
    assert (len(built.report.published), rows) == (34, ROWS)


def test_the_findings_of_the_readme_are_what_the_marts_say(built: Built) -> None:
    text = " ".join(README.split())
    with duckdb.connect(str(built.folder / "warehouse.duckdb"), read_only=True) as warehouse:
        found = [phrase.format(*warehouse.execute(sql).fetchall()[0]) for phrase, sql in FINDINGS.items()]
    assert [finding for finding in found if finding not in text] == []


def test_the_example_has_the_blocks_and_every_kind_of_assertion() -> None:
    project = Project.load(EXAMPLE)
    kinds = {assertion.kind for assertion in all_assertions(project.loaded)}
    own = kinds - {*KINDS, "file", "function"}
    count = sum(1 for _ in all_assertions(project.loaded))
    blocks = [block for block in project.loaded.blocks.values() if block.kind == "sql"]
    assert set(KINDS) <= kinds
    assert own == {"sums_to", "at_least_one_row_per"}
    assert len(project.loaded.assertions) >= 1
    assert (
        f"{len(blocks)} SQL blocks in three layers, three seeds, a Python block, an R block, and {count} assertions."
        in README
    )
    assert len(blocks) >= 18
    assert count >= 40


# --- the tour ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """A command of the tour, what stands below it, and the exit code that it must have."""

    command: str
    shown: tuple[str, ...]
    code: int = 0


def steps(page: str) -> Iterator[Step]:
    """Yield the commands of the page; `echo $?` belongs to the command before it."""
    found: list[Step] = []
    for fence in re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", fence, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            if command == "echo $?":
                last = found.pop()
                found.append(Step(last.command, last.shown, int(shown[0])))
            else:
                found.append(Step(command, tuple(shown)))
    yield from found


def made(folder: Path) -> tuple[int, str]:
    """Do what `make example` does once everything is installed, as the Makefile says it."""
    recipe = re.search(r"^example:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    commands = re.findall(r"^\tcd example_warehouse && \.\./\$\(BIN\)/sqlflow (.*)$", recipe[1], re.MULTILINE)
    said = prepared(folder)
    with contextlib.chdir(folder):
        ends = [called(command) for command in commands]
    return max(code for code, _ in ends), said + "".join(text for _, text in ends)


def taken(step: Step, folder: Path) -> tuple[int, str]:
    """Run a command of the tour, and return its exit code and what it prints."""
    match step.command.split()[0]:
        case "make":
            return made(folder)
        case "cd" | "source":
            return 0, ""
        case "sqlflow":
            with contextlib.chdir(folder):
                return called(step.command.removeprefix("sqlflow "))
        case "sed" | "mv" | "cp":
            ended = subprocess.run(step.command, shell=True, cwd=folder, capture_output=True, text=True, check=False)
            return ended.returncode, ended.stdout + ended.stderr
    raise AssertionError(f"the tour has a command that this test does not know: `{step.command}`")


def words(line: str) -> str:
    """Return the words of a line, without times and run ids."""
    for pattern, replacement in NORMALISED:
        line = re.sub(pattern, replacement, line)
    return " ".join(line.split())


def not_printed(shown: tuple[str, ...], printed: str) -> list[str]:
    """Return the lines of the page that are not printed: whole, or up to the `…` at their end."""
    real = {words(line) for line in printed.splitlines()}
    return [line for line in shown if not _is_printed(words(line), real)]


def _is_printed(line: str, real: set[str]) -> bool:
    if line.endswith("…"):
        return any(other.startswith(line.removesuffix("…").rstrip()) for other in real)
    return not line or line in real


def test_a_line_that_is_not_printed_is_found() -> None:
    shown = ("run 20261122T191559161b433: 2 rows  0.01 s", "", "…", "one two …", "one  three …", "four")
    printed = "run 20251122T191559161b433: 2 rows 0.22 s\none two three\nfour five\n"
    assert not_printed(shown, printed) == ["one  three …", "four"]


def sql_files(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*.sql*") if file.is_file()}


def test_the_tour_can_be_followed_word_for_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    folder = tmp_path / "example_warehouse"
    tour = list(steps(README))
    wrong = []
    for step in tour:
        code, printed = taken(step, folder)
        missing = not_printed(step.shown, printed)
        if missing or code != step.code:
            wrong += [f"$ {step.command}", f"exit code {code}, not printed:", *missing, "printed:", printed]
    assert tour[0].command == "make example"
    assert "\n".join(wrong) == ""
    assert sql_files(folder) == sql_files(EXAMPLE)


def test_the_tour_shows_what_there_is_to_see() -> None:
    shown = " ".join(step.command for step in steps(README))
    wanted = [
        "plan",
        "lineage",
        "--mermaid",
        "show",
        "--cte",
        "render",
        "failures",
        "test",
        "tag:",
        "--vars",
        "passing",
    ]
    assert [word for word in wanted if word not in shown] == []
