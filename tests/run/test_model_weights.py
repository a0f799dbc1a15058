"""Which epoch's weights are the model: saved, tested, logged; alike in all trainers, and after a resume."""

from __future__ import annotations

import json

import numpy as np
import pytest

import trainrun
from trainrun.cli import main

# So large a rate that the best epoch is not the last one.
OVERSHOOTS = ["data=iris", "metric=accuracy", "optimizer=sgd", "optimizer.learning_rate=0.9", "trainer.epochs=15",
              "tracking=none", "artifacts.plots=false", "artifacts.report=false"]  # fmt: skip


@pytest.fixture(scope="module")
def best(tmp_path_factory):
    """Return a run whose model is that of its best epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("best"))
        return trainrun.run(OVERSHOOTS, "outputs/runs/best")


def test_the_best_epoch_on_validation_is_saved_tested_and_recorded(best):
    losses = best.history["val_loss"]
    epoch = int(np.argmin(losses)) + 1
    assert epoch < 15
    assert best.summary["weights"] == {
        "choice": "best",
        "epoch": epoch,
        "monitor": "val_loss",
        "value": min(losses),
    }
    assert best.metrics["val_loss"] == pytest.approx(min(losses), rel=1e-5)
    assert best.metrics["loss"] == best.history["loss"][epoch - 1]
    data, saved = best.data(), trainrun.load(best.run_dir).model
    accuracy = np.mean(saved.predict(data.test.x, verbose=0).argmax(1) == data.test.y)
    assert accuracy == pytest.approx(best.metrics["test_accuracy"])
    records = [json.loads(line) for line in (best.run_dir / "journal.jsonl").read_text().splitlines()]
    (final,) = [r["metrics"] for r in records if r["kind"] == "metrics"]
    assert final["restored_epoch"] == epoch
    # What trackers show last: all of one model.
    assert {k: v for k, v in best.metrics.items() if k != "learning_rate"}.items() <= final.items()
    assert "the model is of this epoch" in (best.run_dir / "run.log").read_text()


@pytest.mark.parametrize("trainer", ["train_on_batch", "custom"])
def test_the_trainers_agree_on_the_model(best, trainer, inside):
    result = trainrun.run([*OVERSHOOTS, f"trainer={trainer}"])
    assert result.summary["weights"]["epoch"] == best.summary["weights"]["epoch"]
    for ours, theirs in zip(result.model.get_weights(), best.model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_resumed_run_has_the_model_of_one_that_was_not_stopped(best, inside):
    epoch = best.summary["weights"]["epoch"]
    first = trainrun.run([*OVERSHOOTS, f"trainer.epochs={epoch + 1}"], "outputs/runs/stopped")
    (first.run_dir / "checkpoints" / "best.npz").unlink()  # the newest checkpoint is whole by itself
    assert main(["resume", "stopped", "trainer.epochs=15"]) == 0
    resumed = trainrun.load("stopped")
    assert resumed.summary["weights"] == best.summary["weights"]
    assert resumed.summary["weights_sha256"] == best.summary["weights_sha256"]


@pytest.mark.parametrize(
    ("overrides", "choice", "epoch"),
    [
        (["artifacts.weights=last"], "last", None),
        (["optimizer.use_ema=true"], "average", None),
        (["sweep.objective=val_accuracy"], "best", "accuracy"),
        (["callback=early_stopping", "callback.early_stopping.monitor=loss", "callback.early_stopping.patience=9",
          "callback.early_stopping.restore_best_weights=true"], "callback", "loss"),
    ],
)  # fmt: skip
def test_another_choice_is_recorded(overrides, choice, epoch, inside):
    result = trainrun.run([*OVERSHOOTS, *overrides])
    weights = result.summary["weights"]
    assert weights["choice"] == choice
    if epoch is None:
        assert "epoch" not in weights and result.metrics["loss"] == result.history["loss"][-1]
    elif epoch == "loss":
        assert weights["epoch"] == int(np.argmin(result.history["loss"])) + 1
    else:
        assert weights["epoch"] == int(np.argmax(result.history["val_accuracy"])) + 1
        assert result.metrics["val_accuracy"] == pytest.approx(max(result.history["val_accuracy"]))


AVERAGED = [*OVERSHOOTS[:3], *OVERSHOOTS[5:], "optimizer.learning_rate=0.1", "optimizer.ema_momentum=0.8", "model=linear",
            "trainer.shuffle=false", "artifacts.weights=ema"]  # fmt: skip


@pytest.fixture(scope="module")
def keras_average():
    """Return history and weights of plain Keras with `use_ema` and SwapEMAWeights."""
    import keras
    import tensorflow as tf

    from trainrun.run import builders

    config = trainrun.compose(AVERAGED)
    data = builders.dataset(config)
    first = builders.job(config, data, tf.distribute.get_strategy()).model.get_weights()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model.set_weights(first)
    model.compile(
        keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8), "sparse_categorical_crossentropy"
    )
    held_out = data.validation.x, data.validation.y
    history = model.fit(data.train.x, data.train.y, batch_size=32, epochs=3, shuffle=False, verbose=0, validation_data=held_out,
                        callbacks=[keras.callbacks.SwapEMAWeights()]).history  # fmt: skip
    return history, model.get_weights()


@pytest.mark.parametrize("trainer", ["fit", "train_on_batch", "custom"])
def test_the_moving_average_is_validated_tested_and_saved(trainer, keras_average, inside):
    result = trainrun.run([*AVERAGED, "trainer.epochs=3", f"trainer={trainer}"])
    history, weights = keras_average
    for column in history:
        assert result.history[column] == pytest.approx(history[column], rel=1e-5), column
    saved = trainrun.load(result.run_dir).model
    for ours, theirs in zip(saved.get_weights(), weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert result.metrics["val_loss"] == pytest.approx(history["val_loss"][-1], rel=1e-5)
    assert result.summary["weights"] == {"choice": "average"}
    assert "the model has the moving average of the weights" in (result.run_dir / "run.log").read_text()
    trainrun.run([*AVERAGED, "trainer.epochs=2", f"trainer={trainer}"], "outputs/runs/stopped")
    assert main(["resume", "stopped", "trainer.epochs=3"]) == 0
    assert trainrun.load("stopped").summary["weights_sha256"] == result.summary["weights_sha256"]


SWA = [*[s for s in AVERAGED if "ema" not in s], "artifacts.weights=swa", "artifacts.swa_start=1epoch"]


@pytest.fixture(scope="module")
def mean_of_epochs():
    """Return the validation loss and the weights of plain Keras: numpy's mean of those after epochs 2 and 3."""
    import keras
    import tensorflow as tf

    from trainrun.run import builders

    config = trainrun.compose(SWA)
    data = builders.dataset(config)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model.set_weights(builders.job(config, data, tf.distribute.get_strategy()).model.get_weights())
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    collected = []
    collect = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: collected.append(model.get_weights()))
    model.fit(data.train.x, data.train.y, epochs=3, shuffle=False, verbose=0, callbacks=[collect])
    means = [np.mean(pair, axis=0) for pair in zip(*collected[1:], strict=True)]
    model.set_weights(means)
    return model.evaluate(data.validation.x, data.validation.y, verbose=0), means


