"""The profile: a trace that TensorBoard can read, and a table whose parts are what they are called."""

from __future__ import annotations

import json
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import trainrun
from trainrun.inspect import profiling
from trainrun.inspect.profiling import Profile
from trainrun.model.cost import FORWARD_PASSES_PER_STEP, Cost
from trainrun.run import builders
from trainrun.trainer import held_arrays

QUICK = ["data=digits", "model.units=[16]", "tracking=none", "trainer.limit=320", "trainer.epochs=3", "metric=none",
         "artifacts.model=false", "artifacts.plots=false", "artifacts.report=false"]  # fmt: skip


def traced_operations(run_dir):
    """Return the names of what was traced, read as TensorBoard's plug-in does."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    (path,) = (run_dir / "profile" / "plugins" / "profile").glob("*/*.xplane.pb")
    space = xplane_pb2.XSpace()
    space.ParseFromString(path.read_bytes())
    return " ".join(event.name for plane in space.planes for event in plane.event_metadata.values())


@pytest.mark.parametrize("trainer", ["fit", "custom", "train_on_batch"])
def test_a_trace_and_a_table_without_a_trace_in_the_result(trainer, inside, capsys):
    asked = [*QUICK, f"trainer={trainer}", "hardware.deterministic=true"]
    result = trainrun.run([*asked, "profile=true", "profile_steps=[12,13]"])
    output = capsys.readouterr().out
    content = json.loads((result.run_dir / "profile.json").read_text())
    assert "MatMul" in traced_operations(result.run_dir)
    first, last = content["steps_traced"]
    # fit takes an epoch of 10 steps at once; the first whole call from step 12 on is the third epoch.
    assert (
        first >= 12
        and last >= 13
        and (first, last) == {"fit": (21, 30), "train_on_batch": (12, 13)}.get(trainer, (first, last))
    )
    seconds = content["seconds"]
    parts = seconds["computation"] + seconds["input"] + seconds["python_and_other"]
    assert parts == pytest.approx(seconds["wall"]) and min(seconds.values()) >= 0
    assert sum(content["share"].values()) == pytest.approx(1, abs=1e-3)
    for word in ("computation", "input", "python and other", f"steps {first} to {last} are traced"):
        assert word in output
    plain = trainrun.run(asked)
    assert plain.summary["weights_sha256"] == result.summary["weights_sha256"]
    assert not (plain.run_dir / "profile.json").exists()


def test_run_that_ends_before_the_profiled_step_warns(inside, capsys):
    result = trainrun.run([*QUICK, "trainer.epochs=1", "profile=true", "profile_steps=[500,510]"])
    assert "nothing is traced" in capsys.readouterr().err
    assert json.loads((result.run_dir / "profile.json").read_text())["trace"] is None


def test_calls_are_timed_as_they_are(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    profile = Profile(tmp_path, 10**6, 10**6)
    for epoch in range(3):
        profile.on_epoch_begin(epoch)
        for begin, end in ((0, 3), (4, 9)):
            now[0] += 0.5  # between two calls
            profile.on_train_batch_begin(begin)
            now[0] += 100.0 if epoch == 0 else 2.0  # the first epoch compiles
            profile.on_train_batch_end(end)
        now[0] += 30.0  # validation
    steps, wall, between = profile.wall()
    assert (steps, wall, between) == (
        20,
        pytest.approx((4 * 2.0 + 4 * 0.5) / 20),
        pytest.approx(4 * 0.5 / 20),
    )


def job(*overrides):
    config = trainrun.compose([*QUICK, *overrides])
    strategy = builders.strategy(config)
    return builders.job(config, builders.dataset(config), strategy)


def test_computation_is_that_of_a_step_written_by_hand(inside):
    built = job("model.units=[1024,1024]", "trainer.batch_size=256")
    computation = profiling.computation(built)
    x, y = tf.constant(built.train.x[:256]), tf.constant(built.train.y[:256])
    model = built.model
    variables = model.trainable_variables

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, model(x, training=True)))
        model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    step()
    times = []
    for _ in range(20):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    # The machine is shared: within a factor of five it is the same thing that is measured; a step of another kind, or
    # one that waits for its input, is off by more.
    assert 0.2 < computation / min(times) < 5
    assert Cost.of(model, 256).flops * FORWARD_PASSES_PER_STEP * 256 / computation > 1e9, (
        "slower than any processor of this century"
    )


@pytest.mark.parametrize("trainer", ["fit", "custom", "train_on_batch"])
def test_a_slow_input_is_seen_as_input(trainer, inside, monkeypatch):
    built = job("trainer.batch_size=32")
    quick = profiling.feeding(built, trainer)

    def slowly(index):
        time.sleep(0.01)
        return [a[index] for a in (built.train.x, built.train.y)]

    def read(split):
        return lambda index: tf.numpy_function(slowly, [index], [tf.float32, built.train.y.dtype])

    def one_by_one(split, indices, size):
        for start in range(0, len(indices), size):
            yield (*slowly(indices[start : start + size]), None)

    monkeypatch.setattr("trainrun.trainer.pipeline.gather", read)
    monkeypatch.setattr(profiling, "gather", read)
    monkeypatch.setattr(profiling, "batches", one_by_one)
    slow = profiling.feeding(built, trainer)
    assert quick < 0.005 and 0.009 < slow < 0.03
    assert np.isfinite(slow)


@pytest.mark.parametrize("trainer", ["fit", "custom"])
def test_a_split_that_is_read_in_blocks_is_timed_in_blocks(trainer, inside, monkeypatch):
    built, block = job("trainer.batch_size=32"), held_arrays.block
    monkeypatch.setattr(profiling, "MAX_HELD_BYTES", 0)
    monkeypatch.setattr(held_arrays, "BLOCK_BYTES", 2 * 32 * 265)  # two steps
    sizes = []

    def slowly(split, index):
        sizes.append(len(index))
        time.sleep(0.04)
        return block(split, index)

    monkeypatch.setattr(held_arrays, "block", slowly)
    # Ten steps an epoch.
    assert 0.019 < profiling.feeding(built, trainer) < 0.05
    assert max(sizes) == 64
