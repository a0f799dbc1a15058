"""Inputs and targets of every kind, tiny; shared by the model tests."""

from __future__ import annotations

import numpy as np

from trainrun.data.dataset import InputSpec, TargetSpec

N = 6
NUMERIC = InputSpec("numeric", "numeric", (3,))
IMAGE = InputSpec("image", "image", (6, 5, 1))
TOKENS = InputSpec("tokens", "tokens", (7,), (11,))
# One column to be one-hot encoded, one with too many values for that.
CATEGORICAL = InputSpec("categorical", "categorical", (2,), (4, 30))
INPUTS = {
    "numeric": (NUMERIC,),
    "image": (IMAGE,),
    "tokens": (TOKENS,),
    "categorical": (CATEGORICAL,),
    "mixed": (NUMERIC, CATEGORICAL),
    "all": (NUMERIC, CATEGORICAL, IMAGE, TOKENS),
}
BINARY = TargetSpec("binary", ("no", "yes"))
MULTICLASS = TargetSpec("multiclass", ("a", "b", "c"), 3)
REAL = TargetSpec("real", (), 2)
MASK = TargetSpec("binary", ("ground", "shape"), 1, (6, 5))
TARGETS = {
    "binary": (BINARY, "sigmoid"),
    "multiclass": (MULTICLASS, "softmax"),
    "real": (REAL, None),
    "mask": (MASK, "sigmoid"),
}


def values(inputs, n=N, seed=0):
    """Return an array for one input, a dict by name for several."""
    rng, arrays = np.random.default_rng(seed), {}
    for spec in inputs:
        if spec.kind in ("numeric", "image"):
            arrays[spec.name] = rng.normal(size=(n, *spec.shape)).astype("float32")
        else:
            highest = np.resize(spec.cardinalities, spec.shape)
            arrays[spec.name] = rng.integers(0, highest, (n, *spec.shape)).astype("int32")
    return arrays if len(arrays) > 1 else next(iter(arrays.values()))
