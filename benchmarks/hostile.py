"""Attacks on runs, sweeps and their records, by kind: how many were tried, and after how many everything held as docs/ promise.

`chaos` is a kind of its own: faults at random moments of the life of a run and of a sweep of six (see `chaos/faults.py`), after each
of which journals, summaries and MLflow are held against each other and against an undisturbed run, weights to the bit.

    python benchmarks/hostile.py [KIND …] [--points 200] [--seed 0] [--quick] [--json [FILE]]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import options
import results_file
from attacks import credentials, fuzz, locks, processes, stores
from chaos import campaign

KINDS = {
    "1": "one lock, one store, one owner",
    "2": "debts of an earlier attempt",
    "3": "copies",
    "4": "credentials and addresses",
    "5": "secrets in records",
    "6": "no head-of-line blocking",
    "7": "a way out of every guess",
    "8": "terminals and disks",
    "9": "processes",
    "10": "files from elsewhere",
}
CHAOS = "chaos"
MODULES = (locks, stores, credentials, processes, fuzz)
QUICK = {
    locks.store_left_half_made,
    locks.received_run_with_links,
    locks.killed_before_its_journal,
    credentials.variable_of_a_preset,
    processes.control_characters,
}
QUICK_POINTS = 6


def attempt(kind: str, attack: Callable[[Path], None]) -> bool:
    """Make an attack in a folder of its own; return whether everything held."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hostile-", ignore_cleanup_errors=True) as folder:
        try:
            attack(Path(folder))
            word = "held"
        except Exception:
            word = "FELL\n" + traceback.format_exc()
    print(f"{kind:>2}  {attack.__doc__}: {word}  ({time.monotonic() - began:.0f} s)", flush=True)
    return word == "held"


def by_kind(kinds: Sequence[str], name: str, quick: bool) -> list[list[str | int]]:
    """Make the attacks of some kinds; return a row for each: kind, how many were tried, and held.

    Args:
        kinds: their numbers.
        name: a part of the names of those that are made.
        quick: only those of `QUICK`, two at a time.
    """
    rows, pool = [], ThreadPoolExecutor(2 if quick else 1)
    for kind in kinds:
        attacks = [a for m in MODULES for a in m.ATTACKS.get(int(kind), ()) if name in a.__name__]
        attacks = [a for a in attacks if a in QUICK or not quick]
        if attacks:
            rows.append(
                [f"{kind}. {KINDS[kind]}", len(attacks), [pool.submit(attempt, kind, a) for a in attacks]]
            )
    return [[kind, tried, sum(one.result() for one in held)] for kind, tried, held in rows]


def main() -> int:
    """Make every attack, and count; name those that did not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", nargs="*", choices=[[], *KINDS, CHAOS], help="only these kinds")
    parser.add_argument(
        "-k", metavar="NAME", default="", help="only attacks, and points, whose name has this in it"
    )
    parser.add_argument("--points", type=options.at_least(1), default=200, help="of chaos (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the points (default: 0)")
    parser.add_argument("--only", type=int, nargs="*", default=[], metavar="NUMBER", help="only these points")
    parser.add_argument(
        "--at-once",
        type=options.at_least(1),
        default=os.cpu_count(),
        help="points at a time (default: the processors)",
    )
    parser.add_argument("--keep", type=os.path.abspath, help="a folder in which the projects stay that fell")
    parser.add_argument(
        "--quick", action="store_true", help=f"some attacks and {QUICK_POINTS} points, for CI"
    )
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    kinds, began = arguments.kind or [*KINDS, CHAOS], time.monotonic()
    rows = by_kind([k for k in kinds if k != CHAOS], arguments.k, arguments.quick)
    tables = [results_file.table(("kind", "tried", "held"), rows)] if rows else []
    if CHAOS in kinds:
        count = QUICK_POINTS if arguments.quick else arguments.points
        keep = Path(arguments.keep) if arguments.keep else None
        counts = campaign.run(count, arguments.seed, arguments.at_once, arguments.k, keep, arguments.only)
        points = [[fault, subject, *pair] for (fault, subject), pair in sorted(counts.items())]
        tables.append(results_file.table(("fault", "subject", "points", "held"), points, "Random moments"))
        rows += [[CHAOS, *(sum(row[i] for row in points) for i in (2, 3))]]
    tried, held = (sum(row[i] for row in rows) for i in (1, 2))
    print(f"tried {tried}, held {held}, in {(time.monotonic() - began) / 60:.0f} min")
    goals = [
        results_file.goal(
            f"{what} that held, of {sum(r[1] for r in some)}",
            sum(r[2] for r in some),
            sum(r[1] for r in some),
            at_least=True,
        )
        for what, some in (
            ("attacks", [r for r in rows if r[0] != CHAOS]),
            ("random points", [r for r in rows if r[0] == CHAOS]),
        )
        if some
    ]
    words = [
        *arguments.kind,
        *(["--quick"] if arguments.quick else []),
        *([f"--points {arguments.points}"] if arguments.points != 200 else []),
    ]
    results_file.write(arguments.json, " ".join(["python benchmarks/hostile.py", *words]), tables, goals)
    return int(held < tried)


if __name__ == "__main__":
    sys.exit(main())
