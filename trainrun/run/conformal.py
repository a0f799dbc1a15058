"""Intervals and prediction sets that hold the true value with a chosen probability: split conformal prediction.

Each example of the validation part has a score: of a number the distance from its prediction, of a class 1 minus the probability of the true
one. A new row's interval or set has every value whose score is at most the ⌈(n + 1) · level⌉-th smallest of the n scores. If the rows and those
examples are exchangeable, the true value is in it with at least that probability, on average over rows, whatever the model is.

References:
    Angelopoulos & Bates (2023), Conformal Prediction: A Gentle Introduction, Foundations and Trends in Machine Learning 16(4), section 1.
    Sadinle, Lei & Wasserman (2019), Least Ambiguous Set-Valued Classifiers with Bounded Error Levels, JASA 114 (of classes).
"""

from __future__ import annotations

import contextlib
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainrun.data import scoring
from trainrun.data.dataset import TargetSpec
from trainrun.errors import Problem, UserError
from trainrun.model.source_file import MODEL
from trainrun.util import paths

if TYPE_CHECKING:
    from trainrun.run.result import RunResult

FILE = "calibration.npz"
PARTS = ("validation", "test")
KEY = "intervals"
KINDS = ("real", "binary", "multiclass")


def refuse(target: TargetSpec, level: float) -> None:
    """Raise the UserError for a target that has neither intervals nor sets, and for a level that is no probability."""
    if not 0 < level < 1:
        raise UserError(Problem(KEY, f"expected a probability between 0 and 1, got {level:g}."))
    for name, one in (target.named or {"": target}).items():
        what = "a class a pixel" if one.shape else {"multilabel": "several labels a row"}.get(one.kind)
        if one.kind not in KINDS or one.shape:
            text = f"expected numbers, or one class a row; {name or 'the target'} has {what or 'no labels'}."
            raise UserError(Problem(KEY, text))


def scores(output: np.ndarray, y: np.ndarray, target: TargetSpec) -> np.ndarray:
    """Return the scores of examples, `[n, outputs]`; of classes `[n, 1]`.

    Args:
        output: probabilities, or numbers in the target's unit, `[n, outputs]`.
        y: class ids `[n]`, or numbers `[n, outputs]`.
        target: of one output.
    """
    if target.kind == "real":
        return np.abs(np.asarray(y, "float64") - output)
    return np.take_along_axis(_of_classes(output), np.asarray(y, int).reshape(-1, 1), axis=1)


def _of_classes(output: np.ndarray) -> np.ndarray:
    """Return the score that each class would have, `[n, classes]`."""
    output = output.astype("float64")
    return np.concatenate([output, 1 - output], axis=1) if output.shape[1] == 1 else 1 - output


def bounds(calibration: np.ndarray, level: float) -> np.ndarray:
    """Return the score of each output up to which a value is in the interval or set, `[outputs]`.

    Args:
        calibration: scores `[n, outputs]`.
        level: the probability.

    Raises:
        UserError: there are too few.
    """
    count = len(calibration)
    rank = math.ceil((count + 1) * level - 1e-9)  # 10 · 0.9 is 9
    if rank > count:
        fewest = math.ceil(level / (1 - level) - 1e-9)
        text = f"{level:g} needs at least {fewest:,} validation examples, got {count:,}. Take a lower level, or a larger data.validation."
        raise UserError(Problem(KEY, text))
    return np.sort(calibration, axis=0)[rank - 1]


