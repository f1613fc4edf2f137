"""What R is told of a call."""

from pathlib import Path
from typing import Any

from sqlflow.core.errors import BuildError, Problem
from sqlflow.core.runtime import CONTEXT, OUTPUT, Call
from sqlflow_r.literals import r_literal
from sqlflow_r.mishaps import placed

CHUNK_ROWS = 1_000_000
_LARGE_CELLS = 1_000_000


def job(call: Call, inputs: dict[str, Any], mark: str, checks: bool) -> str:
    """Return the R code of a call. Raise BuildError for a value that R cannot hold."""
    output, text = beside(call, "output"), beside(call, "text.R")
    output.mkdir()
    text.write_text(call.source.text, "utf-8")
    function = call.function
    special = ([OUTPUT] if function.output else []) + ([CONTEXT] if function.takes_context else [])
    about = {
        "root": str(call.root.resolve()),
        "path": call.source.path,
        "text": str(text),
        "name": function.name,
        "bare": [argument.name for argument in function.arguments] + special,
        "options": [name for name, _ in function.options],
        "inputs": inputs,
        "output": str(output),
        "takes_context": function.takes_context,
        "env": dict(call.surroundings.env),
        "seed": _seed(call),
        "checks": checks,
        "chunk": CHUNK_ROWS,
        "large": any(given["rows"] * len(given["columns"]) > _LARGE_CELLS for given in inputs.values()),
        "mark": mark,
    }
    try:
        return r_literal(about | {"values": dict(call.values), "context": _context(call)})
    except ValueError as error:
        raise BuildError(placed(Problem(f"a var or a default of `{function.name}`: {error}"), call)) from error


def beside(call: Call, name: str) -> Path:
    """Return the path of a file of ours: beside the function's own folder, with which it goes."""
    return call.scratch.parent / f"{call.scratch.name}-{name}"


def _seed(call: Call) -> int:
    """Return the seed as `set.seed` takes it: R's are integers of 32 bits."""
    return call.surroundings.seed % (1 << 31)


def _context(call: Call) -> dict[str, Any]:
    about = call.surroundings
    return {
        "vars": dict(about.vars), "block": about.block, "target": about.target, "run": about.run, "seed": _seed(call),
        "scratch": str(call.scratch), "project": str(call.root.resolve()), "start": about.start, "end": about.end, "incremental": about.incremental,
    }  # fmt: skip
