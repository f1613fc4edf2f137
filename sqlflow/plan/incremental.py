"""Which version an incremental block goes on from, and the key of what it gives then.

New rows are added to what an environment shows, if the same code has made that. So what is built depends on more than the
code and its inputs: the version that is gone on from is a part of the key, and one that is shown is left alone as long as
nothing that it reads has changed.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from sqlflow.core.block import Block
from sqlflow.core.errors import Problem
from sqlflow.core.names import TableName
from sqlflow.core.text import Place
from sqlflow.plan.current import Current, Made
from sqlflow.plan.versions import Key


def base_of(block: Block, key: Key, current: Current) -> TableName | None:
    """Return the version that new rows are added to: the one that is shown, if the same code has made it.

    With `on_change: forward_only` it may be another code, as it may for a snapshot.
    """
    shown = current.published.get(block.name)
    any_code = block.is_snapshot or block.config.on_change == "forward_only"
    there = (made for made in current.made if made.relation == shown)
    return next((made.relation for made in there if any_code or made.code == key.code), None)


def continued_key(key: Key, base: TableName | None, current: Current) -> Key:
    """Return the key of an incremental block: that of a version that is as it would be now, or a new one.

    That is the version to go on from, if all that it was made from is the same now. Where there is none to go on from, it
    is the latest that the same code has made from the same.
    """
    if key.unknown:
        return key
    same = [made for made in current.made if _is_same(made, key) and base in (None, made.relation)]
    if same:
        return replace(key, text=same[-1].key)
    if base is None:
        return key
    return replace(key, text=hashlib.blake2b(f"{key.text} {base.name}".encode(), digest_size=16).hexdigest())


def _is_same(made: Made, key: Key) -> bool:
    """Tell whether a version is known to be made by the code from the inputs of a key."""
    is_known = made.key != made.relation.name
    return is_known and made.code == key.code and dict(made.inputs) == dict(key.inputs)


def protected(
    blocks: Iterable[Block], bases: Mapping[TableName, TableName], current: Current, full_refresh: bool
) -> Iterator[Problem]:
    """Yield a problem for each block that would be built from nothing, and says that it must not."""
    for block in blocks:
        if block.is_protected and block.name in {*current.published, *current.lost} and block.name not in bases:
            word = "materialize" if block.config.protect is None else "protect"
            place = block.source.place(max(block.source.text.find(word), 0), len(word))
            why = (
                "with `--full-refresh`" if full_refresh else "since its code or settings changed, or its rows are gone"
            )
            what = "says `protect: true`" if block.config.protect else "a snapshot's history cannot be made again"
            message = f"`{block.name}` would be built from nothing {why}, and {what}"
            yield Problem(
                message, place if block.source.text else Place(block.source.path), _way_out(block, full_refresh)
            )


def _way_out(block: Block, full_refresh: bool) -> str:
    if full_refresh:
        is_told = block.config.protect is not None
        return "leave it out with `--exclude`" + ("" if is_told else ", or say `protect: false` to lose what it holds")
    return "say `protect: false` to begin anew" if block.is_snapshot else "put its code back, or take `protect` away"
