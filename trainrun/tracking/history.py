"""A run's history from its journal: each epoch once, from the newest attempt that trained it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trainrun.util.rate_columns import is_rate

METRICS = ("epoch", "batch", "metrics")
NUMBERS = (
    *METRICS,
    "system",
)  # kinds of records that trackers get together; no later attempt replaces a system metric


def replay(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the run that the records describe, superseded ones left out.

    A resumed run repeats some epochs; those of the later attempt replace those of the earlier one.

    Returns:
        ``start`` (the first start record, or {}), ``attempts`` (all of them), ``end`` (the end record, or None
        while the last attempt has none), ``epochs`` (epoch -> ``{step, time, metrics}``, ascending),
        ``history`` (name -> one value an epoch, for the epochs that have it), ``metrics`` (the last epoch's, then
        those of the finished run), ``step`` (updates done).
    """
    attempts: list[Mapping[str, Any]] = []
    end: Mapping[str, Any] | None = None
    kept: list[Mapping[str, Any]] = []
    for record in records:
        kind = record["kind"]
        if kind == "start":
            kept = [r for r in kept if not superseded(r, record.get("resumed_from"))] if attempts else kept
            attempts.append(record)
            end = None
        elif kind == "end":
            end = record
        elif kind in METRICS and isinstance(record.get("metrics"), Mapping):
            kept.append(record)
    epochs = {
        r["epoch"]: {k: r.get(k) for k in ("step", "time", "metrics")}
        for r in kept
        if r["kind"] == "epoch" and isinstance(r.get("epoch"), int)
    }
    epochs = dict(sorted(epochs.items()))
    history: dict[str, list[float]] = {}
    for entry in epochs.values():
        for name, value in entry["metrics"].items():
            history.setdefault(name, []).append(value)
    metrics: dict[str, float] = {}
    for entry in epochs.values():
        metrics |= entry["metrics"]
    for record in kept:
        if record["kind"] == "metrics":
            metrics |= record["metrics"]
    return {
        "start": attempts[0] if attempts else {},
        "attempts": attempts,
        "end": end,
        "epochs": epochs,
        "history": history,
        "metrics": metrics,
        "step": max((r["step"] for r in kept if isinstance(r.get("step"), int)), default=0),
    }


def metric_names(history: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the metrics of a history without the prefix of validation, the loss first and the learning rate last."""
    names = dict.fromkeys(name.removeprefix("val_") for name, values in history.items() if len(values))
    names.pop("step", None)
    return sorted(names, key=lambda n: (n != "loss", is_rate(n)))


def superseded(record: Mapping[str, Any], resumed_from: Any) -> bool:
    """Return whether a later attempt repeats a record's work: it lies behind the point from which the attempt resumed.

    Args:
        record: of an earlier attempt; only those of `METRICS` can be superseded.
        resumed_from: of the later attempt's start record: ``{"epoch": epochs done, "updates": steps in all, …}``.
    """
    if record["kind"] not in METRICS or not isinstance(resumed_from, Mapping):
        return False
    if record["kind"] == "metrics":  # of the trained model: it is evaluated again at the end of every attempt
        return True
    point, here = (resumed_from.get("epoch"), record.get("epoch"))
    if record["kind"] == "batch" and isinstance(resumed_from.get("updates"), int):
        point, here = resumed_from["updates"], record.get("step")
    return isinstance(point, int) and isinstance(here, int) and here > point


class Once:
    """Filter that passes each value of a metric once, in journal order: values of earlier attempts stay.

    A tracking server keeps all values that it receives, a second one for the same step included.
    """

    def __init__(self) -> None:
        self.attempt = 0  # 1 for the first resumed one
        self.differing: list[str] = []  # values of this attempt that differ from the recorded ones
        self._before: dict[tuple[str, str, int], float] = {}

    def begin(self, start: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> None:
        """Take a start record.

        Args:
            start: the record.
            earlier: the journal's records before it; empty for the first.
        """
        if not any(r["kind"] == "start" for r in earlier):
            return
        self.attempt = sum(r["kind"] == "start" for r in earlier)
        self.differing, self._before = [], {}
        for record in earlier:
            if superseded(record, start.get("resumed_from")):
                for name, value in (record.get("metrics") or {}).items():
                    self._before.setdefault(_place(record, name), value)

    def only_new(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a metric record without the values that were recorded before."""
        metrics = record.get("metrics") or {}
        if not self._before:
            return {**record, "metrics": metrics}
        fresh = {}
        for name, value in metrics.items():
            place = _place(record, name)
            if place not in self._before:
                fresh[name] = value
            elif (old := self._before[place]) != value and not (old != old and value != value):
                self.differing.append(f"{name} at {place[2]}: {old!r}, again {value!r}")
        # The step counter of the epoch goes with its metrics.
        return {**record, "metrics": fresh, **({} if fresh else {"step": None})}

    def tags(self) -> dict[str, str]:
        """Return the run's tag that lists the first values of this attempt that differ."""
        first = "; ".join(self.differing[:10])
        text = f"{len(self.differing)} values are not what they were before the resume: {first}"
        return {f"trainrun.resume.{self.attempt}.differs": text}


def number(value: Any) -> float | None:
    """Return a metric as a float, an integer too large for one as infinity; None if it is no number."""
    if not isinstance(value, bool | int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _place(record: Mapping[str, Any], name: str) -> tuple[str, str, int]:
    kind = record["kind"]
    return kind, name, int(record.get("step" if kind == "batch" else "epoch") or 0)
