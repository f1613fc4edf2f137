"""What promoting an environment would take away from what is shown: rows that were gathered since it went its own way."""

from collections.abc import Iterator

from sqlflow.core.engine import Session
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName, quoted
from sqlflow.core.words import count
from sqlflow.plan.promote import Promotion, overtaken


def warnings(promotion: Promotion, session: Session) -> Iterator[str]:
    """Yield, for each block that goes on from what is there, how many rows promoting takes away; nothing where it is none."""
    where, to = promotion.source.name, promotion.plan.project.environment.name
    for name in overtaken(promotion):
        lost = _lost(promotion.here.published[name], promotion.there.published[name], session)
        if lost != 0:
            rows = "rows" if lost is None else count(lost, "row")
            yield (
                f"`{name}` loses {rows} that `{to}` has gathered since `{where}` went its own way;"
                " `sqlflow rollback` shows them again"
            )


def _lost(shown: TableName, promoted: TableName, session: Session) -> int | None:
    """Return how many rows of `shown` are not in `promoted`, in the columns that both have; None if that cannot be told."""
    found = [session.columns(f"select * from {relation.sql}") for relation in (shown, promoted)]
    own = [{column.name.lower(): quoted(column.name) for column in columns} for columns in found]
    both = [name for name in own[0] if name in own[1]]
    sides = [f"select {', '.join(names[name] for name in both)} from" for names in own]
    query = f"{sides[0]} {shown.sql} except all {sides[1]} {promoted.sql}"
    try:
        return int(session.rows(f"select count(*) from ({query}) as lost").rows[0][0])
    except StatementError:
        return None
