"""Differences between two runs of one config: in their results, and the first checkpoint at which their states differ."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainrun.checkpoint import file
from trainrun.tracking import history, journal, summary
from trainrun.tracking.status import JOURNAL


@dataclass(frozen=True)
class Difference:
    """One difference between two runs.

    Args:
        what: the value that differs: ``weights_sha256``, ``val_loss of epoch 3``.
        expected: value of the run without kills.
        got: value of the run with kills.
    """

    what: str
    expected: Any
    got: Any

    def __str__(self) -> str:
        return f"{self.what}: {_brief(self.expected)}, after the kills {_brief(self.got)}"


@dataclass(frozen=True)
class Place:
    """The first checkpoint at which the states of two runs differ.

    Args:
        epoch, step: epochs done, and steps of the next one.
        updates: steps over all epochs.
        names: what differs: variables by their path, attributes of callbacks, generators.
        sizes: the size of each difference, in words.
        equal: steps over all epochs at the last checkpoint before with equal states; None: there is none.
    """

    epoch: int
    step: int
    updates: int
    names: Sequence[str]
    sizes: Sequence[str]
    equal: int | None


def compare(whole: Path, killed: Path) -> list[Difference]:
    """Return the differences, to the bit, between the records of two runs: history, final and best metrics, weights.

    Args:
        whole: directory of the run without kills.
        killed: directory of the run with kills.
    """
    histories = [history.replay(journal.read(r / JOURNAL).records)["epochs"] for r in (whole, killed)]
    differences = []
    for epoch in sorted({*histories[0], *histories[1]}):
        one, other = (epochs.get(epoch, {}).get("metrics", {}) for epochs in histories)
        differences += [
            Difference(f"{name} of epoch {epoch}", one.get(name), other.get(name))
            for name in {**one, **other}
            if not _same(one.get(name), other.get(name))
        ]
    one, other = summary.read(whole), summary.read(killed)
    for key in ("metrics", "best"):
        differences += [
            Difference(f"{key}: {name}", one[key].get(name), other[key].get(name))
            for name in {**one[key], **other[key]}
            if not _same(one[key].get(name), other[key].get(name))
        ]
    differences += [
        Difference(key, one[key], other[key])
        for key in ("status", "epochs", "steps", "weights_sha256")
        if one[key] != other[key]
    ]
    return differences


def first_difference(whole: Path, killed: Path) -> Place | None:
    """Return the first checkpoint at which two runs differ; None: their common checkpoints are equal."""
    paths = _checkpoints(whole), _checkpoints(killed)
    equal = None
    for place in sorted(paths[0].keys() & paths[1].keys()):
        one, other = (file.read(of_run[place]) for of_run in paths)
        differing = _differing(one, other)
        updates = int(one.about["updates"])
        if differing:
            return Place(*place, updates, [*differing], [*differing.values()], equal)
        equal = updates
    return None


def resumed_at(run_dir: Path) -> list[int]:
    """Return the steps, counted over all epochs, at which a run was resumed."""
    starts = history.replay(journal.read(run_dir / JOURNAL).records)["attempts"]
    return [int((s.get("resumed_from") or {}).get("updates") or 0) for s in starts[1:]]


def _checkpoints(run_dir: Path) -> dict[tuple[int, int], Path]:
    """Return a run's checkpoints by epoch and step."""
    checkpoints: dict[tuple[int, int], Path] = {}
    for path in file.files(run_dir):
        with contextlib.suppress(file.Damaged):
            content = file.read(path)
            checkpoints.setdefault((content.epoch, content.step), path)
    return checkpoints


def _differing(one: file.Stored, other: file.Stored) -> dict[str, str]:
    """Return the names that differ and the sizes of the differences; the likeliest causes (weights, optimizer) come first."""
    differing: dict[str, str] = {}
    names = {**one.about["names"], **other.about["names"]}
    order = ("weights", "optimizer", "generators", "metrics")
    keys = [
        k for k in sorted({*one.arrays, *other.arrays}, key=lambda k: (_rank(k, order), k)) if k.split("/")[0] in order
    ]  # fmt: skip
    for key in keys:
        # Metrics are reset between two epochs.
        if key.startswith("metrics/") and not one.step:
            continue
        a, b = one.arrays.get(key), other.arrays.get(key)
        if a is None or b is None or not _equal(a, b):
            differing[f"{key.split('/')[0]}: {names.get(key.partition('#')[0], key)}"] = _size(a, b)
    for i, (a, b) in enumerate(zip(one.about["callbacks"], other.about["callbacks"], strict=False)):
        for name, (x, y) in _of_pairs(a["state"], b["state"]).items():
            if not _same_value(x, one.arrays, y, other.arrays):
                differing[f"callback {i + 1}, {a['class']}: {name}"] = f"{_brief(x)}, and {_brief(y)}"
    # Not a difference by itself: tracing draws from some generators, and a resumed run traces again.
    if differing:
        for name, (x, y) in _of_pairs(one.about["random"], other.about["random"]).items():
            if name in ("python", "numpy", "generator") and not _same_value(x, one.arrays, y, other.arrays):
                differing[f"random generator: {name}"] = "another state"
    return differing


def _rank(key: str, order: Sequence[str]) -> int:
    kind = key.split("/")[0]
    return order.index(kind) if kind in order else len(order)


def _of_pairs(a: Any, b: Any) -> dict[str, tuple[Any, Any]]:
    """Return name -> both values, of two packed mappings."""

    def named(x: Any) -> dict[str, Any]:
        pairs = isinstance(x, Mapping) and "$pairs" in x
        return {str(k): v for k, v in x["$pairs"]} if pairs else {"state": x}

    one, other = named(a), named(b)
    return {name: (one.get(name), other.get(name)) for name in {**one, **other}}


def _same_value(x: Any, xs: Mapping[str, np.ndarray], y: Any, ys: Mapping[str, np.ndarray]) -> bool:
    """Return whether two packed values are equal, arrays by their content."""
    if isinstance(x, Mapping) and isinstance(y, Mapping) and x.keys() == y.keys():
        if "$array" in x:
            return _equal(xs[x["$array"]], ys[y["$array"]])
        return all(_same_value(x[k], xs, y[k], ys) for k in x)
    if isinstance(x, list) and isinstance(y, list):
        return len(x) == len(y) and all(_same_value(a, xs, b, ys) for a, b in zip(x, y, strict=True))
    return _same(x, y)


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _size(a: np.ndarray | None, b: np.ndarray | None) -> str:
    if a is None or b is None:
        return "only one of the runs has it"
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.dtype}{list(a.shape)}, and {b.dtype}{list(b.shape)}"
    with np.errstate(all="ignore"):
        distance = np.abs(a.astype("float64") - b.astype("float64"))
    count = f"{np.count_nonzero(a != b):,} of {a.size:,} values" if a.size > 1 else "its value"
    return f"{count}, by {np.nanmax(distance, initial=0.0):.3g} at most"


def _same(a: Any, b: Any) -> bool:
    # By their JSON: 0.0 and -0.0 differ, NaN equals NaN.
    return json.dumps(a) == json.dumps(b)


def _brief(value: Any) -> str:
    text = repr(value) if not isinstance(value, str) else value
    return text if len(text) <= 60 else f"{text[:24]}…"
