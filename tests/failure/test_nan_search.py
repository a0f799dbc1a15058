"""A loss that is not finite: the report names the step, the examples and the tensor; a rollback goes on."""

from __future__ import annotations

import functools
import json
import re

import numpy as np
import pytest
from failing import EXAMPLES, QUICK, events, read

import trainrun.errors
from trainrun.cli import main
from trainrun.data._order import epoch_order

STEPS = EXAMPLES // 8


def place(example, epoch=0, seed=42):
    """The step, from 1, in which an example comes."""
    return int(np.flatnonzero(epoch_order(seed, epoch, EXAMPLES) == example)[0]) // 8 + 1


def finite(run_dir):
    """Whether all that is saved is finite."""
    from trainrun.checkpoint import file

    newest, damage = file.newest(run_dir)
    assert not damage
    return newest is None or all(
        np.isfinite(a).all() for n, a in newest.arrays.items() if n.startswith("weights")
    )


@pytest.mark.parametrize("trainer", ["fit", "train_on_batch", "custom"])
def test_example_with_a_nan_loss_is_named(trainer, run):
    message, run_dir = run.fail("loss=nan_at_mark", "data.where=label", f"trainer={trainer}")
    examined = read(run_dir, "autopsy.json")
    assert (examined["epoch"], examined["step"]) == (1, place(41))
    assert examined["first"]["kind"] == "loss" and examined["examples"] == {"count": 1, "first": [41]}
    step = place(41)
    assert examined["batch"]["first"] == epoch_order(42, 0, EXAMPLES)[(step - 1) * 8 : step * 8].tolist()
    assert f"loss became nan in epoch 1, step {step}: the loss" in message and "example 41 " in message
    assert "Traceback" not in message
    assert message.splitlines()[0] in (run_dir / "run.log").read_text()
    summary = read(run_dir, "summary.json")
    assert summary["status"] == "FAILED" and summary["attempts"][0]["failure"] == "non_finite"
    (event,) = events(run_dir, "attempt")
    assert event["answer"] == "stopped"
    (event,) = events(run_dir, "non_finite")
    assert event["step"] == step
    assert finite(run_dir)


def test_a_gradient_that_is_nan_shows_in_the_loss_of_the_step_after(run):
    message, run_dir = run.fail("loss=steep_at_mark", "data.where=label", "trainer=custom")
    examined = read(run_dir, "autopsy.json")
    assert examined["cause"]["step"] == place(41) and examined["step"] == place(41) + 1
    assert examined["first"]["kind"] == "gradient"
    assert (
        f"the gradient of {examined['first']['name']} is the first" in message
        and "A root, a quotient" in message
    )


def test_infinite_input_of_a_plug_in_is_refused_before_training(run):
    with pytest.raises(
        trainrun.errors.UserError, match="x has 1 values that are NaN or infinite, the first in row 41"
    ):
        run("loss=mse", "data.where=input", "trainer=fit")


@functools.cache
def explode(rate):
    """Return the first step, over all epochs, whose loss is not finite; plain numpy, float32, a linear model."""
    import trainrun

    model = trainrun.run([*QUICK, "model=linear", "loss=mse", "optimizer=sgd", "optimizer.learning_rate=1e-30",
                          "trainer.epochs=1"]).model  # fmt: skip
    data = trainrun.build("data", "marked", where="none")
    w, b = (np.array(v) for v in model.get_weights())
    x, y = data.train.x, data.train.y
    y = (y - y.mean()) / y.std() if "standardize_target" in data.preprocessing else y
    at = 0
    with np.errstate(all="ignore"):
        for epoch in range(20):
            order = epoch_order(42, epoch, EXAMPLES)
            for step in range(STEPS):
                rows = order[step * 8 : step * 8 + 8]
                error = (x[rows] @ w + b - y[rows]).astype("float32")
                if not np.isfinite(np.mean(error * error, dtype="float32")):
                    return at
                w = (w - np.float32(rate) * 2 * x[rows].T @ error / 8).astype("float32")
                b = (b - np.float32(rate) * 2 * error.mean(axis=0)).astype("float32")
                at += 1
    return None


