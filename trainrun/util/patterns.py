"""Regular expressions of a config: one or several, which match a whole path (`hidden_1/.*`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any


def listed(value: Any) -> list[str]:
    """Return one regular expression, or several, as a list; of null, a truth value or a number an empty one."""
    return (
        [value]
        if isinstance(value, str)
        else [v for v in value or () if isinstance(v, str)]
        if isinstance(value, list | tuple)
        else []
    )


def fault(pattern: str) -> str | None:
    """Return why a text is no regular expression, or None."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"{pattern!r} is no regular expression: {error}. It matches whole paths, as in 'hidden_1/.*'."
    return None


def any_matches(patterns: Iterable[str], path: str) -> bool:
    """Return whether one of the regular expressions matches a whole path."""
    return any(re.fullmatch(p, path) for p in patterns)
