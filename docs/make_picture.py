"""Draw `docs/images/build.svg`: what `sqlflow build` prints for the example warehouse, from a real run.

    python docs/make_picture.py

The data must be there: `python example_warehouse/prepare.py` puts it there.
"""

import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from sqlflow import Project
from sqlflow.cli.terminal import described, summary
from sqlflow.core.events import BlockBuilt, Event

EXAMPLE = Path(__file__).parent.parent / "example_warehouse"
PICTURE = Path(__file__).parent / "images" / "build.svg"
WIDTH = 98
BLOCKS_SHOWN = 8
_FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Fonts from elsewhere: no page loads them for a picture, and none should."""


def main() -> int:
    """Build a copy of the example warehouse, draw what it prints, and return the exit code."""
    if not (EXAMPLE / "data" / "flights.csv").exists():
        print("first run `python example_warehouse/prepare.py`", file=sys.stderr)
        return 2
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(drawn(printed()), encoding="utf-8")
    print(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes")
    return 0


def printed() -> list[str]:
    """Return the lines of a build, most of the blocks left out."""
    os.environ["COLUMNS"] = str(WIDTH)
    heard: list[Event] = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "example_warehouse"
        shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("*.duckdb*", ".sqlflow"))
        report = Project.load(copy).build(listener=heard.append)
    built = [event for event in heard if isinstance(event, BlockBuilt)]
    hidden = set(map(id, built[BLOCKS_SHOWN // 2 : -BLOCKS_SHOWN // 2]))
    lines = ["$ sqlflow build"]
    for event in heard:
        if id(event) not in hidden:
            lines.append(described(event))
        elif id(event) == id(built[BLOCKS_SHOWN // 2]):
            lines.append(f"  … {len(hidden)} more blocks …")
    return [line for line in lines if line] + ["", *summary(report).split("\n")]


def drawn(lines: list[str]) -> str:
    """Return the lines as an SVG of a terminal."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    for line in lines:
        console.print(Text.from_ansi(line), overflow="crop", no_wrap=True)
    return _FONT_FACES.sub("", console.export_svg(title="sqlflow build"))


if __name__ == "__main__":
    sys.exit(main())
