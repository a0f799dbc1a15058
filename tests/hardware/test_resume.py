"""Resume with several devices and several workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import trainrun
from trainrun.checkpoint import file
from trainrun.tracking import history, journal

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("resume_mirrored.py")


@pytest.fixture(scope="module")
def mirrored():
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("trainer", ["custom", "fit"])
def test_two_replicas_go_on_to_the_same_bits(trainer, mirrored):
    assert mirrored[f"{trainer}_two_code"] == 143
    assert mirrored[trainer] is True


def test_run_of_two_replicas_resumes_on_one_device(mirrored):
    assert mirrored["epochs"] == [1, 2, 3, 4] and mirrored["first"]
    assert mirrored["apart"] < 0.2


WORKERS = [
    "data=iris", "trainer=custom", "tracking=none", "trainer.limit=41", "trainer.batch_size=7", "trainer.epochs=100",
    "artifacts.plots=false", "artifacts.report=false", "optimizer=sgd", "checkpoint.every=1epochs",
]  # fmt: skip


def test_a_group_of_workers_that_was_killed_goes_on_as_one(inside):
    command = [sys.executable, "-m", "trainrun"]
    group = ["hardware=multi_worker", "hardware.local_workers=2", "hydra.run.dir=cut"]
    quiet = {"cwd": inside, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*command, *WORKERS, *group], **quiet)
    try:
        wait_for(lambda: (inside / "cut" / "checkpoints" / "last.1.npz").exists(), 100)
        workers = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    finally:
        process.kill()
        process.wait()
    pids = list(map(int, workers.stdout.split()))
    assert len(pids) == 2
    # Nobody is left to hear them: they end by themselves.
    wait_for(lambda: not any(map(lives, pids)), 60)
    at = file.newest(inside / "cut")[0]
    assert 2 <= at.epoch < 100
    assert subprocess.run([*command, "resume", "cut"], **quiet, timeout=200, check=False).returncode == 0
    ours = history.replay(journal.read(inside / "cut" / "journal.jsonl").records)
    assert ours["attempts"][-1]["resumed_from"]["epoch"] >= 2
    alone = trainrun.run(WORKERS)
    assert list(ours["epochs"]) == list(range(1, 101))
    assert ours["history"]["loss"] == pytest.approx(alone.history["loss"], rel=1e-5)
    assert ours["metrics"]["test_loss"] == pytest.approx(alone.metrics["test_loss"], rel=1e-5)


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def wait_for(come, seconds):
    until = time.monotonic() + seconds
    while not come():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.1)
