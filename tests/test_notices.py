"""Who is told of what: real runs' records, real messages to a server of the test's own."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from msgspec.structs import replace
from support import write

from sqlflow.core.errors import Problem
from sqlflow.core.secrets import hide
from sqlflow.read.config import project_config
from sqlflow.read.notifications import Notification, notifications, unknown_notices
from sqlflow.read.pipelines import read_pipelines
from sqlflow.service import freshness, messages
from sqlflow.service.history import History
from sqlflow.service.messages import Ended, Message, of_run
from sqlflow.service.notices import PAUSES_SECONDS, TRIES, Notices
from sqlflow.service.nouns import AssertionRun, BlockRun, Change, DataAge, Run
from sqlflow.service.recording import Recording
from sqlflow.service.rows import change, enter
from sqlflow.service.sending import sent

AT = datetime(2026, 1, 31, 5, tzinfo=UTC)


@dataclass
class Inbox:
    """Takes messages as a chat would; `status` is what it answers."""

    port: int
    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/hook"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.messages.append(json.loads(body))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found = Inbox(server.server_port)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Told:
    """Notices over a history, with a clock that the test turns."""

    history: History
    notices: Notices
    now: datetime
    said: list[str] = field(default_factory=list)
    ended: list[Run] = field(default_factory=list)

    def run(self, *, status: Any = "failed", events: list[dict[str, Any]] | None = None) -> Run:
        """Put a run into the history that has ended."""
        run = self.history.request_run("nightly")
        with self.history.database.transaction() as transaction:
            transaction.execute("update runs set status = 'running', attempt = 1 where id = ?", run.id)
            transaction.execute(
                "insert into attempts values (?, 1, 'running', 's', 'h', 1, '', ?, ?, null, null, '', '')",
                run.id, "2026-01-31T05:00:00.000000Z", "2026-01-31T05:00:00.000000Z",
            )  # fmt: skip
        recording = Recording(self.history, run.id, 1)
        recording.write([json.dumps(event) for event in events or []])
        with self.history.database.transaction() as transaction:
            enter(transaction, run.id, status, recording.reason, self.now)
        return self.history.run(run.id)

    def rows(self) -> list[tuple[Any, ...]]:
        return self.history.database.rows("select target, status, tries, error from notices order by id")


PIPELINE = (
    "on_failure: [ops]\non_success: [all]\non_warn: [ops]\non_recovery: [ops]\non_late: [ops]\ndeadline: '07:00'\n"
)


@pytest.fixture
def history_url(request: pytest.FixtureRequest) -> str:
    """Return where the history lies: in its file, or in a Postgres for tests that ask for it."""
    return str(request.getfixturevalue("postgres_url")) if getattr(request, "param", "") else ""


@pytest.fixture
def told(tmp_path: Path, inbox: Inbox, history_url: str) -> Iterator[Told]:
    write(tmp_path, {"pipelines/nightly.yml": PIPELINE})
    pipelines = read_pipelines(tmp_path)
    history = History.open(tmp_path, history_url)
    known = {name: Notification(name, (inbox.url,)) for name in ("ops", "all")}
    notices = Notices(history, lambda: pipelines, lambda: known, lambda message: None)
    found = Told(history, notices, AT)
    notices.clock, notices.tell, notices.heard = lambda: found.now, found.said.append, [found.ended.append]
    yield found
    history.close()


FAILED_ASSERTION = {
    "event": "assertion_finished", "run": "b", "block": "staging.stg_orders", "assertion": "amount >= 0",
    "status": "failed", "failing": 1, "seconds": 0.1, "error": "", "columns": ["order_id", "amount"],
    "sample": [["4", "-7.00"]],
}  # fmt: skip


def test_a_failure_is_told_with_the_first_rows_and_the_command_to_retry(told: Told, inbox: Inbox) -> None:
    run = told.run(events=[FAILED_ASSERTION])
    told.notices.round()
    (message,) = inbox.messages
    assert message["title"] == "nightly failed"
    assert message["message"] == (
        "staging.stg_orders: amount >= 0 failed: 1 row breaks it\n"
        "    order_id: 4, amount: -7.00\n"
        "\n"
        f"to run again what has failed: sqlflow retry {run.id}\n"
        "\n"
        f"run {run.id} (manual)"
    )
    assert told.rows() == [("ops", "sent", 1, "")]
    assert [event.kind for event in told.history.events(run.id)][-1] == "notice_sent"


@pytest.mark.parametrize("history_url", ["", "postgres"], indirect=True)
def test_each_change_is_told_once_also_by_two_services(told: Told, inbox: Inbox) -> None:
    other = Notices(told.history, told.notices.pipelines, told.notices.notifications, told.said.append)
    other.clock = told.notices.clock
    told.run()
    for _ in range(2):
        told.notices.round()
        other.round()
    assert inbox.titles == ["nightly failed"]
    assert len(told.ended) == 1


def test_success_after_a_failure_is_a_recovery_and_tells_each_name_once(told: Told, inbox: Inbox) -> None:
    told.run()
    told.run(status="succeeded")
    told.run(status="succeeded")
    told.notices.round()
    assert sorted(inbox.titles) == [
        "nightly failed", "nightly has recovered", "nightly has recovered", "nightly succeeded"
    ]  # fmt: skip
    assert [target for target, *_ in told.rows()] == ["ops", "ops", "all", "all"]


@pytest.mark.parametrize(("status", "before", "names"), [
    ("failed", "", ("ops",)), ("lost", "succeeded", ("ops",)), ("cancelled", "", ()), ("cancelled", "failed", ()),
    ("succeeded", "", ("all",)), ("succeeded", "late", ("ops", "all")), ("succeeded", "failed", ("ops", "all")), ("warned", "succeeded", ("ops", "all")),
])  # fmt: skip
def test_who_is_told_of_an_end(told: Told, status: str, before: str, names: tuple[str, ...]) -> None:
    body = (
        {"status": status, "before": before} if before != "late" else {"status": status, "before": "", "was_late": True}
    )
    ended = Change(1, AT, "ended", "nightly", "r", body)
    assert messages.targets(ended, told.notices.pipelines()["nightly"]) == names


@pytest.mark.parametrize(("kind", "body", "title", "text"), [
    ("late", {"deadline": "2026-01-31T07:00:00.000000Z"}, "nightly is late", "no run of today has ended well by 07:00 (UTC)"),
    ("stale", {"since": "2026-01-30T05:00:00.000000Z", "fresh_within": 21600}, "nightly is not fresh",
     "no run has ended well since 2026-01-30 05:00 UTC: that is longer than 6:00:00"),
])  # fmt: skip
def test_lateness_is_told(told: Told, inbox: Inbox, kind: str, body: dict[str, Any], title: str, text: str) -> None:
    with told.history.database.transaction() as transaction:
        change(transaction, kind, "nightly", "k", "", body, AT)
    told.notices.round()
    (message,) = inbox.messages
    assert message["title"] == title
    assert message["message"] == f"{text}\n\nits runs: sqlflow runs --pipeline nightly"


def data(newest: str | None, reason: str = "", pipelines: tuple[str, ...] = ("nightly",)) -> DataAge:
    at = datetime.fromisoformat(newest) if newest else None
    return DataAge("raw.orders", "source", "dev", "", 21600.0, at, reason, pipelines)


def test_data_that_is_too_old_and_fresh_again_is_told_once_each(told: Told, inbox: Inbox) -> None:
    old, new = "2026-01-30 05:00:00+00:00", "2026-01-31 09:00:00+00:00"
    for found in (data(old), data(old), data(new), data(new)):
        freshness.recorded(told.history, [found], told.now)
        told.notices.round()
    assert [(one["title"], one["message"]) for one in inbox.messages] == [
        (
            "raw.orders is not fresh",
            "its newest data is of 2026-01-30 05:00 UTC: that is longer ago than 6:00:00\npipelines: nightly\n\n"
            "to look again: sqlflow freshness",
        ),
        (
            "raw.orders is fresh again",
            "its newest data is of 2026-01-31 09:00 UTC\npipelines: nightly\n\nto look again: sqlflow freshness",
        ),
    ]


def test_data_that_is_not_known_to_be_fresh_is_told_and_what_nobody_asks_for_any_more_is_not(
    told: Told, inbox: Inbox
) -> None:
    freshness.recorded(told.history, [data(None, "its table is not there", ("gone", "nightly"))], told.now)
    freshness.recorded(told.history, [], told.now)
    freshness.recorded(told.history, [data("2026-01-31 09:00:00+00:00")], told.now)
    told.notices.round()
    (message,) = inbox.messages
    assert message["title"] == "raw.orders is not known to be fresh"
    assert message["message"].startswith("its table is not there\npipelines: gone, nightly\n")


def test_a_block_of_which_nothing_is_known_stays_as_it_was(told: Told) -> None:
    def said(newest: str | None) -> list[str]:
        block = replace(data(newest), name="marts.orders", kind="block", environment="prod")
        return freshness.recorded(told.history, [block], told.now)

    assert said(None) == []
    assert said("2026-01-30 05:00:00+00:00") == ["marts.orders is not fresh"]
    assert said(None) == []
    assert said("2026-01-31 09:00:00+00:00") == ["marts.orders is fresh again"]


def test_a_block_of_another_environment_is_told_apart(told: Told, inbox: Inbox) -> None:
    new, old = "2026-01-31 09:00:00+00:00", "2026-01-30 05:00:00+00:00"
    block = replace(data(new), name="marts.orders", kind="block", environment="prod")
    tried = replace(block, environment="dev", newest=datetime.fromisoformat(old), flags=" --env dev")
    assert freshness.recorded(told.history, [block, tried], told.now) == ["marts.orders (dev) is not fresh"]
    told.notices.round()
    ((title, message),) = [(one["title"], one["message"]) for one in inbox.messages]
    assert title == "marts.orders (dev) is not fresh"
    assert message.endswith("to look again: sqlflow freshness --env dev")


def test_what_could_not_be_asked_this_time_stays_as_it_was(told: Told) -> None:
    new, old = "2026-01-31 09:00:00+00:00", "2026-01-30 05:00:00+00:00"
    assert freshness.recorded(told.history, [data(old)], told.now) == ["raw.orders is not fresh"]
    assert freshness.recorded(told.history, [], told.now, is_whole=False) == []
    assert freshness.recorded(told.history, [data(new)], told.now) == ["raw.orders is fresh again"]


def test_what_could_not_be_sent_is_recorded_and_tried_again_a_few_times(told: Told, inbox: Inbox) -> None:
    inbox.status = 500
    run = told.run()
    for pause in (*PAUSES_SECONDS, PAUSES_SECONDS[-1]):
        told.notices.round()
        told.notices.round()
        told.now += timedelta(seconds=pause)
    assert len(inbox.messages) == TRIES
    ((_, status, tries, error),) = told.rows()
    assert (status, tries, "500" in error) == ("failed", TRIES, True)
    assert [event.kind for event in told.history.events(run.id)][-1] == "notice_failed"
    assert len(told.said) == TRIES
    told.notices.round()
    assert len(inbox.messages) == TRIES


def test_what_could_not_be_sent_arrives_when_it_can(told: Told, inbox: Inbox) -> None:
    inbox.status = 503
    told.run()
    told.notices.round()
    inbox.status = 200
    told.now += timedelta(seconds=PAUSES_SECONDS[0])
    told.notices.round()
    assert told.rows() == [("ops", "sent", 2, "")]


def test_who_dies_while_sending_has_tried(told: Told) -> None:
    told.run()
    for one in told.history.changes():
        told.notices._take(one)
    for _ in range(TRIES + 1):
        for notice in told.notices._due():
            told.notices._claimed(notice)
        told.now += timedelta(hours=2)
    ((_, status, tries, error),) = told.rows()
    assert (status, tries, error) == ("failed", TRIES, "it is not known whether it has arrived")


def test_an_url_whose_variable_is_not_set_is_told_when_it_is_needed(tmp_path: Path) -> None:
    text = "name: shop\nnotifications:\n  ops: \"{{ env('OPS_URL') }}\"\n  all: [json://a.example, json://b.example]\n"
    write(tmp_path, {"sqlflow.yml": text})
    problems: list[Problem] = []
    found = notifications(project_config(tmp_path, {}), {}, problems)
    assert problems == []
    assert (found["ops"].urls, found["ops"].fault) == ((), "the environment variable `OPS_URL` is not set")
    assert found["all"].urls == ("json://a.example", "json://b.example")


def test_a_name_that_is_no_notification_is_a_fault_of_the_pipeline(tmp_path: Path) -> None:
    write(tmp_path, {"pipelines/nightly.yml": "on_failure: [{notify: opps}]\n"})
    (problem,) = unknown_notices(read_pipelines(tmp_path).values(), {"ops": Notification("ops", ())})
    assert str(problem) == (
        "pipelines/nightly.yml:1:14: `on_failure`: there is no notification `opps`\n"
        "    1 | on_failure: [{notify: opps}]\n"
        "      |              ^\n"
        "  hint: did you mean `ops`?"
    )


def test_no_message_shows_a_secret_or_more_than_a_few_rows() -> None:
    hide(["hunter2-of-the-warehouse"])
    rows = tuple((str(number), "x" * 100, "hunter2-of-the-warehouse") for number in range(50))
    assertion = AssertionRun("r", 1, "a.b", "c > 0", "failed", 50, 0.1, "", ("id", "text", "secret"), rows)
    blocks = [
        BlockRun("r", 1, f"a.b{number}", "failed", message="hunter2-of-the-warehouse\nmore") for number in range(9)
    ]
    run = Run("r", "nightly", "failed", "schedule", AT, reason="hunter2-of-the-warehouse")
    message = of_run(Ended(run, "", blocks, [assertion]))
    assert "hunter2" not in message.text
    assert message.text.count("id: ") == messages.ROWS_TOLD
    assert "… and 4 more blocks" in message.text
    assert len(message.text) < messages.TEXT_CHARACTERS


@pytest.mark.parametrize(("url", "error"), [
    ("nonsense", "Apprise does not know a URL of this form"),
    ("json://127.0.0.1:1/secret-path-of-a-hook", "A Connection error occurred sending JSON"),
])  # fmt: skip
def test_why_a_message_could_not_be_sent_is_told_without_the_url(url: str, error: str) -> None:
    said = sent(url, Message("title", "text"))
    assert said.startswith(error)
    assert "secret-path" not in said


def test_who_does_not_answer_is_not_waited_for(inbox: Inbox) -> None:
    assert sent(inbox.url, Message("title", "text"), seconds=0.01) == "no answer within 0.01 seconds"
