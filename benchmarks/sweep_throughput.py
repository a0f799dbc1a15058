"""Trials per minute of a small sweep: `trainrun -m` compared with a shell loop and other tools.

The work is the same everywhere: the digits MLP (64-32), 10 epochs, batch 32, Adam, the same number of training and validation
examples, a grid of learning rates and seeds; two trials at once wherever the tool can.

    shell       for …; do python train.py …; done       the plain Keras script, one process after another
    shell2      the same, two side by side (xargs -P 2)
    basic       the script as a Hydra application, `-m`, Hydra's own launcher: one after another in one process
    joblib      the same, hydra-joblib-launcher, n_jobs=2
    tune        Ray Tune, function trainables, one CPU each
    kerastuner  KerasTuner's GridSearch, in one process
    trainrun    `trainrun -m …` as it comes: MLflow on SQLite, journal, checkpoints, model, report for each trial

Each runs in a process of its own, from its start to its end, repeats interleaved; medians are compared. A tool that is not
installed is left out and named. The mean validation accuracies must agree within 0.02.

    python benchmarks/sweep_throughput.py [--quick] [--trials 24] [--repeats 3] [--only trainrun,basic]
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import options
import results_file

GOAL = 12.0
CLOSE = 0.02

TRAIN = """
import os
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

def train(learning_rate, seed):
    import keras
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    keras.utils.set_random_seed(seed)
    x, y = load_digits(return_X_y=True)
    x = (x / 16.0).astype("float32")
    x, _, y, _ = train_test_split(x, y, test_size=0.2, stratify=y, random_state=seed)
    x, xv, y, yv = train_test_split(x, y, test_size=0.25, stratify=y, random_state=seed)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(32, "relu"),
                              keras.layers.Dense(10)])
    model.compile(keras.optimizers.Adam(learning_rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])
    model.fit(x, y, batch_size=32, epochs=10, validation_data=(xv, yv), verbose=0)
    return float(model.evaluate(xv, yv, verbose=0)[1])

if __name__ == "__main__":
    import sys
    print("ACC", train(float(sys.argv[1]), int(sys.argv[2])))
"""
HYDRA = """
import hydra, train
@hydra.main(version_base=None, config_path=None)
def main(config):
    with open("%s", "a") as file:
        print("ACC", train.train(config.learning_rate, config.seed), file=file)
main()
"""
TUNE = """
import json, logging, os, sys
os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
import ray
from ray import tune
here, rates, seeds = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
def one(config):
    sys.path.insert(0, here)
    import train
    tune.report({"accuracy": train.train(config["rate"], config["seed"])})
ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False,
         _node_ip_address="127.0.0.1", runtime_env={"env_vars": {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}})
results = tune.Tuner(tune.with_resources(one, {"cpu": 1}),
    param_space={"rate": tune.grid_search(rates), "seed": tune.grid_search(seeds)},
    run_config=tune.RunConfig(storage_path=here + "/ray", verbose=0)).fit()
for result in results:
    print("ACC", result.metrics["accuracy"])
"""
TUNER = """
import json, sys
import keras, keras_tuner, train
rates, seeds = json.loads(sys.argv[2]), json.loads(sys.argv[3])
class Hyper(keras_tuner.HyperModel):
    def build(self, hp):
        hp.Choice("rate", rates), hp.Choice("seed", seeds)
        return keras.Sequential([keras.Input((64,)), keras.layers.Dense(1)])
    def fit(self, hp, model, *args, **kwargs):
        accuracy = train.train(hp.get("rate"), hp.get("seed"))
        print("ACC", accuracy)
        return {"accuracy": accuracy}
tuner = keras_tuner.GridSearch(Hyper(), keras_tuner.Objective("accuracy", "max"), max_trials=len(rates) * len(seeds),
                               directory=sys.argv[1], project_name="kt", overwrite=True)
