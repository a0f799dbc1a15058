"""Cost as the work grows: time and memory against steps, rows, columns, parameters, trials and workers.

Each point is a command of its own (`trainrun …` with `tracking=none`, without model file, plots and report; sweeps with everything
that is in their record). `seconds` is the command's wall time, `CPU` its processor time, `MB` its resident set at most; those of a sweep are of its own process,
without the trials' processes. What a command costs at the smallest size (imports, above all) is subtracted before
the exponent is fitted: cost(n) - cost(smallest) ~ (n - smallest)^k, by least squares of the logarithms, so that k = 1 is linear.
Points that cost no more than the smallest one by a tenth have no exponent. Numbers of trials above `--trials` are extrapolated by the
fit, and named so. Workers are parallel processes of one sweep of 24 trials: no exponent, the trials per minute say it.

    python benchmarks/scaling.py [--quick] [--axes rows,columns] [--trials 2000]
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import options
import results_file

ALONE = ["tracking=none", "artifacts=none"]
DIGITS = ["data=digits", "model=mlp", "trainer=custom", *ALONE]
TABLE = ["data=csv", "data.path=table.csv", "data.target=y", "data.task=regression", "model=linear", "trainer=custom",
         "trainer.batch_size=256", *ALONE]  # fmt: skip
TRIAL = ["data=iris", "model=linear", "metric=accuracy", "trainer.epochs=1"]
SIZES = {
    "steps": [34, 3_400, 13_600, 54_400],
    "rows": [1_000, 30_000, 100_000, 300_000],
    "columns": [10, 100, 300, 1_000],
    "parameters": [10_000, 1_000_000, 4_000_000, 16_000_000],
    "trials": [10, 100, 500, 2_000],
    "workers": [1, 2, 4, 8],
}
QUICK = {
    "steps": [34, 340, 680],
    "rows": [1_000, 10_000, 20_000],
    "columns": [10, 30, 60],
    "parameters": [10_000, 100_000, 400_000],
    "trials": [2, 4, 8],
    "workers": [1, 2],
}
EXTRAPOLATED_TRIALS = 10_000
LINEAR = 1.15  # an exponent above it is named as worse than linear
LEAST_GROWTH = 0.1  # of the smallest point's cost, below which a point is constant


@dataclass(frozen=True)
class Point:
    """The cost of one command at one size."""

    size: int
    seconds: float
    cpu: float
    megabytes: float


def command(axis: str, size: int, folder: Path) -> list[str]:
    """Return the overrides of a point; writes the table that it reads into the folder."""
    if axis == "steps":
        return [*DIGITS, f"trainer.epochs={max(1, size // 34)}"]
    if axis in ("rows", "columns"):
        rows, columns = (size, 10) if axis == "rows" else (2_000, size)
        write_table(folder / "table.csv", rows, columns)
        return [*TABLE, "trainer.epochs=1"]
    if axis == "parameters":
        width = round(math.sqrt(size))  # two hidden layers: about width² weights
        return [*DIGITS, f"model.units=[{width},{width}]", "trainer.epochs=1"]
    if axis == "trials":
        return ["-m", f"seed=range({size})", *TRIAL]
    return ["-m", "seed=range(24)", *TRIAL, f"hydra.launcher.n_jobs={size}"]


def write_table(path: Path, rows: int, columns: int) -> None:
    """Write a table of normal numbers whose target `y` is the sum of the columns."""
    values = np.random.default_rng(0).standard_normal((rows, columns)).round(3)
    header = ",".join([*(f"x{i}" for i in range(columns)), "y"])
    np.savetxt(
        path, np.column_stack([values, values.sum(1)]), fmt="%.3f", delimiter=",", header=header, comments=""
    )


def measure(axis: str, size: int) -> Point:
    """Run the command of a point in an empty folder; end the benchmark with its output if it fails."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        arguments = command(axis, size, folder)
        with (folder / "output.txt").open("w") as output:
            begin = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "trainrun", *arguments], cwd=folder, stdout=output, stderr=output
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
        if status:
            sys.exit(f"{' '.join(arguments)}\n{(folder / 'output.txt').read_text()[-2000:]}")
    return Point(size, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def exponent(sizes: list[int], costs: list[float]) -> tuple[float, float] | None:
    """Return k and a of cost(n) = cost(smallest) + a (n - smallest)^k; None if fewer than two points cost more."""
    grown = [
        (math.log(n - sizes[0]), math.log(c - costs[0]))
        for n, c in zip(sizes[1:], costs[1:], strict=True)
        if c > costs[0] * (1 + LEAST_GROWTH)
    ]
    if len(grown) < 2:
        return None
    k, a = np.polyfit(*zip(*grown, strict=True), 1)
    return float(k), math.exp(a)


def shown(fit: tuple[float, float] | None) -> str:
    """Return an exponent as text."""
    return (
        "constant" if fit is None else f"{fit[0]:.2f}" + (" (worse than linear)" if fit[0] > LINEAR else "")
    )


def main() -> int:
    """Print a line for each point and an exponent for each axis."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, one repeat: does the script work?")
    parser.add_argument("--axes", type=options.names(SIZES), default=[*SIZES])
    parser.add_argument(
        "--trials", type=options.at_least(10), default=2_000, help="largest sweep that is run"
    )
    parser.add_argument("--repeats", type=options.at_least(1), default=3, help="medians of so many")
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    repeats = 1 if arguments.quick else arguments.repeats
    rows: list[list[Any]] = []
    fits: list[list[Any]] = []
    print(f"{'axis':<11}{'size':>12}{'seconds':>10}{'CPU (s)':>10}{'MB':>8}")
    for axis in arguments.axes:
        sizes = (QUICK if arguments.quick else SIZES)[axis]
        if axis == "trials":
            sizes = [n for n in sizes if n <= arguments.trials]
        # A long sweep once: its trials are repeats themselves.
        count = {n: 1 if axis == "trials" and n > 100 else repeats for n in sizes}
        points: list[Point] = []
        for size in sizes:
            same = [measure(axis, size) for _ in range(count[size])]
            point = Point(
                size,
                *(statistics.median(getattr(p, f) for p in same) for f in ("seconds", "cpu", "megabytes")),
            )
            points.append(point)
            print(
                f"{axis:<11}{size:>12,}{point.seconds:>10.1f}{point.cpu:>10.1f}{point.megabytes:>8.0f}",
                flush=True,
            )
            rows.append([axis, f"{size:,}", point.seconds, point.cpu, point.megabytes])
        if axis == "workers":
            print(
                "".join(f"   {p.size} workers: {24 * 60 / p.seconds:.0f} trials a minute\n" for p in points)
            )
            continue
        by_quantity = [
            exponent([p.size for p in points], [getattr(p, q) for p in points])
            for q in ("seconds", "cpu", "megabytes")
        ]
        fits.append([axis, *map(shown, by_quantity)])
        print("   exponents: time {}, CPU {}, memory {}".format(*map(shown, by_quantity)))
        if axis == "trials" and (fit := by_quantity[0]) is not None and points[-1].size < EXTRAPOLATED_TRIALS:
            seconds = points[0].seconds + fit[1] * (EXTRAPOLATED_TRIALS - points[0].size) ** fit[0]
            rows.append([axis, f"{EXTRAPOLATED_TRIALS:,} (extrapolated)", seconds, None, None])
            print(f"   {EXTRAPOLATED_TRIALS:,} trials, extrapolated: {seconds:,.0f} s")
    results_file.write(
        arguments.json,
        f"python benchmarks/scaling.py --repeats {repeats}",
        [
            results_file.table(["axis", "size", "seconds", "CPU (s)", "memory (MB)"], rows, "Cost of a command"),
            results_file.table(
                ["axis", "time", "CPU", "memory"], fits, "Exponents of what is added to the smallest size; 1 is linear"
            ),
        ],
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
