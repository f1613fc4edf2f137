"""What is built at once, and in which order, told from the events of real builds."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from serving import gated, waited
from support import write

from sqlflow.app import Project
from sqlflow.core import events

SLOW = "select count(*) as n from range(300000) as a where sqrt(a.range) > 1"


def project(folder: Path, settings: str, blocks: dict[str, str]) -> Project:
    (folder / "sqlflow.yml").write_text(f"name: shop\n{settings}\n")
    (folder / "blocks").mkdir(exist_ok=True)
    for name, front in blocks.items():
        keys, _, query = front.partition(" | ")
        (folder / f"blocks/{name}.sql").write_text(f"/*---\n{keys}\n---*/\n{query or SLOW}\n")
    return Project.load(folder)


def started(built: Project, threads: int) -> list[str]:
    heard: list[str] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.BlockStarted):
            heard.append(event.block.removeprefix("main."))

    assert built.build(threads=threads, listener=listen).ok
    return heard


def test_no_pool_ever_holds_more_than_its_size(tmp_path: Path) -> None:
    weights = {f"b{number:02}": 1 + number % 3 for number in range(18)}
    pools = {name: ("heavy", "light")[number % 2] for number, name in enumerate(weights)}
    sizes = {"heavy": 3, "light": 4}
    fronts = {name: f"pool: {pools[name]}\nweight: {weight}" for name, weight in weights.items()}
    built = project(tmp_path, f"pools: {sizes}", fronts)
    used: Counter[str] = Counter()
    most: Counter[str] = Counter()

    def listen(event: events.Event) -> None:
        if isinstance(event, events.BlockStarted | events.BlockBuilt):
            name = event.block.removeprefix("main.")
            used[pools[name]] += weights[name] * (1 if isinstance(event, events.BlockStarted) else -1)
            most.update({pool: max(0, used[pool] - most[pool]) for pool in used})

    assert built.build(threads=8, listener=listen).ok
    assert dict(used) == {"heavy": 0, "light": 0}
    assert most["heavy"] == 3
    assert most["light"] in (3, 4)


def test_a_block_that_takes_all_places_does_not_wait_for_ever_behind_small_ones(tmp_path: Path) -> None:
    small = {f"{letter}{number}": "pool: heavy" for letter in "az" for number in range(6)}
    order = started(project(tmp_path, "pools: {heavy: 2}", {**small, "m": "pool: heavy\nweight: 2"}), 4)
    assert sorted(order[:6]) == [f"a{number}" for number in range(6)]
    assert order[6] == "m"


def test_what_waits_for_something_to_come_takes_no_place_in_its_pool_and_no_thread(tmp_path: Path) -> None:
    busy, gate = gated(tmp_path)
    blocks = {
        "late": "pool: heavy\nweight: 2\npriority: 1\nwait_for: [{file: come.txt, every: 0.01s}]", "other": "pool: heavy",
    }  # fmt: skip
    write(tmp_path, {"blocks/gated.py": busy.replace("@block", "@block(pool='heavy', priority=9)")})
    heard: list[str] = []

    def listen(event: events.Event) -> None:
        match event:
            case events.BlockWaiting():  # while the block that is built holds a place of the pool
                gate.touch()
            case events.BlockBuilt(block="main.other"):
                (tmp_path / "come.txt").touch()
        if isinstance(event, events.BlockBuilt | events.BlockWaiting):
            heard.append(event.block.removeprefix("main."))

    assert project(tmp_path, "pools: {heavy: 2}", blocks).build(threads=2, timeout=300, listener=listen).ok
    assert (heard[0], sorted(heard[1:3]), heard[3]) == ("late", ["gated", "other"], "late")


def test_a_run_that_only_waits_gives_back_its_sessions_and_processes(tmp_path: Path, postgres_url: str) -> None:
    settings = f"targets: {{dev: {{engine: postgres, url: '{postgres_url}'}}}}"
    function = "from sqlflow import block\n\n\n@block\ndef {name}(one):\n    return one\n"
    waiting = "depends_on: [made, more]\nwait_for: [{file: come.txt, every: 2s}] | select 1 as id"
    blocks = {"one": " | select 1 as id", "late": waiting, "later": waiting}
    write(tmp_path, {f"blocks/{name}.py": function.format(name=name) for name in ("made", "more")})
    built, before = project(tmp_path, settings, blocks), children()
    heard: list[events.Event] = []
    with psycopg.connect(postgres_url, autocommit=True) as watch, ThreadPoolExecutor(1) as other:

        def held() -> tuple[int, int]:
            asked = (
                "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            )
            return watch.execute(asked).fetchall()[0][0], len(children() - before)

        run = other.submit(lambda: built.build(threads=3, timeout=300, listener=heard.append))
        waited(lambda: sum(isinstance(event, events.BlockWaiting) for event in heard) == 2)
        waited(
            lambda: (found := held())[0] <= 3 and not found[1]
        )  # the lock of the target, its heartbeat, and what tells of the target
        (tmp_path / "come.txt").touch()
        assert run.result().ok


def children() -> set[str]:
    """Return the processes that this one has begun."""
    found = (path.read_text().split() for path in Path("/proc/self/task").glob("*/children"))
    return {pid for pids in found for pid in pids}


def test_what_is_urgent_goes_first_with_all_that_it_reads(tmp_path: Path) -> None:
    blocks = {
        "a": "",
        "b": "priority: -1",
        "x_input": " | select 1 as one",
        "x_urgent": "priority: 10 | select * from x_input",
        "y": "priority: 5",
    }
    assert started(project(tmp_path, "", blocks), 1) == ["x_input", "x_urgent", "y", "a", "b"]


def test_a_pool_that_is_full_holds_no_other_up(tmp_path: Path) -> None:
    blocks = {"a": "pool: heavy\npriority: 9", "b": "pool: heavy\npriority: 9", "c": ""}
    order = started(project(tmp_path, "pools: {heavy: 1}", blocks), 2)
    assert order.index("c") < order.index("b")
