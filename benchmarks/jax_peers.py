"""Plain Keras on the JAX backend, and a scan over the epoch in one jit as the limit: a process of its own for `training_speed.py`.

    KERAS_BACKEND=jax python benchmarks/jax_peers.py FOLDER WAY BATCH EPOCHS

FOLDER has `model.json` (architecture), `loss.json` (of Keras) and `data.npz` (x, y). WAY is `fit` or `scan`. Prints JSON: the seconds of
each epoch, and the last loss. Adam at Keras' defaults; accuracy as metric under `fit`, none under `scan`, which gathers each batch
from a permutation drawn by numpy and drops the smaller last one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np
from stopwatch import Stopwatch


def by_fit(
    model: keras.Model, loss: Any, x: Any, y: Any, batch: int, epochs: int
) -> tuple[list[float], float]:
    """Train by Keras' `fit`."""
    model.compile(keras.optimizers.Adam(), loss, metrics=["sparse_categorical_accuracy"])
    watch = Stopwatch()
    history = model.fit(x, y, batch_size=batch, epochs=epochs, verbose=0, callbacks=[watch]).history
    return watch.seconds, history["loss"][-1]


def by_scan(
    model: keras.Model, loss: Any, x: Any, y: Any, batch: int, epochs: int
) -> tuple[list[float], float]:
    """Train by one jitted scan an epoch over the model's own stateless call and Adam's stateless update."""
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    held_x, held_y = jax.numpy.asarray(x), jax.numpy.asarray(y)

    def loss_of(trainable: Any, fixed: Any, index: Any) -> Any:
        output, fixed = model.stateless_call(trainable, fixed, held_x[index], training=True)
        return loss(held_y[index], output), fixed

    def step(carry: Any, index: Any) -> Any:
        trainable, fixed, slots = carry
        (value, fixed), gradients = jax.value_and_grad(loss_of, has_aux=True)(trainable, fixed, index)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return (trainable, fixed, slots), value

    epoch = jax.jit(lambda carry, order: jax.lax.scan(step, carry, order))
    carry = (
        [v.value for v in model.trainable_variables],
        [v.value for v in model.non_trainable_variables],
        [v.value for v in optimizer.variables],
    )
    random, seconds, last = np.random.default_rng(0), [], 0.0
    steps = len(x) // batch
    for _ in range(epochs):
        begin = time.perf_counter()
        order = random.permutation(len(x))[: steps * batch].reshape(steps, batch)
        carry, values = epoch(carry, order)
        last = float(values.mean())
        seconds.append((time.perf_counter() - begin) * len(x) / (steps * batch))
    return seconds, last


def main() -> None:
    """Train as the arguments say and print the result."""
    folder, way, batch, epochs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    keras.utils.set_random_seed(42)
    model = keras.models.model_from_json((folder / "model.json").read_text())
    loss = keras.losses.deserialize(json.loads((folder / "loss.json").read_text()))
    data = np.load(folder / "data.npz")
    seconds, last = {"fit": by_fit, "scan": by_scan}[way](model, loss, data["x"], data["y"], batch, epochs)
    print(json.dumps({"seconds": seconds, "loss": float(last)}))


if __name__ == "__main__":
    main()
