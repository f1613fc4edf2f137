"""When pipelines are due: a clock that runs through years in seconds, and through both changes of the clock."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from bad_inputs_adapter import corpus, write

from sqlflow.core.node import Node
from sqlflow.core.pipeline import Pipeline
from sqlflow.core.text import SourceFile
from sqlflow.read.pipelines import read_pipelines
from sqlflow.service import values
from sqlflow.service.history import History
from sqlflow.service.leases import End, Membership, finish
from sqlflow.service.nouns import Tick
from sqlflow.service.queue import Limits
from sqlflow.service.schedule import decided, moment, next_time, times
from sqlflow.service.ticks import AskedRun, decide, forget_others, triggered

BERLIN = "Europe/Berlin"
NODE = Node("mapping", SourceFile("pipelines/p.yml", ""), 0)


def pipeline(schedule: str | None = None, timezone: str = "UTC", name: str = "p", **keys: object) -> Pipeline:
    return Pipeline(name, NODE, schedule=schedule, timezone=timezone, **keys)  # type: ignore[arg-type]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def walls(schedule: str, timezone: str, after: str, count: int) -> list[str]:
    """Return the next times as the clock on the wall shows them, with the offset to UTC."""
    zone = ZoneInfo(timezone)
    found = islice(times(pipeline(schedule, timezone), at(after)), count)
    return [f"{one.astimezone(zone):%d %H:%M%z}" for one in found]


@pytest.mark.parametrize(
    ("schedule", "timezone", "after", "expected"),
    [
        # Summer begins: 02:30 is left out, and the first moment after it counts.
        ("30 2 * * *", BERLIN, "2026-03-27T12:00", ["28 02:30+0100", "29 03:00+0200", "30 02:30+0200"]),
        ("0 2,3 * * *", BERLIN, "2026-03-28T12:00", ["29 03:00+0200", "30 02:00+0200", "30 03:00+0200"]),
        ("0 1,4 * * *", BERLIN, "2026-03-28T12:00", ["29 01:00+0100", "29 04:00+0200", "30 01:00+0200"]),
        ("*/30 * * * *", BERLIN, "2026-03-29T00:00", ["29 01:30+0100", "29 03:00+0200", "29 03:30+0200"]),
        # Winter begins: 02:30 comes twice, and counts once; what runs all the time goes on.
        ("30 2 * * *", BERLIN, "2026-10-23T12:00", ["24 02:30+0200", "25 02:30+0200", "26 02:30+0100"]),
        ("30 2 * * *", BERLIN, "2026-10-25T00:45", ["26 02:30+0100", "27 02:30+0100"]),
        ("*/30 * * * *", BERLIN, "2026-10-25T00:00", ["25 02:30+0200", "25 02:00+0100", "25 02:30+0100", "25 03:00+0100"]),
        ("0 */2 * * *", BERLIN, "2026-10-24T23:30", ["25 02:00+0200", "25 02:00+0100", "25 04:00+0100"]),
        # Zones with changes of their own: half an hour, a whole day, none at all.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T12:00", ["03 02:15+1030", "04 02:30+1100", "05 02:15+1100"]),
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T12:00", ["29 12:00-1000", "31 00:00+1400", "31 12:00+1400"]),
        ("30 2 * * *", "Asia/Tokyo", "2026-03-28T12:00", ["29 02:30+0900", "30 02:30+0900"]),
        ("30 2 * * *", "America/New_York", "2026-03-07T12:00", ["08 03:00-0400", "09 02:30-0400"]),
        ("30 1 * * *", "America/New_York", "2026-10-31T12:00", ["01 01:30-0400", "02 01:30-0500"]),
        # The calendar's corners.
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00", ["29 00:00+0000"]),
        ("0 0 13 * 5", "UTC", "2026-11-01T00:00", ["06 00:00+0000", "13 00:00+0000", "20 00:00+0000"]),
    ],
)  # fmt: skip
def test_times_on_the_wall(schedule: str, timezone: str, after: str, expected: list[str]) -> None:
    assert walls(schedule, timezone, after, len(expected)) == expected


ZONES = (BERLIN, "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Casablanca", "UTC")


@pytest.mark.parametrize("zone", ZONES)
def test_a_daily_time_comes_once_each_day_of_ten_years(zone: str) -> None:
    found = list(islice(times(pipeline("30 2 * * *", zone), at("2020-01-01T12:00")), 3652))
    days = Counter(one.astimezone(ZoneInfo(zone)).date() for one in found)
    assert set(days.values()) == {1}
    assert (max(days) - min(days)).days == 3651


@pytest.mark.parametrize("zone", ZONES)
def test_what_runs_each_half_hour_makes_no_pause_in_a_year(zone: str) -> None:
    found = islice(times(pipeline("*/30 * * * *", zone), at("2026-01-01T00:00")), 365 * 48)
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=30)}


def test_every_does_not_drift() -> None:
    found = list(islice(times(pipeline(every=900.0), at("2026-10-25T00:03")), 3))
    assert found == [at("2026-10-25T00:15"), at("2026-10-25T00:30"), at("2026-10-25T00:45")]


def test_a_schedule_that_never_comes_ends() -> None:
    assert next_time(pipeline("0 0 30 2 *"), at("2026-01-01T00:00")) is None
    assert next_time(pipeline(), at("2026-01-01T00:00")) is None


def test_a_moment_that_is_left_out_is_the_first_after_it() -> None:
    assert moment(datetime(2026, 3, 29, 2, 30), ZoneInfo(BERLIN)) == at("2026-03-29T01:00")


# --- a history, and a clock that the tests turn ---------------------------------------------------------------------


class World:
    """A service without processes: what is due is decided, and runs take as long as the test says."""

    def __init__(self, folder: Path, *pipelines: Pipeline, now: str = "2026-01-01T00:00", lasts: float = 1.0) -> None:
        self.history = History.open(folder)
        self.pipelines = {one.name: one for one in pipelines}
        self.now = at(now)
        self.member = Membership(self.history, clock=lambda: self.now)
        self.member.join()
        self.lasts = timedelta(seconds=lasts)
        self.began: list[tuple[str, datetime]] = []
        self._ends: list[tuple[datetime, str, int]] = []
        self.step()

    def step(self, minutes: float = 0) -> list[Tick]:
        """Let some minutes pass, and do what the service does then."""
        self.now += timedelta(minutes=minutes)
        self._end_runs()
        ticks = [tick for one in self.pipelines.values() for tick in decide(self.history, one, self.now)]
        for claim in self.member.claim(self.pipelines, Limits(runs=1000)):
            self.began.append((claim.run.pipeline, self.now))
            self._ends.append((self.now + self.lasts, claim.run.id, claim.run.attempt))
        return ticks

    def next(self) -> None:
        """Turn the clock to the next time of a schedule."""
        found = [next_time(one, self.now) for one in self.pipelines.values()]
        self.now = min(one for one in found if one is not None)

    def _end_runs(self) -> None:
        with self.history.database.transaction(deciding=True) as transaction:
            for end, run, attempt in [one for one in self._ends if one[0] <= self.now]:
                finish(transaction, run, attempt, End("succeeded"), self.pipelines, end)
        self._ends = [one for one in self._ends if one[0] > self.now]

    def outcomes(self) -> Counter[str]:
        return Counter(tick.outcome for tick in self.history.ticks(limit=100_000))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the history not wait for the disk: a year has many seconds."""
    from sqlflow.service import database

    opened = database.sqlite

    def unsynced(path: Path) -> database.Database:
        found = opened(path)
        connect = found.connect

        def quickly() -> object:
            connection = connect()
            connection.execute("pragma synchronous = off")
            return connection

        found.connect = quickly
        return found

    monkeypatch.setattr(database, "sqlite", unsynced)


