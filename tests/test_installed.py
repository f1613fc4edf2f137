"""What is installed is told as `importlib.metadata` tells it, wherever it is described."""

import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from sqlflow.read import installed

GROUP = "sqlflow.tried"
PLACES = {
    "a folder": {"one-1.0.dist-info": "[sqlflow.tried]\nfirst = json:dumps\n"},
    "extras and comments": {
        "one-1.0.dist-info": "[other]\nx = json\n\n[sqlflow.tried]\n# none = json\nfirst=json:JSONEncoder.encode [more]\n"
    },
    "the form of old setuptools": {"one.egg-info": "[sqlflow.tried]\nfirst = json\n"},
    "none of the group": {"one-1.0.dist-info": "[sqlflow.others]\nfirst = json\n"},
    "two of one name": {"one-1.0.dist-info": "[sqlflow.tried]\nsame = json:dumps\n", "two-1.0.dist-info": "[sqlflow.tried]\nsame = json:loads\n"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    for cached in (installed._folders, installed.points):
        cached.cache_clear()
    yield
    for cached in (installed._folders, installed.points):
        cached.cache_clear()


def _install(folder: Path, described: dict[str, str], version: str = "1.0") -> None:
    for name, text in described.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "entry_points.txt").write_text(text)
        kind = "METADATA" if name.endswith(".dist-info") else "PKG-INFO"
        (folder / name / kind).write_text(
            f"Metadata-Version: 2.1\nName: {name.partition('-')[0]}\nVersion: {version}\n"
        )


def _told() -> tuple[list[tuple[str, str]], list[object]]:
    found = sorted(metadata.entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    return [(point.name, point.value) for point in found], [point.load() for point in found]


@pytest.mark.parametrize("described", PLACES.values(), ids=PLACES)
def test_entry_points_are_those_that_the_metadata_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, described: dict[str, str]
) -> None:
    _install(tmp_path, described)
    monkeypatch.syspath_prepend(str(tmp_path))

    found = installed.points(GROUP)

    assert ([(point.name, point.value) for point in found], [point.load() for point in found]) == _told()


def test_the_first_on_the_path_hides_another_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path / "first", {"Some.Thing-2.0.dist-info": "[sqlflow.tried]\nfirst = json:dumps\n"}, "2.0")
    _install(tmp_path / "second", {"some_thing-1.0.dist-info": "[sqlflow.tried]\nsecond = json:loads\n"})
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "first"), str(tmp_path / "second")])

    assert [point.name for point in installed.points(GROUP)] == ["first"]
    assert installed.version("some-thing") == "2.0" == metadata.version("some-thing")


def test_what_an_archive_describes_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("one-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: one\nVersion: 1.0\n")
        packed.writestr("one-1.0.dist-info/entry_points.txt", "[sqlflow.tried]\nfirst = json:dumps\n")
    monkeypatch.syspath_prepend(str(archive))

    assert [(point.name, point.value) for point in installed.points(GROUP)] == _told()[0] == [("first", "json:dumps")]
    assert installed.version("one") == "1.0"


def test_what_is_not_installed_has_no_version() -> None:
    with pytest.raises(metadata.PackageNotFoundError):
        installed.version("no-such-distribution")
