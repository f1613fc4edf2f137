"""The one place where the floors meet: what the command line and Python programs call."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from sqlflow.core import block as nouns
from sqlflow.core.engine import Connection, Rows
from sqlflow.core.environment import PROD, Environment
from sqlflow.core.errors import UsageError
from sqlflow.core.events import Event, Listener
from sqlflow.core.later import later
from sqlflow.core.names import TableName
from sqlflow.core.text import MappedText
from sqlflow.plan import plan as planning
from sqlflow.plan import unit_tests
from sqlflow.plan.current import Current
from sqlflow.plan.graph import Graph, graph
from sqlflow.plan.parts import all_targets, exported_to, part, targets_of
from sqlflow.plan.parts import problems as misplaced
from sqlflow.plan.plan import Plan
from sqlflow.plan.ranges import NOTHING_ASKED, AskedRanges
from sqlflow.read.cache import LoadCache
from sqlflow.read.environments import published_in
from sqlflow.read.project import load
from sqlflow.run import state
from sqlflow.run.conditions import unwanted
from sqlflow.run.idle import idle_report
from sqlflow.run.kept import keep, read_and_kept
from sqlflow.run.names import new_run
from sqlflow.run.options import Options
from sqlflow.run.piped import pipelines_of, selected_for
from sqlflow.run.planned import Across, published
from sqlflow.run.report import Report, together_reported
from sqlflow.run.several import Several, checked_anew, checked_in, overview
from sqlflow.run.target import Held, all_held, all_leased, all_waited_for, is_there, opened
from sqlflow.run.waiting import LOCK_SECONDS

if TYPE_CHECKING:
    import pandas as pd

    from sqlflow.core.pipeline import Pipeline
    from sqlflow.plan import backfill, find, saved
    from sqlflow.plan import why as reasons
    from sqlflow.plan.columns import Edges
    from sqlflow.plan.origins import Read
    from sqlflow.plan.pipelines import Resolved
    from sqlflow.run import diff, everywhere, freshness, new_unit_test, show, static_check, verify, waits, workers
    from sqlflow.run import unit_tests as testing
    from sqlflow.run.diff import Difference
    from sqlflow.run.environments import Listed
    from sqlflow.run.failures import Failure
    from sqlflow.run.freshness import Freshness
    from sqlflow.run.rollback import Rollback
else:  # what a build with nothing to do has no use for
    backfill, find, saved, reasons = later("sqlflow.plan", "backfill", "find", "saved", "why")
    testing, waits, workers = later("sqlflow.run", "unit_tests", "waits", "workers")
    diff, everywhere, freshness, show = later("sqlflow.run", "diff", "everywhere", "freshness", "show")
    new_unit_test, static_check, verify = later("sqlflow.run", "new_unit_test", "static_check", "verify")


def _silent(event: Event) -> None:
    """Listen to nothing."""


class Project(Struct, frozen=True, dict=True):
    """A loaded project and all that can be done with it: `Project.load("example_warehouse").build(select=["marts.*"])`."""

    loaded: nouns.Project
    cache: LoadCache = field(default_factory=LoadCache)
    pipeline: "Pipeline | None" = None

    @classmethod
    def load(
        cls, path: str | Path = ".", target: str | None = None, vars: Mapping[str, Any] | None = None,
        environment: str | None = None, pipeline: str | None = None,
    ) -> "Project":  # fmt: skip
        """Return the project in the folder `path`, to be published in an environment: `prod` if none is named.

        With `pipeline`, what that says is the default of all else, and of what is done with the project. Raise
        ProjectError with every fault of its files, and UsageError for a name that no environment or no pipeline has.
        """
        root = Path(path)
        if not root.is_dir():
            raise UsageError(f"`{path}` is no folder", hint="give the project's folder to `--project-dir`")
        return cls(*read_and_kept(root, target, vars, environment, pipeline))

    @cached_property
    def graph(self) -> Graph:
        """Which block reads which. Raise ProjectError for names that cannot be resolved, and for loops."""
        found = graph(self.loaded)
        planning.refuse((*misplaced(found), *unit_tests.problems(found, self.loaded.unit_tests)))
        return found

    def selected(self, select: Iterable[str] = (), exclude: Iterable[str] = ()) -> frozenset[TableName]:
        """Return the blocks that a selection names; without one, those of the pipeline. Raise UsageError if it names none."""
        return selected_for(self.graph, self.pipeline, select, exclude)

    @cached_property
    def pipelines(self) -> "tuple[Resolved, ...]":
        """The pipelines with their blocks. Raise ProjectError with every fault of their files."""
        return pipelines_of(self.graph)

    def block(self, name: str) -> nouns.Block:
        """Return the one block of that name, with or without its schema. Raise UsageError if there is none."""
        return find.block_named(self.loaded, name)

    def column(self, name: str) -> "tuple[Read, Edges, Edges] | None":
        """Return a column, written `block.column`, with what it is made from and what is made from it.

        None if `name` is none. Raise UsageError for a column that its block does not have.
        """
        return find.column_named(self.graph, name)

    def plan(
        self, select: Iterable[str] = (), exclude: Iterable[str] = (), offline: bool = False, adopt: bool = False,
        full_refresh: bool = False,
    ) -> Plan:  # fmt: skip
        """Return what a build would do, with the `faults` that keep it from it.

        Without a connection (`offline`) it knows nothing of what is published.
        """
        chosen = self.selected(select, exclude)
        if offline and not self.loaded.targets:
            made = planning.plan(self.graph, chosen, unwanted=unwanted(self.loaded, Current({}), None))
            return static_check.with_faults({"": made})[""]
        return self._overview(chosen, offline, adopt, full_refresh).plan

    def check(self, select: Iterable[str] = (), exclude: Iterable[str] = ()) -> "static_check.Checked":
        """Return what is wrong with the columns and types that queries read, as the project says and nothing is built.

        Tables that are sources have the columns that they had at the last build or plan. Nothing is connected to.
        """
        assert self.pipelines is not None, "what is wrong with them is raised"
        chosen = self.selected(select, exclude)
        return static_check.checked_alone(self._parts(all_targets(self.graph)), chosen)

    def _overview(
        self, chosen: frozenset[TableName], offline: bool = False, adopt: bool = False, full_refresh: bool = False
    ) -> Across:
        parts = self._parts(targets_of(self.graph, chosen, exports=True))
        return overview(self.graph, parts, chosen, offline, adopt, full_refresh)

    def _parts(self, targets: Iterable[str]) -> dict[str, Graph]:
        """Return what each of the targets sees of the project."""
        if not self.loaded.targets:
            return {self.loaded.target.name: self.graph}
        return {name: graph(part(self.loaded, name)) for name in targets}

    def _at(self, name: str) -> "Project":
        """Return the project as the target of a block sees it. Raise UsageError if there is no such block."""
        target = self.loaded.target_of(self.block(name))
        return replace(self, loaded=part(self.loaded, target.name))

    def why(self, name: str) -> "reasons.Why":
        """Return why a build of everything would build a block or not. Raise UsageError if there is no such block."""
        block = self.block(name)
        made = self._overview(self.selected()).plans[self.loaded.target_of(block).name]
        return reasons.why(made, block.name, made.cookbook.published.get(block.name) if made.cookbook else None)

    def build(
        self, select: Iterable[str] = (), exclude: Iterable[str] = (), *, threads: int | None = None,
        publish_what: Literal["all", "passing"] = "all", fail_fast: bool = False, prune: bool = False, adopt: bool = False,
        cascade: bool = False, timeout: float | None = None, full_refresh: bool = False,
        plan_file: str | Path | None = None, lock_timeout: float = LOCK_SECONDS, wait_for: bool = True,
        listener: Listener = _silent, asked: AskedRanges = NOTHING_ASKED,
    ) -> Report:  # fmt: skip
        """Build, check and publish the selected blocks, or what a plan's file says, and return the report.

        Raise UsageError if the plan of the file is not true any more. Raise BuildError before anything has run if a name in
        the target is taken by a relation that sqlflow did not make, and BusyError if somebody else still holds the target
        after `lock_timeout` seconds. Without `wait_for` it begins at once, whatever that of the pipeline says. What fails while running is in the report.
        """
        document = None if plan_file is None else saved.read(saved.text_of(plan_file), str(plan_file))
        chosen = self.selected(document["select"], document["exclude"]) if document else self.selected(select, exclude)
        keep(self.loaded.root, self.cache, make_folder=True)
        limit = self.pipeline.timeout if timeout is None and self.pipeline else timeout
        if wait_for and self.pipeline and self.pipeline.waits:
            waits.wait_before(self.loaded, self.pipeline.waits, listener)
        options = Options(
            threads or self.loaded.config.threads, publish_what, fail_fast, prune, adopt, cascade, limit or None
        )
        parts = self._parts(targets_of(self.graph, chosen, exports=True))
        checked = checked_anew(parts, chosen)
        with all_waited_for(parts, lock_timeout, listener) as there, ExitStack() as stack:
            run = Several(self.graph, there, adopt, full_refresh, self._tests_in, chosen, asked)
            before = run.before()
            if before and not document and run.is_idle(before, options):
                return idle_report(before.plan, there, self.loaded.environment, listener)
            todo = run.across(stack.enter_context(all_leased(there, lock_timeout, listener)), before)
            checked = checked or checked_in(there, todo.plans)
            plans = {name: replace(one, foreseen=checked[name].foreseen) for name, one in todo.plans.items()}
            todo = replace(todo, plans=plans)
            if document is not None:
                saved.refuse_stale(document, todo.plan, str(plan_file))
            backfill.refuse_unbuildable(todo.plan, asked)
            return run.execute(todo, options, listener)

    def backfill(
        self, select: Iterable[str], start: datetime | str, end: datetime | str, *, exclude: Iterable[str] = (),
        only_missing: bool = False, threads: int | None = None, lock_timeout: float = LOCK_SECONDS, listener: Listener = _silent,
    ) -> Report:  # fmt: skip
        """Build the intervals from `start` up to `end` of blocks of time ranges again, or those that are missing.

        What else is selected is built as by `build`. Raise UsageError for a time that is not of finished intervals.
        """
        chosen = tuple(select), tuple(exclude)
        asked = backfill.backfilled(self.graph, self.selected(*chosen), start, end, only_missing)
        return self.build(*chosen, threads=threads, lock_timeout=lock_timeout, listener=listener, asked=asked)

    def verify(
        self, name: str, start: datetime | str, end: datetime | str, *, key: Iterable[str] = (), limit: int = 5,
        lock_timeout: float = LOCK_SECONDS, listener: Listener = _silent,
    ) -> "Difference":  # fmt: skip
        """Return how the intervals from `start` up to `end` of a block would differ if they were built again."""
        here = self._at(name)
        asked = backfill.backfilled(here.graph, [here.block(name).name], start, end)
        return verify.verified(here.graph, asked, tuple(key), limit, lock_timeout, listener)

    def _tests_in(self, held: Held) -> "testing.UnitTests":
        """Return what runs the unit tests of the blocks of a target."""
        return self._unit_tests(held.graph, held.lease.owner, held.connection)

    def _unit_tests(
        self, of: Graph, run: str, connection: Connection | None = None, tell: Listener = _silent
    ) -> "testing.UnitTests":
        """Return what runs a project's unit tests; in the target that `connection` is, where the engine asks for one."""

        def with_vars(vars: Mapping[str, Any]) -> nouns.Project:
            return part(self._with_vars(vars), of.project.target.name)

        return testing.UnitTests(of, run, workers.Workers(self.loaded.root), with_vars, target=connection, tell=tell)

    def _with_vars(self, vars: Mapping[str, Any]) -> nouns.Project:
        """Return the project as its files are now, with other values of some vars."""
        known = LoadCache(old=self.cache.new)
        again = load(self.loaded.root, self.loaded.target.name, {**self.loaded.vars, **vars}, cache=known)
        return published_in(again, self.loaded.environment)

    def unit_test(
        self, select: Iterable[str] = (), exclude: Iterable[str] = (), *, listener: Listener = _silent
    ) -> Report:
        """Run the unit tests of the selected blocks beside all that the target holds, and return the report.

        Raise TargetError if something is not installed that a tested function needs.
        """
        chosen = self.selected(select, exclude)
        run, reports = new_run(), []
        parts = self._parts(all_targets(self.graph)).values()
        asked = [(one, unit_tests.tests_of(one, chosen & one.inputs.keys())) for one in parts]
        for one, mine in [pair for pair in asked if pair[1]] or asked[:1]:
            with closing(self._unit_tests(one, run, tell=listener)) as tests:
                reports.append(testing.test_units(tests, mine, one.project.target.name))
        return together_reported(reports)

    def new_unit_test(self, name: str, rows: int = 3) -> str:
        """Write a unit test of a block from a few rows that the target has of each input, and return its path.

        Raise UsageError for a block that has one written so, or that cannot have one.
        """
        here = self._at(name)
        with opened(here.loaded, readonly=True) as (connection, session):
            shown = published(here.loaded, connection, session).published
            test = new_unit_test.sampled(here.graph, here.block(name), shown, rows, session)

        def tests() -> "testing.UnitTests":
            again = replace(self, loaded=self._with_vars({}))
            return again._unit_tests(again._at(name).graph, new_run())

        return new_unit_test.write_new(test, self.loaded.root, tests)

    def test(
        self, select: Iterable[str] = (), exclude: Iterable[str] = (), *, threads: int | None = None,
        lock_timeout: float = LOCK_SECONDS, listener: Listener = _silent,
    ) -> Report:  # fmt: skip
        """Run the assertions of the selected blocks on what is published, and return the report."""
        chosen, options = self.selected(select, exclude), Options(threads or self.loaded.config.threads)
        with all_held(self._parts(targets_of(self.graph, chosen)), lock_timeout, listener) as targets:
            return everywhere.tested(self.graph, targets, chosen, options, listener)

    def promote(
        self, environment: str, *, threads: int | None = None, lock_timeout: float = LOCK_SECONDS,
        listener: Listener = _silent,
    ) -> Report:  # fmt: skip
        """Publish what an environment shows, build nothing, and return the report.

        Assertions that are not known to have passed on it run first. Raise UsageError, with each block that differs, if it
        is not what the project says now.
        """
        source = Environment.parse(environment)
        if source == self.loaded.environment:
            raise UsageError(f"`{source.name}` cannot be promoted to itself", hint="name the environment to promote")
        with self._held(source, lock_timeout, listener, exports=True) as targets:
            options = Options(threads or self.loaded.config.threads)
            return everywhere.promoted_from(self.graph, targets, source, self.selected(), options, listener)

    @contextmanager
    def _held(
        self, needed: Environment, lock_timeout: float, listener: Listener, exports: bool = False
    ) -> Iterator[Mapping[str, Held]]:  # fmt: skip
        """Hold the targets that there are. Raise UsageError if the environment that is `needed` shows nothing in any."""
        parts = self._there(exports)
        if not any(is_there(one.project) for one in parts.values()):
            raise state.unknown(needed, ())
        with all_held(parts, lock_timeout, listener) as targets:
            everywhere.refuse_unknown(targets, needed)
            yield targets

    def _there(self, exports: bool = False) -> dict[str, Graph]:
        """Return what each target that can have anything sees of the project; with `exports`, all that are exported to."""
        tables = exported_to(self.graph, self.graph.order)
        parts = self._parts(dict.fromkeys((*all_targets(self.graph), *sorted(tables))))
        return {name: one for name, one in parts.items() if is_there(one.project) or (exports and name in tables)}

    def rollback(self, *, lock_timeout: float = LOCK_SECONDS, listener: Listener = _silent) -> "Rollback":
        """Take the latest publish back, and return what that was.

        Raise UsageError if there is none, or if what it has replaced is not there any more.
        """
        with self._held(self.loaded.environment, lock_timeout, listener) as targets:
            return everywhere.taken_back(targets)

    def rendered(self, name: str) -> MappedText:
        """Return a block's SQL as the engine would get it, but with published names, or its function's file. Seeds have none.

        That of a block of time ranges is for its first interval.
        """
        return show.rendered(self.block(name), self._at(name).loaded)

    def shown(self, name: str, limit: int = 10, cte: str = "") -> Rows:
        """Return the first rows of a block as it is published, or else of its query or one of its CTEs."""
        here = self._at(name)
        return show.rows_of(here.graph, here.block(name), cte, limit)

    def frame(self, name: str) -> "pd.DataFrame":
        """Return a published block as a pandas frame of Arrow types: integers with NULL stay integers."""
        here = self._at(name)
        return show.frame(here.loaded, here.block(name))

    def failures(self, name: str = "") -> "tuple[Failure, ...]":
        """Return the failing rows of the latest run that had any."""
        is_assertion = any(assertion.name == name for assertion in self.loaded.assertions)
        wanted = str(self.block(name).name) if name and not is_assertion else name
        return everywhere.failures(self._there().values(), wanted)

    def freshness(
        self, select: Iterable[str] = (), exclude: Iterable[str] = (), users: "Iterable[Resolved] | None" = None
    ) -> "tuple[Freshness, ...]":
        """Return how old the selected blocks are and the sources they read, of those that say `fresh_within`; `users` are known pipelines."""
        parts, known = self._parts(all_targets(self.graph)).values(), self.pipelines if users is None else users
        return freshness.freshness(self.graph, parts, self.selected(select, exclude), known)

    def diff(self, name: str, against: str = PROD.name, key: Iterable[str] = (), limit: int = 5) -> "Difference":
        """Return how a block differs here from what the environment `against` shows. Raise UsageError where it is not shown."""
        here = self._at(name)
        return diff.compared(here.loaded, here.block(name), Environment.parse(against), tuple(key), limit)

    def environments(self) -> "tuple[Listed, ...]":
        """Return the environments that show something, `prod` first."""
        return everywhere.environments_of(self._there().values())

    def drop_environment(
        self, name: str, *, lock_timeout: float = LOCK_SECONDS, listener: Listener = _silent
    ) -> tuple[TableName, ...]:
        """Take an environment away, and return its relations that were dropped. Raise UsageError for `prod`."""
        environment = Environment.parse(name)
        if environment.is_prod:
            raise UsageError("`prod` cannot be dropped", hint="remove blocks, and run `sqlflow build --prune`")
        there = replace(self, loaded=replace(self.loaded, environment=environment))
        with there._held(environment, lock_timeout, listener) as targets:
            return everywhere.dropped(targets)

    def gc(self, *, lock_timeout: float = LOCK_SECONDS, listener: Listener = _silent) -> tuple[str, ...]:
        """Drop the versions that nothing shows and that are older than `keep`, and return their names."""
        return self._cleaned(self.loaded.config.keep, lock_timeout, listener)

    def clean(self, *, lock_timeout: float = LOCK_SECONDS, listener: Listener = _silent) -> tuple[str, ...]:
        """Drop the versions that nothing shows, and return their names."""
        return self._cleaned(0.0, lock_timeout, listener)

    def _cleaned(self, seconds: float, lock_timeout: float, listener: Listener) -> tuple[str, ...]:
        with all_held(self._there(), lock_timeout, listener) as targets:
            return everywhere.cleaned(targets, seconds, lock_timeout, listener)

    def check_connection(self) -> Rows:
        """Open the target and ask it for one row. Raise BusyError or TargetError if that cannot be."""
        with opened(self.loaded) as (_, session):
            return session.rows("select 1 as one")
