"""The HTTP API: what it answers, to whom, and how much it takes."""

import doctest
import re
import select
import socket
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace
from served import SECRET, Called, called, now, signed

from sqlflow.core.errors import Problem, SqlflowError, StateError, TargetError, UsageError
from sqlflow.core.secrets import hide
from sqlflow.core.text import Place
from sqlflow.service import messages
from sqlflow.service.history import FILE
from sqlflow.service.http import limits, problems, rules, signatures, tokens, vars, views
from sqlflow.service.http.limits import Limits
from sqlflow.service.http.openapi import STREAM
from sqlflow.service.http.problems import Refused
from sqlflow.service.http.rules import Head, check_host
from sqlflow.service.http.server import Address, check_address, listening
from sqlflow.service.http.table import ENDPOINTS
from sqlflow.service.nouns import DataAge, DataAges, RunFilter

API = "/api/v1"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Called]:
    with called(tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    "module", [limits, messages, problems, rules, signatures, vars, views], ids=lambda one: one.__name__
)
def test_what_docstrings_show_is_so(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert (found.attempted > 0, found.failed) == (True, 0)


# What it answers


def test_an_answer_says_when_it_was_given(service: Called) -> None:
    """Nothing ticks in a server that sleeps until somebody calls."""
    before = datetime.now(UTC).replace(microsecond=0)
    dates = [parsedate_to_datetime(service.get("/").headers["date"]) for _ in range(2)]
    assert before <= dates[0] <= dates[1] <= datetime.now(UTC)


def test_the_root_says_where_the_api_is_and_needs_no_token(service: Called) -> None:
    found = service.get("/", Authorization="")
    assert (found.status, found.json["api"], found.json["openapi"]) == (200, "/api/v1/", "/api/v1/openapi.json")


def test_whether_it_is_alive_is_told_to_everybody_and_nothing_else(service: Called) -> None:
    assert service.get("/healthz", Authorization="").json == {"status": "ok"}


def test_health_tells_what_is_wrong_in_the_projects_files(service: Called) -> None:
    assert service.get(f"{API}/health").json["status"] == "ok"
    service.project.wrong = (Problem("unknown key `shedule`", Place("pipelines/main.yml", 1, 1)),)
    assert service.get(f"{API}/health").json["faults"] == ["pipelines/main.yml:1:1: unknown key `shedule`"]
    assert service.get(f"{API}/health").json["status"] == "degraded"


def test_a_run_is_asked_for_shown_cancelled_and_tried_again(service: Called) -> None:
    asked = service.post(f"{API}/runs", {"pipeline": "free", "vars": {"day": "2026-02-03", "rows": 5}})
    assert asked.status == 202
    run = asked.json["id"]
    assert {
        "status": "queued",
        "by": "token local",
        "vars": {"day": "2026-02-03", "rows": 5},
    }.items() <= asked.json.items()
    assert service.get(f"{API}/runs/{run}").json == asked.json | {"attempts": []}
    assert service.post(f"{API}/runs/{run}/cancel").json["status"] == "cancelled"
    again = service.post(f"{API}/runs/{run}/retry").json
    assert {"retry_of": run, "cause": "retry", "vars": {"day": "2026-02-03", "rows": 5}}.items() <= again.items()


@pytest.mark.parametrize("retries", [False, True])
def test_of_starts_in_the_same_instant_one_passes(service: Called, retries: bool) -> None:
    failed = service.history.request_cancel(service.history.request_run("free").id).id

    def start(_: int) -> int:
        if retries:
            return service.post(f"{API}/runs/{failed}/retry").status
        return service.post(f"{API}/runs", {"pipeline": "free"}).status

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(start, range(8)))
    assert statuses == [202] + [409] * 7
    assert len(service.history.runs(RunFilter(statuses=("queued",)))) == 1


