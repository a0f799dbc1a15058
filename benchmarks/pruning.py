"""Pruning: what 60 trials with ASHA save, and what they lose, compared with no pruner.

The same 60 points (learning rates from 1e-5 to 1, five dropout rates) of the digits MLP, 27 epochs each, once without a pruner and
once with `sweep/pruner=asha`. Printed are the share of epochs trained, the share of time, the best validation loss of each, and
the rank of ASHA's winner in the whole sweep. (ASHA: Li and others, 2020; by Optuna's SuccessiveHalvingPruner. How much is saved
depends on the order of the trials, which is shuffled once for both.)

    python benchmarks/pruning.py [--quick]
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import tempfile
from pathlib import Path

import results_file
import timing

PRUNERS = {"none": [], "asha": ["sweep/pruner=asha"]}


def sweep(
    folder: Path, points: list[tuple[float, float]], epochs: int, extra: list[str]
) -> tuple[float, list]:
    """Run a sweep over points; return its seconds and the rows of its leaderboard."""
    folder.mkdir()
    rates, drops = (",".join(str(p[i]) for p in points) for i in (0, 1))
    words = ["-m", "data=digits", f"trainer.epochs={epochs}", "tracking=none", f"optimizer.learning_rate={rates}",
             f"model.dropout={drops}", *extra, "sweep.zip=[optimizer.learning_rate,model.dropout]"]  # fmt: skip
    _, seconds, _ = timing.trainrun(folder, *words)
    (table,) = folder.glob("outputs/sweeps/*/leaderboard.csv")
    rows = []
    for row in csv.DictReader(table.open()):
        summary = json.loads((table.parent / row["trial"] / "summary.json").read_text())
        rows.append({**row, "epochs": summary["epochs"]})
    return seconds, rows


def main() -> int:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="12 trials of 9 epochs")
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    n, epochs = (6, 9) if arguments.quick else (12, 27)
    rates = [round(10 ** (-5 + 5 * i / (n - 1)), 7) for i in range(n)]
    points = [(r, d) for r in rates for d in ((0.0, 0.3) if arguments.quick else (0.0, 0.1, 0.2, 0.35, 0.5))]
    random.Random(0).shuffle(points)
    results = {}
    with tempfile.TemporaryDirectory() as name:
        for way, extra in PRUNERS.items():
            seconds, rows = sweep(Path(name) / way, points, epochs, extra)
            results[way] = (seconds, rows)
            trained, best = sum(r["epochs"] for r in rows), rows[0]
            pruned = sum(r["status"] == "PRUNED" for r in rows)
            print(f"  {way:<6}{len(rows)} trials, {pruned} pruned, {trained} epochs, {seconds:6.1f} s, "
                  f"best val_loss {float(best['val_loss']):.4f} (trial {best['trial']})", flush=True)  # fmt: skip
    (slow, whole), (fast, some) = results["none"], results["asha"]
    share = sum(r["epochs"] for r in some) / sum(r["epochs"] for r in whole)
    place = 1 + [r["trial"] for r in whole].index(some[0]["trial"])
    print(f"asha: {share:.0%} of the epochs, {fast / slow:.0%} of the time; its winner is number {place} of {len(whole)}, "
          f"val_loss {float(some[0]['val_loss']):.4f} against {float(whole[0]['val_loss']):.4f}")  # fmt: skip
    rows = [
        ["epochs trained (%)", share * 100],
        ["time (%)", fast / slow * 100],
        [f"rank of ASHA's winner among all {len(whole)}", place],
        ["its val_loss", f"{float(some[0]['val_loss']):.4f}"],
        ["best val_loss of all", f"{float(whole[0]['val_loss']):.4f}"],
    ]
    table = results_file.table(["quantity", "value"], rows, "ASHA, compared with no pruner; one run")
    results_file.write(
        arguments.json, "python benchmarks/pruning.py" + (" --quick" if arguments.quick else ""), [table]
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
