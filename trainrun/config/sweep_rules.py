"""What `sweep` may say, told before TensorFlow loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.errors import Problem, did_you_mean

DIRECTIONS = ("auto", "minimize", "maximize")


def problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the settings of sweeps."""
    node = config.get("sweep") or {}
    direction, timeout, failures = (node.get(k) for k in ("direction", "trial_timeout", "max_failures"))
    if direction is not None and direction not in DIRECTIONS:
        yield Problem(
            "sweep.direction",
            f"expected one of {', '.join(DIRECTIONS)}, got {direction!r}.{did_you_mean(str(direction), DIRECTIONS)}",
        )
    if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout < float("inf")):
        yield Problem("sweep.trial_timeout", f"expected seconds, more than zero, or null, got {timeout!r}.")
    if failures is not None and not (isinstance(failures, int) and failures >= 1):
        yield Problem(
            "sweep.max_failures", f"expected a whole number, at least 1, or null, got {failures!r}."
        )
