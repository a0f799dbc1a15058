"""The ks metric: time per sample, compared with the commonly published form and with Keras' AUC.

The published form adds to one counter per sample, in a loop over the batch. `metric=ks` sorts the batch into bins and adds once
(`segment_sum`). Both are compiled and count the same, which is asserted. The goals hold for `BATCHES` updates in one compiled call,
as in a compiled epoch; calls from Python for each batch are reported beside them, with a call of an empty function.

    python benchmarks/metrics_speed.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import results_file
import tensorflow as tf
import timing

from trainrun.metric.ks import KS

BINS, BATCH, BATCHES = 1000, 10_000, 50
GOAL_LOOP, GOAL_AUC = 1000.0, 1.0


class LoopKS:
    """The published form: a loop over samples, a counter assigned for each."""

    def __init__(self, bins: int):
        self.bins = bins
        self.positive = tf.Variable(tf.zeros(bins))
        self.negative = tf.Variable(tf.zeros(bins))

    @tf.function(reduce_retracing=True)
    def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> None:
        for i in tf.range(tf.shape(y_true)[0]):
            index = tf.minimum(tf.cast(tf.floor(y_pred[i, 0] * self.bins), tf.int32), self.bins - 1)
            if y_true[i, 0] > 0:
                self.positive[index].assign(self.positive[index] + 1.0)
            else:
                self.negative[index].assign(self.negative[index] + 1.0)

    def result(self) -> float:
        rates = [np.cumsum(v.numpy()[::-1]) / v.numpy().sum() for v in (self.positive, self.negative)]
        return float((rates[0] - rates[1]).max())


def epoch(metric: keras.metrics.Metric) -> Callable[[tf.Tensor, tf.Tensor], None]:
    """Return `BATCHES` updates as one compiled call, as the trainers make them."""

    @tf.function
    def updates(y: tf.Tensor, p: tf.Tensor) -> None:
        for _ in tf.range(BATCHES):
            metric.update_state(y, p)

    return updates


def main() -> int:
    """Print microseconds a sample and the ratios; return 1 if the values differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    repeats = 3 if arguments.quick else 15
    random = np.random.RandomState(0)
    y = tf.constant((random.rand(BATCH, 1) < 0.3).astype("float32"))
    p = tf.constant(np.clip(random.rand(BATCH, 1) * 0.7 + 0.3 * y.numpy(), 0, 0.999999).astype("float32"))
    few_y, few_p = y[:1000], p[:1000]  # the loop takes a second for the whole batch; its time is linear
    ours, loop, auc = KS(bins=BINS), LoopKS(BINS), keras.metrics.AUC()
    few = KS(bins=BINS)
    few.update_state(few_y, few_p)
    update, update_auc = tf.function(ours.update_state), tf.function(auc.update_state)
    nothing = tf.function(lambda y, p: None)
    many, many_auc = epoch(ours), epoch(auc)
    seconds = timing.medians(
        {
            "ks": lambda: many(y, p),
            "auc": lambda: many_auc(y, p),
            "loop": lambda: loop.update_state(few_y, few_p),
            "nothing, a call a batch": lambda: nothing(y, p),
            "ks, a call a batch": lambda: update(y, p),
            "auc, a call a batch": lambda: update_auc(y, p),
        },
        repeats,
    )
    samples = {"ks": BATCHES * BATCH, "auc": BATCHES * BATCH, "loop": 1000}
    each = {name: value / samples.get(name, BATCH) for name, value in seconds.items()}
    for name, value in each.items():
        print(f"{name:<24}{value * 1e6:10.4f} µs a sample, batches of {BATCH:,}")
    against_loop, against_auc = each["loop"] / each["ks"], each["auc"] / each["ks"]
    print(f"with a call from Python for each batch: {each['loop'] / each['ks, a call a batch']:,.0f} times the loop, "
          f"{each['auc, a call a batch'] / each['ks, a call a batch']:.1f} times Keras' AUC")  # fmt: skip
    print(f"ks is {against_loop:,.0f} times as fast as the loop (goal {GOAL_LOOP:,.0f}): "
          f"{'reached' if against_loop >= GOAL_LOOP else 'missed'}")  # fmt: skip
    print(f"ks is {against_auc:.1f} times as fast as Keras' AUC (goal {GOAL_AUC}): "
          f"{'reached' if against_auc >= GOAL_AUC else 'missed'}")  # fmt: skip
    by_call = [
        each["loop"] / each["ks, a call a batch"],
        each["auc, a call a batch"] / each["ks, a call a batch"],
    ]
    rows = [
        ["times as fast as the loop", against_loop, by_call[0]],
        ["times as fast as Keras' AUC", against_auc, by_call[1]],
    ]
    results_file.write(
        arguments.json,
        "python benchmarks/metrics_speed.py",
        [
            results_file.table(
                ["comparison", "in a compiled epoch", "called from Python for each batch"], rows
            )
        ],
        [
            results_file.goal(
                "times as fast as the loop, in a compiled epoch", against_loop, GOAL_LOOP, at_least=True
            ),
            results_file.goal(
                "times as fast as Keras' AUC, in a compiled epoch", against_auc, GOAL_AUC, at_least=True
            ),
        ],
        [f"Medians of {repeats} repeats, batches of {BATCH:,}."],
    )
    same = abs(float(few.result()) - loop.result()) < 1e-5
    print("values agree" if same else f"values differ: {float(few.result())} and {loop.result()}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
