"""`hydra/launcher=vectorized`: what a sweep leaves is what `local` leaves, whatever becomes of its trials."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from sweeping import QUIET, begun, lives, only_sweep, rows_of, summaries, trainrun, wait_for

import trainrun as library
from trainrun.sweep.launchers import alike

TOGETHER = "hydra/launcher=vectorized"
SMALL = [*QUIET, "model.units=[8]", "trainer.epochs=3", "hydra.launcher.n_jobs=2"]


def swept(folder, *words, code=0):
    done = trainrun(folder, "-m", *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, only_sweep(folder)


def journal(sweep, number):
    return [json.loads(line) for line in (sweep / str(number) / "journal.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """One sweep by both launchers; trials differ in numbers, and stop early where they do."""
    words = [
        *SMALL, "trainer.epochs=6", "optimizer=sgd", "optimizer.learning_rate=0.1,1.0", "optimizer.momentum=0.5,0.9",
        "seed=1,2", "model.dropout=0.2", "callback=early_stopping", "callback.early_stopping.patience=1",
        "callback.early_stopping.restore_best_weights=true", "artifacts.model=true",
    ]  # fmt: skip
    folders = [tmp_path_factory.mktemp(n) for n in ("together", "alone")]
    return swept(folders[0], TOGETHER, *words), swept(folders[1], *words)


@pytest.mark.slow
def test_each_trial_equals_its_run_by_the_local_launcher(both):
    (output, one), (_, other) = both
    assert "8 trials are trained together in one graph" in output
    got, expected = summaries(one), summaries(other)
    assert got.keys() == expected.keys() == set(range(8))
    assert len({s["epochs"] for s in expected.values()}) > 1, "some are to stop early"
    for number, summary in expected.items():
        assert (got[number]["status"], got[number]["epochs"], got[number]["steps"]) == (
            "FINISHED", summary["epochs"], summary["steps"],
        )  # fmt: skip
        assert got[number]["metrics"] == pytest.approx(summary["metrics"], rel=1e-3, abs=1e-5)
        assert got[number]["best"].keys() == summary["best"].keys()


@pytest.mark.slow
def test_many_trials_use_a_process_per_core_with_the_same_results(tmp_path):
    folders = [tmp_path / "together", tmp_path / "alone"]
    for folder in folders:
        folder.mkdir()
    words = [*SMALL, "trainer.epochs=2", "optimizer=sgd"]
    output, one = swept(folders[0], TOGETHER, *words, "seed=range(16)")
    assert "or 2 side by side" in output and "8 trials are trained together in one graph" in output
    assert len({journal(one, i)[0]["pid"] for i in range(16)}) == 2
    _, other = swept(folders[1], *words, "hydra/launcher=local", "seed=0,15")
    got, expected = summaries(one), summaries(other)
    assert {s["status"] for s in got.values()} == {"FINISHED"} and len(got) == 16
    for own, theirs in ((0, 0), (15, 1)):
        assert got[own]["metrics"] == pytest.approx(expected[theirs]["metrics"], rel=1e-3, abs=1e-5)


def reported(sweep, number):
    """Return the learning rate and the updates that each epoch's record names."""
    return [
        (r["metrics"]["learning_rate"], r["step"]) for r in journal(sweep, number) if r["kind"] == "epoch"
    ]


@pytest.mark.slow
def test_learning_rates_and_update_counts_are_current_while_variables_are_pending(tmp_path):
    rates, steps = (0.1, 0.3), 3  # of iris, 90 examples
    words = [
        *SMALL,
        "trainer.epochs=4",
        "trainer.batch_size=32",
        "optimizer=sgd",
        "optimizer.learning_rate=0.1,0.3",
    ]
    folders = [tmp_path / "schedule", tmp_path / "callback"]
    for folder in folders:
        folder.mkdir()
    output, sweep = swept(folders[0], TOGETHER, *words, "schedule=cosine_decay")
    assert "2 trials are trained together in one graph" in output
    for number, rate in enumerate(rates):
        # Keras: rate · (1 + cos(π · step / decay_steps)) / 2, at the epoch's last update.
        done = [steps * (e + 1) for e in range(4)]
        expected = [rate * (1 + math.cos(math.pi * (n - 1) / (4 * steps))) / 2 for n in done]
        assert [n for _, n in reported(sweep, number)] == done
        assert [r for r, _ in reported(sweep, number)] == pytest.approx(expected, rel=1e-5)
    # No loss falls by so much: from the second epoch on it is halved at each end, and told after the next.
    output, sweep = swept(
        folders[1], TOGETHER, *words, "callback=reduce_lr_on_plateau", "callback.reduce_lr_on_plateau.min_delta=1e9",
        "callback.reduce_lr_on_plateau.patience=1", "callback.reduce_lr_on_plateau.factor=0.5",
    )  # fmt: skip
    assert "2 trials are trained together in one graph" in output
    for number, rate in enumerate(rates):
        expected = [(pytest.approx(rate / k, rel=1e-6), steps * (e + 1)) for e, k in enumerate((1, 1, 2, 4))]
        assert reported(sweep, number) == expected


