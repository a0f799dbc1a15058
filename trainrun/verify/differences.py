"""What two runs of one config differ in: results, and the first place of the training where their states do."""

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
    """One thing in which two runs are not the same.

    Args:
        what: a sentence's beginning: ``weights_sha256``, ``val_loss of epoch 3``.
        expected, found: of the run that was not killed, and of the one that was.
    """

    what: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.what}: {_brief(self.expected)}, after the kills {_brief(self.found)}"


@dataclass(frozen=True)
class Place:
    """Where the stored states of two runs differ first.

    Args:
        epoch, step: epochs done, and steps of the next one.
        updates: steps in all.
        names: what differs there: variables by their path, callbacks' attributes, generators.
        sizes: for each, how large the difference is, in words.
        equal: steps in all of the last place before it where all is equal; None: there is none.
    """

    epoch: int
    step: int
    updates: int
    names: Sequence[str]
    sizes: Sequence[str]
    equal: int | None


def compare(whole: Path, killed: Path) -> list[Difference]:
    """Return in what the records of two runs differ: history, final and best metrics, weights; to the bit."""
    ours, theirs = (history.replay(journal.read(r / JOURNAL).records)["epochs"] for r in (whole, killed))
    found = []
    for epoch in sorted({*ours, *theirs}):
        one, other = (told.get(epoch, {}).get("metrics", {}) for told in (ours, theirs))
        found += [
            Difference(f"{name} of epoch {epoch}", one.get(name), other.get(name))
            for name in {**one, **other}
            if not _same(one.get(name), other.get(name))
        ]
    one, other = summary.read(whole), summary.read(killed)
    for key in ("metrics", "best"):
        found += [
            Difference(f"{key}: {name}", one[key].get(name), other[key].get(name))
            for name in {**one[key], **other[key]}
            if not _same(one[key].get(name), other[key].get(name))
        ]
    found += [
        Difference(key, one[key], other[key])
        for key in ("status", "epochs", "steps", "weights_sha256")
        if one[key] != other[key]
    ]
    return found


def first_difference(whole: Path, killed: Path) -> Place | None:
    """Return where the states that two runs have stored differ first; None: nowhere that both have stored."""
    ours, theirs = _places(whole), _places(killed)
    equal = None
    for place in sorted(ours.keys() & theirs.keys()):
        one, other = file.read(ours[place]), file.read(theirs[place])
        found = _differing(one, other)
        updates = int(one.about["updates"])
        if found:
            return Place(*place, updates, [*found], [*found.values()], equal)
        equal = updates
    return None


def resumed_at(run_dir: Path) -> list[int]:
    """Return the steps, counted over all epochs, from which a run went on."""
    starts = history.replay(journal.read(run_dir / JOURNAL).records)["attempts"]
    return [int((s.get("resumed_from") or {}).get("updates") or 0) for s in starts[1:]]


def _places(run_dir: Path) -> dict[tuple[int, int], Path]:
    """Return a run's checkpoints by epoch and step."""
    differing: dict[tuple[int, int], Path] = {}
    for path in file.files(run_dir):
        with contextlib.suppress(file.Damaged):
            content = file.read(path)
            differing.setdefault((content.epoch, content.step), path)
    return differing


def _differing(one: file.Stored, other: file.Stored) -> dict[str, str]:
    """Return what differs, and how much, in the order of cause: what is kept apart from the model is last."""
    differing: dict[str, str] = {}
    names = {**one.about["names"], **other.about["names"]}
    order = ("weights", "optimizer", "generators", "metrics")
    keys = [
        k for k in sorted({*one.arrays, *other.arrays}, key=lambda k: (_rank(k, order), k)) if k.split("/")[0] in order
    ]  # fmt: skip
    for key in keys:
        # Between two epochs metrics begin anew, whatever is left in them.
        if key.startswith("metrics/") and not one.step:
            continue
        a, b = one.arrays.get(key), other.arrays.get(key)
        if a is None or b is None or not _equal(a, b):
            differing[f"{key.split('/')[0]}: {names.get(key.partition('#')[0], key)}"] = _size(a, b)
    for i, (a, b) in enumerate(zip(one.about["callbacks"], other.about["callbacks"], strict=False)):
        for name, (x, y) in _of_pairs(a["state"], b["state"]).items():
            if not _same_value(x, one.arrays, y, other.arrays):
                differing[f"callback {i + 1}, {a['class']}: {name}"] = f"{_brief(x)}, and {_brief(y)}"
    # No difference by itself: tracing draws from some of them, and a resumed run traces again.
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

    def told(x: Any) -> dict[str, Any]:
        pairs = isinstance(x, Mapping) and "$pairs" in x
        return {str(k): v for k, v in x["$pairs"]} if pairs else {"state": x}

    one, other = told(a), told(b)
    return {name: (one.get(name), other.get(name)) for name in {**one, **other}}


def _same_value(x: Any, xs: Mapping[str, np.ndarray], y: Any, ys: Mapping[str, np.ndarray]) -> bool:
    """Compare two packed values; arrays by what they hold."""
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
        return "one run has it, the other has not"
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.dtype}{list(a.shape)}, and {b.dtype}{list(b.shape)}"
    with np.errstate(all="ignore"):
        apart = np.abs(a.astype("float64") - b.astype("float64"))
    count = f"{np.count_nonzero(a != b):,} of {a.size:,} values" if a.size > 1 else "its value"
    return f"{count}, by {np.nanmax(apart, initial=0.0):.3g} at most"


def _same(a: Any, b: Any) -> bool:
    # By what is written: 0.0 and -0.0 are two, NaN is itself.
    return json.dumps(a) == json.dumps(b)


def _brief(value: Any) -> str:
    text = repr(value) if not isinstance(value, str) else value
    return text if len(text) <= 60 else f"{text[:24]}…"
