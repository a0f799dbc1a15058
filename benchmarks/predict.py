"""`trainrun predict` of a CSV file, read, preprocessed and written, against plain Keras' `predict` over an array made before.

Its memory is that of the command, a process of its own, on a file and on one four times as long: the largest resident set (VmHWM of
/proc, read a hundred times a second).

    python benchmarks/predict.py [--quick] [--rows 1000000]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
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
MEMORY_GOAL, LONGER = 1.1, 4  # times the memory on a file that is so many times as long
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


def lengthen(path: Path, new: Path) -> None:
    """Write a table with the rows of another one, several times."""
    with new.open("wb") as longer:
        for repeat in range(LONGER):
            with path.open("rb") as file:
                header = file.readline()
                longer.write(b"" if repeat else header)
                shutil.copyfileobj(file, longer)


def peak_memory(path: str) -> float:
    """Return the largest memory (MB) of `trainrun predict` on a file."""
    words = ["predict", "run", path, "--keep", "id", "-o", "memory.csv"]
    child = subprocess.Popen([sys.executable, "-m", "trainrun", *words], stdout=subprocess.DEVNULL)
    peak = 0.0
    while child.poll() is None:
        with contextlib.suppress(OSError, StopIteration):  # it has ended meanwhile
            lines = Path(f"/proc/{child.pid}/status").read_text("utf-8").splitlines()
            peak = max(peak, next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024)
        time.sleep(0.01)
    if child.returncode:
        raise SystemExit(f"trainrun {' '.join(words)} failed: exit code {child.returncode}")
    return peak


def main() -> int:
    """Print the seconds, the memory and the ratios; return 1 if the predictions differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20,000 rows")
    parser.add_argument("--rows", type=int, help="default: 1,000,000")
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    rows = arguments.rows or (20_000 if arguments.quick else 1_000_000)
    repeats = 3
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
        lengthen(Path("big.csv"), Path("longer.csv"))
        memory = {rows: peak_memory("big.csv"), LONGER * rows: peak_memory("longer.csv")}
    for name, value in seconds.items():
        print(f"{name:<26}{value:8.3f} s, {rows / value:12,.0f} rows a second")
    ratios = {name: seconds["predict"] / value for name, value in seconds.items() if name != "predict"}
    for name, ratio in ratios.items():
        print(
            f"predict takes {ratio:.2f} times as long as {name} (goal {GOAL}): {'reached' if ratio <= GOAL else 'missed'}"
        )
    for count, size in memory.items():
        print(f"memory of the command, {count:>11,} rows: {size:,.0f} MB")
    growth = memory[LONGER * rows] / memory[rows]
    reached = "reached" if growth <= MEMORY_GOAL else "missed"
    print(f"{LONGER} times the rows take {growth:.2f} times the memory (goal {MEMORY_GOAL}): {reached}")
    table = [[name, value, rows / value] for name, value in seconds.items()]
    results_file.write(
        arguments.json,
        "python benchmarks/predict.py",
        [
            results_file.table(["what", "seconds", "rows a second"], table),
            results_file.table(
                ["rows", "memory (MB)"], [[n, size] for n, size in memory.items()], "Memory of the command"
            ),
        ],
        [
            results_file.goal(f"times the seconds of {name}", ratio, GOAL, at_least=False)
            for name, ratio in ratios.items()
        ]
        + [
            results_file.goal(
                f"times the memory on {LONGER} times the rows", growth, MEMORY_GOAL, at_least=False
            )
        ],
        [
            f"Medians of {repeats} repeats in turns, {rows:,} rows of {NUMBERS} numbers and two categories, in a warm process.",
            "predict loads the model, reads and checks the file, and writes a CSV file with ids, classes and probabilities; Keras "
            "gets the array that was prepared from it.",
            "Memory: the largest resident set of `trainrun predict` as a process of its own.",
        ],
    )
    print("predictions agree" if same else "predictions differ")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
