"""Steps that a model defines itself are taken by every trainer as Keras takes them, or refused."""

from __future__ import annotations

import re
import sys

import keras
import numpy as np
import pytest

import trainrun
from trainrun.checkpoint import file
from trainrun.cli import main
from trainrun.errors import UserError
from trainrun.failure.classification import chain
from trainrun.model import functional, variables
from trainrun.trainer import model_steps

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
        self.count = tf.Variable(0)
    def compile(self, optimizer, **settings):
        # As Keras' guide to GANs does it; plain Keras calls this before the model is built.
        super().compile(optimizer, **settings)
        self.slow = keras.optimizers.SGD(0.01, momentum=0.9)
        self.tallied = keras.metrics.Mean(name="tallied")
    def train_step(self, data):
        self.count.assign_add(1)
        with tf.GradientTape() as tape:
            loss = self.both(data, True)
        kernel, bias = self.trainable_weights
        by_kernel, by_bias = tape.gradient(loss, [kernel, bias])
        self.optimizer.apply_gradients([(by_kernel, kernel)])
        self.slow.apply_gradients([(by_bias, bias)])
        self.seen.update_state(loss)
        self.tallied.update_state(loss, sample_weight=2)
        return {"loss": self.seen.result(), "tallied": self.tallied.result()}

@trainrun.register("model", "other", targets="multiclass", output="probabilities")
class Other(Weighed):
    def __init__(self, inputs, target, head):
        super().__init__()
    def compile(self, fast, slow):
        super().compile(fast)

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

@trainrun.register("loss", "moving", labels="one_hot")
class Moving(keras.losses.Loss):
    def __init__(self, name="moving", reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.mean, self.count = (keras.Variable(0.0, trainable=False, name=name) for name in ("momentum", "count"))
    def call(self, y_true, y_pred):
        each = -ops.sum(y_true * ops.log(y_pred), axis=-1)
        self.mean.assign(0.9 * self.mean + 0.1 * ops.mean(each))
        self.count.assign_add(1)
        return each * (1 + self.mean)

class Counted(keras.Model):
    # Training is Keras', and what is logged has a column of the model's own.
    def __init__(self):
        super().__init__()
        self.last = keras.layers.Dense(3, activation="softmax")
    def call(self, x):
        return self.last(x)
    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        logs = super().compute_metrics(x, y, y_pred, sample_weight)
        return {**logs, "errors": 1 - logs["accuracy"]}

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

class Untested(Alone):
    test_step = keras.Model.test_step

@trainrun.register("model", "untested", targets="none")
def untested(inputs, target, head):
    return Untested()

class Guide(keras.Model):
    # The loop of Keras' guide, over all metrics, on a model with a penalty.
    def __init__(self):
        super().__init__()
        self.last = keras.layers.Dense(3, activation="softmax", kernel_regularizer="l2")
    def call(self, x):
        return self.last(x)
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}

@trainrun.register("model", "guide", targets="multiclass", output="probabilities")
def guide(inputs, target, head):
    return Guide()

@trainrun.register("model", "high", targets="multiclass", output="probabilities")
class High(Guide):
    train_step = keras.Model.train_step
    def __init__(self, inputs, target, head):
        super().__init__()
    def call(self, x):
        return self.last(x)[:, None]

@trainrun.register("data", "unlabeled")
def unlabeled():
    x = (np.arange(160).reshape(40, 4) % 7 / 7).astype("float32")
    return {"train": (x[:30], None), "validation": (x[30:], None)}

@trainrun.register("model", "alone", targets="none")
def alone(inputs, target, head):
    return Alone()

@trainrun.register("model", "counted", targets="multiclass", output="probabilities")
def counted(inputs, target, head):
    return Counted()

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
def test_a_models_own_steps_train_as_in_keras(trainer, name, capsys):
    result = trainrun.run([*OFF, f"model={name.lower()}", f"trainer={trainer}"])
    unused = f"train_step of {name} does not call compute_loss: training does not use loss="
    assert unused in capsys.readouterr().out
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


@pytest.mark.parametrize("trainer", ["train_on_batch", "custom"])
def test_the_loop_of_keras_guide_works_with_penalties(trainer, capsys):
    result = trainrun.run([*OFF, "model=guide", "metric=accuracy", "loss=auto", f"trainer={trainer}"])
    data = trainrun.build("data", "iris")
    keras.utils.set_random_seed(42)
    plain = sys.modules["trainrun_plugin_own"].Guide()
    plain.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = plain.fit(data.train.x, data.train.y, batch_size=32, epochs=3, shuffle=False, verbose=0).history
    assert "does not use loss" not in capsys.readouterr().out
    for column in ("loss", "accuracy"):
        assert result.history[column] == pytest.approx(history[column], rel=1e-5), column


