def cents(frame):
    return frame["amount" * 100
