from sqlflow import block


@block(
    contract=True,
    columns={"id": {"type": "integer", "made_from": ["flights.id"]}, "guess": {"type": "double"}},
)
def closed(flights):
    return flights[["id"]].assign(guess=1.0)
