"""Examples per second of `trainer=fit` and `trainer=custom` compared with the plain Keras script: arrays and `model.fit`, defaults.

All train the same compiled model on the same data without validation, metrics included. After a warm-up that compiles, the
repeats are interleaved, and the medians of an epoch's seconds are compared. Plain Keras trains for 3 s at least, the others for as many
epochs: 11 epochs of the recurrent model at 256 by XLA are 50 ms, and took 4.1 or 6.2 each, as the machine was in just these. The first
epoch, which compiles, stands apart. As in `trainrun`, the garbage collector leaves out what was imported; where it does not, an epoch of
the digits MLP by XLA took 2.3 instead of 1.8 ms. At the end the losses of the last epoch may differ by a quarter, because Keras shuffles
by another generator. `xla` is `trainer=custom trainer.jit_compile=true`. The column `bare` is the compiled step on one constant batch,
TensorFlow's limit without XLA.

What is left between XLA and JAX's scan, digits MLP at 32 (33 full batches and one of 23; a busy machine, so minima): kernels on one
thread 4.6 ms an epoch; XLA 1.6 to 1.9 ms; the scan 1.1 ms. A step takes 30 us, the scan's 33. In the HLO, the variables are carried by the
loop as they are in JAX's: TensorFlow's compiler turns resources into values, and a step is 61 kernels (JAX: 55, with metrics left
out and five products by another library). So carrying them by hand, a flattened update of Adam and metrics outside of the loop have
nothing left to win. What differs is outside of the steps: 0.25 ms of a call that takes no step (0.16 any call of an XLA program, 0.02
its 30 variables, 0.08 the indices from numpy; 0.41 before the traced function was called itself: `tf.function` looks it up each
time), and hand-offs to the thread pool, 20 a call: 0.8 ms of the median (not of the minimum), which `hardware.threads=1` saves, and the flags `--xla_cpu_enable_concurrency_optimized_scheduler=false` and
`--xla_cpu_multi_thread_eigen=false` do not. Fast math and a lower optimization level were worth nothing. The smaller last batch as a call
of TensorFlow's kernels took 1.0 to 1.5 ms, and all of the gain; it is in XLA's program, which compiles longer for it.

Recurrent model at 256, us of a step of XLA's program (clock, kernel by kernel): 2,000, of which 877 are the six products of each time
step, 250 the gates forward and backward, 250 copies and stacks of each time step's values, the layer's kernels among them, 74 the
concatenation of the gates' gradients. Plain Keras on JAX is the better peer: the same six products, four of them by YNNPACK, and no
kernels stacked; 10.3 to 10.8 ms of processor time an epoch, ours 11.0 to 11.4. With the product of the inputs and the gradients of the
kernels outside of the loop, and the gates saved (`trainrun/compat/keras_recurrent_private.py`), products take 640, and an epoch 8.7 to
9.7 (interleaved minima; medians 12.9 before, 10.9 now, JAX 12.8). LSTM of 128 units, 64 time steps, batch 32: 584 and 394 ms an epoch;
two of 64 units, 128 time steps, batch 128: 759 and 565. With the gates computed again in the backward pass an epoch took 14.1, with
time steps unrolled as well 13.3, and compiling twice as long. By TensorFlow's kernels, this form would take 23 instead of 32 ms at 32
(64 time steps of 128 units: 481 instead of 616), and the same at 256; not done, because it changes the bits of every recurrent run.

Where `trainer.jit_compile=auto` changes over: compiling takes about 0.4 s and 2 ms for each of the nodes of the graph, and a node
saves 0.17 us a step or more, so XLA pays from so many steps on: linear 25,000; mlp 22,000; mlp at 256 34,000; embedding 15,000;
batch normalization 19,000; recurrent 8,000 to 13,000, at 256 18,000; two layers of 256 4,000; transformer
2,000. A run of 30 epochs of the digits (1,020 steps) cannot win back its 1.7 s by any of it, so a training begins
by kernels, and changes over when compiling takes at most an eighth of the time before (`trainrun/trainer/change_over.py`).

Transformer, CNN, ResNet and recurrent model, processor time of an epoch in ms (a busy machine, so minima; 1,079 examples; plain
Keras, plain Keras on JAX, `custom` by kernels; XLA before convolutions were products): at 32 transformer 366, 316, 201 (XLA 86); cnn 149, 127, 37 (XLA 168);
resnet_small 372, 367, 248; recurrent 143, 122, 29 (XLA 21); at 256 190, 178, 141; 62, 59, 23; 164, 155, 121; 52, 55, 14. The
transformer's kernels spend their time in 24 batched products and 12 einsums a step of tiny matrices (16 x 8 a head), which TensorFlow
divides among threads for each: with `TF_NUM_INTRAOP_THREADS=1` 154 instead of 226; XLA does not. Nine tenths of resnet_small's
time are its 26 convolutions. `TF_ENABLE_ONEDNN_OPTS=0` was worth a tenth on resnet_small, nothing on cnn and transformer.

The CNN at 32 on JAX: its step is a program of its own, 0.9 to 1.1 ms, with four of five convolutions and the pooling by YNNPACK on both
cores. TensorFlow's kernels take 1.1 ms on one: us of each, in a loop on one thread (minima, a busy machine): convolutions forward 157 and
105, gradients of the filters 77 and 113, of the second one's input 127 (none is computed for the first); pooling 22 and 5, its
gradients 63 and 34; 400 are products, Adam, metrics and hand-offs. By oneDNN, which the pool takes, they are 131, 204, 216, 263 and 185
of processor time, pooling 94, 69, 81 and 38; a nested function, which is optimized and gets oneDNN, was 1.4 times as slow. In XLA's
loop, the filter gradient of the second took 8.1 ms and its input gradient 4.9, so that JAX's scan and TensorFlow's program took 10 to
22 ms a step. As products (`trainrun/compat/keras_convolution_private.py`), forward pass and filter gradient together take 0.05 and
0.11 ms, pooling with its gradient 0.04 instead of 0.16: a step by XLA 0.63 ms, kernels 1.12 (processor time); at 256 3.7 and 3.6,
where kernels have a second core. resnet_small 5.4 and 8.8; at 256 31 and 25. A sum of products for each place in the window was 2.8
times as slow, a gather of the windows 1.3 times. Compiling takes 2.5 s, and 7 for resnet_small.

Between runs, `TF_XLA_FLAGS=--tf_xla_persistent_cache_directory=DIR` reduced the first epoch from 1.9 to 0.6 s (kernels: 0.4), one
file of 0.8 MB a program. It is left to the user: a damaged or empty file ends the training (OutOfRangeError, DataLossError), and
the key does not name the processor.

Where `jax` can be imported, the table has plain Keras `fit` on the JAX backend and a scan over the epoch in one jit of JAX
(`jax_peers.py`), the limit of the machine.

Where `lightning` (or `pytorch_lightning`) and `torch` can be imported, PyTorch Lightning trains the digits MLP too: same layers,
distribution of the first weights, optimizer, batches and epochs, on the CPU; loss and accuracy logged per epoch; no logger,
checkpoint, progress bar or summary.

    python benchmarks/training_speed.py [--quick] [--models mlp,cnn] [--epochs 8]
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import lightning_peer
import numpy as np
import options
import results_file
import tensorflow as tf
from stopwatch import Stopwatch

from trainrun.hydra_bridge import preflight
from trainrun.run import builders
from trainrun.step.default import default
from trainrun.trainer.epoch_loop import build
from trainrun.trainer.job import Job

# As many training examples as the digits have, of 16 tokens each.
SEQUENCES = ["data=synthetic", "data.kind=sequences", "data.examples=1798"]
MODELS = {
    "linear": ["model=linear"],
    "mlp": ["model=mlp"],
    "cnn": ["model=cnn"],
    "resnet_small": ["model=resnet_small"],
    "recurrent": ["model=recurrent"],
    "transformer": ["model=transformer_small", *SEQUENCES],
    "embedding": ["model=layers", "model.layers=[{name: Embedding, input_dim: 20, output_dim: 32}, {name: GlobalAveragePooling1D}, "
                  "{name: Dense, units: 64, activation: relu}]", *SEQUENCES],
}  # fmt: skip
GOALS = {("mlp", 32, "custom"): 8.0, ("mlp", 32, "fit"): 3.0}
# How many times as fast `xla` is as another way, once compiled.
XLA_GOALS = {("mlp", 32, "plain"): 30.0, ("mlp", 32, "jax fit"): 3.5, ("mlp", 32, "jax scan"): 0.35}
# How many times as fast the better of `custom` and `xla` is as the better of the plain ones.
TO_BETTER_PLAIN = {"cnn": 1.1, "resnet_small": 1.1, "recurrent": 1.1, "transformer": 1.1}
NEVER_SLOWER = 0.98
PLAIN_S = 3.0  # of training by plain Keras, at least


def prepare(model: list[str], batch: int, epochs: int, way: str) -> tuple[Job, Any]:
    """Return a job and its trainer; `xla` is the custom one with `jit_compile=true`."""
    trainer, compiled = ("custom", "true") if way == "xla" else (way, "auto")
    config, problems = preflight.overrides(
        ["tracking=none", "data=digits", *model, f"trainer={trainer}", f"trainer.batch_size={batch}",
         f"trainer.epochs={epochs}", f"trainer.jit_compile={compiled}"]
    )  # fmt: skip
    assert not problems, problems
    data = replace(builders.dataset(config), validation=None)
    return builders.job(config, data, tf.distribute.get_strategy()), builders.trainer(config)


def run(way: str, model: list[str], batch: int, epochs: int) -> tuple[list[float], float]:
    """Train once; return each epoch's seconds and the last loss."""
    watch = Stopwatch()
    if way == "plain":
        job, _ = prepare(model, batch, epochs, "fit")
        # With a seed, Keras draws the same order in each epoch, and ends at another loss.
        tf.random.set_seed(None)
        history = job.model.fit(
            job.train.x, job.train.y, batch_size=batch, epochs=epochs, verbose=0, callbacks=[watch]
        ).history
    else:
        job, trainer = prepare(model, batch, epochs, way)
        history = trainer.train(job, [watch])
    return watch.seconds, history["loss"][-1]


