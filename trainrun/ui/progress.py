"""Progress of training: a bar, and a line for each epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from trainrun.ui import console
from trainrun.util.declarations import declare
from trainrun.util.durations import text as duration
from trainrun.util.rate_columns import is_rate

REFRESH = 0.1  # seconds between two drawings of the bar
PATIENCE = 10.0  # seconds between two lines within an epoch where no bar can be drawn
SETTLED = 3.0  # seconds of training before the remaining time is estimated
WORTH = 20.0  # minimum of seconds left for a line that says so
# Abbreviations in headings of more than twelve letters.
_BRIEF = {
    "learning_rate": "lr",
    "root_mean_squared_error": "rmse",
    "mean_squared_logarithmic_error": "msle",
    "mean_absolute_percentage_error": "mape",
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "categorical_crossentropy": "cce",
    "binary_crossentropy": "bce",
    "categorical": "cat",
}


@declare(reads_weights=False)
class Progress(keras.callbacks.Callback):
    """Show the progress of training. The runner adds it as the last callback, so that it sees the logs of all others.

    On a terminal, a bar is redrawn at most ten times a second and each epoch leaves one line. Elsewhere there
    is one line an epoch, in long epochs one about every ten seconds, and once an estimate of the remaining time.

    Args:
        epochs: number of the last epoch.
        steps_per_epoch: batches an epoch, or None if unknown.
        batch_size: examples a batch.
        examples: training examples an epoch; None: steps times batch size.
        clock: for tests; monotonic seconds.
    """

    transient = True  # its state is not part of a checkpoint
    coarse = True  # may be called once after several steps

    def __init__(
        self,
        epochs: int,
        steps_per_epoch: int | None,
        batch_size: int,
        examples: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__()
        self.epochs = epochs
        self.steps = steps_per_epoch
        self.batch_size = batch_size
        self.examples = examples
        self.clock = clock
        self._headings: list[str] = []
        self._epoch = 0
        self._step = 0
        self._printed = 0.0
        self._drawn = -math.inf
        self._began = 0.0
        self._epoch_began = 0.0
        self._first_epoch: int | None = None
        self._trained: float | None = None  # seconds of this epoch before its validation
        self._logs: Mapping[str, Any] = {}
        self._warm: tuple[float, int] | None = None  # when the first call returned, and its number of steps
        self._estimated = False

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._began = self.clock()
        self._first_epoch = self._warm = None
        self._headings = []
        self._estimated = False

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._first_epoch is None:
            self._first_epoch = epoch
        self._epoch, self._step, self._logs, self._trained = epoch, 0, {}, None
        self._epoch_began = self._printed = self.clock()
        if epoch == self._first_epoch:
            self._draw("the first step is being compiled")
        elif self._epoch_began - self._drawn >= REFRESH:
            self._draw()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._step = batch + 1
        now = self.clock()
        if self._warm is None:
            self._warm = now, self._step
        over = self.steps is not None and self._step >= self.steps  # validation or the epoch's line follows
        if now - self._drawn < REFRESH or over:
            return
        self._logs = logs or {}
        if console.is_terminal():
            self._draw()
        elif now - self._printed >= PATIENCE:
            self._printed = now
            self._estimated = True  # this line has the estimate
            console.say("  " + self._within())
        self._drawn = now

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if self._first_epoch is not None:
            self._trained = self.clock() - self._epoch_began
            if self._trained >= REFRESH:
                self._draw("validation")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        seconds = max(self.clock() - self._epoch_began, 1e-9)
        training = max(self._trained or seconds, 1e-9)
        logs = dict(logs or {})
        shown = {
            "epoch": f"{epoch + 1}/{self.epochs}",
            **{short(k): show(k, v) for k, v in _ordered(logs).items()},
            "ex/s": rate(self._seen() / training),
            "time": duration(seconds),
        }
        if list(shown) != self._headings:
            # Print the headings again when the columns change, as with validation_freq=2.
            self._headings = list(shown)
            self._line({k: k for k in shown}, "bold")
        self._line(shown)
        self._estimate()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        console.live(None)

    def close(self) -> None:
        """Remove the bar, after an exception or an interruption."""
        console.live(None)

    def _seen(self) -> int:
        """Return the examples seen in this epoch so far."""
        whole = self.steps is not None and self._step >= self.steps
        return self.examples if whole and self.examples else self._step * self.batch_size

    def _within(self) -> str:
        spent = max(self.clock() - self._epoch_began, 1e-9)
        parts = [f"epoch {self._epoch + 1}/{self.epochs}"]
        parts += [f"step {self._step}/{self.steps}" if self.steps else f"step {self._step}"]
        parts += [f"{short(k)} {show(k, v)}" for k, v in _ordered(self._logs).items()]
        parts += [f"{rate(self._seen() / spent)} ex/s"]
        left = self._left()
        return "  ".join([*parts, f"{duration(left)} left"] if left is not None else parts)

    def _estimate(self) -> None:
        """Print the estimate of the remaining time once, where no bar shows it."""
        if self._estimated or console.is_terminal() or self._warm is None:
            return
        if self.clock() - self._warm[0] < SETTLED:
            return
        self._estimated, left = True, self._left()
        if left is not None and left >= WORTH:
            console.note(f"  about {duration(left)} left in all")

    def _left(self) -> float | None:
        """Return the seconds until the last epoch ends, at the pace since the first call, which compiles."""
        if not self.steps or self._first_epoch is None:
            return None
        done = (self._epoch - self._first_epoch) * self.steps + self._step
        todo = (self.epochs - self._epoch) * self.steps - self._step
        since, before = self._warm if self._warm and done > self._warm[1] else (self._began, 0)
        return (self.clock() - since) / (done - before) * todo if done else None

    def _draw(self, instead: str = "") -> None:
        if not console.is_terminal():
            return
        self._drawn = self.clock()
        bar = ProgressBar(
            self.steps or 1, self._step if self.steps else 0, 20 if console.width() >= 80 else 8,
            style="bright_black", complete_style="green", finished_style="green",
        )  # fmt: skip
        parts = [(f"{self._step}/{self.steps}" if self.steps else str(self._step), "")]
        if instead:
            parts.append((f"  {instead}", "dim"))
        else:
            left, spent = self._left(), max(self._drawn - self._epoch_began, 1e-9)
            # Time left comes before the metrics: on a narrow terminal the line is cut at its end.
            parts += [(f"  {duration(left)} left", "cyan")] if left is not None else []
            parts += [
                piece
                for k, v in _ordered(self._logs).items()
                for piece in ((f"  {short(k)} ", "dim"), (show(k, v), ""))
            ]
            parts += [(f"  {rate(self._seen() / spent)} ex/s", "dim")] if self._step else []
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(
            Text(f"{self._epoch + 1}/{self.epochs}", style="bold"), bar, Text.assemble(*parts, no_wrap=True, overflow="ellipsis")
        )  # fmt: skip
        console.live(grid)

    def _line(self, cells: Mapping[str, str], style: str = "") -> None:
        """Print an epoch's line; on a narrow terminal the least important columns are left out."""
        sizes = {k: max(len(k), 2 * len(str(self.epochs)) + 1 if k == "epoch" else 9) for k in cells}
        sizes |= {k: 7 for k in ("ex/s", "time") if k in sizes}
        kept = list(cells)
        if console.is_terminal():
            losses = ("epoch", "loss", "val_loss")
            validated = [k for k in cells if k.startswith("val_") and k not in losses]
            others = [k for k in cells if k not in losses and k not in validated and k not in ("lr", "time")]
            # Left out in this order.
            for name in [
                "ex/s",
                *reversed([k for k in others if k != "ex/s"]),
                "time",
                "lr",
                *reversed(validated),
            ]:
                if sum(sizes[k] + 2 for k in kept) - 2 <= console.width():
                    break
                if name in kept:
                    kept.remove(name)
        whole = "  ".join(v.rjust(sizes[k]) for k, v in cells.items())
        console.pieces([("  ".join(cells[k].rjust(sizes[k]) for k in kept), style)], logged=whole)


