"""Data of one's own: time to the first batch and to the end of epoch 1, examples per second, and memory, for five kinds of data.

`from the start` are times from the start of the process: of the plain script, with its imports, and of the command `trainrun`, which a
plug-in's callback ends after epoch 1, and which has no stored programs: what one waits for, and what the goals are of. The other times
are without imports, which take a second less in `trainrun` (it postpones Keras' wrappers and pictures); after them come config and checks
(0.1 s), the digest of all that was read (20,000 JPEGs 0.2 s) and the traces of decoder and pass (0.1 s each): of these, the plain script
has only the trace of its step. What a run before has left to be written to the disk is written before each measurement.

A CSV of a million rows, an npz and a Parquet file of 1 GB, 20,000 JPEGs in folders of classes, 200,000 short texts. Each way runs in a
process of its own (`input_ways.py`), which reports the largest anonymous memory (RssAnon of /proc, read a hundred times a
second) above that after the imports. Pages of a mapped file are not counted: they are cache, which the kernel frees when memory is
needed. (`ru_maxrss` counts them, and in a child process begins at the parent's value.) trainrun and the plain
way decode images in the first epoch, those of the training and the validation set (trainrun reads the test set after 15 s of
training, or when it evaluates); trainrun with antialiasing, and into a file. `again` is
trainrun on images that a run before has decoded. The goals are of the slower, and the larger, of trainrun's ways. A repeat takes about four
minutes.

    python benchmarks/input_speed.py [--quick] [--kind csv --kind texts] [--repeats 2]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import results_file
from input_ways import words

WAYS = ("plain", "fit", "custom")
CHILD = Path(__file__).with_name("input_ways.py")
WORDS = 30_000
# What is measured, in words, and the largest share of what the plain way has.
GOALS = (
    ("whole first", "time from the start to the first batch", 1),
    ("whole ended", "time from the start to the end of epoch 1", 1),
    ("memory", "memory", 0.5),
)


PLUGIN = """
import os, time
import trainrun

@trainrun.register("callback", "first")
def first():
    import keras
    class First(keras.callbacks.Callback):
        coarse, first = True, None
        def on_train_batch_end(self, batch, logs=None):
            self.first = self.first or time.time() - float(os.environ["BEGUN"])
        def on_epoch_end(self, epoch, logs=None):
            with open("first", "w") as file:
                file.write(f"{self.first} {time.time() - float(os.environ['BEGUN'])}")
            os._exit(0)
    return First()