def test_runs_are_listed_page_by_page_and_filtered(service: Called) -> None:
    ids = [service.history.request_run(name).id for name in ("free", "plain", "free")]
    first = service.get(f"{API}/runs?limit=2").json
    second = service.get(f"{API}/runs?limit=2&cursor={first['next']}").json
    assert [run["id"] for run in first["runs"] + second["runs"]] == sorted(ids, reverse=True)
    assert second["next"] is None
    service.history.request_cancel(ids[1])
    assert [run["id"] for run in service.get(f"{API}/runs?status=cancelled&status=failed").json["runs"]] == [ids[1]]
    assert len(service.get(f"{API}/runs?pipeline=free").json["runs"]) == 2
    assert service.get(f"{API}/runs?since=2999-01-01T00:00:00Z").json["runs"] == []


def test_pipelines_are_listed_page_by_page_with_their_latest_run(service: Called) -> None:
    run = service.history.request_run("main")
    first = service.get(f"{API}/pipelines?limit=3").json
    assert [one["name"] for one in first["pipelines"]] == ["free", "main", "plain"]
    assert first["pipelines"][1]["latest_run"]["id"] == run.id
    assert first["pipelines"][1]["triggers"] == ["webhook"]
    second = service.get(f"{API}/pipelines?cursor={first['next']}").json
    assert ([one["name"] for one in second["pipelines"]], second["next"]) == (["unset"], None)


def test_a_history_in_postgres_gives_the_same_answers(tmp_path: Path, postgres_url: str) -> None:
    with called(tmp_path, url=postgres_url) as service:
        assert service.webhook("main", b"{}", "msg_1").status == 202
        assert service.webhook("main", b"{}", "msg_1").status == 409
        (run,) = service.get(f"{API}/runs?pipeline=main&status=queued&limit=1").json["runs"]
        assert [one["run"] for one in service.get(f"{API}/ticks?limit=1").json["ticks"]] == [run["id"]]
        assert service.get(f"{API}/pipelines").json["pipelines"][1]["latest_run"] == run
        assert [one["kind"] for one in service.get(f"{API}/runs/{run['id']}/events").json["events"]] == ["run_queued"]
        assert service.post(f"{API}/runs/{run['id']}/cancel").json["status"] == "cancelled"
        assert service.post(f"{API}/pipelines/main/pause").json["paused_by"] == "token local"
        assert 'sqlflow_ticks{outcome="fired",pipeline="main"} 1.0' in service.get("/metrics").text


def test_a_schedule_is_paused_and_resumed(service: Called) -> None:
    assert service.get(f"{API}/schedule?limit=2").json["ticks"][0] == {
        "due_at": "2026-01-01T05:00:00Z",
        "pipeline": "main",
    }
    assert service.post(f"{API}/pipelines/main/pause").json["paused_by"] == "token local"
    assert service.get(f"{API}/schedule").json["ticks"] == []
    assert service.post(f"{API}/pipelines/main/resume").json["paused_at"] is None
    assert len(service.get(f"{API}/pipelines/main").json["next_ticks"]) == 10


def test_a_run_is_followed_until_it_has_ended(service: Called) -> None:
    run = service.history.request_run("free")
    connection = HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.request("GET", f"{API}/runs/{run.id}/stream", headers={"Authorization": f"Bearer {service.token}"})
    stream = connection.getresponse()
    assert stream.getheader("content-type") == "text/event-stream; charset=utf-8"
    assert stream.readline() == b"event: run_queued\n"
    service.history.request_cancel(run.id)
    rest = stream.read().decode()
    connection.close()
    assert re.findall(r"event: (\w+)", rest) == ["run_cancelled", "end"]
    last = re.findall(r"id: (\d+)", rest)[-1]
    assert service.call("HEAD", f"{API}/runs/{run.id}/stream").body == b""
    again = service.get(f"{API}/runs/{run.id}/stream", last_event_id=last).text
    assert re.findall(r"event: (\w+)", again) == ["end"]