@pytest.mark.usefixtures("quick")
def test_a_year_of_ticks_runs_each_of_them_once(tmp_path: Path) -> None:
    nightly, often = pipeline("30 2 * * *", BERLIN, "nightly"), pipeline("0 */3 * * *", BERLIN, "often")
    world = World(tmp_path, nightly, often)
    while world.now < at("2026-12-31T23:00"):
        world.next()
        world.step()
    counted = Counter(name for name, _ in world.began)
    assert counted == {"nightly": 365, "often": 365 * 8}
    assert world.outcomes() == {"fired": 365 * 9}
    days = Counter(begin.astimezone(ZoneInfo(BERLIN)).date() for name, begin in world.began if name == "nightly")
    assert set(days.values()) == {1}


def test_a_schedule_that_is_new_has_missed_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, pipeline("* * * * *"), now="2026-06-01T12:00:30")
    assert world.history.ticks() == []
    assert [tick.due_at for tick in world.step(minutes=1)] == [at("2026-06-01T12:01")]


@pytest.mark.parametrize(
    ("missed", "fired", "skipped"), [("all", 72, 0), ("latest", 1, 71), ("none", 0, 72)]
)  # fmt: skip
def test_what_was_missed_in_three_days_is_told_and_made_up_for_as_asked(
    tmp_path: Path, missed: str, fired: int, skipped: int
) -> None:
    world = World(tmp_path, pipeline("0 * * * *", missed=missed), now="2026-06-01T12:30")
    ticks = world.step(minutes=72 * 60)
    assert Counter(tick.outcome for tick in ticks) == Counter({"fired": fired, "skipped": skipped})
    assert all("missed" in tick.reason for tick in ticks)
    for _ in range(80):
        world.step(minutes=0.1)
    assert len(world.began) == fired


