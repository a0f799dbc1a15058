"""The examples of all trials in one graph."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.data.dataset import Split
from trainrun.trainer.held_arrays import exchangeable, kinds, whole
from trainrun.vectorized.pending import PendingValues


@dataclass
class Part:
    """The part of one trial in a pass.

    Args:
        pending: of the trial's model.
        split: the examples.
        order: indices of examples, `[n]` int64; `n` is equal for all trials.
    """

    pending: PendingValues
    split: Split
    order: np.ndarray

    @property
    def model(self) -> keras.Model:
        """The trial's model."""
        return self.pending.model


class Rows:
    """The concatenated examples of several splits; equal splits are held once."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self._known: dict[int, tuple[Split, int]] = {}
        self._length = 0
        self._held: Any = None

    def first(self, split: Split) -> int:
        """Return the index of a split's first row; a new split is appended."""
        if id(split) in self._known:
            return self._known[id(split)][1]
        key = _digest(split)
        if key not in self._first:
            self._first[key], self._length = self._length, self._length + len(split)
            arrays = tf.nest.map_structure(
                lambda a: None if a is None else np.asarray(whole(a)), (split.x, split.y, split.weight)
            )
            if self._held is None:
                self._held = tf.nest.map_structure(lambda a: None if a is None else exchangeable(a), arrays)
            else:
                for variable, new in zip(tf.nest.flatten(self._held), tf.nest.flatten(arrays), strict=True):
                    if variable is not None:
                        variable.assign(tf.concat([variable, new], 0))
        self._known[id(split)] = split, self._first[key]
        return self._first[key]

    def gathered(self, index: tf.Tensor) -> tuple:
        """Return the examples `(x, y, weight)` at the rows `index`, of any shape."""
        return tf.nest.map_structure(lambda a: None if a is None else tf.gather(a, index), self._held)


def kind(split: Split) -> tuple:
    """Return a key that is equal for splits whose examples fit into one array."""
    return kinds((split.x, split.y, split.weight))


def _digest(split: Split) -> str:
    digest = hashlib.blake2b()
    for array in tf.nest.flatten((split.x, split.y, split.weight)):
        digest.update(b"-" if array is None else np.ascontiguousarray(whole(array)).tobytes())
    return digest.hexdigest()
