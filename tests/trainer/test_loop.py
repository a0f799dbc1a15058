"""What callbacks hear and what ends a training, under each trainer."""

from __future__ import annotations

import time

import keras
import numpy as np
import pytest

from .conftest import TRAINERS
from .test_agreement import SMALL

BATCHES = 5  # 70 examples in batches of 16


class Heard(keras.callbacks.Callback):
    """Writes down each call, and the weights' sum at each step."""

    def __init__(self):
        super().__init__()
        self.calls, self.sums, self.logs = [], [], []

    def on_train_begin(self, logs=None):
        self.calls.append("train")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch}")

    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(f"< {batch}")

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(f"> {batch}")
        self.sums.append(float(sum(np.sum(w) for w in self.model.get_weights())))
        self.logs.append(dict(logs))

    def on_test_begin(self, logs=None):
        self.calls.append("test")

    def on_test_end(self, logs=None):
        self.calls.append("tested " + ",".join(logs))

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(f"end {epoch} " + ",".join(logs))

    def on_train_end(self, logs=None):
        self.calls.append("done " + ",".join(logs))


def test_every_trainer_calls_a_callback_with_the_same_events_and_logs(train, deterministic):
    heard = []
    for trainer in TRAINERS:
        heard.append(Heard())
        train(trainer, *SMALL, "trainer.epochs=2", "trainer.validation_freq=2", callbacks=[heard[-1]])
    assert heard[0].calls.count("test") == 1 and heard[0].calls.count("> 4") == 2
    for other in heard[1:]:
        assert other.calls == heard[0].calls
        np.testing.assert_allclose(other.sums, heard[0].sums, rtol=1e-5)
        for got, expected in zip(other.logs, heard[0].logs, strict=True):
            assert got == pytest.approx(expected, rel=1e-5)


class StopsAt(Heard):
    """Ends the training within its second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        self.model.stop_training = self.calls.count(f"> {batch}") == 2 and batch >= 2


@pytest.mark.parametrize("coarse", [False, True])
def test_a_callback_ends_the_training_within_an_epoch(train, deterministic, coarse):
    heard = []
    for trainer in TRAINERS:
        heard.append(StopsAt())
        heard[-1].coarse = coarse
        settings = () if trainer == "train_on_batch" else ("trainer.steps_per_execution=3",)
        train(trainer, *SMALL, "trainer.epochs=4", *settings, callbacks=[heard[-1]])
        assert heard[-1].calls.count("> 2") == 2 and heard[-1].calls.count("> 4") == 1
        assert heard[-1].sums[-1] == pytest.approx(heard[0].sums[-1], rel=1e-5)
        ends = [call for call in heard[-1].calls if call[0] not in "<>"]
        assert ends == [call for call in heard[0].calls if call[0] not in "<>"]


@pytest.mark.parametrize("trainer", TRAINERS)
def test_early_stopping_restores_the_best_weights(trainer, train):
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    done = train(trainer, *SMALL, "optimizer.learning_rate=0.3", "trainer.epochs=40", callbacks=[stop])
    assert len(done.history["loss"]) < 40
    x, y = done.job.validation.x, done.job.validation.y
    p = done.job.model.predict_on_batch(x)
    loss = -np.log(p[np.arange(len(y)), y.ravel()]).mean()
    assert loss == pytest.approx(min(done.history["val_loss"]), rel=1e-4)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_the_time_limit_ends_it(trainer, train):
    start = time.monotonic()
    done = train(trainer, *SMALL, "trainer.epochs=1000000", "trainer.max_time=1s")
    assert time.monotonic() - start < 20
    assert len(done.history["loss"]) == len(done.history["val_loss"]) < 1000000


@pytest.mark.parametrize("trainer", TRAINERS)
def test_epoch_lengths_are_kept_and_a_class_of_weight_0_is_not_learnt(trainer, train):
    lengths = ["trainer.epochs=40", "trainer.steps_per_epoch=3", "trainer.validation_freq=20"]
    done = train(trainer, *SMALL, *lengths, "optimizer.learning_rate=0.05",
                 "trainer.class_weight={0: 1.0, 1: 1.0, 2: 0.0}")  # fmt: skip
    assert int(done.job.model.optimizer.iterations) == 120
    assert len(done.history["val_loss"]) == 2 and len(done.history["loss"]) == 40
    assert len(done.job.train) == 70
    assert not (done.job.model.predict_on_batch(done.job.train.x).argmax(-1) == 2).any()


class Coarse(Heard):
    coarse = True


@pytest.mark.parametrize(
    ("trainer", "settings"),
    [("fit", []), ("fit", ["trainer.steps_per_execution=4"]), ("custom", [])],  # 2 calls of 4 steps: 8 of 5
)
def test_a_coarse_callback_is_called_after_several_steps(trainer, settings, train):
    heard = Coarse()
    trained = train(trainer, *SMALL, "trainer.epochs=3", *settings, callbacks=[heard])
    assert trained.job.model.steps_per_execution == 1  # for what is done with the model afterwards
    ends = [c for c in heard.calls if c.startswith(">")]
    assert len(ends) < 3 * BATCHES
    assert ends.count(f"> {BATCHES - 1}") == 3


def test_eager_training_reaches_python_at_each_batch(train):
    import tensorflow as tf

    eager = []

    def watch(job):
        whole = job.model.compute_loss

        def compute_loss(**arguments):
            eager.append(tf.executing_eagerly())
            return whole(**arguments)

        job.model.compute_loss = lambda x=None, y=None, y_pred=None, sample_weight=None, training=True: (
            compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
        )

    train(
        "train_on_batch",
        *SMALL,
        "data.validation=0",
        "trainer.epochs=1",
        "trainer.run_eagerly=true",
        change=watch,
    )
    assert eager.count(True) == BATCHES
