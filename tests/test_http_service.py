"""The API, notifications and metrics of a service that runs: from a request to a real run, and to who is told of it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from served import SECRET, now, signed
from serving import ended, project
from serving import served as going_round

from sqlflow.service.http import tokens
from sqlflow.service.http.answering import answering
from sqlflow.service.http.metrics import Metrics
from sqlflow.service.http.server import Address
from sqlflow.service.notices import Notices
from sqlflow.service.service import Service

BAD = "/*---\nassert:\n  - id > 1\n---*/\nselect * from one\n"


@contextmanager
def inbox() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Give the port of a server that takes messages, and what has come."""
    messages: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port, messages
        server.shutdown()
        thread.join()


@dataclass
class Whole:
    """A service with its API."""

    service: Service
    port: int
    token: str
    notices: Notices

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        connection.request(method, path, body, sent | ({"Content-Type": "application/json"} if body else {}))
        found = connection.getresponse()
        text = found.read()
        connection.close()
        assert found.status < 300, text
        return json.loads(text) if "json" in str(found.getheader("content-type")) else text.decode()


@contextmanager
def whole(folder: Path, files: dict[str, str]) -> Iterator[Whole]:
    """Give a service of a project of two blocks and these files, with all of its doors."""
    with ExitStack() as stack:
        service = stack.enter_context(going_round(project(folder, files)))
        metrics = Metrics(service)
        address = stack.enter_context(answering(service, Address(port=0), metrics))
        notices = Notices(service.history, service.pipelines, service.notifications, service.tell, [metrics.ended])
        yield Whole(service, address.port, tokens.local(folder / ".sqlflow"), notices)


def test_a_run_that_is_asked_for_over_http_runs_and_is_told_of(tmp_path: Path) -> None:
    with inbox() as (port, messages):
        files = {
            "sqlflow.yml": f"name: demo\ntargets: {{dev: {{engine: duckdb, path: warehouse.duckdb}}}}\n"
            f"notifications: {{ops: 'json://127.0.0.1:{port}/'}}\n",
            "pipelines/all.yml": "on_failure: [ops]\n",
            "blocks/a/two.sql": BAD,
        }
        with whole(tmp_path, files) as api:
            run = api.call("POST", "/api/v1/runs", b'{"pipeline": "all"}')["id"]
            ended(api.service, run)
            assert api.call("GET", f"/api/v1/runs/{run}")["status"] == "failed"
            (assertion,) = api.call("GET", f"/api/v1/runs/{run}/assertions")["assertions"]
            assert (assertion["status"], assertion["sample"]) == ("failed", {"columns": ["id"], "rows": [["1"]]})
            blocks = {one["block"]: one["status"] for one in api.call("GET", f"/api/v1/runs/{run}/blocks")["blocks"]}
            assert blocks["a.one"] == "built"
            api.notices.round()
            assert 'sqlflow_runs_ended_total{pipeline="all",status="failed"} 1.0' in api.call("GET", "/metrics")
    (message,) = messages
    assert message["title"] == "all failed"
    assert message["message"].startswith("a.two: id > 1 failed: 1 row breaks it\n    id: 1\n")


def test_a_webhook_starts_a_run_with_the_vars_that_it_may_set(tmp_path: Path) -> None:
    hook = f"vars: {{day: 2026-01-01}}\ntriggers: [{{webhook: {{secret: {SECRET}, vars: [day]}}}}]\n"
    files = {
        "sqlflow.yml": "name: demo\ntargets: {dev: {engine: duckdb, path: warehouse.duckdb}}\nvars: {day: 2025-01-01}\n",
        "pipelines/all.yml": hook,
        "blocks/a/two.sql": "select date '{{ var('day') }}' as day from one\n",
    }
    with whole(tmp_path, files) as api:
        body = b'{"vars": {"day": "2026-03-01"}}'
        tick = api.call("POST", "/api/v1/webhooks/all", body, **signed(SECRET, "msg_1", now(), body))
        (run,) = ended(api.service, tick["run"])
        assert (run.status, run.cause, run.vars) == ("succeeded", "webhook", {"day": "2026-03-01"})
        assert [one["outcome"] for one in api.call("GET", "/api/v1/ticks")["ticks"]] == ["fired"]
