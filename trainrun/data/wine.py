"""Three growers of wine by 13 chemical measurements of very different size, so standardization matters."""

from __future__ import annotations

from typing import Any

from trainrun.data import _arrays, _sklearn
from trainrun.data.dataset import Dataset, Description, InputSpec, TargetSpec
from trainrun.util.arguments import Decay

EXAMPLES = 178
TARGET = TargetSpec("multiclass", ("class_0", "class_1", "class_2"), 3)


def wine(*, validation: Decay = 0.2, test: Decay = 0.2, standardize: bool = True, seed: int = 42) -> Dataset:
    """Return scikit-learn's copy, split and stratified.

    Args:
        validation, test: fractions of all examples; 0: no such set.
        standardize: scale each column to mean 0 and standard deviation 1, fitted on the training set.
        seed: of the split.
    """
    raw = _sklearn.loaded("load_wine")
    return _arrays.dataset(
        "wine",
        InputSpec("numeric", "numeric", (raw.data.shape[1],)),
        raw.data,
        TARGET,
        raw.target,
        features=[str(f) for f in raw.feature_names],
        validation=validation,
        test=test,
        standardize=standardize,
        seed=seed,
    )


def describe(*, validation: Decay = 0.2, test: Decay = 0.2, **_: Any) -> Description:
    """Return what is known without loading the data."""
    return _arrays.description(TARGET, EXAMPLES, "numeric", validation, test)
