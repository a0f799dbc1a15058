"""An exception as its author reads it: the lines of their own files, and what was said, without what lies between."""

from __future__ import annotations

import linecache
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trainrun.errors import TrainingError
from trainrun.ui import console
from trainrun.util import redaction

SHOWN = 5  # frames, the innermost ones
MOST = 3  # lines of a message that TensorFlow or Keras has wrapped
OURS = str(Path(__file__).parent.parent)
# Python's own files and what is installed; TensorFlow rewrites functions into files of such a name.
FOREIGN = (OURS, sys.prefix, sys.base_prefix, "<")
# Folders of installed packages, wherever they lie: some stand outside of the prefix.
INSTALLED = frozenset({"site-packages", "dist-packages"})
GENERATED = "__autograph_generated_file"
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>\S+)', re.MULTILINE)
# `ValueError: …` at the beginning of a line, as tracebacks inside a text end.
_ENDING = re.compile(
    r"^\s*(?:\{\{.*?\}\} )?(?P<type>[A-Za-z_][\w.]*(?:Error|Exception|Warning)): (?P<text>.*)$", re.MULTILINE
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NODES = re.compile(r"\{\{.*?\}\}|\[\[.*?\]\]|\[Op:[^\]]*\]")
# Lines that TensorFlow and Keras put around what was raised.
_AROUND = (
    "in user code:",
    "Graph execution error:",
    "Detected at node",
    "Exception encountered when calling",
    "File ",
)


class Frame(NamedTuple):
    """A line of the user's own that was on the way."""

    file: str
    line: int
    name: str

    def __str__(self) -> str:
        source = linecache.getline(self.file, self.line).strip()
        return f"{Path(self.file).name}, line {self.line}, in {self.name}" + (f": {source}" if source else "")


def of_user(error: BaseException) -> list[Frame]:
    """Return the frames in the user's files, the innermost last; those that only the message has come after."""
    found = [Frame(f.filename, f.lineno or 0, f.name) for f in traceback.extract_tb(error.__traceback__)]
    found += [Frame(m["file"], int(m["line"]), m["name"]) for m in _FRAME.finditer(str(error))]
    own = [f for f in found if not _is_foreign(f.file)]
    return list(dict.fromkeys(own))[-SHOWN:]


def _is_foreign(file: str) -> bool:
    """Tell whether a file is ours, Python's, an installed package's, or one that TensorFlow has generated."""
    return (
        file.startswith(FOREIGN)
        or not INSTALLED.isdisjoint(Path(file).parts)
        or Path(file).name.startswith(GENERATED)
    )


def said(error: BaseException) -> str:
    """Return the type and the message, trimmed to what was raised."""
    text = _COLOUR.sub("", str(error)).strip()
    endings = list(_ENDING.finditer(text))
    if endings and (_FRAME.search(text) or text.startswith(_AROUND)):
        return f"{endings[-1]['type']}: {endings[-1]['text'].strip()}"
    # Keras adds what the layer was called with, line by line.
    text = text.split("\n\nArguments received by", 1)[0]
    name = type(error).__name__
    if not _FRAME.search(text) and not _NODES.search(text) and not text.startswith(_AROUND):
        return f"{name}: {text}" if text else name
    lines = list(_plain(text))[:MOST]
    return f"{name}: " + "\n".join(lines) if lines else name


def _plain(text: str) -> Iterator[str]:
    """Yield the lines that are neither frames, their source, nor names of a graph's nodes."""
    after_frame = False
    for line in text.splitlines():
        if _FRAME.match(line):
            after_frame = True
            continue
        cut = _NODES.sub("", line).strip()
        if after_frame and line.startswith("    "):
            continue
        after_frame = False
        if cut and not cut.startswith(_AROUND):
            yield cut


def broken(error: BaseException, run_dir: Path) -> TrainingError:
    """Return what the user reads of an exception in a run: the lines of their own code, what, and where the rest is.

    The traceback is written to the run's log.
    """
    console.log(redaction.text("".join(traceback.format_exception(error))))
    own = of_user(error)
    where = f"{own[-1].file}, line {own[-1].line}: " if own else ""
    way = "".join(f"  {frame}\n" for frame in own)
    return TrainingError(f"{where}{said(error)}\n{way}The whole traceback is in {run_dir / 'run.log'}")
