"""one_cycle, linear_warmup and constant against their formulas."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import trainrun
from trainrun.schedule.constant import Constant
from trainrun.schedule.linear_warmup import LinearWarmup
from trainrun.schedule.one_cycle import OneCycle


def one_cycle(step, top, total, pct=0.3, shape="cos", div=25.0, final=1e4, three=False):
    # PyTorch's OneCycleLR.get_lr, phase by phase.
    first, last = top / div, top / div / final
    if three:
        ends = [pct * total - 1, 2 * pct * total - 2, total - 1]
        rates = [(first, top), (top, first), (first, last)]
    else:
        ends, rates = [pct * total - 1, total - 1], [(first, top), (top, last)]
    begin = 0.0
    for i, (end, (a, b)) in enumerate(zip(ends, rates, strict=True)):
        if step <= end or i == len(ends) - 1:
            share = min((step - begin) / (end - begin), 1.0)
            return b + (a - b) / 2 * (1 + np.cos(np.pi * share)) if shape == "cos" else a + (b - a) * share
        begin = end


@pytest.mark.parametrize("total", [10, 40, 101])
@pytest.mark.parametrize("shape", ["cos", "linear"])
@pytest.mark.parametrize("three", [False, True])
@pytest.mark.parametrize("pct", [0.25, 0.4])
def test_one_cycle_follows_pytorchs_formula_and_then_stays(total, shape, three, pct):
    schedule = OneCycle(0.8, total, pct, shape, 10.0, 100.0, three)
    rates = [float(schedule(step)) for step in range(total + 5)]
    expected = [one_cycle(step, 0.8, total, pct, shape, 10.0, 100.0, three) for step in range(total + 5)]
    np.testing.assert_allclose(rates, expected, rtol=2e-5, atol=2e-7)


def test_one_cycle_by_its_option_has_the_documented_corners():
    schedule = trainrun.build("schedule", "one_cycle", max_learning_rate=1.0, total_steps=100)
    assert float(schedule(0)) == pytest.approx(1 / 25)
    assert float(schedule(29)) == pytest.approx(1.0)
    assert float(schedule(99)) == pytest.approx(1 / 25 / 1e4, rel=1e-3)


@pytest.mark.parametrize("warmup, start", [(10, 0.1), (1, 0.0), (0, 0.5), (7, 1.0)])
def test_linear_warmup_rises_in_a_line_and_holds(warmup, start):
    schedule = LinearWarmup(0.4, warmup, start)
    shares = [min(step / warmup, 1.0) if warmup else 1.0 for step in range(20)]
    expected = [0.4 * (start + (1 - start) * share) for share in shares]
    np.testing.assert_allclose([float(schedule(step)) for step in range(20)], expected, rtol=1e-6)


def test_constant_is_constant():
    assert {float(Constant(0.25)(step)) for step in (0, 1, 10**6)} == {0.25}


@pytest.mark.parametrize(
    "schedule", [OneCycle(0.3, 50), LinearWarmup(0.3, 10), Constant(0.3)], ids=lambda s: type(s).__name__
)
def test_survives_its_config_and_a_graph(schedule):
    config = keras.optimizers.schedules.serialize(schedule)
    again = keras.optimizers.schedules.deserialize(config)
    assert keras.optimizers.schedules.serialize(again) == config
    compiled = tf.function(lambda step: again(step))
    for step in (0, 3, 20, 70):
        assert float(compiled(tf.constant(step, tf.int64))) == pytest.approx(float(schedule(step)), rel=1e-5)


@pytest.mark.parametrize(
    "arguments, word",
    [
        ({"total_steps": 1}, "total_steps"),
        ({"pct_start": 0.0}, "pct_start"),
        ({"pct_start": 0.6, "three_phase": True}, "pct_start"),
        ({"anneal_strategy": "steps"}, "anneal_strategy"),
        ({"div_factor": 0.0}, "div_factor"),
    ],
)
def test_one_cycle_refuses_what_is_out_of_range(arguments, word):
    with pytest.raises(ValueError, match=word):
        OneCycle(**{"max_learning_rate": 1.0, "total_steps": 10, **arguments})


@pytest.mark.parametrize("arguments", [{"warmup_steps": -1}, {"warmup_steps": 5, "start_factor": 2.0}])
def test_linear_warmup_refuses_what_is_out_of_range(arguments):
    with pytest.raises(ValueError, match=list(arguments)[-1]):
        LinearWarmup(0.1, **arguments)
