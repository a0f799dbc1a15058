"""Two classes of tumour by 30 measurements of cells: small, clean, nearly separable by a line."""

from __future__ import annotations

from typing import Any

from trainrun.data import _arrays, _sklearn
from trainrun.data.dataset import Dataset, Description, InputSpec, TargetSpec
from trainrun.util.arguments import Decay

EXAMPLES = 569
TARGET = TargetSpec("binary", ("malignant", "benign"), 1)


def breast_cancer(
    *, validation: Decay = 0.2, test: Decay = 0.2, standardize: bool = True, seed: int = 42
) -> Dataset:
    """Return scikit-learn's copy, split and stratified.

    Args:
        validation, test: fractions of all examples; 0: no such set.
        standardize: scale each column to mean 0 and standard deviation 1, fitted on the training set.
        seed: of the split.
    """
    raw = _sklearn.loaded("load_breast_cancer")
    return _arrays.dataset(
        "breast_cancer",
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
