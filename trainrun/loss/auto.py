"""`loss=auto`: the default loss for the data's target. The builder replaces `auto` by the loss that it names."""

from __future__ import annotations

DEFAULT_LOSSES = {
    "binary": "binary_crossentropy",
    "multiclass": "sparse_categorical_crossentropy",
    "multilabel": "binary_crossentropy",
    "real": "mean_squared_error",
    "none": "model_output",
}


def auto(task: str, target: str, /) -> str:
    """Return the name of the default loss.

    Args:
        task: ``classification``, ``regression``, ``segmentation`` or ``minimization``; not used.
        target: the kind of target: ``binary``, ``multiclass``, ``multilabel``, ``real`` or ``none``.

    Raises:
        ValueError: `target` is none of these.
    """
    if target not in DEFAULT_LOSSES:
        raise ValueError(f"target: expected one of {', '.join(DEFAULT_LOSSES)}, got {target!r}")
    return DEFAULT_LOSSES[target]
