"""A sweep of 2,000 tiny trials: do time and memory per trial stay constant, and is every record complete?

    python benchmarks/sweep_scale.py [--quick] [--trials 2000]

Trials are a linear model on the iris data, one epoch, with everything that a trial writes, MLflow on SQLite included. Printed are

- memory of the sweep's own process (RssAnon): at trial 100 (half of the trials, if there are fewer than 200), when the last
  trial begins, and at the end;
- seconds per trial, of the first hundred (after the first two, which wait for the import) and of the last hundred;
- the SQLite file when everything is delivered: `PRAGMA integrity_check`, its FINISHED runs and their parent; the complete journals;
- the time of `trainrun runs` on the result;
- the parts of a trial's time.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import options
import results_file
import timing

# A sweep of 100,000 trials may grow by 0.5 GB: 5 kB a trial. Drawing the sweep's plots at its end takes memory once.
GOALS = {"memory": 5.0, "pace": 0.10, "runs": 1.0}


class Watch(threading.Thread):
    """Record the memory of a process and the number of trials that have ended, twice a second."""

    def __init__(self, pid: int, folder: Path):
        super().__init__(daemon=True)
        self.pid, self.folder = pid, folder
        self.seen: list[tuple[int, float]] = []

    def run(self) -> None:
        ended = 0
        while True:
            try:
                lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
                memory = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024
            except (OSError, StopIteration):
                return
            sweeps = [*self.folder.glob("outputs/sweeps/*")]
            while sweeps and (sweeps[0] / str(ended) / "summary.json").exists():
                ended += 1
            self.seen.append((ended, memory))
            time.sleep(0.5)


def records(run_dir: Path) -> list[dict]:
    """Return a journal's records."""
    return [json.loads(line) for line in (run_dir / "journal.jsonl").read_text().splitlines()]


