"""Rules of the settings of `failure`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.errors import Problem, did_you_mean
from trainrun.registry import declaration_reader

CHOICES = {
    "out_of_memory": ("accumulate", "stop"),
    "non_finite": ("stop", "rollback"),
    "lost": ("retry", "stop"),
}


def problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problems of the settings of failures."""
    node = config.get("failure") or {}
    for key, known in CHOICES.items():
        value = node.get(key, known[0])
        if value not in known:
            yield Problem(
                f"failure.{key}",
                f"expected {' or '.join(known)}, got {value!r}.{did_you_mean(str(value), known)}",
            )
    rate = node.get("rate", 0.5)
    if not _is_number(rate) or not 0 < rate < 1:
        yield Problem(
            "failure.rate",
            f"expected a factor for the learning rate, above 0 and below 1, got {rate!r}.",
        )
    minutes = node.get("minutes", 5)
    if not _is_number(minutes) or not 0 <= minutes < float("inf"):
        yield Problem("failure.minutes", f"expected minutes, at least 0, got {minutes!r}.")
    hardware = config.get("hardware")
    several = (
        isinstance(hardware, Mapping)
        and declaration_reader.of("hardware", hardware.get("name")).several_processes
    )
    if several and node.get("non_finite") == "rollback":
        yield Problem(
            "failure.non_finite",
            f"rollback is decided by one process; with hardware={hardware['name']} all would have to decide alike. "
            "Set failure.non_finite=stop, and go on with `trainrun resume` at a lower optimizer.learning_rate.",
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
