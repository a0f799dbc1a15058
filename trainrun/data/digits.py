"""Handwritten digits, 8x8 pixels: enough of an image to try a convolution, small enough to train in seconds."""

from __future__ import annotations

import functools
from typing import Any

from trainrun.data import _arrays, _sklearn
from trainrun.data.dataset import Dataset, Description, InputSpec, TargetSpec
from trainrun.util.arguments import Decay

EXAMPLES = 1797
TARGET = TargetSpec("multiclass", tuple("0123456789"), 10)


def digits(*, validation: Decay = 0.2, test: Decay = 0.2, seed: int = 42) -> Dataset:
    """Return scikit-learn's copy as images `[8, 8, 1]` in [0, 1], split and stratified.

    Args:
        validation, test: fractions of all examples; 0: no such set.
        seed: of the split.
    """
    raw = _raw()
    return _arrays.dataset(
        "digits",
        InputSpec("image", "image", (8, 8, 1)),
        raw.images[..., None] / 16.0,
        TARGET,
        raw.target,
        validation=validation,
        test=test,
        seed=seed,
        preprocessing={"scale": 1 / 16},
    )


@functools.cache
def _raw() -> Any:
    """Return the file's content; trials of a sweep split it in many ways."""
    return _sklearn.loaded("load_digits")


def describe(*, validation: Decay = 0.2, test: Decay = 0.2, **_: Any) -> Description:
    """Return what is known without loading the data."""
    return _arrays.description(TARGET, EXAMPLES, "image", validation, test)
