"""Steps that a model defines itself are taken by every trainer as Keras takes them, or refused."""

from __future__ import annotations

import sys

import keras
import numpy as np
import pytest

import trainrun
from trainrun.checkpoint import file
from trainrun.cli import main
from trainrun.errors import UserError

OFF = ["tracking=none", "artifacts=none", "data=iris", "metric=none", "trainer.epochs=3", "optimizer=sgd", "plugins=[./own.py]", "trainer.shuffle=false"]  # fmt: skip
OWN = """
from types import SimpleNamespace
import keras, numpy as np, tensorflow as tf, trainrun
from keras import ops

class Weighed(keras.Model):
    def __init__(self):
        super().__init__()
        self.last = keras.layers.Dense(3, activation="softmax")
        self.seen = keras.metrics.Mean(name="loss")
    @property
    def metrics(self):
        return [self.seen]
    def call(self, x):
        return self.last(x)
    def both(self, data, training):
        x, y = data
        return ops.mean(ops.square(ops.one_hot(y, 3) - self(x, training=training)))
    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = self.both(data, True)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights))
        self.seen.update_state(loss)
        return {"loss": self.seen.result(), "largest": ops.max([ops.max(ops.abs(g)) for g in gradients])}
    def test_step(self, data):
        self.seen.update_state(self.both(data, False))
        return {"loss": self.seen.result()}

class Two(Weighed):
    def __init__(self):
        super().__init__()
        self.slow = keras.optimizers.SGD(0.01, momentum=0.9)
        self.count = tf.Variable(0)
    def train_step(self, data):
        self.count.assign_add(1)
        with tf.GradientTape() as tape:
            loss = self.both(data, True)
        kernel, bias = self.trainable_weights
        by_kernel, by_bias = tape.gradient(loss, [kernel, bias])
        self.optimizer.apply_gradients([(by_kernel, kernel)])
        self.slow.apply_gradients([(by_bias, bias)])
        self.seen.update_state(loss)
        return {"loss": self.seen.result()}

@trainrun.register("step", "held")
class Held:
    # An optimizer made at the first call, a generator, and a variable in an object of its own.
    def __init__(self):
        self.slow, self.noise, self.box = None, keras.random.SeedGenerator(3), SimpleNamespace(count=tf.Variable(0))
    def __call__(self, model, x, y, weight, share):
        if self.slow is None:
            self.slow = keras.optimizers.SGD(0.01, momentum=0.9)
            self.slow.build(model.trainable_weights[1:])
        self.box.count.assign_add(1)
        with tf.GradientTape() as tape:
            y_pred = model(x, training=True)
            loss = model.compute_loss(x, y, y_pred, weight, training=True) * share
        by_kernel, by_bias = tape.gradient(loss, model.trainable_weights)
        by_kernel *= keras.random.uniform((), seed=self.noise) * tf.cast(self.box.count, "float32")
        model.optimizer.apply_gradients([(by_kernel, model.trainable_weights[0])])
        self.slow.apply_gradients([(by_bias, model.trainable_weights[1])])
        return loss, y_pred

class Alone(keras.Model):
    # As Keras' fit(x): a batch is x alone; what the steps return is logged, though no metric is updated.
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.last = keras.layers.Dense(4)
    def call(self, x):
        return self.last(x)
    def train_step(self, x):
        with tf.GradientTape() as tape:
            loss = ops.mean(ops.square(x - self(x)))
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self.trainable_weights), self.trainable_weights))
        return {"loss": loss}
    def test_step(self, x):
        return {"loss": ops.mean(ops.square(x - self(x)))}

@trainrun.register("data", "unlabeled")
def unlabeled():
    x = (np.arange(160).reshape(40, 4) % 7 / 7).astype("float32")
    return {"train": (x[:30], None), "validation": (x[30:], None)}

@trainrun.register("model", "alone", targets="none")
def alone(inputs, target, head):
    return Alone()

@trainrun.register("model", "weighed", targets="multiclass", output="probabilities")
def weighed(inputs, target, head):
    return Weighed()

@trainrun.register("model", "two", targets="multiclass", output="probabilities")
def two(inputs, target, head):
    return Two()
"""


