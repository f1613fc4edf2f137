"""The benchmarks in one table: what sqlflow takes, what it is compared with, their ratio and the budget.

    python benchmarks/bench.py [--quick] [--folder .bench] [--blocks 1000] [--runs 3]

Figures are medians of CPU seconds, user and system, of the whole process tree, and of wall seconds; both sides run on the same
machine. The ratio is that of CPU seconds, but where wall seconds are told as what is compared.
Writes `results.md` and `results.json` into the folder. `--quick` leaves out what needs another tool, and takes minutes.
Ends with 1 if a ratio is more than twice its budget: machines are noisy.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import assertions
import assertions_on_postgres
import build_on_postgres
import content
import heavy
import peers
import postgres_arrow
import postgres_server
import warehouse
from measure import Figure, in_turn, median, taken

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
YATO = "from yato import Yato; Yato('warehouse.duckdb', 'sql', schema='transform').run()"
FRAMES = Path(__file__).with_name("python_frames.py")
IDLE_SECONDS = 30.0
TOLERANCE = 2.0


@dataclass(frozen=True, slots=True)
class Row:
    """One work: both figures, and how often the other one's CPU seconds the work may take."""

    work: str
    ours: Figure
    other: str
    theirs: Figure
    budget: float
    megabytes: float | None = None
    """How much memory the work may take, where that is limited."""
    seconds: Literal["cpu", "wall"] = "cpu"
    """Which seconds are compared."""

    @property
    def is_within(self) -> bool:
        return self.ratio <= self.budget and self.ours.megabytes <= (self.megabytes or self.ours.megabytes)

    @property
    def ratio(self) -> float:
        ours, theirs = getattr(self.ours, self.seconds), getattr(self.theirs, self.seconds)
        return float(ours / theirs)

    @property
    def cells(self) -> tuple[str, ...]:
        verdict = "yes" if self.is_within else "**no**"
        return (
            self.work, f"{self.ours.cpu:.2f}", f"{self.ours.wall:.2f}", f"{self.ours.megabytes:.0f}", self.other,
            f"{self.theirs.cpu:.2f}", f"{self.theirs.wall:.2f}", self.seconds, f"{self.ratio:.3f}", f"{self.budget:.3f}", verdict,
        )  # fmt: skip


HEAD = ("work", "CPU s", "wall s", "MB", "beside", "CPU s", "wall s", "compared", "ratio", "budget", "within")


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
    full, by_hand = in_turn(lambda: _cold(ours, build), lambda: _floor(floor), runs)
    yield Row(f"full build, {blocks} blocks", full, "the floor", by_hand, 1.3)
    taken(build, ours)
    for words in ("build", "build final.fin_00"):
        completed = times(lambda words=words: _completed(words, ours))  # type: ignore[misc]
        yield Row(f"completion of `{words}`", completed, "python + click", click, 1.5)
    for templated, words in ((False, "one file edited, then plan"), (True, "the same, of a file with Jinja")):
        touched, edited = in_turn(
            lambda of=templated: _edited(ours, lambda text: text, build, blocks, of),  # type: ignore[misc]
            lambda of=templated: _edited(ours, _remarked, [SQLFLOW, "plan"], blocks, of),  # type: ignore[misc]
            runs,
        )
        yield Row(words, edited, "nothing to do, one file touched", touched, 1 + 0.06 / touched.cpu)
    _settle(ours, build)
    idle = times(lambda: taken(build, ours))
    loading = [SQLFLOW, "list", "--output", "json"]
    first = times(lambda: _cold(ours, loading))
    for name in content.engines():
        whole = content.measured(name, 1_000_000, runs)[content.ALL]
        hashing, building = (Figure(seconds, seconds, 0) for seconds in (whole.content, whole.build))
        yield Row(f"hashing the content of 7 blocks, {name}", hashing, "building them", building, 0.15)
    yield from _of_more(folder, blocks, first, idle, times, (10,) if quick else (5, 10), with_build=not quick)
    if quick:
        return
    yield from _beside_dbt(folder, ours, blocks, full, first, idle, times)
    yield from _beside_others(folder, min(blocks, 100), times)
    yield from _on_postgres(folder, min(blocks, 100), runs)
    yield from _of_many_rows(runs)
    import service

    nothing = service.idle(folder / "served", 100, IDLE_SECONDS)
    yield Row(
        "`serve` with nothing to do",
        nothing,
        "a whole core",
        Figure(IDLE_SECONDS, IDLE_SECONDS, 0),
        0.01,
        megabytes=120,
    )