def test_a_webhook_starts_its_pipeline_once(service: Called) -> None:
    body = b'{"event": "loaded", "vars": {"day": "2026-03-01"}}'
    first, second = (service.webhook("main", body, "msg_1") for _ in range(2))
    assert (first.status, second.status) == (202, 409)
    (run,) = service.history.runs()
    assert {"run": run.id, "outcome": "fired", "cause": "webhook", "key": "webhook:msg_1"}.items() <= first.json.items()
    assert run.vars == {"day": "2026-03-01"}


def test_a_webhook_may_be_signed_by_several_keys_one_of_which_is_right(service: Called) -> None:
    headers = signed(SECRET, "msg_1", now(), b"")
    headers["webhook-signature"] = f"v1,AAAA {headers['webhook-signature']}"
    assert service.post(f"{API}/webhooks/main", Authorization="", **headers).status == 202


def test_metrics_tell_of_runs_the_queue_and_ticks(service: Called) -> None:
    service.history.request_run("main")
    found = service.get("/metrics")
    assert found.headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in (
        'sqlflow_runs{pipeline="main",status="queued"} 1.0', 'sqlflow_active_runs{status="queued"} 1.0',
        "sqlflow_pipelines 4.0", "sqlflow_tick_lag_seconds 0.0", "sqlflow_faults 0.0",
    ):  # fmt: skip
        assert line in found.text.splitlines()


def ages(at: datetime) -> DataAges:
    """What a service knows that has asked at a time: one source that is stale, and a block that is fresh in one place alone."""
    block = DataAge("marts.paid", "block", "dev", "prod", 3600.0, at, "", ("main",))
    old = at - timedelta(days=1)
    found = (
        block, replace(block, environment="trial", newest=None, reason="it is not published", pipelines=()),
        DataAge("pay.payments", "source", "dev", "", 21600.0, old, "", ("free", "main"), " --target dev"),
    )  # fmt: skip
    return DataAges(at, tuple(sorted(found, key=lambda one: one.key)))


def test_how_old_data_is_is_listed_page_by_page_and_by_its_state(service: Called) -> None:
    assert service.get(f"{API}/freshness").json == {"asked_at": None, "data": [], "next": None}
    service.project.data = ages(datetime.now(UTC))
    whole = service.get(f"{API}/freshness").json
    assert [(one["name"], one["environment"], one["status"]) for one in whole["data"]] == [
        ("marts.paid", "prod", "fresh"), ("pay.payments", None, "stale"), ("marts.paid", "trial", "unknown"),
    ]  # fmt: skip
    assert whole["data"][1]["seconds"] > 86400
    assert whole["data"][2]["newest"] is None
    first = service.get(f"{API}/freshness?limit=2").json
    second = service.get(f"{API}/freshness?limit=2&cursor={first['next']}").json
    assert [one["environment"] for one in second["data"]] == ["trial"]
    assert second["next"] is None
    stale = service.get(f"{API}/freshness?status=stale&status=unknown").json
    assert [one["status"] for one in stale["data"]] == ["stale", "unknown"]
    assert service.get(f"{API}/freshness?status=old").status == 400
    assert service.get(f"{API}/freshness?cursor=zz").status == 400


def test_what_was_fresh_when_it_was_asked_is_stale_when_its_time_is_over(service: Called) -> None:
    service.project.data = ages(datetime.now(UTC) - timedelta(hours=2))
    assert [one["status"] for one in service.get(f"{API}/freshness").json["data"]] == ["stale", "stale", "unknown"]


def test_metrics_tell_how_old_data_is(service: Called) -> None:
    service.project.data = ages(datetime.now(UTC))
    found = [line for line in service.get("/metrics").text.splitlines() if line.startswith("sqlflow_data_")]
    told = {name: float(value) for name, _, value in (line.rpartition(" ") for line in found)}
    paid = 'environment="prod",kind="block",name="marts.paid",target="dev"'
    tried = 'environment="trial",kind="block",name="marts.paid",target="dev"'
    payments = 'environment="",kind="source",name="pay.payments",target="dev"'
    ages_told = {f"sqlflow_data_age_seconds{{{paid}}}", f"sqlflow_data_age_seconds{{{payments}}}"}
    stale = {
        f"sqlflow_data_stale{{{paid}}}": 0.0,
        f"sqlflow_data_stale{{{tried}}}": 1.0,
        f"sqlflow_data_stale{{{payments}}}": 1.0,
    }
    assert {name: value for name, value in told.items() if "_stale" in name} == stale
    assert told.keys() - stale.keys() == ages_told
    assert told[f"sqlflow_data_age_seconds{{{payments}}}"] > 86400


