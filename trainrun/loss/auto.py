"""Which loss is the usual one for a task. Not a loss itself: the builder asks it and builds what it names."""

from __future__ import annotations

USUAL = {
    "binary": "binary_crossentropy",
    "multiclass": "sparse_categorical_crossentropy",
    "multilabel": "binary_crossentropy",
    "real": "mean_squared_error",
    "none": "model_output",
}


def auto(task: str, target: str, /) -> str:
    """Return the name of the loss option that one would take without a reason for another.

    Args:
        task: ``classification``, ``regression``, ``segmentation`` or ``minimization``; it does not matter
            here.
        target: the kind of target: ``binary``, ``multiclass``, ``multilabel``, ``real`` or ``none``.

    Raises:
        ValueError: there is no such kind of target.
    """
    if target not in USUAL:
        raise ValueError(f"expected a kind of target out of {', '.join(USUAL)}, got {target!r}")
    return USUAL[target]
