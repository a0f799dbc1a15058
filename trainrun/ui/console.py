"""The only module that prints: rich on a terminal, plain lines elsewhere, and a plain copy for run.log.

Results and progress go to standard output, warnings and errors to standard error. Lines are never wrapped, so
that a path can be copied whole. rich is imported by the first line that needs it.
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
from typing import Any, TextIO

_lock = threading.RLock()
_quiet = False
_log: TextIO | None = None
_status: Sequence[tuple[str, int]] = ()  # what is redrawn in place at the bottom: lines, and their columns
_rich: dict[tuple[int, str], Any] = {}


def is_terminal(stream: TextIO | None = None) -> bool:
    """Return whether standard output (or `stream`) is a terminal that can redraw a line."""
    stream = stream or sys.stdout
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # a closed stream
        return False


def width() -> int:
    """Return the terminal's width in columns; 80 if there is none to ask."""
    return max(shutil.get_terminal_size((80, 24)).columns, 20)


def height() -> int:
    """Return the terminal's height in lines; 24 if there is none to ask."""
    return max(shutil.get_terminal_size((80, 24)).lines, 2)


def quiet(on: bool = True) -> None:
    """Print nothing but warnings, errors and problems; run.log still gets everything."""
    global _quiet
    _quiet = on


def attach(path: str | Path) -> None:
    """Copy what is printed from now on to a file, as plain text; the file is appended to.

    Args:
        path: the run's `run.log`.
    """
    global _log
    with _lock:
        detach()
        _log = open(path, "a", encoding="utf-8", errors="replace")  # noqa: SIM115 - open until `detach`


def detach() -> None:
    """Stop copying to the file of `attach`, and take the status line away."""
    global _log
    with _lock:
        status(())
        if _log is not None:
            with contextlib.suppress(OSError):
                _log.close()
        _log = None


def log(text: str) -> None:
    """Write to run.log only: what a person looks for afterwards, not while it runs."""
    with _lock:
        if _log is not None:
            stamp = time.strftime("%Y-%m-%d %H:%M:%S")
            with contextlib.suppress(OSError):  # a full disk: what is said is more than its copy
                for line in str(text).splitlines() or [""]:
                    _log.write(f"{stamp}  {line}\n" if line else "\n")
                _log.flush()


def say(text: str = "", style: str = "") -> None:
    """Print a line, as it is, to standard output.

    Args:
        text: may hold several lines; not marked up.
        style: a rich style (``bold``, ``dim``, ``green``), for terminals.
    """
    log(text)
    if not _quiet:
        _emit(sys.stdout, [(text, style)])


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

    TensorFlow's C++ part writes a dozen lines while it is imported, before any setting of its log level counts.
    With TF_CPP_MIN_LOG_LEVEL below 3 in the environment everything is shown.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3") < "3":
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile("w+", errors="replace") as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            caught.seek(0)
            for line in caught:
                log(line.rstrip())


def note(text: str) -> None:
    """Print a line of lesser weight."""
    say(text, "dim")


def warn(text: str) -> None:
    """Print a warning to standard error."""
    log(f"warning: {text}")
    _emit(sys.stderr, [("warning: ", "yellow"), (text, "")])


def error(text: str) -> None:
    """Print an error to standard error."""
    log(f"error: {text}")
    _emit(sys.stderr, [("error: ", "bold red"), (text, "")])


def problems(found: Iterable[Any], title: str = "") -> None:
    """Print everything that is wrong with the user's input to standard error, one item each.

    Args:
        found: `errors.Problem` objects (`key`, `message`) or strings.
        title: the line above the list.
    """
    found = list(found)
    parts: list[tuple[str, str]] = []
    if title:
        parts += [(title, "bold red"), ("\n", "")]
    for problem in found:
        key, message = getattr(problem, "key", ""), getattr(problem, "message", str(problem))
        first, *rest = str(message).splitlines() or [""]
        parts += [("  • " if title or len(found) > 1 else "error: ", "red")]
        parts += [(f"{key}: ", "bold")] if key else []
        parts += [("\n".join([first, *(f"    {line}" for line in rest)]) + "\n", "")]
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
    cells = [["" if c is None else str(c) for c in row] for row in rows]
    log("\n".join(format_table(title, columns, cells)))
    if _quiet:
        return
    marks, parts = set(marked), []
    head = (1 if title else 0) + (1 if any(columns) else 0)
    room = width() if is_terminal() else None
    for i, line in enumerate(format_table(title, columns, cells, room, fold := [])):
        row = fold[i - head] if i >= head else None
        style = "bold" if i < head else ("bold green" if row in marks else "")
        parts += [(line, style), ("\n", "")]
    _emit(sys.stdout, parts[:-1])