def short(name: str) -> str:
    """Return a metric's heading; long Keras names are abbreviated."""
    for long, brief in _BRIEF.items():
        name = name.replace(long, brief) if len(name) > 12 else name
    return name


def show(name: str, value: Any) -> str:
    """Return a metric's value as text; a learning rate with three significant digits."""
    return f"{float(value):.3g}" if is_rate(name) else number(value)


def _ordered(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the logs in display order: loss, val_loss, each metric with its validation value, the learning rate last."""
    names = [k for k in logs if not k.startswith("val_") and not is_rate(k)]
    names.sort(key=lambda k: k != "loss")
    order = [k for n in names for k in (n, f"val_{n}") if k in logs]
    order += [k for k in logs if k not in order and not is_rate(k)]
    return {k: logs[k] for k in [*order, *filter(is_rate, logs)]}


def number(value: Any) -> str:
    """Return a number as text of at most nine characters."""
    value = float(value)
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if value.is_integer() and abs(value) < 1e6 and abs(value) >= 10:
        return f"{value:.0f}"
    if 1e-3 <= abs(value) < 1e4:
        return f"{value:.4f}"
    return f"{value:.3g}" if abs(value) < 1e-3 else f"{value:.3e}"


def rate(per_second: float) -> str:
    """Return examples a second as text: 950, 12.3k, 1.2M."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if per_second >= size:
            return f"{per_second / size:.1f}{unit}"
    return f"{per_second:.0f}" if per_second >= 10 else f"{per_second:.1f}"
