"""From Enter to the first epoch's line, and to the prompt: the default command in a terminal, in its own process and warm.

Each run has a terminal (a pty), as a person has, so that plots and report are drawn after its end. The folder has a tracker's store
already: the first run of a folder makes it, which takes seconds. Repeats of the two ways are interleaved, the medians are given.
The programs are stored by the first run (`trainrun.trainer.stored_programs`), in a cache of the benchmark's own.

Tracing and loading, processor time (2 cores, 2026-11-29), training and validation pass: digits MLP 0.37 s and 0.004; resnet_small 1.86 and
0.013. To name the file takes 4 ms a pass, and 5 to 9 ms together with the loading. The first execution (0.08 s a pass, 0.25 and 0.9 for
resnet_small) is TensorFlow's optimization of the graph, which is repeated in each process: it has no form that could be stored. What loads is
the definition of the function, which is called by its name. To build Python's graph of it again, as SavedModel does, was not needed.

Warm, ms to the line (2026-11-30, 570 to 630 in all): the command's own process 35, three forks 25, config 85, Hydra's job and its files 35,
data 25, model 90 (TensorFlow's first operations 40), optimizer and metrics 45, both passes optimized in a thread 75 and 40, the kernels of the
first step 45, which a call without steps does not make. Saved since: the parsing of Keras' losses 20 and the import of NVML's reader 10, now
before the fork; the training pass is optimized while Keras prepares its loop, before the validation pass and not at the same time 35. Did not
help: a first operation in a thread beside the config (each waits for Python's lock), mapping TensorFlow's code before it is used, the registry
of XLA's kernels before the fork (6).

    python benchmarks/first_epoch.py [--repeats 5]
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import options
import results_file

# Way -> seconds to the first epoch's line, and to the prompt, at most; None: no goal.
GOALS = {"cold": (None, 4.5), "warm": (0.6, 2.0)}
FIRST_EPOCH = re.compile(rb" 1/10 +\d")
COMMAND = [sys.executable, "-P", "-m", "trainrun"]


def run(folder: Path, environment: dict[str, str], *words: str) -> tuple[float, float]:
    """Return the seconds from the start of a command to the first epoch's line and to its end."""
    terminal, inside = pty.openpty()
    shown, first = b"", float("nan")
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=folder, env=environment, stdin=inside, stdout=inside, stderr=inside
    )
    os.close(inside)
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the last process has closed the terminal
            break
        shown += piece
        if first != first and FIRST_EPOCH.search(shown):
            first = time.perf_counter() - begun
    code = process.wait()
    whole = time.perf_counter() - begun
    os.close(terminal)
    if code:
        sys.exit(f"trainrun {' '.join(words)} ended with {code}:\n{shown.decode(errors='replace')}")
    return first, whole


def drawn(folder: Path) -> None:
    """Wait until the plots and reports of all runs are drawn: that process would compete with the next run."""
    while not all((run_dir / "report.html").exists() for run_dir in (folder / "outputs" / "runs").iterdir()):
        time.sleep(0.1)
    time.sleep(0.5)


def main() -> int:
    """Print a line a way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=options.at_least(1), default=5)
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    took: dict[str, list[tuple[float, float]]] = {way: [] for way in GOALS}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # A warm process of its own; `CI` keeps the hint away.
        environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": name,
            "XDG_CACHE_HOME": name,
            "TERM": "xterm",
            "CI": "true",
            "TRAINRUN_WARM": "",
        }
        by_way = {"cold": {**environment, "TRAINRUN_WARM": "0"}, "warm": environment}
        run(folder, environment, "warm")
        try:
            for way in by_way:
                run(folder, by_way[way])  # the store, byte-code and file caches
                drawn(folder)
            for _ in range(arguments.repeats):
                for way in by_way:
                    took[way].append(run(folder, by_way[way]))
                    drawn(folder)
        finally:
            run(folder, environment, "warm", "--stop")
    rows, goals = [], []
    for way, pairs in took.items():
        medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
        rows.append([way, *medians])
        for what, value, limit in zip(("first epoch", "prompt"), medians, GOALS[way], strict=True):
            print(f"{way:<5} {what:<12} {value:6.2f} s   goal {limit if limit is not None else '-'}")
            if limit is not None:
                goals.append(results_file.goal(f"{way}, {what} (s)", value, limit, at_least=False))
    results_file.write(
        arguments.json,
        "python benchmarks/first_epoch.py",
        [
            results_file.table(
                ["", "to the first epoch's line (s)", "to the prompt (s)"],
                rows,
                f"Medians of {arguments.repeats} interleaved repeats of `trainrun` without arguments",
            )
        ],
        goals,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
