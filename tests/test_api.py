"""`trainrun.build`: bare Keras objects, held against those that Keras itself makes."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import trainrun
from trainrun.errors import UserError


@pytest.mark.parametrize(("group", "option"), [("optimizer", "adam"), ("metric", "auc"), ("loss", "huber")])
def test_an_object_takes_a_name_of_its_own(group, option):
    assert trainrun.build(group, option, name="mine").name == "mine"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MSE", keras.losses.mean_squared_error),
        ("MAE", keras.losses.mean_absolute_error),
        ("KLD", keras.losses.kl_divergence),
        ("kullback_leibler_divergence", keras.losses.kl_divergence),
        ("cosine_proximity", keras.losses.cosine_similarity),
    ],
)
def test_keras_capital_and_old_names_are_known(name, expected):
    y, p = np.array([[0.2, 0.8], [0.5, 0.5]]), np.array([[0.4, 0.6], [0.1, 0.9]])
    mean = float(np.mean(expected(y, p)))
    assert float(trainrun.build("loss", name)(y, p)) == pytest.approx(mean, rel=1e-6)
    metric = trainrun.build("metric", name)
    metric.update_state(y, p)
    # Keras' metric of that name is the similarity itself, its loss the negative.
    assert abs(float(metric.result())) == pytest.approx(abs(mean), rel=1e-6)


@pytest.mark.parametrize("steps", [100, "100", "100steps"])
def test_a_schedule_alone_takes_numbers_of_steps(steps):
    ours = trainrun.build("schedule", "cosine_decay", initial_learning_rate=0.1, decay_steps=steps)
    plain = keras.optimizers.schedules.CosineDecay(0.1, 100)
    assert [float(ours(i)) for i in (0, 5, 50, 100)] == [float(plain(i)) for i in (0, 5, 50, 100)]


@pytest.mark.parametrize("option", ["cosine_decay", "one_cycle", "piecewise_constant_decay"])
def test_a_share_of_a_run_needs_a_run(option):
    with pytest.raises(UserError, match="is a part of a run, which has no steps here"):
        trainrun.build("schedule", option)


def test_a_run_directory_among_the_overrides_has_to_be_a_plain_name():
    with pytest.raises(UserError, match=r"hydra.run.dir: .*now.* Pass run_dir="):
        trainrun.run(["tracking=none", "hydra.run.dir=runs/${now:%Y}"])


def test_arrays_without_a_target_need_a_model_with_a_loss_of_its_own(inside):
    with pytest.raises(UserError) as refused:
        trainrun.run(["model=mlp", "loss=mse", "tracking=none"], data=(np.zeros((40, 2)), None))
    assert "loss" in str(refused.value)
    assert not (inside / "outputs" / "runs").exists()
