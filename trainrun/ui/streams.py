"""Standard input, output and error that may be closed, or go where nothing can be written."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


def open_closed_ones() -> None:
    """Give closed standard streams a place: `trainrun … >&-` starts Python with `sys.stdout` None.

    Without it the next file that is opened, such as a journal, gets the number 1, and a library of C++ prints into it.
    """
    for number, name, flags in (
        (0, "stdin", os.O_RDONLY),
        (1, "stdout", os.O_WRONLY),
        (2, "stderr", os.O_WRONLY),
    ):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flags)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            stream = open(number, "w" if number else "r", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


@contextmanager
def tolerant(stream: TextIO | None) -> Iterator[None]:
    """Give a stream up if writing to it fails inside the `with`: what it would have shown is in run.log.

    The terminal is gone, the disk behind it is full, or, as with `trainrun ls | head`, the reader has left.
    """
    try:
        yield
    except (OSError, ValueError):
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is stream:
                setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for good
        # What is left in the stream's buffer would fail again when Python ends, and change the exit code.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def flush(stream: TextIO | None) -> None:
    """Flush a stream, if it can be."""
    with tolerant(stream):
        if stream is not None:
            stream.flush()


def flush_all() -> None:
    """Flush standard output and error, as far as they can be."""
    for stream in (sys.stdout, sys.stderr):
        flush(stream)


def is_terminal(stream: TextIO | None = None) -> bool:
    """Return whether standard output (or `stream`) is a terminal that can redraw a line, and shows more than ASCII."""
    stream = stream or sys.stdout
    try:
        unicode = (stream.encoding or "utf-8").lower().startswith("utf")
        return stream.isatty() and unicode and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):  # there is no such stream, or it is closed
        return False


def write_data(text: str) -> None:
    """Write data to standard output, unchanged; where the reader has left, to nowhere."""
    with tolerant(sys.stdout):
        if sys.stdout is not None:
            sys.stdout.write(text)
            sys.stdout.flush()
