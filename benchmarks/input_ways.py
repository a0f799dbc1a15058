"""The process that `input_speed.py` measures: one kind of data, read and trained on in one way.

The plain ways are what a good user of pandas, tf.data and Keras writes: the same model, shares, batch size, scaling and epochs, the
validation set evaluated after each epoch, pixels and token ids kept in memory.

    python benchmarks/input_ways.py plain|fit|custom csv|npz|parquet|images|texts PATH
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf

BATCH = {"csv": 1024, "npz": 1024, "parquet": 1024, "images": 128, "texts": 128}
EPOCHS, TRAIN, VALIDATION = 3, 0.6, 0.2
SIZE, TOKENS, LENGTH, WIDTH, HIDDEN = 64, 20_000, 12, 50, 16
TRAINRUN = {
    "csv": ["data=csv", "data.target=y", "data.task=regression", "model=linear"],
    "npz": ["data=npz", "data.task=regression", "model=linear"],
    "parquet": ["data=parquet", "data.target=y", "data.task=regression", "model=linear"],
    "images": ["data=image_folder", f"data.size={SIZE}", "model=linear"],
    "texts": ["data=text", "data.text=text", "data.target=y", f"data.max_tokens={TOKENS}",
              f"data.sequence_length={LENGTH}", "model=mlp", f"model.units=[{HIDDEN}]", f"model.embedding={WIDTH}"],
}  # fmt: skip


class Watch(keras.callbacks.Callback):
    """Seconds to the end of the first batch and of the first epoch, and of each epoch. `BEGUN` is when the process was started."""

    coarse = True  # for trainrun's loops: it needs no batch of its own but the first

    def __init__(self) -> None:
        super().__init__()
        self.begin, self.first, self.ended, self.epochs = time.perf_counter(), None, None, []
        self.before = time.time() - float(os.environ["BEGUN"])  # since the start of the process

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.first = self.first or time.perf_counter() - self.begin

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epochs.append(time.perf_counter() - self._start)
        self.ended = self.ended or time.perf_counter() - self.begin


class Memory(threading.Thread):
    """The largest anonymous memory of the process (MB), read a hundred times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0

    def now(self) -> float:
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

    def run(self) -> None:
        while True:
            self.peak = max(self.peak, self.now())
            time.sleep(0.01)


def _linear(shape: tuple[int, ...], outputs: int = 1, head: str | None = None) -> list[Any]:
    return [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(outputs, head)]


def _train(
    layers: list[Any], loss: str, train: Any, validation: Any, n: int, batch: int, watch: Watch
) -> int:
    """Fit a model on arrays `(x, y)` or on datasets; return the number of training examples."""
    model = keras.Sequential(layers)
    model.compile("adam", loss)
    if isinstance(train, tf.data.Dataset):
        model.fit(train, validation_data=validation, epochs=EPOCHS, verbose=0, callbacks=[watch])
    else:
        model.fit(*train, batch_size=batch, validation_data=validation, validation_batch_size=batch, epochs=EPOCHS, verbose=0, callbacks=[watch])  # fmt: skip
    return n


def plain_table(kind: str, path: str, watch: Watch) -> int:
    """A table of numbers, or arrays: all in memory, scaled by the training rows."""
    import pandas as pd  # before the clock began, see `_imported`

    if kind == "npz":
        held = np.load(path)
        x, y = held["x"], held["y"]
    else:
        table = pd.read_csv(path) if kind == "csv" else pd.read_parquet(path)
        y, x = table.pop("y").to_numpy("float32"), table.to_numpy("float32")
        del table
    n, end = int(len(x) * TRAIN), int(len(x) * (TRAIN + VALIDATION))
    mean, std = x[:n].mean(0), x[:n].std(0)
    x -= mean
    x /= std
    y = (y - y[:n].mean()) / y[:n].std()
    return _train(_linear(x.shape[1:]), "mse", (x[:n], y[:n]), (x[n:end], y[n:end]), n, BATCH[kind], watch)


