"""The private parts of a Keras model that `trainrun.compat.keras_model_private` uses do what it says."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainrun.compat import keras_model_private as private

X, Y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")


def compiled(**options):
    inner = keras.Sequential([keras.layers.Dense(2, name="inner_dense")], name="inner")
    model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(1, name="last")])
    model.compile("sgd", "mse", metrics=["mae"], **options)
    return model


def test_all_layers_names_those_inside_other_layers():
    model = compiled()
    names = [layer.name for layer in private.all_layers(model)]
    assert names[0] == model.name
    assert names.index("inner") < names.index("inner_dense")
    assert "last" in names
    assert model not in private.all_layers(model, include_self=False)
    assert "inner_dense" not in [layer.name for layer in model.layers], "the public list would do"


def test_graph_nodes_are_the_calls_of_layers():
    inputs = keras.Input((3,))
    shared = keras.layers.Dense(3)
    model = keras.Model(inputs, shared(shared(inputs)))
    calls = [n for n in private.graph_nodes(model) if n.operation is shared]
    assert len(calls) == 2
    assert tuple(calls[0].input_tensors[0].shape) == tuple(calls[0].outputs[0].shape) == (None, 3)
    assert list(private.graph_nodes(compiled())), "a sequential model has a graph, too"


def test_counted_loss_is_the_mean_that_keras_reports():
    model = compiled()
    model.evaluate(X, Y, verbose=0)
    model.reset_metrics()
    private.count_loss(model, tf.constant(1.0), 1)
    private.count_loss(model, tf.constant(4.0), 2)
    assert float(model.get_metrics_result()["loss"]) == pytest.approx((1 + 2 * 4) / 3)


def test_compiled_parts_build_and_count():
    metrics, loss = private.compiled_parts(compiled())
    assert not metrics.built
    loss.build(tf.constant(Y), tf.zeros((8, 1)))
    metrics.update_state(tf.constant(Y), tf.zeros((8, 1)), None)
    assert loss.built
    assert metrics.built
    metrics.reset_state()
    assert all(float(np.sum(v.numpy())) == 0 for v in metrics.variables)


def test_compiled_metrics_come_back_as_given():
    weighted = keras.metrics.MeanSquaredError()
    assert private.metric_arguments(compiled(weighted_metrics=[weighted])) == (["mae"], [weighted])


def test_build_for_creates_the_variables_of_metrics_and_optimizer():
    model = compiled()
    assert not model.optimizer.built
    private.build_for(model, (X[:1], Y[:1], None))
    assert model.optimizer.built
    assert [m.name for m in model.metrics] == ["loss", "compile_metrics"]
    assert model.metrics_variables


def test_fit_skips_the_build_when_it_is_disabled():
    model = compiled()
    called = []
    model._symbolic_build = lambda **_: called.append(1)
    private.never_build_by_batches(model)
    model.fit(X, Y, epochs=1, verbose=0)
    assert not called


def test_fit_begins_at_the_initial_epoch_that_a_callback_sets():
    class Later(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            private.set_initial_epoch(self.model, 2)

    model = compiled()
    assert private.initial_epoch(model) == 0
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[Later()])
    assert history.epoch == [2]
    assert private.initial_epoch(model) == 2


def test_backup_and_restore_sets_the_attribute_that_is_read(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    model = compiled()
    with pytest.raises(KeyboardInterrupt):
        model.fit(
            X, Y, epochs=4, verbose=0, callbacks=[keras.callbacks.BackupAndRestore(tmp_path / "b"), Stop()]
        )
    again = compiled()
    again.build((None, 3))
    backup = keras.callbacks.BackupAndRestore(tmp_path / "b")
    backup.set_model(again)
    backup.on_train_begin()
    assert private.initial_epoch(again) >= 1


def test_direct_layers_are_those_that_a_layer_holds_itself():
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="inside")], name="inner")
    outer = keras.Sequential([keras.Input((2,)), inner])
    for model, names in ((outer, ["inner"]), (inner, ["inside"])):
        assert [layer.name for layer in private.direct_layers(model) if layer.weights] == names