tuner.search(verbose=0)
"""
NAMES = {
    "shell": "the shell loop",
    "shell2": "two shell loops in parallel",
    "basic": "Hydra, basic launcher",
    "joblib": "Hydra, joblib launcher",
    "tune": "Ray Tune",
    "kerastuner": "KerasTuner",
    "trainrun": "`trainrun -m`",
}
NEEDS = {
    "joblib": ["hydra_plugins.hydra_joblib_launcher"],
    "tune": ["ray.tune"],
    "kerastuner": ["keras_tuner", "tensorboard"],  # which it imports, and does not ask for
}


def grid(trials: int) -> tuple[list[float], list[int]]:
    """Return learning rates and seeds, whose product are the trials."""
    seeds = [1, 2]
    return [round(0.001 * 1.3**i, 6) for i in range(trials // len(seeds))], seeds


def missing(way: str) -> bool:
    """Return whether a tool is not installed."""
    try:
        return any(importlib.util.find_spec(name) is None for name in NEEDS.get(way, []))
    except ModuleNotFoundError:
        return True


def run(way: str, folder: Path, rates: list[float], seeds: list[int]) -> tuple[float, list[float]]:
    """Run all trials in one way; return the seconds and the accuracies."""
    folder.mkdir()
    (folder / "train.py").write_text(TRAIN)
    accuracies_file = folder / "accuracies.txt"
    (folder / "app.py").write_text(HYDRA % accuracies_file)
    python, points = sys.executable, [(r, s) for r in rates for s in seeds]
    lists = [str(folder), json.dumps(rates), json.dumps(seeds)]
    lines = " ".join(f"'{r} {s}'" for r, s in points)
    swept = [f"{k}={','.join(map(str, v))}" for k, v in (("+learning_rate", rates), ("+seed", seeds))]
    commands = {
        "shell": ["bash", "-c", "; ".join(f"{python} train.py {r} {s}" for r, s in points)],
        "shell2": ["bash", "-c", f"printf '%s\\n' {lines} | xargs -P 2 -L 1 {python} train.py"],
        "basic": [python, "app.py", "-m", *swept],
        "joblib": [python, "app.py", "-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *swept],
        "tune": [python, "-c", TUNE, *lists],
        "kerastuner": [python, "-c", TUNER, *lists],
        "trainrun": [python, "-m", "trainrun", "-m", "data=digits", "trainer.epochs=10", "metric=accuracy",
                     *(s.replace("+learning_rate", "optimizer.learning_rate").lstrip("+") for s in swept)],
    }  # fmt: skip
    begin = time.perf_counter()
    done = subprocess.run(
        commands[way],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"},
    )
    seconds = time.perf_counter() - begin
    output = done.stdout + (accuracies_file.read_text() if accuracies_file.exists() else "")
    accuracies = [float(line.split()[1]) for line in output.splitlines() if line.startswith("ACC")]
    if way == "trainrun":
        for table in folder.glob("outputs/sweeps/*/leaderboard.csv"):
            accuracies = [float(row["val_accuracy"]) for row in csv.DictReader(table.open())]
    if done.returncode or len(accuracies) != len(points):
        raise SystemExit(f"{way} failed ({len(accuracies)} of {len(points)}):\n{done.stderr[-3000:]}")
    return seconds, accuracies


def main() -> int:
    """Print a line for each way; return 1 if the accuracies differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="4 trials, one repeat, shell and trainrun only")
    parser.add_argument("--trials", type=options.at_least(2), default=24)
    parser.add_argument("--repeats", type=options.at_least(1), default=3)
    parser.add_argument("--only", type=options.names(NAMES), default=[*NAMES])
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    ways = [*arguments.only]
    if arguments.quick:
        arguments.trials, arguments.repeats, ways = 4, 1, ["shell", "trainrun"]
    for way in [w for w in ways if missing(w)]:
        print(f"{way}: not installed here, left out")
        ways.remove(way)
    if not ways:
        parser.error("none of these tools is installed")
    rates, seeds = grid(arguments.trials)
    trials = len(rates) * len(seeds)
    took: dict[str, list[float]] = {w: [] for w in ways}
    right: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        for i in range(arguments.repeats):
            for way in ways:
                seconds, accuracies = run(way, Path(name) / f"{way}{i}", rates, seeds)
                took[way].append(seconds)
                right[way] = statistics.mean(accuracies)
                print(f"  {i + 1}: {way:<11}{seconds:7.1f} s", file=sys.stderr, flush=True)
    paces = {w: trials / statistics.median(s) * 60 for w, s in took.items()}
    base = paces.get("shell") or next(iter(paces.values()))
    print(f"{trials} trials, 2 at once, medians of {arguments.repeats}")
    for way in ways:
        print(
            f"  {way:<11}{paces[way]:7.1f} trials a minute   {paces[way] / base:5.1f} x   accuracy {right[way]:.3f}"
        )
    ratio = paces["trainrun"] / paces["shell"] if {"trainrun", "shell"} <= set(ways) else None
    rows = [[NAMES[way], paces[way], paces[way] / base, right[way]] for way in ways]
    columns = [
        "tool",
        "trials per minute",
        f"times {NAMES.get('shell' if 'shell' in paces else ways[0])}",
        "accuracy",
    ]
    results_file.write(
        arguments.json,
        f"python benchmarks/sweep_throughput.py --trials {trials} --repeats {arguments.repeats}",
        [
            results_file.table(
                columns, rows, f"{trials} trials, medians of {arguments.repeats} interleaved repeats"
            )
        ],
        [results_file.goal("trainrun, times the shell loop", ratio, GOAL, at_least=True)] if ratio else [],
    )
    first = right[ways[0]]
    if any(abs(a - first) > CLOSE for a in right.values()):
        print("the accuracies differ")
        return 1
    if ratio is not None:
        ahead = all(paces["trainrun"] >= p for p in paces.values())
        print(
            f"trainrun: {ratio:.1f} times the shell loop (goal {GOAL:g}): {'reached' if ratio >= GOAL else 'missed'}; "
            f"{'ahead of all the others' if ahead else 'NOT ahead of all the others'}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
