"""Processes of user code: heard line by line, held to their limits, and dead when they should be. All are real."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sqlflow.core import process
from sqlflow.core.process import Child, clean_environment, ended_text, size_text

Start = Callable[..., Child]
SPAWN = "import subprocess, sys; child = subprocess.Popen(['sleep', '600'], start_new_session={}); print(child.pid, flush=True)"
MARK = "\x00the end"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return what starts a child that runs Python code."""
    children: list[Child] = []

    def started(code: str, environment: dict[str, str] | None = None) -> Child:
        child = Child([sys.executable, "-I", "-u", "-c", code], clean_environment(environment), tmp_path)
        children.append(child)
        return child

    yield started
    for child in children:
        child.close()


def listened(start: Start, code: str, environment: dict[str, str] | None = None) -> tuple[Child, list[str]]:
    """Return a child and the lines that it prints: it begins when it is listened to, and not before."""
    lines: list[str] = []
    with TemporaryDirectory() as folder:
        gate = Path(folder) / "gate"
        os.mkfifo(gate)
        child = start(f"open({str(gate)!r}).close()\n{code}", environment)
        child.prints.begin(lines.append, MARK)
        gate.open("w").close()
    return child, lines


def printed(start: Start, code: str, environment: dict[str, str] | None = None) -> list[str]:
    """Return what a child prints until it ends."""
    child, lines = listened(start, code, environment)
    child.wait()
    child.prints.join()
    return lines


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended; a zombie has."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    return True


def wait_until_gone(pid: int) -> None:
    """Return when a process has ended, or after a minute."""
    with suppress(ProcessLookupError):
        watch = os.pidfd_open(pid)
        select.select([watch], [], [], 60)
        os.close(watch)


@pytest.mark.parametrize("in_a_session_of_its_own", [False, True])
def test_children_that_are_left_end_with_their_parent(in_a_session_of_its_own: bool, start: Start) -> None:
    (line,) = printed(start, SPAWN.format(in_a_session_of_its_own))
    wait_until_gone(int(line))
    assert is_gone(int(line))


def test_killing_takes_grandchildren_that_were_forked_twice(start: Start) -> None:
    code = "import os, time\nif os.fork() == 0:\n    if os.fork() == 0:\n        print(os.getpid())\n        time.sleep(600)\n    os._exit(0)\ntime.sleep(600)"
    child = start(code)
    lines: list[str] = []
    child.prints.begin(lambda line: (lines.append(line), child.kill("enough"))[0], MARK)
    child.wait()
    wait_until_gone(int(lines[0]))
    assert (is_gone(int(lines[0])), child.killed_for) == (True, "enough")


def test_memory_beyond_the_limit_ends_it(start: Start) -> None:
    child = start("rows = []\nwhile True: rows.append(bytearray(1_000_000))")
    child.limit(100 << 20)
    assert (child.wait(), child.killed_for) == (-9, "it took more memory than its limit of 100 MB")


def test_memory_of_its_children_counts(start: Start) -> None:
    code = "import os\nif os.fork() == 0:\n    rows = []\n    while True: rows.append(bytearray(1_000_000))\nos.wait()"
    child = start(code)
    child.limit(100 << 20)
    assert (child.wait(), child.killed_for) == (-9, "it took more memory than its limit of 100 MB")


def test_a_fork_bomb_is_bounded(start: Start) -> None:
    child = start("import os\nwhile True: os.fork()")
    assert (child.wait(), child.killed_for) == (-9, f"it started more than {process.PROCESSES_AT_MOST} processes")


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("print('a'); print('b')", ["a", "b"]),
        ("import os; os.write(1, b'half'); os.write(1, b' and half\\nrest')", ["half and half", "rest"]),
        ("import sys; print('out'); print('err', file=sys.stderr)", ["out", "err"]),
        ("import os; os.write(1, b'windows\\r\\n\\xff\\n')", ["windows", "\ufffd"]),
        ("print('x' * 5000)", ["x" * 2000 + " … cut"]),
        ("print('x' * 30_000_000)", ["… cut: it printed more than is kept"]),
        ("", []),
    ],
)
def test_lines_are_told_as_they_are_printed(code: str, lines: list[str], start: Start) -> None:
    assert printed(start, code) == lines


def test_more_than_20_000_lines_are_cut(start: Start) -> None:
    lines = printed(start, "for number in range(30_000): print(number)")
    assert (len(lines), lines[0], lines[-2:]) == (20_001, "0", ["19999", "… cut: it printed more than is kept"])


def test_what_is_printed_behind_the_mark_is_told_to_nobody(start: Start) -> None:
    child, lines = listened(start, f"import os; os.write(1, b'one\\ntwo' + {MARK!r}.encode() + b'\\nthree\\n')")
    child.prints.end()
    assert lines == ["one", "two"]


def test_the_environment_is_of_listed_names_alone(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "canary")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    code = "import os, sys; print(*(os.environ.get(name) for name in sys.argv[1:] or ['SECRET', 'OMP_NUM_THREADS', 'TZ', 'MORE']))"
    assert printed(start, code, {"MORE": "more"}) == ["None 2 UTC more"]


def test_standard_input_is_closed(start: Start) -> None:
    assert printed(start, "import sys; print(repr(sys.stdin.read()))") == ["''"]


def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from sqlflow.core.process import *\n"
        "child = Child([sys.executable, '-I', '-c', 'import time; print(1, flush=True); time.sleep(600)'], clean_environment(), Path('.'))\n"
        "child.prints.begin(lambda line: print(child.pid, flush=True), '.')\ntime.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until_gone(pid)
    assert is_gone(pid)


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, "exit code 0"), (3, "exit code 3"), (-signal.SIGSEGV, "signal 11 (SIGSEGV)"), (-40, "signal 40")],
)
def test_how_a_process_ended_in_words(code: int, text: str) -> None:
    assert ended_text(code) == text


@pytest.mark.parametrize(("size", "text"), [(12, "12 bytes"), (500 << 20, "500 MB"), (3 << 29, "1.5 GB")])
def test_sizes_in_words(size: int, text: str) -> None:
    assert size_text(size) == text


def test_what_a_process_prints_is_not_waited_for_if_it_ended_before_it_was_listened_to(start: Start) -> None:
    child = start("pass")
    child.wait()
    child.prints.join()
    lines: list[str] = []

    child.prints.begin(lines.append, MARK)
    child.prints.end()

    assert lines == []