@pytest.fixture(autouse=True)
def own(inside):
    (inside / "own.py").write_text(OWN)


@pytest.mark.parametrize("trainer", ["fit", "train_on_batch", "custom"])
@pytest.mark.parametrize("name", ["Weighed", "Two"])
def test_a_models_own_steps_train_as_in_keras(trainer, name):
    result = trainrun.run([*OFF, f"model={name.lower()}", f"trainer={trainer}"])
    data = trainrun.build("data", "iris")
    keras.utils.set_random_seed(42)
    plain = getattr(sys.modules["trainrun_plugin_own"], name)()
    plain.compile("sgd")
    x, y = data.train.x, data.train.y
    history = plain.fit(x, y, batch_size=32, epochs=3, shuffle=False, verbose=0, validation_data=(data.validation.x, data.validation.y)).history  # fmt: skip
    for column in history:
        assert result.history[column] == pytest.approx(history[column], rel=1e-5), column
    np.testing.assert_allclose(result.model.get_weights()[0], plain.get_weights()[0], rtol=1e-5)


@pytest.mark.parametrize("trainer", ["fit", "train_on_batch", "custom"])
def test_unlabeled_examples_reach_the_steps_alone_as_in_keras(trainer, inside):
    unlabeled = [*OFF, "model=alone", "data=python", "data.function=unlabeled", "data.test=0"]
    result = trainrun.run(
        [*unlabeled, "data.standardize=false", "trainer.batch_size=30", f"trainer={trainer}"]
    )
    x = (np.arange(160).reshape(40, 4) % 7 / 7).astype("float32")
    keras.utils.set_random_seed(42)
    plain = sys.modules["trainrun_plugin_own"].Alone()
    plain(x)
    plain.compile("sgd")
    losses = [float(plain.train_step(x[:30])["loss"]) for _ in range(3)]
    assert result.history["loss"] == pytest.approx(losses, rel=1e-5)
    expected = float(np.mean((x[30:] - plain(x[30:])) ** 2))
    assert result.history["val_loss"][-1] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "held",
    [
        ["model=two", "trainer=fit"],
        ["model=two", "trainer=custom"],
        ["model=linear", "trainer=custom", "trainer.step=held"],
        ["model=linear", "trainer=custom", "trainer.step=held", "trainer.run_eagerly=true"],
    ],
)
def test_a_resumed_run_continues_with_all_variables_of_its_step(held, inside):
    whole = trainrun.run([*OFF, *held, "checkpoint.every=1epochs"])
    trainrun.run([*OFF, *held, "trainer.epochs=1", "checkpoint.every=1epochs"], "outputs/runs/stopped")
    assert main(["resume", "stopped", "trainer.epochs=3"]) == 0
    assert trainrun.load("stopped").summary["weights_sha256"] == whole.summary["weights_sha256"]
    stored, _ = file.newest(whole.run_dir)
    names = {name for key, name in stored.about["names"].items() if key.startswith("others/")}
    assert any("momentum" in name for name in names)
    updates = [v for k, v in stored.arrays.items() if k.startswith("others/") and v.shape == () and v == 9]
    assert len(updates) == 2, "the counter and the second optimizer's number of updates"


@pytest.mark.parametrize(
    ("further", "text"),
    [
        (["trainer=minimize"], "trainer=minimize does not call"),
        (["trainer=custom", "trainer.accumulate=2"], "takes the whole batch"),
    ],
)
def test_a_trainer_that_would_not_take_the_steps_refuses_the_model(further, text):
    with pytest.raises(UserError, match=text):
        trainrun.run(
            ["tracking=none", "data=iris", "metric=none", "plugins=[./own.py]", "model=weighed", *further]
        )