def main() -> int:
    """Run the sweep and print the results; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="200 trials")
    parser.add_argument("--trials", type=options.at_least(10), default=2000)
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    trials = 200 if arguments.quick else arguments.trials
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        command = [sys.executable, "-m", "trainrun", "-m", f"seed=range({trials})", "data=iris", "model=linear",
                   "metric=accuracy", "trainer.epochs=1"]  # fmt: skip
        begin = time.perf_counter()
        with (folder / "output.txt").open("w") as output:
            process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
            watch = Watch(process.pid, folder)
            watch.start()
            code = process.wait()
        seconds = time.perf_counter() - begin
        (sweep,) = folder.glob("outputs/sweeps/*")
        print(
            f"{trials} trials in {seconds:.0f} s, {seconds / trials * 1000:.0f} ms each, exit code {code}; "
            f"its output: {(folder / 'output.txt').stat().st_size / 1024:.0f} kB"
        )
        if code:
            print((folder / "output.txt").read_text()[-3000:])
            return 1
        rows: list[list[Any]] = [["whole sweep (s)", seconds]]
        goals = [memory(watch.seen, trials, rows), pace(sweep, trials, rows)]
        goals += [healthy(folder, sweep, trials, rows), listing(folder, rows)]
        results_file.write(
            arguments.json,
            f"python benchmarks/sweep_scale.py --trials {trials}",
            [results_file.table(["quantity", "value"], rows)],
            goals,
        )
        return 0 if all(goal["reached"] for goal in goals) else 1


def memory(seen: list[tuple[int, float]], trials: int, rows: list[list[Any]]) -> dict[str, Any]:
    """Print and add to `rows` how the sweep's process has grown; return the goal."""
    start = min(100, trials // 2)
    early = next((m for n, m in seen if n >= start), seen[-1][1])
    late, end = max([m for n, m in seen if n < trials][-10:]), max(m for _, m in seen[-10:])
    growth = (late - early) * 1024 / (trials - start)
    print(f"memory     {early:.0f} MB at trial {start}, {late:.0f} MB when the last trial begins: {growth:.1f} kB a trial "
          f"(goal {GOALS['memory']:g}): {verdict(growth <= GOALS['memory'])}; {end:.0f} MB at the end")  # fmt: skip
    rows += [
        [f"memory of the sweep's process at trial {start} (MB)", early],
        ["when the last trial begins (MB)", late],
        ["at the end, after the sweep's plots (MB)", end],
    ]
    return results_file.goal("growth of memory per trial (kB)", growth, GOALS["memory"], at_least=False)


def pace(sweep: Path, trials: int, rows: list[list[Any]]) -> dict[str, Any]:
    """Print and add to `rows` the time of the first and the last trials; return the goal."""
    journals = [records(sweep / str(i)) for i in range(trials)]
    ends = sorted(r[-1]["time"] for r in journals)
    own = [r[-1]["time"] - r[0]["time"] for r in journals]
    some = min(100, trials // 3)
    # From the end of the second trial on: the first two wait for the import of TensorFlow.
    first, last = (ends[some + 1] - ends[1]) / some, (ends[-1] - ends[-1 - some]) / some
    change = last / first - 1
    print(f"pace       {first * 1000:.0f} ms a trial at first, {last * 1000:.0f} ms at the end: {change:+.1%} "
          f"(goal within {GOALS['pace']:.0%}): {verdict(change <= GOALS['pace'])}")  # fmt: skip
    total = [json.loads((sweep / str(i) / "summary.json").read_text())["seconds"] for i in range(trials)]
    parts = {k: statistics.median(s.get(k, 0.0) for s in total) * 1000 for k in total[0]}
    print("a trial    " + ", ".join(f"{k} {v:.0f} ms" for k, v in parts.items())
          + f"; from its first record to its last {statistics.median(own) * 1000:.0f} ms")  # fmt: skip
    rows += [["a trial at first (ms)", first * 1000], ["a trial at the end (ms)", last * 1000]]
    return results_file.goal(
        "change of the time per trial (%)", change * 100, GOALS["pace"] * 100, at_least=False
    )


def healthy(folder: Path, sweep: Path, trials: int, rows: list[list[Any]]) -> dict[str, Any]:
    """Print and add to `rows` what MLflow's database and the journals have; return the goal: everything."""
    finished_query = "select count(*) from runs where status = 'FINISHED'"
    with sqlite3.connect(folder / "mlflow.db") as store:
        at_end = store.execute(finished_query).fetchone()[0] - 1
    _, waited, _ = timing.trainrun(folder, "sync", timeout_s=600)
    with sqlite3.connect(folder / "mlflow.db") as store:
        sound = store.execute("PRAGMA integrity_check").fetchone()[0]
        finished = store.execute(finished_query).fetchone()[0]
        nested = store.execute("select count(*) from tags where key = 'mlflow.parentRunId'").fetchone()[0]
        metrics = store.execute(
            "select count(*) from (select distinct run_uuid, key, step, timestamp, value from metrics)"
        ).fetchone()[0]
        values = store.execute("select count(*) from metrics").fetchone()[0]
    whole = sum(records(sweep / str(i))[-1]["kind"] == "end" for i in range(trials))
    good = (
        sound == "ok"
        and finished == trials + 1
        and nested == trials
        and whole == trials
        and metrics == values
    )
    print(
        f"delivery   {at_end} trials FINISHED in MLflow when the sweep ended; `trainrun sync` returned after {waited:.1f} s"
    )
    print(f"record     SQLite {sound}, {finished - 1} trials and their parent FINISHED, {nested} nested, "
          f"{values:,} metrics, none twice; {whole} journals whole: {verdict(good)}")  # fmt: skip
    rows += [
        ["complete journals", f"{whole:,} of {trials:,}"],
        ["trials FINISHED in MLflow when the sweep ended", f"{at_end:,} of {trials:,}"],
        ["after `trainrun sync`", f"{finished - 1:,} of {trials:,}"],
        ["which returned after (s)", waited],
    ]
    return results_file.goal("records complete, none twice (1: yes)", int(good), 1, at_least=True)


def listing(folder: Path, rows: list[list[Any]]) -> dict[str, Any]:
    """Print and add to `rows` how long `trainrun runs` takes, median of three; return the goal."""
    seconds = statistics.median(timing.trainrun(folder, "runs")[1] for _ in range(3))
    print(
        f"runs       {seconds:.2f} s (goal {GOALS['runs']:g} s): {verdict(seconds <= GOALS['runs'])}",
        flush=True,
    )
    rows.append(["`trainrun runs` on the result (s)", seconds])
    return results_file.goal("`trainrun runs` (s)", seconds, GOALS["runs"], at_least=False)


def verdict(good: bool) -> str:
    """Return the goal's state as a word."""
    return "reached" if good else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
