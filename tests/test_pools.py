"""What is built at once, and in which order, told from the events of real builds."""

from collections import Counter
from pathlib import Path

from sqlflow.app import Project
from sqlflow.core import events

SLOW = "select count(*) as n from range(300000) as a where sqrt(a.range) > 1"


def project(folder: Path, settings: str, blocks: dict[str, str]) -> Project:
    (folder / "sqlflow.yml").write_text(f"name: shop\n{settings}\n")
    (folder / "blocks").mkdir()
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
