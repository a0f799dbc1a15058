"""The callback by which `training_speed.py` and `jax_peers.py`, each under its own backend of Keras, time epochs."""

from __future__ import annotations

import time
from typing import Any

import keras


class Stopwatch(keras.callbacks.Callback):
    """The seconds of each epoch."""

    coarse = True  # for trainrun's loops: it needs no batch of its own

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self._start)
