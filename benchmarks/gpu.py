"""Training on a GPU: speed against plain Keras `fit`, the card's peak, agreement, kill and resume, two trials on one card.

Where TensorFlow sees no GPU, the script says so and ends with exit code 0; no figure is printed. It has been run on no card yet: where
it fails on one, that is a fault of the script.

For resnet_small, a ResNet-50 and a transformer block, in float32, TF32 and mixed_bfloat16, with and without XLA: examples a second of
`trainer=custom` as a ratio to plain Keras `fit` in the same run (interleaved, medians of the epochs after the first three), the
achieved share of the card's peak, from the step's FLOPs (forward, times three) and `--peak` in TFLOP/s of the dtype, and the
share of the time in which a kernel runs, from TensorFlow's profiler (one epoch of `custom`). The data are random; the accuracy means
nothing. Then, as commands of their own: the losses of the three trainers, `verify-resume` with `hardware.deterministic=true`, and a
sweep of two trials on one card against the two alone.

    python benchmarks/gpu.py [--quick] [--models resnet_small] [--peak float32=67,tf32=495,mixed_bfloat16=990]
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import options
import results_file
import tensorflow as tf
import timing
from stopwatch import Stopwatch

from trainrun.data.dataset import Split
from trainrun.model.cost import FORWARD_PASSES_PER_STEP
from trainrun.trainer.custom import Custom
from trainrun.trainer.job import Job, Plan

CLASSES = 10
PRECISIONS = {
    "float32": ("float32", False),
    "tf32": ("float32", True),
    "mixed_bfloat16": ("mixed_bfloat16", True),
}


def resnet_small() -> tuple[keras.Model, int, int]:
    """Return a small residual network on 32 x 32 images, its batch size and its number of examples."""
    image = x = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(32, 3, padding="same")(x)
    for width, stride in ((32, 1), (64, 2), (128, 2)):
        y = keras.layers.Conv2D(width, 3, stride, padding="same", use_bias=False)(x)
        y = keras.layers.ReLU()(keras.layers.BatchNormalization()(y))
        y = keras.layers.BatchNormalization()(
            keras.layers.Conv2D(width, 3, padding="same", use_bias=False)(y)
        )
        x = keras.layers.ReLU()(keras.layers.add([y, keras.layers.Conv2D(width, 1, stride)(x)]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, dtype="float32")(x)), 256, 8_192


def resnet50() -> tuple[keras.Model, int, int]:
    """Return a ResNet-50 on 224 x 224 images; see `resnet_small`."""
    model = keras.applications.ResNet50(weights=None, classes=CLASSES, classifier_activation=None)
    return model, 64, 1_024


def transformer() -> tuple[keras.Model, int, int]:
    """Return four blocks of attention over 256 vectors of 512; see `resnet_small`."""
    tokens = x = keras.Input((256, 512))
    for _ in range(4):
        y = keras.layers.LayerNormalization()(x)
        x = keras.layers.add([x, keras.layers.MultiHeadAttention(8, 64)(y, y)])
        y = keras.layers.Dense(2048, "gelu")(keras.layers.LayerNormalization()(x))
        x = keras.layers.add([x, keras.layers.Dense(512)(y)])
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(tokens, keras.layers.Dense(CLASSES, dtype="float32")(x)), 64, 2_048


MODELS = {"resnet_small": resnet_small, "resnet50": resnet50, "transformer": transformer}


def job(name: str, xla: bool, epochs: int, scale: int) -> Job:
    """Return a compiled model with random data; `scale` divides the number of examples."""
    keras.utils.set_random_seed(0)
    model, batch, examples = MODELS[name]()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=xla)
    random, examples = np.random.default_rng(0), max(batch * 4, examples // scale)
    x = random.standard_normal((examples, *model.input_shape[1:]), dtype="float32")
    split = Split(x, random.integers(CLASSES, size=examples), None)
    plan = Plan.of(examples, epochs, batch, None, 0, True)
    return Job(model, None, split, None, None, plan)


def epochs_of(way: str, name: str, xla: bool, epochs: int, scale: int) -> tuple[list[float], Job]:
    """Train by plain Keras (`plain`) or `custom`; return the seconds of the epochs after the first three, and the job."""
    made, watch = job(name, xla, epochs, scale), Stopwatch()
    if way == "plain":
        x, y = made.train.x, made.train.y
        made.model.fit(x, y, batch_size=made.plan.batch_size, epochs=epochs, verbose=0, callbacks=[watch])
    else:
        Custom().train(made, [watch])
    return watch.seconds[3:], made


class Trace(Stopwatch):
    """Traces the kernels of the second epoch into a folder."""

    traces = True

    def __init__(self, folder: str):
        super().__init__()
        self.folder = folder

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            tf.profiler.experimental.start(self.folder)
        super().on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        super().on_epoch_end(epoch, logs)
        if epoch == 1:
            tf.profiler.experimental.stop()


def busy(name: str, xla: bool, scale: int) -> float | None:
    """Return the share of an epoch in which the GPU runs a kernel; None without a trace of one."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Trace(folder)
        Custom().train(job(name, xla, 2, scale), [trace])
        files = [*Path(folder).rglob("*.trace.json.gz")]
        events = json.loads(gzip.decompress(files[0].read_bytes()))["traceEvents"] if files else []
    devices = {
        e["pid"] for e in events if e.get("name") == "process_name" and "GPU" in str(e["args"].get("name"))
    }
    kernels = [(e["ts"], e["dur"]) for e in events if e.get("pid") in devices and e.get("dur")]
    return covered(kernels, trace.seconds[1])


