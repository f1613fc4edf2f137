"""Copies a block for one pipeline, and tells how the copy differs from where it came from."""

import difflib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from msgspec import Struct

from sqlflow.core.block import Block, Project
from sqlflow.core.errors import ProjectError, UsageError
from sqlflow.core.names import TableName
from sqlflow.core.node import Node
from sqlflow.core.pipeline import Pipeline
from sqlflow.plan.find import block_named
from sqlflow.plan.origins import hashed

_ORIGIN = re.compile(r"^(#'[ \t]*)?origin: \{block: .*, code: .*\}\r?\n|origin=\{.*?\}(, )?", re.MULTILINE)
_MARK = re.compile(r"^@(sqlflow\.)?block\b(?P<call>\((?P<empty>\s*\))?)?", re.MULTILINE)
_R_FENCE = re.compile(r"^#'[ \t]*---[ \t]*\r?\n", re.MULTILINE)


class Detached(Struct, frozen=True):
    """What has been written: the copy's file, and the pipeline's."""

    block: TableName
    path: str
    pipeline_path: str


class Drift(Struct, frozen=True):
    """How a copy differs from its origin now, as lines of a unified diff.

    `has_moved` tells whether the origin is another one than when the copy was made.
    """

    block: TableName
    origin: TableName
    has_moved: bool
    lines: tuple[str, ...]


def detached(project: Project, pipeline: Pipeline, block: Block, name: str) -> tuple[Detached, dict[Path, str]]:
    """Return what copying a block for a pipeline would make, and the texts of the two files by path.

    The copy is one more block that says where it came from; the pipeline selects it and leaves the original out. Raise
    UsageError for a block or a name with which that cannot be.
    """
    copy = TableName.parse(name)
    copy = copy if copy.schema else TableName.of(block.name.schema, copy.name)
    path = _path(project, block, copy)
    origin = f"{{block: {block.name}, code: {code_of(block)}}}"
    text = _with_origin(block, origin)
    edited = pipeline.node.source.text
    node = pipeline.node
    if node.get("select") is not None:
        edited = _with_item(edited, node, "select", str(copy))
        node = _shifted(pipeline, edited)
    edited = _with_item(edited, node, "exclude", str(block.name))
    made = Detached(copy, str(path), pipeline.path)
    return made, {project.root / path: text, project.root / pipeline.path: edited}


@contextmanager
def written_or_not(texts: Mapping[Path, str]) -> Iterator[None]:
    """Write files; if what is done inside raises, they are as they were before."""
    before = {path: path.read_bytes() if path.exists() else None for path in texts}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        yield
    except BaseException:
        for path, content in before.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
        raise


def _path(project: Project, block: Block, copy: TableName) -> PurePosixPath:
    if block.code is None or block.instance is not None:
        what = "a seed" if block.code is None else f"an instance of `{block.instance.of}`"  # type: ignore[union-attr]
        raise UsageError(f"`{block.name}` is {what}: it has no code of its own to copy")
    if block.config.name or block.config.schema:
        raise UsageError(
            f"`{block.name}` sets its name itself, so that a copy would have the same", hint="copy it by hand"
        )
    if copy in project.blocks:
        raise UsageError(
            f"there is a block `{copy}` already: `{project.blocks[copy].path}`", hint="choose another name"
        )
    folder = PurePosixPath(block.source.path).parent
    if copy.schema != block.name.schema:
        folder = PurePosixPath(project.config.block_paths[0]) / copy.schema
    path = folder / f"{copy.name}{PurePosixPath(block.source.path).suffix}"
    if (project.root / path).exists():
        raise UsageError(f"`{path}` is there already", hint="choose another name")
    return path


def code_of(block: Block) -> str:
    """Return a short hash of a block's file."""
    return hashed(block.source.text)[:12]


def _with_origin(block: Block, origin: str) -> str:
    text = block.source.text
    if block.kind == "sql":
        if text.startswith("/*---"):
            first, _, rest = text.partition("\n")
            return f"{first}\norigin: {origin}\n{rest}"
        return f"/*---\norigin: {origin}\n---*/\n{text}"
    if block.kind == "r":
        fence = _R_FENCE.search(text[: block.body])
        if fence:
            return f"{text[: fence.end()]}#' origin: {origin}\n{text[fence.end() :]}"
        start = _first_comment(text, block.body)
        return f"{text[:start]}#' ---\n#' origin: {origin}\n#' ---\n{text[start:]}"
    mark = _MARK.search(text)
    if mark is None:
        raise UsageError(f"`{block.name}` cannot be copied: no line of it begins with `@block`", hint="copy it by hand")
    said = f'origin={{"block": "{block.name}", "code": "{code_of(block)}"}}'
    if mark["call"] is None:
        return f"{text[: mark.end()]}({said}){text[mark.end() :]}"
    cut = mark.start("call") + 1
    return f"{text[:cut]}{said}{'' if mark['empty'] else ', '}{text[cut:]}"


def _first_comment(text: str, start: int) -> int:
    """Return where the `#'` lines begin that stand right above an offset."""
    lines = text[:start].splitlines(keepends=True)
    while lines and lines[-1].startswith("#'"):
        start -= len(lines.pop())
    return start


def _shifted(pipeline: Pipeline, text: str) -> Node:
    """Return the mapping of a pipeline whose text has been edited."""
    from sqlflow.core.text import SourceFile
    from sqlflow.read.yaml import parse

    return parse(SourceFile(pipeline.path, text)) or pipeline.node


def _with_item(text: str, node: Node, key: str, item: str) -> str:
    """Return a YAML text whose list `key` has one more item; all else is as it was written."""
    value = node.get(key)
    if text[node.offset : node.offset + 1] == "{":
        raise UsageError(
            f"`{node.source.path}` is written in one pair of braces", hint=f"add `{item}` to `{key}` by hand"
        )
    if value is None:
        return f"{text.rstrip()}\n{key}: [{item}]\n".lstrip("\n")
    if value.kind == "list" and text[value.offset] == "[":
        more = ", " if value.items else ""
        return f"{text[: value.offset + 1]}{item}{more}{text[value.offset + 1 :]}"
    if value.kind == "list":
        indent = value.offset - (text.rfind("\n", 0, value.offset) + 1)
        return f"{text[: value.offset]}- {item}\n{' ' * indent}{text[value.offset :]}"
    end = value.offset + len(value.text) + (2 if value.quoted else 0)
    return f"{text[: value.offset]}[{text[value.offset : end]}, {item}]{text[end:]}"


def drift(project: Project, name: str) -> Drift:
    """Return how a copy differs from where it came from. Raise UsageError for a block that is none."""
    block = block_named(project, name)
    said = block.config.origin
    if said is None:
        hint = f"`sqlflow detach BLOCK --pipeline NAME --as {block.name.name}` would make one"
        raise UsageError(f"`{block.name}` was not copied from another block", hint=hint)
    known = TableName.parse(said.block)
    if known not in project.blocks:
        message = f"`{block.name}` came from `{known}`, which is not in the project any more"
        raise ProjectError(message, block.key_place("origin"), "take `origin` out of its front matter")
    origin = project.blocks[known]
    ours = _ORIGIN.sub("", block.source.text).replace("/*---\n---*/\n", "").replace("@block()\n", "@block\n")
    lines = difflib.unified_diff(
        origin.source.text.splitlines(), ours.splitlines(), origin.source.path, block.source.path, lineterm=""
    )
    return Drift(block.name, known, said.code != code_of(origin), tuple(lines))
