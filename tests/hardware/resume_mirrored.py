"""Stop runs of two replicas, go on on two and on one; print whether the records are those of runs without a stop.

A script of its own, because a process can be given logical devices only before TensorFlow starts.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import keras

import trainrun
from trainrun.commands import resume
from trainrun.run import callback_builders
from trainrun.tracking import history, journal
from trainrun.ui import console
from trainrun.util.interrupt import Interrupted

BASE = [
    "data=iris", "trainer.limit=88", "trainer.batch_size=8", "trainer.epochs=4", "tracking=none", "artifacts.model=false",
    "artifacts.plots=false", "artifacts.report=false", "hardware=mirrored", "hardware.virtual_devices=2",
    "hardware.deterministic=true", "model.dropout=0.2", "model.batch_norm=true",
]  # fmt: skip


class Stop(keras.callbacks.Callback):
    """Ends the run by a signal in its second epoch."""

    transient = coarse = True
    stride = 3

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 2):
            os.kill(os.getpid(), signal.SIGTERM)


def record(run_dir):
    summary = json.loads(Path(run_dir, "summary.json").read_text())
    past = history.replay(journal.read(Path(run_dir, "journal.jsonl")).records)
    epochs = {e: entry["metrics"] for e, entry in past["epochs"].items()}
    return {k: summary[k] for k in ("status", "metrics", "best", "steps", "weights_sha256")}, epochs


if __name__ == "__main__":
    os.chdir(tempfile.mkdtemp())
    console.quiet()
    results, plain = {}, callback_builders.user_callbacks
    for trainer in ("custom", "fit"):
        overrides = [*BASE, f"trainer={trainer}"]
        trainrun.run(overrides, run_dir=f"{trainer}_whole")
        callback_builders.user_callbacks = lambda *a: [*plain(*a), Stop()]
        for devices in ("two", "one") if trainer == "custom" else ("two",):
            try:
                trainrun.run(overrides, run_dir=f"{trainer}_{devices}")
            except Interrupted as stop:
                results[f"{trainer}_{devices}_code"] = stop.exit_code
        callback_builders.user_callbacks = plain
        resume.main([f"{trainer}_two"])
        results[trainer] = record(f"{trainer}_whole") == record(f"{trainer}_two")
    resume.main(["custom_one", "hardware=cpu"])
    whole, one = record("custom_whole")[1], record("custom_one")[1]
    results["epochs"] = sorted(one)
    # Epoch 1 was trained on two devices, and is the same; what comes after draws another dropout.
    results["first"] = whole[1] == one[1]
    results["apart"] = max(abs(whole[e]["loss"] - one[e]["loss"]) for e in (2, 3, 4))
    sys.stdout.write("\n" + json.dumps(results))
