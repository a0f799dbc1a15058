"""The user's own code: it works as in plain Keras, or its fault is named by file and line before anything is trained."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import trainrun
from trainrun.errors import UserError
from trainrun.registry import lookup
from trainrun.run import model_files, own_loss

OFF = ["tracking=none", "artifacts=none", "data=iris", "model=linear", "metric=none", "trainer.epochs=1"]


def trained(inside, source, *overrides):
    (inside / "own.py").write_text("import keras, trainrun\nfrom keras import ops\n" + source)
    return trainrun.run([*OFF, "plugins=[./own.py]", *overrides])


LOSS = 'class L(keras.losses.Loss):\n    def call(self, y_true, y_pred):\n        {}\ntrainrun.register("loss", "mine", labels="one_hot")(L)\n'
METRIC = 'def m(y_true, y_pred):\n    {}\ntrainrun.register("metric", "mine")(m)\n'
STATEFUL = """class M(keras.metrics.Metric):
    def __init__(self, name="m"):
        super().__init__(name=name)
        self.total = self.add_variable((), "zeros", name="total")
    def update_state(self, y_true, y_pred, sample_weight=None):
        {}
    def result(self):
        {}
trainrun.register("metric", "mine", direction="max")(M)
"""
FAULTS = {
    "loss=mine": {
        LOSS.format("ops.mean(y_pred - y_true)"): (4, "mine returned None"),
        LOSS.format("return ops.ones((2,)) * ops.mean(y_pred)"): (4, r"mine returned shape \[2\]"),
        LOSS.format("return ops.cast(ops.argmax(y_pred, -1), 'float32')"): (4, "the gradient of mine by y_pred is undefined"),
        LOSS.format("return ops.mean(y_true - nothing)"): (5, "NameError: name 'nothing'"),
        'def f(y_true, y_pred):\n    ops.mean(y_pred)\ntrainrun.register("loss", "mine")(f)\n': (3, "mine returned None"),
        'def f(y_true, y_pred):\n    return y_true * y_pred\ntrainrun.register("loss", "mine")(f)\n': (4, "Incompatible|incompatible|int64"),
    },
    "metric=mine": {
        METRIC.format("ops.mean(y_pred)"): (3, "mine returned None"),
        METRIC.format("return ops.abs(y_true - y_pred)"): (4, "int64"),
        METRIC.format("return ops.equal(ops.argmax(y_true, -1), ops.argmax(y_pred, -1))"): (4, 'labels="one_hot"'),
        STATEFUL.format("self.total.assign_add(ops.sum(y_pred))", "self.total / 2"): (9, "result of mine returned None"),
        STATEFUL.format("self.total.assign_add(y_pred)", "return self.total"): (8, "shape"),
    },
    "optimizer=mine": {
        'class O(keras.optimizers.SGD):\n    def update_step(self, gradient, variable, learning_rate):\n        variable.assign(gradient @ 3)\ntrainrun.register("optimizer", "mine")(O)\n': (5, "optimizer|MatMul|must"),
    },
    "schedule=mine": {
        'class S(keras.optimizers.schedules.LearningRateSchedule):\n    def __call__(self, step):\n        0.1 / (step + 1)\ntrainrun.register("schedule", "mine")(S)\n': (4, "mine returned None"),
    },
    "model.initializer=mine": {
        'class I(keras.initializers.Initializer):\n    def __call__(self, shape, dtype=None):\n        ops.zeros(shape)\ntrainrun.register("initializer", "mine")(I)\n': (4, r"mine returned None for shape \[2, 3\]"),
        'class I(keras.initializers.Initializer):\n    def __call__(self, shape):\n        return ops.zeros(shape)\ntrainrun.register("initializer", "mine")(I)\n': (4, r"Write def __call__\(self, shape, dtype=None\)"),
    },
    "callback=mine": {
        'class C(keras.callbacks.Callback):\n    def on_epoch_end(self, epoch):\n        pass\ntrainrun.register("callback", "mine")(C)\n': (4, "on_epoch_end"),
        'class C:\n    def on_epoch_end(self, epoch, logs=None):\n        pass\ntrainrun.register("callback", "mine")(C)\n': (3, "keras.callbacks.Callback"),
    },
    "model=mine": {
        'class N(keras.Model):\n    def __init__(self):\n        self.last = keras.layers.Dense(3)\n    def call(self, x):\n        return self.last(x)\n@trainrun.register("model", "mine")\ndef n(inputs, target, head):\n    return N()\n': (4, r"__init__ of N does not call super"),
        'class N(keras.Model):\n    def call(self, x):\n        ops.mean(x)\n@trainrun.register("model", "mine")\ndef n(inputs, target, head):\n    return N()\n': (4, "call returned None"),
        'class N(keras.Model):\n    pass\n@trainrun.register("model", "mine")\ndef n(inputs, target, head):\n    return N()\n': (3, "N has no call"),
        '@trainrun.register("model", "mine", saves="encoder")\ndef n(inputs, target, head):\n    x = keras.Input((4,))\n    return keras.Model(x, keras.layers.Dense(3)(x))\n': (None, "saves='encoder' names NoneType of Functional"),
        '@trainrun.register("model", "mine", output="embedding")\ndef n(inputs, target, head):\n    x = keras.Input((4,))\n    return keras.Model(x, keras.layers.Dense(7)(x))\n': (None, r"reads probabilities or logits; model=mine gives vectors"),
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "source", "expected"), [(c, s, e) for c, faults in FAULTS.items() for s, e in faults.items()]
)
def test_a_fault_of_own_code_is_named_by_file_and_line_before_training(inside, choice, source, expected):
    line, text = expected
    with pytest.raises(UserError, match=text) as raised:
        trained(inside, source, choice)
    assert line is None or f"own.py, line {line}" in str(raised.value)
    assert not (inside / "outputs" / "runs").exists()


def test_a_loss_of_a_whole_batch_declares_itself_where_batches_are_divided():
    def mean(y_true, y_pred):
        return keras.ops.mean(keras.ops.square(y_true - y_pred))

    def spread(y_true, y_pred):
        return mean(y_true, y_pred) + keras.ops.std(y_pred)

    def tried(function, divided, **declared):
        with lookup.isolated():
            trainrun.register("loss", "mine", **declared)(function)
            random = np.random.default_rng(0)
            y, predicted = random.random((2, 5, 1), "float32")
            own_loss.check("loss", function, y, predicted, lookup.find("loss", "mine"), divided)

    tried(mean, "hardware=mirrored")
    tried(spread, "")
    tried(spread, "hardware=mirrored", whole_batch=True)
    with pytest.raises(
        UserError, match=r"not the mean over its examples, and trainer\.accumulate divides batches"
    ):
        tried(spread, "trainer.accumulate")


def test_a_class_that_does_not_initialize_its_base_is_refused_before_tensorflow(inside):
    source = 'class L(keras.losses.Loss):\n    def __init__(self, a=1.0):\n        self.a = a\ntrainrun.register("loss", "mine")(L)\n'
    with pytest.raises(
        UserError, match=r"own\.py, line 4: __init__ of L does not call super\(\)\.__init__\(\)"
    ):
        trained(inside, source, "loss=mine")


WORKING = {
    "class ids": ("ids", "return ops.mean(ops.equal(ops.cast(y_true, 'int64'), ops.cast(ops.argmax(y_pred, -1), 'int64')))"),
    "one-hot": ("one_hot", "return ops.equal(ops.argmax(y_true, -1), ops.argmax(y_pred, -1))"),
}  # fmt: skip


@pytest.mark.parametrize("case", WORKING)
def test_a_metric_as_tutorials_write_it_is_the_accuracy(inside, case):
    labels, body = WORKING[case]
    source = f'def m(y_true, y_pred):\n    {body}\ntrainrun.register("metric", "mine", labels="{labels}", direction="max")(m)\n'
    for trainer in ("fit", "train_on_batch", "custom"):
        result = trained(
            inside, source, "metric=[mine,accuracy]", f"trainer={trainer}", "trainer.batch_size=30"
        )
        assert result.metrics["test_mine"] == pytest.approx(result.metrics["test_accuracy"], abs=1e-6)


def test_a_loss_is_a_metric_by_its_name(inside):
    source = 'def off(y_true, y_pred):\n    return ops.mean(ops.abs(y_true - y_pred), -1)\ntrainrun.register("loss", "off", targets="real", labels="real")(off)\n'
    for trainer in ("fit", "custom"):
        result = trained(
            inside,
            source,
            "data=diabetes",
            "metric=[huber,off,mae]",
            "metric.huber.delta=20",
            f"trainer={trainer}",
        )
        data = trainrun.build("data", "diabetes")
        predicted = result.model.predict(data.test.x, verbose=0)
        error = np.abs(predicted.astype("float64") - data.test.y)
        huber = np.where(error <= 20, error**2 / 2, 20 * error - 200).mean()
        assert result.metrics["test_huber"] == pytest.approx(huber, rel=1e-4)
        assert result.metrics["test_off"] == pytest.approx(error.mean(), rel=1e-4)
    config = trainrun.compose(["metric=[focal]", "data=breast_cancer", "sweep.objective=val_focal"])
    assert config["metric"]["focal"]["gamma"] == 2.0


def test_vectors_and_a_named_part_are_saved_as_what_they_are(inside):
    source = """
