"""Faults of a tracking server: per fault, records written, delivered, lost and duplicated, and the slowdown of the training.

Each fault meets a training run of its own, with a real `mlflow server` on SQLite behind a proxy (or on PostgreSQL, where it is
installed); where the fault lasts until the run's end, `trainrun sync` delivers the rest afterwards. Then every value of every epoch
is looked up in MLflow, with its step and time. The slowdown is that of the training loop compared with tracking=none: the same job in
the same process, in turns (without, with, with, without), so that drifts of the machine cancel. Two trainings without tracking
differ as the row `control` does, and the server's own work on the same cores is part of the slowdown. `delivery` is the
processor time of the delivery process during training, as a share of the training's seconds, without its import of MLflow.

    python benchmarks/tracking_faults.py [--quick] [--epochs N] [--repeats N] [--only WORD,WORD]
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import options
import results_file
from attacks import command
from chaos import tracked_training, victim
from chaos.tracking_stage import Stage, count, proxy, servers

from trainrun.util import subprocesses

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.pop("MLFLOW_TRACKING_URI", None)

GOAL_SLOWDOWN = 0.02
SETTINGS = ["data=digits", "model=cnn", "trainer=custom", "artifacts.plots=false", "artifacts.report=false"]
LARGE = "model.filters=[128,256]"  # epochs of half a second; without it, of a fifteenth
WARM, SHORT = 12, 60  # epochs of the first pair, and of each in the short form
CONTROL = "control: no tracking either"
# Name -> what happens before the training begins, and what happens a while after each run has begun.
FAULTS: dict[str, tuple[Callable[[Stage], None] | None, Callable[[Stage], None] | None]] = {
    CONTROL: (None, None),
    "none": (None, None),
    "down from the start to the end": (lambda stage: stage.server.kill(), None),
    "killed and restarted": (None, lambda stage: stage.restart()),
    "slow: 5 s a call": (proxy("slow"), None),
    "500 for every call": (proxy(500), None),
    "500 for every fifth call": (proxy(500, 0.2), None),
    "401 for every call": (proxy(401), None),
    "connections reset": (proxy("reset", 0.2), None),
    "answers lost": (proxy("lost", 0.2), None),
    "never answers": (proxy("silent"), None),
    "loses the run": (None, lambda stage: stage.forget()),
    "delivery process killed": (None, None),
    "training process killed": (None, None),
}


def measure(
    name: str, stage: Stage, folder: Path, settings: list[str], epochs: list[int], turns: Sequence[str]
) -> dict[str, Any]:
    """Cause a fault during training runs; return the counts of their records, and the slowdown.

    Args:
        name: of the fault.
        stage: with the server.
        folder: for the runs.
        settings: of the training.
        epochs: of each round of runs.
        turns: the trackers of a round's runs: "none" and "mlflow", or the latter alone.
    """
    before, during = FAULTS[name]
    kills = name if "process killed" in name else ""
    proxy(None)(stage)
    if before is not None:
        before(stage)
    task = {
        "settings": settings,
        "epochs": epochs[-1:] if "training process" in kills else epochs,
        "turns": list(turns),
        "folder": str(folder),
        "tracking": None if name == CONTROL else {"uri": stage.proxy.uri, "timeout": 10, "interval": 1.0},
    }
    output, writing = multiprocessing.Pipe(duplex=False)
    process = subprocesses.fork(tracked_training.main, task, writing)
    writing.close()
    seconds: dict[str, list[float]] = {"none": [], "mlflow": []}
    shares: list[float] = []
    delivery: set[int] = set()
    disturbing: list[threading.Thread] = []
    with open(output.fileno(), closefd=False) as lines:
        for line in lines:
            word, *more = line.split()
            if word == "training" and Path(more[0]).name.startswith("mlflow"):
                disturbing.append(
                    threading.Thread(
                        target=_disturb, args=(stage, during, kills, process, delivery), daemon=True
                    )
                )
                disturbing[-1].start()
            elif word == "seconds":
                seconds[more[0]].append(float(more[1]))
                shares += [float(more[2])] if more[2] != "-" else []
    process.join()
    output.close()
    for one in disturbing:  # one may be at starting the server again
        one.join(60.0)
    _wait_for(delivery)
    # The fault is over.
    proxy(None)(stage)
    if stage.server._process is None:
        stage.server.start()
    runs = sorted(folder.glob("mlflow*"))
    subprocess.run(
        [sys.executable, "-m", "trainrun", "sync", *map(str, runs)],
        check=False,
        capture_output=True,
        cwd=folder,
    )
    written, delivered, lost, doubled = (0, 0, 0, 0) if name == CONTROL else count(stage, runs)
    # The first of each is for warming up.
    without, with_it = seconds["none"][1:], seconds["mlflow"][1:]
    slowed = [sum(with_it[i : i + 2]) / sum(without[i : i + 2]) - 1 for i in range(0, len(without) - 1, 2)]
    return {
        "written": written,
        "in MLflow": delivered,
        "lost": lost,
        "doubled": doubled,
        "slowdown": statistics.mean(slowed) if slowed else None,
        # Without that of the first run, in which the process imports MLflow.
        "share": statistics.median(shares[1:]) if slowed and shares[1:] else None,
        "error": statistics.stdev(slowed) / len(slowed) ** 0.5 if len(slowed) > 1 else None,
        "seconds": statistics.median(without) if slowed else None,
    }


def _disturb(
    stage: Stage,
    during: Callable[[Stage], None] | None,
    kills: str,
    trainer: subprocesses.Forked,
    delivery: set[int],
) -> None:
    time.sleep(4.0 if kills or during else 1.0)
    deliverers = {pid for pid, line in command.children(trainer.pid) if victim.DELIVERY in line}
    delivery |= deliverers
    with contextlib.suppress(ProcessLookupError):
        if kills.startswith("delivery"):
            for pid in deliverers:
                os.kill(pid, signal.SIGKILL)
        elif kills.startswith("training"):
            trainer.signal(signal.SIGKILL)
    if during is not None:
        during(stage)


def _wait_for(processes: set[int]) -> None:
    for _ in range(600):
        if not any(Path(f"/proc/{pid}").exists() for pid in processes):
            return
        time.sleep(0.1)


def verdict(good: bool) -> str:
    """Return the goal's state as a word."""
    return "reached" if good else "missed"


