"""Class ids of data in the order of another run, so that its output layer means the same classes here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from trainrun.data.dataset import Dataset, Split, TargetSpec

# What `data.positive` is where the order of two classes is not the user's own choice.
INFERRED = (None, "rarer")


def as_stored(data: Dataset, stored: TargetSpec, positive: Any = None) -> Dataset:
    """Return the dataset with the stored class ids where the stored target has all of its classes.

    Args:
        data: as loaded.
        stored: target of the other run.
        positive: `data.positive`: of two classes the one that the config names, of several outputs by name.
    """
    own = data.target
    named = {"": own} if not own.named else dict(own.named)
    targets, ids = {}, {}
    for name, one in named.items():
        other = stored.named.get(name) if own.named else stored
        chosen = positive.get(name) if isinstance(positive, dict) else positive
        if other is not None and chosen in INFERRED and _orderable(one, other):
            targets[name] = replace(other, shape=one.shape)
            ids[name] = np.array([other.classes.index(label) for label in one.classes])
    if not targets:
        return data

    def changed(split: Split) -> Split:
        if not own.named:
            return replace(split, y=_coded(split.y, own, stored, ids[""]))
        coded = {n: _coded(split.y[n], own.named[n], targets[n], ids[n]) for n in targets}
        return replace(split, y={**split.y, **coded})

    return replace(
        data,
        target=replace(own, named={**own.named, **targets}) if own.named else targets[""],
        validation_sets={name: changed(split) for name, split in data.validation_sets.items()},
        **{part: changed(split) for part, split in data.parts.items()},
    )


def _orderable(own: TargetSpec, stored: TargetSpec) -> bool:
    """Return whether a target has some of the stored classes, in another order or not all of them."""
    kinds = {own.kind, stored.kind}
    alike = len(kinds) == 1 or kinds == {"binary", "multiclass"}
    return (
        alike
        and bool(own.classes)
        and own.classes != stored.classes
        and set(own.classes) <= set(stored.classes)
    )


def _coded(y: np.ndarray, own: TargetSpec, stored: TargetSpec, ids: np.ndarray) -> np.ndarray:
    """Return labels by the stored ids; -1, an unknown class, stays."""
    if own.kind == "multilabel":
        labels = np.zeros((len(y), len(stored.classes)), y.dtype)
        labels[:, ids] = y
        return labels
    return np.where(y >= 0, ids[y], y)
