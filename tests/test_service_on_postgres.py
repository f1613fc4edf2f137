"""The service with its history in Postgres."""

from collections import Counter
from pathlib import Path

from serving import ended, gated, killed, process, project, served, until, waited

from sqlflow.service.history import History
from sqlflow.service.nouns import RunFilter


def with_history(folder: Path, url: str, files: dict[str, str]) -> Path:
    return project(folder, {"sqlflow.yml": f"name: p\nservice: {{history: '{url}'}}\n", **files})


def test_two_services_share_ticks_and_runs_and_one_that_is_killed_is_taken_over(
    tmp_path: Path, postgres_url: str
) -> None:
    pipeline = "every: 1s\noverlap: skip\nselect: [one]\n"
    folders = [
        with_history(tmp_path / name, postgres_url, {"pipelines/often.yml": pipeline}) for name in ("first", "second")
    ]
    history = History.open(tmp_path, postgres_url)
    services = [process(folder) for folder in folders]
    waited(lambda: len(history.runs(RunFilter(statuses=("succeeded",)), limit=100)) >= 3)
    services[0].kill()
    services[0].communicate()
    before = len(history.runs(limit=1000))
    waited(lambda: len(history.runs(limit=1000)) >= before + 3)
    (tmp_path / "second/pipelines/often.yml").write_text(pipeline.replace("1s", "1000h"))
    waited(lambda: not history.runs(RunFilter(statuses=("queued", "waiting", "running"))))
    services[1].terminate()
    services[1].communicate()
    ticks, runs = history.ticks("often", limit=1000), history.runs(limit=1000)
    assert len({tick.due_at for tick in ticks}) == len(ticks)
    assert Counter(tick.outcome for tick in ticks)["fired"] == len({run.key for run in runs}) == len(runs)
    assert {run.status for run in runs} == {"succeeded"}
    history.close()


def test_a_run_that_is_killed_is_tried_again_and_its_lines_are_kept(tmp_path: Path, postgres_url: str) -> None:
    text, gate = gated(tmp_path)
    text = text.replace("the gate is open", "nul: \\x00, umlaut: ü")
    files = {"blocks/a/gated.py": text, "pipelines/all.yml": "retries: {count: 1, delay: 0.1s}\n"}
    with served(with_history(tmp_path, postgres_url, files), postgres_url) as service:
        run = service.history.request_run("all")
        until(service, lambda: any(one.block == "a.gated" for one in service.history.blocks(run.id)))
        killed(service.runner.running[run.id].pid)
        gate.touch()
        (run,) = ended(service, run.id)
        assert (run.status, run.attempt) == ("succeeded", 2)
        assert [line.line for line in service.history.logs(run.id, block="a.gated")] == ["nul: \\x00, umlaut: ü"]
