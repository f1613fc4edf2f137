from lib.rates import FACTOR


def cents(frame):
    return frame.assign(cents=frame["amount"].astype("float64") * FACTOR)