@trainrun.register("loss", "spread", labels="ids", predictions="any", whole_batch=True)
def spread(y_true, y_pred):
    alike = ops.cast(ops.reshape(y_true, (-1, 1)) == ops.reshape(y_true, (1, -1)), "float32")
    return ops.mean((ops.matmul(y_pred, ops.transpose(y_pred)) - alike) ** 2)
@trainrun.register("model", "vectors", output="embedding")
def vectors(inputs, target, head):
    x = keras.Input((4,))
    return keras.Model(x, keras.layers.Dense(7)(x))
@trainrun.register("model", "part", saves="encoder")
def part(inputs, target, head):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2), keras.layers.Dense(3, activation="softmax")])
    model.encoder = keras.Sequential([keras.Input((4,)), model.layers[0]])
    return model
"""
    chosen = ["artifacts.model=true", "artifacts.verify=true", "artifacts.report=true"]
    result = trained(inside, source, "model=vectors", "loss=spread", *chosen)
    rows = trainrun.build("data", "iris").test.x[:5]
    vectors = result.saved.predict(rows).columns()
    assert list(vectors) == [f"prediction_{i}" for i in range(7)]
    with pytest.raises(UserError, match=r"metric\.accuracy: it reads .*; the model gives vectors"):
        trained(inside, source, "model=vectors", "loss=spread", "metric=accuracy")
    result = trained(inside, source, "model=part", *chosen)
    loaded = keras.saving.load_model(result.run_dir / "model.keras")
    assert loaded.output_shape == (None, 2)
    with pytest.raises(UserError, match="saves="):
        result.saved  # noqa: B018


NET = """
class Scaled(keras.layers.Layer):
    def call(self, x):
        self.add_loss(0.01 * ops.sum(ops.square(x)) / ops.cast(ops.shape(x)[0], x.dtype))
        return x

