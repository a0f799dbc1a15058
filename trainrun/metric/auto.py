"""Which metrics are the usual ones for a task. Not a metric itself: the builder builds what it names."""

from __future__ import annotations

# The same names as in the presets
# conf/metric/{binary,multiclass,multilabel,regression,segmentation,none}.yaml; a test holds the two together.
USUAL = {
    "binary": ["accuracy", "auc", "auc_pr"],
    "multiclass": ["accuracy", "f1_score"],
    "multilabel": ["binary_accuracy", "auc", "f1_score"],
    "real": ["root_mean_squared_error", "mean_absolute_error", "r2_score"],
    "none": [],
}
SEGMENTATION = ["mean_iou", "accuracy"]


def auto(task: str, target: str, /) -> list[str]:
    """Return the names of the metric options that one would take without a reason for others.

    Args:
        task: ``classification``, ``regression``, ``segmentation`` or ``minimization``.
        target: the kind of target: ``binary``, ``multiclass``, ``multilabel``, ``real`` or ``none``.

    Raises:
        ValueError: there is no such kind of target.
    """
    if target not in USUAL:
        raise ValueError(f"expected a kind of target out of {', '.join(USUAL)}, got {target!r}")
    if task == "segmentation" and target in ("binary", "multiclass"):
        return list(SEGMENTATION)
    return list(USUAL[target])