Times = Callable[[Callable[[], Figure]], Figure]


def _of_more(
    folder: Path, blocks: int, first: Figure, idle: Figure, times: Times, factors: tuple[int, ...], with_build: bool
) -> Iterator[Row]:
    """Yield what more blocks take beside `blocks` of them: linear for a first load, less for a build with nothing to do."""
    loading, build = [SQLFLOW, "list", "--output", "json"], [SQLFLOW, "build", "--quiet", "--threads", "2"]
    for factor in factors:
        count = blocks * factor
        many = _fresh(folder / "many", "sqlflow", count)
        load = median(lambda many=many: _cold(many, loading), 1)  # type: ignore[misc]
        yield Row(f"first load, {count} blocks", load, f"of {blocks}", first, 1.1 * factor, megabytes=600)
        if with_build:
            taken(build, many)
            _settle(many, build)
            again = times(lambda many=many: taken(build, many))  # type: ignore[misc]
            yield Row(f"nothing to do, {count} blocks", again, f"of {blocks}", idle, 0.4 * factor)
    shutil.rmtree(folder / "many", ignore_errors=True)


def _beside_others(folder: Path, blocks: int, times: Times) -> Iterator[Row]:
    """Yield what SQLMesh and yato take for the same blocks. yato has no checks, and runs everything each time."""
    ours = _fresh(folder / "few", "sqlflow", blocks)
    build = [SQLFLOW, "build", "--quiet", "--threads", "2"]
    full = times(lambda: _cold(ours, build))
    _settle(ours, build)
    idle = times(lambda: taken(build, ours))
    sqlmesh, planned = peers.sqlmesh(folder / "peers"), ["plan", "--auto-apply", "--no-prompts"]
    theirs = folder / "sqlmesh"
    whole = median(lambda: taken([sqlmesh, *planned], _fresh(theirs, "sqlmesh", blocks)), 1)
    yield Row(f"full build, {blocks} blocks", full, "sqlmesh plan", whole, 1 / 5)
    again = times(lambda: taken([sqlmesh, *planned], theirs))
    yield Row(f"nothing to do, {blocks} blocks", idle, "sqlmesh plan", again, 1 / 30)
    python = peers.yato(folder / "peers")
    plain = times(lambda: taken([python, "-c", YATO], _fresh(folder / "yato", "yato", blocks)))
    yield Row(f"full build, {blocks} blocks", full, "yato, without checks", plain, 1.0)


def _on_postgres(folder: Path, blocks: int, runs: int) -> Iterator[Row]:
    """Yield what a build, assertions, and rows on their way in and out take. Of assertions the server's CPU seconds count."""
    own = folder / "postgres"
    try:
        built = build_on_postgres.compared(folder, blocks, runs)
        for other, name, budget in (("hand", "the floor", 1.3), ("dbt", "dbt build", 1 / 3)):
            yield Row(f"full build, {blocks} blocks, Postgres", built["sqlflow"], name, built[other], budget)
        (client, server), (hand, by_hand) = assertions_on_postgres.compared(own / "checked", 1_000_000, runs)
        words = "20 assertions, 1 million rows, Postgres: the server"
        yield Row(words, replace(server, megabytes=client.megabytes), "20 queries by hand", by_hand, 1 / 3)
        words = "20 assertions, 1 million rows, Postgres: all"
        yield Row(words, client + server, "20 queries by hand", hand + by_hand, 1 / 3)
        found = postgres_arrow.compared(own, 1_000_000, runs)
    finally:
        postgres_server.stop()
        shutil.rmtree(own, ignore_errors=True)
    whole = {key: client + server for key, (client, server) in found.items()}
    for way in ("in", "out"):
        for side, name, budget in (("adbc", "ADBC", 1.0), ("csv", "COPY of CSV", 1.5)):
            yield Row(f"Arrow {way}, 1 million rows, Postgres", whole[way, "ours"], name, whole[way, side], budget)


