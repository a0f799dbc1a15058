"""Declarations of Keras' losses, and type hints of their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from trainrun.util.arguments import NotNegative, Positive, Range, Reduction, Share
from trainrun.util.declarations import LossDeclaration


def _loss(targets: str, labels: str, predictions: str, **further: Any) -> LossDeclaration:
    return LossDeclaration(
        targets=tuple(targets.split()),
        labels=tuple(labels.split()),
        predictions=tuple(predictions.split()),
        **further,
    )


# Class -> targets, labels, predictions.
DECLARATIONS: Mapping[str, LossDeclaration] = {
    "BinaryCrossentropy": _loss("binary multilabel", "binary", "probabilities logits"),
    "BinaryFocalCrossentropy": _loss("binary multilabel", "binary", "probabilities logits"),
    "CTC": _loss("multiclass", "sequence", "logits"),
    "CategoricalCrossentropy": _loss("multiclass", "one_hot", "probabilities logits"),
    "CategoricalFocalCrossentropy": _loss("multiclass", "one_hot", "probabilities logits"),
    "CategoricalGeneralizedCrossEntropy": _loss("multiclass", "ids", "probabilities"),
    "CategoricalHinge": _loss("multiclass", "one_hot", "scores"),
    "Circle": _loss("binary multiclass", "ids", "real", whole_batch=True),
    "CosineSimilarity": _loss("real multiclass multilabel", "real one_hot", "real probabilities"),
    "Dice": _loss("binary multiclass multilabel", "binary one_hot", "probabilities", whole_batch=True),
    "Hinge": _loss("binary multiclass multilabel", "binary one_hot", "scores"),
    "Huber": _loss("real", "real", "real", shift_invariance="each"),
    "KLDivergence": _loss("multiclass", "one_hot", "probabilities"),
    "LogCosh": _loss("real", "real", "real", shift_invariance="each"),
    "MeanAbsoluteError": _loss("real binary multiclass multilabel", "real binary one_hot", "real probabilities"),
    "MeanAbsolutePercentageError": _loss("real", "real", "real", unit="own"),
    "MeanSquaredError": _loss("real binary multiclass multilabel", "real binary one_hot", "real probabilities"),
    "MeanSquaredLogarithmicError": _loss("real", "real", "positive", unit="own"),
    "Poisson": _loss("real", "real", "positive", unit="own"),
    "SparseCategoricalCrossentropy": _loss("multiclass", "ids", "probabilities logits"),
    "SquaredHinge": _loss("binary multiclass multilabel", "binary one_hot", "scores"),
    "Tversky": _loss("binary multiclass multilabel", "binary one_hot", "probabilities", whole_batch=True),
}  # fmt: skip

_EVERY: Mapping[str, Any] = {"reduction": Reduction}
_AXIS: Mapping[str, Any] = {"axis": int}
_CROSSENTROPY: Mapping[str, Any] = {**_EVERY, **_AXIS, "from_logits": bool | None, "label_smoothing": Share}

# Class -> argument -> type hint.
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(DECLARATIONS, _EVERY),
    "BinaryCrossentropy": _CROSSENTROPY,
    "BinaryFocalCrossentropy": {**_CROSSENTROPY, "alpha": Share, "gamma": NotNegative},
    "CategoricalCrossentropy": _CROSSENTROPY,
    "CategoricalFocalCrossentropy": {**_CROSSENTROPY, "alpha": Share | list[Share], "gamma": NotNegative},
    "CategoricalGeneralizedCrossEntropy": {**_EVERY, "q": Annotated[float, Range(above=0, below=1)]},
    "Circle": {**_EVERY, "gamma": NotNegative, "margin": Share},
    "Dice": {**_EVERY, "axis": int | Sequence[int] | None},
    "Huber": {**_EVERY, "delta": Positive},
    "CosineSimilarity": {**_EVERY, **_AXIS},
    "SparseCategoricalCrossentropy": {
        **_EVERY,
        **_AXIS,
        "from_logits": bool | None,
        "ignore_class": int | None,
    },
    "Tversky": {**_EVERY, "axis": int | Sequence[int] | None},
}
