"""All benchmarks in one table: what sqlflow takes, what it is compared with, their ratio and the budget.

    python benchmarks/bench.py [--quick] [--folder .bench] [--blocks 1000] [--runs 3]

Figures are medians of CPU seconds, user and system, of the whole process tree; both sides run in turn on the same machine.
Writes `results.md` and `results.json` into the folder. `--quick` leaves out what needs another tool, and takes minutes.
Ends with 1 if a ratio is more than twice its budget: machines are noisy.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import content
import peers
import warehouse
from measure import Figure, median, taken

BIN = Path(sys.executable).parent
SQLFLOW, PYTHON = BIN / "sqlflow", Path(sys.executable)
CLICK = "import click; click.Group('x').main(['--help'], standalone_mode=False)"
FLOOR = """
import duckdb, sys
connection = duckdb.connect("warehouse.duckdb", config={"threads": 2})
for statement in open("floor.sql").read().split(";"):
    if statement.strip():
        connection.execute(statement).fetchall()
"""
TOLERANCE = 2.0


@dataclass(frozen=True, slots=True)
class Row:
    """One work: both figures, and how often the other one's CPU seconds the work may take."""

    work: str
    ours: Figure
    other: str
    theirs: Figure
    budget: float

    @property
    def ratio(self) -> float:
        return self.ours.cpu / self.theirs.cpu

    @property
    def cells(self) -> tuple[str, ...]:
        verdict = "yes" if self.ratio <= self.budget else "**no**"
        return (
            self.work, f"{self.ours.cpu:.2f}", f"{self.ours.wall:.2f}", f"{self.ours.megabytes:.0f}", self.other,
            f"{self.theirs.cpu:.2f}", f"{self.ratio:.3f}", f"{self.budget:.3f}", verdict,
        )  # fmt: skip


HEAD = ("work", "CPU s", "wall s", "MB", "beside", "CPU s", "ratio", "budget", "within")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path(".bench"))
    parser.add_argument("--blocks", type=int)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    blocks = given.blocks or (200 if given.quick else 1000)
    folder = given.folder.resolve()
    rows = []
    for row in _rows(folder, blocks, given.runs, given.quick):
        rows.append(row)
        print("  ".join(row.cells), flush=True)
    table = "\n".join(
        "| " + " | ".join(cells) + " |" for cells in (HEAD, ("---",) * len(HEAD), *(r.cells for r in rows))
    )
    (folder / "results.md").write_text(f"{blocks} blocks, medians of {given.runs} runs\n\n{table}\n")
    (folder / "results.json").write_text(json.dumps([asdict(row) | {"ratio": row.ratio} for row in rows], indent=2))
    print(f"\n{table}")
    sys.exit(any(row.ratio > TOLERANCE * row.budget for row in rows))


def _rows(folder: Path, blocks: int, runs: int, quick: bool) -> Iterator[Row]:
    times = partial(median, runs=runs)
    taken([SQLFLOW, "build", "--help"], folder.parent)  # leaves compiled files behind
    click = times(lambda: taken([PYTHON, "-c", CLICK], folder.parent))
    for words in (["--version"], ["--help"], ["build", "--help"]):
        ours = times(lambda words=words: taken([SQLFLOW, *words], folder.parent))  # type: ignore[misc]
        yield Row(f"sqlflow {' '.join(words)}", ours, "python + click", click, 1.5)
    ours, floor = _fresh(folder / "ours", "sqlflow", blocks), _fresh(folder / "floor", "floor", blocks)
    build = [SQLFLOW, "build", "--quiet", "--threads", "2"]
    yield Row(
        f"full build, {blocks} blocks", times(lambda: _cold(ours, build)), "the floor",
        times(lambda: _floor(floor)), 1.3,
    )  # fmt: skip
    taken(build, ours)
    idle = times(lambda: taken(build, ours))
    edited = times(lambda: _edited(ours, lambda text: text + "\n-- looked at\n", [SQLFLOW, "plan"], blocks))
    yield Row("one file edited, then plan", edited, "nothing to do", idle, 1 + 0.06 / idle.cpu)
    many = _fresh(folder / "many", "sqlflow", blocks * 10)
    loading = [SQLFLOW, "list", "--output", "json"]
    first = times(lambda: _cold(ours, loading))
    yield Row(f"first load, {blocks * 10} blocks", median(lambda: _cold(many, loading), 1), f"of {blocks}", first, 11)
    for name in content.engines():
        whole = content.measured(name, 1_000_000, runs)[content.ALL]
        hashing, building = (Figure(seconds, seconds, 0) for seconds in (whole.content, whole.build))
        yield Row(f"hashing the content of 7 blocks, {name}", hashing, "building them", building, 0.15)
    if quick:
        return
    taken(build, many)
    yield Row(f"nothing to do, {blocks * 10} blocks", times(lambda: taken(build, many)), f"of {blocks}", idle, 4)
    yield from _beside_dbt(folder, ours, blocks, first, idle, times)


