"""What checkpoints cost: taking the state, writing it, and what of it a training notices.

Three models: the digits MLP (0.1 MB of state), the small ResNet (1 MB) and a wide MLP (100 MB). `take` is the time in
which training stands still; `write` the time of the file (to the disk, fsync included), which another thread takes.
`each epoch` is the training with a checkpoint after each epoch over the one with none, `auto` with the interval that
is taken where nothing is said, both in one process, interleaved, medians; and the first again with writing in the
same thread, for comparison.

    python benchmarks/checkpoint_cost.py [--quick] [--repeats 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import results_file

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
GOAL = 1.03  # `auto`, against none
MODELS = {
    "mlp": (["data=digits", "model=mlp"], 60),
    "resnet_small": (["data=digits", "model=resnet_small"], 4),
    "wide, 100 MB": (["data=digits", "model=mlp", "model.units=[2840,2840]"], 4),
}


class Here:
    """Stands where the checkpoint has its thread: the work is done at once."""

    def submit(self, work: Any) -> Future:
        done: Future = Future()
        done.set_result(work())
        return done

    def shutdown(self) -> None:
        """Nothing is in progress."""


def measure(overrides: list[str], epochs: int, repeats: int, folder: Path) -> dict[str, float]:
    """Return the seconds of taking and writing, the size, and the ratios."""
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

    def train(every: str | None, here: bool = False) -> float:
        job = builders.job(config, data, tf.distribute.get_strategy())
        callbacks = []
        if every:
            plan = {**job.plan.lengths(), "batch_size": job.plan.batch_size}
            saved = writer.Checkpoint(folder, every=every, plan=plan)
            saved.callbacks = [saved]
            callbacks = [saved]
            if here:
                saved.on_train_begin = lambda logs=None: setattr(saved, "_writer", Here())
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
    times: dict[str, list[float]] = {"none": [], "each": [], "auto": [], "here": []}
    for _ in range(repeats):
        times["none"].append(train(None))
        times["auto"].append(train("auto"))
        times["each"].append(train("1epochs"))
        times["here"].append(train("1epochs", here=True))
    middle = {name: statistics.median(found) for name, found in times.items()}
    return {
        "size": sum(a.nbytes for a in arrays.values()),
        "take": statistics.median(takes[1:]),
        "write": statistics.median(writes[1:]),
        "epoch": middle["none"] / (epochs - 1),
        **{name: middle[name] / middle["none"] for name in ("auto", "each", "here")},
    }


def main() -> int:
    """Print a line a model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one repeat, without the goal")
    results_file.add_option(parser, __file__)
    given = parser.parse_args()
    print(f"{'model':<14} {'state':>9} {'take':>9} {'write':>9} {'epoch':>9}   training, none = 1.00")
    print(f"{'':<54}   {'auto':>6} {'each epoch':>11} {'same thread':>12}")
    worst, rows = 0.0, []
    with tempfile.TemporaryDirectory() as temporary:
        for name, (overrides, epochs) in MODELS.items():
            found = measure(overrides, epochs, 1 if given.quick else given.repeats, Path(temporary))
            worst = max(worst, found["auto"])
            rows.append(
                [
                    name,
                    found["size"] / 1e6,
                    found["take"] * 1e3,
                    found["write"] * 1e3,
                    found["epoch"] * 1e3,
                    *(found[k] for k in ("auto", "each", "here")),
                ]
            )
            print(
                f"{name:<14} {found['size'] / 1e6:>6.1f} MB {found['take'] * 1e3:>6.1f} ms {found['write'] * 1e3:>6.1f} ms "
                f"{found['epoch'] * 1e3:>6.0f} ms   {found['auto']:>6.2f} {found['each']:>11.2f} {found['here']:>12.2f}",
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
    repeats = 1 if given.quick else given.repeats
    results_file.write(
        given.json,
        "python benchmarks/checkpoint_cost.py",
        [results_file.table(columns, rows, f"Medians of {repeats} repeats")],
        [goal],
    )
    return 0 if reached or given.quick else 1


if __name__ == "__main__":
    sys.exit(main())
