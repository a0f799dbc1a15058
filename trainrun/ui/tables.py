"""Tables: plain lines for files and pipes, a `rich.table` for terminals."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def plain(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Return a table as lines of plain text, as wide as its cells.

    Args:
        columns: headings; without a line for them if all are empty. A column whose cells are all numbers, or empty, is
            aligned to the right.
        cells: of each row.
    """
    sizes = [max([len(c), *(len(r[i]) for r in cells)]) for i, c in enumerate(columns)]
    right = [_numeric(cells, i) for i in range(len(columns))]
    lines = [
        "  ".join(c.rjust(size) if r else c.ljust(size) for c, size, r in zip(row, sizes, right, strict=True))
        for row in ([columns] if any(columns) else []) + [*cells]
    ]
    return "\n".join(line.rstrip() for line in lines)


def styled(columns: Sequence[str], cells: Sequence[Sequence[str]], marked: Container[int] = ()) -> Table:
    """Return a table for a terminal, which folds the widest column where it is too narrow, between words.

    Args:
        columns, cells: see `plain`.
        marked: indices of rows to make stand out.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(columns), header_style="bold"
    )
    sizes = [max([len(c), *(len(r[i]) for r in cells)]) for i, c in enumerate(columns)]
    widest = sizes.index(max(sizes)) if sizes else 0
    for i, column in enumerate(columns):
        # Never folded within a word: a path stays whole.
        min_width = max(
            [len(word) for text in [column, *(r[i] for r in cells)] for word in text.split()], default=0
        )
        justify = "right" if _numeric(cells, i) else "left"
        table.add_column(Text(column), justify=justify, no_wrap=i != widest, min_width=min_width)
    for i, row in enumerate(cells):
        table.add_row(*map(Text, row), style="bold green" if i in marked else "")
    return table


def _numeric(cells: Sequence[Sequence[str]], column: int) -> bool:
    """Return whether the cells of a column are numbers or empty, and one is a number."""
    values = [row[column] for row in cells]
    return any(values) and all(map(_is_number, values))


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "").rstrip("*%s ") or "0")
    except ValueError:
        return text in ("-", "–")
    return True
