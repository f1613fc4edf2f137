from sqlflow import block


@block(materialize="incremental", strategy="time_range", time_column="day", interval="day", start="2026-01-01")
def timeless(given):
    return given
