"""Frozen weights and groups of weights: the same under every trainer and after a resume; listed before training."""

from __future__ import annotations

import json

import numpy as np
import pytest

import trainrun
from trainrun.cli import main
from trainrun.errors import UserError

SMALL = [
    "data=iris", "model=mlp", "model.units=[8,4]", "model.batch_norm=true", "model.freeze='hidden_1/.*'", "optimizer=adamw",
    "optimizer.groups={hidden_2/.*: {scale: 0.1}, .*bias: {weight_decay: 0}}", "optimizer.global_clipnorm=0.5", "schedule=cosine",
    "tracking=none", "artifacts.plots=false", "artifacts.weights=last", "trainer.epochs=2",
]  # fmt: skip

PLAIN = ["data=iris", "model=mlp", "tracking=none"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """The run by `fit`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("fitted"))
        yield trainrun.run(SMALL, run_dir="outputs/runs/fitted")


@pytest.mark.parametrize("trainer", ["train_on_batch", "custom"])
def test_trainers_agree(fitted, inside, trainer):
    other = trainrun.run([*SMALL, f"trainer={trainer}"])
    for got, expected in zip(other.model.get_weights(), fitted.model.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_what_becomes_of_each_weight_is_in_the_journal(fitted):
    events = [json.loads(line) for line in (fitted.run_dir / "journal.jsonl").read_text().splitlines()]
    (event,) = [e for e in events if e.get("event") == "weights"]
    rows = {w.pop("path"): w for w in event["weights"]}
    assert rows["hidden_1/kernel"] == {"shape": [4, 8], "state": "frozen"}
    assert rows["hidden_2/kernel"] == {"shape": [8, 4], "state": "trained", "scale": 0.1}
    assert rows["head/bias"] == {"shape": [3], "state": "trained", "weight_decay": 0}


def test_a_resumed_run_ends_with_the_same_bits(fitted, inside):
    trainrun.run([*SMALL, "trainer.epochs=1", "schedule.decay_steps=8"], run_dir="outputs/runs/short")
    whole = trainrun.run([*SMALL, "schedule.decay_steps=8"])
    assert main(["resume", "short", "trainer.epochs=2"]) == 0
    for got, expected in zip(
        trainrun.load("short").model.get_weights(), whole.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.groups={3: {scale: 0.1}}", "optimizer.groups: expected a regular expression"),
        ("optimizer.groups={head/.*: {scal: 0.1}}", "a group has no 'scal'. Did you mean scale"),
        (
            "optimizer.groups={head/.*: {scale: 0}}",
            "a number above 0.*Weights that are not trained: model.freeze",
        ),
        ("optimizer.groups={*: {scale: 1}}", "no regular expression"),
        ("optimizer.groups=0.1", "optimizer.groups: expected keys"),
        ("model.trainable=false", "would have nothing to train"),
        ("model.freeze=3", "model.freeze: expected text"),
    ],
)
def test_what_cannot_be_is_refused_before_tensorflow(override, message):
    with pytest.raises(UserError, match=message):
        trainrun.compose([*PLAIN, override])


def test_a_group_that_names_no_weight_is_refused_with_the_near_ones(inside):
    with pytest.raises(UserError, match=r"optimizer.groups: 'heads/.*Near ones: head"):
        trainrun.run([*PLAIN, "optimizer.groups={heads/.*: {scale: 0.1}}"])
