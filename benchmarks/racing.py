"""Racing over seeds, simulated: how many trials it saves, and how often it eliminates the best setting.

Each simulated sweep has ten settings with five seeds. The settings' true means are drawn with twice the standard deviation of
the seeds. The rule is the sweep's own (`trainrun.sweep.ranking.racing`), asked after each trial; settings take turns, seed by seed.

    python benchmarks/racing.py [--sweeps 300]
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from pathlib import Path

import numpy as np
import options
import results_file

from trainrun.sweep.ranking.racing import Comparison, Race
from trainrun.sweep.ranking.seed_replicates import Setting
from trainrun.sweep.trial import Trial

SETTINGS, SEEDS, SPREAD = 10, 5, 2.0


def race(losses: np.ndarray) -> list[int]:
    """Race settings over their seeds; return how many seeds each of them ran.

    Args:
        losses: by setting and seed.
    """
    races = [Race(Setting([f"setting={i}"]), waiting=deque(range(SEEDS))) for i in range(len(losses))]
    comparison = Comparison("val_loss", "minimize", say=lambda line: None)
    for seed in range(SEEDS):
        for i, entry in enumerate(races):
            if not entry.waiting:
                continue
            entry.waiting.popleft()
            overrides = [f"setting={i}", f"seed={seed}"]
            metrics = {"val_loss": float(losses[i, seed])}
            number = seed * len(races) + i
            trial = Trial(number, overrides, overrides, Path(), {}, "FINISHED", metrics=metrics)
            entry.setting.trials.append(trial)
            comparison.look(races, entry)
    return [len(entry.setting.trials) for entry in races]


def main() -> int:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweeps", type=options.at_least(1), default=300)
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    random = np.random.RandomState(0)
    saved, eliminated, won, won_with_all = 0, 0, 0, 0
    for _ in range(arguments.sweeps):
        means = random.randn(SETTINGS) * SPREAD
        losses = means[:, None] + random.randn(SETTINGS, SEEDS)
        best, seeds = int(means.argmin()), race(losses)
        whole = [losses[i].mean() if n == SEEDS else np.inf for i, n in enumerate(seeds)]
        saved += SETTINGS * SEEDS - sum(seeds)
        eliminated += seeds[best] < SEEDS
        won += int(np.argmin(whole)) == best
        won_with_all += int(losses.mean(1).argmin()) == best
    rows = [
        ["trials that racing saved", 100 * saved / (arguments.sweeps * SETTINGS * SEEDS)],
        ["sweeps in which the setting with the best true mean was eliminated", 100 * eliminated / arguments.sweeps],
        ["sweeps that it won, with racing", 100 * won / arguments.sweeps],
        ["sweeps that it won, with all seeds", 100 * won_with_all / arguments.sweeps],
    ]  # fmt: skip
    for quantity, share in rows:
        print(f"{quantity:<70}{share:6.1f} %")
    table = results_file.table(["quantity", "share (%)"], rows, f"{arguments.sweeps} simulated sweeps")
    results_file.write(arguments.json, f"python benchmarks/racing.py --sweeps {arguments.sweeps}", [table])
    return 0


if __name__ == "__main__":
    sys.exit(main())
