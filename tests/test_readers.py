"""Readers that never stop, during many builds: what they saw is looked through afterwards, and nothing else."""

import itertools
import threading
from pathlib import Path

from support import times, write
from test_publish import FILES, editions, opened

from sqlflow import Project
from sqlflow.core.engine import Session

READERS = 3


def test_readers_never_see_a_mixed_set_nor_rows_that_broke_an_assertion(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert Project.load(tmp_path).build().ok
    histories: list[list[tuple[int, ...]]] = [[] for _ in range(READERS)]
    stop = threading.Event()

    def read(session: Session, history: list[tuple[int, ...]]) -> None:
        while not stop.is_set():
            history.append(tuple(editions(session)))

    with opened(Project.load(tmp_path)) as connection:
        sessions = [connection.session() for _ in range(READERS)]
        threads = [threading.Thread(target=read, args=pair) for pair in zip(sessions, histories, strict=True)]
        for thread in threads:
            thread.start()
        try:
            for edition in range(2, times(302, 752)):
                low = 0 if edition % 3 == 0 else 1
                assert Project.load(tmp_path, vars={"low": low, "edition": edition}).build().ok == bool(low)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    for history in histories:
        assert all(len(set(vector)) == 1 for vector in history), "half a run was seen"
        seen = [vector[0] for vector, _ in itertools.groupby(history)]
        assert seen == sorted(set(seen)), "an older run was seen after a newer one"
        assert not any(edition % 3 == 0 and edition > 1 for edition in seen), "rows that broke an assertion were seen"
        assert len(seen) > 10
