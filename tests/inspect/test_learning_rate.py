"""The range test: on f = a x², where everything is known, and through the program."""

from __future__ import annotations

import numpy as np
import pytest

import trainrun
from trainrun.inspect import learning_rate, range_test_plot
from trainrun.run import builders, tuning

PARABOLA = ["data=none", "model=quadratic", "loss=model_output", "metric=none", "optimizer=sgd", "trainer.batch_size=1",
            "model.b=0.0", "model.c=0.0", "model.start=1.0", "tracking=none"]  # fmt: skip
QUICK = ["data=digits", "model.units=[16]", "tracking=none", "trainer.epochs=1", "artifacts.model=false", "artifacts.report=false"]  # fmt: skip


@pytest.mark.parametrize(("trainer", "a"), [("fit", 0.5), ("custom", 20.0), ("train_on_batch", 0.5)])
def test_gradient_descent_on_a_parabola_by_hand(a, trainer, inside):
    config = trainrun.compose([*PARABOLA, f"model.a={a}", f"trainer={trainer}"])
    data, strategy = builders.dataset(config), builders.strategy(config)
    rising = learning_rate.rising(60, 1e-4, 100.0)
    job = builders.job({**config, "schedule": rising}, data, strategy)
    rates, losses = learning_rate.range_test(job, builders.trainer(config), 60, 1e-4, 100.0)
    np.testing.assert_allclose(rates, np.geomspace(1e-4, 100.0, 60)[: len(rates)], rtol=1e-5)
    # A step at rate r takes x to (1 - 2ar) x.
    x = np.cumprod([1.0, *(1 - 2 * a * np.asarray(rates[:-1]))])
    np.testing.assert_allclose(losses, a * x**2, rtol=1e-3, atol=1e-30)
    # The loss falls where |1 - 2ar| < 1, and rises where r > 1/a.
    falls = np.diff(losses) < 0
    stable = np.asarray(rates[:-1]) < 1 / a
    moved = np.asarray(losses[:-1]) > 1e-30
    assert (falls == stable)[moved].all()
    reading = learning_rate.read(rates, losses)
    assert 0.01 / a < reading.suggestion < 1 / a, "slower than the fastest stable rate, and not by much"


def test_a_loss_that_does_not_fall_leaves_the_rate(inside, capsys):
    config = trainrun.compose(
        [*PARABOLA, "model.start=0.0", "optimizer.learning_rate=0.25", "tune.learning_rate=auto"]
    )
    chosen, record, output, _ = tuning.learning_rate(
        config, builders.dataset(config), builders.strategy(config)
    )
    assert chosen["optimizer"]["learning_rate"] == record["value"] == 0.25
    assert "falls at no rate" in output


def test_smoothing_keeps_a_straight_line_and_does_not_lag():
    line = np.linspace(3.0, 1.0, 50)
    np.testing.assert_allclose(learning_rate.smooth(line, 2.5)[10:-10], line[10:-10], rtol=1e-4)
    valley = (np.arange(101) - 50.0) ** 2
    assert int(np.argmin(learning_rate.smooth(valley, 2.5))) == 50


def test_reads_the_minimum_through_noise():
    rates = np.geomspace(1e-7, 10, 100)
    rng = np.random.default_rng(0)
    falling = 2.3 - 2 / (1 + (0.01 / rates) ** 1.5) + 50 * (rates / 0.5) ** 3
    losses = np.concatenate([[2.3], falling[:-1]]) + rng.normal(0, 0.05, 100)
    reading = learning_rate.read(rates, losses)
    truth = rates[np.argmin(falling)]
    assert reading.suggestion == pytest.approx(truth / 10, rel=0.5)
    assert 0.002 < reading.rates[reading.steepest] < truth


def test_the_rate_reaches_optimizer_and_schedule():
    config = trainrun.compose(["schedule=one_cycle", "optimizer.learning_rate=0.007"])
    rated = tuning.with_learning_rate(config, 0.5)
    assert rated["optimizer"]["learning_rate"] == rated["schedule"]["max_learning_rate"] == 0.5
    assert rated["schedule"]["div_factor"] == config["schedule"]["div_factor"]
    pieces = tuning.with_learning_rate(
        trainrun.compose(["schedule=piecewise", "optimizer.learning_rate=0.007"]), 0.5
    )
    assert pieces["schedule"]["values"] == [0.5, 1e-4, 1e-5]
    assert config["optimizer"]["learning_rate"] == 0.007, "the config that was given is as it was"


def test_a_tuned_run_is_the_run_with_that_rate(inside, capsys):
    asked = [
        *QUICK,
        "model.dropout=0.5",
        "schedule=cosine_decay",
        "trainer.limit=300",
        "hardware.deterministic=true",
    ]
    tuned = trainrun.run([*asked, "tune.learning_rate=auto"])
    output = capsys.readouterr().out
    rate = tuned.summary["tuned"]["learning_rate"]["value"]
    assert f"learning rate {rate:g} by tune.learning_rate" in output
    plain = trainrun.run([*asked, f"optimizer.learning_rate={rate}"])
    assert plain.summary["weights_sha256"] == tuned.summary["weights_sha256"], "a trial has left a trace"
    assert (tuned.run_dir / "plots" / range_test_plot.FILE).stat().st_size > 10_000
    assert 1e-4 < rate < 0.1


def test_a_test_that_diverges_at_once_is_still_drawn(tmp_path):
    reading = learning_rate.read([0.1, 1.0, 10.0], [1.0, float("nan")])
    assert reading.suggestion is None
    warnings = []
    range_test_plot.write(tmp_path, reading, warnings.append)
    assert len(warnings) == 1 and range_test_plot.FILE in warnings[0]