def _beside_dbt(
    folder: Path, ours: Path, blocks: int, first: Figure, idle: Figure, times: Callable[[Callable[[], Figure]], Figure]
) -> Iterator[Row]:
    dbt, theirs = peers.dbt(folder / "peers"), _fresh(folder / "dbt", "dbt", blocks)
    words = ["--quiet", "--profiles-dir", "."]

    def parsed() -> Figure:
        shutil.rmtree(theirs / "target", ignore_errors=True)
        return taken([dbt, "parse", *words], theirs)

    yield Row(f"first load, {blocks} blocks", first, "dbt parse, cold", times(parsed), 1 / 6)
    taken([dbt, "build", *words], theirs)
    modified = [dbt, "build", *words, "-s", "state:modified+", "--state", "state"]
    shutil.rmtree(theirs / "state", ignore_errors=True)
    shutil.copytree(theirs / "target", theirs / "state")
    yield Row("nothing to do", idle, "dbt build -s state:modified+", times(lambda: taken(modified, theirs)), 1 / 30)
    build = [SQLFLOW, "build", "--quiet", "--threads", "2"]
    taken(build, ours)
    changed = times(lambda: _edited(ours, _doubled, build, blocks))
    yield Row(
        "one block changed, about 10 below", changed, "dbt build -s state:modified+",
        times(lambda: _edited(theirs, _doubled, modified, blocks, "models")), 1 / 15,
    )  # fmt: skip


def _fresh(folder: Path, tool: str, blocks: int) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    warehouse.WRITERS[tool](folder, blocks)
    return folder


def _cold(folder: Path, command: list[str | Path]) -> Figure:
    """Return what a command takes in a project in which nothing was done before."""
    (folder / "warehouse.duckdb").unlink(missing_ok=True)
    shutil.rmtree(folder / ".sqlflow", ignore_errors=True)
    return taken(command, folder)


def _floor(folder: Path) -> Figure:
    warehouse.write_sources(folder / "warehouse.duckdb")
    return taken([PYTHON, "-c", FLOOR], folder)


def _edited(
    folder: Path, edit: Callable[[str], str], command: list[str | Path], blocks: int, below: str = "blocks"
) -> Figure:
    """Return what a command takes after an edit of one file; the edit is kept, so that the next one is another."""
    model = _model_with_readers(blocks, 10)
    file = folder / below / model.layer / f"{model.name}.sql"
    file.write_text(edit(file.read_text()))
    return taken(command, folder)


def _doubled(text: str) -> str:
    return text.replace("    total_amount", "    2 * total_amount", 1)


def _model_with_readers(blocks: int, wanted: int) -> warehouse.Model:
    """Return the block of which about `wanted` others are built."""
    found = warehouse.models(blocks)
    below: dict[str, set[str]] = {}
    for model in reversed(found):
        own = below.setdefault(model.full_name, set())
        for read in model.reads:
            below.setdefault(read, set()).update({model.full_name}, own)
    return min(found, key=lambda model: abs(len(below[model.full_name]) - wanted))


if __name__ == "__main__":
    main()
