"""`trainrun predict` of a CSV file, read, preprocessed and written, against plain Keras' `predict` over an array made before.

python benchmarks/predict.py [--quick] [--rows 200000]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
import results_file
import timing

import trainrun
from trainrun.after import predict
from trainrun.data import table_rows

GOAL = 1.3  # times the seconds of plain Keras
NUMBERS, TRAINED = 8, 2000


def write_table(path: Path, rows: int) -> None:
    """Write a table of numbers, two categories, a target and an id."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({f"n{i}": random.normal(size=rows).round(4) for i in range(NUMBERS)})
    frame["city"] = random.choice(list("abcd"), rows)
    frame["kind"] = random.choice([f"k{i}" for i in range(20)], rows)
    frame["y"] = np.where(frame["n0"] + frame["n1"] + (frame["city"] == "a") > 0, "yes", "no")
    frame["id"] = np.arange(rows)
    frame.to_csv(path, index=False)


def main() -> int:
    """Print the seconds and the ratio; return 1 if the predictions differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20,000 rows and fewer repeats")
    parser.add_argument("--rows", type=int, help="default: 200,000")
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    rows = arguments.rows or (20_000 if arguments.quick else 200_000)
    repeats = 3 if arguments.quick else 7
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_table(Path("big.csv"), rows)
        pd.read_csv("big.csv", nrows=TRAINED).to_csv("train.csv", index=False)
        settings = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "trainer.epochs=2"]
        result = trainrun.run(
            ["data=csv", "data.path=train.csv", "data.target=y", "data.exclude=[id]", *settings], "run"
        )
        saved = trainrun.load("run").saved
        array = table_rows.read(table_rows.open_rows("big.csv"), saved.fitted).x
        run_dir, out = Path("run"), Path("out.csv")
        plain: keras.Model = saved.model
        calls = {
            "predict": lambda: predict.predict(run_dir, "big.csv", out, ["id"]),
            "keras, batches of 32": lambda: plain.predict(array, verbose=0),
            "keras, batches of 1,024": lambda: plain.predict(array, batch_size=1024, verbose=0),
        }
        seconds = timing.medians(calls, repeats)
        same = result.status == "FINISHED" and np.allclose(
            pd.read_csv(out)[f"probability_{saved.fitted.target.classes[1]}"],
            np.ravel(plain.predict(array, batch_size=1024, verbose=0)),
            atol=1e-6,
        )
    for name, value in seconds.items():
        print(f"{name:<26}{value:8.3f} s, {rows / value:12,.0f} rows a second")
    ratios = {name: seconds["predict"] / value for name, value in seconds.items() if name != "predict"}
    for name, ratio in ratios.items():
        print(
            f"predict takes {ratio:.2f} times as long as {name} (goal {GOAL}): {'reached' if ratio <= GOAL else 'missed'}"
        )
    table = [[name, value, rows / value] for name, value in seconds.items()]
    results_file.write(
        arguments.json,
        "python benchmarks/predict.py",
        [results_file.table(["what", "seconds", "rows a second"], table)],
        [
            results_file.goal(f"times the seconds of {name}", ratio, GOAL, at_least=False)
            for name, ratio in ratios.items()
        ],
        [
            f"Medians of {repeats} repeats in turns, {rows:,} rows of {NUMBERS} numbers and two categories, in a warm process.",
            "predict loads the model, reads and checks the file, and writes a CSV file with ids, classes and probabilities; Keras "
            "gets the array that was prepared from it.",
            f"Largest memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB.",
        ],
    )
    print("predictions agree" if same else "predictions differ")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
