"""Durations as people write them: 90s, 10m, 1h30m."""

from __future__ import annotations

import re

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(limit: str | float) -> float:
    """Return the seconds of a duration.

    Args:
        limit: ``90``, ``90s``, ``10m``, ``1h30m``, ``1.5h``, ``2d``; more than zero.

    Raises:
        ValueError: it is none of these.

    Example:
        >>> seconds("1h30m")
        5400.0
    """
    text = str(limit).strip().lower().replace(" ", "")
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        total = sum(float(number) * UNITS[unit] for number, unit in parts)
    elif re.fullmatch(r"\d+(?:\.\d+)?", text):
        total = float(text)
    else:
        total = 0.0
    if isinstance(limit, bool) or total <= 0:
        raise ValueError(f"expected a duration such as 30s, 10m or 1h30m, more than zero; got {limit!r}.")
    return total


def text(seconds: float) -> str:
    """Return a duration as text: 0.4s, 12s, 3m05s, 1h02m."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"
