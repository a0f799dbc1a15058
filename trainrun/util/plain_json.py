"""JSON for other programs."""

from __future__ import annotations

import json
import math
from typing import Any


def without_nan(value: Any) -> Any:
    """Return plain data with null in place of numbers that are not finite, as JSON has none."""
    if isinstance(value, dict):
        return {k: without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def text(content: Any) -> str:
    """Return plain data as indented JSON; a number that is not finite is null, and what JSON lacks is text."""
    return json.dumps(without_nan(content), indent=1, ensure_ascii=False, allow_nan=False, default=str)
