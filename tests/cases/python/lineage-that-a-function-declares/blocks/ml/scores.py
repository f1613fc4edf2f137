from sqlflow import block


@block(columns={"ID": {"made_from": ["staging.flights.id"]}, "score": {"made_from": ["flights.DEP_DELAY", "flights.carrier"]}})
def scores(flights):
    return flights.assign(score=1.0)
