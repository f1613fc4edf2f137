"""Canaries: secrets in every place that can hold one, looked for in everything that is printed or written."""

import base64
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import duckdb
import pytest
from support import times, write
from test_cases import called

from sqlflow.core.secrets import hide, masked

CANARIES = {
    "plain": "canary-plain-1",
    "quote": "can'ary-quote-2",
    "double quote and backslash": 'can"ary\\double-3',
    "url": "canary/url+4 with%blanks?&=",
    "lines": "canary-first-5\ncanary-second-5",
    "unicode": "canäry-ünicode-6",
    "long": "canary-long-7" + "x" * 300,
    "dollar": "$canary{7}-dollar-8",
    "regex": r"canary.*(9|[",
    "jinja": "canary-10-}} %}",
    "blanks": "  canary-11-blanks  ",
}
MORE_CANARIES = {
    "short": "c12x",
    "digits": "1234567890123",
    "hexadecimal": "canary14deadbeef0123456789abcdef",
    "base64": "Y2FuYXJ5LTE1+/Y2FuYXJ5==",
    "token with dots": "eyJjYW5hcnk.eyIxNiI6MX0.c2lnbmF0dXJl",
    "percent": "canary%17%d%s%%",
    "braces": "canary{18}{x!r}{}",
    "shell": "canary`19`$(id);&|<>",
    "dollar quotes": "canary$$20$x$",
    "backslashes": "canary\\n21\\\\",
    "tab": "canary-22\tcanary-22",
    "wide blank": "canary-23\u3000canary-twenty-three",
    "blank lines": "canary-24\n\n\ncanary-twenty-four\n",
    "key file": "-----BEGIN CANARY-----\n" + "MIIEcanary25\n" * 3 + "-----END CANARY-----\n",
    "comment": "canary--26/*x*/",
    "semicolon": "canary;27; drop table x",
    "slashes": "canary//28/../..",
    "at": "canary@29@host:5432",
    "colon": "canary:30:canary",
    "hash": "#canary-31#",
    "yaml": "canary: [32, {x: 1}]",
    "json": '{"canary": "33", "x": ["\\u00e9"]}',
    "html": "<b>canary&amp;34</b>",
    "star": "canary***35***",
    "emoji": "canary-\U0001f511-36",
    "right to left": "canary-\u05d0\u05d1-37",
    "combining": "cana\u0301ry-38",
    "dsn": "password=canary39 host=canary39",
    "very long": "canary-40-" + "y" * 5000,
}
KINDS = CANARIES | (MORE_CANARIES if times(0, 1) else {})
FUNCTION = """
import sys
import pandas as pd
from sqlflow import Context, block

@block
def function(context: Context) -> pd.DataFrame:
    told = context.env("CANARY")
    print("printed", told)
    for stream in (sys.stdout, sys.stderr):
        for half in (told[: len(told) // 2], told[len(told) // 2 :], "\\n"):
            stream.write(half)
            stream.flush()
    context.log.warning("logged %s", told)
    try:
        raise ValueError(told)
    except ValueError as error:
        raise RuntimeError([told, {told: told}]) from error
"""
FILES = {
    "sqlflow.yml": """
name: shop
env: [API_TOKEN, CANARY]
target: dev
vars: {x: "{{ env('CANARY') }}"}
targets:
  dev: {engine: duckdb, path: warehouse.duckdb}
  no_setting: {engine: duckdb, settings: {no_such_setting: "{{ env('CANARY') }}"}}
  no_value: {engine: duckdb, memory_limit: "{{ env('CANARY') }}"}
  no_folder: {engine: duckdb, path: "no/{{ env('CANARY') }}/warehouse.duckdb"}
""",
    "typed/sqlflow.yml": """
name: shop
threads: "{{ env('CANARY') }}"
keep: "{{ env('CANARY') }}"
targets:
  no_number: {engine: duckdb, threads: "{{ env('CANARY') }}"}
  no_key: {engine: duckdb, sandbox: "{{ env('CANARY') }}"}
  no_engine: {engine: "{{ env('CANARY') }}"}
""",
    "parted/sqlflow.yml": "name: shop\nvars: {x: \"{{ env('CANARY') }}\", y: [1, 2\n",
    "macros/m.sql": "{% macro told() %}'{{ var('x') | replace(\"'\", \"''\") }}'{% endmacro %}",
    "blocks/rows.sql": "/*---\nassert: [n > 1, {matches: {v: '^no$'}}]\n---*/\nselect 1 as n, {{ told() }} as v",
    "blocks/cast.sql": "select cast({{ told() }} as integer) as n",
    "blocks/column.sql": "select \"{{ var('x') | replace('\"', '\"\"') }}\" as n from range(1)",
    "blocks/file.sql": "select * from read_csv({{ told() }} || '.csv')",
    "blocks/error.sql": "select error({{ told() }})::integer as n",
    "blocks/token.sql": "select error('{{ env('API_TOKEN') }}')::integer as n",
    "blocks/function.py": FUNCTION,
    "blocks/view.sql": "/*---\nmaterialize: view\ndescription: A view.\n---*/\nselect {{ told() }} as v",
    "assertions/none.sql": "select {{ told() }} as v, error({{ told() }})",
}
COMMANDS = (
    "build --exclude column", "build --exclude column --output json --full-refresh", "plan", "plan --output json", "build", "check",
    "build --exclude column --output jsonl --publish passing --full-refresh", "check --output json", "build --output json",
    "list", "list --output json", "lineage", "render view", "render cast", "show view", "show cast", "show rows", "failures",
    "failures --output json", "test", "debug", "build rows+ --vars x=fine --debug", "show cast --debug",
    *(f"{command} --target {name}" for command in ("build", "debug", "list", "plan") for name in ("no_setting", "no_value", "no_folder")),
    *(f"plan --project-dir typed --target {name}" for name in ("no_number", "no_key", "no_engine")), "plan --project-dir parted",
)  # fmt: skip


