"""docs/plugins.md, its training step executed as it is written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import trainrun

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
QUICK = [
    "trainer=custom",
    "data=iris",
    "model=linear",
    "trainer.limit=96",
    "trainer.epochs=1",
    "trainer.batch_size=90",
]
QUIET = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "metric=none"]


def test_the_gradient_penalty_of_the_page_trains_and_its_loss_is_the_formula(inside):
    (inside / "penalty.py").write_text(re.search(r"```python\n(# penalty.py\n.*?)```", PAGE, re.S)[1])
    plugin = ["plugins=[./penalty.py]", "trainer.step={name: gradient_penalty, strength: 2.0}"]
    still = ["optimizer=sgd", "optimizer.learning_rate=1e-12", "data.validation=0"]
    result = trainrun.run([*QUICK, *QUIET, *still, *plugin, "trainer.limit=null"])
    # A linear softmax model, by hand: loss L, slope dL/dx = (p - onehot) Wᵀ / n.
    data = trainrun.build("data", "iris", seed=42, validation=0)
    x, y = data.train.x.astype("float64"), data.train.y
    assert result.summary["steps"] == 2
    kernel, bias = (w.numpy().astype("float64") for w in result.model.weights)
    from trainrun.data._order import epoch_order

    losses, sizes = [], []
    order = epoch_order(42, 0, len(x))
    for part in (order[:90], order[90:]):
        scores = np.exp(x[part] @ kernel + bias)
        p = scores / scores.sum(axis=1, keepdims=True)
        slope = (p - np.eye(3)[y[part]]) @ kernel.T / len(part)
        loss = -np.log(p[np.arange(len(part)), y[part]]).mean()
        losses.append(loss + 2.0 * (slope**2).sum())
        sizes.append(len(part))
    assert result.history["loss"][0] == pytest.approx(np.average(losses, weights=sizes), rel=1e-4)


def test_a_step_that_does_not_exist_is_refused_before_anything_runs(inside):
    with pytest.raises(trainrun.errors.UserError, match="defualt"):
        trainrun.compose(["trainer=custom", "trainer.step=defualt"])


def test_parts_of_a_batch_are_for_the_default_step():
    from trainrun.trainer.custom import Custom

    with pytest.raises(ValueError, match="accumulate=1"):
        Custom(step=lambda *batch: None, accumulate=2)
