"""What a run says to a person: live lines while it lasts, and a summary with the next step last."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from sqlflow.cli.output import echo
from sqlflow.cli.text import seconds, table
from sqlflow.cli.unit_tests import unit_test_texts
from sqlflow.core import events
from sqlflow.core.errors import printable
from sqlflow.core.events import Event, Listener
from sqlflow.core.flow import written
from sqlflow.core.secrets import masked
from sqlflow.core.words import count, that_break
from sqlflow.run.report import AssertionResult, BlockResult, Report

_MARKS = {"built": ("✓", "green"), "failed": ("✗", "red"), "warned": ("!", "yellow"), "skipped": ("-", "bright_black")}
_FAILURES_SHOWN = 10


@contextmanager
def listening(quiet: bool) -> Iterator[Listener]:
    """Yield the listener for this terminal: live where there is one, plain lines elsewhere."""
    if quiet or not sys.stdout.isatty():
        yield _Lines(quiet)
        return
    with _Live() as live:
        yield live


class _Lines:
    """One line for each thing that happened."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet

    def __call__(self, event: Event) -> None:
        line = described(event)
        if line and not (
            self.quiet
            and isinstance(
                event,
                (
                    events.BlockBuilt,
                    events.IntervalsBuilt,
                    events.BlockPrinted,
                    events.BlockSkipped,
                    events.RunStarted,
                    events.Published,
                    events.Exported,
                ),
            )
        ):
            echo(line)


class _Live(_Lines):
    """The same lines, and below them what runs now and for how long."""

    def __init__(self) -> None:
        super().__init__(quiet=False)
        from rich.console import Console
        from rich.live import Live

        self.running: dict[str, float] = {}
        self.lock = threading.Lock()
        self.console = Console(highlight=False)
        self.live = Live(self, console=self.console, refresh_per_second=8, transient=True)

    def __enter__(self) -> "_Live":
        self.live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.live.__exit__(*error)

    def __rich__(self) -> Any:
        from rich.text import Text

        now = time.perf_counter()
        with self.lock:
            running = sorted(self.running.items(), key=lambda item: item[1])
        lines = [f"  … {name}  {seconds(now - started)}" for name, started in running]
        return Text("\n".join(lines), style="cyan")

    def __call__(self, event: Event) -> None:
        with self.lock:
            match event:
                case events.Waiting() | events.RunWaiting():
                    self.running = {"waiting": time.perf_counter()}
                case events.RunStarted():
                    self.running.clear()
                case events.BlockStarted():
                    self.running[event.block] = time.perf_counter()
                case (
                    events.BlockBuilt() | events.BlockFailed() | events.BlockSkipped() | events.BlockTriedAgain()
                    | events.BlockWaiting()
                ):  # fmt: skip
                    self.running.pop(event.block, None)
        line = described(event)
        if line:
            from rich.text import Text

            with suppress(OSError):  # the terminal was closed
                self.console.print(Text.from_ansi(masked(line)), soft_wrap=True)


def described(event: Event) -> str:
    """Return the line that tells of an event, coloured; empty for one that needs none."""
    match event:
        case events.Waiting():
            return f"waiting for the target, up to {seconds(event.seconds)}: {event.message}"
        case events.RunWaiting():
            return f"waiting for {event.reason}, up to {written(event.seconds)}"
        case events.RunStarted():
            where = event.target if event.environment == "prod" else f"{event.target}, environment {event.environment}"
            return f"run {event.run} on {where}: {_work(event)}"
        case events.AssertionFinished(status="failed" | "warned"):
            unshown = "does not hold" if event.failing else "could not be run"
            what = unshown if event.error else count(event.failing, "row")
            name = f"{event.block}: {event.assertion}" if event.block else event.assertion
            return f"{_mark(event.status)} {name}  {event.status}: {what}"
        case events.UnitTestFinished(status="failed"):
            what = "could not be run" if event.error else f"{count(event.rows, 'row')} not as expected"
            return f"{_mark(event.status)} {event.block}: {event.test}  failed: {what}"
        case events.Warned():
            return f"{_mark('warned')} {event.message}"
    return _of_block(event)


def _of_block(event: Event) -> str:
    match event:
        case events.BlockBuilt():
            rows = "" if event.rows is None else count(event.rows, "row")
            return f"{_mark('built')} {event.block:<40} {event.materialize} {rows:>{24 - len(event.materialize)}}  {seconds(event.seconds):>8}"
        case events.IntervalsBuilt():
            what = "was there" if event.is_found else seconds(event.seconds)
            return f"  {event.block:<40} {event.span} {what:>{max(10, 36 - len(event.span))}}"
        case events.Exported():
            return f"{_mark('built')} {event.block:<40} exported to {event.path}: {count(event.rows, 'row')}"
        case events.BlockPrinted():
            return f"  {click.style(event.block, fg='bright_black')} │ {printable(event.line)}"
        case events.BlockTriedAgain():
            error = printable(event.error.partition("\n")[0])
            return f"{_mark('warned')} {event.block:<40} tried again in {written(event.seconds)} (try {event.attempt}): {error}"
        case events.BlockWaiting():
            return f"… {event.block:<40} waiting for {event.reason}"
        case events.BlockFailed():
            return f"{_mark('failed')} {event.block:<40} failed"
        case events.BlockSkipped():
            return f"{_mark('skipped')} {event.block:<40} skipped: {event.reason}"
    return ""


