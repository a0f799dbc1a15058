"""Runs that are killed by SIGKILL at random moments and resumed: do they end with the bits of an uninterrupted run?

Each row is a config, run once without kills and then killed as often as its share says, by the code of `trainrun
verify-resume`: within steps, between epochs, while a checkpoint is written, while results are saved after training. Each kill costs
a start of the program.

    python benchmarks/kill_resume.py [--kills 100] [--quick] [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import options
import results_file

from trainrun.errors import TrainingError, UserError
from trainrun.verify import differences, kill_and_resume

DIGITS = ["data=digits", "trainer.epochs=40"]
SLOW = ["data=digits", "trainer.epochs=12"]  # a plain Python loop, or two replicas, take some times as long
CNN = ["model=cnn", "trainer.epochs=12"]
FLIP = (
    "model.layers=[{name: RandomTranslation, height_factor: 0.1, width_factor: 0.1, seed: 1}, {name: Flatten}, "
    "{name: Dense, units: 64, activation: relu}, {name: GaussianNoise, stddev: 0.1, seed: 2}]"
)
STOPPING = [
    "callback=[early_stopping,reduce_lr_on_plateau]", "callback.early_stopping.patience=6",
    "callback.early_stopping.min_delta=0.01", "callback.early_stopping.restore_best_weights=true",
    "callback.reduce_lr_on_plateau.patience=2", "callback.reduce_lr_on_plateau.min_delta=0.01",
]  # fmt: skip
MIRRORED = ["hardware=mirrored", "hardware.virtual_devices=2"]
# (trainer, feature, overrides); those of a quick run are marked.
ROWS = [
    ("fit", "dropout", [*DIGITS, "model.dropout=0.3"], True),
    ("custom", "dropout", [*DIGITS, "model.dropout=0.3"], True),
    ("train_on_batch", "dropout", [*SLOW, "model.dropout=0.3"], True),
    ("fit", "batch norm", [*DIGITS, *CNN], False),
    ("custom", "batch norm", [*DIGITS, *CNN], False),
    ("train_on_batch", "batch norm", [*SLOW, *CNN], False),
    ("fit", "augmentation", [*SLOW, "model=layers", FLIP], False),
    ("custom", "augmentation", [*SLOW, "model=layers", FLIP], False),
    ("fit", "early stopping, plateau", [*DIGITS, *STOPPING], False),
    ("custom", "early stopping, plateau", [*DIGITS, *STOPPING], True),
    ("train_on_batch", "early stopping, plateau", [*SLOW, *STOPPING], False),
    ("fit", "cosine decay, momentum", [*DIGITS, "schedule=cosine_decay", "optimizer=sgd", "optimizer.momentum=0.9"], False),
    ("custom", "adam, then sgd", [*DIGITS, "optimizer=adam_then_sgd", "optimizer.switch_at=0.5run"], False),
    ("fit", "averaged weights", [*DIGITS, "optimizer.use_ema=true", "optimizer.ema_overwrite_frequency=100"], False),
    ("fit", "mixed_float16", [*DIGITS, "hardware.precision=mixed_float16", "model.dropout=0.2"], False),
    ("custom", "mixed_float16", [*DIGITS, "hardware.precision=mixed_float16", "model.dropout=0.2"], False),
    ("fit", "two replicas", [*SLOW, *MIRRORED, "model.dropout=0.2"], False),
    ("custom", "two replicas", [*SLOW, *MIRRORED, "model.dropout=0.2"], False),
    ("custom", "class weights, accumulation", [*DIGITS, "trainer.class_weight=balanced", "trainer.accumulate=2"], False),
    ("fit", "validation every 3 epochs, l2", [*DIGITS, "trainer.validation_freq=3", "model.regularizer=l2"], False),
]  # fmt: skip


def row(trainer: str, overrides: list[str], kills: int, folder: Path, seed: int) -> tuple[int, int, str]:
    """Return how many kills struck, how many of them led to equal runs, and what differs."""
    trial = kill_and_resume.Trial([*overrides, f"trainer={trainer}"], folder, _epochs(overrides), seed)
    struck = equal = 0
    try:
        trial.reference()
        while struck < kills:
            run_dir, done = trial.killed(kills - struck, f"killed_{struck}")
            if not done:
                return struck, equal, "the run ended before it could be killed"
            struck += len(done)
            if differing := differences.compare(trial.whole, run_dir):
                return struck, equal, str(differing[0])
            equal += len(done)
    except (TrainingError, UserError) as error:
        # A run that fails is not an equal run.
        return max(struck, 1), equal, str(error).splitlines()[-1]
    return struck, equal, ""


def _epochs(overrides: list[str]) -> int:
    return int(next(o for o in reversed(overrides) if o.startswith("trainer.epochs=")).partition("=")[2])


def main() -> int:
    """Print a line for each row and the sum; return 1 if a run differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--kills", type=options.at_least(1), default=100, help="in all, over the rows (default: 100)"
    )
    parser.add_argument("--quick", action="store_true", help="four rows of one kill, for CI")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--keep", help="an empty folder in which the runs stay")
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    rows = [r for r in ROWS if r[3]] if arguments.quick else ROWS
    kills = len(rows) if arguments.quick else arguments.kills
    began, total, good, measured = time.monotonic(), 0, 0, []
    print(f"{'trainer':<15} {'feature':<30} {'kills':>5} {'equal':>5}")
    with tempfile.TemporaryDirectory(prefix="trainrun-kills-") as temporary:
        root = Path(arguments.keep).absolute() if arguments.keep else Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        os.chdir(temporary)  # without a config in the working directory
        for i, (trainer, feature, overrides, _) in enumerate(rows):
            share = kills * (i + 1) // len(rows) - kills * i // len(rows)
            if not share:
                continue
            struck, equal, wrong = row(trainer, overrides, share, root / str(i), arguments.seed + i)
            total, good = total + struck, good + equal
            measured.append([trainer, feature, struck, equal])
            print(f"{trainer:<15} {feature:<30} {struck:>5} {equal:>5}  {wrong}".rstrip(), flush=True)
    reached = "goal reached" if total and total == good else "goal missed"
    print(
        f"{good} of {total} kills led to the same bits, in {(time.monotonic() - began) / 60:.0f} min: {reached}"
    )
    results_file.write(
        arguments.json,
        f"python benchmarks/kill_resume.py --kills {kills}" + (" --quick" if arguments.quick else ""),
        [results_file.table(["trainer", "feature", "kills", "equal to the bit"], measured)],
        [results_file.goal(f"kills that led to the same bits, of {total}", good, total, at_least=True)],
    )
    return 0 if total and total == good else 1


if __name__ == "__main__":
    sys.exit(main())
