"""R before anything runs: how its files are read, and what is installed of it."""

from collections.abc import Collection, Mapping

from sqlflow.core.errors import Problem
from sqlflow.core.runtime import Declared, FunctionFile, ParseYaml, Worker
from sqlflow.core.text import SourceFile


class RRuntime:
    """The adapter that the entry point names."""

    name = "r"
    suffix = ".R"

    def read(self, source: SourceFile, parse: ParseYaml, modules: Mapping[str, SourceFile]) -> FunctionFile:
        from sqlflow_r.read import declared

        return declared(source, parse, modules)

    def missing(
        self, functions: Collection[Declared], packages: Collection[str], requirements: Collection[str]
    ) -> tuple[Problem, ...]:
        from sqlflow_r.installed import missing

        return missing(packages, requirements)

    def version(self, packages: Collection[str]) -> str:
        from sqlflow_r.installed import versions

        return versions(packages)

    def start(self) -> Worker:
        from sqlflow_r.worker import RWorker

        return RWorker()
