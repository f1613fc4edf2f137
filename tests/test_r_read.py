"""What R files declare: every file of fixtures/functions.R, and what R itself says of its own functions."""

import json
import subprocess

import pytest
from declared import Case, cases, said

from sqlflow.core.errors import ProjectError
from sqlflow.core.runtime import FunctionFile
from sqlflow.core.text import SourceFile
from sqlflow.read.yaml import parse
from sqlflow_r.read import declared, formals
from sqlflow_r.tokens import expressions, tokens

CASES_AT_LEAST = 60
FUNCTIONS_AT_LEAST = 3_000
LIB = {
    path: SourceFile(path, text)
    for path, text in {
        "lib/clean.R": 'library(stats)\nsource("lib/deep.R")\ncleaned <- function(x) deep(x)\n',
        "lib/deep.R": "deep <- function(x) x\n",
        "lib/clock.R": "now <- function() Sys.time()\n",
    }.items()
}


CASES = cases("functions.R")


def _of(text: str) -> FunctionFile:
    return declared(SourceFile("blocks/block.R", text), parse, LIB)


@pytest.mark.parametrize("case", [case for case in CASES if not case.wrong], ids=lambda case: case.name)
def test_what_a_file_declares(case: Case) -> None:
    assert said(_of(case.text), "data.frame") == case.says


@pytest.mark.parametrize("case", [case for case in CASES if case.wrong], ids=lambda case: case.name)
def test_what_is_wrong_with_a_file(case: Case) -> None:
    with pytest.raises(ProjectError) as raised:
        _of(case.text)
    problems = raised.value.problems
    assert {f"{p.place.line}:{p.place.column} {p.message}" for p in problems if p.place} == set(case.wrong)


def test_the_fixture_is_as_large_as_promised_and_its_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= CASES_AT_LEAST


def test_places_are_those_of_the_file() -> None:
    text = "#' ---\r\n#' description: Daily.\r\n#' ---\r\nd <- function(flüge, context) context$sql('select 1')\r\n"
    block = _of(text).block
    assert block.settings is not None
    description = block.settings.get("description")
    assert description is not None
    assert (description.place.line, description.place.column, description.place.text) == (
        2,
        17,
        "#' description: Daily.",
    )
    spans = [(block.start, block.end), *((one.start, one.end) for one in (*block.arguments, *block.asked))]
    assert [text[start:end] for start, end in spans] == ["d", "flüge", "select 1"]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("daily <- function(a) {\n  # why\n\n  a + 1\n}\n", True),
        ("daily <- function( a ){ a+1 }", True),
        ("daily <- function(a) { a + 1 }\n#' @assertion\ncheck <- function(output) TRUE\n", True),
        ("#' ---\n#' description: Daily.\n#' ---\ndaily <- function(a) { a + 1 }", True),
        ("daily <- function(a) { a + 2 }", False),
        ("daily <- function(a) { a\n + 1 }", False),
        ("#' @frame a tibble\ndaily <- function(a) { a + 1 }", False),
        ("daily <- function(a) { a + 1 }\nlimit <- 3", False),
        ('daily <- function(a) { a + 1 }\nsource("lib/deep.R")', False),
    ],
)
def test_the_code_is_what_shapes_the_rows(other: str, same: bool) -> None:
    assert (_of("daily <- function(a) { a + 1 }").block.code == _of(other).block.code) is same


_DEPARSED = """
options(keep.source = FALSE, warn = -1)
for (package in rownames(installed.packages(priority = c("base", "recommended")))) {
  space <- tryCatch(suppressMessages(loadNamespace(package)), error = function(e) NULL)
  for (name in if (!is.null(space)) ls(space, all.names = TRUE)) {
    found <- get(name, space)
    if (!is.function(found) || is.primitive(found) || isS4(found)) next
    code <- tryCatch(deparse(found), warning = function(w) NULL)
    if (is.null(code) || !startsWith(code[1], "function") || any(grepl("<(pointer|environment|bytecode|S4)", code))) next
    bare <- vapply(formals(found), function(one) is.name(one) && !nzchar(as.character(one)), NA)
    cat("\\001", paste(names(formals(found)), collapse = " "), "\\002", paste(names(bare)[bare], collapse = " "), "\\002x <- ",
        paste(code, collapse = "\\n"), "\\nafter <- 1\\n", sep = "")
  }
}
"""


def test_the_arguments_of_all_functions_of_r_are_read_as_r_reads_them() -> None:
    printed = subprocess.run(["Rscript", "--vanilla", "-e", _DEPARSED], capture_output=True, check=True).stdout
    functions = [part.split("\x02") for part in printed.decode("utf-8", "replace").split("\x01")[1:]]
    assert len(functions) >= FUNCTIONS_AT_LEAST
    wrong = [code for names, bare, code in functions if _read(code) != (names.split(), bare.split())]
    assert not wrong, json.dumps(wrong[:3])


def _read(code: str) -> tuple[list[str], list[str]]:
    found = list(expressions(tokens(SourceFile("x.R", code))))
    assert len(found) == 2, code
    read = formals(found[0])
    return [formal[0].name for formal in read], [formal[0].name for formal in read if len(formal) == 1]
