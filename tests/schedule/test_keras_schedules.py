"""Keras' schedules, as their YAMLs build them, against their formulas in numpy."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import trainrun

STEPS = np.arange(0, 26)
RATE = 0.5


def cosine(share, alpha=0.0):
    return (1 - alpha) * 0.5 * (1 + np.cos(np.pi * share)) + alpha


def polynomial_cycle(step):
    length = 10 * max(1, np.ceil(step / 10))
    return (RATE - 0.1) * (1 - step / length) ** 2 + 0.1


def warmed_cosine(step):
    if step < 5:
        return RATE + (2.0 - RATE) * step / 5
    return 2.0 * cosine(min(step - 5, 10) / 10, 0.1)


def restarts(step, growth, height):
    # Loshchilov and Hutter 2017, equation 5, walked through fall by fall.
    length, peak = 4.0, 1.0
    while step >= length:
        step, length, peak = step - length, length * growth, peak * height
    return RATE * (0.8 * peak * 0.5 * (1 + np.cos(np.pi * step / length)) + 0.2)


# option, its arguments beside the rate, the rate at a step
CASES = {
    "exponential": (
        ("exponential_decay", {"decay_steps": 10, "decay_rate": 0.3}),
        lambda s: RATE * 0.3 ** (s / 10),
    ),
    "exponential-staircase": (
        ("exponential_decay", {"decay_steps": 10, "decay_rate": 0.3, "staircase": True}),
        lambda s: RATE * 0.3 ** (s // 10),
    ),
    "inverse-time": (
        ("inverse_time_decay", {"decay_steps": 10, "decay_rate": 9.0}),
        lambda s: RATE / (1 + 9.0 * s / 10),
    ),
    "inverse-time-staircase": (
        ("inverse_time_decay", {"decay_steps": 10, "decay_rate": 9.0, "staircase": True}),
        lambda s: RATE / (1 + 9.0 * (s // 10)),
    ),
    "polynomial": (
        ("polynomial_decay", {"decay_steps": 10, "end_learning_rate": 0.1, "power": 2.0}),
        lambda s: (RATE - 0.1) * (1 - min(s, 10) / 10) ** 2 + 0.1,
    ),
    "polynomial-cycle": (
        ("polynomial_decay", {"decay_steps": 10, "end_learning_rate": 0.1, "power": 2.0, "cycle": True}),
        polynomial_cycle,
    ),
    "cosine": (
        ("cosine_decay", {"decay_steps": 10, "alpha": 0.1}),
        lambda s: RATE * cosine(min(s, 10) / 10, 0.1),
    ),
    "cosine-warm-up": (
        ("cosine_decay", {"decay_steps": 10, "alpha": 0.1, "warmup_target": 2.0, "warmup_steps": 5}),
        warmed_cosine,
    ),
    "cosine-restarts": (
        ("cosine_decay_restarts", {"first_decay_steps": 4, "t_mul": 2.0, "m_mul": 0.5, "alpha": 0.2}),
        lambda s: restarts(s, 2.0, 0.5),
    ),
    "cosine-restarts-even": (
        ("cosine_decay_restarts", {"first_decay_steps": 4, "t_mul": 1.0, "alpha": 0.2}),
        lambda s: restarts(s, 1.0, 1.0),
    ),
}


@pytest.mark.parametrize("built, formula", CASES.values(), ids=CASES)
def test_follows_its_formula(built, formula):
    option, arguments = built
    schedule = trainrun.build("schedule", option, initial_learning_rate=RATE, **arguments)
    rates = [float(schedule(step)) for step in STEPS]
    np.testing.assert_allclose(rates, [formula(step) for step in STEPS], rtol=2e-5, atol=1e-6)


def test_piecewise_constant_keeps_a_rate_up_to_and_with_its_boundary():
    schedule = trainrun.build("schedule", "piecewise", boundaries=[3, 7], values=[0.5, 0.2, 0.1])
    rates = [float(schedule(step)) for step in range(10)]
    np.testing.assert_allclose(rates, [0.5] * 4 + [0.2] * 4 + [0.1] * 2)


def test_an_optimizer_takes_its_rate_from_the_schedule_each_step():
    schedule = trainrun.build("schedule", "cosine", initial_learning_rate=RATE, decay_steps=4)
    optimizer = trainrun.build("optimizer", "sgd", learning_rate=schedule)
    variable = keras.Variable(0.0)
    for _ in range(4):
        optimizer.apply([keras.ops.convert_to_tensor(1.0)], [variable])
    assert float(variable) == pytest.approx(-sum(RATE * cosine(s / 4) for s in range(4)), rel=1e-5)
