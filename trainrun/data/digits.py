"""Handwritten digits, 8x8 pixels: enough of an image to try a convolution, small enough to train in seconds."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from trainrun.compat import sklearn_private
from trainrun.data import _arrays, _sklearn
from trainrun.data.dataset import Dataset, Description, InputSpec, TargetSpec
from trainrun.util.arguments import Decay

if TYPE_CHECKING:
    import numpy as np

EXAMPLES = 1797
TARGET = TargetSpec("multiclass", tuple("0123456789"), 10)


def digits(*, validation: Decay = 0.2, test: Decay = 0.2, seed: int = 42) -> Dataset:
    """Return scikit-learn's copy as images `[8, 8, 1]` in [0, 1], split and stratified.

    Args:
        validation, test: fractions of all examples; 0: no such set.
        seed: of the split.
    """
    images, target = raw()
    return _arrays.dataset(
        "digits",
        InputSpec("image", "image", (8, 8, 1)),
        images[..., None] / 16.0,
        TARGET,
        target,
        validation=validation,
        test=test,
        seed=seed,
        preprocessing={"scale": 1 / 16},
    )


@functools.cache
def raw() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's images, float64 `[1797, 8, 8]` from 0 to 16, and classes, int64; read once, as trials of a sweep split them in many ways."""
    import numpy as np

    if (file := sklearn_private.dataset_file("digits.csv.gz")) is None:
        bunch = _sklearn.loaded("load_digits")
        return bunch.images, bunch.target
    table = np.loadtxt(file, delimiter=",")
    return table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(int)


def describe(*, validation: Decay = 0.2, test: Decay = 0.2, **_: Any) -> Description:
    """Return what is known without loading the data."""
    return _arrays.description(TARGET, EXAMPLES, "image", validation, test)