@pytest.mark.slow
def test_its_directory_and_journal_are_those_of_a_run(both):
    (_, one), (_, other) = both
    for number in (0, 7):
        names = [{p.name for p in (s / str(number)).iterdir()} for s in (one, other)]
        assert names[0] == names[1]
        records = [
            [r for r in journal(s, number) if r["kind"] != "system"] for s in (one, other)
        ]  # sampled by time
        kinds = [[(r["kind"], r.get("epoch")) for r in one_run] for one_run in records]
        assert kinds[0] == kinds[1]
    own = (one / "3" / "run.log").read_text()
    assert own.count("best epoch") == 1 and "epoch       loss" in own
    rows = rows_of(one)
    assert {r["status"] for r in rows.values()} == {"FINISHED"} and len(rows) == 8


@pytest.mark.slow
def test_its_model_predicts_and_the_run_can_go_on_by_itself(both, monkeypatch, capsys):
    import keras
    import numpy as np

    from trainrun.cli import main

    (_, one), (_, other) = both
    few = np.linspace(-1, 1, 12, dtype="float32").reshape(3, 4)
    models = [keras.saving.load_model(s / "2" / "model.keras", safe_mode=True) for s in (one, other)]
    output = [
        m.predict({m.input_names[0]: few} if isinstance(m.input, dict) else few, verbose=0) for m in models
    ]
    np.testing.assert_allclose(output[0], output[1], rtol=1e-3, atol=1e-4)
    assert main(["resume", str(one / "2")]) == 0
    assert "finished" in capsys.readouterr().out


@pytest.mark.slow
def test_failing_trial_affects_no_other_trial_of_its_group(tmp_path):
    output, sweep = swept(
        tmp_path, TOGETHER, *SMALL, "data=diabetes", "loss=mse", "optimizer=sgd", "optimizer.learning_rate=0.001,1e30,0.002,0.003",
        "sweep/pruner=threshold", "sweep.pruner.upper=1e9", code=1,
    )  # fmt: skip
    results = rows_of(sweep)
    assert [results[i]["status"] for i in range(4)] == ["FINISHED", "FAILED", "FINISHED", "FINISHED"]
    assert "loss became" in output and (sweep / "1" / "autopsy.json").is_file()
    alone = library.run([*SMALL[:-1], "data=diabetes", "loss=mse", "optimizer=sgd", "optimizer.learning_rate=0.003"],
                        run_dir=tmp_path / "alone")  # fmt: skip
    assert summaries(sweep)[3]["metrics"] == pytest.approx(alone.metrics, rel=1e-4)


@pytest.mark.slow
def test_pruned_trials_make_room_for_the_next_points(tmp_path):
    _, sweep = swept(
        tmp_path, TOGETHER, "hydra.launcher.max_trials=3", *SMALL, "trainer.epochs=5", "optimizer=sgd",
        "optimizer.learning_rate=0.5,1e-7,0.6,1e-6,0.7", "trainer.batch_size=8", "sweep/pruner=threshold", "sweep.pruner.upper=0.8", "sweep.pruner.warmup_epochs=1", "sweep.objective=val_loss",
    )  # fmt: skip
    results = rows_of(sweep)
    assert [results[i]["status"] for i in range(5)] == [
        "FINISHED",
        "PRUNED",
        "FINISHED",
        "PRUNED",
        "FINISHED",
    ]
    assert (
        journal(sweep, 1)[-1]["status"] == "PRUNED" and (sweep / "1" / "checkpoints" / "last.npz").is_file()
    )
    processes = {journal(sweep, i)[0]["pid"] for i in range(5)}
    assert len(processes) == 1


@pytest.mark.slow
def test_trials_of_another_shape_run_locally_with_the_reason_printed(tmp_path):
    output, sweep = swept(
        tmp_path, TOGETHER, *SMALL, "optimizer.learning_rate=0.1,0.01", "model.activation=relu,tanh", "trainer.jit_compile=auto",
        "model.units=[8],[6]",
    )  # fmt: skip
    assert {r["status"] for r in rows_of(sweep).values()} == {"FINISHED"}
    assert "2 trials are trained together in one graph" in output
    assert len({journal(sweep, i)[0]["pid"] for i in range(8)}) == 1
    (tmp_path / "next").mkdir()
    output, sweep = swept(tmp_path / "next", TOGETHER, *SMALL, "optimizer.learning_rate=0.1,0.01", "trainer.run_eagerly=true", "trainer.epochs=1")  # fmt: skip
    assert "2 trials trained separately: trainer.run_eagerly=true" in output
    assert len({journal(sweep, i)[0]["pid"] for i in range(2)}) == 2


