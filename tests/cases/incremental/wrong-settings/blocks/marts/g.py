from sqlflow import block


@block(materialize="incremental", strategy="append")
def g(raw__orders: "pd.DataFrame") -> "pd.DataFrame":
    return raw__orders
