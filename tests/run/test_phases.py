"""A run in phases, held to a plain Keras script of two `fit`s, and resumed in each phase to the same bits."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import trainrun
from trainrun.cli import main
from trainrun.errors import UserError
from trainrun.trainer.job import Plan
from trainrun.trainer.pipeline import order

PHASES = "phases=[{epochs: 2, model.freeze: hidden_1/.*}, {epochs: 3, model.freeze: null, optimizer.learning_rate: 0.003}]"
SMALL = [
    "data=iris", "model=mlp", "model.units=[8,4]", "optimizer.learning_rate=0.02", "tracking=none", "artifacts.plots=false",
    "artifacts.weights=last", "checkpoint.every=1epochs",
]  # fmt: skip
STOPS = """
import keras, pathlib, trainrun

@trainrun.register("callback", "dies")
class Dies(keras.callbacks.Callback):
    def __init__(self, epoch: int = 0):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch and not pathlib.Path("died").exists():
            pathlib.Path("died").touch()
            raise RuntimeError("dies here")
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run in two phases."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("whole"))
        yield trainrun.run([*SMALL, PHASES])


def test_two_phases_are_two_fits_of_a_plain_keras_script(whole, inside):
    start = trainrun.run([*SMALL, "trainer.epochs=1", "optimizer.learning_rate=1e-30"]).model
    data = whole.data()
    model = keras.models.clone_model(start)
    model.set_weights(start.get_weights())
    losses = []
    for first, last, rate, frozen in ((0, 2, 0.02, True), (2, 5, 0.003, False)):
        model.get_layer("hidden_1").trainable = not frozen
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
        for epoch in range(first, last):
            rows = order(Plan.of(len(data.train), 5, 32, None, 42, True), len(data.train), epoch)
            history = model.fit(
                data.train.x[rows], data.train.y[rows], batch_size=32, shuffle=False, verbose=0
            )
            losses += history.history["loss"]
    np.testing.assert_allclose(whole.history["loss"], losses, rtol=1e-5)
    for got, expected in zip(whole.model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_a_run_in_phases_has_one_history_and_one_record(whole):
    lines = [json.loads(line) for line in (whole.run_dir / "journal.jsonl").read_text().splitlines()]
    assert [r["epoch"] for r in lines if r["kind"] == "epoch"] == [1, 2, 3, 4, 5]
    assert whole.summary["epochs"] == 5 and whole.summary["steps"] == 5 * 3
    (phase,) = [r for r in lines if r.get("event") == "phase"]
    assert phase["number"] == 2 and phase["changed"]["optimizer.learning_rate"] == 0.003
    tables = [{w["path"]: w["state"] for w in r["weights"]} for r in lines if r.get("event") == "weights"]
    assert [t["hidden_1/kernel"] for t in tables] == ["frozen"]
    log = (whole.run_dir / "run.log").read_text()
    assert " 1/5 " in log and "continuing with" not in log  # nothing had stopped


@pytest.mark.parametrize("epoch", [1, 2, 3], ids=["in the first", "at the second's begin", "in the second"])
def test_a_run_that_died_in_a_phase_is_resumed_to_the_same_bits(whole, inside, epoch, capsys):
    Path("stops.py").write_text(STOPS)
    with pytest.raises(Exception, match="dies here"):
        trainrun.run(
            [*SMALL, PHASES, "plugins=[./stops.py]", "callback=dies", f"callback.dies.epoch={epoch}"],
            run_dir="outputs/runs/dead",
        )
    assert main(["resume", "dead"]) == 0
    assert f"continuing with epoch {epoch + 1} of 5" in capsys.readouterr().out
    resumed = trainrun.load("dead")
    assert resumed.history["loss"] == whole.history["loss"]
    for got, expected in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["phases=[{epochs: 2, model.units: 3}]"], "phases.0..model.units: a phase cannot change it"),
        (["phases=[{model.freeze: null}]"], "phases.0..epochs: expected a whole number"),
        (
            ["phases=[{epochs: 2, optimizer.learning_rat: 1}]"],
            "phases.0..optimizer.learning_rat: .*Did you mean learning_rate",
        ),
        (
            ["phases=[{epochs: 1}, {epochs: 2, optimizer.learning_rate: -1}]"],
            "phases.1..optimizer.learning_rate: .*above 0",
        ),
        (
            ["phases=[{epochs: 1, model.freeze: '('}, {epochs: 2}, {epochs: 3}]"],
            r"^phases.0..model.freeze: '\(' is no regular expression[^\n]*$",
        ),
        (["phases=[{epochs: 2}]", "optimizer.use_ema=true"], "does not go over phases"),
        (["phases=3"], "expected a list of phases"),
        (
            ["phases=[{epochs: 2}]", "trainer.epochs=5"],
            "trainer.epochs: the phases have epochs of their own, 2 together",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_tensorflow(overrides, message):
    with pytest.raises(UserError, match=message):
        trainrun.compose([*SMALL, *overrides])
