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
    "hardware.deterministic=true", "plugins=[./own.py]",
]  # fmt: skip
OF_TRAINER = {
    "custom": ["model.dropout=0.2", "model.batch_norm=true", "trainer.step=held"],
    "fit": ["model=two"],
}
# Variables of a step and of a model: a counter, random numbers, and an optimizer that the first step builds.
OWN = """
import keras, tensorflow as tf, trainrun
from keras import layers, ops

@trainrun.register("step", "held")
class Held:
    def __init__(self):
        self.slow, self.noise = keras.optimizers.SGD(0.01, momentum=0.9), keras.random.SeedGenerator(3)
        self.count = keras.Variable(0.0, trainable=False)
    def build(self, model):
        self.mean = keras.Variable(model.trainable_weights[0], trainable=False)
    def __call__(self, model, x, y, weight, share):
        with tf.GradientTape() as tape:
            y_pred = model(x, training=True)
            apart = ops.sum((model.trainable_weights[0] - self.mean) ** 2) / (1 + self.count)
            drawn = keras.random.uniform((), seed=self.noise)
            loss = (model.compute_loss(x, y, y_pred, weight, training=True) + 0.1 * drawn * apart) * share
        kernel, *others = zip(tape.gradient(loss, model.trainable_weights), model.trainable_weights)
        model.optimizer.apply_gradients([kernel])
        self.slow.apply_gradients(others)
        self.mean.assign(0.9 * self.mean + 0.1 * model.trainable_weights[0])
        self.count.assign_add(1.0)
        return loss, y_pred

class Two(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.body = keras.Sequential([layers.Dense(16), layers.BatchNormalization(), layers.Dropout(0.2)])
        self.last = layers.Dense(3, activation="softmax")
        self.slow, self.seen = keras.optimizers.SGD(0.01, momentum=0.9), keras.metrics.Mean(name="loss")
    def call(self, x, training=False):
        return self.last(self.body(x, training=training))
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        parts = self.body.trainable_weights, self.last.trainable_weights
        for optimizer, part, its in zip((self.optimizer, self.slow), parts, tape.gradient(loss, parts)):
            optimizer.apply_gradients(zip(its, part))
        self.seen.update_state(loss)
        return {"loss": self.seen.result()}

@trainrun.register("model", "two", targets="multiclass", output="probabilities")
def two(inputs, target, head):
    return Two()
"""


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
    Path("own.py").write_text(OWN)
    results, plain = {}, callback_builders.user_callbacks
    for trainer in ("custom", "fit"):
        overrides = [*BASE, *OF_TRAINER[trainer], f"trainer={trainer}"]
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
