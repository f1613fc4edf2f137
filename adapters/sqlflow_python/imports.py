"""What a Python file imports: names, packages, and modules of the project's `lib/`."""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct

from sqlflow.core.errors import ProjectError
from sqlflow.core.text import SourceFile
from sqlflow_python.frame_kinds import full_name

_OWN = frozenset({"sqlflow", "__future__"})
_BY_NAME = frozenset({"importlib.import_module", "__import__", "builtins.__import__"})
_DYNAMIC = _BY_NAME | {
    "importlib.reload", "runpy.run_path", "runpy.run_module", "pkgutil.resolve_name", "importlib.machinery.SourceFileLoader",
    "importlib.util.spec_from_file_location", "importlib.util.find_spec", "pydoc.locate", "sys.modules",
}  # fmt: skip


class Imports(Struct, frozen=True):
    """What the names of a file stand for, the packages that it uses, and the files of the project that it reads.

    `modules` and `packages` hold those of the modules too. `read` are the modules' files themselves.
    """

    full_names: Mapping[str, str]
    packages: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    read: tuple[SourceFile, ...] = ()


def imported(tree: ast.Module, source: SourceFile, modules: Mapping[str, SourceFile]) -> Imports:
    """Return what a file imports, also through the project's own `modules`, given by path.

    An import by a computed name may be of any module: then all of them belong to it.
    """
    read: dict[str, SourceFile] = {}
    packages: set[str] = set()
    full_names = _full_names(tree)
    waiting = [(tree, source, full_names)]
    while waiting:
        current, file, names = waiting.pop()
        packages |= _packages(current, names)
        for module in _project_modules(current, file, names, modules):
            if module.path not in read:
                read[module.path] = module
                parsed = _parsed(module)
                waiting.append((parsed, module, _full_names(parsed)))
    ordered = tuple(read[path] for path in sorted(read))
    own = {PurePosixPath(path).parts[0] for path in modules} | {"lib"}
    outside = sorted(packages - own - _OWN - sys.stdlib_module_names)
    return Imports(full_names, tuple(outside), tuple(file.path for file in ordered), ordered)


def _parsed(module: SourceFile) -> ast.Module:
    try:
        return ast.parse(module.text, module.path)
    except (SyntaxError, ValueError, RecursionError) as error:
        place = module.line_place(getattr(error, "lineno", 1) or 1, max(1, getattr(error, "offset", 1) or 1))
        raise ProjectError(f"not valid Python: {getattr(error, 'msg', error)}", place) from error


def _full_names(tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _packages(tree: ast.Module, names: Mapping[str, str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and full_name(node.func, names) in _BY_NAME and node.args:
            named = node.args[0].value if isinstance(node.args[0], ast.Constant) else ""
            found |= {named.split(".")[0]} - {""} if isinstance(named, str) else set()
    return found


def _project_modules(
    tree: ast.Module, file: SourceFile, names: Mapping[str, str], modules: Mapping[str, SourceFile]
) -> Iterator[SourceFile]:
    for dotted in _dotted(tree, file, names):
        if not dotted:
            yield from modules.values()
            continue
        parts = dotted.split(".")
        for length in range(1, len(parts) + 1):  # a package's own file runs before its modules
            stem = "/".join(parts[:length])
            for path in (f"{stem}.py", f"{stem}/__init__.py"):
                if path in modules:
                    yield modules[path]


def _dotted(tree: ast.Module, file: SourceFile, names: Mapping[str, str]) -> Iterator[str]:
    """Yield the dotted names of what may be modules; an empty text for one that is computed."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=module, names=aliases, level=level):
                base = ".".join(PurePosixPath(file.path).parts[:-level]) if level else ""
                start = ".".join(part for part in (base, module or "") if part)
                yield start
                yield from (f"{start}.{alias.name}" for alias in aliases)
            case ast.Name() | ast.Attribute() if full_name(node, names) in _DYNAMIC:
                yield ""
