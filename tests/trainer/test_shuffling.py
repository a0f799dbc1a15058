"""The order of the examples in each epoch, beside that of plain Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

EPOCHS, EXAMPLES = 3, 10


class Looking(keras.Model):
    """Sees the batches of a training."""

    def __init__(self):
        super().__init__()
        self.layer, self.seen = keras.layers.Dense(1), []

    def call(self, x):
        return self.layer(x)

    def train_step(self, data):
        self.seen += data[0].numpy()[:, 0].astype(int).tolist()
        return {"loss": 0.0}


@pytest.mark.parametrize("seeded", [True, False])
def test_plain_keras_repeats_one_order_if_it_is_seeded(seeded):
    """What docs/trainers.md says; once this fails, Keras or TensorFlow has changed it."""
    if seeded:
        keras.utils.set_random_seed(1)
    else:
        tf.random.set_seed(None)
    model, x = Looking(), np.arange(float(EXAMPLES))[:, None]
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(x, x, batch_size=4, epochs=EPOCHS, verbose=0)
    epochs = np.reshape(model.seen, [EPOCHS, EXAMPLES])
    assert (np.sort(epochs) == np.arange(EXAMPLES)).all()
    assert (epochs == epochs[0]).all() == seeded


@pytest.mark.parametrize("trainer", ["fit", "custom"])
def test_unshuffled_losses_are_those_of_plain_keras(train, trainer):
    losses = []

    def by_keras(job):
        model = keras.models.clone_model(job.model)
        model.set_weights(job.model.get_weights())
        model.compile(keras.optimizers.Adam(0.001), "sparse_categorical_crossentropy")
        losses.extend(
            model.fit(job.train.x, job.train.y, 16, EPOCHS, shuffle=False, verbose=0).history["loss"]
        )

    small = ["data=iris", "model=linear", "metric=none", "data.validation=0", "trainer.limit=70", "trainer.batch_size=16"]  # fmt: skip
    ours = train(trainer, *small, f"trainer.epochs={EPOCHS}", "trainer.shuffle=false", change=by_keras)
    np.testing.assert_allclose(ours.history["loss"], losses, rtol=1e-5)
