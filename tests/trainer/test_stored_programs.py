"""A stored program gives the bits of a traced one, and is found by all that decides it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import keras
import pytest
import tensorflow as tf

import trainrun
from trainrun.config.phases import Phase
from trainrun.failure.adjustments import NO_ADJUSTMENTS
from trainrun.registry import lookup
from trainrun.run import builders, runner
from trainrun.run.context import RunContext
from trainrun.run.run_builder import RunBuilder
from trainrun.step._evaluate import evaluate
from trainrun.step.default import default
from trainrun.trainer import compiled_calls, stored_programs
from trainrun.trainer.compiled_epoch import Pass
from trainrun.trainer.epoch_loop import build

QUIET = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "artifacts.model=false", "data=digits",
         "trainer.epochs=2", "trainer.limit=150"]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TRAINRUN_PROGRAMS", raising=False)
    with lookup.isolated():  # without what other tests have plugged in
        yield tmp_path / "cache" / "trainrun" / "programs"


def trained(inside, settings):
    """Return what a run of a process of trainrun's own comes to: weights, metrics, history."""
    overrides = [*QUIET, *settings]
    run_dir = Path(tempfile.mkdtemp(dir=inside))
    context = RunContext(own_process=True)
    result = runner.run(trainrun.compose(overrides), run_dir, overrides, context=context)
    return result.summary["weights_sha256"], result.metrics, result.history


@pytest.mark.parametrize(
    "settings",
    [
        ["trainer=custom", "model.dropout=0.3", "schedule=cosine", "augment=gaussian_noise"],
        ["hardware.precision=mixed_float16", "trainer.class_weight=balanced", "optimizer=lookahead"],
    ],
    ids=lambda settings: settings[0],
)
def test_a_loaded_program_gives_the_bits_of_a_traced_one(inside, folder, monkeypatch, settings):
    with monkeypatch.context() as without:
        without.setenv("TRAINRUN_PROGRAMS", "0")
        plain = trained(inside, settings)
    assert not folder.exists()
    assert trained(inside, settings) == plain
    stored = set(folder.iterdir())

    def no_trace(steps):
        raise AssertionError("traced")

    monkeypatch.setattr(compiled_calls, "by_kernels", no_trace)
    assert trained(inside, settings) == plain
    assert set(folder.iterdir()) == stored


def test_damaged_files_are_traced_anew_and_old_ones_removed(inside, folder):
    plain = trained(inside, [])
    whole = sorted(folder.iterdir())
    content = whole[1].read_bytes()
    whole[0].write_bytes(content)  # of another program
    whole[1].write_bytes(content[:-10] + b"0" * 10)
    folder.joinpath("old.program").touch()
    os.truncate(folder / "old.program", stored_programs.MOST_BYTES)
    os.utime(folder / "old.program", (0, 0))
    assert trained(inside, []) == plain
    # A trace numbers its functions, so that not all bytes are the same.
    assert whole[1].read_bytes()[:70] == content[:70] != whole[0].read_bytes()[:70]
    assert sorted(folder.iterdir()) == whole


def file_of(settings=(), step=default, executor="", own_process=True, change=lambda job: None):
    """Return the name of the file that a pass is stored in; None: in none."""
    config = trainrun.compose([*QUIET, *settings])
    strategy = builders.strategy(config)
    context = RunContext(own_process=own_process)
    builder = RunBuilder(Phase(config), builders.dataset(config), strategy, Path(), context)
    job = builder.job(NO_ADJUSTMENTS)
    build(job)
    change(job)
    steps = Pass(job, step, job.train, augment=job.augment)
    steps.executor = executor
    file = stored_programs.Store(steps, job).file
    return file and file.name


def test_the_file_of_a_program_depends_on_all_that_decides_it(folder, monkeypatch):
    names = [file_of()]
    assert file_of() == names[0] == file_of(["optimizer.learning_rate=0.1", "name=other"])
    settings = (
        "model.activation=tanh", "optimizer.beta_1=0.8", "loss=focal", "metric=auc", "schedule=cosine", "trainer.batch_size=16",
        "trainer.limit=140", "augment=gaussian_noise", "hardware.precision=mixed_bfloat16",
    )  # fmt: skip
    names += [file_of([setting]) for setting in settings]

    def freeze(job):
        job.model.layers[1].trainable = False

    names += [file_of(step=evaluate), file_of(executor="SINGLE_THREADED_EXECUTOR"), file_of(change=freeze)]
    for change in (
        lambda patch: patch.setattr(stored_programs, "CODE", [1, 2, 3]),
        lambda patch: patch.setattr(tf, "__version__", "0"),
        lambda patch: patch.setattr(keras, "__version__", "0"),
        lambda patch: patch.setenv("TF_SOME_FLAG", "1"),
    ):
        with monkeypatch.context() as patch:
            change(patch)
            names.append(file_of())
    assert None not in names and len(set(names)) == len(names)


def test_what_a_digest_cannot_tell_is_not_stored(folder, monkeypatch):
    assert file_of(own_process=False) is None
    assert file_of(["trainer.jit_compile=true"]) is None

    class Own(keras.layers.Layer):
        pass

    monkeypatch.setattr(stored_programs, "foreign_parts", lambda model: [Own()])
    assert file_of() is None
