"""Words for people that many places say."""


def count(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count(1, "block"), count(1234, "row")
    ('1 block', '1,234 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def that_break(rows: int) -> str:
    """Return how many rows break something.

    >>> that_break(1), that_break(2)
    ('1 row breaks', '2 rows break')
    """
    return f"{count(rows, 'row')} {'breaks' if rows == 1 else 'break'}"
