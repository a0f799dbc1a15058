"""Models with heads of their own: what they predict is measured as what it is, and what does not fit is refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

import trainrun
from trainrun.errors import UserError

OFF = [
    "tracking=none",
    "artifacts.plots=false",
    "artifacts.report=false",
    "trainer.epochs=1",
    "optimizer=sgd",
]
STILL = [*OFF, "optimizer.learning_rate=1e-12"]  # measured is the model as it was saved
PLUGIN = """
import keras, trainrun
from keras import ops

@trainrun.register("model", "own", targets="binary"{declared})
def own(inputs, target, head):
    i = keras.Input(inputs[0].shape)
    z = keras.layers.Dense(1, name="z")(i)
    return keras.Model(i, {end})
"""
ENDS = {
    "operation": lambda z: keras.ops.sigmoid(z),
    "layer": lambda z: keras.layers.Activation("sigmoid")(z),
    "nested": lambda z: keras.Sequential([keras.Input((1,)), keras.layers.Activation("sigmoid")])(z),
    "arithmetic": lambda z: 1 / (1 + keras.ops.exp(-z)),
    "logits": lambda z: z,
}


@pytest.fixture
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("end", ENDS)
def test_a_binary_model_is_measured_as_scikit_learn_measures_its_probabilities(inside, end, capsys):
    i = keras.Input((30,))
    z = keras.layers.Dense(1)(keras.layers.Dense(8, activation="relu")(i))
    keras.Model(i, ENDS[end](z)).save("own.keras")
    result = trainrun.run([*STILL, "data=breast_cancer", "model=file", "model.path=own.keras", "loss=focal",
                           "metric=[accuracy,auc,binary_crossentropy]"])  # fmt: skip
    data = trainrun.build("data", "breast_cancer")
    p = keras.Model(i, keras.ops.sigmoid(z)).predict(data.test.x, verbose=0)[:, 0]
    measured = result.metrics
    assert measured["test_accuracy"] == pytest.approx(accuracy_score(data.test.y, p > 0.5), abs=1e-6)
    assert measured["test_binary_crossentropy"] == pytest.approx(
        log_loss(data.test.y, p.astype("float64")), rel=1e-4
    )
    assert measured["test_auc"] == pytest.approx(roc_auc_score(data.test.y, p), abs=0.01)
    assert ("by what it predicts for the first examples" in capsys.readouterr().out) == (end == "arithmetic")


@pytest.mark.parametrize("last", ["{name: Dense, units: 3}", "{name: Softmax}"])
def test_a_list_of_layers_that_ends_in_softmax_gets_no_further_layer(inside, last):
    layers = "[{name: Dense, units: 3}" + (", {name: Softmax}]" if "Softmax" in last else "]")
    result = trainrun.run(
        [*STILL, "data=iris", "model=layers", f"model.layers={layers}", "metric=categorical_crossentropy"]
    )
    data = trainrun.build("data", "iris")
    kernel, bias = (w.numpy().astype("float64") for w in result.model.weights)
    z = data.test.x @ kernel + bias
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    expected = log_loss(data.test.y, p, labels=[0, 1, 2])
    assert result.metrics["test_loss"] == pytest.approx(expected, rel=1e-4)
    assert result.metrics["test_categorical_crossentropy"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("end", "declared", "expected"),
    [
        ("1 / (1 + ops.exp(-z))", "", "probabilities"),
        ("1 / (1 + ops.exp(-z))", ', output="logits"', "logits"),
        ("z * 1e-9 + 0.5", "", "probabilities"),
        ("z * 1e-9 + 0.5", ', output="logits"', "logits"),
        ("z + 5", "", "logits"),
    ],
)
def test_a_plug_in_states_what_its_values_do_not_tell(inside, end, declared, expected):
    (inside / "own.py").write_text(PLUGIN.format(end=end, declared=declared))
    result = trainrun.run([*STILL, "plugins=[./own.py]", "data=breast_cancer", "model=own", "metric=binary_crossentropy",
                           "loss=bce"])  # fmt: skip
    data = trainrun.build("data", "breast_cancer")
    p = result.model.predict(data.test.x, verbose=0).astype("float64")[:, 0]
    p = p if expected == "probabilities" else 1 / (1 + np.exp(-p))
    expected_loss = log_loss(data.test.y, np.clip(p, 1e-7, 1 - 1e-7))
    assert result.metrics["test_loss"] == pytest.approx(expected_loss, rel=1e-3)
    assert result.metrics["test_binary_crossentropy"] == pytest.approx(expected_loss, rel=1e-3)


def test_looking_at_predictions_leaves_no_trace(inside):
    (inside / "own.py").write_text(
        PLUGIN.format(
            end="1 / (1 + ops.exp(-keras.layers.GaussianNoise(0.1, seed=1)(z, training=True)))", declared=""
        )
    )
    overrides = [*OFF, "plugins=[./own.py]", "data=breast_cancer", "model=own", "loss=bce"]
    looked = trainrun.run(overrides)
    (inside / "own.py").write_text(
        PLUGIN.format(
            end="1 / (1 + ops.exp(-keras.layers.GaussianNoise(0.1, seed=1)(z, training=True)))",
            declared=', output="probabilities"',
        )
    )
    stated = trainrun.run(overrides)
    assert looked.summary["weights_sha256"] == stated.summary["weights_sha256"]


@pytest.mark.parametrize(
    ("end", "override", "message"),
    [
        ("operation", "loss.from_logits=true", "loss.from_logits: true means that the loss reads logits"),
        (
            "logits",
            "loss.from_logits=false",
            "loss.from_logits: false means that the loss reads probabilities",
        ),
    ],
)
def test_from_logits_that_the_model_contradicts_is_refused(inside, end, override, message):
    i = keras.Input((30,))
    keras.Model(i, ENDS[end](keras.layers.Dense(1)(i))).save("own.keras")
    with pytest.raises(UserError, match=message):
        trainrun.run(
            [*STILL, "data=breast_cancer", "model=file", "model.path=own.keras", "loss=bce", override]
        )


def test_a_loss_of_margins_refuses_probabilities(inside):
    i = keras.Input((30,))
    keras.Model(i, keras.ops.sigmoid(keras.layers.Dense(1)(i))).save("own.keras")
    with pytest.raises(UserError, match=r"loss=\w+ reads scores; model=file gives probabilities"):
        trainrun.run([*STILL, "data=breast_cancer", "model=file", "model.path=own.keras", "loss=hinge"])


def test_a_subclassed_model_is_judged_by_its_predictions(inside):
    (inside / "own.py").write_text("""
import keras, trainrun

class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.last = keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1, activation="sigmoid")
    def call(self, x, training=False):
        return self.last(self.hidden(x))

@trainrun.register("model", "net", targets="binary")
def net(inputs, target, head):
    model = Net()
    model(keras.ops.zeros((1, *inputs[0].shape)))
    return model
""")
    overrides = [
        *STILL,
        "artifacts=none",
        "plugins=[./own.py]",
        "data=breast_cancer",
        "model=net",
        "metric=accuracy",
    ]
    for trainer in ("fit", "custom"):
        result = trainrun.run([*overrides, f"trainer={trainer}", "trainer.epochs=1"])
        data = trainrun.build("data", "breast_cancer")
        p = result.model.predict(data.test.x, verbose=0)[:, 0]
        assert result.metrics["test_accuracy"] == pytest.approx(
            accuracy_score(data.test.y, p > 0.5), abs=1e-6
        )
