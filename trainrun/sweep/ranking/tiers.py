"""Tiers of a ranking: settings that cannot be told apart from the best of a tier share it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainrun.registry import direction
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import seed_replicates
from trainrun.sweep.ranking.seed_replicates import Setting

# Metrics that are a share of examples: their error follows from the number of examples alone.
SHARES = (
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "top_k_accuracy",
)
Z = 1.96  # of the normal distribution, for 95 %


def shares_agree(first: float, second: float, examples: Sequence[int]) -> bool:
    """Return whether two shares are within the 95% error of two independent measurements.

    On the same examples the true error is smaller.

    Args:
        first, second: the shares.
        examples: that each was measured on; positive.
    """
    return abs(second - first) <= Z * share_error(first, second, examples)


def share_error(first: float, second: float, examples: Sequence[int]) -> float:
    """Return the standard error of the difference of two shares; arguments as in `shares_agree`."""
    return math.sqrt(sum(p * (1 - p) / n for p, n in zip((first, second), examples, strict=True)))


def tiers(ranked: Sequence[Setting], objective: Objective, examples: int = 0) -> list[int] | None:
    """Return the tier of each setting, from 1.

    Two settings with several seeds or folds are told apart by Welch's t-test at 5%, single runs by the error of a share of
    examples (the larger of both, if either is known).

    Args:
        ranked: the best first.
        objective: what they are ranked by.
        examples: that the objective was measured on; 0: not known.

    Returns:
        None if neither is known of them.
    """
    values = [setting.values(objective.name) for setting in ranked]
    share = direction.bare(objective.name) in SHARES and examples > 0
    repeated = any(len(v) > 1 for v in values)
    if not values or not (share or repeated):
        return None
    numbers, leader = [1], values[0]
    for these in values[1:]:
        if repeated:
            apart = seed_replicates.welch(leader, these) < seed_replicates.DISTINGUISHED
        else:
            apart = not shares_agree(leader[0], these[0], (examples, examples))
        numbers.append(numbers[-1] + apart)
        leader = these if apart else leader
    return numbers
