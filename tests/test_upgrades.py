"""A state of an older sqlflow is brought up to date as a whole or not at all, wherever a build is cut off."""

from itertools import count
from pathlib import Path

import crash
import pytest
from support import times

from sqlflow.run.state import FORM

OF_FORM_ONE = (
    "drop table _sqlflow.sqlflow_recipes",
    "drop table _sqlflow.sqlflow_contents",
    "drop table _sqlflow.sqlflow_replaced",
    "drop table _sqlflow.sqlflow_intervals",
    "alter table _sqlflow.sqlflow_failures drop column environment",
    "update _sqlflow.sqlflow_state set form = 1",
)
_TABLES = {
    "duckdb": "select table_name from duckdb_tables() where schema_name = '_sqlflow' and table_name like 'sqlflow_%'",
    "postgres": "select relname::text from pg_class where relnamespace = '_sqlflow'::regnamespace"
    " and relkind = 'r' and relname like 'sqlflow\\_%'",
}


def state_of(folder: Path) -> tuple[int, int]:
    """Return the form that the state says it has, and how many tables it has."""
    with crash.opened(folder) as rows:
        ((form,),) = rows("select form from _sqlflow.sqlflow_state")
        return form, len(rows(_TABLES[crash.engine_of(folder)]))


@pytest.mark.parametrize(("engine", "step"), [("duckdb", times(3, 1)), ("postgres", times(6, 1))])
def test_a_kill_while_an_older_state_is_brought_up_to_date_leaves_the_old_one_or_the_new(
    engine: str, step: int, tmp_path: Path
) -> None:
    faults, states = [], []
    for nth in count(1, step):
        folder = crash.fresh(tmp_path / "p", engine)
        whole = state_of(folder)
        with crash.opened(folder) as execute:
            for statement in OF_FORM_ONE:
                execute(statement)
        old = state_of(folder)
        process = crash.in_process(folder, f"any:{nth}:kill")
        process.join()
        states.append(state_of(folder))
        faults += [f"{nth}: {fault}" for fault in crash.faults_after(folder)]
        if states[-1] == whole:
            break
    assert not faults
    assert (old, whole) == ((1, whole[1] - 4), (FORM, whole[1]))
    assert set(states) == {old, whole}