@pytest.mark.parametrize("trainer", ["fit", "custom"])
def test_too_high_learning_rate_is_diagnosed_from_a_checkpoint(trainer, run, project, monkeypatch):
    """Under `custom` the training changes over to XLA after its first epoch, and the search repeats the steps by XLA, too."""
    import shutil

    from trainrun.trainer import change_over, compiled_calls

    expected = explode(4.0)
    shutil.rmtree(project / "outputs", ignore_errors=True)
    programs = []
    with monkeypatch.context() as patch:
        if trainer == "custom":
            by_xla = compiled_calls.by_xla
            patch.setattr(change_over, "AT_MOST", 1e9)
            patch.setattr(compiled_calls, "by_xla", lambda steps: programs.append(steps) or by_xla(steps))
        message, run_dir = run.fail(
            "model=linear", "loss=mse", "optimizer=sgd", "optimizer.learning_rate=4.0", f"trainer={trainer}",
            "trainer.epochs=20", "checkpoint.every=1epochs",
        )  # fmt: skip
    examined = read(run_dir, "autopsy.json")
    assert expected > STEPS, "the test is to go on from a checkpoint"
    assert (examined["epoch"] - 1) * STEPS + examined["step"] - 1 == expected
    assert examined["from"] == "last.npz"
    assert "learning_rate (it was 4)" in message
    assert len(programs) == (2 if trainer == "custom" else 0)
    assert finite(run_dir)
    lines = [json.loads(line) for line in (run_dir / "journal.jsonl").read_text().splitlines()]
    assert lines[-1]["status"] == "FAILED"
    # What it says to do.
    assert main(["resume", str(run_dir), "failure.non_finite=rollback", "failure.rate=0.01"]) == 0
    summary = read(run_dir, "summary.json")
    assert summary["status"] == "FINISHED" and summary["epochs"] == 20
    assert summary["attempts"][-1]["rate"] == pytest.approx(0.01)


@pytest.mark.parametrize("schedule", [[], ["schedule=cosine_decay", "schedule.initial_learning_rate=4.0"]])
def test_a_rollback_reaches_the_end_at_a_lower_rate(schedule, run):
    result = run("model=linear", "loss=mse", "optimizer=sgd", "optimizer.learning_rate=4.0",
                 "trainer.epochs=6", "checkpoint.every=1epochs", "failure.non_finite=rollback",
                 "failure.rate=0.1", "trainer=custom", *schedule)  # fmt: skip
    assert result.summary["status"] == "FINISHED" and result.summary["epochs"] == 6
    attempts = result.summary["attempts"]
    assert [a["rate"] for a in attempts] == pytest.approx([0.1 ** (i + 1) for i in range(len(attempts))])
    assert attempts[0]["answer"].startswith("rolled back") and attempts[0]["checkpoint"] == "last.npz"
    if not schedule:
        assert result.history["learning_rate"][-1] == pytest.approx(4.0 * attempts[-1]["rate"])
    assert all(np.isfinite(result.history["loss"]))
    assert len(result.history["loss"]) == 6


def test_number_of_rollbacks_is_limited(run):
    message, run_dir = run.fail(
        "loss=nan_at_mark", "data.where=label", "failure.non_finite=rollback", "failure.rollbacks=2"
    )
    attempts = read(run_dir, "summary.json")["attempts"]
    assert [a["answer"].split(",")[0] for a in attempts] == ["rolled back", "rolled back", "stopped"]
    assert "example 41 " in message


def test_a_validation_loss_that_is_nan_is_a_warning_once(run, capsys):
    result = run("data.where=validation", "loss=nan_at_mark")
    assert result.status == "FINISHED"
    assert capsys.readouterr().err.count("val_loss is nan") == 1


def test_terminate_on_nan_callback_finishes_the_run_normally(run):
    result = run("loss=nan_at_mark", "data.where=label", "callback=terminate_on_nan")
    assert result.status == "FINISHED"
    assert finite(result.run_dir), "what is saved stays whole"


@pytest.mark.parametrize(
    ("minutes", "text"), [("0", "minutes=0 allows no search"), ("1e-9", "would take longer")]
)
def test_nan_search_is_skipped_beyond_its_time_limit(minutes, text, run):
    message, run_dir = run.fail("loss=nan_at_mark", "data.where=label", f"failure.minutes={minutes}")
    # How many steps are one compiled call, and so how narrow the range is, depends on the machine's speed.
    match = re.search(r"in epoch (\d+), steps? (\d+)(?: to (\d+))?", message)
    epoch, first, last = (int(n) for n in (match[1], match[2], match[3] or match[2]))
    assert text in message and epoch == 1 and 1 <= first <= place(41) <= last <= STEPS
    assert read(run_dir, "autopsy.json")["noticed"]["epoch"] == 1
