"""Out of memory: each batch in more and more parts, with the updates of the whole batch."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
from failing import events, read

from trainrun.cli import main


def layers(most):
    return [
        "model=layers",
        f"model.layers=[{{name: Dense, units: 8, activation: tanh}}, {{name: Hungry, most: {most}}}]",
    ]


@pytest.mark.parametrize(
    ("trainer", "most", "parts"), [("fit", 3, [2, 4]), ("train_on_batch", 4, [2]), ("custom", 4, [2])]
)
def test_the_result_is_that_of_the_whole_batch_and_the_memory_of_an_attempt_is_free_for_the_next(
    trainer, most, parts, run, monkeypatch
):
    from trainrun.run import builders

    build, models = builders.job, []

    def job(*arguments, **settings):
        assert all(m() is None for m in models), "an earlier attempt's model is still held by somebody"
        made = build(*arguments, **settings)
        models.append(weakref.ref(made.model))
        return made

    whole = run(*layers(1000), f"trainer={trainer}", "trainer.epochs=2")
    monkeypatch.setattr(builders, "job", job)
    result = run(*layers(most), f"trainer={trainer}", "trainer.epochs=2")
    assert len(models) == 1 + len(parts) and result.status == "FINISHED"
    assert "attempts" not in whole.summary
    attempts = result.summary["attempts"]
    assert [(a["failure"], a["parts"]) for a in attempts] == [("out_of_memory", n) for n in parts]
    assert [a["answer"] for a in attempts] == [f"each batch in {n} parts" for n in parts]
    assert result.summary["steps"] == whole.summary["steps"]
    for name, values in whole.history.items():
        assert result.history[name] == pytest.approx(values, rel=1e-5, abs=1e-6), name
    for ours, theirs in zip(result.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert len(events(result.run_dir, "attempt")) == len(parts)


def test_retry_starts_at_the_last_checkpoint_and_a_resume_keeps_the_accumulation(run):
    result = run(*layers(8), "callback=greedy", "checkpoint.every=1epochs", "trainer.epochs=3")
    (attempt,) = result.summary["attempts"]
    assert (attempt["epoch"], attempt["checkpoint"], attempt["parts"]) == (2, "last.npz", 2)
    assert result.summary["epochs"] == 3
    assert main(["resume", str(result.run_dir), "trainer.epochs=4"]) == 0
    summary = read(result.run_dir, "summary.json")
    assert summary["epochs"] == 4 and len(summary["attempts"]) == 1, "it did not fail again"


def test_accumulation_stops_at_one_example_per_part(run):
    message, run_dir = run.fail(*layers(0), "trainer=custom", "trainer.batch_size=2")
    assert "out of memory at 1 examples at once" in message and "a single example already" in message
    assert [a["parts"] for a in read(run_dir, "summary.json")["attempts"]] == [2, 2]


def test_out_of_memory_stop_ends_the_run(run):
    message, run_dir = run.fail(*layers(3), "failure.out_of_memory=stop")
    assert "trainer.batch_size=4" in message and "Traceback" not in message
    assert len(read(run_dir, "summary.json")["attempts"]) == 1


def test_custom_step_is_not_divided_into_parts(run):
    message, _ = run.fail(*layers(3), "trainer=custom", "trainer.step=whole")
    assert "a custom step takes the whole batch" in message