@pytest.mark.parametrize("trainer", ["fit", "train_on_batch", "custom"])
def test_the_mean_of_the_last_epochs_is_validated_tested_and_saved(trainer, mean_of_epochs, inside):
    overrides = [*SWA, f"trainer={trainer}", "checkpoint.every=1epoch"]
    trainrun.run([*overrides, "trainer.epochs=2"], "outputs/runs/stopped")
    assert main(["resume", "stopped", "trainer.epochs=3"]) == 0
    resumed, (loss, means) = trainrun.load("stopped"), mean_of_epochs
    for ours, theirs in zip(resumed.model.get_weights(), means, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert resumed.summary["weights"] == {"choice": "swa", "epochs": 2}
    assert resumed.metrics["val_loss"] == pytest.approx(loss, rel=1e-5)
    if trainer == "custom":
        whole = trainrun.run([*overrides, "trainer.epochs=3", "trainer.validation_freq=2"])
        assert whole.summary["weights_sha256"] == resumed.summary["weights_sha256"]
        assert "the average of the weights of 2 epochs" in (whole.run_dir / "run.log").read_text()


@pytest.mark.parametrize("patience", [2, 50])
def test_early_stopping_is_announced(patience):
    import keras

    from trainrun.run import model_weights

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 2.0  # it diverges: the first epoch is the best
    stop = keras.callbacks.EarlyStopping("loss", patience=patience)
    history = model.fit(np.full((4, 1), 3.0), np.ones((4, 1)), epochs=6, verbose=0, callbacks=[stop]).history
    assert len(history["loss"]) == min(1 + patience, 6) and np.argmin(history["loss"]) == 0
    sentence = "stopped early after epoch 3: loss has not improved since epoch 1"
    assert [*model_weights.early_stops([stop, keras.callbacks.History()])] == [sentence] * (patience == 2)
