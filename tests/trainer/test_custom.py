"""The custom trainer: parts of a batch, large data, replicas, compiled and not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trainrun.cli import main

from .test_agreement import SMALL, agree


@pytest.mark.parametrize(
    ("parts", "extra"),
    [
        (5, []),
        (2, ["trainer.class_weight=balanced", "model.regularizer=l2"]),
        (5, ["loss.reduction=mean_with_sample_weight", "loss=categorical_crossentropy", "trainer.class_weight=balanced"]),
    ],
)  # fmt: skip
def test_accumulated_parts_of_a_batch_equal_the_step_of_the_whole_batch(parts, extra, train, deterministic):
    whole = train("custom", *SMALL, "trainer.epochs=2", *extra)
    agree([whole, train("custom", *SMALL, "trainer.epochs=2", *extra, f"trainer.accumulate={parts}")])


def test_whole_batch_loss_with_accumulation_is_refused_by_check(capsys):
    settings = ["experiment=segmentation_iou", "trainer=custom", "trainer.accumulate=2"]
    assert main(["check", *settings]) == 2
    assert "error: loss: Dice is one number for the whole batch" in capsys.readouterr().err


def test_data_that_is_too_large_to_hold_is_sent_in_blocks(train, deterministic, monkeypatch):
    from trainrun.trainer import compiled_epoch, held_arrays

    held = train("custom", *SMALL, "trainer.epochs=3")
    monkeypatch.setattr(compiled_epoch, "MAX_HELD_BYTES", 0)
    monkeypatch.setattr(held_arrays, "BLOCK_BYTES", 16 * 2 * 24)  # two steps or so
    agree([held, train("custom", *SMALL, "trainer.epochs=3")])


def test_eager_xla_and_several_steps_a_call_agree(train):
    settings = (
        "seed=42",
        "trainer.run_eagerly=true",
        "trainer.jit_compile=true",
        "trainer.steps_per_execution=2",
    )
    agree([train("custom", *SMALL, "trainer.epochs=2", s) for s in settings], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["3"], ["3", "several outputs"]])
def test_replicas_give_the_losses_of_one_device(arguments):
    script = Path(__file__).with_name("replicas.py")
    done = subprocess.run(
        [sys.executable, script, *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    histories = json.loads(done.stdout.splitlines()[-1])
    for case, runs in histories.items():
        for other in runs[1:]:
            for name, values in runs[0].items():
                np.testing.assert_allclose(
                    other[name], values, rtol=1e-5, atol=1e-7, err_msg=f"{case}: {name}"
                )


CNN = ["data=digits", "model=cnn", "model.filters=[4]", "model.units=6", "trainer.limit=70", "trainer.batch_size=16"]  # fmt: skip


@pytest.mark.parametrize(
    ("trainer", "arguments"), [("custom", SMALL), ("fit", SMALL), ("custom", CNN)], ids=["custom", "fit", "cnn"]
)  # fmt: skip
def test_xla_over_the_whole_pass_gives_the_losses_of_plain_keras(trainer, arguments, train):
    """62 examples in batches of 16: the program has a smaller last batch. (Keras refuses XLA with op determinism.)"""
    plain = train("train_on_batch", *arguments, "trainer.epochs=3")
    agree([plain, train(trainer, *arguments, "trainer.epochs=3", "trainer.jit_compile=true")], rtol=1e-5)


def test_xla_takes_data_in_blocks_and_epochs_longer_than_the_training_set(train, monkeypatch):
    from trainrun.trainer import compiled_epoch, held_arrays

    arguments = ["data=breast_cancer", "model=linear", "trainer.limit=70", "trainer.batch_size=16", "trainer.epochs=2"]  # fmt: skip
    arguments += ["trainer.resample=oversample", "data.validation=0", "metric=none"]
    ways = ("false", "true")
    held = [train("custom", *arguments, f"trainer.jit_compile={xla}") for xla in ways]
    monkeypatch.setattr(compiled_epoch, "MAX_HELD_BYTES", 0)
    monkeypatch.setattr(held_arrays, "BLOCK_BYTES", 16 * 2 * 124)
    agree([*held, train("custom", *arguments, "trainer.jit_compile=true")], rtol=1e-5)
