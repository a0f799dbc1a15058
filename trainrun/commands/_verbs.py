"""The verbs of the command line: the files of this folder. The first line of a file is the verb's line of help."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent
# "`trainrun best SWEEP`: the command line that …", as the first line of a verb's file.
FIRST_LINE = re.compile(
    r'"""`trainrun (?P<verb>[a-z-]+)(?P<arguments>[^`]*)`: (?P<meaning>[^"\n]+?)\.?(?:"""|\n)'
)


def names() -> list[str]:
    """Return all verbs, sorted: each file whose name begins with no underscore."""
    return sorted(path.stem.replace("_", "-") for path in FOLDER.glob("[!_]*.py"))


def module(verb: str) -> str:
    """Return the dotted name of the module whose `main(argv)` a verb calls."""
    return f"trainrun.commands.{verb.replace('-', '_')}"


def meanings() -> dict[str, str]:
    """Return each verb's line of help, read from its file without importing it."""
    texts = {verb: (FOLDER / f"{verb.replace('-', '_')}.py").read_text("utf-8") for verb in names()}
    lines = {verb: FIRST_LINE.match(text) for verb, text in texts.items()}
    return {verb: line["meaning"] if line else "" for verb, line in lines.items()}
