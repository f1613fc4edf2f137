from datetime import timedelta

import pandas as pd

from sqlflow import Context, block


@block(
    materialize="incremental", strategy="time_range", time_column="day", interval="day", start="2026-01-01",
    end="2026-01-05", batch_size=2, assertions=["n >= 0"],
)
def loads(context: Context) -> pd.DataFrame:
    print(f"from {context.start} to {context.end}")
    days = pd.date_range(context.start, context.end - timedelta(days=1))
    return pd.DataFrame({"day": days.date, "n": days.day})
