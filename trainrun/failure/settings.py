"""What a run does when training breaks off."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FailureSettings:
    """Answers to failures.

    Args:
        out_of_memory: ``accumulate`` takes each batch in twice as many parts; ``stop``.
        non_finite: ``rollback`` goes back to the last checkpoint with a lower rate; ``stop`` looks for the cause.
        rate: factor of the learning rate at each rollback.
        rollbacks: at most.
        lost: ``retry`` begins again from the last checkpoint; ``stop``.
        retries: at most.
        minutes: that the search for the first tensor that is not finite may take; 0: no search.
    """

    out_of_memory: str = "accumulate"
    non_finite: str = "stop"
    rate: float = 0.5
    rollbacks: int = 3
    lost: str = "retry"
    retries: int = 1
    minutes: float = 5