def test_what_is_due_now_runs_whatever_was_missed(tmp_path: Path) -> None:
    for missed, fired in (("none", 1), ("latest", 1), ("all", 4)):
        world = World(tmp_path / missed, pipeline("0 * * * *", missed=missed), now="2026-06-01T12:30")
        ticks = world.step(minutes=3 * 60 + 30)
        assert [tick.outcome for tick in ticks].count("fired") == fired
        assert (ticks[-1].due_at, ticks[-1].outcome, ticks[-1].reason) == (at("2026-06-01T16:00"), "fired", "")


def test_a_long_time_without_a_service_leaves_a_thousand_records_and_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, pipeline("* * * * *", missed="latest"), now="2026-06-01T12:00")
    ticks = world.step(minutes=60 * 24 * 200)
    assert len(ticks) == 1000
    assert "at least 43640 before it were missed, too" in ticks[0].reason
    assert [tick.outcome for tick in ticks].count("fired") == 1


@pytest.mark.parametrize(
    ("overlap", "outcomes", "states"),
    [
        ("skip", ["fired", "skipped", "skipped"], {"running": 1}),
        ("queue", ["fired", "fired", "fired"], {"running": 1, "waiting": 2}),
        ("cancel", ["fired", "fired", "fired"], {"running": 1, "cancelled": 1, "waiting": 1}),
    ],
)
def test_a_run_that_is_still_on_meets_the_next_tick(
    tmp_path: Path, overlap: str, outcomes: list[str], states: dict[str, int]
) -> None:
    world = World(tmp_path, pipeline("* * * * *", overlap=overlap), now="2026-06-01T12:00:30", lasts=3600)
    ticks = [tick for _ in range(3) for tick in world.step(minutes=1)]
    assert [tick.outcome for tick in ticks] == outcomes
    assert Counter(run.status for run in world.history.runs()) == states
    first = world.history.runs()[-1]
    if overlap == "skip":
        assert ticks[1].reason == f"the run {first.id} is still running"
    assert (first.cancel_by == "the next tick") is (overlap == "cancel")


def test_a_paused_schedule_records_its_ticks_and_runs_none(tmp_path: Path) -> None:
    world = World(tmp_path, pipeline("* * * * *"), now="2026-06-01T12:00:30")
    world.history.pause("p", by="ann")
    ticks = [tick for _ in range(3) for tick in world.step(minutes=1)]
    assert [(tick.outcome, tick.reason) for tick in ticks] == [("skipped", "paused by ann")] * 3
    world.history.resume("p")
    assert [tick.outcome for tick in world.step(minutes=1)] == ["fired"]


def test_a_clock_that_is_set_back_or_ahead_runs_nothing_twice(tmp_path: Path) -> None:
    world = World(tmp_path, pipeline("*/10 * * * *", missed="all"), now="2026-06-01T12:05")
    for minutes in (10, 60, -60, 10, 10, -60, 60, 60, 10):
        world.step(minutes=minutes)
    for _ in range(40):
        world.step(minutes=0.1)
    fired = [run.due_at for run in world.history.runs(limit=1000)]
    assert len(fired) == len(set(fired))
    assert sorted(fired) == sorted(islice(times(world.pipelines["p"], at("2026-06-01T12:05")), len(fired)))