# The document


def test_every_answer_has_the_shape_that_the_document_says(service: Called) -> None:
    document = service.get(f"{API}/openapi.json").json
    run = service.history.request_run("free").id
    service.history.request_run("main")
    names = {"run": run, "pipeline": "main"}
    for endpoint in ENDPOINTS:
        if endpoint.method == "GET":
            found = service.get(API + endpoint.path.format(**names))
            assert found.status == endpoint.status
            schema = {"$ref": f"#/components/schemas/{endpoint.schema}", "components": document["components"]}
            jsonschema.validate(found.json, schema)


def test_the_document_is_openapi_and_has_every_endpoint(service: Called) -> None:
    document = service.get(f"{API}/openapi.json").json
    found = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert found == {("GET", STREAM), *((one.method, API + one.path) for one in ENDPOINTS)}


# Secrets


def test_no_answer_shows_a_secret(service: Called) -> None:
    hide(["hunter2-of-the-warehouse"])
    run = service.history.request_run("free", by="hunter2-of-the-warehouse")
    for path in ("", "/events", "/stream"):
        if path == "/stream":
            service.history.request_cancel(run.id)
        found = service.get(f"{API}/runs/{run.id}{path}").text
        assert "***" in found
        assert "hunter2" not in found


def test_what_a_browser_could_take_for_a_page_is_written_out(service: Called) -> None:
    service.history.request_run("free", by="<script>alert(1)</script>")
    found = service.get(f"{API}/runs")
    assert b"<" not in found.body
    assert found.json["runs"][0]["by"] == "<script>alert(1)</script>"
    assert found.headers["content-type"] == "application/json"


def test_a_fault_of_ours_tells_a_caller_nothing(service: Called) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the inside")

    service.project.faults = broken  # type: ignore[method-assign]
    found = service.get(f"{API}/health")
    assert (found.status, found.json["detail"]) == (500, "a fault of the service; its log says more")


def test_a_history_that_cannot_be_used_is_told_without_the_inside(service: Called) -> None:
    service.history.close()
    with (service.project.root / FILE).open("r+b") as file:
        file.write(b"no database at all" * 10_000)
    found = service.get(f"{API}/runs")
    assert (found.status, "state" in found.text, str(service.project.root) in found.text) == (503, True, False)


# Limits


def test_one_address_may_not_ask_more_often_than_the_rate(tmp_path: Path) -> None:
    with called(tmp_path, Limits(requests_per_second=0.001, burst=3)) as service:
        assert [service.get("/healthz").status for _ in range(5)] == [200, 200, 200, 429, 429]


def test_wrong_tokens_are_counted_and_the_right_one_still_passes(tmp_path: Path) -> None:
    with called(tmp_path, Limits(wrong_tokens_per_minute=2)) as service:
        wrong = [service.get(f"{API}/runs", Authorization=f"Bearer {number}").status for number in range(4)]
        assert wrong == [401, 401, 429, 429]
        assert service.get(f"{API}/runs").status == 200


@pytest.mark.parametrize("begun", [
    "GET /api/v1/ru",
    "POST /api/v1/webhooks/main HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{",
], ids=["head", "body"])  # fmt: skip
def test_slow_callers_do_not_keep_a_good_one_out(tmp_path: Path, begun: str) -> None:
    few = Limits(connections=20, head_seconds=60, body_seconds=60)
    with called(tmp_path, few) as service, ExitStack() as stack:
        for _ in range(60):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=10))
            slow.sendall(begun.format(host=service.host).encode())
        assert service.get(f"{API}/runs").status == 200


