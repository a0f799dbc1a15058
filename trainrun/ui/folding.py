"""Messages folded to a terminal's width, only between words, so that a path can be copied whole."""

from __future__ import annotations

import textwrap

INDENT = "    "


def fold(text: str, lead: str, columns: int | None) -> str:
    """Return a message whose further lines are indented.

    Args:
        text: may hold several lines.
        lead: what stands before it on its first line; not returned.
        columns: of the terminal; None: lines are not folded.
    """
    first, *rest = text.splitlines() or [""]
    if columns is None:
        return "\n".join([first, *(INDENT + line for line in rest)])
    wrapper = textwrap.TextWrapper(
        columns, initial_indent=lead, subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False
    )
    folded = wrapper.fill(first)[len(lead) :]
    wrapper.initial_indent = INDENT
    return "\n".join([folded, *map(wrapper.fill, rest)])
