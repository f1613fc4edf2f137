"""The HTTP category of the corpus of bad inputs: sent to a service, as bytes where no client would send them."""

import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path

import pytest
from bad_inputs_adapter import Case, corpus
from msgspec.structs import replace
from served import PIPELINES, QUICK, SECRET, Answer, Called, answer, called, now, signed

from sqlflow.service.history import FILE

CASES = [
    case
    for case in corpus(Path(__file__).with_name("bad_inputs.yaml"))["cases"]
    if case["category"] == "http"
]  # fmt: skip
OF_THE_PROCESS = ("http-bind-all-without-auth", "http-port-in-use")
STREAMS = 20
"""How many streams the tested service has places for."""
LOG_LINES = 20_000
FILES = {
    **PIPELINES,
    "sqlflow.yml": "name: demo\n",
    "pipelines/main.yml": PIPELINES["pipelines/main.yml"] + "description: <script>alert(1)</script>\n",
}
_COMMAND = re.compile(r"http ([A-Z]+) \"?(\S+?)\"?(?: -(?P<rest>[Hd] .*))?(?: \(.*\))?$")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Called]:
    with called(tmp_path, replace(QUICK, streams=STREAMS), FILES) as found:
        yield found


def test_no_case_is_left_out() -> None:
    assert len(CASES) == 52


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case["id"]) for case in CASES if case["id"] not in OF_THE_PROCESS]
)
def test_a_bad_request_gets_the_answer_that_the_corpus_asks_for(case: Case, service: Called) -> None:
    found = _sent(case, service)
    said = found.text.lower()
    assert found.status == case["expect_exit"], said[:2000]
    for fragment in case["expect_message_contains"]:
        assert fragment.lower() in said
    for fragment in ("traceback", *case.get("expect_not_contains", ())):
        assert fragment.lower() not in said + str(found.headers).lower()
    for fragment in case.get("expect_html_escaped", ()):
        assert fragment not in found.text
        assert fragment in str(found.json)
    if case["id"] != "http-error-has-no-trace":
        assert service.get("/api/v1/runs").status == 200


