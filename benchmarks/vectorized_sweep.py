"""Trials per minute of a sweep over numbers: `hydra/launcher=vectorized` compared with `local` and with one process after another.

The work: the digits MLP (64-32) or a small CNN (8 filters), batch 32, Adam, K points of a grid of learning rates and seeds,
each seed with a split of its own.

    shell       for …; do python train.py …; done       the plain Keras script; timed over a few trials, reported for each
    tune        Ray Tune, a class that is reused (`reuse_actors`), one CPU each; only up to K = 16
    local       `trainrun -m … hydra/launcher=local`
    vectorized  the same with hydra/launcher=vectorized

Each runs in a process of its own, from its start to its end, repeats interleaved; medians are compared. The validation losses of
`vectorized` and `local` are compared trial by trial, the mean accuracies of all. `memory` is the largest of one process.

    python benchmarks/vectorized_sweep.py [--quick] [--trials 4,16,64,256] [--models mlp,cnn] [--epochs 10,100,300]
        [--repeats 3] [--only shell,local,vectorized]
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
import threading
import time
from pathlib import Path
from typing import Any

import options
import results_file

GOAL_SHELL, GOAL_LOCAL, GOAL_AT = 25.0, 3.0, 64
FEW = 4  # trials that the shell loop is timed over
TUNED = 16  # trials that Ray Tune is arguments at most
CLOSE, SAME = 0.03, 1e-3

TRAIN = """
import os, sys
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

def data(seed):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    x, y = load_digits(return_X_y=True)
    x = (x / 16.0).astype("float32").reshape(-1, 8, 8, 1)
    x, _, y, _ = train_test_split(x, y, test_size=0.2, stratify=y, random_state=seed)
    return train_test_split(x, y, test_size=0.25, stratify=y, random_state=seed)

