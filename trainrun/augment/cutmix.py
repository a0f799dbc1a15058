"""CutMix: a rectangle of another image, and its share of the label."""

from __future__ import annotations

import tensorflow as tf

from trainrun.augment import _boxes, _draw, _mixing
from trainrun.util.arguments import Positive
from trainrun.util.declarations import declare


@declare(inputs=("image",), mixes_labels=True)
class CutMix:
    """Paste a rectangle of another image of the batch, and mix the labels by its area, as `keras.layers.CutMix`.

    The rectangle has the image's proportions and about 1 − λ of its area, with λ drawn from Beta(alpha, alpha) for each example. Labels
    and weights are mixed by the number of pixels that were pasted.

    Args:
        alpha: of the Beta distribution. Default 1: every share is equally likely.

    Reference:
        Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, 2019,
        https://arxiv.org/abs/1905.04899
    """

    def __init__(self, alpha: Positive = 1.0):
        self.alpha = alpha

    def __call__(
        self, x: dict[str, tf.Tensor], y: tf.Tensor, weight: tf.Tensor | None, seed: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor | None]:
        """Return images, labels `[batch, …]` (real, 0/1 or one-hot) and weights, mixed; several inputs of one size alike."""
        size = tf.shape(y)[0]
        side = tf.sqrt(1 - _draw.beta(_draw.folded(seed, "share"), [size], self.alpha))
        other = _draw.permutation(_draw.folded(seed, "other"), size)
        pasted = _boxes.inside(next(iter(x.values())), _draw.folded(seed, "place"), side, side)
        own = 1 - tf.reduce_mean(tf.cast(pasted, tf.float32), axis=[1, 2, 3])
        images = {k: tf.where(pasted, tf.gather(v, other), v) for k, v in x.items()}
        return images, _mixing.mixed(y, own, other), _mixing.mixed(weight, own, other)
