"""What a run consists of, out of its objects and back: variables, generators, callbacks, history."""

from __future__ import annotations

import random
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainrun.checkpoint import file as stored
from trainrun.checkpoint import training_state
from trainrun.errors import UserError
from trainrun.model.variables import by_purpose


def build(units=3, seed=0):
    keras.utils.set_random_seed(seed)
    inner = [
        keras.layers.Dense(units),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5, seed=seed),
    ]
    model = keras.Sequential([keras.Input((2,)), *inner, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1, use_ema=True), "mse", metrics=["mae"])
    model._symbolic_build(data_batch=(np.zeros((1, 2)), np.zeros((1, 1)), None))
    return model


def train(model, steps=3):
    x = np.arange(8.0).reshape(4, 2)
    for _ in range(steps):
        model.train_on_batch(x, x[:, :1])


def file(model, callbacks=(), tmp=Path("x"), **position):
    """Return what the state is after it was written and read."""
    at = {"epoch": 1, "step": 2, "done": False, **position}
    arrays, about = training_state.capture(model, training_state.Reader(model), list(callbacks), **at)
    stored.write(tmp / "last.npz", arrays, about)
    return stored.read(tmp / "last.npz")


def values(model):
    return {k: [np.array(v) for v in vs] for k, vs in by_purpose(model).items()}


def assert_same(ours, theirs):
    for kind in ours:
        for a, b in zip(ours[kind], theirs[kind], strict=True):
            np.testing.assert_array_equal(a, b, err_msg=kind)


def test_variables_are_read_alike_one_by_one_and_in_a_compiled_call(monkeypatch):
    monkeypatch.setattr(training_state, "READS_BEFORE_COMPILING", 2)
    model, compiled, function = build(), [], tf.function
    train(model, 1)
    monkeypatch.setattr(tf, "function", lambda *a, **k: compiled.append(a) or function(*a, **k))
    reader = training_state.Reader(model)
    for read in range(4):
        train(model, 1)
        arrays, want = reader.arrays(), values(model)
        assert len(compiled) == (read >= 2)
        for kind, variables in want.items():
            for i, value in enumerate(variables):
                np.testing.assert_array_equal(arrays[f"{kind}/{i:04d}"], value)


def test_weights_optimizer_metrics_and_seed_generators_come_back(tmp_path):
    model = build()
    train(model)
    kept, before = file(model, tmp=tmp_path), values(model)
    assert kept.about["updates"] == 3
    assert len(before["optimizer"]) > 10 and len(before["metrics"]) >= 4
    other = build(seed=5)
    training_state.apply(kept, other, [])
    assert_same(values(other), before)
    train(model), train(other)
    assert_same(values(other), values(model))


def test_between_two_epochs_metrics_are_left_alone(tmp_path):
    model = build()
    train(model)
    kept = file(model, tmp=tmp_path, step=0)
    other = build()
    train(other, 1)
    metrics = values(other)["metrics"]
    training_state.apply(kept, other, [])
    assert_same({"metrics": values(other)["metrics"]}, {"metrics": metrics})


def test_every_generator_of_the_process_goes_on_where_it_was(tmp_path):
    model = build()
    tf.random.get_global_generator()  # somebody has used it

    def draws():
        return [
            random.random(),
            np.random.rand(),
            float(keras.random.uniform(())),
            float(tf.random.get_global_generator().uniform(())),
            tf.compat.v1.get_seed(None)[1],  # what an operation without a seed gets
            np.random.randn(),
        ]

    random.gauss(0, 1), np.random.randn()  # each keeps a second number for the next time
    kept = file(model, tmp=tmp_path)
    first = draws()
    assert draws() != first
    training_state.apply(kept, model, [])
    assert draws() == first


class Plain(keras.callbacks.Callback):
    """Keeps plain data of every kind as attributes, and some that is not."""

    def __init__(self):
        super().__init__()
        self.count, self.best, self.name, self.none, self.flag = 0, np.inf, "a", None, False
        self.pair, self.table = (1, [2.5, (3,)]), {"a": {1: 2}, 3: "b"}
        self.array, self.scalar = np.zeros(2), np.float32(0)
        self.variable = keras.Variable(0.0)
        self.lock, self.function, self.objects = object(), len, np.array([object()])

    def change(self):
        self.count, self.best, self.name, self.none, self.flag = 7, -0.5, "b", 4, True
        self.pair, self.table = (9, [0.1, (np.int64(8),)]), {"z": {5: np.ones(2)}, (1, 2): []}
        self.array, self.scalar = np.array([np.nan, -0.0]), np.float32(0.1)
        self.variable.assign(6.0)
        return self


def test_a_callbacks_plain_attributes_are_kept_and_nothing_else_is_touched(tmp_path):
    model, changed, fresh = build(), Plain().change(), Plain()
    kept = file(model, [changed], tmp=tmp_path)
    lock, variable = fresh.lock, fresh.variable
    training_state.apply(kept, model, [fresh])
    assert (fresh.count, fresh.best, fresh.name, fresh.none, fresh.flag) == (7, -0.5, "b", 4, True)
    assert fresh.pair == (9, [0.1, (8,)]) and isinstance(fresh.pair[1], list)
    assert fresh.table.keys() == {"z", (1, 2)} and fresh.table["z"][5].tolist() == [1.0, 1.0]
    assert fresh.array.tobytes() == changed.array.tobytes()
    assert isinstance(fresh.scalar, np.float32) and fresh.scalar == np.float32(0.1)
    assert fresh.lock is lock and fresh.function is len
    assert fresh.variable is variable and float(fresh.variable) == 6.0


