"""A table, such as of runs, that fits the terminal: what does not fit beside the figures stands in lines of its own below them."""

from __future__ import annotations

from collections.abc import Sequence

from trainrun.ui import console, folding, tables

INDENT = folding.INDENT
GAP = 2  # spaces between two columns
NARROWEST = 6  # to which a column is cut


def show(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    below: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """Print a table; columns without any entry, except the first two, are left out.

    Args:
        columns: headings.
        rows: cells.
        below: columns that go below each row, folded, where the terminal is too narrow for the table.
        spare: columns that are left out there.
    """
    kept = [i for i in range(len(columns)) if i < 2 or any(row[i] for row in rows)]
    if fits(columns, rows, kept):
        console.table("", [columns[i] for i in kept], [[row[i] for i in kept] for row in rows])
        return
    width = console.width()
    under = [i for i in kept if columns[i] in below]
    beside = [i for i in kept if i not in under]
    for name in spare:
        if _needed(columns, rows, beside) > width:
            beside = [i for i in beside if columns[i] != name]
    cells = [[columns[i] for i in beside], *([row[i] for i in beside] for row in rows)]
    left_out = _cut(cells, width)
    head, *lines = tables.plain(cells[0], cells[1:]).splitlines()
    console.say(head, "bold")
    for line, row in zip(lines, rows, strict=True):
        console.say(line)
        for i in under:
            if row[i]:
                console.note(INDENT + folding.fold(row[i], INDENT, width))
    if left_out:
        console.note(f"{left_out} columns more than {width} characters hold: --json has them")


def fits(columns: Sequence[str], rows: Sequence[Sequence[str]], kept: Sequence[int] | None = None) -> bool:
    """Return whether a table of some of the columns, or of all, is as narrow as the terminal, or there is none."""
    kept = range(len(columns)) if kept is None else kept
    return (width := console.columns()) is None or _needed(columns, rows, kept) <= width


def _needed(columns: Sequence[str], rows: Sequence[Sequence[str]], kept: Sequence[int]) -> int:
    """Return the width of a table of some of the columns."""
    sizes = [max(len(columns[i]), *(len(row[i]) for row in rows)) for i in kept]
    return sum(sizes) + GAP * (len(kept) - 1)


def _cut(cells: list[list[str]], width: int) -> int:
    """Shorten the widest columns in place until the table fits; return the number of columns that are left out."""
    left_out = 0
    sizes = [max(map(len, column)) for column in zip(*cells, strict=True)]
    while sum(sizes) + GAP * (len(sizes) - 1) > width:
        # The first column names the run, which is to be copied: the others give way before it.
        widest = max(range(len(sizes)), key=lambda i: (i > 0 and sizes[i] > NARROWEST, sizes[i]))
        if widest == 0 and len(sizes) > 1:
            sizes.pop()
            left_out += 1
        elif sizes[widest] > NARROWEST:
            sizes[widest] -= 1
        else:
            break
    for row in cells:
        row[:] = [
            text if len(text) <= size else f"{text[: size - 1]}…"
            for text, size in zip(row, sizes, strict=False)
        ]
    return left_out
