"""The only module that prints: rich on a terminal, plain lines elsewhere, and a plain copy for run.log.

What is printed may come from elsewhere, such as a run that was received: secrets are hidden and control characters escaped here,
for every verb. A stream that cannot be written to (a terminal that is gone, a full disk, a closed descriptor) is given up;
nothing is raised, and run.log still gets everything.

Results and progress go to standard output, warnings and errors to standard error. Only warnings, errors and sentences about data
and model are folded to the terminal's width, and only between words, so that a path can be copied whole. rich is imported by the first line that needs it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from trainrun.errors import printable
from trainrun.ui import folding, tables
from trainrun.ui.streams import flush, is_terminal, tolerant
from trainrun.util import paths

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from trainrun.ui.live_region import LiveRegion

_lock = threading.RLock()
_quiet = False
_log: TextIO | None = None
_thread = threading.local()  # `log`: the log of a thread that has its own
_region: LiveRegion | None = None  # what is redrawn in place at the bottom of the terminal
_rich: dict[tuple[int, str], Console] = {}


def width() -> int:
    """Return the terminal's width in columns; 80 if there is none to ask."""
    return max(shutil.get_terminal_size((80, 24)).columns, 20)


def columns(stream: TextIO | None = None) -> int | None:
    """Return the columns of the terminal that standard output (or `stream`) is, to fold text to; None: it is none."""
    return width() if is_terminal(stream) else None


def height() -> int:
    """Return the terminal's height in lines; 24 if there is none to ask."""
    return max(shutil.get_terminal_size((80, 24)).lines, 2)


def quiet(on: bool = True) -> bool:
    """Print nothing but warnings, errors and problems; run.log still gets everything. Return whether it was so before."""
    global _quiet
    before, _quiet = _quiet, on
    return before


def attach(path: str | Path, this_thread: bool = False) -> None:
    """Copy what is printed from now on to a file, as plain text; the file is appended to.

    Args:
        path: the run's `run.log`.
        this_thread: only what this thread prints; other threads of the process have their own logs.
    """
    global _log
    with _lock:
        if not this_thread:
            detach()
        file = open(path, "a", encoding="utf-8", errors="replace", opener=paths.no_link)  # noqa: SIM115 - open until `detach`
        if this_thread:
            _thread.log = file
        else:
            _log = file


def detach() -> None:
    """Stop copying to the file of `attach`, and remove the live region."""
    global _log
    with _lock:
        live(None)
        if (file := _current_log()) is not None:
            with contextlib.suppress(OSError):
                file.close()
        if getattr(_thread, "log", None) is not None:
            _thread.log = None
        else:
            _log = None


def _current_log() -> TextIO | None:
    return getattr(_thread, "log", None) or _log


def log(text: str) -> None:
    """Write to run.log only: details for reading after the run."""
    with _lock:
        if (file := _current_log()) is not None:
            stamp = time.strftime("%Y-%m-%d %H:%M:%S")
            # A full disk or a closed file must not stop the output to the terminal.
            with contextlib.suppress(OSError, ValueError):
                for line in printable(str(text)).splitlines() or [""]:
                    file.write(f"{stamp}  {line}\n" if line else "\n")
                file.flush()


def say(text: str = "", style: str = "", fold: bool = False) -> None:
    """Print a line to standard output.

    Args:
        text: may hold several lines; not marked up.
        style: a rich style (``bold``, ``dim``, ``green``), for terminals.
        fold: whether it is folded to a terminal's width: for sentences, not for what is copied.
    """
    log(text)
    if not _quiet:
        _emit(sys.stdout, [(folding.fold(text, "", columns()) if fold else text, style)])


def pieces(parts: Sequence[tuple[str, str]], logged: str | None = None) -> None:
    """Print one line made of differently styled parts.

    Args:
        parts: `(text, style)` pairs.
        logged: what run.log gets instead of the line.
    """
    log("".join(text for text, _ in parts).rstrip() if logged is None else logged)
    if not _quiet:
        _emit(sys.stdout, parts)


