"""Declarations of Keras' metrics, their direction included, and type hints of their arguments.

The direction is Keras' own metadata where it has some (a test compares them); it has none for the four counts of the confusion
matrix. `Mean` and `Sum` measure no quality.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from trainrun.util.arguments import Count, Index, Positive, Range, Share
from trainrun.util.declarations import MetricDeclaration


def _metric(
    targets: str,
    labels: str,
    predictions: str,
    direction: str | None = None,
    shift_invariance: str = "none",
    scale_invariant: bool = False,
    **further: Any,
) -> MetricDeclaration:
    return MetricDeclaration(
        targets=tuple(targets.split()),
        labels=tuple(labels.split()),
        predictions=tuple(predictions.split()),
        direction=direction,
        shift_invariance=shift_invariance,
        scale_invariant=scale_invariant,
        **further,
    )


# Class -> targets, labels, predictions, direction, shift invariance, scale invariance.
DECLARATIONS: Mapping[str, MetricDeclaration] = {
    "AUC": _metric("binary multiclass multilabel", "binary one_hot", "probabilities", "max", needs_both_classes=True),
    "Accuracy": _metric("binary multiclass", "ids", "ids", "max"),
    "BinaryAccuracy": _metric("binary multilabel", "binary", "probabilities", "max"),
    "BinaryCrossentropy": _metric("binary multilabel", "binary", "probabilities logits", "min"),
    "BinaryIoU": _metric("binary", "binary", "probabilities", "max"),
    "CategoricalAccuracy": _metric("multiclass", "one_hot", "any", "max"),
    "CategoricalCrossentropy": _metric("multiclass", "one_hot", "probabilities logits", "min"),
    "CategoricalHinge": _metric("multiclass", "one_hot", "scores", "min"),
    "ConcordanceCorrelation": _metric("real", "real", "real", "max", "common", True, correlates_along_axis=True),
    "CosineSimilarity": _metric("real multiclass multilabel", "real one_hot", "real probabilities", "max", "none", True),
    "F1Score": _metric("binary multiclass multilabel", "binary one_hot", "probabilities", "max"),
    "FBetaScore": _metric("binary multiclass multilabel", "binary one_hot", "probabilities", "max"),
    "FalseNegatives": _metric("binary multiclass multilabel", "binary one_hot", "probabilities", "min"),
    "FalsePositives": _metric("binary multiclass multilabel", "binary one_hot", "probabilities", "min"),
    "Hinge": _metric("binary multiclass multilabel", "binary one_hot", "scores", "min"),
    "IoU": _metric("binary multiclass", "ids", "ids", "max"),
    "KLDivergence": _metric("multiclass", "one_hot", "probabilities", "min"),
    "LogCoshError": _metric("real", "real", "real", "min", "each"),
    "Mean": _metric("", "any", "any"),
    "MeanAbsoluteError": _metric("real binary multiclass multilabel", "real binary one_hot", "real probabilities", "min", "each"),
    "MeanAbsolutePercentageError": _metric("real", "real", "real", "min"),
    "MeanIoU": _metric("binary multiclass", "ids", "ids", "max"),
    "MeanSquaredError": _metric("real binary multiclass multilabel", "real binary one_hot", "real probabilities", "min", "each"),
    "MeanSquaredLogarithmicError": _metric("real", "real", "real", "min"),
    "OneHotIoU": _metric("multiclass", "one_hot", "any", "max"),
    "OneHotMeanIoU": _metric("multiclass", "one_hot", "any", "max"),
    "PearsonCorrelation": _metric("real", "real", "real", "max", "common", True, correlates_along_axis=True),
    "Poisson": _metric("real", "real", "real", "min"),
    "Precision": _metric("binary multiclass multilabel", "binary one_hot", "probabilities", "max"),
    "PrecisionAtRecall": _metric("binary multiclass multilabel", "binary one_hot", "probabilities", "max"),
    "R2Score": _metric("real", "real", "real", "max", "each", True),
    "Recall": _metric("binary multiclass multilabel", "binary one_hot", "probabilities", "max"),
    "RecallAtPrecision": _metric("binary multiclass multilabel", "binary one_hot", "probabilities", "max"),
    "RootMeanSquaredError": _metric("real binary multiclass multilabel", "real binary one_hot", "real probabilities", "min", "each"),
    "SensitivityAtSpecificity": _metric("binary multiclass multilabel", "binary one_hot", "probabilities", "max"),
    "SparseCategoricalAccuracy": _metric("multiclass", "ids", "any", "max"),
    "SparseCategoricalCrossentropy": _metric("multiclass", "ids", "probabilities logits", "min"),
    "SparseTopKCategoricalAccuracy": _metric("multiclass", "ids", "any", "max"),
    "SpecificityAtSensitivity": _metric("binary multiclass multilabel", "binary one_hot", "probabilities", "max"),
    "SquaredHinge": _metric("binary multiclass multilabel", "binary one_hot", "scores", "min"),
    "Sum": _metric("", "any", "any"),
    "TopKCategoricalAccuracy": _metric("multiclass", "one_hot", "any", "max"),
    "TrueNegatives": _metric("binary multiclass multilabel", "binary one_hot", "probabilities", "max"),
    "TruePositives": _metric("binary multiclass multilabel", "binary one_hot", "probabilities", "max"),
}  # fmt: skip

_THRESHOLDS: Mapping[str, Any] = {"num_thresholds": Annotated[int, Range(2)]}
_CROSSENTROPY: Mapping[str, Any] = {"from_logits": bool | None, "label_smoothing": Share}
_AXIS: Mapping[str, Any] = {"axis": int}
_IOU: Mapping[str, Any] = {**_AXIS, "num_classes": Count | None, "ignore_class": int | None}
_IDS: Mapping[str, Any] = {"target_class_ids": list[int]}
_F_SCORE: Mapping[str, Any] = {
    "threshold": float | None,
    "average": Literal["micro", "macro", "weighted"] | None,
}

# Class -> argument -> type hint.
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "AUC": {**_THRESHOLDS, "from_logits": bool | None},
    "BinaryAccuracy": {"threshold": float | None},
    "BinaryCrossentropy": _CROSSENTROPY,
    "BinaryIoU": {"threshold": float | None, **_IDS},
    "CategoricalCrossentropy": {**_CROSSENTROPY, **_AXIS},
    "ConcordanceCorrelation": {"axis": int | Sequence[int] | None},
    "CosineSimilarity": _AXIS,
    "F1Score": _F_SCORE,
    "FBetaScore": {**_F_SCORE, "beta": Positive},
    "IoU": {**_IOU, **_IDS},
    "MeanIoU": _IOU,
    "OneHotIoU": {**_IOU, **_IDS},
    "OneHotMeanIoU": _IOU,
    "PearsonCorrelation": {"axis": int | Sequence[int] | None},
    "PrecisionAtRecall": {**_THRESHOLDS, "recall": Share},
    "R2Score": {"num_regressors": Index},
    "RecallAtPrecision": {**_THRESHOLDS, "precision": Share},
    "SensitivityAtSpecificity": {**_THRESHOLDS, "specificity": Share},
    "SparseCategoricalCrossentropy": {"from_logits": bool | None, **_AXIS},
    "SparseTopKCategoricalAccuracy": {"k": Count},
    "SpecificityAtSensitivity": {**_THRESHOLDS, "sensitivity": Share},
    "TopKCategoricalAccuracy": {"k": Count},
}
