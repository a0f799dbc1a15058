"""MLflow's limits on lengths, characters and batch sizes; names and values are adapted to them here."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# mlflow.utils.validation, the same in its servers since 2.8.
PARAMS_AT_ONCE, METRICS_AT_ONCE, KEY_LENGTH, PARAM_LENGTH, TAG_LENGTH = 100, 1000, 250, 6000, 8000
BYTES_AT_ONCE = 500_000  # half of what a request may have: JSON grows on the way
_REFUSED = re.compile(r"[^\w\-. :/]", re.ASCII)


class Names:
    """Map each name to one that MLflow accepts; different names stay different.

    The result depends only on the names and their order, so a later process continues with the same mapping.
    """

    def __init__(self) -> None:
        self._safe: dict[str, str] = {}
        self._taken: set[str] = set()

    def __getitem__(self, name: str) -> str:
        if name not in self._safe:
            safe, n = key(name), 1
            while safe in self._taken:
                n += 1
                safe = f"{key(name)[: KEY_LENGTH - 6]}_{n}"
            self._safe[name] = safe
            self._taken.add(safe)
        return self._safe[name]


def key(name: str) -> str:
    """Return a name with the characters that MLflow refuses replaced."""
    safe = _REFUSED.sub("_", str(name))
    if os.path.normpath(safe) != safe or safe.startswith(("/", ".")):  # MLflow takes names for paths
        safe = safe.replace("/", "_").strip(".") or "_"
    return safe[:KEY_LENGTH]


def value(setting: Any) -> str:
    """Return a value as it is written in YAML."""
    if isinstance(setting, str | float):
        return str(setting)
    return json.dumps(setting, default=str, ensure_ascii=False)


def cut(text: str, length: int) -> str:
    """Return the text cut to `length` characters, without those that a database or UTF-8 cannot store."""
    text = text.replace("\0", "�").encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= length else text[: length - 1] + "…"


def milliseconds(record: Mapping[str, Any]) -> int:
    """Return a record's time in milliseconds since 1970; a clock set to an earlier year gives 0."""
    try:
        return max(int(record["time"] * 1000), 0)
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0


def portions(
    items: Sequence[tuple[str, str]], count: int = PARAMS_AT_ONCE
) -> Iterator[list[tuple[str, str]]]:
    """Yield (key, value) pairs in portions that one request may hold."""
    portion: list[tuple[str, str]] = []
    size = 0
    for item in items:
        weight = len(json.dumps(item))
        if portion and (len(portion) >= count or size + weight > BYTES_AT_ONCE):
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += weight
    if portion:
        yield portion
