"""The trainers that take the whole data at once, against the recursion of gradient descent on a parabola."""

from __future__ import annotations

import pytest

import trainrun
from trainrun.tracking import journal

QUIET = ["experiment=quadratic", "tracking=none", "artifacts=none"]


@pytest.mark.parametrize("trainer", ["minimize", "gradient_loop", "fit"])
def test_every_so_many_steps_are_recorded_with_loss_and_weights(trainer, inside):
    """f(x) = (x - 1)², rate 0.1, from 0: after k steps x = 1 - 0.8^k; the loss of a step is that before it."""
    length = {
        "minimize": "trainer.steps=20",
        "gradient_loop": "trainer.max_steps=20",
        "fit": "trainer.epochs=20",
    }
    result = trainrun.run([*QUIET, f"trainer={trainer}", length[trainer], "tracking.every_steps=5"])
    records = [r for r in journal.read(result.run_dir / "journal.jsonl").records if r["kind"] == "batch"]
    assert [r["step"] for r in records] == [5, 10, 15, 20]
    for record in records:
        k, metrics = record["step"], record["metrics"]
        assert metrics["x"] == pytest.approx(1 - 0.8**k, abs=1e-6)
        assert metrics["loss"] == pytest.approx(0.8 ** (2 * (k - 1)), abs=1e-6)
        if trainer != "fit":
            assert metrics["gradient"] == pytest.approx(2 * 0.8 ** (k - 1), abs=1e-6)
    assert result.summary["steps"] == 20
