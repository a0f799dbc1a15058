"""Dropout of the tokens of a text."""

from __future__ import annotations

import tensorflow as tf

from trainrun.augment import _draw
from trainrun.util.arguments import Decay, Index
from trainrun.util.declarations import declare


@declare(inputs=("tokens",))
class TokenDropout:
    """Replace tokens by the unknown one; padding (0) stays.

    Args:
        rate: the probability of each token. Default 0.1.
        token: the id that replaces it. Default 1, the unknown token of `data.text` and Keras' `TextVectorization`; of `data.keras` it is 2.
    """

    def __init__(self, rate: Decay = 0.1, token: Index = 1):
        self.rate, self.token = rate, token

    def __call__(self, ids: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return ids `[batch, length]`, some of them replaced."""
        drops = _draw.chance(seed, tf.shape(ids), self.rate) & (ids != 0)
        return tf.where(drops, tf.cast(self.token, ids.dtype), ids)