def test_a_schedule_that_is_changed_begins_anew(tmp_path: Path) -> None:
    world = World(tmp_path, pipeline("0 * * * *"), now="2026-06-01T12:30")
    world.now += timedelta(hours=5)
    world.pipelines["p"] = pipeline("15 * * * *")
    assert world.step() == []
    assert [tick.due_at for tick in world.step(minutes=45)] == [at("2026-06-01T18:15")]


def test_a_pipeline_that_went_away_and_comes_back_has_missed_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, pipeline("0 * * * *"), now="2026-06-01T12:30")
    forget_others(world.history, lambda name: False)
    assert world.step(minutes=300) == []


def test_two_services_decide_about_each_tick_once(tmp_path: Path) -> None:
    one, other = (World(tmp_path, pipeline("* * * * *"), now="2026-06-01T12:00:30") for _ in range(2))
    for _ in range(50):
        both = one.step(minutes=1), other.step(minutes=1)
        assert sorted(len(ticks) for ticks in both) == [0, 1]
    assert len(one.began) + len(other.began) == 50


def test_a_trigger_is_heard_once_by_its_key(tmp_path: Path) -> None:
    world = World(tmp_path, pipeline(overlap="queue"))

    def heard(key: str) -> Tick | None:
        return triggered(world.history, world.pipelines["p"], AskedRun("webhook", key, world.now), world.now)

    assert heard("a") is not None
    assert heard("a") is None
    assert heard("b") is not None
    assert len(world.history.runs()) == 2


def test_years_of_decisions_without_a_history() -> None:
    """A pure function: no day is lost and none comes twice, however irregularly it is asked."""
    daily = pipeline("30 2 * * *", BERLIN, missed="all")
    from sqlflow.service.nouns import ScheduleState
    from sqlflow.service.schedule import definition

    def rounds() -> Iterator[datetime]:
        now = at("2000-01-01T00:00")
        for number in range(3000):
            now += timedelta(minutes=(7, 1440, 2880, 61, 20)[number % 5])
            yield now

    state = ScheduleState("p", decided_to=at("2000-01-01T00:00"), definition=definition(daily))
    found: list[datetime] = []
    for now in rounds():
        decision = decided(daily, state, now)
        found += [due.at for due in decision.due if due.outcome == "fired"]
        state = ScheduleState("p", decided_to=decision.decided_to, definition=definition(daily))
    assert found == list(islice(times(daily, at("2000-01-01T00:00")), len(found)))
    assert values.text(found[0]) == "2000-01-01T01:30:00.000000Z"


CLOCKS = {
    case["id"]: case
    for case in corpus(Path(__file__).with_name("bad_inputs.yaml"))["cases"]
    if case["category"] == "schedules" and ("clock" in case["setup"] or case["command"] == "serve")
}


def test_the_cases_of_the_corpus_that_turn_the_clock_are_all_here() -> None:
    assert set(CLOCKS) == {"cron-dst-repeat", "cron-server-down-3-days"}


def test_a_time_that_comes_twice_runs_once_as_the_corpus_asks(tmp_path: Path) -> None:
    write(CLOCKS["cron-dst-repeat"], tmp_path)
    world = World(tmp_path, *read_pipelines(tmp_path).values(), now="2026-10-24T22:00")
    for _ in range(7 * 60):
        world.step(minutes=1)
    assert [begin for _, begin in world.began] == [at("2026-10-25T00:30")]


def test_three_days_without_a_service_are_made_up_for_once_as_the_corpus_asks(tmp_path: Path) -> None:
    write(CLOCKS["cron-server-down-3-days"], tmp_path)
    world = World(tmp_path, *read_pipelines(tmp_path).values(), now="2026-06-01T12:30")
    ticks = world.step(minutes=72 * 60)
    assert (len(ticks), len(world.began)) == (72, 1)
    assert all("missed" in tick.reason for tick in ticks)
