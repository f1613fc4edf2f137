def cents(frame):
    return _times(frame, "amuont")


def _times(frame, column):
    return frame.assign(cents=frame[column] * 100)
