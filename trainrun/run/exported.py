"""Export a run's model to another format, and compare it in its own runtime with the original on held-out examples."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainrun.config import outputs
from trainrun.data.dataset import Dataset, Split
from trainrun.errors import TrainingError, first_line
from trainrun.model import export_formats, export_runtimes, exporting, raw_examples
from trainrun.model.export_formats import FORMATS
from trainrun.model.export_runtimes import Run
from trainrun.model.exporting import Source, identifier
from trainrun.model.source_file import MODEL
from trainrun.registry import direction
from trainrun.run import scores
from trainrun.run.saved_model import SavedModel
from trainrun.run.scores import Score
from trainrun.ui import console
from trainrun.util import paths, plain_json

RECORD = "export.json"
# Formats whose quantizations are Keras' own, as `model.quantization_aware` has them.
KERAS_GRIDS = ("keras", "savedmodel")
# Examples that are compared at most, and that a runtime predicts at once.
ROWS, BATCH = 1000, 64
# Calls with a single example by which latency is measured.
TIMED = 30


class ExportError(TrainingError):
    """The exported model does not predict what the run's model predicts."""


@dataclass(frozen=True)
class Exported:
    """An exported model, and how it compares with the original on held-out examples.

    Args:
        run: the run's directory.
        folder: of the export; `file` is the model in it.
        format, quantize: as asked for.
        raw_rows: whether the model takes raw rows; False: arrays as `preprocessing.json` makes them.
        inputs: name in the exported model -> `source` (the column, or the input of the run's model), `dtype`, `shape`.
        part, examples: what was compared.
        difference: the greatest one between predictions, in `unit`: of probability, or standard deviations of the original's.
        bound: what it may be.
        metric: the run's objective; None where nothing can be measured.
        before, after: its value of the original, with the bootstrap interval, and of the export.
        worse: whether the export's value lies outside of that interval on the worse side.
        size, size_before: bytes of the model's files.
        latency_ms, latency_before_ms: milliseconds for a single example, the median of some calls.
    """

    run: str
    folder: str
    file: str
    format: str
    quantize: str | None
    raw_rows: bool
    inputs: Mapping[str, Mapping[str, Any]]
    part: str
    examples: int
    difference: float
    unit: str
    bound: float
    metric: str | None
    before: Score | None
    after: float | None
    worse: bool
    size: int
    size_before: int
    latency_ms: float
    latency_before_ms: float

    @property
    def title(self) -> str:
        """Format and quantization."""
        return self.format if self.quantize is None else f"{self.format} {self.quantize}"

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return asdict(self)


def export(
    saved: SavedModel,
    config: Mapping[str, Any],
    data: Dataset,
    run_dir: Path,
    format_name: str,
    quantize: str | None,
    folder: Path,
    bound: float | None = None,
    rows: int = ROWS,
) -> Exported:
    """Write a model in a format into a folder, which appears when the comparison has succeeded.

    Args:
        saved: the run's model.
        config, data, run_dir: of the run.
        format_name, quantize: see `export_formats.find`.
        folder: of the export; a former export in it is replaced.
        bound: the greatest difference that is accepted; None: by the quantization, `export_formats.BOUNDS`.
        rows: examples to compare, at most.

    Raises:
        UserError: the folder holds something else, or the model cannot be converted.
        ExportError: the export differs by more than the bound, or does not run.
    """
    if (otherwise := rounded_otherwise(config, format_name, quantize)) is not None:
        console.warn(otherwise)
    source = Source(run_dir / MODEL, saved.raw, saved.model, saved.fitted)
    bound = export_formats.BOUNDS[quantize] if bound is None else bound
    part, split = data.held_out()
    split = split.take(np.unique(np.linspace(0, len(split) - 1, min(rows, len(split))).round().astype(int)))
    split = split.take(_without_nan(split))
    raw = source.takes_raw(format_name)
    model, file = source.raw if raw else source.arrays, FORMATS[format_name].file
    with paths.whole_folder(folder, RECORD) as new:
        exporting.write(source, format_name, new / file, quantize)
        size = sum(f.stat().st_size for f in new.rglob("*") if f.is_file())
        source.fitted.write(new)
        try:
            run = export_runtimes.load(format_name, new / file)
            output, latency = _predicted(run, split, source, raw)
        except Exception as error:  # whatever a runtime raises
            raise ExportError(f"the model in {format_name} does not run: {first_line(error)}") from error
        # Of n-grams the raw rows do not encode to the same examples: the original predicts the raw rows, too.
        same = raw_examples.exact(source.fitted)
        original = source.arrays if same else source.raw
        expected, _ = _predicted(export_runtimes.of_model(original), split, source, not same)
        difference, kind = max(
            (_difference(output[name], expected[name], one.target.kind), one.target.kind)
            if name
            else (_difference(output, expected, one.target.kind), one.target.kind)
            for name, one in data.each().items()
        )
        _, latency_before = _predicted(export_runtimes.of_model(model), split.part(slice(1)), source, raw)
        exported = Exported(
            run=str(run_dir),
            folder=str(folder),
            file=file,
            format=format_name,
            quantize=quantize,
            raw_rows=raw,
            inputs={
                identifier(name): {"source": name, "dtype": str(t.dtype), "shape": list(t.shape[1:])}
                for name, t in exporting.inputs(model).items()
            },
            part=part,
            examples=len(split),
            difference=difference,
            unit="standard deviations" if kind == "real" else "of probability",
            bound=bound,
            **_scores(config, data, split, expected, output),
            size=size,
            size_before=source.path.stat().st_size,
            latency_ms=latency,
            latency_before_ms=latency_before,
        )
        if not exported.difference <= bound:  # NaN, too
            raise ExportError(
                f"the model in {exported.title} differs from the run's model by {exported.difference:.3g} {exported.unit}, more than "
                f"{bound:g}, on {len(split):,} rows of the {part} part. Nothing is kept. To accept it: --bound"
            )
        (new / RECORD).write_text(plain_json.text(exported.plain()) + "\n", "utf-8")
    return exported