def build(kind, learning_rate, seed):
    import keras
    from keras import layers
    keras.utils.set_random_seed(seed)
    hidden = ([layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(32, "relu")] if kind == "mlp" else
              [layers.Conv2D(8, 3, padding="same", activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(32, "relu")])
    model = keras.Sequential([keras.Input((8, 8, 1)), *hidden, layers.Dense(10)])
    model.compile(keras.optimizers.Adam(learning_rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model

def train(kind, learning_rate, seed, epochs):
    x, xv, y, yv = data(seed)
    model = build(kind, learning_rate, seed)
    model.fit(x, y, batch_size=32, epochs=epochs, validation_data=(xv, yv), verbose=0)
    return float(model.evaluate(xv, yv, verbose=0)[1])

if __name__ == "__main__":
    print("ACC", train(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
"""
TUNE = """
import json, logging, os, sys
os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
import ray
from ray import tune
here, kind, points, epochs = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
class One(tune.Trainable):
    def setup(self, config):
        sys.path.insert(0, here)
        self.point = config["point"]
    def step(self):
        import train
        return {"accuracy": train.train(kind, self.point[0], int(self.point[1]), epochs), "done": True}
    def reset_config(self, config):
        self.point = config["point"]
        return True
ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False, _node_ip_address="127.0.0.1",
         runtime_env={"env_vars": {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}})
results = tune.Tuner(tune.with_resources(One, {"cpu": 1}), param_space={"point": tune.grid_search(points)},
    tune_config=tune.TuneConfig(reuse_actors=True), run_config=tune.RunConfig(storage_path=here + "/ray", verbose=0)).fit()
for result in results:
    print("ACC", result.metrics["accuracy"])
"""
NAMES = {"shell": "shell loop", "tune": "Ray Tune", "local": "local", "vectorized": "vectorized"}
MODELS = {"mlp": ["model=mlp"], "cnn": ["model=cnn", "model.filters=[8]", "model.units=32"]}


def grid(trials: int) -> tuple[list[float], list[int]]:
    """Return learning rates and seeds, whose product are the trials."""
    seeds = max(trials // 4, 1)
    return [0.001, 0.003, 0.01, 0.02][: max(trials // seeds, 1)], list(range(1, seeds + 1))


class Watch(threading.Thread):
    """Record the largest memory of a process and its descendants, each by itself, in bytes."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.pid, self.most, self.over = pid, 0, False

    def run(self) -> None:
        while not self.over:
            for status in Path("/proc").glob("[0-9]*/status"):
                try:
                    lines = dict(t.split(":", 1) for t in status.read_text().splitlines() if ":" in t)
                except OSError:
                    continue
                if int(lines["NSsid"].split()[-1]) == self.pid or self._is_below(int(lines["PPid"])):
                    self.most = max(self.most, int(lines.get("VmRSS", "0").split()[0]) * 1024)
            time.sleep(0.2)

    def _is_below(self, parent: int) -> bool:
        for _ in range(8):
            if parent == self.pid:
                return True
            try:
                parent = int(Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                return False
        return False


def run(
    way: str, folder: Path, model: str, trials: int, epochs: int
) -> tuple[float, list[float], dict[str, float], int]:
    """Run the trials in one way; return seconds a trial, accuracies, losses by point, and the largest memory."""
    folder.mkdir()
    (folder / "train.py").write_text(TRAIN)
    rates, seeds = grid(trials)
    points = [(r, s) for r in rates for s in seeds]
    python = sys.executable
    if way == "shell":
        points = points[:: max(len(points) // FEW, 1)][:FEW]
    ours = [python, "-m", "trainrun", "-m", "data=digits", f"trainer.epochs={epochs}", "metric=accuracy", *MODELS[model],
            f"optimizer.learning_rate={','.join(map(str, rates))}", f"seed={','.join(map(str, seeds))}"]  # fmt: skip
    commands = {
        "shell": ["bash", "-c", "; ".join(f"{python} train.py {model} {r} {s} {epochs}" for r, s in points)],
        "tune": [python, "-c", TUNE, str(folder), model, json.dumps(points), str(epochs)],
        "local": [*ours, "hydra/launcher=local"],
        "vectorized": [*ours, "hydra/launcher=vectorized", f"hydra.launcher.max_trials={len(points)}"],
    }
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    begin = time.perf_counter()
    with open(folder / "output.txt", "w+") as output, open(folder / "errors.txt", "w+") as errors:
        process = subprocess.Popen(commands[way], cwd=folder, stdout=output, stderr=errors, env=environment)
        watch = Watch(process.pid)
        watch.start()
        code = process.wait()
        seconds = time.perf_counter() - begin
        watch.over = True
        output.seek(0), errors.seek(0)
        lines, wrong = output.read().splitlines(), errors.read()
    accuracies = [float(line.split()[1]) for line in lines if line.startswith("ACC")]
    losses: dict[str, float] = {}
    for table in folder.glob("outputs/sweeps/*/leaderboard.csv"):
        for row in csv.DictReader(table.open()):
            accuracies.append(float(row["val_accuracy"]))
            losses[row["overrides"].replace("hydra/launcher=vectorized", "").strip()] = float(row["val_loss"])
    if code or len(accuracies) != len(points):
        raise SystemExit(f"{way} failed ({len(accuracies)} of {len(points)}):\n{wrong[-3000:]}")
    return seconds / len(points), accuracies, losses, watch.most


def main() -> int:
    """Print a table for each model and number of trials."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="8 trials of the MLP, one repeat")
    parser.add_argument("--trials", type=options.numbers(1), default=[4, 16, 64, 256])
    parser.add_argument("--models", type=options.names(MODELS), default=[*MODELS])
    parser.add_argument(
        "--epochs",
        type=options.numbers(1),
        default=[10, 100, 300],
        help="of each trial; the first for other numbers of trials than 64",
    )
    parser.add_argument("--repeats", type=options.at_least(1), default=3)
    parser.add_argument("--only", type=options.names(NAMES), default=[*NAMES])
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.trials, arguments.models, arguments.epochs, arguments.repeats = [8], ["mlp"], [10], 1
        arguments.only = ["shell", "local", "vectorized"]
    missed = 0
    rows: list[list[Any]] = []
    goals: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for model in arguments.models:
            for trials in arguments.trials:
                for epochs in arguments.epochs if trials == GOAL_AT else arguments.epochs[:1]:
                    ways = arguments.only
                    missed += compare(Path(name), model, trials, epochs, ways, arguments.repeats, rows, goals)
    lists = {"trials": arguments.trials, "models": arguments.models, "epochs": arguments.epochs}
    listed = " ".join(f"--{k} {','.join(map(str, v))}" for k, v in lists.items())
    columns = [
        "model",
        "trials",
        "epochs",
        *(f"{NAMES[w]} (trials/min)" for w in NAMES),
        "vectorized / shell loop",
        "vectorized / local",
    ]
    results_file.write(
        arguments.json,
        f"python benchmarks/vectorized_sweep.py {listed} --repeats {arguments.repeats}",
        [results_file.table(columns, rows, f"Medians of {arguments.repeats} interleaved repeats")],
        goals,
    )
    return min(missed, 1)


def compare(
    folder: Path,
    model: str,
    trials: int,
    epochs: int,
    ways: list[str],
    repeats: int,
    rows: list[list[Any]],
    goals: list[dict[str, Any]],
) -> int:
    """Print a table, add its row and goals to the result; return how many of its checks failed."""
    if "tune" in ways and (importlib.util.find_spec("ray") is None or trials > TUNED):
        ways = [w for w in ways if w != "tune"]
    took: dict[str, list[float]] = {w: [] for w in ways}
    right: dict[str, float] = {}
    losses: dict[str, dict[str, float]] = {}
    memory: dict[str, int] = {}
    for i in range(repeats):
        for way in ways:
            seconds, accuracies, losses[way], memory[way] = run(
                way, folder / f"{model}{trials}x{epochs}{way}{i}", model, trials, epochs
            )
            took[way].append(seconds)
            if way != "shell":
                right[way] = statistics.mean(accuracies)
            print(
                f"  {i + 1}: {model} {trials} of {epochs} epochs {way:<11}{seconds:7.2f} s a trial",
                file=sys.stderr,
                flush=True,
            )
    paces = {w: 60 / statistics.median(s) for w, s in took.items()}
    print(f"{model}, K = {trials}, {epochs} epochs, medians of {repeats}")
    for way in ways:
        base = paces[way] / paces["shell"] if "shell" in paces else float("nan")
        print(
            f"  {way:<11}{paces[way]:7.1f} trials a minute {base:6.1f} x   {memory[way] / 1e6:7.0f} MB"
            + (f"   accuracy {right[way]:.3f}" if way in right else "")
        )
    over = [
        paces["vectorized"] / paces[w] if {w, "vectorized"} <= set(ways) else None for w in ("shell", "local")
    ]
    rows.append([model, trials, epochs, *(paces.get(w) for w in NAMES), *over])
    missed = 0
    if any(abs(a - b) > CLOSE for a in right.values() for b in right.values()):
        print("the accuracies differ")
        missed += 1
    if {"local", "vectorized"} <= set(ways):
        off = [abs(losses["vectorized"][k] - v) / abs(v) for k, v in losses["local"].items()]
        print(
            f"  validation losses, vectorized against local: median {statistics.median(off):.1e}, largest {max(off):.1e} apart"
        )
        missed += statistics.median(off) > SAME
    if trials == GOAL_AT and model == "mlp":
        for way, goal in (("shell", GOAL_SHELL), ("local", GOAL_LOCAL)):
            if {way, "vectorized"} <= set(ways):
                ratio = paces["vectorized"] / paces[way]
                name = f"{trials} trials of {epochs} epochs, times {NAMES[way]}"
                goals.append(results_file.goal(name, ratio, goal, at_least=True))
                print(
                    f"  vectorized: {ratio:.1f} times {way} (goal {goal:g}): {'reached' if ratio >= goal else 'missed'}"
                )
    return missed


if __name__ == "__main__":
    sys.exit(main())
