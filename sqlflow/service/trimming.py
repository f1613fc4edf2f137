"""What the history forgets: runs that ended long ago with all that is of them, but never the latest good one of a pipeline."""

from datetime import datetime, timedelta

from sqlflow.service import values
from sqlflow.service.history import History

BATCH = 500
_OF_RUNS = ("attempts", "block_runs", "assertion_results", "logs", "events")
_OLD = (
    "select id from runs where finished_at < ? and id not in ("
    " select max(id) from runs where status in ('succeeded', 'warned') group by pipeline) order by id limit ?"
)


def trim(history: History, keep: float, now: datetime, batch: int = BATCH) -> int:
    """Forget what is older than `keep` seconds, a batch at most, and return how many runs that were."""
    oldest = values.text(now - timedelta(seconds=keep))
    gone = [id for (id,) in history.database.rows(_OLD, oldest, batch)]
    with history.database.transaction() as transaction:
        for table in _OF_RUNS:
            transaction.many(f"delete from {table} where run = ?", [(id,) for id in gone])
        transaction.many("delete from runs where id = ?", [(id,) for id in gone])
        transaction.execute("delete from ticks where recorded_at < ?", oldest)
        transaction.execute("delete from changes where told_at < ?", oldest)
        transaction.execute("delete from changes where told_at is null and at < ?", oldest)
        transaction.execute("delete from notices where at < ?", oldest)
    return len(gone)
