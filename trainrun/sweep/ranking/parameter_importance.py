"""Importance of a sweep's parameters: the share of the objective's variance that each explains (fANOVA, by Optuna).

Reference: F. Hutter, H. Hoos, K. Leyton-Brown, An efficient approach for assessing hyperparameter importance, ICML 2014.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainrun.util import finite

FEWEST = 8  # trials; the forest of fewer tells nothing
ABSENT = "(none)"


def importance(parameters: Mapping[str, Sequence[str | None]], values: Sequence[float]) -> dict[str, float]:
    """Return each parameter's share, the greatest first; empty for too few trials, or where all values are equal.

    Args:
        parameters: key -> each trial's value as typed; None where a trial has none.
        values: each trial's objective, finite.
    """
    if len(values) < FEWEST or not parameters or len(set(values)) < 2:
        return {}
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study()
        columns = {key: _column(typed) for key, typed in parameters.items()}
        for i, value in enumerate(values):
            study.add_trial(
                optuna.trial.create_trial(
                    params={key: column[i] for key, (column, _) in columns.items()},
                    distributions={key: kind for key, (_, kind) in columns.items()},
                    value=value,
                )
            )
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
    finally:
        optuna.logging.set_verbosity(before)


def _column(typed: Sequence[str | None]) -> tuple[list[Any], Any]:
    """Return a parameter's values as Optuna takes them, and their distribution."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    numbers = [n for text in typed if (n := finite.number(text)) is not None]
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    if len(numbers) == len(typed) and low < high and abs(low) < 1e300 and abs(high) < 1e300:
        return numbers, FloatDistribution(low, high, log=low > 0 and high / low > 30)
    texts = [ABSENT if text is None else text for text in typed]
    return texts, CategoricalDistribution(sorted(set(texts)))
