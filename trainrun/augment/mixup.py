"""MixUp: convex combinations of examples and of their labels."""

from __future__ import annotations

from functools import partial

import tensorflow as tf

from trainrun.augment import _draw, _mixing
from trainrun.util.arguments import Positive
from trainrun.util.declarations import declare


@declare(inputs=("image", "numeric"), mixes_labels=True)
class MixUp:
    """Mix each example with another one of its batch, as `keras.layers.MixUp`.

    ``x = λ x + (1 − λ) x'``, ``y = λ y + (1 − λ) y'``, and the weights alike, with λ drawn from Beta(alpha, alpha) for each example and
    x' the example at its place in a random permutation of the batch.

    Args:
        alpha: of the Beta distribution: with a small one, most examples are nearly one of the two; 1: every share is equally likely.
            Default 0.2.

    Reference:
        Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018, https://arxiv.org/abs/1710.09412
    """

    def __init__(self, alpha: Positive = 0.2):
        self.alpha = alpha

    def __call__(
        self, x: dict[str, tf.Tensor], y: tf.Tensor, weight: tf.Tensor | None, seed: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor | None]:
        """Return inputs, labels `[batch, …]` (real, 0/1 or one-hot) and weights, mixed."""
        size = tf.shape(y)[0]
        share = _draw.beta(_draw.folded(seed, "share"), [size], self.alpha)
        other = _draw.permutation(_draw.folded(seed, "other"), size)
        mixed = partial(_mixing.mixed, own=share, other=other)
        return {k: mixed(v) for k, v in x.items()}, mixed(y), mixed(weight)