@dataclass(frozen=True)
class Intervals:
    """What is added to predictions.

    Args:
        level: the probability.
        target: of the model.
        bounds: output's name (empty: the only one) -> as `bounds` returns it.
        examples: validation examples that they come from.
        tested: output's name -> the share of the test part's values that they hold, of each number where there are several.
        test_examples: of the test part.
    """

    level: float
    target: TargetSpec
    bounds: Mapping[str, np.ndarray]
    examples: int
    tested: Mapping[str, list[float]]
    test_examples: int

    def columns(self, output: Any) -> dict[str, np.ndarray]:
        """Return `low` and `high`, or the classes of `set` joined by semicolons, for a model's output; None where that is NaN."""
        if not self.target.named:
            return _columns(output, self.target, self.bounds[""])
        return {
            scoring.column_name(column, name): values
            for name, one in self.target.named.items()
            for column, values in _columns(output[name], one, self.bounds[name]).items()
        }

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {
            "level": self.level,
            "examples": self.examples,
            "test_examples": self.test_examples,
            "tested": self.tested.get("", dict(self.tested)),
        }

    def line(self) -> str:
        """Return it in words."""
        begin = f"intervals of {self.level:g} from {self.examples:,} validation examples"
        held = [
            f"{name} {', '.join(f'{share:.3f}' for share in shares)}".strip()
            for name, shares in self.tested.items()
        ]
        return (
            f"{begin}; of {self.test_examples:,} test examples they hold {', '.join(held)}" if held else begin
        )


def _columns(output: np.ndarray, target: TargetSpec, bound: np.ndarray) -> dict[str, np.ndarray]:
    if target.kind == "real":
        made = {}
        for i, values in enumerate(output.T):
            end = f"_{i}" if output.shape[1] > 1 else ""
            made |= {f"low{end}": values - bound[i], f"high{end}": values + bound[i]}
        return made
    held = _of_classes(output) <= bound
    patterns, index = np.unique(held, axis=0, return_inverse=True)
    texts = [";".join(np.array(target.classes, object)[pattern]) for pattern in patterns]
    sets = np.array(texts, object)[index.ravel()]
    sets[np.isnan(output).any(axis=1)] = None
    return {"set": sets}


def of(run: RunResult, level: float) -> Intervals:
    """Return the intervals of a run's model; the scores are kept beside it, so that further calls do without the data.

    Args:
        run: with a model.
        level: the probability.

    Raises:
        UserError: the target has neither intervals nor sets, or the run has no model, no validation part or a small one.
    """
    target = run.saved.fitted.target
    refuse(target, level)
    calibration = _stored(run.run_dir) or _measured(run)
    of_outputs = {
        name: [calibration.get(f"{part}:{name}") for part in PARTS] for name in target.named or ("",)
    }
    limits = {name: bounds(validation, level) for name, (validation, _) in of_outputs.items()}
    tested = {
        name: np.mean(test <= limits[name], axis=0).tolist()
        for name, (_, test) in of_outputs.items()
        if test is not None
    }
    counts = [next((len(s[i]) for s in of_outputs.values() if s[i] is not None), 0) for i in (0, 1)]
    return Intervals(level, target, limits, counts[0], tested, counts[1])


def _model_id(run_dir: Path) -> str:
    """Return what tells the run's model file from another one."""
    with zipfile.ZipFile(run_dir / MODEL) as archive:
        return " ".join(f"{entry.CRC:08x}" for entry in archive.infolist())


def _stored(run_dir: Path) -> dict[str, np.ndarray] | None:
    """Return the scores that are kept of the run's model, or None."""
    try:
        with np.load(run_dir / FILE, allow_pickle=False) as file:
            kept = dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    return kept if str(kept.pop("model", "")) == _model_id(run_dir) else None


def _measured(run: RunResult) -> dict[str, np.ndarray]:
    """Return the scores of the validation and test parts, by part and output, and keep them if the directory can be written."""
    data = run.data(strict=True)  # of other rows, some of these may have trained the model
    if data.validation is None or not len(data.validation):
        text = "the run has no validation part to calibrate on. Train one with data.validation above 0."
        raise UserError(Problem(KEY, text))
    from trainrun.run import evaluated

    measured = {}
    for part in PARTS:
        split = getattr(data, part)
        if split is None or not len(split):
            continue
        output = evaluated.predicted(run.saved, split)
        for name, one in data.each().items():
            of_one = (output[name], split.y[name]) if name else (output, split.y)
            of_part = scores(*of_one, one.target)
            measured[f"{part}:{name}"] = of_part[~np.isnan(of_part).any(axis=1)]
    # Without them, a run in a directory that cannot be written is measured each time.
    with contextlib.suppress(OSError), paths.whole(run.run_dir / FILE) as new, new.open("wb") as file:
        np.savez(file, model=_model_id(run.run_dir), **measured)
    return measured