def rounded_otherwise(config: Mapping[str, Any], format_name: str, quantize: str | None) -> str | None:
    """Return in words how an export computes otherwise than the training did (`model.quantization_aware`), or None."""
    mode = config["model"].get("quantization_aware")
    if mode is None or (quantize == mode and format_name in KERAS_GRIDS):
        return None
    way_out = f"The model that was measured: --format {' or '.join(KERAS_GRIDS)} --quantize {mode}."
    if quantize is None:
        return f"the run was trained for {mode}, and this export has its weights before rounding. {way_out}"
    other = f"{quantize} of {format_name}, which rounds otherwise" if quantize == mode else quantize
    return f"the run was trained for {mode}, and this export is {other}. {way_out}"


def _without_nan(split: Split) -> np.ndarray:
    """Return the indices of examples that miss no number: what a runtime makes of one is not defined."""
    arrays = split.x.values() if isinstance(split.x, Mapping) else [split.x]
    gaps = [np.isnan(a).reshape(len(a), -1).any(axis=1) for a in arrays]
    return np.flatnonzero(~np.any(gaps, axis=0))


def _predicted(run: Run, split: Split, source: Source, raw: bool) -> tuple[Any, float]:
    """Return a model's output for examples, and the milliseconds that it takes for a single one.

    Args:
        run: the model.
        split: the examples, in memory.
        source: whose inputs they are.
        raw: whether the model takes raw rows.
    """

    def feed(rows: slice) -> dict[str, np.ndarray]:
        x = split.part(rows).x
        if raw:
            x = raw_examples.of(x, source.fitted)
        elif not isinstance(x, Mapping):
            x = {source.arrays.inputs[0].name: x}
        return {identifier(name): array for name, array in x.items()}

    single, times = feed(slice(1)), []
    run(single)  # the first call compiles
    for _ in range(TIMED):
        began = time.perf_counter()
        run(single)
        times.append(time.perf_counter() - began)
    output = [run(feed(slice(start, start + BATCH))) for start in range(0, len(split), BATCH)]
    whole = keras.tree.map_structure(lambda *blocks: np.concatenate(blocks), *output)
    return whole, 1000 * statistics.median(times)


def _difference(output: np.ndarray, expected: np.ndarray, kind: str) -> float:
    """Return the greatest difference, of numbers in standard deviations of the original's."""
    distance = np.abs(output.astype("float64") - expected)
    if kind == "real":
        distance = distance / np.maximum(expected.std(axis=0, dtype="float64"), np.finfo("float32").tiny)
    return float(distance.max(initial=0.0))


def _scores(
    config: Mapping[str, Any], data: Dataset, split: Split, expected: Any, output: Any
) -> dict[str, Any]:
    """Return the fields of `Exported` on the run's objective."""
    finite = all(np.isfinite(array).all() for array in keras.tree.flatten(output))
    if data.target.kind == "none" or not finite:
        return {"metric": None, "before": None, "after": None, "worse": False}
    before = scores.score(config, data, split, expected, run="", source="").metrics
    name = scores.objective(config, list(before))
    score, value = before[name], scores.measuring(config, data, split, output)(np.arange(len(split)))[name]
    way = direction.of(name, outputs.measured(config, data.description()))
    worse = (way == "min" and value > score.high) or (way == "max" and value < score.low)
    return {"metric": name, "before": score, "after": value, "worse": worse}
