"""Start of the command line: trainrun's light commands compared with the smallest Hydra program.

The peer is a Hydra program of three lines with one YAML of one key, run with `--cfg job`. Repeats are interleaved, the medians
are compared.

    python benchmarks/cli_startup.py [--repeats 15]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import options
import results_file

GOAL = 1.5
PEER = """
import hydra

@hydra.main(version_base="1.3", config_path=".", config_name="config")
def main(config):
    pass

main()
"""
COMMANDS = {
    "--help": ["--help"],
    "ls": ["ls"],
    "ls loss": ["ls", "loss"],
    "show loss/huber": ["show", "loss/huber"],
    "--cfg job": ["--cfg", "job"],
    "completion (bash)": ["-sc", "query=bash"],
    "a config error": ["optimizer.lr=1", "loss=focl"],
    "a wrong combination": ["loss=focal", "data=diabetes"],
}


def seconds(command: list[str], folder: Path) -> float:
    """Return the wall time of a command; its output and exit code do not matter here."""
    # With this variable, as in some containers, our modules would be compiled anew each time, the peer's packages not.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, capture_output=True, check=False, env=environment)
    return time.perf_counter() - start


def main() -> int:
    """Print a line a command: median seconds and the ratio to the peer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=options.at_least(1), default=15)
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    repeats = arguments.repeats
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "peer.py").write_text(PEER)
        (folder / "config.yaml").write_text("a: 1\n")
        commands = {"the smallest Hydra program": [sys.executable, "peer.py", "--cfg", "job"]}
        commands |= {k: [sys.executable, "-m", "trainrun", *v] for k, v in COMMANDS.items()}
        took: dict[str, list[float]] = {k: [] for k in commands}
        for command in commands.values():
            seconds(command, folder)  # byte-code and file caches
        for _ in range(repeats):
            for key, command in commands.items():
                took[key].append(seconds(command, folder))
    medians = {k: statistics.median(v) for k, v in took.items()}
    base = medians["the smallest Hydra program"]
    print(f"medians of {repeats} interleaved repeats; goal: at most {GOAL} times the smallest Hydra program")
    for key, value in medians.items():
        print(f"{key:<28} {value:6.3f} s   {value / base:5.2f}")
    worst = max(v / base for k, v in medians.items())
    print(f"worst ratio {worst:.2f}: goal {'reached' if worst <= GOAL else 'missed'}")
    results_file.write(
        arguments.json,
        "python benchmarks/cli_startup.py",
        [
            results_file.table(
                ["command", "seconds", "ratio"],
                [[k, v, v / base] for k, v in medians.items()],
                f"Medians of {repeats} interleaved repeats",
            )
        ],
        [results_file.goal("worst ratio", worst, GOAL, at_least=False)],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