def plain_images(kind: str, path: str, watch: Watch) -> int:
    """A folder for each class, by Keras' utility, decoded pixels cached in memory."""
    train, validation = keras.utils.image_dataset_from_directory(
        path, image_size=(SIZE, SIZE), batch_size=BATCH[kind], validation_split=1 - TRAIN, subset="both", seed=1, verbose=False
    )  # fmt: skip
    classes, n = len(train.class_names), len(train.file_paths)
    validation = validation.take(len(validation) // 2)  # the other half is the test set
    layers = _linear((SIZE, SIZE, 3), classes, "softmax")
    layers.insert(1, keras.layers.Rescaling(1 / 255))
    train, validation = (d.cache().prefetch(tf.data.AUTOTUNE) for d in (train, validation))
    return _train(layers, "sparse_categorical_crossentropy", train, validation, n, BATCH[kind], watch)


def plain_texts(kind: str, path: str, watch: Watch) -> int:
    """A table of texts, their tokens computed once."""
    import pandas as pd

    table = pd.read_csv(path)
    texts, y = table["text"].to_numpy("str"), (table["y"] == "good").to_numpy("float32")
    n, end = int(len(y) * TRAIN), int(len(y) * (TRAIN + VALIDATION))
    vectorize = keras.layers.TextVectorization(TOKENS, output_sequence_length=LENGTH)
    vectorize.adapt(texts[:n], batch_size=1024)
    ids = np.concatenate([vectorize(texts[at : at + 8192]).numpy() for at in range(0, end, 8192)])
    layers = [
        keras.Input((LENGTH,), dtype="int32"),
        keras.layers.Embedding(TOKENS, WIDTH),
        keras.layers.GlobalAveragePooling1D(),
        keras.layers.Dense(HIDDEN, "relu"),
        keras.layers.Dense(1, "sigmoid"),
    ]
    return _train(
        layers, "binary_crossentropy", (ids[:n], y[:n]), (ids[n:end], y[n:end]), n, BATCH[kind], watch
    )


PLAIN: dict[str, Callable[[str, str, Watch], int]] = {"images": plain_images, "texts": plain_texts}


def words(way: str, kind: str, path: str) -> list[str]:
    """Return the words of trainrun's command."""
    return [*TRAINRUN[kind], f"data.path={path}", "tracking=none", "metric=none", f"trainer={way}",
        f"trainer.batch_size={BATCH[kind]}", f"trainer.epochs={EPOCHS}", f"data.validation={VALIDATION}"]  # fmt: skip


def trainrun(way: str, kind: str, path: str, watch: Watch) -> int:
    """The same by trainrun; return the number of training examples."""
    from trainrun.data import read_ahead
    from trainrun.hydra_bridge import preflight
    from trainrun.run import builders

    config, problems = preflight.overrides(words(way, kind, path))
    assert not problems, problems
    data = builders.dataset(config)
    job = builders.job(config, data, tf.distribute.get_strategy())
    with read_ahead.reading(data):
        builders.trainer(config).train(job, [watch])
    return len(job.train)


def _imported(way: str) -> None:
    """Import what a way needs, which is no part of what is measured; reading, composing and checking the config are."""
    if way == "plain":
        import pyarrow.parquet

        return
    import hydra.compose  # noqa: F401
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401

    from trainrun.data import csv, image_folder, npz, parquet, text  # noqa: F401
    from trainrun.hydra_bridge import preflight  # noqa: F401
    from trainrun.run import builders  # noqa: F401
    from trainrun.trainer import custom, fit  # noqa: F401

    gc.freeze()  # as `trainrun` does after its imports


def main() -> None:
    """Read and train in one way; print what it took as JSON."""
    way, kind, path = sys.argv[1:]
    _imported(way)
    memory = Memory()
    base, watch = memory.now(), Watch()
    memory.start()
    n = (
        PLAIN.get(kind, plain_table)(kind, path, watch)
        if way == "plain"
        else trainrun(way, kind, path, watch)
    )
    rates = [n / watch.epochs[i] for i in (0, EPOCHS - 1)]
    peak = max(memory.peak, memory.now()) - base
    print(
        json.dumps(
            {
                "whole first": watch.before + watch.first,
                "whole ended": watch.before + watch.ended,
                "first": watch.first,
                "ended": watch.ended,
                "rates": rates,
                "memory": peak,
            }
        )
    )


if __name__ == "__main__":
    main()
