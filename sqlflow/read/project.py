"""From a folder to a Project: the one entrance of this floor."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from sqlflow.core.block import Assertion, Block, Project, Target
from sqlflow.core.errors import Problem, ProjectError, did_you_mean
from sqlflow.core.names import TableName
from sqlflow.core.runtime import Runtime
from sqlflow.core.secrets import NAMED_LIKE_ONE, hide
from sqlflow.core.text import Place, SourceFile
from sqlflow.core.unit_test import UnitTest
from sqlflow.read import files
from sqlflow.read.blocks import SEED_SUFFIXES, Reading, assertion_file, sql_block
from sqlflow.read.cache import Context, LoadCache, context_of
from sqlflow.read.config import Declared, Settings, clean_name, declared_environment, project_file, settings
from sqlflow.read.exports import refuse_files, refuse_tables
from sqlflow.read.flow import refuse_heavy
from sqlflow.read.functions import FunctionReading, function_block
from sqlflow.read.instances import Declared as Instance
from sqlflow.read.instances import declared, instances
from sqlflow.read.lazily import Lazily
from sqlflow.read.render import Renderer
from sqlflow.read.runtimes import runtimes
from sqlflow.read.seed_blocks import seed_block
from sqlflow.read.unit_tests import FOLDER as UNIT_TESTS
from sqlflow.read.unit_tests import unit_tests

BLOCKS_AT_MOST = 20_000
_OWN_FOLDERS = ("seeds", "macros", "assertions", "unit_tests", "pipelines", "tests", "docs", "lib")
_LEFT_BY_EDITORS = (".bak", ".orig", ".swp", "~")
_WINDOWS_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
)


def load(
    root: Path,
    target: str | None = None,
    variables: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    cache: LoadCache | None = None,
    asked_at: Place | None = None,
) -> Project:
    """Return the project in the folder `root`, with the settings of one target.

    `asked_at` is where `target` is named, if a file names it. What `cache` holds of files that have not changed is not read again; what was read is added to it.
    Touches no warehouse and runs no user code but templates, in their sandbox. Raise ProjectError with every
    fault that was found.
    """
    environment = os.environ if environment is None else environment
    problems: list[Problem] = []
    found = settings(root, project_file(root), target, variables or {}, environment, problems, asked_at)
    if found is None or problems:
        raise ProjectError(problems)
    return _Loader(root, found, environment, problems, cache or LoadCache()).project()


def renderer_of(project: Project, environment: Mapping[str, str] | None = None) -> Renderer:
    """Return what renders the templates of a loaded project again."""
    return Renderer(
        project.target, project.vars, declared_environment(project.config, os.environ if environment is None else environment),
        project.macro_files, _include(project.root), project.config.dialect or "",
    )  # fmt: skip


def _include(root: Path) -> Callable[[str], SourceFile]:
    def source_of(path: str) -> SourceFile:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts:
            raise ProjectError(f"include: `{path}` is outside the project")
        problems: list[Problem] = []
        if (root / path).is_symlink():
            files.listed(root, str(pure.parent), problems)
        if not (root / path).is_file() or problems:
            raise ProjectError(f"include: there is no file `{path}` in the project")
        source = files.read(root, path)
        return SourceFile(source.path, source.text.replace("\r\n", "\n"))

    return source_of


class _Loader:
    """The steps of loading, with what they share."""

    def __init__(
        self, root: Path, found: Settings, environment: Mapping[str, str], problems: list[Problem], cache: LoadCache
    ) -> None:
        self.root = root
        self.cache = cache
        self.settings = found
        self.problems = problems
        self.skipped: list[str] = []
        self.declared: list[Instance] = []
        self.warnings = [
            f"the var `{name}` is named like a secret, but vars are printed and kept as they are: use env() in a target"
            for name in found.vars
            if NAMED_LIKE_ONE.fullmatch(name)
        ]
        self.macro_files = tuple(
            SourceFile(source.path, source.text.replace("\r\n", "\n"))
            for source in self._sources("macros", (".sql", ".jinja"))
        )
        self.environment = declared_environment(found.config, environment)
        self.secrets = {value for name, value in self.environment.items() if value and NAMED_LIKE_ONE.fullmatch(name)}
        hide(self.secrets)
        self.reading = self._reading(found.target, Lazily(found.others, lambda one: self._reading(self._usable(one))))
        cache.sources = {source.path: source for source in self.macro_files}
        cache.context = self._context(found.target)
        cache.others = Lazily(found.others, lambda one: self._context(self._usable(one)))

    def _reading(self, target: Target, others: Mapping[str, Reading] | None = None) -> Reading:
        """Return what reads the files of a target's blocks."""
        found = self.settings
        renderer = Renderer(
            target, found.vars, self.environment, self.macro_files, _include(self.root), found.config.dialect or ""
        )
        base: Reading | None = getattr(self, "reading", None)
        disabled = base.disabled if base else {}
        return Reading(
            target.engine, target.schema, renderer, found.defaults, self.problems, disabled, target.name, others or {}
        )

    def _context(self, target: Target) -> Context:
        """Return all that reading a SQL file of a target's block depends on beside the file itself."""
        found = self.settings
        templated = (
            target.name, repr(target.settings), repr(found.vars), repr(sorted(self.environment.items())),
            *(f"{source.path} {source.text}" for source in self.macro_files),
        )  # fmt: skip
        engine = target.engine.name, target.engine.version(), target.engine.dialect, target.schema
        if target is found.target:
            self.macros = self.cache.macro_names((*engine, *templated), self.reading.renderer.macro_names)
        plain = (
            *engine, found.config.dialect or "", repr(found.defaults), repr(sorted(self.macros)), repr(found.config.block_paths)
        )  # fmt: skip
        return context_of(plain, templated)

    def project(self) -> Project:
        blocks = self._blocks()
        assertions = self._assertions()
        self.problems += refuse_heavy(blocks.values(), self.settings.config.pools)
        self.problems += refuse_files(blocks.values(), self.settings.config.export_paths)
        chosen, others = self.settings.target.name, self.settings.others
        self.problems += refuse_tables(blocks.values(), chosen, {chosen, *others})
        tests = self._unit_tests(blocks)
        self._refuse_dead_defaults()
        exported = (export.target for block in blocks.values() for export in block.flow.tables)
        built = (block.config.target for block in blocks.values())
        targets = self._used((*built, *exported, *(one.target for one in assertions)))
        if self.problems:
            raise ProjectError(_in_order(self.problems))
        return Project(
            self.root, self.settings.config, self.settings.target, blocks, assertions, self.settings.sources,
            self.settings.vars, self.macro_files, self.settings.secrets | self.secrets, tuple(self.warnings),
            self.reading.disabled, tuple(self.skipped), unit_tests=tests, targets=targets,
        )  # fmt: skip

    def _used(self, names: Iterable[str | None]) -> dict[str, Target]:
        """Return those of the other targets that are named, with what keeps them from being used told, and their secrets hidden."""
        others = self.settings.others
        used = {name: others[name] for name in sorted({name for name in names if name} & others.keys())}
        for found in used.values():
            self.problems.extend(found.problems)
            self.secrets |= found.secrets
        hide(self.secrets)
        return {name: self._usable(found) for name, found in used.items()}

    def _usable(self, found: Declared) -> Target:
        """Return a target; the chosen one in place of one that is faulty, which is told where it is used."""
        return found.target or self.settings.target

    def _blocks(self) -> dict[TableName, Block]:
        blocks: dict[TableName, Block] = {}
        for block in chain(self._found_blocks(), self._instances(blocks)):
            if block.name in blocks:
                self.problems.append(_clash(blocks[block.name], block))
            blocks[block.name] = block
            if block.name.name in _WINDOWS_DEVICES:
                self.warnings.append(f"{block.source.path}: `{block.name.name}` cannot be a file's name on Windows")
        if len(blocks) > BLOCKS_AT_MOST:
            self.problems.append(Problem(f"the project holds {len(blocks)} blocks: at most {BLOCKS_AT_MOST}"))
        return blocks

    def _found_blocks(self) -> Iterator[Block]:
        for folder in self.settings.config.block_paths:
            for path in self._paths_of(folder, (".sql", ".yml")):
                if path.endswith(".yml"):
                    source = self._read(path)
                    self.declared += declared(source, folder, self.problems) if source else ()
                elif block := self._sql_block(path, folder):
                    yield block
            yield from self._function_blocks(folder)
        if (self.root / "seeds").is_dir():
            yield from self._seeds()

    def _sql_block(self, path: str, folder: str) -> Block | None:
        """Return the block of a SQL file, from the cache where that is sure to be the same."""
        read_at = time.time_ns()
        found = self.cache.block(self.root, path)
        source = self._read(path) if found is None else None
        if source is not None:
            found = self.cache.same(self.root, source, read_at)
        if isinstance(found, tuple):
            name, self.reading.disabled[name] = found[0], found[1]
            return None
        if found is None and source is not None:
            problems = len(self.problems)
            found = sql_block(source, folder, self.reading)
            off = next((name for name, file in self.reading.disabled.items() if file == path), None)
            kept = found or off
            if len(self.problems) == problems and kept is not None:
                self.cache.keep(self.root, source, kept, read_at)
        return found

    def _function_blocks(self, folder: str) -> Iterator[Block]:
        for runtime in runtimes():
            sources = self._sources(folder, (runtime.suffix,))
            if not sources:
                continue
            room = self._room(runtime, self.reading, self.settings.vars)
            for source in sources:
                if block := function_block(source, folder, room):
                    self.secrets |= {value for _, value in block.code.reads.env} if block.code else set()
                    hide(self.secrets)
                    yield block

    def _room(self, runtime: Runtime, reading: Reading, vars: Mapping[str, Any]) -> FunctionReading:
        """Return what reads the files of a runtime's functions."""
        modules = {source.path: source for source in self._sources("lib", (runtime.suffix,))}
        return FunctionReading(reading, runtime, modules, vars, self.environment, self.root)

    def _instances(self, blocks: Mapping[TableName, Block]) -> Iterator[Block]:
        """Yield the blocks that are others with other vars."""

        def again(original: Block, name: TableName, vars: Mapping[str, Any], reading: Reading) -> Block | None:
            kept = self.cache.instance(original, name, vars) if original.function is None else None
            if kept is not None:
                return kept
            reading = reading.with_vars(vars)
            if original.function is None:
                block = sql_block(original.source, "", reading, name)
                if block is not None and not reading.problems:
                    self.cache.keep_instance(original, block, vars)
                return block
            room = self._room(original.function.runtime, reading, {**self.settings.vars, **vars})
            return function_block(original.source, "", room, name)

        yield from instances(self.declared, dict(blocks), self.reading, again)

    def _seeds(self) -> Iterator[Block]:
        listing = files.listed(self.root, "seeds", self.problems)
        for path in listing.files:
            pure = PurePosixPath(path)
            if pure.suffix in SEED_SUFFIXES:
                sidecar = str(pure.with_suffix(".yml"))
                source = self._read(sidecar) if sidecar in listing.files else None
                if block := seed_block(path, source, "seeds", self.reading):
                    yield block
            elif path.endswith(_LEFT_BY_EDITORS):
                self.skipped.append(path)
            elif pure.suffix not in (".yml", ".md", ".txt"):
                kinds = ", ".join(f"`{suffix}`" for suffix in SEED_SUFFIXES)
                self.problems.append(Problem(f"a seed of this kind is not supported: {kinds} are", Place(path)))
            elif pure.suffix == ".yml" and not any(str(pure.with_suffix(s)) in listing.files for s in SEED_SUFFIXES):
                hint = f"give it the name of the seed that it describes, as `{pure.stem}.csv` has `{pure.name}`"
                self.problems.append(Problem("no seed lies beside this file", Place(path), hint))

    def _sources(self, folder: str, suffixes: tuple[str, ...]) -> list[SourceFile]:
        """Return the readable files below a folder; what is skipped and what is wrong is noted."""
        return [source for path in self._paths_of(folder, suffixes) if (source := self._read(path))]

    def _paths_of(self, folder: str, suffixes: tuple[str, ...]) -> list[str]:
        if folder and not (self.root / folder).is_dir():
            return []
        listing = files.listed(self.root, folder, self.problems)
        if folder in self.settings.config.block_paths:
            self.skipped += [path for path in listing.skipped if path.endswith(suffixes)]
        return [path for path in listing.files if path.endswith(suffixes) and not self._belongs_elsewhere(path, folder)]

    def _belongs_elsewhere(self, path: str, folder: str) -> bool:
        """Tell whether a file is no block although it lies below a block folder: the project's own root is one then."""
        return folder == "" and PurePosixPath(path).parts[0] in _OWN_FOLDERS and len(PurePosixPath(path).parts) > 1

    def _read(self, path: str) -> SourceFile | None:
        try:
            return files.read(self.root, path)
        except ProjectError as error:
            self.problems.extend(error.problems)
            return None

    def _assertions(self) -> tuple[Assertion, ...]:
        found: dict[str, Assertion] = {}
        for source in self._sources("assertions", (".sql",)):
            assertion = assertion_file(source, self.reading)
            if assertion is None:
                continue
            if assertion.name in found:
                message = f"two assertions are named `{assertion.name}`: the other is in `{found[assertion.name].path}`"
                self.problems.append(Problem(message, Place(source.path), "set `name` in the front matter of one"))
            found[assertion.name] = assertion
        return tuple(found.values())

    def _unit_tests(self, blocks: Mapping[TableName, Block]) -> tuple[UnitTest, ...]:
        """Return the tests of all files. Where blocks are faulty, what a test says of them cannot be judged."""
        found: dict[str, UnitTest] = {}
        for source in [] if self.problems else self._sources(UNIT_TESTS, (".yml", ".yaml")):
            for test in unit_tests(source, self.root, blocks, self.reading):
                if test.key in found:
                    message = f"two unit tests of `{test.block}` are named `{test.name}`"
                    hint = f"the other is in `{found[test.key].place.path}`: give one of them another name"
                    self.problems.append(Problem(message, test.place, hint))
                found[test.key] = test
        return tuple(found.values())

    def _refuse_dead_defaults(self) -> None:
        for path, node in self.settings.defaults.items():
            if not (self.root / path).exists():
                known = [str(file.parent) for block in self.settings.config.block_paths for file in self._paths(block)]
                message = f"`defaults` names `{path}`, which is not in the project"
                self.problems.append(Problem(message, node.place, did_you_mean(path, known)))

    def _paths(self, folder: str) -> list[PurePosixPath]:
        return [PurePosixPath(path) for path in files.listed(self.root, folder, []).files]


def _clash(first: Block, second: Block) -> Problem:
    paths = f"`{first.path}` and `{second.path}`"
    if first.path != second.path and clean_name(first.path) == clean_name(second.path):
        same_case = first.path.lower() == second.path.lower()
        difference = "differ only in case" if same_case else "are the same name in Unicode"
        return Problem(
            f"two files make the block `{first.name}`: {paths} {difference}", Place(second.path), "rename one"
        )
    return Problem(f"two files make the block `{first.name}`: {paths}", Place(second.path), "rename one")


def _in_order(problems: list[Problem]) -> list[Problem]:
    """Return the problems by file and line, each once."""
    unique = dict.fromkeys(problems)
    return sorted(
        unique, key=lambda problem: (str(problem.place.path), problem.place.line) if problem.place else ("", 0)
    )
