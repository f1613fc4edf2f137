"""What is installed of R, told by its folders, without starting it where that can be had."""

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from sqlflow.core.errors import Problem

_OF_R = "base compiler datasets graphics grDevices grid methods parallel splines stats stats4 tcltk tools utils"
BASE = frozenset(_OF_R.split())
"""The packages of every R."""
NO_R = "`Rscript` was not found"
GET_R = "install R: `apt install r-base-core` on Debian and Ubuntu, else from r-project.org"
GET_PACKAGE = 'install it: `install.packages("{}")` in R, or `apt install r-cran-{}` on Debian'
_REQUIREMENT = re.compile(r"\s*([A-Za-z][A-Za-z0-9.]*[A-Za-z0-9])\s*(?:\(?\s*>=\s*([0-9]+(?:[.-][0-9]+)*)\s*\)?)?\s*")
_HOME = re.compile(r"^R_HOME_DIR=(.+)$", re.MULTILINE)
_SECONDS = 60


def rscript() -> str | None:
    """Return the path of the interpreter, or None."""
    return shutil.which("Rscript")


@cache
def _home(interpreter: str) -> Path | None:
    """Return R's own folder, as its start script beside `Rscript` names it."""
    script = Path(interpreter).with_name("R")
    try:
        found = _HOME.search(script.read_text(errors="replace"))
    except OSError:
        return None
    return Path(found[1].strip("\"' ")) if found else None


def _libraries(interpreter: str) -> Iterator[Path]:
    """Yield the folders that may hold packages: those the environment names, a user's own, the site's, and R's."""
    for name in ("R_LIBS", "R_LIBS_USER", "R_LIBS_SITE"):
        yield from (Path(part).expanduser() for part in os.environ.get(name, "").split(os.pathsep) if part)
    home = _home(interpreter)
    if home is not None:
        version = ".".join(_version_of(home / "library" / "base").split(".")[:2])
        yield from Path.home().glob(f"R/*-library/{version}")
        yield from Path.home().glob(f"Library/R/*/{version}/library")
        yield from (Path("/usr/local/lib/R/site-library"), home / "site-library", home / "library")


def _version_of(package: Path) -> str:
    """Return the version that a package's folder tells; empty if it is none."""
    try:
        found = re.search(r"^Version: *(\S+)", (package / "DESCRIPTION").read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return ""
    return found[1] if found else ""


@cache
def _told_by_r(interpreter: str) -> tuple[Path, ...]:
    """Return the folders that R itself looks in: asked only before something is said to be missing."""
    command = [interpreter, "--vanilla", "-e", "cat(.libPaths(), sep = '\\n')"]
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(Path(line) for line in told.stdout.splitlines() if line)


def package_version(package: str, ask: bool = False) -> str:
    """Return a package's version; empty if it is not to be found. With `ask`, R is asked where it looks."""
    interpreter = rscript()
    if interpreter is None:
        return ""
    folders = [*_libraries(interpreter), *(_told_by_r(interpreter) if ask else ())]
    return next((version for folder in folders if (version := _version_of(folder / package))), "")


def missing(packages: Collection[str], requirements: Collection[str]) -> tuple[Problem, ...]:
    """Return what of R, of packages and of requirements is not installed."""
    if rscript() is None:
        return (Problem(NO_R, hint=GET_R),)
    asked = {package: "" for package in packages if package not in BASE}
    problems = []
    for requirement in requirements:
        found = _REQUIREMENT.fullmatch(requirement)
        if found:
            asked[found[1]] = found[2] or asked.get(found[1], "")
        else:
            problems.append(
                Problem(f"`{requirement}` is no requirement of R", hint="write `data.table` or `data.table >= 1.14`")
            )
    problems += [problem for package, least in sorted(asked.items()) if (problem := _lacking(package, least))]
    return tuple(problems)


def _lacking(package: str, least: str) -> Problem | None:
    version = package_version(package) or package_version(package, ask=True)
    if not version:
        return Problem(f"R's package `{package}` is not installed", hint=GET_PACKAGE.format(package, package.lower()))
    if least and _numbers(version) < _numbers(least):
        hint = f'install a newer one: `install.packages("{package}")` in R'
        return Problem(f"R's package `{package}` is {version}, and `>= {least}` is required", hint=hint)
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.split(r"[.-]", version) if part.isdigit())


def versions(packages: Collection[str]) -> str:
    """Return the versions of R and of packages, told by their folders."""
    interpreter = rscript()
    home = _home(interpreter) if interpreter else None
    of_r = _version_of(home / "library" / "base") if home else ""
    listed = [f"{package} {package_version(package) or 'missing'}" for package in sorted({*packages, "bit64"} - BASE)]
    return ", ".join([f"R {of_r}".strip(), *listed])
