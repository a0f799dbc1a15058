"""When seeds are better trained in one graph: the basis of the rule of `hydra/launcher=auto` (trainrun/vectorized/heuristics.py).

Seconds of whole commands, `trainrun seeds=N model=mlp`, with `hydra/launcher=local` and `vectorized`, interleaved.

    python benchmarks/vectorized_auto.py [--quick] [--seeds 20] [--repeats 2]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import options
import results_file
import timing

LAUNCHERS = ("local", "vectorized")
# (data, epochs); the first one is that of a quick run.
ROWS = [("digits", 10), ("digits", 24), ("digits", 40), ("digits", 120), ("iris", 40), ("iris", 100)]


def seconds(launcher: str, data: str, epochs: int, seeds: int, folder: Path) -> float:
    """Return the wall time of a command.

    Raises:
        SystemExit: it failed.
    """
    words = [
        f"seeds={seeds}",
        "model=mlp",
        f"data={data}",
        f"trainer.epochs={epochs}",
        f"hydra/launcher={launcher}",
    ]
    return timing.trainrun(folder, *words)[1]


def main() -> int:
    """Print a line for each data set and number of epochs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one row of 4 seeds, once")
    parser.add_argument("--seeds", type=options.at_least(2), default=20)
    parser.add_argument("--repeats", type=options.at_least(1), default=2)
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    seeds, repeats = (4, 1) if arguments.quick else (arguments.seeds, arguments.repeats)
    rows = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        for data, epochs in ROWS[:1] if arguments.quick else ROWS:
            took: dict[str, list[float]] = {launcher: [] for launcher in LAUNCHERS}
            for _ in range(repeats):
                for launcher in LAUNCHERS:
                    folder = Path(tempfile.mkdtemp(dir=name))
                    took[launcher].append(seconds(launcher, data, epochs, seeds, folder))
            means = [statistics.fmean(took[launcher]) for launcher in LAUNCHERS]
            rows.append([data, epochs, *means])
            print(f"{data:<8}{epochs:>4} epochs   local {means[0]:6.1f} s   vectorized {means[1]:6.1f} s", flush=True)  # fmt: skip
    table = results_file.table(
        ["data", "epochs", "local (s)", "vectorized (s)"], rows, f"{seeds} seeds, means of {repeats}"
    )
    results_file.write(
        arguments.json,
        f"python benchmarks/vectorized_auto.py --seeds {seeds} --repeats {repeats}",
        [table],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
