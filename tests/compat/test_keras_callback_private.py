"""What Keras' callbacks keep privately is where `trainrun.compat.keras_callback_private` looks for it."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainrun.compat import keras_callback_private as private

HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end", "on_test_batch_end")


@pytest.mark.parametrize("hook", HOOKS)
def test_the_base_class_overrides_no_hook_of_steps(hook):
    assert not private.overrides(keras.callbacks.Callback(), hook)


def test_a_hook_of_its_own_is_seen():
    class Own(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    assert private.overrides(Own(), "on_train_batch_end")
    assert not private.overrides(Own(), "on_train_batch_begin")


def test_tensorboard_traces_only_with_profile_batch(tmp_path):
    assert private.traces_steps(keras.callbacks.TensorBoard(tmp_path, profile_batch=2))
    assert not private.traces_steps(keras.callbacks.TensorBoard(tmp_path, profile_batch=0))


def test_deciding_the_direction_sets_the_comparison_and_turns_min_delta():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    model.evaluate(np.ones((2, 1)), np.ones((2, 1)), verbose=0)
    callback = keras.callbacks.EarlyStopping(monitor="val_loss", min_delta=0.5)
    callback.set_model(model)
    assert callback.monitor_op is None
    private.decide_direction(callback)
    assert callback.monitor_op(1.0, 2.0)
    assert callback.min_delta == -0.5