def test_get_state_and_set_state_of_a_callback_are_used(tmp_path):
    class Asked(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen, self.kept = {1, 2}, 0

        def get_state(self):
            return {"seen": sorted(self.seen)}

        def set_state(self, state):
            self.seen = set(state["seen"])

    one, other = Asked(), Asked()
    one.seen, one.kept = {5, 6}, 3
    kept = file(build(), [one], tmp=tmp_path)
    training_state.apply(kept, build(), [other])
    assert other.seen == {5, 6} and other.kept == 0


def test_callbacks_of_one_class_are_matched_by_their_order(tmp_path):
    two, others = [Plain(), Plain().change()], [Plain(), keras.callbacks.History(), Plain()]
    kept = file(build(), two, tmp=tmp_path)
    training_state.apply(kept, build(), others)
    assert [others[0].count, others[2].count] == [0, 7]


def test_transient_callback_is_left_out(tmp_path):
    passing = Plain().change()
    passing.transient = True
    kept = file(build(), [passing], tmp=tmp_path)
    assert kept.about["callbacks"] == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.callbacks.EarlyStopping(monitor="loss", patience=2, min_delta=0.1, restore_best_weights=True),
        lambda: keras.callbacks.EarlyStopping(monitor="acc", mode="max", min_delta=0.1, patience=3, start_from_epoch=1),
        lambda: keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, min_delta=0.1, cooldown=1),
    ],
    ids=["stopping", "stopping_max", "plateau"],
)  # fmt: skip
def test_keras_callbacks_decide_as_in_an_uninterrupted_run(make, tmp_path):
    """Fed the same logs, one that was put back after two epochs says the same as one that went through."""
    logs = [{"loss": v, "acc": 1 - v} for v in (0.9, 0.5, 0.49, 0.48, 0.47, 0.46)]

    def begun(callback, model):
        callback.set_model(model)
        callback.set_params({"epochs": 6})
        model.stop_training = False
        callback.on_train_begin()
        return callback

    def logged_by(callback, model, epochs):
        for epoch in epochs:
            callback.on_epoch_begin(epoch)
            callback.on_epoch_end(epoch, dict(logs[epoch]))
        return model.stop_training, float(model.optimizer.learning_rate), {
            k: v for k, v in vars(callback).items() if isinstance(v, int | float) or (k == "best_weights" and v is None)
        }  # fmt: skip

    model = build()
    whole = logged_by(begun(make(), model), model, range(6))
    model = build()
    first = begun(make(), model)
    logged_by(first, model, range(3))
    kept = file(model, [first], tmp=tmp_path)
    model = build()
    second = begun(make(), model)
    training_state.apply(kept, model, [second])
    assert logged_by(second, model, range(3, 6)) == whole


def test_the_history_goes_on(tmp_path):
    model = build()
    model.history = keras.callbacks.History()
    model.history.epoch, model.history.history = [0, 1], {"loss": [0.5, float("nan")]}
    kept = file(model, tmp=tmp_path)
    other = build()
    other.history = keras.callbacks.History()
    training_state.apply(kept, other, [])
    assert other.history.epoch == [0, 1]
    assert other.history.history["loss"][0] == 0.5 and np.isnan(other.history.history["loss"][1])


def test_another_model_is_refused_with_all_that_does_not_fit_and_nothing_is_changed(tmp_path):
    kept = file(build(units=3), tmp=tmp_path)
    other = build(units=4)
    before = values(other)
    with pytest.raises(UserError) as caught:
        training_state.apply(kept, other, [])
    message = str(caught.value)
    assert "does not fit the model" in message
    assert "its shape is (2, 4), but (2, 3) in the checkpoint" in message
    assert len(caught.value.problems) > 5
    assert_same(values(other), before)


def test_a_model_with_a_layer_more_is_refused(tmp_path):
    kept = file(build(), tmp=tmp_path)
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    other.compile("adam", "mse")
    other._symbolic_build(data_batch=(np.zeros((1, 2)), np.zeros((1, 1)), None))
    with pytest.raises(UserError, match="it is in the checkpoint, but not in the model"):
        training_state.apply(kept, other, [])


def test_what_two_replicas_held_becomes_one_value():
    """Counts are summed, averages averaged, as the strategy itself reads such a variable."""
    count = keras.Variable(0.0, aggregation="sum", name="count")
    average = keras.Variable(np.zeros(2, "float32"), aggregation="mean", name="average")
    same = keras.Variable(0.0, name="same")
    arrays = {
        "weights/0000#0": np.float32(3), "weights/0000#1": np.float32(4),
        "weights/0001#0": np.array([1, 2], "float32"), "weights/0001#1": np.array([3, 4], "float32"),
        "weights/0002": np.float32(5),
    }  # fmt: skip
    arrays = {k: np.asarray(v) for k, v in arrays.items()}
    training_state.put(stored.Stored(Path("x"), arrays, {"names": {}}), {"weights": [count, average, same]})
    assert float(count) == 7.0 and np.array(average).tolist() == [2.0, 3.0] and float(same) == 5.0