"""


def csv(path: Path, scale: int) -> str:
    """Write ten columns of numbers and a target."""
    table = np.random.RandomState(0).randn(1_000_000 // scale, 10).astype("float32")
    header = ",".join([*(f"x{i}" for i in range(10)), "y"])
    np.savetxt(
        path.with_suffix(".csv"),
        np.column_stack([table, table.sum(1)]),
        "%.4f",
        ",",
        header=header,
        comments="",
    )
    return ".csv"


def npz(path: Path, scale: int) -> str:
    """Write 1 GiB of float32."""
    x = np.random.RandomState(0).rand(1_048_576 // scale, 256).astype("float32")
    np.savez(path.with_suffix(".npz"), x=x, y=x[:, 0] - x[:, 1])
    return ".npz"


def parquet(path: Path, scale: int) -> str:
    """Write 100 columns of float64, 1 GB, a row group at a time."""
    import pyarrow as pa
    from pyarrow import parquet as files

    random, names = np.random.RandomState(0), [f"x{i}" for i in range(100)]
    schema = pa.schema([(name, pa.float64()) for name in (*names, "y")])
    with files.ParquetWriter(path.with_suffix(".parquet"), schema, compression="none") as writer:
        for _ in range(25):
            x = random.randn(52_000 // scale, 100)
            writer.write_table(pa.table([*x.T, x[:, 0] - x[:, 1]], schema=schema))
    return ".parquet"


def images(path: Path, scale: int) -> str:
    """Write JPEGs of 96 x 96 pixels in five folders."""
    from PIL import Image

    random = np.random.RandomState(0)
    for i in range(20_000 // scale):
        folder = path / f"class{i % 5}"
        folder.mkdir(parents=True, exist_ok=True)
        small = (random.rand(12, 12, 3) * (155 + 20 * (i % 5))).astype("uint8")
        Image.fromarray(small).resize((96, 96)).save(folder / f"{i}.jpg", quality=90)
    return ""


def texts(path: Path, scale: int) -> str:
    """Write texts of 5 to 15 words of a skewed vocabulary, of two classes."""
    random = np.random.RandomState(0)
    with path.with_suffix(".csv").open("w") as file:
        file.write("text,y\n")
        for _ in range(200_000 // scale):
            words = (random.pareto(1, random.randint(5, 16)) * 50).astype(int) % WORDS
            file.write(f"{' '.join(f'w{w}' for w in words)},{'good' if words.min() % 2 else 'bad'}\n")
    return ".csv"


KINDS: dict[str, tuple[Callable[[Path, int], str], str]] = {
    "csv": (csv, "csv, 1,000,000 rows"),
    "npz": (npz, "npz, 1 GB"),
    "parquet": (parquet, "parquet, 1 GB"),
    "images": (images, "20,000 JPEGs"),
    "texts": (texts, "200,000 texts"),
}


def measured(way: str, kind: str, path: Path, folder: Path) -> dict[str, Any]:
    """Run one way in a process of its own.

    Raises:
        SystemExit: it failed.
    """
    return json.loads(_output(way, [str(CHILD), way, kind, str(path)], folder).splitlines()[-1])


def from_start(way: str, kind: str, path: Path, folder: Path) -> dict[str, float]:
    """Return the seconds from the start of the command `trainrun` to its first batch, and to the end of its first epoch.

    Raises:
        SystemExit: it failed.
    """
    (folder / "first.py").write_text(PLUGIN)
    (folder / "first").unlink(missing_ok=True)
    command = ["-m", "trainrun", *words(way, kind, str(path)), "plugins=[./first.py]", "callback=first"]
    shutil.rmtree(folder / "cache", ignore_errors=True)
    _output(way, command, folder)
    first, ended = map(float, (folder / "first").read_text().split())
    return {"whole first": first, "whole ended": ended}


def _output(way: str, command: list[str], folder: Path) -> str:
    """Run Python; return what it printed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    os.sync()
    environment |= {"XDG_CACHE_HOME": str(folder / "cache"), "BEGUN": repr(time.time())}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        raise SystemExit(f"{way} {' '.join(command)} failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    return done.stdout


def main() -> int:
    """Write the files, measure each way, print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the size")
    parser.add_argument("--kind", action="append", choices=KINDS, help="one of them; repeatable")
    parser.add_argument("--repeats", type=int, default=2, help="of which the median is reported")
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    scale, rows, goals = 50 if arguments.quick else 1, [], []
    for kind in arguments.kind or KINDS:
        write, title = KINDS[kind]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            path = folder / f"data{write(folder / 'data', scale)}"
            took: dict[str, list[dict[str, Any]]] = {}
            for _ in range(arguments.repeats):
                for way in WAYS:
                    shutil.rmtree(folder / "outputs", ignore_errors=True)  # with the decoded images
                    took.setdefault(way, []).append(measured(way, kind, path, folder))
                    if kind == "images" and way == "fit":
                        took.setdefault("again", []).append(measured(way, kind, path, folder))
                        took["again"][-1] |= from_start(way, kind, path, folder)
                    shutil.rmtree(folder / "outputs", ignore_errors=True)
                    if way != "plain":
                        took[way][-1] |= from_start(way, kind, path, folder)
        median = {
            way: {key: np.median([run[key] for run in runs], axis=0).tolist() for key in runs[0]}
            for way, runs in took.items()
        }
        print(title)
        for way, one in median.items():
            rows.append([title if way == "plain" else "", way, one["whole first"], one["whole ended"], one["first"], one["ended"], *map(round, one["rates"]), round(one["memory"])])  # fmt: skip
            print(f"  {way:<8}from the start {one['whole first']:6.1f} s to the first batch, {one['whole ended']:6.1f} s to the end of epoch 1; "
                  f"without imports {one['first']:6.1f} s, {one['ended']:6.1f} s   "
                  f"epochs 1 and 3: {one['rates'][0]:12,.0f} {one['rates'][1]:12,.0f} examples/s   "
                  f"{one['memory']:8,.0f} MB over imports", flush=True)  # fmt: skip
        ours, plain = [median[way] for way in median if way != "plain"], median["plain"]
        for key, text, limit in GOALS:
            share = max(one[key] for one in ours) / plain[key]
            goals.append(results_file.goal(f"{title}: {text}, of that of plain", round(share, 2), limit, at_least=False))  # fmt: skip
        for at, epoch in enumerate((1, 3)):
            share = min(one["rates"][at] for one in ours) / plain["rates"][at]
            goals.append(results_file.goal(f"{title}: examples/s in epoch {epoch}, of those of plain", round(share, 2), 1, at_least=True))  # fmt: skip
    columns = [
        "input",
        "way",
        "from the start: first batch (s)",
        "end of epoch 1 (s)",
        "without imports: first batch (s)",
        "end of epoch 1 (s)",
        "examples/s, epoch 1",
        "epoch 3",
        "memory (MB)",
    ]
    results_file.write(
        arguments.json, "python benchmarks/input_speed.py", [results_file.table(columns, rows)], goals
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
