"""The augmentations of a run, one after the other, as one function of a batch and of its place in the training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from trainrun.augment import _draw, _masks
from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.util.declarations import AugmentDeclaration


@dataclass(frozen=True)
class Named:
    """An augmentation.

    Args:
        name: by which its draws differ from those of the others.
        apply: the component: from a tensor of examples and a seed to the changed tensor; of one that mixes labels, from
            `(x, y, weight)` with `x` a dict, and a seed, to the same.
        declared: its declaration.
    """

    name: str
    apply: Callable[..., Any]
    declared: AugmentDeclaration


class Augmentations:
    """Change a training batch as a function of (seed, epoch, step) and of each example's place in the batch.

    Args:
        named: in their order.
        inputs: of the data; each augmentation changes the inputs whose kinds it declares.
        target: of the data; if labels are images of classes, what moves pixels moves them, too.
    """

    def __init__(self, named: Sequence[Named], inputs: Sequence[InputSpec], target: TargetSpec):
        self.named, self.inputs, self.target = tuple(named), tuple(inputs), target

    def __repr__(self) -> str:
        settings = [(a.name, type(a.apply).__qualname__, sorted(vars(a.apply).items())) for a in self.named]
        return f"Augmentations({settings!r})"

    def __call__(self, x: Any, y: Any, weight: Any, at: tf.Tensor) -> tuple[Any, Any, Any]:
        """Return the changed batch.

        Args:
            x: the whole batch's inputs, a tensor or a dict of tensors.
            y: its labels, in the form that the loss reads; of several outputs, a dict by name.
            weight: its weights, or None; of several outputs, a dict by name.
            at: the run's seed, the epoch and the step, `[3]` int64.
        """
        names = [spec.name for spec in self.inputs]
        several = isinstance(x, dict)
        parts = dict(x) if several else {names[0]: x}
        step = _draw.seed_of_step(at)
        for augmentation in self.named:
            seed = _draw.folded(step, augmentation.name)
            if augmentation.declared.mixes_labels:
                parts, y, weight = augmentation.apply(parts, y, weight, seed)
                continue
            changed = [spec for spec in self.inputs if spec.kind in augmentation.declared.inputs]
            for spec in changed:
                # Images that belong together, such as two views and their mask, move together; other draws are independent.
                own = seed if augmentation.declared.moves_pixels else _draw.folded(seed, spec.name)
                parts[spec.name] = augmentation.apply(parts[spec.name], own)
            if augmentation.declared.moves_pixels:
                y, weight = self._with_masks_moved(augmentation.apply, y, weight, seed)
        # Shapes that TensorFlow does not infer, for what is traced after this.
        for name, tensor in parts.items():
            tensor.set_shape((x[name] if several else x).shape)
        return (parts if several else parts[names[0]]), y, weight

    def _with_masks_moved(self, move: Callable[..., Any], y: Any, weight: Any, seed: Any) -> tuple[Any, Any]:
        """Return labels and weights, those that are images moved like the inputs; of several outputs, dicts by name."""
        if not self.target.named:
            return _masks.both_moved(move, y, weight, seed, self.target)
        moved = {
            name: _masks.both_moved(move, y[name], None if weight is None else weight[name], seed, one)
            for name, one in self.target.named.items()
        }
        labels, weights = ({name: pair[i] for name, pair in moved.items()} for i in (0, 1))
        return labels, None if weight is None else weights
