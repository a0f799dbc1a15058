"""Every experiment and every debug preset, run from its header: the command works, the score is reached."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest

import trainrun
from trainrun.cli import main
from trainrun.registry import option_files

EXPERIMENTS = option_files.options("experiment")
BARE = ["tracking=none", "artifacts.plots=false", "artifacts.report=false"]
SCORE = re.compile(r"^# Score: (\w+) ([\d.]+) \((at least|at most) ([\d.]+)\)", re.MULTILINE)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_header_has_command_time_and_score(name):
    text = EXPERIMENTS[name].text
    assert text.startswith("# @package _global_\n")
    assert re.search(rf"^# Command: trainrun (-m )?experiment={name}\b", text, re.MULTILINE)
    assert re.search(r"^# Time: \d+ s", text, re.MULTILINE) and SCORE.search(text)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_reaches_the_score_of_its_header(name, inside, capsys):
    metric, expected, way, bound = SCORE.search(EXPERIMENTS[name].text).groups()
    result = trainrun.run([*BARE, f"experiment={name}", "artifacts.verify=true"])
    value = result.metrics[metric]
    assert value >= float(bound) if way == "at least" else value <= float(bound)
    assert value == pytest.approx(float(expected), abs=0.05), "the header's score is not what one gets"
    assert "loaded back: the same predictions" in capsys.readouterr().out


@pytest.mark.parametrize("trainer", ["fit", "minimize", "gradient_loop"])
def test_three_ways_to_the_minimum_of_a_parabola(trainer, inside):
    result = trainrun.run(
        [
            "experiment=quadratic",
            f"trainer={trainer}",
            *BARE,
            "model.a=2",
            "model.b=-6",
            "model.c=7",
        ]
    )
    # By hand: the vertex of 2x² - 6x + 7 is at x = 6/4, and 2·2.25 - 9 + 7 = 2.5.
    assert result.metrics["x"] == pytest.approx(1.5, abs=1e-4)
    output = result.model.predict(np.zeros((1, 1), "float32"), verbose=0)[0, 0]
    assert output == pytest.approx(2.5, abs=1e-5)
    if trainer == "gradient_loop":
        assert result.metrics["gradient"] < 1e-5


@pytest.mark.parametrize("name", ["quadratic", "segmentation_iou"])
def test_smoke_run_takes_seconds_and_loads_the_model_back(name, inside, capsys):
    began = time.perf_counter()
    assert main([f"experiment={name}", "debug=smoke"]) == 0
    assert "loaded back: the same predictions" in capsys.readouterr().out
    assert time.perf_counter() - began < 60, "a smoke run takes seconds"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_smoke_goes_with_every_experiment(name, inside):
    assert main(["check", f"experiment={name}", "debug=smoke"]) == 0


def test_overfit_drives_one_batch_to_a_loss_near_zero(inside):
    result = trainrun.run([*BARE, "debug=overfit", "data=iris", "optimizer.learning_rate=0.01"])
    assert result.summary["steps"] == len(result.history["loss"])
    assert result.history["loss"][-1] < 0.01


def test_limit_uses_few_examples(inside):
    result = trainrun.run([*BARE, "debug=limit"])
    assert result.summary["steps"] == 2 * 256 // 32
