"""Norms and cosines of gradients equal those of a plain GradientTape, and training is not changed by them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import trainrun
from trainrun.cli import main

QUIET = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "artifacts.weights=last"]
X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = {"churn": (X[:, :1] > 0).astype("float32"), "spend": X[:, :1] - 2 * X[:, 1:2]}
WEIGHT = {"churn": np.linspace(0, 2, 40, dtype="float32"), "spend": np.ones(40, "float32")}


@pytest.fixture
def model():
    """Return a compiled model with two outputs and a penalty."""
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, "tanh", kernel_regularizer=keras.regularizers.L2(0.01))(inputs)
    heads = {"churn": keras.layers.Dense(1, "sigmoid")(hidden), "spend": keras.layers.Dense(1)(hidden)}
    model = keras.Model(inputs, heads)
    losses = {"churn": "binary_crossentropy", "spend": "mse"}
    model.compile("adam", losses, loss_weights={"churn": 1, "spend": 0.2})
    return model


def test_terms_of_two_outputs_equal_those_of_a_plain_tape(model):
    logger = trainrun.build("callback", "gradient_logger")
    logger.batch = X, Y, WEIGHT
    logs = model.fit(X, Y, sample_weight=WEIGHT, epochs=2, verbose=0, callbacks=[logger]).history
    with tf.GradientTape(persistent=True) as tape:
        y_pred = model(X)
        cross_entropies = keras.losses.binary_crossentropy(Y["churn"], y_pred["churn"])
        churn = tf.reduce_mean(WEIGHT["churn"] * cross_entropies)
        spend = 0.2 * tf.reduce_mean((Y["spend"] - y_pred["spend"]) ** 2)
        losses = {"": churn + spend + model.losses[0], "churn_": churn, "spend_": spend}
    vectors = {}
    for name, loss in losses.items():
        gradients = tape.gradient(
            loss, [v.value for v in model.trainable_weights], unconnected_gradients="zero"
        )
        vectors[name] = np.concatenate([np.ravel(g) for g in gradients])
        norm = np.linalg.norm(vectors[name])
        assert logs[f"{name}gradient_norm"][-1] == pytest.approx(norm, rel=1e-5), name
    a, b = vectors["churn_"], vectors["spend_"]
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert logs["churn_spend_gradient_cosine"][-1] == pytest.approx(cosine, rel=1e-4)


@pytest.fixture
def policy():
    """Give the process its policy back after the test."""
    yield
    keras.config.set_dtype_policy("float32")


def test_logging_does_not_change_a_training_with_dropout_and_batch_norm(inside, policy):
    overrides = [*QUIET, "data=digits", "trainer.limit=64", "model=cnn", "model.filters=[4]", "model.dropout=0.5", "metric=accuracy",
                 "trainer.epochs=2", "trainer=custom", "hardware.precision=mixed_float16"]  # fmt: skip
    plain = trainrun.run([*overrides, "callback=none"])
    logged = trainrun.run([*overrides, "callback=gradient_logger"])
    assert logged.summary["weights_sha256"] == plain.summary["weights_sha256"]
    assert plain.history.items() <= logged.history.items()
    assert set(logged.history) - set(plain.history) == {"gradient_norm"}
    assert np.isfinite(logged.history["gradient_norm"]).all()


def test_a_training_by_another_loss_is_refused(inside, capsys, model):
    (inside / "steps.py").write_text("import trainrun\n\n@trainrun.register('step', 'mine')\ndef mine(model, x, y, weight, share):\n    ...\n")  # fmt: skip
    overrides = ["plugins=[./steps.py]", "trainer=custom", "trainer.step=mine", "callback=gradient_logger"]
    assert main(["check", *overrides]) == 2
    assert "callback.gradient_logger: it reads the compiled loss" in capsys.readouterr().err

    class Own(keras.Model):
        def train_step(self, data):
            return {}

    own = Own(model.inputs, model.outputs)
    own.compile("sgd", "mse")
    with pytest.raises(trainrun.errors.UserError, match="train_step of its own"):
        own.fit(
            X,
            X,
            epochs=1,
            verbose=0,
            callbacks=[trainrun.build("callback", "gradient_logger")],
            batch_size=40,
        )
