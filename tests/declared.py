"""Fixtures of files of functions, each with what it declares: `fixtures/functions.R` and `fixtures/functions.py.txt`."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from sqlflow.core.runtime import Declared, FunctionFile

FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    says: dict[str, str] = field(hash=False)
    wrong: tuple[str, ...] = ()


def cases(fixture: str) -> list[Case]:
    """Return the cases of a fixture; its head tells of their form."""
    found = []
    for text in re.split(r"^#;\s*$", (FIXTURES / fixture).read_text("utf-8"), flags=re.MULTILINE):
        start = text.find("#? name:")
        if start < 0:
            continue
        pairs = re.findall(r"^#\? (\w+): (.*)$", text[start:], flags=re.MULTILINE)
        code = re.sub(r"^#\? .*\n", "", text[start:], flags=re.MULTILINE)
        says = {key: value for key, value in pairs if key not in ("name", "wrong")}
        found.append(Case(dict(pairs)["name"], code, says, tuple(value for key, value in pairs if key == "wrong")))
    return found


def said(file: FunctionFile, usual_frame: str) -> dict[str, str]:
    """Return what a file declares in the words of the fixture, without what it does not."""
    block = file.block
    found = {
        "block": _head(block, usual_frame),
        "options": " ".join(f"{name}={value!r}" for name, value in block.options),
        "checks": ", ".join(_head(check, usual_frame) for check in file.assertions),
        "settings": ", ".join(key.text for key, _ in block.settings.pairs) if block.settings else "",
        "packages": ", ".join(file.packages),
        "env": ", ".join(block.env),
        "asks": ", ".join(" ".join(asked.text.split()) for asked in block.asked),
        "modules": ", ".join(file.modules),
        "volatile": block.volatile,
    }
    return {key: value for key, value in found.items() if value}


def _head(function: Declared, usual_frame: str) -> str:
    tables = [*([function.output] if function.output else []), *function.arguments]
    shown = [f"`{one.name}`" if " " in one.name else one.name for one in tables]
    frames = ["" if one.frame == usual_frame else f" {one.frame}" for one in tables]
    return f"{function.name}({', '.join(name + frame for name, frame in zip(shown, frames, strict=True))})"
