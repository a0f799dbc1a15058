"""`checkpoints/last.npz` and `best.npz`: weights, optimizer and position, each file whole or not there at all."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainrun import optimizer_state

FOLDER = "checkpoints"
LAST, BEST = "last.npz", "best.npz"
# Writing may take this share of the time: on an idle machine it takes 4 ms for a small model, a twentieth of an epoch
# of digits, and on a busy disk ten times as long.
SHARE = 0.01
# Seconds from one writing to the next: never shorter, and, however long it takes, never longer than this and an epoch.
SOONEST, LATEST = 1.0, 10.0


class Checkpoint(keras.callbacks.Callback):
    """Write a checkpoint after every epoch, and another where the monitored loss is the lowest so far.

    Short epochs are passed over, so that writing takes at most about `SHARE` of the time: a process that is killed
    loses the epoch it was in and the 1 to 10 seconds before it. Epochs of 10 seconds and more are each written, and
    so are the first and the last; the best is that of all epochs, held in memory until the next writing.

    Args:
        run_dir: the run's directory.
        monitor: the log whose lowest value is best; `loss` stands in where there is no validation.
        clock: for tests; monotonic seconds.
    """

    def __init__(self, run_dir: Path, monitor: str = "val_loss", clock: Callable[[], float] = time.monotonic):
        super().__init__()
        self.folder, self.monitor, self.clock, self.lowest = run_dir / FOLDER, monitor, clock, math.inf
        self._due = -math.inf  # when to write next
        self._best: Mapping[str, np.ndarray] | None = None  # not written yet

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        logs = logs or {}
        value = float(logs.get(self.monitor, logs.get("loss", math.nan)))
        improved = value < self.lowest
        # Not left to `on_train_end`: by then, weights may have been averaged or those of the best epoch restored.
        final = self.model.stop_training or epoch + 1 == self.params.get("epochs")
        due = final or self.clock() >= self._due
        state = snapshot(self.model, epoch + 1) if improved or due else None
        if improved:
            self.lowest, self._best = value, state
        if due:
            begin = self.clock()
            write(self.folder / LAST, state)
            self._write_best()
            end = self.clock()
            self._due = end + min(max((end - begin) / SHARE, SOONEST), LATEST)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._write_best()

    def _write_best(self) -> None:
        if self._best is not None:
            write(self.folder / BEST, self._best)
            self._best = None


def snapshot(model: keras.Model, epoch: int) -> dict[str, np.ndarray]:
    """Return weights, generator states and optimizer state as arrays, and the number of epochs done."""
    state = {f"weights/{i}/{v.path}": np.asarray(v) for i, v in enumerate(model.variables)}
    if model.optimizer is not None and model.optimizer.built:
        state |= {f"optimizer/{name}": value for name, value in optimizer_state.get(model.optimizer).items()}
    state["position"] = np.frombuffer(json.dumps({"epoch": epoch}).encode(), dtype="uint8")
    return state


def write(path: Path, state: Mapping[str, np.ndarray]) -> None:
    """Write the arrays to a new file, have it on disk, and only then give it its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with open(new, "wb") as file:
        np.savez(file, **state)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def restore(path: Path, model: keras.Model) -> int:
    """Put a checkpoint back into a compiled model of the same build.

    Returns:
        The number of epochs done when it was written.
    """
    with np.load(path, allow_pickle=False) as state:
        for i, variable in enumerate(model.variables):
            variable.assign(state[f"weights/{i}/{variable.path}"])
        slots = {k.removeprefix("optimizer/"): state[k] for k in state.files if k.startswith("optimizer/")}
        if slots:
            model.optimizer.build(model.trainable_variables)
            optimizer_state.set(model.optimizer, slots)
        return int(json.loads(state["position"].tobytes())["epoch"])
