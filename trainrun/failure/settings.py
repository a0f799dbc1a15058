"""The configured answers to failures of training (`failure`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FailureSettings:
    """Answers to failures.

    Args:
        out_of_memory: ``accumulate`` divides each batch into twice as many parts; ``stop``.
        non_finite: ``rollback`` returns to the last checkpoint with a lower learning rate; ``stop`` searches for the cause.
        rate: factor of the learning rate at each rollback.
        rollbacks: maximum number.
        lost: ``retry`` restarts from the last checkpoint; ``stop``.
        retries: maximum number.
        minutes: maximum duration of the search for the first tensor that is not finite; 0: no search.
    """

    out_of_memory: str = "accumulate"
    non_finite: str = "stop"
    rate: float = 0.5
    rollbacks: int = 3
    lost: str = "retry"
    retries: int = 1
    minutes: float = 5