class Net(keras.Model):
    def __init__(self, units=8{further}, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.scaled = keras.layers.Dense(units, activation="tanh"), Scaled()
    def build(self, shape):
        self.w = self.add_weight(shape=(self.hidden.units, 3), name="w")
        self.hidden.build(shape)
        self.built = True
    def call(self, x, training=False):
        return ops.softmax(self.scaled(self.hidden(x)) @ self.w)

@trainrun.register("model", "net", targets="multiclass", output="probabilities")
def net(inputs, target, head, units: int = 8):
    return Net(units{argument})
"""


@pytest.mark.parametrize("trainer", ["fit", "train_on_batch", "custom"])
def test_a_subclassed_model_trains_as_in_keras_and_its_file_loads(inside, trainer):
    result = trained(
        inside,
        NET.format(further="", argument=""),
        "model=net",
        "artifacts=verified",
        "artifacts.plots=false",
        "optimizer=sgd",
        "loss=scce",
        "trainer.shuffle=false",
        f"trainer={trainer}",
        "trainer.epochs=3",
        "metric=accuracy",
    )
    data = trainrun.build("data", "iris")
    module = __import__("sys").modules["trainrun_plugin_own"]
    keras.utils.set_random_seed(42)
    plain = module.Net(8)
    plain.compile("sgd", "sparse_categorical_crossentropy")
    history = plain.fit(data.train.x, data.train.y, batch_size=32, epochs=3, shuffle=False, verbose=0).history
    log = result.history
    assert log["loss"] == pytest.approx(history["loss"], rel=1e-5)
    assert [d + p for d, p in zip(log["data_loss"], log["penalty"], strict=True)] == pytest.approx(
        log["loss"], rel=1e-5
    )
    loaded = model_files.load_core(result.run_dir)
    np.testing.assert_array_equal(
        loaded.predict(data.test.x, verbose=0), result.model.predict(data.test.x, verbose=0)
    )
    again = trainrun.run(
        [*OFF, "plugins=[./own.py]", "model=file", f"model.path={result.run_dir}/model.keras", "metric=accuracy", "optimizer=sgd", "optimizer.learning_rate=1e-9"]
    )  # fmt: skip
    assert again.metrics["test_accuracy"] == pytest.approx(result.metrics["test_accuracy"])


def test_a_model_that_cannot_be_loaded_is_refused_before_training_and_its_weights_saved(inside):
    source = NET.format(further=", layer=None", argument=" * 2, keras.layers.Dense(2)")
    with pytest.raises(
        UserError,
        match=r"artifacts\.model: model\.keras would not load again.*own\.py, line 9.*artifacts\.model=weights",
    ):
        trained(inside, source, "model=net", "artifacts=default")
    lambda_layer = """@trainrun.register("model", "doubled")
def doubled(inputs, target, head):
    x = keras.Input(inputs[0].shape)
    return keras.Model(x, keras.layers.Dense(3, activation=head)(keras.layers.Lambda(lambda v: v * 2)(x)))
"""
    with pytest.raises(
        UserError, match=r"load again: it has a Lambda layer.*Write it as class.*artifacts\.model=weights"
    ):
        trained(inside, lambda_layer, "model=doubled", "artifacts=default")
    result = trained(
        inside, source, "model=net", "artifacts=default", "artifacts.model=weights", "artifacts.plots=false"
    )
    assert (result.run_dir / "model.weights.h5").is_file() and not (result.run_dir / "model.keras").exists()


@pytest.mark.parametrize("trainer", ["fit", "train_on_batch", "custom"])
def test_a_subclassed_model_fits_real_targets_in_their_unit(inside, trainer):
    source = (
        NET.replace("3)", "1)")
        .replace("ops.softmax", "")
        .replace("multiclass", "real")
        .replace(', output="probabilities"', "")
    )
    result = trained(
        inside, source.format(further="", argument=""), "data=diabetes", "model=net", "artifacts=verified",
        "artifacts.plots=false", f"trainer={trainer}", "metric=mae",
    )  # fmt: skip
    data = trainrun.build("data", "diabetes")
    loaded = model_files.load_core(result.run_dir).predict(data.test.x, verbose=0)
    assert result.metrics["test_mean_absolute_error"] == pytest.approx(
        np.abs(loaded - data.test.y).mean(), rel=1e-5
    )


def test_the_columns_of_penalties_are_there_for_activity_regularizers(inside):
    result = trained(inside, "trainrun\n", "plugins=[]", "model.activity_regularizer=l2", "trainer.epochs=2")
    log = result.history
    assert min(log["penalty"]) > 0
    assert [d + p for d, p in zip(log["data_loss"], log["penalty"], strict=True)] == pytest.approx(
        log["loss"], rel=1e-5
    )


DATA = """
import random
import numpy as np
from trainrun.data.dataset import Dataset, InputSpec, Split, TargetSpec

@trainrun.register("data", "drawn")
def drawn(rows: int = 40, labels: int = 40):
    x = np.random.normal(size=(rows, 3)).astype("float32") + random.random()
    y = (x[:labels, 0] > 0).astype("int64"){end}
    target = TargetSpec("binary", ("no", "yes"), 1)
    return Dataset("drawn", "classification", (InputSpec("x", "numeric", (3,)),), target, Split(x, y), Split(x, y))
"""


def test_data_that_a_plugin_draws_follows_the_seed(inside):
    digests = {}
    for seed, number in ((1, 0), (1, 1), (2, 2)):
        result = trained(inside, DATA.format(end=""), "data=drawn", "loss=auto", f"seed={seed}")
        digests[seed, number] = result.summary["data_sha256"]
    assert digests[1, 0] == digests[1, 1] != digests[2, 2]


@pytest.mark.parametrize(
    ("end", "further", "text"),
    [
        (
            "",
            ["data.labels=30"],
            "data=drawn, train: expected as many rows in each array; got 40 in x, 30 in y",
        ),
        (".reshape(-1, 1)", [], r"y has shape \[40, 1\].*Use y\[:, 0\]"),
        (".astype(str)", [], "y holds <U"),
        (" + 3", [], "y has ids from 3 to 4; the classes are 0 to 1"),
        (' * float("nan")', [], "y has 40 values that are NaN"),
    ],
)
def test_faulty_data_of_a_plugin_is_named_by_its_part(inside, end, further, text):
    with pytest.raises(UserError, match=text):
        trained(inside, DATA.format(end=end), "data=drawn", "loss=auto", *further)