@pytest.mark.parametrize("trainer", ["fit", "custom"])
def test_what_a_models_compute_metrics_returns_is_logged(trainer):
    history = trainrun.run([*OFF, "model=counted", "metric=accuracy", f"trainer={trainer}"]).history
    for part in ("", "val_"):
        np.testing.assert_allclose(
            history[f"{part}errors"], 1 - np.array(history[f"{part}accuracy"]), rtol=1e-5
        )


def test_states_of_recurrent_layers_are_kept_and_untouched():
    x = keras.Input(batch_shape=(2, 3, 4))
    model = keras.Model(x, keras.layers.Bidirectional(keras.layers.GRU(3, stateful=True))(x))
    model.compile("sgd")
    states = variables.by_purpose(model)["others"]
    assert [v.shape for v in states] == [(2, 3), (2, 3)], "checkpoints hold them"
    model(np.ones((2, 3, 4)))
    before = [v.numpy() for v in states]
    with variables.untouched(model):
        model(np.ones((2, 3, 4)))
        assert not np.array_equal(states[0], before[0])
    np.testing.assert_array_equal(states, before)
    assert len(functional.few(model, trainrun.build("data", "iris").train, 5)) == 2


@pytest.mark.parametrize(
    "held",
    [
        ["model=two", "trainer=fit"],
        ["model=linear", "loss=moving", "trainer=fit", "data.validation=0", "data.test=0"],
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
    updates = [
        v for k, v in stored.arrays.items() if k.startswith("others/") and v.shape == () and v in (9, 15)
    ]
    # The counter (of 15 steps without held-out examples), and the second optimizer's number of updates.
    assert len(updates) == (1 if "loss=moving" in held else 2)


@pytest.mark.parametrize(
    ("further", "text"),
    [
        (["trainer=minimize"], "trainer=minimize does not call"),
        (["trainer=custom", "trainer.accumulate=2"], "takes the whole batch"),
        (
            [
                "model=untested",
                "data=python",
                "data.function=unlabeled",
                "data.test=0",
                "trainer.batch_size=30",
            ],
            r"Untested has a train_step of its own and no test_step; .*set data.validation=0",
        ),
        (
            ["model=other"],
            r"own.py, line \d+: compile of Other: missing a required argument: 'fast'.* is called with optimizer",
        ),
        (["model=high"], r"its output has the shape \[batch, 1, 3\]; data=iris needs \[batch, 3\]"),
    ],
)
def test_what_could_not_take_the_steps_is_refused(further, text):
    with pytest.raises(UserError, match=text):
        trainrun.run(
            ["tracking=none", "data=iris", "metric=none", "plugins=[./own.py]", "model=weighed", *further]
        )


@pytest.mark.parametrize(
    ("further", "text"),
    [
        (["trainer.accumulate=2"], "takes the whole batch"),
        (["hardware=mirrored"], "calls on one device only"),
        (["hardware=multi_worker", "hardware.local_workers=2"], "calls on one device only"),
        (["-m", "hardware=mirrored", "hardware.virtual_devices=2", "trainer=fit"], "adds? these up"),
    ],
)
def test_check_refuses_what_the_run_refuses(further, text, capsys):
    common = ["tracking=none", "data=iris", "metric=none", "plugins=[./own.py]", "model=weighed"]
    assert main(["check", *common, "trainer=custom", *further]) == 2
    assert re.search(text, " ".join(capsys.readouterr().err.split()))


def test_a_loss_of_its_own_that_replicas_would_add_up_is_refused():
    class Mean(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(keras.ops.square(y - y_pred))

    class Further(keras.Model):
        def compute_loss(self, *arguments, **further):
            return super().compute_loss(*arguments, **further)

    assert "2 times the learning rate" in model_steps.refusal(Mean(), "fit", True, 1, replicas=2)
    assert model_steps.refusal(Further(), "fit", True, 1, replicas=2) is None
    assert model_steps.refusal(Mean(), "fit", True, 1, replicas=1) is None


def test_the_cause_of_an_exception_in_a_step_is_kept(inside):
    (inside / "own.py").write_text(
        "import trainrun\n\n\n@trainrun.register('step', 'failing')\ndef failing(model, x, y, weight, share):\n"
        "    try:\n        raise KeyError('first')\n    except KeyError as error:\n        raise RuntimeError('second') from error\n"
    )
    with pytest.raises(UserError) as raised:
        trainrun.run([*OFF, "trainer=custom", "trainer.step=failing"])
    assert [type(e) for e in chain(raised.value)] == [UserError, RuntimeError, KeyError]
