"""`metric=auto`: the default metrics for the data's target. The builder replaces `auto` by the metrics that it names."""

from __future__ import annotations

# The same names as in the presets conf/metric/{binary,multiclass,multilabel,regression,segmentation,none}.yaml (tested).
DEFAULT_METRICS = {
    "binary": ["accuracy", "auc", "auc_pr"],
    "multiclass": ["accuracy", "f1_score"],
    "multilabel": ["binary_accuracy", "auc", "f1_score"],
    "real": ["root_mean_squared_error", "mean_absolute_error", "r2_score"],
    "none": [],
}
SEGMENTATION = ["mean_iou", "accuracy"]


def auto(task: str, target: str, /) -> list[str]:
    """Return the names of the default metrics.

    Args:
        task: ``classification``, ``regression``, ``segmentation`` or ``minimization``.
        target: the kind of target: ``binary``, ``multiclass``, ``multilabel``, ``real`` or ``none``.

    Raises:
        ValueError: `target` is none of these.
    """
    if target not in DEFAULT_METRICS:
        raise ValueError(f"target: expected one of {', '.join(DEFAULT_METRICS)}, got {target!r}")
    if task == "segmentation" and target in ("binary", "multiclass"):
        return list(SEGMENTATION)
    return list(DEFAULT_METRICS[target])
