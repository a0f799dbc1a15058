"""Whole numbers written in digits, in names of files and in texts from elsewhere."""

from __future__ import annotations

import re

# `str.isdigit` takes "²" as well, which `int` does not; and `int` refuses a text of more than 4,300 digits.
_DIGITS = re.compile(r"[0-9]{1,18}")


def number(text: str) -> int | None:
    """Return the number that a text of at most 18 digits stands for; None: it is no such text."""
    return int(text) if _DIGITS.fullmatch(text) else None