PART = 16
"""So many letters of a secret that was cut are a secret, too."""


def forms(canary: str) -> Iterator[str]:
    for text in {canary, canary.strip(), *canary.split("\n")} - {""}:
        yield from (text, quote(text), quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1], repr(text)[1:-1])
        yield from (text[:PART], text[-PART:]) if len(text) > 2 * PART else ()
        yield from (text.replace("'", "''"), base64.b64encode(text.encode()).decode().rstrip("="))


def written(folder: Path) -> str:
    """Return all that was written below a folder, of the database the state alone: the data are the user's."""
    texts = [
        path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file() and path.suffix != ".duckdb"
    ]
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as warehouse:
        tables = warehouse.execute(
            "select table_name from duckdb_tables() where table_name like 'sqlflow_%'"
        ).fetchall()
        texts += [str(warehouse.execute(f"from _sqlflow.{name}").fetchall()) for (name,) in tables]
    return "\n".join(texts)


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_is_in_nothing_that_is_printed_or_written(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, FILES)
    (tmp_path / "traces").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "traces"))
    monkeypatch.setenv("CANARY", KINDS[kind])
    monkeypatch.setenv("API_TOKEN", "canary-token-99")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    said = {command: called(command)[1] for command in COMMANDS}
    said["what is written"] = written(tmp_path)
    found = [
        (where, form)
        for where, text in said.items()
        for form in (*forms(KINDS[kind]), "canary-token-99")
        if form in text
    ]
    assert not found
    assert said["build --exclude column"].count("***") >= 5
    assert "***" in said["check"]
    assert "RuntimeError" in said["build --exclude column"]
    assert "logged ***" in said["build --exclude column"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://ann:p%40ss@db:5432/x failed", "postgresql://ann:***@db:5432/x failed"),
        ("connection to 'host=db password=hunter2 user=a'", "connection to 'host=db password=*** user=a'"),
        ("PASSWORD = 'a b\\'c' sslmode=require", "PASSWORD = *** sslmode=require"),
        ("https://example.org/a:b?c=d", "https://example.org/a:b?c=d"),
        ("select 1 as a where b = c", "select 1 as a where b = c"),
    ],
)
def test_passwords_of_urls_and_connection_strings_are_masked_wherever_they_come_from(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_the_password_of_an_url_is_masked_alone_too() -> None:
    hide(["postgresql://ann:open%2Fsesame@db/x"])
    assert masked("user ann, open/sesame or open%2Fsesame") == "user ann, *** or ***"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("told open-ses…", "told ***…"),
        ("told open-ses … cut", "told *** … cut"),
        ("…same-street is told", "…*** is told"),
        ("told open-sesame-str…eet", "told ***…eet"),
        ("told ope…", "told ope…"),
        ("told open-house…", "told open-house…"),
        ("open open-s…", "open ***…"),
    ],
)
def test_what_a_cut_has_left_of_a_secret_is_masked_too(text: str, expected: str) -> None:
    hide(["open-sesame-street"])
    assert masked(text) == expected
