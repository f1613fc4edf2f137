"""The adapter that the entry point names."""

import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sqlflow.core.errors import Problem, TargetError
from sqlflow.core.runtime import Declared, FunctionFile, ParseYaml, Worker
from sqlflow.core.text import SourceFile

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_EXTRAS = ("polars", "narwhals")


class PythonRuntime:
    """Functions of `.py` files, run by the Python that runs sqlflow."""

    name = "python"
    suffix = ".py"

    def read(self, source: SourceFile, parse: ParseYaml, modules: Mapping[str, SourceFile]) -> FunctionFile | None:
        from sqlflow_python.reading import declared

        return declared(source, modules)

    def missing(
        self, functions: Collection[Declared], packages: Collection[str], requirements: Collection[str]
    ) -> tuple[Problem, ...]:
        return (*_missing_frames(functions), *_unmet(requirements))

    def version(self, packages: Collection[str]) -> str:
        versions = [f"{package} {_version(package)}" for package in sorted(packages)]
        return ", ".join([f"Python {sys.version_info.major}.{sys.version_info.minor}", *versions])

    def start(self) -> Worker:
        from sqlflow_python.worker import PythonWorker

        try:
            return PythonWorker(Path(tempfile.gettempdir()))
        except OSError as error:
            raise TargetError(f"no Python process can be started: {error.strerror}") from error


def _missing_frames(functions: Collection[Declared]) -> Iterator[Problem]:
    """Yield the libraries of frames that functions ask for and that are not installed."""
    from importlib.util import find_spec

    from sqlflow_python.frame_kinds import PACKAGES

    arguments = [one for function in functions for one in (*function.arguments, function.output) if one is not None]
    for package in sorted({PACKAGES[one.frame] for one in arguments}):
        if find_spec(package) is None:
            extra = f"sqlflow[{package}]" if package in _EXTRAS else package
            yield Problem(f"`{package}` is not installed", None, f"install it with `pip install '{extra}'`")


def _unmet(requirements: Collection[str]) -> Iterator[Problem]:
    """Yield the requirements that are not met, and those that are none."""
    from packaging.requirements import InvalidRequirement, Requirement

    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            yield Problem(
                f"`{text}` is no requirement: {str(error).splitlines()[0]}",
                None,
                "write it as pip has it: `polars>=1.0`",
            )
            continue
        if requirement.marker is None or requirement.marker.evaluate():
            yield from _unmet_one(requirement)


def _unmet_one(requirement: "Requirement") -> Iterator[Problem]:
    found = _version(requirement.name)
    if found and requirement.specifier.contains(found, prereleases=True):
        return
    what = f"`{requirement}` is not installed" + (f": it is {found}" if found else "")
    yield Problem(what, None, f"install it with `pip install '{requirement}'`")


def _version(package: str) -> str:
    """Return the version of a distribution, or of the one that brings an import name; empty where there is none."""
    from importlib.metadata import PackageNotFoundError, packages_distributions, version

    try:
        return version(package)
    except PackageNotFoundError:
        names = packages_distributions().get(package, ())
    return ", ".join(version(name) for name in sorted(set(names)))