def main() -> int:
    """Print a row for each fault, and whether the goals are reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="two short runs of each, two faults at a time: no slowdown"
    )
    parser.add_argument(
        "--epochs", type=options.at_least(1), default=40, help="some twenty seconds of training"
    )
    parser.add_argument(
        "--repeats", type=options.at_least(0), default=1, help="of four runs; 0: no slowdown is measured"
    )
    parser.add_argument(
        "--only",
        type=options.names(FAULTS, parts=True),
        default=[*FAULTS],
        help="faults whose names hold one of these words: a,b",
    )
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    settings = [*SETTINGS, "callback=none", *([] if arguments.quick else [LARGE])]
    warm = [min(arguments.epochs, WARM)] if arguments.repeats else [arguments.epochs]
    epochs = [SHORT, SHORT] if arguments.quick else warm + [arguments.epochs] * 2 * arguments.repeats
    unmeasured = {CONTROL} if len(epochs) <= 2 else set()  # it measures nothing but the slowdown
    if arguments.store == "postgres":
        unmeasured.add("loses the run")
    names = [name for name in arguments.only if name not in unmeasured]
    if not names:
        parser.error(f"with these options, nothing is measured of {', '.join(arguments.only)}")
    rows, database = [], None
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        os.chdir(folder)
        stack.callback(os.chdir, "/")
        if arguments.store == "postgres":
            database = servers.Postgres(servers.postgres_programs()).create()
            stack.callback(database.remove)
        lanes = 2 if arguments.quick and database is None else 1
        turns = ["mlflow"] if arguments.quick else ["none", "mlflow"]
        stages: queue.Queue[Stage] = queue.Queue()
        for lane in range(lanes):
            # The server steps aside where a slowdown is measured.
            stages.put(stage := Stage(Path(folder) / f"server{lane}", database, aside=not arguments.quick))
            stack.callback(stage.close)

        def measured(place: tuple[int, str]) -> dict[str, Any]:
            stage = stages.get()
            try:
                return measure(place[1], stage, Path(folder) / str(place[0]), settings, epochs, turns)
            finally:
                stages.put(stage)

        pool = stack.enter_context(ThreadPoolExecutor(lanes))
        print(
            f"{'fault':<34}{'written':>9}{'in MLflow':>11}{'lost':>6}{'doubled':>9}{'slowdown':>16}{'delivery':>10}  (training)"
        )
        for name, row in zip(names, pool.map(measured, enumerate(names)), strict=True):
            rows.append(row)
            slow = "" if row["slowdown"] is None else f"{row['slowdown']:+.1%}"
            slow += f" ± {row['error']:.1%}" if row.get("error") is not None else ""
            share = "" if row.get("share") is None else f"{row['share']:.1%}"
            length = "" if row["seconds"] is None else f"  ({row['seconds']:.1f} s)"
            print(f"{name:<34}{row['written']:>9,}{row['in MLflow']:>11,}{row['lost']:>6}{row['doubled']:>9}{slow:>16}{share:>10}{length}", flush=True)  # fmt: skip
    lost, doubled = sum(r["lost"] for r in rows), sum(r["doubled"] for r in rows)
    slowdowns = [None if r["slowdown"] is None else r["slowdown"] * 100 for r in rows]
    table = results_file.table(
        [
            "fault",
            "records written",
            "in MLflow",
            "lost",
            "duplicated",
            "slowdown (%)",
            "delivery's processor time (%)",
        ],
        [
            [
                name,
                r["written"],
                r["in MLflow"],
                r["lost"],
                r["doubled"],
                slowdown,
                r.get("share") and r["share"] * 100,
            ]
            for name, r, slowdown in zip(names, rows, slowdowns, strict=True)
        ],
    )
    goals = [results_file.goal("records lost or duplicated", lost + doubled, 0, at_least=False)]
    slowed = [r for r, name in zip(rows, names, strict=True) if r["slowdown"] is not None and name != CONTROL]
    if slowed:
        slow = [r["slowdown"] for r in slowed]
        mean, error = statistics.mean(slow), 0.0
        if len(slow) > 1:
            error = statistics.stdev(slow) / len(slow) ** 0.5
        most = max(r["share"] or 0.0 for r in slowed)
        goals.append(
            results_file.goal(
                f"slowdown, mean of {len(slow)} faults (%)", mean * 100, GOAL_SLOWDOWN * 100, at_least=False
            )
        )
        print(f"slowdown {mean:+.1%} ± {error:.1%} in the mean of {len(slow)} rows: {verdict(mean <= GOAL_SLOWDOWN)}, {max(slow):+.1%} at "
              f"worst: {verdict(max(slow) <= GOAL_SLOWDOWN)} (goal {GOAL_SLOWDOWN:.0%}); the delivery takes at most {most:.1%} of a processor")  # fmt: skip
    print(f"lost {lost}, doubled {doubled} (goal 0 and 0): {verdict(not lost and not doubled)}")
    results_file.write(
        arguments.json,
        f"python benchmarks/tracking_faults.py --epochs {arguments.epochs} --repeats {arguments.repeats}"
        + (" --quick" if arguments.quick else ""),
        [table],
        goals,
    )
    return int(bool(lost or doubled))


if __name__ == "__main__":
    sys.exit(main())