def _of_many_rows(runs: int) -> Iterator[Row]:
    """Yield what large tables take: where the engine does the work, nothing may come on top of it."""
    ours, by_hand = heavy.compared(6, runs)
    yield Row("full build, 20 heavy blocks, 2 threads", ours, "by hand, 2 threads", by_hand, 1.05, seconds="wall")
    ours, by_hand = assertions.compared(20, runs)
    yield Row("20 assertions, 20 million rows, DuckDB", ours, "20 queries by hand", by_hand, 1.0)
    more, few = (taken([PYTHON, FRAMES, "0", str(rows)], Path.cwd()) for rows in (100_000_000, 10_000_000))
    yield Row("100 million rows streamed through Python", more, "10 million", few, 11.0, megabytes=1024)
    import python_frames  # only now: what a process starts with counts as the memory of those that it starts

    for kind, (block, by_hand) in python_frames.compared(10_000_000, runs).items():
        words = f"10 million rows through Python, {kind}"
        yield Row(words, block, "the same by hand", by_hand, 1.5, seconds="wall")


def _beside_dbt(
    folder: Path, ours: Path, blocks: int, full: Figure, first: Figure, idle: Figure, times: Times
) -> Iterator[Row]:
    dbt, theirs = peers.dbt(folder / "peers"), _fresh(folder / "dbt", "dbt", blocks)
    words = ["--quiet", "--profiles-dir", "."]

    def parsed() -> Figure:
        shutil.rmtree(theirs / "target", ignore_errors=True)
        return taken([dbt, "parse", *words], theirs)

    yield Row(f"first load, {blocks} blocks", first, "dbt parse, cold", times(parsed), 1 / 6)
    yield Row(f"full build, {blocks} blocks", full, "dbt build", taken([dbt, "build", *words], theirs), 1 / 3)
    modified = [dbt, "build", *words, "-s", "state:modified+", "--state", "state"]
    shutil.rmtree(theirs / "state", ignore_errors=True)
    shutil.copytree(theirs / "target", theirs / "state")
    yield Row("nothing to do", idle, "dbt build -s state:modified+", times(lambda: taken(modified, theirs)), 1 / 30)
    build = [SQLFLOW, "build", "--quiet", "--threads", "2"]
    taken(build, ours)
    changed = times(lambda: _edited(ours, _doubled, build, blocks, True))
    yield Row(
        "one block changed, about 10 below", changed, "dbt build -s state:modified+",
        times(lambda: _edited(theirs, _doubled, modified, blocks, True, "models")), 1 / 15,
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


def _settle(folder: Path, build: list[str | Path]) -> None:
    """Build twice more: the first build with nothing to do finds that it is worth while to look at files, the next what they are."""
    for _ in range(2):
        taken(build, folder)


def _completed(words: str, folder: Path) -> Figure:
    """Return what a shell waits for when somebody presses the key behind `sqlflow` and words, the last of which is not whole."""
    asked = {
        "COMP_WORDS": f"sqlflow {words}",
        "COMP_CWORD": str(len(words.split())),
        "_SQLFLOW_COMPLETE": "bash_complete",
    }
    return taken([SQLFLOW], folder, variables=asked)


def _floor(folder: Path) -> Figure:
    warehouse.write_sources(folder / "warehouse.duckdb")
    return taken([PYTHON, "-c", FLOOR], folder)


def _edited(
    folder: Path, edit: Callable[[str], str], command: list[str | Path], blocks: int, templated: bool,
    below: str = "blocks",
) -> Figure:  # fmt: skip
    """Return what a command takes after an edit of one file; the edit is kept, so that the next one is another."""
    model = _model_with_readers(blocks, 10, templated)
    file = folder / below / model.layer / f"{model.name}.sql"
    file.write_text(edit(file.read_text()))
    return taken(command, folder)


def _remarked(text: str) -> str:
    return text + "\n-- looked at\n"


def _doubled(text: str) -> str:
    return text.replace("    total_amount", "    2 * total_amount", 1)


def _model_with_readers(blocks: int, wanted: int, templated: bool) -> warehouse.Model:
    """Return the block, one with Jinja or one without, of which about `wanted` others are built."""
    found = warehouse.models(blocks)
    below: dict[str, set[str]] = {}
    for model in reversed(found):
        own = below.setdefault(model.full_name, set())
        for read in model.reads:
            below.setdefault(read, set()).update({model.full_name}, own)
    chosen = (model for model in found if model.templated == templated)
    return min(chosen, key=lambda model: abs(len(below[model.full_name]) - wanted))


if __name__ == "__main__":
    main()
