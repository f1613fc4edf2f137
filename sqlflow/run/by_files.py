"""Whether a build goes by the files of a project and its target alone."""

import re
from pathlib import Path

from sqlflow.core.block import Block, Query
from sqlflow.core.flow import PLAIN
from sqlflow.core.names import TableName
from sqlflow.plan.graph import Graph
from sqlflow.read.cached_blocks import READS_OTHERS
from sqlflow.read.config import project_file
from sqlflow.run.settled import OF_THE_SHELL, holds_no_part

_ASKS_THE_SHELL = re.compile(rf"""env\(\s*['"]({"|".join(sorted(OF_THE_SHELL))})['"]""")
_PATTERN = frozenset("*?[{")


def goes_by_files(graph: Graph) -> bool:
    """Tell whether a build of a project goes by the files in its folder and those of its one target alone.

    Not if it has functions, which have more around them; if anything goes by the time, or by what a query says; if files lie
    elsewhere, or are included in others; and if it heeds what is not looked at of the process's environment.
    """
    project = graph.project
    said = project_file(project.root)
    checks = [*project.assertions, *(check for block in project.blocks.values() for check in block.assertions)]
    codes = [*(block.code for block in project.blocks.values() if block.code), *(check.code for check in checks)]
    sources = [project.sources.get(name) for name in frozenset[TableName]().union(*graph.sources.values())]
    texts = [*(block.source.text for block in project.blocks.values()), *(file.text for file in project.macro_files)]
    return (
        not project.targets
        and bool(project.target.engine.files(project.target.settings, project.root))
        and not OF_THE_SHELL & set(project.config.env)
        and not (said and _ASKS_THE_SHELL.search(said.text))
        and all(source is not None and source.files for source in sources)
        and all(isinstance(code, Query) and not code.volatile for code in codes)
        and all(map(_is_plain, project.blocks.values()))
        and all(map(_lies_within, {path for code in codes for path in code.files}))
        and all(_lies_within(source.files) for source in project.sources.values() if source.files)
        and not any(map(READS_OTHERS.search, texts))
    )


def _is_plain(block: Block) -> bool:
    return not block.is_ranged and block.flow == PLAIN and block.config.refresh == "always"


def _lies_within(path: str) -> bool:
    """Tell whether a path, or glob, is sure to lead to files of the project's folder that are looked at."""
    first, *rest = Path(path).parts or ("",)
    is_plain = not path.startswith(("/", "~")) and ":" not in path and ".." not in rest
    return is_plain and not (rest and (holds_no_part(first) or _PATTERN & set(first)))