def test_a_caller_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    with called(tmp_path, Limits(send_seconds=0.2)) as service:
        run = service.history.request_run("free").id
        with service.history.database.transaction() as transaction:
            line = (
                "insert into logs (run, attempt, block, at, line) values (?, 1, '', '2026-01-01T00:00:00.000000Z', ?)"
            )
            transaction.many(line, [(run, "x" * 16_000)] * 1000)
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as caller:
            head = f"Host: {service.host}\r\nAuthorization: Bearer {service.token}\r\n\r\n"
            caller.sendall(f"GET {API}/runs/{run}/log?limit=1000 HTTP/1.1\r\n{head}".encode())
            cut_off = select.poll()
            cut_off.register(caller, select.POLLHUP)
            assert cut_off.poll(30_000)
        assert service.get(f"{API}/runs").status == 200


def test_streams_are_bounded(tmp_path: Path) -> None:
    with called(tmp_path, Limits(streams=3)) as service, ExitStack() as stack:
        path = f"{API}/runs/{service.history.request_run('free').id}/stream"
        streams = [stack.enter_context(_Stream(service, path)) for _ in range(3)]
        assert service.get(path).status == 503
        streams[0].close()
        stack.enter_context(_Stream(service, path, tries=200))


class _Stream:
    """A stream that is open: its first event was read. With `tries`, one that is refused is asked for again."""

    def __init__(self, service: Called, path: str, tries: int = 1) -> None:
        for left in reversed(range(tries)):
            self.connection = HTTPConnection("127.0.0.1", service.port, timeout=30)
            self.connection.request("GET", path, headers={"Authorization": f"Bearer {service.token}"})
            self.answer = self.connection.getresponse()
            if self.answer.status == 200 or not left:
                break
            self.connection.close()
        assert self.answer.status == 200
        assert self.answer.readline() == b"event: run_queued\n"

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


def test_two_requests_in_one_go_are_answered_in_order(service: Called) -> None:
    head = f"Host: {service.host}\r\nAuthorization: Bearer {service.token}\r\n"
    received = service.raw(
        f"GET /healthz HTTP/1.1\r\n{head}\r\nGET {API}/pipelines HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode()
    )
    assert received.count(b"HTTP/1.1 200") == 2


def test_a_head_is_answered_without_a_body_and_ranges_are_ignored(service: Called) -> None:
    whole = service.get(f"{API}/pipelines")
    head = service.call("HEAD", f"{API}/pipelines")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", whole.headers["content-length"])
    ranges = ",".join(["0-1"] * 1000)
    assert service.get(f"{API}/pipelines", Range=f"bytes={ranges}").body == whole.body


# Addresses and tokens


def test_an_address_that_others_can_reach_needs_a_token(tmp_path: Path) -> None:
    everywhere = Address("0.0.0.0")
    with pytest.raises(UsageError, match=r"`0\.0\.0\.0` can be reached by others.*authentication"):
        check_address(everywhere, tokens.kept(tmp_path))
    tokens.add(tmp_path, "ann", "run", datetime.now(UTC))
    check_address(everywhere, tokens.kept(tmp_path))


@pytest.mark.parametrize(("host", "local"), [
    ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True),
    ("0.0.0.0", False), ("::", False), ("192.168.1.1", False), ("db.example", False),
])  # fmt: skip
def test_an_address_is_local_if_it_is_of_the_loopback(host: str, local: bool) -> None:
    assert Address(host).is_local is local


def test_a_port_that_is_in_use_is_told() -> None:
    with listening(Address(port=0)) as bound:
        port = bound.getsockname()[1]
        with pytest.raises(TargetError, match=f"port {port} of `127.0.0.1` is in use"):
            listening(Address(port=port))


def test_a_name_is_allowed_by_which_callers_may_call(tmp_path: Path) -> None:
    assert "etl.example" in Address("0.0.0.0", allowed_hosts=("ETL.example",)).hosts


