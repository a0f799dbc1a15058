"""Messages, YAML and docstrings folded to a terminal's width, only between words, so that a path can be copied whole."""

from __future__ import annotations

import re
import textwrap

INDENT = "    "
# An override in a shell's quotes, which is copied whole, and what stands for a blank in it meanwhile.
OVERRIDE, BLANK = re.compile(r"'[\w.]+=[^']*'"), "\0"


def fold(text: str, lead: str, columns: int | None) -> str:
    """Return a message whose further lines are indented.

    Args:
        text: may hold several lines.
        lead: text before it on its first line; not returned.
        columns: of the terminal; None: lines are not folded.
    """
    first, *rest = text.splitlines() or [""]
    if columns is None:
        return "\n".join([first, *(INDENT + line for line in rest)])
    first, *rest = (OVERRIDE.sub(lambda match: match[0].replace(" ", BLANK), line) for line in (first, *rest))
    wrapper = textwrap.TextWrapper(
        columns, initial_indent=lead, subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False
    )
    folded = wrapper.fill(first)[len(lead) :]
    wrapper.initial_indent = INDENT
    return "\n".join([folded, *map(wrapper.fill, rest)]).replace(BLANK, " ")


def fold_yaml(text: str, columns: int | None) -> str:
    """Return YAML whose long comments continue on comment lines below them, so that it can still be copied as YAML.

    Args:
        text: the file.
        columns: of the terminal; None: lines are not folded.
    """
    lines = []
    for line in text.splitlines():
        start = _comment_start(line)
        if columns is None or len(line) <= columns or start is None:
            lines.append(line)
            continue
        # The further lines stand below the comment, or further left where that would leave them too narrow.
        indent = " " * min(start, columns // 2)
        wrapper = textwrap.TextWrapper(
            columns,
            initial_indent=line[:start] + "# ",
            subsequent_indent=indent + "# ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += wrapper.wrap(line[start:].lstrip("#").strip())
    return "\n".join(lines)


def _comment_start(line: str) -> int | None:
    """Return the index of the comment's `#` in a line of YAML, or None; not of one in quotes or inside a word."""
    quote = ""
    for i, character in enumerate(line):
        at_start = i == 0 or line[i - 1] in " \t[{,"
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and at_start:
            quote = character
        elif character == "#" and at_start:
            return i
    return None


def fold_docstring(text: str, columns: int | None) -> str:
    """Return a docstring whose paragraphs and arguments are wrapped anew where one of their lines is too long.

    Args:
        text: without the indentation that its source has.
        columns: of the terminal; None: lines are not folded.
    """
    if columns is None or all(len(line) <= columns for line in text.splitlines()):
        return text
    folded = []
    for paragraph in _paragraphs(text):
        if all(len(line) <= columns for line in paragraph) or paragraph[0].lstrip().startswith(">>>"):
            folded += paragraph
            continue
        first = _indent(paragraph[0])
        rest = _indent(paragraph[1]) if len(paragraph) > 1 else first + (4 if _is_item(paragraph[0]) else 0)
        wrapper = textwrap.TextWrapper(
            columns,
            initial_indent=" " * first,
            subsequent_indent=" " * rest,
            break_long_words=False,
            break_on_hyphens=False,
        )
        folded += wrapper.wrap(" ".join(line.strip() for line in paragraph))
    return "\n".join(folded)


def _paragraphs(text: str) -> list[list[str]]:
    """Return the lines of a docstring in groups: paragraphs, list items, and arguments with their continuation lines."""
    groups: list[list[str]] = []
    for line in text.splitlines():
        previous = groups[-1] if groups else [""]
        continues = (
            line.strip()
            and previous[-1].strip()
            and not previous[-1].rstrip().endswith(":")
            and not line.lstrip().startswith(("- ", "* ", ">>>", "```"))
            and (_indent(line) > _indent(previous[0]) or not (_is_item(line) or _is_item(previous[0])))
            and (len(previous) == 1 or _indent(line) == _indent(previous[-1]))
        )
        if continues:
            previous.append(line)
        else:
            groups.append([line])
    return groups


def _is_item(line: str) -> bool:
    """Return whether an indented line documents an argument, ``name: …``."""
    return re.match(r"\s+\*{0,2}\w[\w, `]*( \([^)]*\))?: ", line) is not None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
