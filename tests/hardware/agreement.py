"""Train on one device and on two and three parts of the CPU; print how far histories and weights differ.

A script of its own, because a process can be given logical devices only before TensorFlow starts.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

import trainrun
from trainrun.errors import UserError
from trainrun.ui import console

QUICK = [
    "tracking=none", "trainer.epochs=2", "artifacts.plots=false", "artifacts.report=false", "artifacts.model=false",
]  # fmt: skip
# Name -> overrides. 41 examples by 8: the last batch has one, fewer than the replicas; by 7, an odd one of 6.
CASES = {
    "odd": ["data=iris", "trainer.limit=41", "trainer.batch_size=7", "optimizer=sgd", "model.regularizer=l2"],
    # A penalty that each call adds: its columns are those of one device.
    "one_left": ["data=iris", "trainer.limit=41", "trainer.batch_size=8", "optimizer=adam", "model=sparse_mlp"],
    # Sparse gradients: their rows are fewer in the last batch (6 of 9 examples), and Adam squares them before it adds those of one index.
    "clipped": [
        "plugins=[./own.py]", "model=embedded", "data=iris", "trainer.limit=42", "trainer.batch_size=9", "optimizer=adam",
        "optimizer.clipnorm=0.05", "loss=focal", "trainer.class_weight=balanced", "metric=[]",
    ],
}  # fmt: skip
# Steps of a model's own that log what `compute_loss` returns and do not tell it x; a metric of the model's own; a loss with a further term.
OWN = """
import keras, tensorflow as tf, trainrun
from keras import ops

@trainrun.register("model", "embedded", targets="multiclass", output="probabilities")
def embedded(inputs, target, head):
    x = keras.Input(inputs[0].shape, name=inputs[0].name)
    codes = ops.cast(ops.clip(2 * x + 4, 0, 7), "int32")
    rows = keras.layers.Flatten()(keras.layers.Embedding(8, 3)(codes))
    return keras.Model(x, keras.layers.Dense(3, activation="softmax", kernel_regularizer="l2")(rows))

@trainrun.register("model", "own", targets="multiclass", output="probabilities")
class Own(keras.Model):
    def __init__(self, inputs, target, head):
        super().__init__()
        self.last = keras.layers.Dense(3, activation="softmax", kernel_regularizer="l2")
        self.highest = keras.metrics.Mean(name="highest")
    def call(self, x):
        return self.last(x)
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self.trainable_weights), self.trainable_weights))
        self.highest.update_state(ops.max(y_pred, axis=-1))
        return {"loss": loss, "highest": self.highest.result()}
    def test_step(self, data):
        x, y = data
        return {"loss": self.compute_loss(y=y, y_pred=self(x))}

@trainrun.register("model", "further", targets="multiclass", output="probabilities")
class Further(Own):
    train_step, test_step = keras.Model.train_step, keras.Model.test_step
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, y, y_pred, sample_weight, training) + ops.mean(y_pred**2)
"""
CASES["own"] = [
    "plugins=[./own.py]",
    "model=own",
    "data=iris",
    "trainer.limit=40",
    "trainer.batch_size=8",
    "metric=[]",
]
# Full batches and the smaller last one, all in one call.
CALLS = {"custom": ["trainer.steps_per_execution=6"]}
# Parts of a replica's examples, which are not of one size.
PARTS = {"odd-custom-2": ["trainer.accumulate=3"]}
# Every trainer with every number of replicas, and every case with every trainer that takes it: each run is traced anew.
PAIRS = {
    "odd": (("custom", 2), ("fit", 3)),
    "one_left": (("custom", 3),),
    "clipped": (("custom", 3), ("fit", 2)),
    "own": (("fit", 2),),
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
    Path("own.py").write_text(OWN)
    results: dict = {"agreement": {}}
    # The most parts first: a process can split the CPU once.
    for name in ("one_left", "clipped", "odd", "own"):
        overrides = CASES[name]
        several = {
            f"{trainer}-{count}": train(
                *overrides,
                *mirrored(count),
                f"trainer={trainer}",
                *CALLS.get(trainer, []),
                *PARTS.get(f"{name}-{trainer}-{count}", []),
            )
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
    for key, overrides in {
        "too_late": mirrored(4),
        "further": [*CASES["own"], "model=further", *mirrored(2)],
    }.items():
        try:
            train("data=iris", "trainer=custom", *overrides)
        except UserError as error:
            results[key] = str(error)
    sys.stdout.write("\n" + json.dumps(results))
