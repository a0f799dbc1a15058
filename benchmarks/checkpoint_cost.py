"""Cost of checkpoints: time to capture the state, to write it, and the effect on training.

Three models: the digits MLP, the small ResNet, and a wide MLP with 100 MB of state. `capture` is the time for which training is
interrupted; `write` is the time of the file, fsync included, in another thread. The ratios are those of whole trainings to one
without checkpoints, in one process, interleaved, medians: with the default interval (`auto`), with a checkpoint after each epoch,
and with that checkpoint written in the training thread. With the default interval they take 30 s at least: the first and the last epoch
are always written, which is 0.3 s of the wide MLP (of 3 s of training a tenth). The others take 0.3 to 3 s, and write each epoch.

    python benchmarks/checkpoint_cost.py [--quick] [--repeats 3]
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import options
import results_file

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
GOAL = 1.03  # `auto`, against none
LONG_S = 30.0  # of training by `auto`, and of that without checkpoints beside it
MODELS = {
    "mlp": (["data=digits", "model=mlp"], 60),
    "resnet_small": (["data=digits", "model=resnet_small"], 4),
    "wide, 100 MB": (["data=digits", "model=mlp", "model.units=[2840,2840]"], 4),
}


class SameThread:
    """An executor in place of the checkpoint's thread, which does the work at once."""

    def submit(self, work: Any) -> Future:
        done: Future = Future()
        done.set_result(work())
        return done

    def shutdown(self) -> None:
        """Nothing is in progress."""


def measure(
    overrides: list[str], epochs: int, seconds: float, repeats: int, folder: Path
) -> dict[str, float]:
    """Return the seconds of taking and writing, the size, and the ratios.

    Args:
        overrides: model and data.
        epochs: of the short trainings.
        seconds: of the long ones.
        repeats: of which the medians are reported.
        folder: of the checkpoints.
    """
    from trainrun.ui import console

    with console.hushed():
        import keras
        import tensorflow as tf

    from trainrun.checkpoint import file, training_state, writer
    from trainrun.hydra_bridge import preflight
    from trainrun.run import builders
    from trainrun.trainer.epoch_loop import build

    config, problems = preflight.overrides([*overrides, "trainer=custom", f"trainer.epochs={epochs}"])
    assert not problems, problems
    data = builders.dataset(config)

    def train(every: str | None, same_thread: bool = False, epochs: int = epochs) -> float:
        job = builders.job(config, data, tf.distribute.get_strategy())
        job = replace(job, plan=replace(job.plan, epochs=epochs))
        callbacks = []
        if every:
            plan = {**job.plan.lengths(), "batch_size": job.plan.batch_size}
            saved = writer.Checkpoint(folder, every=every, plan=plan)
            saved.callbacks = [saved]
            callbacks = [saved]
            if same_thread:
                saved.on_train_begin = lambda logs=None: setattr(saved, "_writer", SameThread())
        begun = []

        class Begin(keras.callbacks.Callback):
            transient = coarse = True

            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                begun.append(time.perf_counter())

        builders.trainer(config).train(job, [*callbacks, Begin()])
        return time.perf_counter() - begun[1]  # without the first epoch, which compiles

    job = builders.job(config, data, tf.distribute.get_strategy())
    build(job)
    reader, takes, writes = training_state.Reader(job.model), [], []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        arrays, about = training_state.capture(job.model, reader, [], 1, 0, False)
        taken = time.perf_counter()
        file.write(folder / "x" / file.LAST, arrays, {**about, "plan": {}}, keep=2)
        takes, writes = [*takes, taken - start], [*writes, time.perf_counter() - taken]
    times: dict[str, list[float]] = {"none": [], "each": [], "same_thread": [], "long": [], "auto": []}
    many = max(epochs, math.ceil(seconds / train(None) * (epochs - 1)))
    for _ in range(repeats):
        times["none"].append(train(None))
        times["each"].append(train("1epochs"))
        times["same_thread"].append(train("1epochs", same_thread=True))
        times["long"].append(train(None, epochs=many))
        times["auto"].append(train("auto", epochs=many))
    middle = {name: statistics.median(took) for name, took in times.items()}
    return {
        "size": sum(a.nbytes for a in arrays.values()),
        "take": statistics.median(takes[1:]),
        "write": statistics.median(writes[1:]),
        "epoch": middle["none"] / (epochs - 1),
        "auto": middle["auto"] / middle["long"],
        **{name: middle[name] / middle["none"] for name in ("each", "same_thread")},
    }


def main() -> int:
    """Print a line for each model; return 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=options.at_least(1), default=3)
    parser.add_argument(
        "--quick", action="store_true", help="one repeat of short trainings, without the goal"
    )
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    print(f"{'model':<14} {'state':>9} {'capture':>9} {'write':>9} {'epoch':>9}   training, none = 1.00")
    print(f"{'':<54}   {'auto':>6} {'each epoch':>11} {'same thread':>12}")
    worst, rows = 0.0, []
    with tempfile.TemporaryDirectory() as temporary:
        for name, (overrides, epochs) in MODELS.items():
            repeats, seconds = (1, 0.0) if arguments.quick else (arguments.repeats, LONG_S)
            costs = measure(overrides, epochs, seconds, repeats, Path(temporary))
            worst = max(worst, costs["auto"])
            rows.append(
                [
                    name,
                    costs["size"] / 1e6,
                    costs["take"] * 1e3,
                    costs["write"] * 1e3,
                    costs["epoch"] * 1e3,
                    *(costs[k] for k in ("auto", "each", "same_thread")),
                ]
            )
            print(
                f"{name:<14} {costs['size'] / 1e6:>6.1f} MB {costs['take'] * 1e3:>6.1f} ms {costs['write'] * 1e3:>6.1f} ms "
                f"{costs['epoch'] * 1e3:>6.0f} ms   {costs['auto']:>6.2f} {costs['each']:>11.2f} {costs['same_thread']:>12.2f}",
                flush=True,
            )
    reached = worst <= GOAL
    print(f"goal: auto at most {GOAL:.2f}; worst {worst:.2f}: {'reached' if reached else 'missed'}")
    columns = [
        "model",
        "state (MB)",
        "capture (ms)",
        "write (ms)",
        "epoch (ms)",
        "auto",
        "each epoch",
        "each epoch, same thread",
    ]
    goal = results_file.goal("training with checkpoint.every=auto, worst model", worst, GOAL, at_least=False)
    results_file.write(
        arguments.json,
        f"python benchmarks/checkpoint_cost.py --repeats {repeats}",
        [results_file.table(columns, rows, f"Medians of {repeats} repeats")],
        [goal],
    )
    return 0 if reached or arguments.quick else 1


if __name__ == "__main__":
    sys.exit(main())
