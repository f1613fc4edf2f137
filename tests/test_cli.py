"""The command line as a process: signals, completion, a terminal that goes away."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import write

import sqlflow

SLOW = "select count(*) as n from range(10000000) a, range(10000000) b"
SQLFLOW = (sys.executable, "-m", "sqlflow")


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_query_publishes_nothing_and_says_so(tmp_path: Path, number: int, exit_code: int) -> None:
    write(tmp_path, {"blocks/quick.sql": "select 1 as id", "blocks/slow.sql": SLOW, "sqlflow.yml": "name: p\n"})
    command = (*SQLFLOW, "build", "--output", "jsonl")
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        heard = []
        for line in process.stdout:
            heard.append(json.loads(line))
            if (heard[-1]["event"], heard[-1].get("block")) == ("block_started", "main.slow"):
                process.send_signal(number)
    assert (process.returncode, heard[-1]["event"], heard[-1]["status"]) == (exit_code, "run_finished", "cancelled")
    assert not any(event["event"] == "published" for event in heard)


def test_the_file_is_free_after_a_kill_and_the_next_build_is_whole(tmp_path: Path) -> None:
    write(tmp_path, {"blocks/a.sql": "select 1 as id", "blocks/slow.sql": SLOW, "sqlflow.yml": "name: p\n"})
    command = (*SQLFLOW, "build", "--output", "jsonl")
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if '"block_started"' in line and "main.slow" in line:
                process.kill()
    write(tmp_path, {"blocks/slow.sql": "select id from a"})
    done = subprocess.run((*SQLFLOW, "build", "--quiet"), cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "published 2 relations at once" in done.stdout


@pytest.mark.parametrize(
    ("words", "position", "expected"),
    [
        ("sqlflow bu", 1, ["build"]),
        ("sqlflow build sta", 2, ["staging.orders"]),
        ("sqlflow show ord", 2, ["staging.orders"]),
        ("sqlflow build +mar", 2, ["+marts.revenue"]),
    ],
)
def test_the_shell_completes_commands_and_block_names(
    tmp_path: Path, words: str, position: int, expected: list[str]
) -> None:
    write(tmp_path, {"blocks/staging/orders.sql": "select 1 as id", "blocks/marts/revenue.sql": "select 1 as id"})
    asked = {"_SQLFLOW_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(position)}
    done = subprocess.run(SQLFLOW, cwd=tmp_path, env=os.environ | asked, capture_output=True, text=True, check=True)
    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == expected


AT_THE_END = {
    "what is registered": "import atexit\natexit.register(print, 'done')\n",
    "what a thread prints": (
        "import threading\nthreading.Thread(target=lambda: (threading.main_thread().join(), print('done'))).start()\n"
    ),
}


@pytest.mark.parametrize("before", AT_THE_END.values(), ids=AT_THE_END)
@pytest.mark.parametrize(("arguments", "code", "told"), [(["--version"], 0, True), (["nothing"], 2, False)])
def test_a_process_ends_with_its_code_when_all_is_done_and_written(
    arguments: list[str], code: int, told: bool, before: str
) -> None:
    program = before + "import sys\nfrom sqlflow.cli.main import run\nsys.argv[0] = 'sqlflow'\nrun()"

    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)

    said = [f"sqlflow {sqlflow.__version__}"] if told else []
    assert (done.returncode, done.stdout.splitlines()) == (code, [*said, "done"])