def format_table(
    title: str,
    columns: Sequence[str],
    cells: Sequence[Sequence[str]],
    room: int | None = None,
    fold: list[int] | None = None,
) -> list[str]:
    """Return a table as plain lines.

    Args:
        title, columns, cells: see `table`.
        room: columns of the terminal to stay within, by folding the widest column; None: as wide as need be.
        fold: filled with the row that each line below the heading belongs to.
    """
    import textwrap

    number = [any(r[i] for r in cells) and all(_is_number(r[i]) for r in cells) for i in range(len(columns))]
    sizes = [max([len(c), *(len(r[i]) for r in cells)]) for i, c in enumerate(columns)]
    folded = sizes.index(max(sizes)) if sizes else 0
    if room is not None and sizes:
        left = room - sum(sizes) + sizes[folded] - 2 * (len(sizes) - 1)
        sizes[folded] = min(sizes[folded], max(left, 16))

    def line(row: Sequence[str]) -> str:
        placed = [c.rjust(s) if right else c.ljust(s) for c, s, right in zip(row, sizes, number, strict=True)]
        return "  ".join(placed).rstrip()

    lines = [title] if title else []
    lines += [line(columns)] if any(columns) else []
    for i, row in enumerate(cells):
        texts = [row[folded]]
        if room is not None:
            # Never within a word: a path stays whole.
            texts = textwrap.wrap(
                row[folded], sizes[folded], break_long_words=False, break_on_hyphens=False
            ) or [""]
        for j, text in enumerate(texts):
            around = row if j == 0 else [""] * len(row)
            lines.append(line([*around[:folded], text, *around[folded + 1 :]]))
            if fold is not None:
                fold.append(i)
    return lines


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "").rstrip("*%s ") or "0")
    except ValueError:
        return text in ("-", "–")
    return True


def status(parts: Sequence[tuple[str, str]]) -> None:
    """Redraw the line at the bottom of the terminal; an empty one takes it away. Not logged.

    Args:
        parts: `(text, style)` pairs; cut at the terminal's width.
    """
    live([parts] if parts else ())


def live(lines: Sequence[Sequence[tuple[str, str]]]) -> None:
    """Redraw several lines at the bottom of the terminal, below everything that is printed; none: take them away.

    Args:
        lines: each as `pieces` takes it; cut at the terminal's width, and their number at its height.
    """
    global _status
    if _quiet or not is_terminal():
        return
    with _lock:
        room = width() - 1  # in the last column, some terminals go to the next line
        kept = lines[: height() - 1]
        # Behind the last of several, the terminal writes ^C when it is typed; that must not begin a row of its own.
        shown = [_rendered(p, room - 3 * (0 < i == len(kept) - 1)) for i, p in enumerate(kept)]
        if shown or _status:
            # One write: the cursor never rests on an empty line, so nothing flickers.
            sys.stdout.write(
                _upwards() + _drawn(shown) + ("\x1b[J" if _rows(_status) > max(len(shown), 1) else "")
            )
            sys.stdout.flush()
        _status = shown


def _rendered(parts: Sequence[tuple[str, str]], room: int) -> tuple[str, int]:
    from rich.cells import cell_len

    return _render(sys.stdout, parts, room), min(cell_len("".join(text for text, _ in parts)), room)


def _drawn(lines: Sequence[tuple[str, int]]) -> str:
    return "\n".join(f"{text}\x1b[K" for text, _ in lines) or "\x1b[K"


def _rows(lines: Sequence[tuple[str, int]]) -> int:
    """Return the rows that lines take up now: a terminal that was made narrower has folded them."""
    return sum(max(-(-columns // width()), 1) for _, columns in lines)


def _upwards() -> str:
    """Return what brings the cursor, at the end of the lines at the bottom, to their beginning."""
    rows = min(_rows(_status), height()) - 1
    return f"\r\x1b[{rows}A" if rows > 0 else "\r"


def _emit(stream: TextIO, parts: Sequence[tuple[str, str]]) -> None:
    """Write the parts and a line end, above what is redrawn in place."""
    with _lock:
        text = _render(stream, parts) if is_terminal(stream) else "".join(t for t, _ in parts)
        try:
            if _status and is_terminal(stream):
                stream.write(_upwards() + ("\x1b[K" if _rows(_status) == 1 else "\x1b[J"))
            _write(stream, text + "\n")
            stream.flush()
        except BrokenPipeError:
            # `trainrun ls | head`: the reader has seen enough. A closed stdout must not end in a traceback.
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
            return
        if _status and is_terminal():
            sys.stdout.write(_drawn(_status))
            sys.stdout.flush()


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, errors="replace").decode(encoding))


def _render(stream: TextIO, parts: Sequence[tuple[str, str]], room: int | None = None) -> str:
    """Return the parts as text with the terminal's colour codes, cut at `room` columns."""
    from rich.console import Console
    from rich.text import Text

    key = (id(stream), os.environ.get("NO_COLOR", ""))
    if key not in _rich:
        _rich.clear()
        _rich[key] = Console(file=stream, highlight=False, soft_wrap=True, legacy_windows=False)
    line = Text.assemble(*parts, no_wrap=True)
    if room is not None:
        line.truncate(room, overflow="ellipsis")
    with _rich[key].capture() as captured:
        _rich[key].print(line, soft_wrap=True, end="")
    return captured.get()
