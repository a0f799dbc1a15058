"""Two workers as two processes of this machine: the losses of one device, one record, and an end when one dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import trainrun
from trainrun.checkpoint import file

pytestmark = pytest.mark.slow
TRAIN = [
    "data=iris", "trainer=custom", "tracking=none", "trainer.limit=41", "trainer.batch_size=7", "artifacts.plots=false",
    "artifacts.report=false", "callback=[csv_logger]",
]  # fmt: skip
WORKERS = ["hardware=multi_worker", "hardware.local_workers=2"]


def start(folder, *overrides):
    return subprocess.Popen(
        [sys.executable, "-m", "trainrun", *TRAIN, *WORKERS, *overrides],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_workers_are_one_device_and_leave_one_record_also_when_one_dies_and_is_begun_again(inside):
    process = start(inside, "trainer.epochs=60", "checkpoint.every=1epochs")
    wait_for(lambda: next(iter(inside.rglob("last.npz")), None), 100)
    kill_the_second(process)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err[-3000:]
    assert "worker 1 of 2" in out and "worker 2 of 2" not in out
    assert "Restarting from the last checkpoint (retry 1 of 1)" in err and "Traceback" not in err
    (run_dir,) = (inside / "outputs" / "runs").iterdir()
    assert len(list(inside.rglob("journal.jsonl"))) == len(list(inside.rglob("summary.json"))) == 1
    assert [p.name for p in (run_dir / "workers" / "1").iterdir()] == ["run.log"]
    summary = json.loads((run_dir / "summary.json").read_text())
    assert summary["status"] == "FINISHED" and summary["epochs"] == 60
    assert summary["resumed_from"]["epoch"] >= 1
    # What the chief has noticed, and what was done about it.
    assert {a["failure"] for a in summary["attempts"]} == {"lost"}
    assert "worker 2 of 2 was killed by SIGKILL" in summary["attempts"][-1]["error"]
    alone = trainrun.run([*TRAIN, "trainer.epochs=60"])
    assert summary["steps"] == alone.summary["steps"]
    assert set(summary["metrics"]) == set(alone.metrics)
    for name, value in alone.metrics.items():
        assert summary["metrics"][name] == pytest.approx(value, rel=1e-5), name
    import keras

    model = keras.saving.load_model(run_dir / "model.keras")
    for theirs, ours in zip(model.get_weights(), alone.model.get_weights(), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-5)


def test_a_worker_that_dies_ends_the_run_and_leaves_the_checkpoint(inside):
    process = start(inside, "trainer.epochs=100000", "failure.lost=stop")
    try:
        last = wait_for(lambda: next(iter(inside.rglob("last.npz")), None), 100)
        kill_the_second(process)
        began = time.monotonic()
        _, err = process.communicate(timeout=100)
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate()
    assert time.monotonic() - began < 60
    assert process.returncode == 1
    assert "worker 2 of 2 was killed by SIGKILL" in err
    assert "Traceback" not in err
    assert file.read(last).epoch >= 1
    (summary,) = inside.rglob("summary.json")
    assert json.loads(summary.read_text())["status"] == "FAILED"


DRAWN = """
import os, numpy, pandas, trainrun

@trainrun.register("data", "drawn")
def drawn():
    return pandas.DataFrame({"a": numpy.random.default_rng(os.getpid()).normal(size=60), "y": ["u", "v"] * 30})
"""


def test_workers_with_different_data_are_refused(inside):
    (inside / "drawn.py").write_text(DRAWN)
    data = ["plugins=[./drawn.py]", "data=python", "data.function=drawn", "data.target=y"]
    process = start(inside, *data)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 2
    assert "data: worker 2 of 2 has loaded other data than worker 1" in err
    assert not [*inside.rglob("journal.jsonl")]


def kill_the_second(process):
    listed = subprocess.run(
        ["pgrep", "-P", str(process.pid), "-f", "workers/1"], capture_output=True, text=True
    )
    os.kill(int(listed.stdout.split()[0]), signal.SIGKILL)


def wait_for(look, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (result := look()) is not None:
            return result
        time.sleep(0.2)
    raise AssertionError("it did not come")
