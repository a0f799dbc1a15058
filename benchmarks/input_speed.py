"""Large files: time to the first batch, examples per second, and memory, for a CSV and an npz.

Each way runs in a process of its own, which reports the largest anonymous memory (RssAnon of /proc, read a hundred times a
second) above that after the imports. Pages of a mapped file are not counted: they are cache, which the kernel frees when memory is
needed. (`ru_maxrss` counts them, and in a child process begins at the parent's value.)
The peers are what a user would write: `pandas.read_csv` into arrays, `numpy.load` into memory, then `model.fit`.

    python benchmarks/input_speed.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import results_file

CHILD = """
import json, os, sys, threading, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np, tensorflow as tf
import pandas, sklearn.model_selection
from trainrun.hydra_bridge import preflight
from trainrun.run import builders
way, kind, path = sys.argv[1:]
def memory():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024
peak = 0.0
def watch():
    global peak
    while True:
        peak = max(peak, memory())
        time.sleep(0.01)
threading.Thread(target=watch, daemon=True).start()
base, begin, first = memory(), time.perf_counter(), []
class First(keras.callbacks.Callback):
    coarse = True
    def on_train_batch_end(self, batch, logs=None):
        first.append(time.perf_counter() - begin)
if way == "plain":
    if kind == "csv":
        table = pandas.read_csv(path)
        y, x = table.pop("y").to_numpy(), table.to_numpy("float32")
        x = (x - x.mean(0)) / x.std(0)
    else:
        held = np.load(path)
        x, y = held["x"], held["y"]
    n = int(len(x) * 0.64)
    model = keras.Sequential([keras.Input((x.shape[1],)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    start = time.perf_counter()
    model.fit(x[:n], y[:n], batch_size=1024, epochs=1, verbose=0, callbacks=[First()])
else:
    data = f"data.path={path}"
    config, problems = preflight.overrides(["tracking=none", f"data={kind}", data, *(["data.target=y"] if kind == "csv" else []),
        "data.task=regression", "model=linear", "metric=none", f"trainer={way}", "trainer.batch_size=1024", "trainer.epochs=1"])
    assert not problems, problems
    job = builders.job(config, builders.dataset(config), tf.distribute.get_strategy())
    n = len(job.train)
    start = time.perf_counter()
    builders.trainer(config).train(job, [First()])
print(json.dumps({"first": first[0], "rate": n / (time.perf_counter() - start), "memory": max(peak, memory()) - base}))
"""


def main() -> int:
    """Write the files, measure each way, print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the size")
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    scale, measured = 50 if arguments.quick else 1, []
    random = np.random.RandomState(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = 1_000_000 // scale
        table = random.randn(rows, 10).astype("float32")
        header = ",".join([*(f"x{i}" for i in range(10)), "y"])
        np.savetxt(
            folder / "big.csv",
            np.column_stack([table, table.sum(1)]),
            "%.4f",
            ",",
            header=header,
            comments="",
        )
        examples = 1_048_576 // scale  # 1 GiB of float32
        x = random.rand(examples, 256).astype("float32")
        np.savez(folder / "big.npz", x=x, y=x[:, 0] - x[:, 1])
        del x, table
        for kind in ("csv", "npz"):
            path = folder / f"big.{kind}"
            print(f"{kind}, {path.stat().st_size / 2**20:,.0f} MB")
            for way in ("plain", "fit", "custom"):
                done = subprocess.run([sys.executable, "-c", CHILD, way, kind, str(path)], capture_output=True,
                                      text=True, check=False, env={**os.environ})  # fmt: skip
                if done.returncode:
                    print(f"  {way:<8}failed: {done.stderr.strip().splitlines()[-1]}")
                    continue
                got = json.loads(done.stdout.splitlines()[-1])
                size = f"{kind}, {path.stat().st_size / 2**20:,.0f} MB" if way == "plain" else ""
                measured.append([size, way, got["first"], round(got["rate"]), round(got["memory"])])
                print(f"  {way:<8}first batch after {got['first']:6.1f} s   {got['rate']:12,.0f} examples/s   "
                      f"{got['memory']:8,.0f} MB over import", flush=True)  # fmt: skip
    columns = ["input", "way", "first batch (s)", "examples/s", "memory (MB)"]
    results_file.write(
        arguments.json, "python benchmarks/input_speed.py", [results_file.table(columns, measured)]
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
