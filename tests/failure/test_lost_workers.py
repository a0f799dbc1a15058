"""A device that is gone: from the last checkpoint, so many times."""

from __future__ import annotations

import pytest
from failing import read


@pytest.fixture
def losing(run, project):
    import sys

    def go(times):
        for module in list(sys.modules.values()):
            if isinstance(counter := getattr(module, "lost_until", None), dict):
                counter["count"] = 0
        return [
            "callback=lost",
            f"callback.lost.times={times}",
            "checkpoint.every=1epochs",
            "trainer.epochs=4",
        ]

    return go


def test_it_goes_on_from_the_checkpoint_to_the_same_result(run, losing):
    undisturbed = run("trainer.epochs=4", "hardware.deterministic=true")
    result = run(*losing(1), "hardware.deterministic=true")
    (attempt,) = result.summary["attempts"]
    assert (attempt["failure"], attempt["epoch"], attempt["checkpoint"]) == ("lost", 1, "last.npz")
    assert result.summary["weights_sha256"] == undisturbed.summary["weights_sha256"]
    assert result.history["loss"] == undisturbed.history["loss"]
    assert result.summary["resumed_from"]["epoch"] == 1


def test_retries_come_to_an_end(run, losing):
    message, run_dir = run.fail(*losing(5), "failure.retries=2")
    assert "device GPU:0 is gone" in message
    assert [a["answer"] for a in read(run_dir, "summary.json")["attempts"]] == [
        "from the last checkpoint", "from the last checkpoint", "stopped",
    ]  # fmt: skip


def test_lost_stop_ends_the_run(run, losing):
    _, run_dir = run.fail(*losing(1), "failure.lost=stop")
    assert len(read(run_dir, "summary.json")["attempts"]) == 1