def _work(event: events.RunStarted) -> str:
    tests = [count(event.unit_tests, "unit test")] if event.unit_tests else []
    if tests and not event.blocks and not event.assertions:
        return tests[0]
    return ", ".join([count(event.blocks, "block"), count(event.assertions, "assertion"), *tests])


def _mark(status: str) -> str:
    mark, colour = _MARKS[status]
    return click.style(mark, fg=colour)


def summary(report: Report, flags: str = "") -> str:
    """Return what a run came to: counts, warnings, failures with their causes, and the next command last."""
    parts = [_counts(report)]
    parts += [_assertion_text(result) for result in report.assertions if result.status == "warned"]
    parts += unit_test_texts(report.unit_tests)
    failed = list(report.failed())
    parts += [_failure_text(result) for result in failed[:_FAILURES_SHOWN]]
    if len(failed) > _FAILURES_SHOWN:
        parts.append(f"… and {len(failed) - _FAILURES_SHOWN} more failures")
    parts += [str(problem) for problem in report.problems]
    parts.append(_outcome(report, flags))
    return "\n\n".join(part for part in parts if part)


def _counts(report: Report) -> str:
    blocks = [
        (status, sum(block.status == status for block in report.blocks))
        for status in ("built", "reused", "failed", "skipped")
    ]
    checks = [
        (status, sum(check.status == status for check in report.assertions))
        for status in ("passed", "warned", "failed", "skipped")
    ]
    words = [f"{number} {status}" for status, number in blocks if number]
    asserted = [f"{number} {status}" for status, number in checks if number]
    tested = [
        f"{number} {status}"
        for status in ("passed", "failed", "skipped")
        if (number := sum(test.status == status for test in report.unit_tests))
    ]
    kinds = (("blocks", words), ("assertions", asserted), ("unit tests", tested))
    texts = [f"{kind}: {', '.join(found)}" for kind, found in kinds if found]
    nothing = "nothing was finished" if report.status in ("failed", "cancelled") else "nothing to do"
    return " · ".join([*(texts or [nothing]), seconds(report.seconds)])


def _failure_text(result: BlockResult | AssertionResult) -> str:
    if isinstance(result, AssertionResult):
        return _assertion_text(result)
    return f"{_mark('failed')} {click.style(str(result.block), bold=True)} failed\n" + "\n".join(
        map(str, result.problems)
    )


def _assertion_text(result: AssertionResult) -> str:
    name = f"{result.block}: {result.assertion}" if result.block else result.assertion
    if result.problems:
        what = "does not hold" if result.failing else "could not be run"
        return f"{_mark(result.status)} {name} {what}\n" + "\n".join(map(str, result.problems))
    lines = [f"{_mark(result.status)} {click.style(name, bold=True)}: {that_break(result.failing)} it"]
    if result.description:
        lines.append(f"  {result.description}")
    if result.sample:
        import shutil

        width = shutil.get_terminal_size((100, 24)).columns - 4
        shown = table(result.columns, result.sample[:5], width)
        lines += [f"    {line}" for line in shown.split("\n")]
    return "\n".join(lines)


def _outcome(report: Report, flags: str) -> str:
    lines = []
    if report.dropped:
        lines.append("dropped: " + ", ".join(map(str, report.dropped)))
    if report.published:
        lines.append(_published(report))
    elif report.status in ("succeeded", "warned") and report.blocks and not report.dropped:
        lines.append("nothing to publish: all is as it was")
    if report.published:
        lines += [
            f"held back: `{block.block}` {block.reason}"
            for block in report.blocks
            if block.status in ("built", "reused") and block.reason
        ]
    match report.status:
        case "cancelled":
            lines.append("cancelled: nothing was published")
        case "failed" if not report.published and report.blocks:
            lines.append("nothing was published: readers keep what was there")
    lines.append(_next_step(report, flags))
    return "\n".join(line for line in lines if line)


def _published(report: Report) -> str:
    if report.published_in[0][0] == report.target:
        return f"published {count(len(report.published), 'relation')} at once"
    (first, shown), *others = report.published_in
    then = "".join(f", then {number} in `{target}`" for target, number in others)
    return f"published {count(shown, 'relation')} at once in `{first}`{then}"


def _next_step(report: Report, flags: str) -> str:
    for result in report.failed():
        if isinstance(result, BlockResult):
            return f"next: mend {result.problems[0].place or result.block}, then `sqlflow build {result.block}+{flags}`"
        name = result.block or result.assertion
        if result.failing:
            import shlex

            return f"next: `sqlflow failures {shlex.quote(name)}{flags}` shows the rows"
        again = f", then `sqlflow build {result.block}+{flags}`" if result.block else ""
        return f"next: mend {result.problems[0].place or name}{again}"
    return ""
