"""Distillation: the loss on labels is mixed with that on a teacher's outputs, which are beside the labels in each training batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from trainrun.compat import keras_model_private
from trainrun.data.dataset import Split
from trainrun.loss._soft_targets import Kind, SoftTargets, logits

# Before the name of an output, the key of its teacher's values in a batch's labels.
_TEACHER = "teacher of "


@dataclass(frozen=True)
class Distillation:
    """How a model learns from a teacher.

    Args:
        alpha: share of the loss on labels; that of the loss on the teacher's outputs is 1 - alpha.
        temperature: by which both models' probabilities are softened.
        kinds: output (empty: the only one) -> what it gives; see `SoftTargets`.
        probabilities: the outputs that are probabilities, not logits or numbers.
    """

    alpha: float
    temperature: float
    kinds: Mapping[str, Kind]
    probabilities: tuple[str, ...]

    def mix_into(self, model: keras.Model, weights: Mapping[str, float] | None) -> None:
        """Mix the loss on the teacher's outputs into the loss of a model, wherever a batch has them; metrics see the labels only.

        Args:
            model: compiled; changed in place, so that it is saved as a plain Keras model.
            weights: of the losses of several outputs; None: there is one.
        """
        losses = {
            name: SoftTargets(kind, self.temperature, _reduction(model, name))
            for name, kind in self.kinds.items()
        }
        measure = model.compute_metrics

        def mixed(on_labels: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
            given, teacher = apart(y)
            loss = on_labels(given, y_pred, sample_weight)
            if not teacher:  # validation and test
                return loss
            terms = []
            for name, term in losses.items():
                student = y_pred[name] if name else y_pred
                if name in self.probabilities:
                    student = logits(student, self.kinds[name])
                weight = sample_weight[name] if isinstance(sample_weight, Mapping) else sample_weight
                value = keras.ops.cast(term(teacher[name], student, weight), loss.dtype)
                terms.append(value if weights is None else value * weights[name])
            return self.alpha * loss + (1 - self.alpha) * sum(terms)

        def compute_metrics(x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            return measure(x, apart(y)[0], y_pred, sample_weight)

        keras_model_private.wrap_loss(model, mixed)
        model.compute_metrics = compute_metrics


def joined(split: Split, teacher: Mapping[str, np.ndarray]) -> Split:
    """Return encoded examples with a teacher's outputs, by output, beside their labels."""
    y = split.y if isinstance(split.y, dict) else {"": split.y}
    return replace(split, y={**y, **{_TEACHER + name: array for name, array in teacher.items()}})


def apart(y: Any) -> tuple[Any, dict[str, Any]]:
    """Return labels, a dict of them where there are several outputs, and the teacher's outputs by output; none where there are none."""
    if not isinstance(y, Mapping):
        return y, {}
    teacher = {name.removeprefix(_TEACHER): value for name, value in y.items() if name.startswith(_TEACHER)}
    labels = {name: value for name, value in y.items() if not name.startswith(_TEACHER)}
    return labels.get("", labels), teacher


def _reduction(model: keras.Model, name: str) -> str:
    loss = model.loss[name] if name else model.loss
    return getattr(loss, "reduction", None) or "sum_over_batch_size"
