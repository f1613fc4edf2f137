"""Whoever means the service ill is refused, and changes nothing: the list in `http_abuse.yaml`, sent as bytes."""

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from served import SECRET, Called, answer, called, now, signed

from sqlflow.service.history import FILE
from sqlflow.service.http import tokens

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("http_abuse.yaml").read_text("utf-8"))


@dataclass(frozen=True)
class Attacked:
    """A service, and what the texts of the cases stand for."""

    service: Called
    words: dict[str, str]

    def filled(self, text: str) -> str:
        text = re.sub(r"<(\w+)>", lambda found: self.words.get(found[1], found[0]), text)
        return re.sub(r"<([^<>]+?)\*(\d+)>", lambda found: found[1] * int(found[2]), text)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    root = tmp_path_factory.mktemp("project")
    with called(root) as service:
        state = root / ".sqlflow"
        reader = tokens.add(state, "reader", "read", datetime.now(UTC))
        revoked = tokens.add(state, "revoked", "run", datetime.now(UTC))
        tokens.remove(state, "revoked")
        ended = service.history.request_run("free")
        service.history.request_cancel(ended.id)
        assert service.webhook("main", b"{}", "taken").status == 202
        (waiting,) = service.history.runs(limit=1)
        words = {
            "token": service.token, "reader": reader, "revoked": revoked, "run": waiting.id, "ended": ended.id,
            "host": service.host, "port": str(service.port), "now": now(), "secret": SECRET,
        }  # fmt: skip
        yield Attacked(service, words)


def test_the_list_is_long_enough_and_names_each_once() -> None:
    names = [case["name"] for case in CASES]
    assert len(names) == len(set(names)) >= 60


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"].replace(" ", "-")) for case in CASES])
def test_abuse_is_refused_and_changes_nothing(case: dict[str, Any], attacked: Attacked) -> None:
    before = _everything(attacked.service)
    received = attacked.service.raw(_bytes(case, attacked))
    found = answer(received)
    said = received.decode("utf-8", "replace").lower()
    wanted = case["status"] if isinstance(case["status"], list) else [case["status"]]
    assert (found.status or "none") in wanted, said[:2000]
    if found.status >= 400:
        assert found.headers["content-type"] == "application/problem+json"
        assert found.headers["x-content-type-options"] == "nosniff"
    assert case.get("says", "").lower() in said
    assert "traceback" not in said
    assert case.get("without", "traceback").lower() not in said
    assert attacked.words["token"].lower() not in said
    assert _everything(attacked.service) == before
    assert attacked.service.get("/api/v1/runs").status == 200


def _bytes(case: dict[str, Any], attacked: Attacked) -> bytes:
    """Return a case as the bytes that are sent."""
    if "raw" in case:
        return attacked.filled(case["raw"]).encode("latin-1")
    body = attacked.filled(case.get("body", "")).encode("latin-1" if "\xff" in case.get("body", "") else "utf-8")
    headers: dict[str, Any] = {
        "host": attacked.service.host, "authorization": f"Bearer {attacked.service.token}", "connection": "close",
    }  # fmt: skip
    if "body" in case:
        headers |= {"content-type": "application/json", "content-length": str(len(body))}
    if "sign" in case:
        sign = {"secret": SECRET, "age": 0, "body": body.decode("latin-1"), **case["sign"]}
        timestamp = str(int(now()) - sign["age"])
        headers |= {"authorization": None} | signed(
            sign["secret"], sign["id"], timestamp, sign["body"].encode("latin-1")
        )
    headers |= case.get("headers", {})
    lines = [attacked.filled(case["send"]) + " HTTP/1.1"]
    for name, value in headers.items():
        values = ["x"] * 1000 if value == "<list*1000>" else value if isinstance(value, list) else [value]
        lines += [f"{name}: {attacked.filled(text)}" for text in values if text is not None]
    head = "\r\n".join(lines) + "\r\n\r\n"
    return head.encode("latin-1") + body + attacked.filled(case.get("then", "")).encode("latin-1")


def _everything(service: Called) -> dict[str, list[Any]]:
    """Return all rows of the history."""
    with sqlite3.connect(service.project.root / FILE) as connection:
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        return {name: connection.execute(f"select * from {name}").fetchall() for name in tables}
