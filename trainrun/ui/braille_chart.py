"""Curves in a terminal, of braille dots: two by four in each character."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text

BLANK = 0x2800
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # by column, from the top
LABEL = 9  # characters of the numbers beside it


def draw(
    curves: Sequence[tuple[Sequence[float], str]], width: int, height: int, names: Sequence[str] = ()
) -> Text:
    """Return curves over one another on one scale, its ends beside it.

    Args:
        curves: values and style of each, the first one in front; values that are not finite are left out.
        width, height: of the whole, in characters.
        names: a character for each curve, which stands where it ends; none: they are distinguished by their styles alone.
    """
    finite = [v for values, _ in curves for v in values if math.isfinite(v)]
    columns, rows = width - LABEL - 1 - 2 * bool(names), height
    if not finite or columns < 2 or rows < 1:
        return Text("no epoch yet", style="dim")
    low, high = min(finite), max(finite)
    longest = max(len(values) for values, _ in curves)
    cells: dict[tuple[int, int], tuple[int, str]] = {}
    for values, style in reversed(curves):
        for x, y in _line(values, longest, low, high, 2 * columns, 4 * rows):
            place = y // 4, x // 2
            bits = cells.get(place, (0, style))[0]
            cells[place] = bits | DOTS[x % 2][y % 4], style
    ends = _ends(curves, names, low, high, rows)
    text = Text()
    for row in range(rows):
        label = f"{high:.4g}" if row == 0 else f"{low:.4g}" if row == rows - 1 else ""
        text.append(f"{label:>{LABEL}} ", style="dim")
        for column in range(columns):
            bits, style = cells.get((row, column), (0, ""))
            text.append(chr(BLANK + bits) if bits else " ", style=style)
        text.append(*ends.get(row, ("", "")))
        text.append("\n" if row < rows - 1 else "")
    return text


def _ends(
    curves: Sequence[tuple[Sequence[float], str]], names: Sequence[str], low: float, high: float, rows: int
) -> dict[int, tuple[str, str]]:
    """Return the name and style at the end of each row; of curves that end in one row, the lower ones have the next."""
    ends = []
    for (values, style), name in zip(curves, names, strict=False):
        last = next((v for v in reversed(values) if math.isfinite(v)), None)
        if last is not None:
            row = round((high - last) / (high - low) * (4 * rows - 1)) // 4 if high > low else rows // 2
            ends.append((-last, row, (f" {name}", style)))
    placed: dict[int, tuple[str, str]] = {}
    for i, (_, row, end) in enumerate(sorted(ends)):
        # The next free row, with one left for each that ends lower.
        placed[min(max(row, max(placed, default=-1) + 1), rows - len(ends) + i)] = end
    return placed


def _line(
    values: Sequence[float], longest: int, low: float, high: float, width: int, height: int
) -> list[tuple[int, int]]:
    """Return the dots of a line through the values: (column, row from the top)."""
    dots: list[tuple[int, int]] = []
    before: tuple[int, int] | None = None
    for i, value in enumerate(values):
        if not math.isfinite(value):
            before = None
            continue
        x = round(i / max(longest - 1, 1) * (width - 1))
        y = round((high - value) / (high - low) * (height - 1)) if high > low else height // 2
        steps = 1 if before is None else max(abs(x - before[0]), abs(y - before[1]), 1)
        x0, y0 = before or (x, y)
        dots += [
            (x0 + round((x - x0) * s / steps), y0 + round((y - y0) * s / steps)) for s in range(steps + 1)
        ]
        before = x, y
    return dots
