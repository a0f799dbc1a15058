"""A large input trains as the same input in memory does, held by the device or streamed to it."""

from __future__ import annotations

import time

import numpy as np
import pytest
import tensorflow as tf

from trainrun.data import _arrays, _npz_file
from trainrun.data.lazy_array import View
from trainrun.trainer import compiled_epoch, fit_from_arrays, held_arrays, pipeline

RNG = np.random.default_rng(1)


def path_of(folder, kind):
    """Write 190 examples, whose last batch of 16 is a part of one, and return the file."""
    path = folder / f"{kind}.npz"
    if kind == "image":
        x = RNG.integers(0, 256, (190, 8, 8), dtype="uint8")
        y = (x.reshape(190, -1).mean(axis=1) > 127).astype(int)
    else:
        x = RNG.normal(4, 3, (190, 6))
        y = x[:, 0] - x[:, 1]
    np.savez(path, x=x, y=y, w=RNG.random(190))
    return path


@pytest.mark.parametrize(
    ("trainer", "kind"),
    [("fit", "image"), ("custom", "numeric"), ("custom", "image"), ("train_on_batch", "numeric")],
)
def test_a_view_trains_as_its_array(train, deterministic, tmp_path, monkeypatch, trainer, kind):
    path = path_of(tmp_path, kind)

    def trained(*more):
        # The seed of the split makes each call load anew: `train` keeps data by its overrides.
        overrides = ("data=npz", f"data.path={path}", "data.weight=w", "data.seed=42", *more)
        return train(
            trainer, *overrides, "model=mlp", "model.units=[8]", "trainer.batch_size=16", "trainer.epochs=2"
        )

    whole = trained()
    monkeypatch.setattr(_npz_file, "MAPPED_FROM", 0)
    monkeypatch.setattr(_arrays, "IN_MEMORY", 0)
    held = trained("data.stratify=true")
    for module in (pipeline, compiled_epoch):
        monkeypatch.setattr(module, "MAX_HELD_BYTES", 0)
    read = View.__getitem__
    monkeypatch.setattr(View, "__getitem__", lambda *arguments: (time.sleep(0.02), read(*arguments))[1])
    streamed = trained("data.validation=0.2")
    assert streamed.job.clock.seconds["input"] >= 0.04  # each of two epochs waits at least for its first read
    assert isinstance(whole.job.train.x, np.ndarray)
    for other in (held, streamed):
        assert isinstance(other.job.train.x, View)
        assert other.history.keys() == whole.history.keys()
        for name, values in whole.history.items():
            np.testing.assert_allclose(other.history[name], values, rtol=1e-5, err_msg=name)
        for got, expected in zip(other.weights, whole.weights, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("held", "kind"), [(2**40, "image"), (0, "image"), (0, "numeric")])
def test_batches_hold_the_bits_of_whole_arrays(train, tmp_path, monkeypatch, held, kind):
    monkeypatch.setattr(_npz_file, "MAPPED_FROM", 0)
    monkeypatch.setattr(_arrays, "IN_MEMORY", 0)
    path = path_of(tmp_path, kind)
    job = train("custom", "data=npz", f"data.path={path}", "model=linear", "trainer.batch_size=16").job
    monkeypatch.setattr(pipeline, "MAX_HELD_BYTES", held)
    x, order = np.asarray(job.train.x), pipeline.order(job.plan, len(job.train), 0)
    got = [batch[0].numpy() for batch in pipeline.Feed(job.train, job.plan).dataset()]
    assert [len(b) for b in got] == [16] * (len(x) // 16) + [len(x) % 16] * (len(x) % 16 > 0)
    assert np.concatenate(got).tobytes() == x[order].tobytes()
    shown = [batch[0].numpy() for batch in pipeline.in_order(job.validation, 16)]
    assert np.concatenate(shown).tobytes() == np.asarray(job.validation.x).tobytes()
    # Images are held, and sent, as bytes.
    assert held_arrays.stored(job.train.x).dtype == {"image": "uint8", "numeric": "float32"}[kind]


def test_whole_makes_the_tensor_of_a_view():
    x = RNG.normal(size=(1000, 37)).astype("float32")
    view = View.of(x).part(RNG.permutation(1000)[:501])
    assert np.array_equal(held_arrays.whole(view).numpy(), np.asarray(view))
    tensor = held_arrays.whole(x)
    x[0] = 0  # an array that somebody else holds is copied
    assert not np.array_equal(tensor.numpy(), x)


def test_examples_in_a_variable_are_gathered_without_a_copy_of_all():
    values = held_arrays.aligned(View.of(np.zeros((1000, 4), "float32")))
    values[:] = RNG.normal(size=values.shape)
    view = View.of(values)
    variable = held_arrays.exchangeable(view)
    gather = tf.function(lambda index: held_arrays.gathered(variable, index, view), autograph=False)
    for _ in range(2):
        assert np.array_equal(gather(tf.constant([3, 1])).numpy(), values[[3, 1]])
        values[3] += 1  # in the memory that the variable has


def test_held_passes_that_may_be_exchanged_take_views(train, tmp_path, monkeypatch):
    monkeypatch.setattr(_npz_file, "MAPPED_FROM", 0)
    monkeypatch.setattr(_arrays, "IN_MEMORY", 0)
    path = path_of(tmp_path, "numeric")
    job = train("fit", "data=npz", f"data.path={path}", "model=linear", "trainer.batch_size=16").job
    kept = compiled_epoch.Pass(job, job.model.train_step, job.train, reusable=True)
    assert kept.renew(job.validation, len(job.validation))
    assert np.array_equal(kept.held[0].numpy(), np.asarray(job.validation.x))
    assert fit_from_arrays.Indexed.fits(job)
