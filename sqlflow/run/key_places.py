"""Where the keys of a block's front matter stand in its file."""

import re

from sqlflow.core.block import Block
from sqlflow.core.text import MappedText, Piece, Place


def key_text(block: Block, key: str, text: str) -> MappedText:
    """Return text of ours that stands for a key of the block's front matter, at the key's place if it is there."""
    found = re.compile(rf"^{key}\b", re.MULTILINE).search(block.source.text, 0, block.body)
    return MappedText((Piece(text, block.source, found.start(), moves=False),)) if found else MappedText.plain(text)


def key_place(block: Block, key: str) -> Place:
    """Return the place of a key of the block's front matter, or that of its body where the key is not there."""
    return key_text(block, key, " ").place(0) or block.source.place(block.body)