def covered(kernels: list[tuple[float, float]], seconds: float) -> float | None:
    """Return the share of `seconds` that intervals (begin and duration in microseconds) cover together; None without one."""
    total, end = 0.0, float("-inf")
    for begin, duration in sorted(kernels):
        total += max(0.0, begin + duration - max(begin, end))
        end = max(end, begin + duration)
    return total / 1e6 / seconds if kernels else None


def speed(names: list[str], peaks: dict[str, float], quick: bool) -> list[list[Any]]:
    """Print and return a row for each model, precision, and without and with XLA."""
    rows: list[list[Any]] = []
    repeats, epochs, scale = (1, 4, 8) if quick else (3, 8, 1)
    print(
        f"{'model':<14}{'precision':<16}{'XLA':<5}{'plain ex/s':>12}{'custom ex/s':>13}{'ratio':>8}{'peak':>8}{'kernels':>9}"
    )
    for name in names:
        for precision, (policy, tf32) in PRECISIONS.items():
            keras.config.set_dtype_policy(policy)
            tf.config.experimental.enable_tensor_float_32_execution(tf32)
            for xla in (False, True):
                seconds: dict[str, list[float]] = {"plain": [], "custom": []}
                for _ in range(repeats):
                    for way, took in seconds.items():
                        some, made = epochs_of(way, name, xla, epochs, scale)
                        took += some
                median = {way: statistics.median(took) for way, took in seconds.items()}
                rate = {way: len(made.train) / s for way, s in median.items()}
                flops = made.cost().flops * FORWARD_PASSES_PER_STEP * rate["custom"]
                share = flops / (peaks[precision] * 1e12) if precision in peaks else None
                kernels = busy(name, xla, scale)
                rows.append([name, precision, "yes" if xla else "no", round(rate["plain"]), round(rate["custom"]),
                             rate["custom"] / rate["plain"], share, kernels])  # fmt: skip
                shown = ["-" if v is None else f"{v:.0%}" for v in (share, kernels)]
                print(f"{name:<14}{precision:<16}{'yes' if xla else 'no':<5}{rate['plain']:>12,.0f}{rate['custom']:>13,.0f}"
                      f"{rate['custom'] / rate['plain']:>8.2f}{shown[0]:>8}{shown[1]:>9}", flush=True)  # fmt: skip
    return rows


def commands() -> list[list[Any]]:
    """Print and return what whole commands show: agreement, resume, two trials on one card."""
    run = ["data=digits", "model=cnn", "trainer.epochs=3", "tracking=none", "artifacts=none"]
    rows: list[list[Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder, losses = Path(name), {}
        for trainer in ("fit", "train_on_batch", "custom"):
            timing.trainrun(folder, *run, f"trainer={trainer}", f"hydra.run.dir={trainer}")
            losses[trainer] = json.loads((folder / trainer / "summary.json").read_text())["metrics"]["loss"]
        spread = (max(losses.values()) - min(losses.values())) / max(abs(v) for v in losses.values())
        rows.append(["largest relative difference of the three trainers' losses", spread])
        code, _, output = timing.trainrun(
            folder, "verify-resume", *run, "hardware.deterministic=true", may_fail=True
        )
        rows.append(["kill and resume with determinism", "the same bits" if code == 0 else output[-300:]])
        alone = sum(timing.trainrun(folder, *run, f"seed={seed}")[1] for seed in (1, 2))
        code, together, _ = timing.trainrun(
            folder, "-m", *run, "seed=1,2", "hydra.launcher.per_gpu=2", may_fail=True
        )
        rows.append(
            ["two trials on one card, seconds one after another / at once", alone / together if code == 0 else "failed"]
        )  # fmt: skip
    for row in rows:
        print(f"{row[0]}: {row[1]}")
    return rows


def peaks(text: str) -> dict[str, float]:
    """Read `float32=67,tf32=495`: TFLOP/s of the card by precision."""
    try:
        pairs = dict(part.split("=") for part in text.split(","))
        values = {name: float(value) for name, value in pairs.items()}
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected PRECISION=TFLOPS,…, got {text!r}") from None
    if unknown := sorted(set(values) - set(PRECISIONS)):
        raise argparse.ArgumentTypeError(
            f"expected some of {', '.join(PRECISIONS)}; got {', '.join(unknown)}"
        )
    return values


def main() -> int:
    """Measure on the GPU; say so where there is none."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="an eighth of the examples, one repeat")
    parser.add_argument("--models", type=options.names(MODELS), default=[*MODELS])
    parser.add_argument("--peak", type=peaks, default={}, help="TFLOP/s of the card, float32=67,tf32=495")
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    cards = tf.config.list_physical_devices("GPU")
    if not cards:
        print("TensorFlow sees no GPU on this machine: nothing was measured.")
        return 0
    for card in cards:
        tf.config.experimental.set_memory_growth(card, True)  # the commands below run beside this process
    details = tf.config.experimental.get_device_details(cards[0])
    print(f"{details.get('device_name', 'GPU')}, TensorFlow {tf.__version__}, Keras {keras.__version__}")
    columns = ["model", "precision", "XLA", "plain examples/s", "custom examples/s", "custom / plain", "share of peak", "share in kernels"]  # fmt: skip
    tables = [
        results_file.table(columns, speed(arguments.models, arguments.peak, arguments.quick), "Speed"),
        results_file.table(["quantity", "value"], commands(), "Whole commands"),
    ]
    results_file.write(
        arguments.json, "python benchmarks/gpu.py", tables, [], [details.get("device_name", "")]
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
