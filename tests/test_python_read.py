"""What Python files declare: every file of fixtures/functions.py.txt, none of which is run."""

import pytest
from declared import Case, cases, said

from sqlflow.core.errors import ProjectError
from sqlflow.core.runtime import FunctionFile
from sqlflow.core.text import SourceFile
from sqlflow_python.reading import declared

CASES = cases("functions.py.txt")
CASES_AT_LEAST = 50
LIB = {
    path: SourceFile(path, text)
    for path, text in {
        "lib/clean.py": "import numpy\nfrom lib.deep import down\ncleaned = down\n",
        "lib/deep.py": "def down(x): return x\n",
        "lib/clock.py": "import time\ndef now(): return time.time()\n",
    }.items()
}


def of(text: str) -> FunctionFile:
    found = declared(SourceFile("blocks/block.py", text), LIB)
    assert found is not None
    return found


@pytest.mark.parametrize("case", [case for case in CASES if not case.wrong], ids=lambda case: case.name)
def test_what_a_file_declares(case: Case) -> None:
    assert said(of(case.text), "pandas") == case.says


@pytest.mark.parametrize("case", [case for case in CASES if case.wrong], ids=lambda case: case.name)
def test_what_is_wrong_with_a_file(case: Case) -> None:
    with pytest.raises(ProjectError) as raised:
        of(case.text)
    problems = raised.value.problems
    assert {f"{p.place.line}:{p.place.column} {p.message}" for p in problems if p.place} == set(case.wrong)


def test_the_fixture_is_as_large_as_promised_and_its_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= CASES_AT_LEAST


def test_a_package_s_own_file_declares_nothing() -> None:
    assert declared(SourceFile("blocks/__init__.py", "x = 1\n"), LIB) is None


def test_places_are_those_of_the_file() -> None:
    text = "@block(description='Täglich.', tags=['a'])\r\ndef d(flüge, context): context.sql('select 1')\r\n"
    block = of(text).block
    assert block.settings is not None
    tags = block.settings.get("tags")
    assert tags is not None
    assert (tags.items[0].place.line, tags.items[0].place.column) == (1, 38)
    spans = [(block.start, block.end), *((one.start, one.end) for one in (*block.arguments, *block.asked))]
    assert [text[start:end] for start, end in spans] == ["d", "flüge", "select 1"]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("@block\ndef daily(a):\n    # why\n\n    return a + 1\n", True),
        ("@block(description='x', tags=['a'])\ndef daily( a ):\n    return (a+1)\n", True),
        ("@block\ndef daily(a):\n    return a + 1\n\n@assertion\ndef check(output): ...\n", True),
        ("@block\ndef daily(a):\n    return a + 2\n", False),
        ("@block\ndef daily(a: pl.DataFrame):\n    return a + 1\n", False),
        ("@block\ndef daily(a):\n    return a + 1\nLIMIT = 3\n", False),
        ("from lib import deep\n@block\ndef daily(a):\n    return a + 1\n", False),
        ("@cache\n@block\ndef daily(a):\n    return a + 1\n", False),
    ],
)
def test_the_code_is_what_shapes_the_rows(other: str, same: bool) -> None:
    code = of("@block\ndef daily(a):\n    return a + 1\n").block.code
    assert (code == of(other).block.code) is same
