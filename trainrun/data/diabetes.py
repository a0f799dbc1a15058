"""Progress of diabetes after a year by ten measurements: a small, noisy regression."""

from __future__ import annotations

from typing import Any

from trainrun.data import _arrays, _sklearn
from trainrun.data.dataset import Dataset, Description, InputSpec, TargetSpec
from trainrun.util.arguments import Decay

EXAMPLES = 442
TARGET = TargetSpec("real")


def diabetes(
    *,
    validation: Decay = 0.2,
    test: Decay = 0.2,
    standardize: bool = True,
    standardize_target: bool = True,
    seed: int = 42,
) -> Dataset:
    """Return scikit-learn's copy, the columns as measured, split.

    Args:
        validation, test: fractions of all examples; 0: no such set.
        standardize: scale each column to mean 0 and standard deviation 1, fitted on the training set.
        standardize_target: learn the target, which runs from 25 to 346, in deviations from its mean; metrics
            and predictions stay in its unit.
        seed: of the split.
    """
    raw = _sklearn.loaded("load_diabetes", scaled=False)
    return _arrays.dataset(
        "diabetes",
        InputSpec("numeric", "numeric", (raw.data.shape[1],)),
        raw.data,
        TARGET,
        raw.target[:, None],
        features=[str(f) for f in raw.feature_names],
        validation=validation,
        test=test,
        standardize=standardize,
        standardize_target=standardize_target,
        seed=seed,
    )


def describe(*, validation: Decay = 0.2, test: Decay = 0.2, **_: Any) -> Description:
    """Return what is known without loading the data."""
    return _arrays.description(TARGET, EXAMPLES, "numeric", validation, test)
