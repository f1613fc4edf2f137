"""What of a block's front matter says how it takes part in a run, and not what its rows are."""

from collections.abc import Iterable, Iterator, Mapping

from sqlflow.core.block import Block
from sqlflow.core.errors import Problem


def refuse_heavy(blocks: Iterable[Block], pools: Mapping[str, int]) -> Iterator[Problem]:
    """Yield the blocks that take more places than their pool has: they could never be built."""
    for block in blocks:
        pool = block.config.pool or (block.kind if block.function else "")
        if block.config.weight > 1 and not pool:
            hint = "add `pool: heavy`, and its size to `pools` of sqlflow.yml"
            yield Problem("`weight` counts places in a `pool`, and there is none", block.key_place("weight"), hint)
        elif block.config.weight > pools.get(pool, block.config.weight):
            message = f"`weight: {block.config.weight}` is more than the pool `{pool}` holds: {pools[pool]}"
            yield Problem(message, block.key_place("weight"), "make the pool larger, or the weight smaller")
