"""Overhead of a run: journal, MLflow, checkpoints and progress compared with training alone; and the time until training begins.

The peer is the same trainer, job and epochs without callbacks, in the same process, repeats interleaved. The start is the time
from the command to the beginning of training, less that of `python -c "import tensorflow, keras"`, both as processes of their own.
(The first step is compiled after that.)

    python benchmarks/overhead.py [--quick] [--epochs 1000] [--repeats 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import options
import results_file

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

GOAL_SHARE, GOAL_START = 0.03, 1.0
SETTINGS = ["data=digits", "model=cnn", "trainer=custom"]
PLUGIN = """
import sys, time
import trainrun

@trainrun.register("callback", "begun")
def begun():
    import keras
    class Begun(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            with open("begun", "w") as file:
                file.write(repr(time.time()))
    return Begun()
"""


def training(epochs: int, repeats: int) -> tuple[float, float]:
    """Return the median seconds of training bare, and within the whole program."""
    import tensorflow as tf

    import trainrun
    from trainrun.hydra_bridge import preflight
    from trainrun.run import builders

    bare, whole = [], []
    settings = [*SETTINGS, f"trainer.epochs={epochs}"]
    for _ in range(repeats):
        config, problems = preflight.overrides(settings)
        assert not problems, problems
        job = builders.job(config, builders.dataset(config), tf.distribute.get_strategy())
        start = time.perf_counter()
        history = builders.trainer(config).train(job, [])
        bare.append(time.perf_counter() - start)
        result = trainrun.run(settings)
        whole.append(result.summary["seconds"]["train"])
        assert abs(result.history["loss"][-1] - history["loss"][-1]) < 1e-2, "the two trained differently"
    return statistics.median(bare), statistics.median(whole)


def start_up(repeats: int) -> tuple[float, float]:
    """Return the median seconds of importing TensorFlow, and from the command to the beginning of training."""
    Path("begun.py").write_text(PLUGIN)
    imports, begins = [], []
    command = [
        sys.executable,
        "-m",
        "trainrun",
        *SETTINGS,
        "trainer.epochs=1",
        "plugins=[./begun.py]",
        "callback=begun",
    ]
    for _ in range(repeats):
        start = time.time()
        subprocess.run([sys.executable, "-c", "import tensorflow, keras"], capture_output=True, check=True)
        imports.append(time.time() - start)
        start = time.time()
        subprocess.run(command, capture_output=True, check=True)
        begins.append(float(Path("begun").read_text()) - start)
    return statistics.median(imports), statistics.median(begins)


def main() -> int:
    """Print the two figures beside their goals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short runs, one repeat")
    parser.add_argument("--epochs", type=options.at_least(1), default=1000, help="a minute or so of training")
    parser.add_argument("--repeats", type=options.at_least(1), default=3)
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    epochs, repeats = (60, 1) if arguments.quick else (arguments.epochs, arguments.repeats)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        imports, begins = start_up(repeats)
        bare, whole = training(epochs, repeats)
        os.chdir("/")
    share = whole / bare - 1
    print(f"training: bare {bare:.1f} s, whole program {whole:.1f} s: {share:+.1%} (goal {GOAL_SHARE:.0%}, for a minute): "
          f"{'reached' if share <= GOAL_SHARE else 'missed'}")  # fmt: skip
    print(f"start: import tensorflow {imports:.1f} s, command to training {begins:.1f} s: {begins - imports:+.1f} s "
          f"(goal {GOAL_START} s): {'reached' if begins - imports <= GOAL_START else 'missed'}")  # fmt: skip
    rows = [
        ["training alone (s)", bare],
        ["the same training within the program (s)", whole],
        ["a process that only imports TensorFlow and Keras (s)", imports],
        ["from the command to training (s)", begins],
    ]
    results_file.write(
        arguments.json,
        f"python benchmarks/overhead.py --epochs {epochs} --repeats {repeats}",
        [results_file.table(["quantity", "value"], rows, f"Medians of {repeats} repeats, {epochs} epochs")],
        [
            results_file.goal(
                "additional time for journal, tracking, progress and checkpoints (%)",
                share * 100,
                GOAL_SHARE * 100,
                at_least=False,
            ),
            results_file.goal(
                "from the command to training, beyond the imports (s)",
                begins - imports,
                GOAL_START,
                at_least=False,
            ),
        ],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
