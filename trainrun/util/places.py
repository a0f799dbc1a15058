"""Locate a class or function in the user's files."""

from __future__ import annotations

import inspect
from typing import Any


def place(thing: Any) -> str:
    """Return `file, line n` of a class or function, its name where the source is not known."""
    try:
        code = inspect.unwrap(thing)
        return f"{inspect.getsourcefile(code)}, line {inspect.getsourcelines(code)[1]}"
    except (OSError, TypeError):
        return getattr(thing, "__name__", repr(thing))
