"""`optimizer=multi`, held to plain Keras' MultiOptimizer; its state in files and checkpoints, its rates, what is refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import trainrun
from trainrun.errors import UserError

QUIET = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "data=iris", "model=mlp", "model.units=[6]",
         "optimizer=multi", "hardware=cpu", "trainer.epochs=2"]  # fmt: skip
OWN = "optimizer.map={hidden_1/.*: {name: sgd, learning_rate: 0.05, momentum: 0.9, schedule: cosine_decay}, .*: {name: adamw, learning_rate: 0.01}}"
CONSTANT = "optimizer.map={hidden_1/.*: {name: sgd, learning_rate: 0.05, momentum: 0.9}, .*: {name: adam, learning_rate: 0.01}}"
X, Y = np.random.RandomState(0).rand(64, 4), np.random.RandomState(1).rand(64, 2)


def optimizers():
    schedule = keras.optimizers.schedules.CosineDecay(0.05, 30)
    return keras.optimizers.SGD(schedule, momentum=0.9, global_clipnorm=0.1), keras.optimizers.AdamW(0.01)


def trained(optimizer):
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(3, name="a", activation="tanh"), keras.layers.Dense(2, name="b")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(optimizer, "mse")
    model.fit(X, Y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    return model


def test_is_keras_multi_optimizer_with_clipping_and_schedule_of_one_and_a_file_holds_its_state(tmp_path):
    sgd, adamw = optimizers()
    plain = trained(keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(adamw, {".*/a/.*": sgd})))
    sgd, adamw = optimizers()
    ours = trained(trainrun.build("optimizer", "multi", map={".*/a/.*": sgd, ".*": adamw}))
    for own, expected in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(own, expected, atol=1e-6)
    ours.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert len(loaded.optimizer.variables) == 10
    for kept, variable in zip(loaded.optimizer.variables, ours.optimizer.variables, strict=True):
        np.testing.assert_array_equal(kept.numpy(), variable.numpy())
    for model in (loaded, ours):
        model.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_array_equal(loaded.get_weights()[0], ours.get_weights()[0])


def test_the_trainers_agree_and_log_each_rate_under_a_name_of_its_own(inside):
    of_fit = trainrun.run([*QUIET, OWN])
    rates = {k: v for k, v in of_fit.history.items() if "rate" in k}
    assert rates["learning_rate_adamw"] == [0.01, 0.01]
    # Of the last of three steps in each epoch: the decay goes over six.
    cosine = [0.05 * (1 + np.cos(np.pi * step / 6)) / 2 for step in (2, 5)]
    np.testing.assert_allclose(rates["learning_rate_sgd"], cosine, rtol=1e-5)
    assert rates.keys() == {"learning_rate_adamw", "learning_rate_sgd"}
    of_custom = trainrun.run([*QUIET, OWN, "trainer=custom", "hardware=cpu"])
    assert of_custom.history == of_fit.history


def test_a_stopped_run_goes_on_to_the_same_bits_and_a_callback_scales_all_rates(inside):
    reduced = ["callback=reduce_lr_on_plateau", "callback.reduce_lr_on_plateau.patience=1",
               "callback.reduce_lr_on_plateau.min_delta=9", CONSTANT]  # fmt: skip
    whole = trainrun.run([*QUIET, *reduced, "trainer.epochs=4"])
    assert whole.history["learning_rate_sgd"] == pytest.approx([0.05, 0.05, 0.005, 0.0005])
    assert whole.history["learning_rate_adam"] == pytest.approx([0.01, 0.01, 0.001, 0.0001])
    part = trainrun.run([*QUIET, *reduced, "trainer.epochs=3"])
    resumed = trainrun.resume(part.run_dir, ["trainer.epochs=4"])
    assert resumed.summary["weights_sha256"] == whole.summary["weights_sha256"]


@pytest.mark.parametrize(
    "settings, message",
    [
        ([], r"optimizer\.map: expected an optimizer for each part"),
        (["optimizer.map=adam"], "expected keys, got 'adam'"),
        (["optimizer.map={.*: {name: sgd, learning_rat: 1}}"], r"optimizer\.map\['\.\*'\]\.learning_rat: .*Did you mean learning_rate"),
        (["optimizer.map={.*: {name: sgd, use_ema: true}}"], r"Set optimizer\.use_ema"),
        (["optimizer.map={.*: {name: sgd, clipnorm: 1, clipvalue: 1}}"], "only one way of clipping"),
        ([OWN, "optimizer.learning_rate=0.1"], "the rate of all in the map, and this one has its own"),
        ([OWN, "callback=reduce_lr_on_plateau"], "sets the learning rates, and so does this schedule"),
        (["optimizer.map={.*: {name: sgd, schedule: cosine_decay}}"], "Set learning_rate beside it"),
        (["optimizer.map={.*: sgd}", "schedule=cosine_decay"], r"Set optimizer\.learning_rate"),
        (["optimizer.map={.*: sgd}", "+optimizer.groups={.*: {scale: 2}}"], "set them in optimizer.map"),
        ([CONSTANT, "callback=early_stopping", "callback.early_stopping.monitor=learning_rate"], "Did you mean learning_rate_"),
        (["optimizer.map={hidden_1/.*: sgd}"], "no expression matches head/kernel, head/bias"),
        (["optimizer.map={hidden_9/.*: sgd, .*: adam}"], "'hidden_9/.*' matches the path of no weight"),
        (["optimizer.map={.*: adam, head/.*: sgd}"], "'head/.*' is never the first that matches"),
        (["optimizer.map={.*: ranger}"], "Ranger wraps other optimizers"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused(inside, settings, message):
    with pytest.raises(UserError, match=message):
        trainrun.run([*QUIET, *settings])
