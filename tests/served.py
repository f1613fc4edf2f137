"""A service to call: the real history, guard and server, over a project of a few pipelines."""

import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from support import write

from sqlflow.core.errors import Problem
from sqlflow.core.pipeline import Pipeline
from sqlflow.read.pipelines import read_pipelines
from sqlflow.service.history import History
from sqlflow.service.http import tokens
from sqlflow.service.http.application import application
from sqlflow.service.http.limits import Limits
from sqlflow.service.http.server import Address, serving
from sqlflow.service.http.signatures import signature
from sqlflow.service.nouns import DataAges, Tick
from sqlflow.service.schedule import next_time
from sqlflow.service.ticks import AskedRun, triggered

SECRET = "whsec_c2VjcmV0IG9mIHRoZSBob29r"
PIPELINES = {
    "pipelines/main.yml": f"""
schedule: "0 5 * * *"
vars: {{day: "2026-01-01", country: FR}}
triggers:
  - webhook: {{secret: {SECRET}, vars: [day]}}
""",
    "pipelines/free.yml": "vars: {day: 2026-01-01, country: FR, rows: 10}\n",
    "pipelines/plain.yml": "description: nothing but this\n",
    "pipelines/unset.yml": "triggers: [{webhook: \"{{ env('NOT_SET') }}\"}]\n",
}
QUICK = Limits(
    head_seconds=1, body_seconds=1, requests_per_second=1e6, burst=1e6, wrong_tokens_per_minute=1e6
)  # fmt: skip
"""Limits of time that a test can wait for, and none of rates."""


@dataclass
class Project:
    """What the API needs of the service, without the loop that runs things: nothing here changes by itself."""

    root: Path
    history: History
    wrong: tuple[Problem, ...] = ()
    data: DataAges = field(default_factory=DataAges)
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    _pipelines: dict[str, Pipeline] = field(default_factory=dict)

    def pipelines(self) -> Mapping[str, Pipeline]:
        self._pipelines = self._pipelines or read_pipelines(self.root, {})
        return self._pipelines

    def faults(self) -> tuple[Problem, ...]:
        return self.wrong

    def next_ticks(self) -> dict[str, datetime]:
        found = {name: next_time(pipeline, self.now) for name, pipeline in self.pipelines().items()}
        return {name: at for name, at in found.items() if at is not None}

    def ages(self) -> DataAges:
        return self.data

    def triggered(self, pipeline: str, asked: AskedRun) -> Tick | None:
        return triggered(self.history, self.pipelines()[pipeline], asked, asked.due_at)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass
class Called:
    """A service that listens."""

    project: Project
    port: int
    token: str

    @property
    def history(self) -> History:
        return self.project.history

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a good request: with the token, and the body as JSON."""
        sent = {"Authorization": f"Bearer {self.token}"} | {
            name.replace("_", "-"): text for name, text in headers.items()
        }
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, sent)
            found = connection.getresponse()
            return Answer(found.status, {name.lower(): text for name, text in found.getheaders()}, found.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("POST", path, body, **headers)

    def webhook(self, pipeline: str, body: bytes, id: str, secret: str = SECRET) -> Answer:
        """Send a webhook as its sender would."""
        return self.post(f"/api/v1/webhooks/{pipeline}", body, Authorization="", **signed(secret, id, now(), body))

    def raw(self, data: bytes) -> bytes:
        """Send bytes as they are, and return all that comes back until the service closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            received = b""
            try:
                connection.sendall(data)
                while piece := connection.recv(1 << 16):
                    received += piece
            except (ConnectionResetError, BrokenPipeError):
                pass
            return received


def now() -> str:
    return str(int(datetime.now(UTC).timestamp()))


def signed(secret: str, id: str, timestamp: str, body: bytes) -> dict[str, str]:
    """Return the headers of a signed webhook."""
    return {
        "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature(secret, id, timestamp, body),
    }  # fmt: skip


def answer(received: bytes) -> Answer:
    """Return the first answer in bytes that came over a connection; a status of 0 where none came."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    found = re.match(r"HTTP/1\.1 (\d{3})", first)
    headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    return Answer(int(found[1]) if found else 0, headers, body)


@contextmanager
def called(root: Path, limits: Limits = QUICK, files: Mapping[str, str] = PIPELINES, url: str = "") -> Iterator[Called]:
    """Give a service over a project in the folder `root`."""
    write(root, files)
    with closing(History.open(root, url)) as history:
        project, state = Project(root, history), root / ".sqlflow"
        app = application(project, tokens.Keyring(state), Address().hosts, limits)
        with serving(app, Address(port=0), limits) as address:
            yield Called(project, address.port, tokens.local(state))