@pytest.mark.parametrize(("listens_at", "host", "is_known"), [
    ("127.0.0.1", "localhost:9000", True), ("127.0.0.1", "192.168.1.7:8750", False), ("127.0.0.1", "etl.example", False),
    ("0.0.0.0", "192.168.1.7:8750", True), ("0.0.0.0", "[fe80::1]:8750", True), ("0.0.0.0", "evil.example", False),
    ("0.0.0.0", "etl.example", True), ("192.168.1.7", "ETL.example:443", True),
])  # fmt: skip
def test_a_service_is_known_by_its_names_alone_and_by_numbers_where_others_reach_it(
    listens_at: str, host: str, is_known: bool
) -> None:
    allowed = () if listens_at == "127.0.0.1" else ("etl.example",)
    head = Head("GET", "/", "", (("host", host),), "10.0.0.1")
    with nullcontext() if is_known else pytest.raises(Refused, match="421"):
        check_host(head, Address(listens_at, allowed_hosts=allowed).hosts)


@pytest.mark.parametrize("name", ["etl.example:8750", "https://etl.example", "*", "*.example", ""])
def test_a_name_that_is_none_is_refused_before_it_listens(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no name of a host"):
        check_address(Address(allowed_hosts=(name,)), ())


def test_a_token_is_kept_as_a_hash_that_the_owner_alone_can_read(tmp_path: Path) -> None:
    text = tokens.add(tmp_path, "ann", "read", datetime.now(UTC))
    path = tmp_path / tokens.KEPT
    assert text not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = tokens.known(tokens.kept(tmp_path), text)
    assert (found and found.name, found and found.scope) == ("ann", "read")
    assert tokens.known(tokens.kept(tmp_path), text + "x") is None


def test_a_token_that_is_given_works_at_once_and_one_that_is_revoked_no_more(service: Called) -> None:
    state = service.project.root / ".sqlflow"
    text = tokens.add(state, "ann", "read", datetime.now(UTC))
    assert service.get(f"{API}/runs", Authorization=f"Bearer {text}").status == 200
    tokens.remove(state, "ann")
    assert service.get(f"{API}/runs", Authorization=f"Bearer {text}").status == 401


def test_damaged_tokens_let_nobody_in_but_the_owner(service: Called) -> None:
    state = service.project.root / ".sqlflow"
    text = tokens.add(state, "ann", "read", datetime.now(UTC))
    (state / tokens.KEPT).write_text("[{")
    assert service.get(f"{API}/runs", Authorization=f"Bearer {text}").status == 401
    assert service.get(f"{API}/runs").status == 200


def test_the_local_token_stays_the_same_and_is_made_anew_where_others_could_read_it(tmp_path: Path) -> None:
    first = tokens.local(tmp_path)
    assert tokens.local(tmp_path) == first
    assert stat.S_IMODE((tmp_path / tokens.LOCAL).stat().st_mode) == 0o600
    (tmp_path / tokens.LOCAL).chmod(0o644)
    assert tokens.local(tmp_path) != first


@pytest.mark.parametrize(("call", "kind", "words"), [
    (lambda state: tokens.add(state, "ann", "read", datetime.now(UTC)), UsageError, "there is a token `ann`"),
    (lambda state: tokens.add(state, "../ann", "read", datetime.now(UTC)), UsageError, "cannot be a token's name"),
    (lambda state: tokens.remove(state, "anne"), UsageError, "did you mean `ann`"),
    (lambda state: (state / tokens.KEPT).write_text("[{") and tokens.kept(state), StateError, "is damaged"),
])  # fmt: skip
def test_what_cannot_be_done_with_tokens_is_told(
    tmp_path: Path, call: Any, kind: type[SqlflowError], words: str
) -> None:
    tokens.add(tmp_path, "ann", "read", datetime.now(UTC))
    with pytest.raises(kind, match=words):
        call(tmp_path)
