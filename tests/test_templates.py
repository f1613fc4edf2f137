"""The templates of `sqlflow new`: each runs as it is, and again without building anything."""

from pathlib import Path

import pytest
from test_cases import called

from sqlflow.app import Project
from sqlflow.cli.templating import BLOCKS, PIPELINES


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "blocks").mkdir()
    (tmp_path / "sqlflow.yml").write_text("name: shop\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_a_dozen_of_blocks() -> None:
    assert len(BLOCKS) >= 12


@pytest.mark.parametrize("template", BLOCKS)
def test_a_block_of_a_template_builds_as_it_is(shop: Path, template: str) -> None:
    assert called(f"new block marts.x --template {template}")[0] == 0
    report = Project.load(shop).build()
    assert [(str(block.block), block.status) for block in report.blocks] == [("marts.x", "built")], report.problems
    assert report.ok
    assert {result.status for result in report.assertions} <= {"passed"}
    assert Project.load(shop).build().ok


@pytest.mark.parametrize("template", [name for name in BLOCKS if name not in ("api", "python", "r")])
def test_a_block_of_a_template_builds_on_postgres(shop: Path, template: str, postgres_url: str) -> None:
    (shop / "sqlflow.yml").write_text(f"name: shop\ntargets: {{dev: {{engine: postgres, url: '{postgres_url}'}}}}\n")
    assert called(f"new block marts.x --template {template}")[0] == 0
    report = Project.load(shop).build()
    assert (report.status, [str(relation) for relation in report.published]) == ("succeeded", ["marts.x"])


@pytest.mark.parametrize("template", PIPELINES)
def test_a_pipeline_of_a_template_runs_as_it_is(shop: Path, template: str) -> None:
    (shop / "blocks/a.sql").write_text("select 1 as one")
    assert called(f"new pipeline x --template {template}")[0] == 0
    assert called("build --pipeline x")[0] == 0
    assert called("check")[0] == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("block x --template stagin", "did you mean `staging`?"),
        ("pipeline x --template staging", "there are `nightly`"),
        ("block a/b", "`a/b` cannot be the name of a block"),
        ("block sqlflow_x", "names that begin with `sqlflow_` are reserved"),
        ("pipeline marts.x", "`marts.x` cannot be the name of a pipeline"),
        ("block a", "`blocks/a.sql` is there already"),
        ("block x --rows 2", "`--rows` is for unit tests"),
        ("unit-test a --template staging", "a unit test has no `--template`"),
    ],
)
def test_what_cannot_be_made_is_told_and_nothing_is_left(shop: Path, line: str, words: str) -> None:
    (shop / "blocks/a.sql").write_text("select 1 as one")
    before = sorted(shop.rglob("*.*"))
    code, text = called(f"new {line}")
    assert code == 2
    assert words in text
    assert sorted(shop.rglob("*.*")) == before


def test_the_page_tells_the_templates() -> None:
    text = (Path(__file__).parent.parent / "docs/commands/new.md").read_text()
    for name, what in {**BLOCKS, **PIPELINES}.items():
        assert f"| `{name}` | {what}" in text
