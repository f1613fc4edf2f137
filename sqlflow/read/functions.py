"""From a file of functions to a block: what the runtime has read, with the names of the project's own words."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.block import Assertion, Block, Function, Reads, TableUse
from sqlflow.core.config import AssertionFileConfig, BlockConfig
from sqlflow.core.errors import Problem, ProjectError, did_you_mean
from sqlflow.core.names import TableName
from sqlflow.core.runtime import Argument, Asked, Declared, FunctionFile, Runtime
from sqlflow.core.text import MappedText, SourceFile
from sqlflow.read.assertion_kinds import Scope
from sqlflow.read.assertions import block_assertions, threshold
from sqlflow.read.blocks import Reading, block_config, table_name
from sqlflow.read.decode import decoded
from sqlflow.read.flow import flow_of
from sqlflow.read.incremental import INCREMENTAL_ALONE, is_set, range_faults
from sqlflow.read.snapshots import SNAPSHOT_ALONE
from sqlflow.read.sql import infer
from sqlflow.read.yaml import parse

_ALL_VARS = re.compile(r"vars|\$\s*va?r?\b|__dict__|asdict")
"""What stands where a function takes its vars from `context`, in Python or in R, which completes names behind `$`."""
_TARGET = re.compile(r"target|\$\s*ta?r?g?e?\b|__dict__|asdict")
_SQL_ALONE = ("order_by", "pre_statements", "post_statements", *SNAPSHOT_ALONE)


class FunctionReading(Struct, frozen=True):
    """What reading files of functions needs beside what reading SQL needs.

    `modules` are the files of `lib/`, `vars` the project's, `env` the environment variables that it declares, `root` its folder.
    """

    reading: Reading
    runtime: Runtime
    modules: Mapping[str, SourceFile]
    vars: Mapping[str, Any]
    env: Mapping[str, str | None]
    root: Path = Path()


def function_block(
    source: SourceFile, folder: str, room: FunctionReading, given: TableName | None = None
) -> Block | None:
    """Return the block of a file of functions; None if it holds none, is switched off or faulty, with the faults told.

    `given` is its name, instead of the one that its file and its settings say.
    """
    problems = room.reading.problems
    try:
        file = room.runtime.read(source, parse, room.modules)
    except ProjectError as error:
        problems.extend(error.problems)
        return None
    if file is None:
        return None
    config = block_config(file.block.settings, source.path, room.reading)
    room = replace(room, reading=room.reading.at(config.target if config else None))
    name = (given or table_name(source.path, folder, config, room.reading)) if config else None
    if config is None or name is None:
        return None
    if not config.enabled:
        room.reading.disabled[name] = source.path
        return None
    _refuse_what_does_not_fit(config, file.block, source, problems)
    code = _function(file.block, file, source, config, room)
    scope = Scope(name, room.reading.engine, room.reading.renderer, problems, config.dialect)
    assertions = block_assertions(config, scope)
    checks = [_assertion(one, file, source, name, config, room) for one in file.assertions]
    return Block(
        name, room.runtime.name, source, config, code, (*assertions, *(one for one in checks if one)), file.block.start,
        flow=flow_of(config, name, room.reading, file.block.settings),
    )  # fmt: skip


def _refuse_what_does_not_fit(
    config: BlockConfig, function: Declared, source: SourceFile, problems: list[Problem]
) -> None:
    def refuse(key: str, message: str, hint: str = "") -> None:
        node = function.settings.get(key) if function.settings else None
        problems.append(Problem(message, node.place if node else source.place(function.start), hint))

    is_ranged = config.materialize == "incremental" and config.strategy == "time_range"
    if config.materialize == "incremental" and not is_ranged:
        refuse("materialize", "a function is incremental by `strategy: time_range` alone")
    elif config.materialize not in ("table", "incremental"):
        refuse("materialize", f"a function gives a table, not `{config.materialize}`")
    for key, message, hint in range_faults(config) if is_ranged else ():
        refuse(key, message, hint)
    if is_ranged and not function.takes_context:
        hint = "add the parameter `context`: `context.start` and `context.end` bound the rows that it is asked for"
        refuse("strategy", f"`{function.name}` does not take `context`, so that it is not told of which time", hint)
    for key in _SQL_ALONE if is_ranged else (*_SQL_ALONE, *INCREMENTAL_ALONE):
        if is_set(config, key) and not (key == "strategy" and config.materialize == "incremental"):
            refuse(key, f"a function block takes no `{key}`", "write a SQL block that reads it")
    names = [one.name for one in function.arguments]
    for parameter in config.inputs:
        if parameter not in names:
            message = f"`inputs` names `{parameter}`, which is no parameter of `{function.name}` without a default"
            refuse("inputs", message, did_you_mean(parameter, names))


def _function(
    declared: Declared, file: FunctionFile, source: SourceFile, config: BlockConfig, room: FunctionReading
) -> Function:
    arguments = tuple((one.name, _table(one, config)) for one in declared.arguments)
    asked = [use for one in declared.asked for use in _asked_tables(one, source, room.reading)]
    uses = [TableUse(table, one.start, one.end) for one, (_, table) in zip(declared.arguments, arguments, strict=True)]
    values = {name: room.vars[name] for name, _ in declared.options if name in room.vars}
    named = frozenset(TableName.parse(text) for text in config.depends_on)
    texts = (source.text, *(room.modules[path].text for path in file.modules if path in room.modules))
    may_read_all, names_target = (
        declared.takes_context and any(map(words.search, texts)) for words in (_ALL_VARS, _TARGET)
    )
    read = sorted((room.vars if may_read_all else values).items())
    return Function(
        room.runtime, declared, MappedText.whole(source), arguments, (*uses, *asked), values, file.modules, file.packages,
        Reads(vars=tuple((name, repr(value)) for name, value in read), env=tuple(_env(declared, source, room))),
        named, _code(declared, config, file, room.runtime), declared.volatile or _beside_lib(file, room), names_target=names_target,
    )  # fmt: skip


def _beside_lib(file: FunctionFile, room: FunctionReading) -> str:
    """Return why what a file imports is not known to be the same: it lies in the project, but not in `lib/`."""
    suffix = room.runtime.suffix
    for name in file.imports:
        if (room.root / f"{name}{suffix}").is_file() or any((room.root / name).rglob(f"*{suffix}")):
            return f"`{name}` is a module of the project, and does not lie in `lib/`"
    return ""


def _code(declared: Declared, config: BlockConfig, file: FunctionFile, runtime: Runtime) -> str:
    """Return a hash of the code that makes the rows, of which table is which parameter, and of what runs it."""
    versions = runtime.version(file.packages)
    parts = [declared.code, runtime.name, versions, declared.name, repr(sorted(config.inputs.items()))]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _table(argument: Argument, config: BlockConfig) -> TableName:
    """Return the table that a parameter takes: as `inputs` says, or as its name does, `schema__table` or `table`."""
    if argument.name in config.inputs:
        return TableName.parse(config.inputs[argument.name])
    schema, _, name = argument.name.partition("__")
    return TableName.of(schema, name) if schema and name else TableName.of(argument.name)


def _asked_tables(asked: Asked, source: SourceFile, reading: Reading) -> Iterator[TableUse]:
    """Yield the tables of a literal query, at their places in the file where its characters are the file's own."""
    where = source.place(asked.start, asked.end - asked.start)
    text = MappedText.whole(source, asked.start, asked.end) if asked.exact else MappedText.plain(asked.text)
    try:
        found = infer(text, reading.engine, where)
    except ProjectError as error:
        reading.problems.extend(Problem(p.message, p.place or where, p.hint) for p in error.problems)
        return
    for use in found.tables:
        if not use.qualifier:
            start, end = (use.start, use.end) if asked.exact else (0, asked.end - asked.start)
            yield TableUse(use.name, asked.start + start, asked.start + end)