@contextmanager
def hushed() -> Iterator[None]:
    """Send what libraries write to standard error inside the `with` to run.log instead.

    TensorFlow's C++ part writes a dozen lines while it is imported, before any setting of its log level takes effect.
    With TF_CPP_MIN_LOG_LEVEL below 3 in the environment everything is shown.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3") < "3":
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            saved = os.dup(2)
            stack.callback(os.close, saved)
            caught = stack.enter_context(tempfile.TemporaryFile("w+", errors="replace"))
        except OSError:  # standard error is closed, or there is no room for a temporary file
            yield
            return
        flush(sys.stderr)
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            flush(sys.stderr)
            os.dup2(saved, 2)
            with contextlib.suppress(OSError):
                caught.seek(0)
                for line in caught:
                    log(line.rstrip())


def note(text: str, beside: bool = False, fold: bool = False) -> None:
    """Print a dimmed line, for secondary information; to standard error if it stands beside output for programs; `fold` as in `say`."""
    say(text, "dim", fold) if not beside else _emit(sys.stderr, [(text, "dim")])


def warn(text: str) -> None:
    """Print a warning to standard error."""
    log(f"warning: {text}")
    _emit(sys.stderr, [("warning: ", "yellow"), (folding.fold(text, "warning: ", columns(sys.stderr)), "")])


def error(text: str) -> None:
    """Print an error to standard error."""
    log(f"error: {text}")
    _emit(sys.stderr, [("error: ", "bold red"), (folding.fold(text, "error: ", columns(sys.stderr)), "")])


def problems(listed: Iterable[Any], title: str = "") -> None:
    """Print the problems of the user's input to standard error, one item each.

    Args:
        listed: `errors.Problem` objects (`key`, `message`) or strings.
        title: the line above the list.
    """
    listed = list(listed)
    parts: list[tuple[str, str]] = []
    if title:
        parts += [(title, "bold red"), ("\n", "")]
    for problem in listed:
        key, message = getattr(problem, "key", ""), getattr(problem, "message", str(problem))
        mark, name = "  • " if title or len(listed) > 1 else "error: ", f"{key}: " if key else ""
        parts += [
            (mark, "red"),
            (name, "bold"),
            (folding.fold(str(message), mark + name, columns(sys.stderr)) + "\n", ""),
        ]
    text = "".join(t for t, _ in parts).rstrip("\n")
    log(text)
    if parts:
        parts[-1] = (parts[-1][0].rstrip("\n"), parts[-1][1])
        _emit(sys.stderr, parts)


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    marked: Iterable[int] = (),
) -> None:
    """Print a table; a terminal that is too narrow folds the widest column, between words.

    Args:
        title: the line above; may be empty.
        columns: headings. A column whose cells are all numbers, or empty, is aligned to the right.
        rows: cells; None is shown as an empty one.
        marked: indices of rows to make stand out.
    """
    title, cells = (
        printable(title),
        [["" if c is None else printable(str(c)) for c in row] for row in rows],
    )
    plain = tables.plain(columns, cells)
    log("\n".join([title, plain] if title else [plain]))
    if _quiet:
        return
    if title:
        _emit(sys.stdout, [(title, "bold")])
    if is_terminal():
        with _lock, tolerant(sys.stdout):
            _terminal(sys.stdout).print(tables.styled(columns, cells, set(marked)), crop=False)
    else:
        _emit(sys.stdout, [(plain, "")])


def live(renderable: RenderableType | None) -> None:
    """Show something at the bottom of the terminal, below everything that is printed, or update it. Not logged.

    Args:
        renderable: of rich; cut at the terminal's size. None: remove what is shown.
    """
    global _region
    if _quiet or not is_terminal():
        return
    from trainrun.ui.live_region import LiveRegion

    with _lock, tolerant(sys.stdout):
        if _region is not None and _region.stream is not sys.stdout:
            _region = None
        if renderable is None and _region is not None:
            _region.close()
            _region = None
        elif renderable is not None:
            console = _terminal(sys.stdout)
            _region = _region or LiveRegion(console)
            _region.show(renderable)


def _emit(stream: TextIO | None, parts: Sequence[tuple[str, str]]) -> None:
    """Write the parts and a line end; on a terminal above the live region."""
    parts = [(printable(str(text)), style) for text, style in parts]
    with _lock, tolerant(stream):
        if stream is None:
            return
        if is_terminal(stream):
            from rich.text import Text

            _terminal(stream).print(Text.assemble(*parts, no_wrap=True), soft_wrap=True)
        else:
            encoding = stream.encoding or "utf-8"
            line = "".join(text for text, _ in parts) + "\n"
            # Characters that the locale does not have are replaced by question marks.
            stream.write(line.encode(encoding, errors="replace").decode(encoding))
        stream.flush()


def _terminal(stream: TextIO) -> Console:
    """Return rich's console of a terminal, with the terminal's current size."""
    from rich.console import Console, ConsoleDimensions

    key = (id(stream), os.environ.get("NO_COLOR", ""))
    if _region is not None and _region.stream is sys.stdout:
        # rich moves the live region for what its own console prints; standard error is the same terminal.
        console = _region.console
    elif key in _rich:
        console = _rich[key]
    else:
        _rich.clear()
        console = _rich[key] = Console(
            file=stream, force_terminal=True, highlight=False, legacy_windows=False
        )
    console.size = ConsoleDimensions(width(), height())
    return console
