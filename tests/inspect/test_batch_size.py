"""The search for a batch size: against a machine whose speed and memory are known, and through the program."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf

import trainrun
from trainrun.errors import UserError
from trainrun.inspect import batch_size
from trainrun.inspect.batch_size import TooLarge, search
from trainrun.model.cost import Cost
from trainrun.run import builders, tuning

QUICK = ["data=digits", "model.units=[8]", "tracking=none", "trainer.epochs=1", "artifacts.model=false", "artifacts.plots=false", "artifacts.report=false"]  # fmt: skip


def machine(overhead, fits=10**9):
    """Return the speed of a machine that needs `overhead` a step besides 1 an example, and has so much memory."""

    def measure(size):
        if size > fits:
            raise TooLarge("ran out of memory")
        return size / (overhead + size)

    return measure


def test_search_stops_when_doubling_gains_less_than_the_threshold():
    # From b to 2b the speed grows by (overhead + b) / (overhead + 2b) * 2 - 1: 11% to 512, under 6% to 1024.
    choice = search(32, 10**6, machine(64), gain=0.1)
    assert choice.size == 512
    assert [size for size, _ in choice.tried] == [32, 64, 128, 256, 512, 1024, 2048]
    assert choice.reason == "1,024 and 2,048 would not be faster by 10%"


def test_one_slow_measurement_does_not_end_the_search():
    speeds = {32: 1.0, 64: 0.9, 128: 1.7, 256: 1.7, 512: 1.7}
    assert search(32, 10**6, speeds.get, gain=0.1).size == 128


def test_without_a_gain_the_largest_that_fits():
    choice = search(32, 10**6, machine(0, fits=1000), gain=0)
    assert choice.size == 512 and choice.reason == "1,024 ran out of memory"


@pytest.mark.parametrize(("most", "expected"), [(1257, 1024), (1024, 1024), (20, 20)])
def test_never_more_than_there_are_examples(most, expected):
    assert search(32, most, machine(0), gain=0).size == expected


def test_halves_until_it_fits():
    assert search(64, 10**6, machine(1, fits=20), gain=0.1).size == 16
    with pytest.raises(TooLarge):
        search(64, 10**6, machine(1, fits=0), gain=0.1)


def test_memory_limit_caps_the_batch_size_by_the_formula(inside):
    config = trainrun.compose([*QUICK, "tune.batch_size=auto", "tune.gain=0", "tune.memory=1"])
    strategy = builders.strategy(config)
    data = builders.dataset(config)
    tuned, record, _ = tuning.batch_size(config, data, strategy)
    # Inputs 64, hidden 8 before and after relu, 10 logits before and after softmax; Adam: weights four times.
    weights = (64 * 8 + 8 + 8 * 10 + 10) * 4
    example = (2 * 8 + 2 * 10) * 4
    most = (10**6 - 4 * weights) // example
    # The examples end the search before the memory does.
    assert most > len(data.train) and tuned["trainer"]["batch_size"] == record["value"] == 1024
    job = builders.job(config, data, strategy)
    needed = Cost.of(job.model, 256).memory
    assert needed == pytest.approx(4 * weights + 256 * example, rel=0.01)
    assert batch_size.speed(job, builders.trainer(config), needed) > 0
    trainer = {**config["trainer"], "batch_size": 512}
    larger = builders.job({**config, "trainer": trainer}, data, strategy)
    with pytest.raises(TooLarge, match=r"would need about .*kB, and .*kB are the limit"):
        batch_size.speed(larger, builders.trainer(config), needed)


def test_a_step_that_runs_out_of_memory_ends_the_doubling(inside, monkeypatch):
    def trainer(config, strategy):
        class Small:
            def train(self, job, callbacks):
                if job.plan.batch_size > 100:
                    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
                for watch in callbacks:
                    watch.seconds.append(1.0)

        return Small()

    monkeypatch.setattr(builders, "trainer", trainer)
    config = trainrun.compose([*QUICK, "tune.batch_size=auto", "tune.gain=0", "trainer.batch_size=25"])
    _, record, output = tuning.batch_size(config, builders.dataset(config), builders.strategy(config))
    assert record["value"] == 100 and record["given"] == 25
    assert output.startswith("batch size 100 by tune.batch_size") and output.endswith("200 ran out of memory")


def test_batch_size_1_that_does_not_fit_is_an_error(inside, monkeypatch):
    config = trainrun.compose([*QUICK, "tune.batch_size=auto", "tune.memory=1"])
    monkeypatch.setattr(batch_size, "memory_limit", lambda megabytes: 100)
    with pytest.raises(UserError, match="not even a batch of 1 fits"):
        tuning.batch_size(config, builders.dataset(config), builders.strategy(config))


@pytest.mark.parametrize("trainer", ["fit", "custom"])
def test_a_tuned_run_is_the_run_with_that_size(trainer, inside, capsys):
    asked = [
        *QUICK,
        f"trainer={trainer}",
        "model.dropout=0.5",
        "trainer.limit=130",
        "hardware.deterministic=true",
    ]
    tuned = trainrun.run([*asked, "tune.batch_size=auto"])
    output = capsys.readouterr().out
    record = tuned.summary["tuned"]["batch_size"]
    size = record["value"]
    assert f"batch size {size:,} by tune.batch_size" in output
    assert size in (32, 64, 128) and tuned.summary["steps"] == -(-130 // size)
    plain = trainrun.run([*asked, f"trainer.batch_size={size}"])
    assert plain.summary["weights_sha256"] == tuned.summary["weights_sha256"], "a trial has left a trace"
    assert "tuned" not in plain.summary
    written = (tuned.run_dir / "config.yaml").read_text()
    assert f"batch_size: {size}\n" in written and "batch_size: auto" not in written
    start = json.loads((tuned.run_dir / "journal.jsonl").read_text().splitlines()[0])
    assert start["tuned"]["batch_size"] == record and start["config"]["trainer"]["batch_size"] == size
