import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

import trainrun


@trainrun.register("data", "bars")
def bars():
    return {part: (images, None) for part, images in np.load("bars.npz").items()}


class Variational(keras.Model):
    """An encoder to mean and log variance of a code of two numbers, of which a draw is decoded."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.encoder = keras.Sequential(
            [layers.Flatten(), layers.Dense(32, activation="relu"), layers.Dense(4)]
        )
        self.decoder = keras.Sequential(
            [
                layers.Dense(32, activation="relu"),
                layers.Dense(64, activation="sigmoid"),
                layers.Reshape((8, 8, 1)),
            ]
        )
        self.noise = keras.random.SeedGenerator(7)

    def build(self, shape):
        self.encoder.build(shape)
        self.decoder.build((None, 2))

    def call(self, x):
        return self.decoder(self.encoder(x)[:, :2])

    def losses_of(self, x):
        mean, log_variance = ops.split(self.encoder(x), 2, axis=1)
        code = mean + ops.exp(log_variance / 2) * keras.random.normal(ops.shape(mean), seed=self.noise)
        error = ops.mean(ops.sum(keras.losses.binary_crossentropy(x, self.decoder(code)), axis=(1, 2)))
        divergence = (
            ops.mean(ops.sum(ops.square(mean) + ops.exp(log_variance) - 1 - log_variance, axis=1)) / 2
        )
        return {"loss": error + divergence, "error": error, "divergence": divergence}

    def train_step(self, x):
        with tf.GradientTape() as tape:
            losses = self.losses_of(x)
        gradients = tape.gradient(losses["loss"], self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return losses

    def test_step(self, x):
        return self.losses_of(x)


@trainrun.register("model", "variational", targets="none", inputs="image")
def variational(inputs, target, head):
    return Variational()
