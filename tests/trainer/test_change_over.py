"""A long training changes over to XLA: when, by which program, and what is kept to the kernels. Compiling is made free to see it soon."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

import trainrun
from trainrun.step.default import default
from trainrun.tracking import journal
from trainrun.trainer import change_over, executor
from trainrun.trainer.custom import Custom

LINEAR = ["data=iris", "model=linear", "metric=none", "data.validation=0", "trainer.limit=70", "trainer.batch_size=16"]  # fmt: skip


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(change_over, "AT_MOST", 1e9)


class Watch(keras.callbacks.Callback):
    """Collects the events of a training."""

    coarse = True

    def __init__(self):
        super().__init__()
        self.events = []

    def watch(self, job):
        job.state.event = lambda name, **fields: self.events.append((name, fields))


@pytest.mark.parametrize("trainer", ["custom", "fit"])
def test_trains_as_the_kernels_do(trainer, train, soon, monkeypatch):
    """Whether the kernels run on one thread or, as those of a larger step, in the pool."""
    if trainer == "custom":
        monkeypatch.setattr(executor, "ONE_THREAD_FLOPS", 0)
    watch = Watch()
    epochs = "trainer.epochs=3"
    kernels = train(trainer, *LINEAR, epochs, "trainer.jit_compile=false", change=watch.watch)
    assert watch.events == []
    changed = train(trainer, *LINEAR, epochs, change=watch.watch)
    [(name, fields)] = watch.events
    assert name == "xla" and fields["epoch"] == 2 and fields["seconds"] > 0
    assert changed.history["loss"][0] == kernels.history["loss"][0]
    np.testing.assert_allclose(changed.history["loss"], kernels.history["loss"], rtol=1e-5)
    for got, expected in zip(changed.weights, kernels.weights, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_long_kernels_stay(train, soon, monkeypatch):
    monkeypatch.setattr(change_over, "SHORT_FLOPS_PER_VARIABLE", 0)
    watch = Watch()
    train("custom", *LINEAR, "trainer.epochs=2", change=watch.watch)
    [(_, fields)] = watch.events
    assert "not short" in fields["refused"]


def test_random_numbers_keep_the_kernels(train, soon):
    watch, layers = Watch(), "model.layers=[{name: Dropout, rate: 0.2}]"
    overrides = ["model=layers" if o == "model=linear" else o for o in LINEAR]
    runs = [
        train("custom", *overrides, layers, "trainer.epochs=2", f"trainer.jit_compile={xla}", change=watch.watch)
        for xla in ("false", "auto")
    ]  # fmt: skip
    [(_, fields)] = watch.events
    assert "Random" in fields["refused"]
    assert runs[0].history == runs[1].history


def through_text(values):
    return tf.strings.to_number(tf.as_string(values))  # XLA has no strings


def of_any_size(values):
    if values.shape[0] is not None:
        raise ValueError("a batch's size is known to XLA only")
    return values


@pytest.mark.parametrize("operation", [through_text, of_any_size])
def test_a_step_that_does_not_compile_keeps_the_kernels(operation, train, soon):
    def step(model, x, y, weight, share):
        loss, y_pred = default(model, x, y, weight, share)
        written = tf.reduce_mean(operation(y_pred[:, 0]))
        return loss + 0.01 * written, y_pred

    watch, weights = Watch(), []
    for changes_over in (False, True):
        job = train("custom", *LINEAR, "trainer.epochs=1", callbacks=[], change=watch.watch).job
        job = replace(job, plan=replace(job.plan, epochs=2), changes_over=changes_over)
        Custom(step=step).train(job, [])
        weights.append([np.asarray(w) for w in job.model.weights])
    [(_, fields)] = watch.events
    assert "refused" in fields
    for got, expected in zip(*weights, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_more_epochs_behind_the_change_are_one_longer_run(tmp_path, monkeypatch, soon):
    monkeypatch.chdir(tmp_path)
    base = ["tracking=none", "trainer=custom", *LINEAR, "artifacts=none", "checkpoint.every=1epochs"]
    trainrun.run([*base, "trainer.epochs=2"], run_dir="short")
    longer = trainrun.resume("short", ["trainer.epochs=4"])
    whole = trainrun.run([*base, "trainer.epochs=4"], run_dir="whole")
    assert longer.summary["weights_sha256"] == whole.summary["weights_sha256"]
    for folder, epochs in (("short", [2, 3]), ("whole", [2])):
        records = journal.read(tmp_path / folder / "journal.jsonl").records
        assert [r["epoch"] for r in records if r.get("event") == "xla"] == epochs


def test_a_resumed_run_takes_the_decision_in_its_checkpoint(tmp_path, monkeypatch):
    """Whatever the constants of the version that resumes it, and under a callback after each step."""
    monkeypatch.chdir(tmp_path)
    base = ["tracking=none", "trainer=custom", *LINEAR, "artifacts=none", "checkpoint.every=1epochs"]
    with monkeypatch.context() as patch:
        patch.setattr(change_over, "AT_MOST", 1e9)
        whole = trainrun.run([*base, "trainer.epochs=4"], run_dir="whole")
        trainrun.run([*base, "trainer.epochs=2"], run_dir="short")
    kernels = trainrun.run([*base, "trainer.epochs=4", "trainer.jit_compile=false"], run_dir="kernels")
    longer = trainrun.resume("short", ["trainer.epochs=4", "tracking.every_steps=1"])
    assert longer.summary["weights_sha256"] == whole.summary["weights_sha256"]
    assert longer.summary["weights_sha256"] != kernels.summary["weights_sha256"]


@pytest.mark.parametrize("epochs", [30, 100_000])
def test_compiling_takes_at_most_an_eighth_of_the_time_before(epochs, train):
    """By the constants: a step of the linear model takes 74 us, compiling 1.4 s; three steps an epoch."""
    job = train("custom", *LINEAR, "trainer.epochs=1").job
    job = replace(job, plan=replace(job.plan, epochs=epochs))
    first = change_over.first_epoch(job, [])
    assert (first < epochs) is (epochs == 100_000)
    assert first * job.plan.steps_per_epoch * 74e-6 == pytest.approx(8 * 1.4, rel=0.05)
    each_step = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    assert change_over.first_epoch(job, [each_step]) is None