@pytest.mark.parametrize("id", OF_THE_PROCESS)
def test_a_service_that_may_not_begin_says_why(id: str, tmp_path: Path) -> None:
    (case,) = (case for case in CASES if case["id"] == id)
    words = case["command"].split()[1:]
    with called(tmp_path, files=FILES) as other:
        port = str(other.port) if id == "http-port-in-use" else "0"
        found = subprocess.run(
            [sys.executable, "-m", "sqlflow", *words, "--port", port, "--project-dir", str(tmp_path)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert found.returncode == case["expect_exit"]
    for fragment in case["expect_message_contains"]:
        assert fragment in found.stdout + found.stderr


@dataclass(frozen=True)
class _Asked:
    """A case's command, taken apart."""

    method: str
    path: str
    headers: dict[str, str]
    body: str | None


def _asked(case: Case) -> _Asked:
    command, computed, expression = case["command"].partition(" -d @expr:")
    found = _COMMAND.match(command)
    assert found, case["command"]
    words = list(pairwise(shlex.split("-" + found["rest"]) if found["rest"] else []))
    headers = dict(word.split(": ", 1) for flag, word in words if flag == "-H")
    body = eval(expression) if computed else next((word for flag, word in words if flag == "-d"), None)
    path = re.sub(r"^(/static/\.\.)?(/*)/api/", r"\1\2/api/v1/", found[2])
    return _Asked(found[1], path.replace("/hooks/", "/api/v1/webhooks/"), headers, body)


def _sent(case: Case, service: Called) -> Answer:
    special = _SPECIAL.get(case["id"])
    if special:
        return special(service)
    asked = _asked(case)
    headers = {"Host": service.host, "Connection": "close"} | asked.headers
    if case["setup"].get("server", {}).get("auth") != "token":
        headers.setdefault("Authorization", f"Bearer {service.token}")
    body = asked.body
    if asked.method == "POST" and body is None and "/runs/" not in asked.path:
        body = '{"pipeline": "free"}'
    if body is not None:
        body = body.replace('"main"', '"free"')
        headers |= {"Content-Length": str(len(body))}
        headers.setdefault("Content-Type", "application/json")
    lines = [f"{asked.method} {asked.path} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
    return answer(service.raw(("\r\n".join(lines) + "\r\n\r\n" + (body or "")).encode()))


def _post(service: Called, *more: str, body: str = "", then: str = "") -> Answer:
    head = ["POST /api/v1/runs HTTP/1.1", f"Host: {service.host}", f"Authorization: Bearer {service.token}"]
    return answer(service.raw("\r\n".join([*head, "Content-Type: application/json", *more, "", body + then]).encode()))


def _get(service: Called, *more: str, version: str = "1.1") -> Answer:
    head = [f"GET /api/v1/runs HTTP/{version}", f"Authorization: Bearer {service.token}", "Connection: close"]
    return answer(service.raw("\r\n".join([*head, *more, "", ""]).encode()))


def _running(service: Called) -> Answer:
    service.history.request_run("main")
    return service.post("/api/v1/runs", {"pipeline": "main"})


def _cancel_of_the_finished(service: Called) -> Answer:
    run = service.history.request_run("main")
    service.history.request_cancel(run.id)
    return service.post(f"/api/v1/runs/{run.id}/cancel")


def _replayed_webhook(service: Called) -> Answer:
    earlier = str(int(now()) - 600)
    return service.post("/api/v1/webhooks/main", b"{}", Authorization="", **signed(SECRET, "msg_1", earlier, b"{}"))


def _error_with_html(service: Called) -> Answer:
    run = service.history.request_run("free")
    with service.history.database.transaction() as transaction:
        transaction.execute("update runs set reason = ? where id = ?", "syntax error at <b>", run.id)
    return service.get(f"/api/v1/runs/{run.id}")


def _large_log(service: Called) -> Answer:
    run = service.history.request_run("free")
    with service.history.database.transaction() as transaction:
        line = "insert into logs (run, attempt, block, at, line) values (?, 1, '', '2026-01-01T00:00:00.000000Z', ?)"
        transaction.many(line, [(run.id, "x" * 200)] * LOG_LINES)
    after, count = 0, 0
    while (page := service.get(f"/api/v1/runs/{run.id}/log?after={after}&limit=1000")).json["lines"]:
        assert len(page.body) < 500_000
        after, count = page.json["after"], count + len(page.json["lines"])
    assert count == LOG_LINES
    return page


def _many_streams(service: Called) -> Answer:
    run = service.history.request_run("free")
    with ExitStack() as stack:
        for _ in range(STREAMS):
            stack.enter_context(_stream(service, run.id))
        return service.get(f"/api/v1/runs/{run.id}/stream")


@contextmanager
def _stream(service: Called, run: str) -> Iterator[None]:
    connection = HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.request("GET", f"/api/v1/runs/{run}/stream", headers={"Authorization": f"Bearer {service.token}"})
    found = connection.getresponse()
    assert found.readline() == b"event: run_queued\n"
    yield
    found.close()
    connection.close()


def _slow_callers(service: Called) -> Answer:
    with ExitStack() as stack:
        for _ in range(250):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=10))
            slow.sendall(b"G")
        return service.get("/api/v1/runs")


def _without_state(service: Called) -> Answer:
    (service.project.root / FILE).unlink()
    return service.get("/api/v1/runs")


def _head_and_ranges(service: Called) -> Answer:
    assert service.call("HEAD", "/api/v1/runs").status == 200
    return service.get("/api/v1/runs", Range="bytes=" + ",".join(["0-1"] * 1000))


_SPECIAL: dict[str, Callable[[Called], Answer]] = {
    "http-host-header-missing": lambda service: _get(service, version="1.0"),
    "http-body-chunked-endless": lambda service: _post(service, "Transfer-Encoding: chunked", then="1\r\n \r\n"),
    "http-content-length-lies": lambda service: _post(service, "Content-Length: 10", then="x" * 1000),
    "http-smuggling-cl-te": lambda service: _post(
        service, "Content-Length: 4", "Transfer-Encoding: chunked", then="0\r\n\r\n"
    ),
    "http-header-64kb": lambda service: _get(service, f"Host: {service.host}", "X: " + "x" * 65536),
    "http-headers-1000": lambda service: _get(service, f"Host: {service.host}", *(["X: x"] * 1000)),
    "http-slowloris": _slow_callers,
    "http-start-while-running": _running,
    "http-cancel-finished": _cancel_of_the_finished,
    "http-webhook-replay": _replayed_webhook,
    "http-xss-error-message": _error_with_html,
    "http-log-download-size": _large_log,
    "http-sse-1000-clients": _many_streams,
    "http-error-has-no-trace": _without_state,
    "http-head-and-range": _head_and_ranges,
}
