import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

import trainrun


@trainrun.register("data", "drops")
def drops():
    return {part: (images, None) for part, images in np.load("drops.npz").items()}


class Gan(keras.Model):
    """A generator of images from noise, and a critic that tells them from real ones, with an optimizer each."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.Sequential(
            [
                keras.Input((8,)),
                layers.Dense(64, activation="relu"),
                layers.Dense(64, activation="sigmoid"),
                layers.Reshape((8, 8, 1)),
            ]
        )
        self.critic = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                layers.Flatten(),
                layers.Dense(64, activation="leaky_relu"),
                layers.Dense(1),
            ]
        )
        self.noise = keras.random.SeedGenerator(7)

    def compile(self, optimizer, **settings):
        super().compile(optimizer, **settings)
        self.critic_optimizer = keras.optimizers.Adam(0.002, beta_1=0.5)

    def made(self, images):
        return self.generator(keras.random.normal((ops.shape(images)[0], 8), seed=self.noise))

    def train_step(self, images):
        with tf.GradientTape(persistent=True) as tape:
            real, false = self.critic(images), self.critic(self.made(images))
            told = ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(false))
            loss = ops.mean(ops.softplus(-false))
        for part, optimizer, its in (
            (self.critic, self.critic_optimizer, told),
            (self.generator, self.optimizer, loss),
        ):
            weights = part.trainable_weights
            optimizer.apply_gradients(zip(tape.gradient(its, weights), weights, strict=True))
        return {"loss": loss, "critic": told}

    def test_step(self, images):
        """Return the energy distance between made and real images: 0 where they are distributed alike."""
        made, real = (ops.reshape(x, (-1, 64)) for x in (self.made(images), images))

        def apart(a, b):
            return ops.mean(ops.norm(a[:, None] - b[None] + 1e-9, axis=-1))

        return {"distance": 2 * apart(made, real) - apart(made, made) - apart(real, real)}


@trainrun.register("model", "gan", targets="none", inputs="image", saves="generator")
def gan(inputs, target, head):
    return Gan()
