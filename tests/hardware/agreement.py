"""Train on one device and on two and three parts of the CPU; print how far histories and weights differ.

A script of its own, because a process can be given logical devices only before TensorFlow starts.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

import numpy as np

import trainrun
from trainrun.errors import UserError
from trainrun.ui import console

QUICK = [
    "tracking=none", "trainer.epochs=2", "artifacts.plots=false", "artifacts.report=false", "artifacts.model=false",
]  # fmt: skip
# Name -> overrides. 41 examples by 8: the last batch has one, fewer than the replicas; by 7, an odd one of 6.
CASES = {
    "odd": ["data=iris", "trainer.limit=41", "trainer.batch_size=7", "optimizer=sgd"],
    "one_left": ["data=iris", "trainer.limit=41", "trainer.batch_size=8", "optimizer=adam"],
    "clipped": [
        "data=iris", "trainer.limit=41", "trainer.batch_size=7", "optimizer=sgd", "optimizer.clipnorm=0.05",
        "model.regularizer=l2", "loss=focal", "trainer.class_weight=balanced", "metric=[]",
    ],
}  # fmt: skip
# Every trainer with every number of replicas, and every case with every trainer that takes it: each run is traced anew.
PAIRS = {
    "odd": (("custom", 2), ("fit", 3)),
    "one_left": (("custom", 3),),
    "clipped": (("custom", 3), ("fit", 2)),
}


def train(*overrides: str) -> tuple[np.ndarray, np.ndarray, trainrun.api.RunResult]:
    """Return the history `[metrics, epochs]`, the weights, and the result."""
    result = trainrun.run([*QUICK, *overrides])
    history = np.array([result.history[k] for k in sorted(result.history)], dtype="float64")
    return history, np.concatenate([w.ravel() for w in result.model.get_weights()]), result


def mirrored(count: int) -> list[str]:
    return ["hardware=mirrored", f"hardware.virtual_devices={count}"]


if __name__ == "__main__":
    os.chdir(tempfile.mkdtemp())
    console.quiet()
    results: dict = {"agreement": {}}
    # The most parts first: a process can split the CPU once.
    for name in ("one_left", "clipped", "odd"):
        overrides = CASES[name]
        several = {
            f"{trainer}-{count}": train(*overrides, *mirrored(count), f"trainer={trainer}")
            for trainer, count in PAIRS[name]
        }
        history, weights, _ = train(*overrides, "hardware=cpu", "trainer=custom")
        for key, (other, its_weights, _) in several.items():
            results["agreement"][f"{name}-{key}"] = {
                "history": float((abs(other - history) / np.maximum(abs(history), 1e-3)).max()),
                "weights": float(abs(its_weights - weights).max()),
                "moved": float(abs(history[:, 0] - history[:, 1]).max()),
            }
    _, _, scaled = train(
        "data=iris", "trainer.batch_size=8", *mirrored(2), "hardware.scale_batch=per_replica",
        "hardware.scale_learning_rate=linear", "trainer=custom", "optimizer.learning_rate=0.01", "metric=[]",
    )  # fmt: skip
    results["scaled"] = {"rate": scaled.history["learning_rate"][0], "steps": scaled.summary["steps"]}
    try:
        train("data=iris", *mirrored(4), "trainer=custom")
    except UserError as error:
        results["too_late"] = str(error)
    sys.stdout.write("\n" + json.dumps(results))