def bare(model: list[str], batch: int) -> float:
    """Return the seconds of an epoch of steps on one constant batch: forward, gradient, update, no metrics."""
    job, _ = prepare(model, batch, 1, "custom")
    build(job)
    few = job.train.take(range(batch))
    x, y = tf.constant(few.x), tf.constant(few.y)

    def step(at: tf.Tensor) -> list[tf.Tensor]:
        default(job.model, x, y, None, 1.0)
        return [at + 1]

    @tf.function(autograph=False)
    def epoch() -> None:
        tf.while_loop(lambda at: at < job.plan.steps_per_epoch, step, [tf.constant(0)])

    epoch()
    took = []
    for _ in range(4):
        start = time.perf_counter()
        epoch()
        took.append(time.perf_counter() - start)
    return statistics.median(took)


def by_jax(way: str, model: list[str], batch: int, epochs: int) -> tuple[list[float], float]:
    """Train by plain Keras on JAX (`fit`) or by a scan in one jit (`scan`), in a process of its own; as `run`."""
    job, _ = prepare(model, batch, epochs, "fit")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        architecture = json.loads(job.model.to_json())
        architecture.pop("compile_config", None)
        for layer in architecture["config"]["layers"]:  # Keras has no synchronized batch normalization on JAX
            if layer["config"].get("synchronized"):
                layer["config"]["synchronized"] = False
        (folder / "model.json").write_text(json.dumps(architecture))
        (folder / "loss.json").write_text(json.dumps(keras.losses.serialize(job.model.loss)))
        np.savez(folder / "data.npz", x=job.train.x, y=job.train.y)
        done = subprocess.run(
            [sys.executable, Path(__file__).with_name("jax_peers.py"), folder, way, str(batch), str(epochs)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    result = json.loads(done.stdout.splitlines()[-1])
    return result["seconds"], result["loss"]


def main() -> int:
    """Print a line for each model and batch size; return 1 if the losses do not agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="mlp at batch 32 only, two repeats")
    parser.add_argument("--models", type=options.names(MODELS), default=[*MODELS])
    parser.add_argument("--batches", type=options.numbers(1), default=[32, 256])
    parser.add_argument(
        "--epochs", type=options.at_least(4), default=8, help="at least; the first three are a warm-up"
    )
    parser.add_argument("--repeats", type=options.at_least(1), default=3)
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    names, sizes = arguments.models, arguments.batches
    gc.freeze()  # as `trainrun` does after its imports; all ways but those on JAX are in this process
    if arguments.quick:
        names, sizes, arguments.repeats = ["mlp"], [32], 2
    failed: list[str] = []
    rows: list[list[Any]] = []
    peers: list[list[Any]] = []
    goals: list[dict[str, Any]] = []
    print(
        f"medians of an epoch, {arguments.repeats} interleaved repeats of {arguments.epochs} epochs or more; ratios to plain Keras fit"
    )
    print(
        f"{'model':<13}{'batch':>6}{'plain ex/s':>12}       fit    custom       xla      bare   jax fit  jax scan   first epoch: plain, fit, custom, xla"
    )
    jax = ["jax fit", "jax scan"] if importlib.util.find_spec("jax") is not None else []
    for name in names:
        examples = len(prepare(MODELS[name], 32, 1, "fit")[0].train)
        for batch in sizes:
            package = lightning_peer.installed() if name == "mlp" else None
            ways = ["plain", "fit", "custom", "xla", *jax, *(["lightning"] if package else [])]
            epochs: dict[str, list[float]] = {way: [] for way in ways}
            first, loss = {}, {}
            count = max(arguments.epochs, round(PLAIN_S / min(run("plain", MODELS[name], batch, 3)[0])))
            for _ in range(arguments.repeats):
                for way, took in epochs.items():
                    if way == "lightning":
                        job, _ = prepare(MODELS[name], batch, count, "fit")
                        seconds, loss[way] = lightning_peer.train(package, job.dataset.train, batch, count)
                    elif way in jax:
                        seconds, loss[way] = by_jax(way.split()[1], MODELS[name], batch, count)
                    else:
                        seconds, loss[way] = run(way, MODELS[name], batch, count)
                    first.setdefault(way, seconds[0])
                    took += seconds[3:]
            median = {way: statistics.median(took) for way, took in epochs.items()}
            ratio = {way: median["plain"] / m for way, m in median.items()}
            ratio["bare"] = median["plain"] / bare(MODELS[name], batch)
            shown = ["fit", "custom", "xla", "bare", *jax]
            starts = ["plain", "fit", "custom", "xla"]
            numbers = [*(ratio[way] for way in shown), *(first[way] for way in starts)]
            rows.append([name, batch, round(examples / median["plain"]), *numbers])
            print(f"{name:<13}{batch:>6}{examples / median['plain']:>12,.0f}" + "".join(f"{ratio[way]:>10.2f}" for way in shown)
                  + "   " + ", ".join(f"{first[way]:.1f} s" for way in starts), flush=True)  # fmt: skip
            if package is not None:
                peers.append(
                    [
                        batch,
                        round(examples / median["lightning"]),
                        ratio["lightning"],
                        median["lightning"] / median["fit"],
                        median["lightning"] / median["custom"],
                        first["lightning"],
                    ]
                )
                print(f"   PyTorch Lightning: {examples / median['lightning']:,.0f} ex/s, {ratio['lightning']:.2f} times plain Keras; "
                      f"fit is {median['lightning'] / median['fit']:.1f} times as fast as it, custom "
                      f"{median['lightning'] / median['custom']:.1f} times; first epoch {first['lightning']:.1f} s", flush=True)  # fmt: skip
            for way in [
                way for way in epochs if way not in ("plain", "jax scan")
            ]:  # the scan drops the last batch
                if abs(loss[way] - loss["plain"]) > 0.25 * loss["plain"] + 0.02:
                    failed.append(
                        f"{name} at {batch}: {way} ends at loss {loss[way]:.4f}, plain at {loss['plain']:.4f}"
                    )
            for way in (way for way in epochs if (name, batch, way) in XLA_GOALS):
                goals.append(
                    results_file.goal(
                        f"{name} at {batch}, xla / {way}",
                        median[way] / median["xla"],
                        XLA_GOALS[name, batch, way],
                        at_least=True,
                    )
                )
            if name in TO_BETTER_PLAIN:
                ours = min(median["custom"], median["xla"])
                plain = min(median[way] for way in ("plain", "jax fit") if way in median)
                text = f"{name} at {batch}, custom or xla / the better plain Keras"
                goals.append(results_file.goal(text, plain / ours, TO_BETTER_PLAIN[name], at_least=True))
            for way in ("fit", "custom"):
                goal = GOALS.get((name, batch, way), NEVER_SLOWER)
                if (name, batch, way) in GOALS:
                    goals.append(
                        results_file.goal(
                            f"{name} at {batch}, {way} / plain", ratio[way], goal, at_least=True
                        )
                    )
                if ratio[way] < goal:
                    print(f"   {way}: {ratio[way]:.2f}, goal {goal} missed")
    tables = [results_file.table(["model", "batch", "plain examples/s", "fit / plain", "custom / plain", "xla / plain", "bare / plain", *(f"{way} / plain" for way in jax),
                                  "first epoch: plain (s)", "fit (s)", "custom (s)", "xla (s)"], rows,
                                 f"Medians of an epoch, {arguments.repeats} interleaved repeats of {arguments.epochs} epochs or more")]  # fmt: skip
    if peers:
        tables.append(results_file.table(["batch", "examples/s", "Lightning / plain", "fit / Lightning", "custom / Lightning", "first epoch (s)"], peers,
                                         "PyTorch Lightning on the digits MLP"))  # fmt: skip
    notes = [f"Not the same loss: {line}." for line in failed]
    results_file.write(
        arguments.json,
        f"python benchmarks/training_speed.py --epochs {arguments.epochs}",
        tables,
        goals,
        notes,
    )
    if lightning_peer.installed() is None:
        print("PyTorch Lightning: not compared; `lightning` or `torch` is not installed")
    for line in failed:
        print("not the same:", line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
