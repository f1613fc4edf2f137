from sqlflow import block


@block(columns={"id": {"made_from": ["staging.fights.id"]}, "score": {"made_from": ["dep_delay", "orders.id"]}})
def scores(flights):
    return flights.assign(score=1.0)
