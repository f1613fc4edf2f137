"""The form of the history, and how an older one becomes today's: each step is one transaction, and a newer form is refused."""

from pathlib import Path

from sqlflow.core.errors import StateError, TargetError
from sqlflow.core.names import literal
from sqlflow.service.database import Database, made

_FIRST = (
    """create table runs (
         id text primary key, pipeline text not null, status text not null, cause text not null, run_key text not null,
         requested_at text not null, requested_by text not null, vars text not null, due_at text, not_before text,
         started_at text, finished_at text, attempt integer not null, tries integer not null, interruptions integer not null,
         reason text not null, build text not null, retry_of text not null, cancel_by text not null, cancel_at text,
         service text not null, takes text not null)""",
    "create index runs_by_pipeline on runs (pipeline, id, status)",
    "create index runs_by_status on runs (status, id)",
    "create index runs_by_end on runs (pipeline, finished_at)",
    "create index runs_active on runs (id) where finished_at is null",
    """create table attempts (
         run text not null, number integer not null, status text not null, service text not null, host text not null,
         pid integer not null, process text not null, started_at text not null, heartbeat text not null, finished_at text,
         exit_code integer, build text not null, reason text not null, primary key (run, number))""",
    "create index attempts_going_on on attempts (service) where finished_at is null",
    """create table block_runs (
         run text not null, attempt integer not null, block text not null, status text not null, started_at text,
         seconds double precision, row_count bigint, message text not null, primary key (run, attempt, block))""",
    """create table assertion_results (
         run text not null, attempt integer not null, block text not null, assertion text not null, status text not null,
         failing bigint not null, seconds double precision not null, error text not null, sample text not null,
         primary key (run, attempt, block, assertion))""",
    """create table logs (
         id IDENTITY, run text not null, attempt integer not null, block text not null, at text not null, line text not null)""",
    "create index logs_by_run on logs (run, id)",
    """create table events (
         id IDENTITY, run text not null, attempt integer not null, at text not null, kind text not null, body text not null)""",
    "create index events_by_run on events (run, id)",
    """create table ticks (
         pipeline text not null, tick_key text not null, cause text not null, due_at text not null, recorded_at text not null,
         outcome text not null, reason text not null, run text not null, primary key (pipeline, tick_key))""",
    "create index ticks_by_time on ticks (recorded_at)",
    "create index ticks_by_pipeline on ticks (pipeline, due_at)",
    "create index ticks_by_due on ticks (due_at, pipeline, tick_key)",
    """create table schedules (
         pipeline text primary key, since text, paused_at text, paused_by text not null, decided_to text,
         definition text not null)""",
    """create table trigger_states (
         pipeline text not null, trigger_name text not null, item text not null, value text not null,
         primary key (pipeline, trigger_name, item))""",
    """create table changes (
         id IDENTITY, at text not null, kind text not null, pipeline text not null, change_key text not null, run text not null,
         body text not null, told_at text, unique (pipeline, kind, change_key))""",
    "create index changes_untold on changes (id) where told_at is null",
    """create table notices (
         id IDENTITY, at text not null, kind text not null, pipeline text not null, run text not null, target text not null,
         number integer not null, title text not null, body text not null, status text not null, tries integer not null,
         next_at text not null, error text not null)""",
    "create index notices_waiting on notices (next_at) where status = 'waiting'",
    """create table services (
         id text primary key, host text not null, pid integer not null, process text not null, started_at text not null,
         beats bigint not null, heartbeat text not null)""",
    "create table seen (seen_key text primary key, until text not null)",
)  # fmt: skip
_WAITS = ("alter table runs add column waits_since text",)
_UNREAD = ("drop table seen",)
MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _WAITS, _UNREAD)
"""Step n makes the form n + 1 from the form n. A step that has been released is never changed."""
FORM = len(MIGRATIONS)


def migrate(database: Database) -> None:
    """Bring a history to today's form; a file is kept as it was, beside it. Raise StateError, and change nothing, if it is newer."""
    found_form = _form(database)
    if found_form == FORM:
        return
    if found_form is not None and found_form < FORM and database.file is not None:
        _keep(database, database.file.with_name(f"{database.file.name}.form-{found_form}"))
    if database.is_postgres:
        with database.transaction(deciding=True) as transaction:
            for statement in made((), is_postgres=True):
                transaction.execute(statement)
    with database.transaction(deciding=True) as transaction:
        transaction.execute("create table if not exists form (form integer not null)")
        found = transaction.rows("select form from form")
        form = found[0][0] if found else 0
        if form > FORM:
            raise StateError(
                f"the run history in {database.name} is of a newer sqlflow: it has the form {form}, this one knows {FORM}",
                hint="update sqlflow, or give it a history of its own",
            )
        for step in MIGRATIONS[form:]:
            for statement in made(step, database.is_postgres):
                transaction.execute(statement)
        transaction.execute("delete from form")
        transaction.execute("insert into form values (?)", FORM)


def _keep(database: Database, file: Path) -> None:
    """Copy a history into a file, unless that is there."""
    if not file.exists():
        database.rows(f"vacuum into {literal(str(file))}")


def _form(database: Database) -> int | None:
    """Return the form of a history that has one."""
    try:
        found = database.rows("select form from form")
    except TargetError:
        return None
    return int(found[0][0]) if found else None
