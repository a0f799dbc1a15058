"""What keeps a trial from its work is told before TensorFlow loads, with a way out."""

from __future__ import annotations

import pytest

import trainrun
from trainrun.errors import UserError
from trainrun.hydra_bridge import preflight

PARABOLA = [
    "data=none",
    "model=quadratic",
    "loss=model_output",
    "metric=none",
    "optimizer=sgd",
    "trainer.batch_size=1",
]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["tune.batch_size=maybe"], "tune.batch_size: expected one of auto, or null, got 'maybe'"),
        (["tune.learning_rate=0.1"], "tune.learning_rate: expected one of auto, or null"),
        (["tune.batchsize=auto"], "Did you mean batch_size?"),
        (["tune.steps=3"], "tune.steps: expected a whole number of at least 10, got 3"),
        (["tune.rates=[1.0,0.1]"], "tune.rates: expected the first below the last"),
        (["tune.rates=[0.1]"], "tune.rates: expected two numbers"),
        (["tune.rates=[0.0,1.0]"], "tune.rates: expected a number above 0"),
        (["tune.memory=0"], "tune.memory: expected a whole number of at least 1"),
        (["profile_steps=[20,10]"], "profile_steps: expected the first below the last"),
        (["profile_steps=[0,10]"], "profile_steps: expected a whole number of at least 1"),
        ([*PARABOLA, "trainer=minimize", "tune.learning_rate=auto"], "trainer=minimize takes the whole data in one"),
        ([*PARABOLA, "trainer=gradient_loop", "tune.batch_size=auto"], "Take trainer=fit"),
        ([*PARABOLA, "trainer=minimize", "profile=true"], "profile: needs a trainer that takes steps"),
        (["optimizer=lookahead", "tune.learning_rate=auto"], "Set optimizer.learning_rate, to any number"),
        (
            ["schedule=cosine_decay", "schedule.initial_learning_rate=0.5", "tune.learning_rate=auto"],
            "schedule=CosineDecay has rates of its own",
        ),
        (
            ["hardware=multi_worker", "hardware.local_workers=2", "trainer=custom", "tune.batch_size=auto"],
            "Find the value on one machine",
        ),
    ],
    ids=lambda v: " ".join(v)[-60:] if isinstance(v, list) else "",
)  # fmt: skip
def test_is_refused(overrides, message):
    with pytest.raises(UserError) as error:
        trainrun.compose(overrides)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["tune.batch_size=auto", "tune.learning_rate=auto", "profile=true"],
        ["tune.learning_rate=auto", "schedule=one_cycle"],
        ["tune.learning_rate=auto", "schedule=piecewise"],
        ["tune.learning_rate=auto", "optimizer=lookahead", "optimizer.learning_rate=0.1"],
        ["profile_steps=[7,7]"],
        ["trainer=minimize", *PARABOLA[:-1]],
    ],
    ids=" ".join,
)
def test_is_accepted(overrides):
    assert preflight.overrides(overrides)[1] == []
