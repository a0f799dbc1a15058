"""The progress of a run: right numbers, a line an epoch, and little of it."""

from __future__ import annotations

import io
import re
import sys

import keras
import numpy as np
import pytest

from trainrun.ui import console
from trainrun.ui.progress import PATIENCE, Progress, duration, number, rate, short


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def epoch(progress, clock, index, steps, seconds, logs, validation=None):
    progress.on_epoch_begin(index)
    for step in range(steps):
        clock.now += seconds / steps
        progress.on_train_batch_end(step, {"loss": 9.5 - step})
    if validation is not None:
        progress.on_test_begin()
        clock.now += validation
    progress.on_epoch_end(index, logs)


def test_one_aligned_line_an_epoch_with_its_numbers(capsys):
    clock = Clock()
    progress = Progress(epochs=12, steps_per_epoch=10, batch_size=32, examples=310, clock=clock)
    progress.on_train_begin()
    logs = {"accuracy": 0.5, "loss": 1.25, "val_accuracy": 0.625, "val_loss": 1.5, "learning_rate": 1e-3}
    epoch(progress, clock, 0, 10, 2.0, logs, validation=1.0)
    epoch(
        progress, clock, 11, 10, 0.5, {**logs, "loss": 0.00012345, "learning_rate": 1 / 3000}, validation=0.0
    )
    progress.on_train_end()
    head, first, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["epoch", "loss", "val_loss", "accuracy", "val_accuracy", "lr", "ex/s", "time"]
    # 310 examples in 2 seconds of training; 3 seconds with validation.
    assert first.split() == ["1/12", "1.2500", "1.5000", "0.5000", "0.6250", "0.001", "155", "3.0s"]
    assert last.split() == ["12/12", "0.000123", "1.5000", "0.5000", "0.6250", "0.000333", "620", "0.5s"]
    assert len(head) == len(first) == len(last)


def test_headings_are_repeated_when_the_metrics_change(capsys):
    clock = Clock()
    progress = Progress(3, 2, 4, clock=clock)
    progress.on_train_begin()
    for i, logs in enumerate([{"loss": 1.0}, {"loss": 1.0, "val_loss": 2.0}, {"loss": 1.0, "val_loss": 2.0}]):
        epoch(progress, clock, i, 2, 1.0, logs)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["epoch", "1/3", "epoch", "2/3", "3/3"]


def test_long_epoch_prints_a_line_every_ten_seconds(capsys):
    clock = Clock()
    progress = Progress(2, 100, 8, clock=clock)
    progress.on_train_begin()
    epoch(progress, clock, 0, 100, 3.5 * PATIENCE, {"loss": 1.0})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 + 2
    assert lines[0].split() == [
        "epoch",
        "1/2",
        "step",
        "29/100",
        "loss",
        "-18.5000",
        "23",
        "ex/s",
        "1m00s",
        "left",
    ]


def test_time_estimate_is_printed_once_and_excludes_compilation(capsys):
    clock = Clock()
    progress = Progress(50, 10, 8, clock=clock)
    progress.on_train_begin()
    clock.now += 60.0  # compiles
    for index in range(4):
        epoch(progress, clock, index, 10, 2.0, {"loss": 1.0})
    lines = [line for line in capsys.readouterr().out.splitlines() if "left" in line]
    # 3.8 s after the first step, 1.8 + 2 of them in 19 steps: 48 epochs of 2 s are to come.
    assert lines == ["  about 1m36s left in all"]
    short_run = Progress(5, 10, 8, clock=clock)
    short_run.on_train_begin()
    for index in range(4):
        epoch(short_run, clock, index, 10, 2.0, {"loss": 1.0})
    assert "left" not in capsys.readouterr().out


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes standard output a terminal."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def become(width):
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(console, "width", lambda: width)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("NO_COLOR", "1")
        return stream

    return become


def test_draws_at_most_ten_times_a_second(terminal):
    stream = terminal(100)
    clock = Clock()
    progress = Progress(1, 1000, 8, clock=clock)
    progress.on_train_begin()
    epoch(progress, clock, 0, 1000, 2.0, {"loss": 1.0})
    progress.on_train_end()
    assert 15 <= stream.getvalue().count("\r") <= 30


@pytest.mark.parametrize("width", [60, 40, 25])
def test_a_narrow_terminal_keeps_the_loss_and_the_log_everything(terminal, tmp_path, width):
    stream = terminal(width)
    clock = Clock()
    progress = Progress(2, 10, 8, clock=clock)
    console.attach(tmp_path / "run.log")
    try:
        progress.on_train_begin()
        logs = {f"metric_{i}": 0.5 for i in range(6)} | {"loss": 0.75, "learning_rate": 0.1}
        epoch(progress, clock, 0, 10, 1.0, logs)
        progress.on_train_end()
    finally:
        console.detach()
    shown = re.sub(r"\x1b\[[0-9;?]*[mKhl]", "", stream.getvalue())
    kept = [line.rpartition("\r")[2] for line in shown.splitlines()]
    assert max(map(len, kept)) <= width
    assert any("0.7500" in line for line in kept)
    assert (tmp_path / "run.log").read_text().count("0.5000") == 6


def test_shows_what_keras_measures(capsys):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    x = np.ones((30, 2), "float32")
    history = model.fit(
        x,
        x[:, :1],
        batch_size=8,
        epochs=2,
        verbose=0,
        validation_data=(x, x[:, :1]),
        callbacks=[Progress(2, 4, 8, 30)],
    ).history
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:5] == ["epoch", "loss", "val_loss", "mae", "val_mae"]
    for i in range(2):
        names = ("loss", "val_loss", "mae", "val_mae")
        assert lines[i + 1][1:5] == [number(history[name][i]) for name in names]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5000"),
        (0, "0"),
        (1e-5, "1e-05"),
        (123456.0, "123456"),
        (12345.678, "1.235e+04"),
        (float("nan"), "nan"),
    ],
)
def test_number(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.04, "0.0s"), (59.9, "60s"), (61, "1m01s"), (3725, "1h02m")])
def test_duration(value, text):
    assert duration(value) in (text, "1m00s")


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("learning_rate", "lr"),
        ("val_root_mean_squared_error", "val_rmse"),
        ("mean_squared_error", "mse"),
        ("sparse_categorical_accuracy", "sparse_cat_accuracy"),
        ("val_accuracy", "val_accuracy"),
        ("my_own_metric_of_long_name", "my_own_metric_of_long_name"),
    ],
)
def test_headings_are_short(name, heading):
    assert short(name) == heading


@pytest.mark.parametrize(("value", "text"), [(3.21, "3.2"), (950, "950"), (12345, "12.3k"), (2.5e6, "2.5M")])
def test_rate(value, text):
    assert rate(value) == text
