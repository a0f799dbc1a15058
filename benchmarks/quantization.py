"""What an export in int8 and int4 costs, and what quantization-aware training gets back of it: test loss and accuracy, over seeds.

Digits of scikit-learn, two networks; seeds, splits and initial weights are the same in each arm. The exported `model.keras` is loaded by
plain Keras and measured on the pixels of the test part.

    python benchmarks/quantization.py [--seeds 5] [--epochs 30] [--json]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import results_file

import trainrun
from trainrun.model import raw_examples
from trainrun.run.result import RunResult
from trainrun.ui.quietly import quietly

UNITS = ("[64,32]", "[16,16]")
MODES = ("int8", "int4")
COMMON = [
    "data=digits", "model=mlp", "trainer=custom", "tracking=none", "artifacts.plots=false", "artifacts.report=false",
]  # fmt: skip


def measured(run: RunResult, path: Path) -> tuple[float, float]:
    """Return loss and accuracy of a model's file on the test part of a run."""
    test = run.data().test
    pixels = raw_examples.of(test.x, run.saved.fitted)["image"]
    predicted = keras.saving.load_model(path / "model.keras").predict(pixels, verbose=0)
    loss = -np.log(predicted[np.arange(len(test.y)), test.y])
    return float(loss.mean()), float(np.mean(predicted.argmax(axis=1) == test.y))


def of_seed(folder: Path, units: str, seed: int, epochs: int) -> dict[str, tuple[float, float]]:
    """Return loss and accuracy of each arm for a seed."""
    arms = {}
    for aware in (None, *MODES):
        run_dir = folder / f"{units}-{seed}-{aware}"
        words = [f"model.units={units}", f"seed={seed}", f"trainer.epochs={epochs}"]
        run = trainrun.run([*COMMON, *words, f"model.quantization_aware={aware or 'null'}"], run_dir=run_dir)
        if aware is None:
            arms["float"] = measured(run, run_dir)
        for mode in MODES if aware is None else (aware,):
            exported = run_dir / f"exported-{mode}"
            run.export("keras", mode, exported, bound=1.0)
            arms[f"{mode} after float training" if aware is None else f"{mode}-aware training"] = measured(
                run, exported
            )
    return arms


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    results_file.add_option(parser, __file__)
    options = parser.parse_args()
    tables, notes = [], []
    with tempfile.TemporaryDirectory() as folder:
        for units in UNITS:
            with quietly(True):
                seeds = [of_seed(Path(folder), units, s, options.epochs) for s in range(1, options.seeds + 1)]
            rows = []
            for arm in seeds[0]:
                loss, accuracy = np.array([one[arm] for one in seeds]).T
                more = [one[arm][0] - one["float"][0] for one in seeds]
                rows.append(
                    [arm, *map(float, (loss.mean(), np.mean(more), np.std(more, ddof=1), accuracy.mean()))]
                )
            for mode in MODES:
                pairs = [
                    (one[f"{mode}-aware training"], one[f"{mode} after float training"]) for one in seeds
                ]
                less, more = (np.mean([pair[0][i] - pair[1][i] for pair in pairs]) for i in (0, 1))
                lower = sum(aware[0] < plain[0] for aware, plain in pairs)
                notes.append(
                    f"Units {units}, {mode}: by training for it the loss changes by {less:+.4f} and the accuracy by {100 * more:+.1f} points in the "
                    f"mean; the loss is lower in {lower} of {len(pairs)} seeds."
                )
            columns = ["arm", "test loss", "more than float", "± over seeds", "test accuracy"]
            tables.append(results_file.table(columns, rows, f"hidden layers of {units} units"))
            print(tables[-1]["title"], *rows, *notes, sep="\n", flush=True)
    command = f"python benchmarks/quantization.py --seeds {options.seeds} --epochs {options.epochs}"
    results_file.write(options.json, command, tables, notes=notes)


if __name__ == "__main__":
    main()