def _env(declared: Declared, source: SourceFile, room: FunctionReading) -> Iterator[tuple[str, str]]:
    for name in declared.env:
        if name not in room.env:
            message = f"`{declared.name}` reads the environment variable `{name}`, which the project does not declare"
            place = source.place(declared.start, declared.end - declared.start)
            room.reading.problems.append(Problem(message, place, f"add `env: [{name}]` to sqlflow.yml"))
        elif (value := room.env[name]) is not None:
            yield name, value


def _assertion(
    declared: Declared,
    file: FunctionFile,
    source: SourceFile,
    block: TableName,
    config: BlockConfig,
    room: FunctionReading,
) -> Assertion | None:
    """Return the assertion that a function is: it reads the block itself as `output`, and inputs by name."""
    problems = room.reading.problems
    settings = decoded(declared.settings, AssertionFileConfig, problems)
    if settings is None or not settings.enabled:
        return None
    place = source.place(declared.start, declared.end - declared.start)
    if settings.target is not None:
        problems.append(Problem("an assertion on a block runs where the block is built: it takes no `target`", place))
    if declared.output is None:
        hint = "it gets the block's rows: `def …(output: pd.DataFrame)`"
        problems.append(Problem(f"the assertion `{declared.name}` has no parameter `output`", place, hint))
        return None
    code = _function(declared, file, source, config, room)
    output = declared.output
    code = replace(
        code, arguments=(*code.arguments, (output.name, block)), named=frozenset(),
        tables=(*code.tables, TableUse(block, output.start, output.end)),
    )  # fmt: skip
    borne = threshold(settings.fail_above, problems)
    return Assertion(
        settings.name or declared.name, "function", block, code, place, settings.severity, borne, settings.sample_rows,
        settings.timeout, settings.description, source.path,
    )  # fmt: skip
