"""Mutated projects: bytes, YAML, Jinja and SQL changed at random, each from a number that makes it again.

python tests/fuzz.py 0 100000        # the mutations of these numbers, with what is wrong
"""

import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import crash
from test_cases import CASES, called
from watch import REPOSITORY, watched

from sqlflow.read import template

SECONDS_AT_MOST = 5.0
MEGABYTES_AT_MOST = 1000
PATIENCE_SECONDS = 60.0
"""How long a busy machine may take for what takes 5 s of its time."""
_WORDS = {
    "yaml": ["- ", ": ", "[", "]", "{", "}", "&a ", "*a", "!!python/object:os.system ", "|", ">", "'", '"', "---", "\t", "<<: *a", "null",
             "yes", "1e999", "0x", "assert:\n", "columns:\n", "materialize: ", "indexes: [", "{}: ", "? ", "-1", "\n  ", "#", "%", "@", "`"],
    "jinja": ["{{", "}}", "{%", "%}", "{#", "#}", "{% if ", "{% for x in range(9) %}", "{% endfor %}", "{% endif %}", "{% macro m() %}",
              "{{ var('x') }}", "{{ ''.__class__ }}", "{{ 'a' * 10**9 }}", "{% set x = x %}", "{% include 'blocks/marts/b.sql' %}", "{{ this }}",
              "{{ range(10**9) }}", "{{ m() }}", "{% call m() %}", "{{ query('select 1') }}", "{% raw %}", "| list", "| join", "-%}", "{{ env('HOME') }}",
              "{% for x in range(99999) %}{% for y in range(99999) %}{% endfor %}{% endfor %}"],
    "sql": ["select ", "from ", "join ", "with ", "recursive ", "(", ")", ",", ";", "'", '"', "--", "/*", "*/", "/*---", "---*/", "$$", "::", ".", "*",
            "union all ", "where ", "group by ", "order by ", "case when ", "end ", "null", "staging.a", "marts.b", "\u00a0", "\u202e", "\x00", "\x1b[31m",
            "read_csv('/etc/passwd')", "pivot ", "unnest(", "lateral ", "exclude ", "insert into ", "drop table ", "[", "]", "{", "}", "?", "$1", "@",
            "(" * 300, "not " * 200, "1 + " * 300],
}  # fmt: skip


def originals() -> list[dict[str, str]]:
    """Return the projects that are mutated, as texts by path."""
    folders = [
        folder
        for group in ("building", "sql", "templates", "assertions")
        for folder in sorted((CASES / group).iterdir())
    ]
    found = [crash.FILES] + [_texts(folder) for folder in folders] + [_texts(REPOSITORY / "example_warehouse")]
    return [files for files in found if files]


def _texts(folder: Path) -> dict[str, str]:
    kinds = (".sql", ".yml", ".csv", ".py")
    files = (
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in kinds and path.name != "case.yml"
    )
    return {
        str(path.relative_to(folder)): path.read_text("utf-8")
        for path in files
        if path.stat().st_size < 20_000 and path.name != "prepare.py"
    }


def mutated(number: int, projects: list[dict[str, str]]) -> dict[str, bytes]:
    """Return the project of a number: one of the originals with up to four changes in one or two of its files."""
    chance = random.Random(number)
    files = {path: text.encode() for path, text in chance.choice(projects).items()}
    for path in chance.sample(sorted(files), k=min(len(files), chance.choice((1, 1, 2)))):
        for _ in range(chance.randint(1, 4)):
            files[path] = _changed(files[path], path, chance)
    return files


def _changed(data: bytes, path: str, chance: random.Random) -> bytes:
    place, end = chance.randint(0, len(data)), 0
    end = min(len(data), place + chance.randint(1, 20))
    kind = "yaml" if path.endswith(".yml") else chance.choice(("sql", "jinja", "yaml"))
    match chance.randrange(8):
        case 0:
            return data[:place] + chance.randbytes(chance.randint(1, 4)) + data[end:]
        case 1:
            return data[:place] + data[end:]
        case 2:
            return data[:end] + data[place:]
        case 3:
            lines = data.split(b"\n")
            chance.shuffle(lines)
            return b"\n".join(lines)
        case 4:
            lines = data.split(b"\n")
            at = chance.randrange(len(lines))
            return b"\n".join([*lines[:at], b"  " * chance.randint(1, 3) + lines[at], *lines[at + 1 :]])
        case _:
            return data[:place] + chance.choice(_WORDS[kind]).encode() + data[place:]


def faults_of(number: int, projects: list[dict[str, str]], root: Path) -> list[str]:
    """Return what is wrong with how the project of a number is answered."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for path, data in mutated(number, projects).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    os.chdir(root)
    begun = time.process_time()
    with watched(root) as seen:
        code, said = called("plan --offline")
    faults = [what for what in seen if not what.startswith("reads ")]
    if code not in (0, 2):
        faults.append(f"exit {code}")
    if "Traceback" in said or "internal error" in said:
        faults.append(said[-400:])
    if time.process_time() - begun > SECONDS_AT_MOST:
        faults.append(f"takes more than {SECONDS_AT_MOST:g} s")
    if _peak_megabytes() > MEGABYTES_AT_MOST:
        faults.append("takes more than 1 GB")
    return faults


def _peak_megabytes() -> float:
    """Return the most memory that this process had at once; `getrusage` would count what its parent had when it began."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _work(first: int, last: int, step: int, told: Any) -> None:
    projects, root = originals(), Path(tempfile.mkdtemp(prefix="sqlflow-fuzz-")) / "p"
    template.SECONDS_AT_MOST = 1.0  # a template may take its 10 seconds: that is a limit, and no hang
    for number in range(first, last, step):
        told.send((number, None))
        told.send((number, faults_of(number, projects, root)))
    told.send((last, None))
    os.chdir("/")
    shutil.rmtree(root.parent, ignore_errors=True)


def faults(first: int, last: int, step: int = 1, seconds: float = 1e9) -> Iterator[tuple[int, list[str]]]:
    """Yield each number that was tried and what is wrong with its answer, as long as the time is not over.

    A mutation that takes longer than it may ends its process; the next one begins in another.
    """
    ends, number = time.monotonic() + seconds, first
    while number < last and time.monotonic() < ends:
        heard, told = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(target=_work, args=(number, last, step, told))
        process.start()
        told.close()
        try:
            limit = 2 * PATIENCE_SECONDS  # the first answer waits for all that is imported
            while time.monotonic() < ends:
                if not heard.poll(limit):
                    yield number, ["does not end"]
                    break
                limit = PATIENCE_SECONDS
                number, found = heard.recv()
                if number >= last:
                    return
                if found is not None:
                    yield number, found
        except EOFError:
            process.join()
            yield number, [f"the process has ended with {process.exitcode}"]
        finally:
            process.kill()
            process.join()
        number += step


if __name__ == "__main__":
    begun, count = time.monotonic(), 0
    for number, wrong in faults(int(sys.argv[1]), int(sys.argv[2]), *map(int, sys.argv[3:4])):
        count += 1
        for what in wrong:
            print(number, what.replace("\n", "\n    "), flush=True)
        if count % 1000 == 0:
            print(f"{count} mutations in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    print(f"{count} mutations")