@pytest.mark.parametrize(
    ("setting", "reason"),
    [("trainer.run_eagerly=true", "run_eagerly"), ("profile=true", "profile"), ("callback=swap_ema_weights", "callback="),
     ("trainer.jit_compile=true", "jit_compile"), ("hardware.virtual_devices=2", "hardware=mirrored")],
)  # fmt: skip
def test_reason_for_training_a_trial_by_itself(setting, reason):
    settings = [*QUIET, "hardware=mirrored", setting] if "virtual" in setting else [*QUIET, setting]
    settings += ["optimizer.use_ema=true"] if "ema" in setting else []
    assert reason in alike.obstacle(library.compose(settings), alike.VECTORIZES)
    assert alike.obstacle(library.compose(QUIET), alike.VECTORIZES) is None


def test_trials_that_differ_in_numbers_are_alike():
    key = lambda *words: alike.key(library.compose([*QUIET, *words]), alike.VECTORIZES)  # noqa: E731
    assert key("seed=1") == key(
        "seed=2", "optimizer.learning_rate=0.1", "model.dropout=0.3", "optimizer.beta_1=0.5"
    )
    assert (
        key() != key("optimizer=sgd")
        and key() != key("trainer.batch_size=8")
        and key() != key("model.activation=tanh")
    )


def test_settings_of_the_launcher_are_checked(tmp_path):
    for wrong in ("max_trials=0", "max_trials=many", "n_jobs=-1"):
        done = trainrun(tmp_path, "-m", TOGETHER, *QUIET, "seed=1,2", f"hydra.launcher.{wrong}")
        assert done.returncode == 2 and wrong.partition("=")[0] in done.stderr


def group_process(sweep):
    """Return the process that trains together, by what its first trial's journal says."""
    return journal(sweep, 0)[0]["pid"]


@pytest.mark.slow
def test_trials_of_a_killed_process_resume_one_by_one(tmp_path):
    words = [
        TOGETHER,
        *SMALL,
        "hardware.deterministic=true",
        "trainer.epochs=200",
        "checkpoint.every=1epochs",
        "seed=1,2",
    ]

    def kill():
        folder = Path(tmp_path) / "outputs" / "sweeps"
        until = time.monotonic() + 120
        while time.monotonic() < until:
            books = [*folder.glob("*/[0-9]*/journal.jsonl")]
            if len(books) == 2 and all(b.read_text().count('"kind":"epoch"') > 3 for b in books):
                os.kill(json.loads(books[0].read_text().splitlines()[0])["pid"], signal.SIGKILL)
                return
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    output, sweep = swept(tmp_path, *words)
    killer.join()
    assert "the process of 2 trials ended" in output and "they continue separately" in output
    results = summaries(sweep)
    assert all(
        s["status"] == "FINISHED" and s["epochs"] == 200 and s["resumed_from"] for s in results.values()
    )


@pytest.mark.slow
def test_killed_sweep_resumes_vectorized_to_identical_bits(tmp_path):
    words = ["-m", TOGETHER, *SMALL, "hardware.deterministic=true", "trainer.epochs=150", "model.dropout=0.2",
             "checkpoint.every=5epochs", "optimizer.learning_rate=0.01,0.02,0.03"]  # fmt: skip
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
    done = trainrun(folders[0], *words)
    assert done.returncode == 0, done.stderr
    process = begun(folders[1], *words)
    books = lambda: [*folders[1].glob("outputs/sweeps/*/[0-9]*/journal.jsonl")]  # noqa: E731
    wait_for(
        lambda: len(books()) == 3 and all(b.read_text().count('"kind":"epoch"') > 12 for b in books()),
        process,
    )
    process.kill()
    process.wait()
    sweep = only_sweep(folders[1])
    pid = group_process(sweep)
    wait_for(lambda: not lives(pid))
    done = trainrun(folders[1], "resume", "last")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 trials are trained together" in done.stdout
    expected = summaries(only_sweep(folders[0]))
    for number, summary in summaries(sweep).items():
        assert summary["resumed_from"] and summary["epochs"] == 150
        assert summary["weights_sha256"] == expected[number]["weights_sha256"]
