"""The report's charts of a model: learning curves, and what `diagnostics` has computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from trainrun.artifacts.diagnostics import Diagnostics, Residuals
from trainrun.artifacts.learning_curves import panels
from trainrun.artifacts.score_curves import Calibration, Curve
from trainrun.artifacts.svg_chart import (
    COLOURS,
    EPOCH,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Chart,
    Panel,
    cut,
    drawing,
    number,
    span,
)

NAMED_CLASSES = 24  # of a confusion matrix; of more only the colours are shown
OUTPUTS = 4  # of a regression, whose residuals are drawn
RATE = (0.0, 1.0)


def learning_curves(
    history: Mapping[str, Sequence[float]], metrics: Mapping[str, Any] | None = None
) -> Iterator[Panel]:
    """Yield a chart for each of a run's learning curves; see `learning_curves.panels`."""
    for curve in panels(history, metrics):
        finite, log = curve.finite, curve.logarithmic
        ends = (float(finite.min()), float(finite.max())) if log else span(finite)
        chart = Chart(curve.title, (1, max(curve.epochs, 2)), ends, EPOCH, log_y=log)
        lost = 0
        for i, (split, (at, values)) in enumerate(curve.series.items()):
            lost += int(np.sum(~np.isfinite(values)))
            chart.line(at, values, split, f"s{i}", dots=len(values) <= 30)
        if (best := curve.best) is not None:
            chart.ring(
                best["epoch"], best["value"], name=f"best: {number(best['value'])}, epoch {best['epoch']}"
            )
        yield chart.panel(f"{lost} values are no finite numbers" if lost else "")


def charts(diagnostics: Diagnostics) -> Iterator[Panel]:
    """Yield the charts that suit the task."""
    if diagnostics.confusion is not None:
        yield _confusion(*diagnostics.confusion)
    if diagnostics.roc:
        chart = Chart("ROC", RATE, RATE, "false positive rate", "true positive rate")
        chart.guide(RATE, RATE)
        yield _curves(chart, diagnostics.roc, "area", diagnostics.threshold)
    if diagnostics.precision_recall:
        chart = Chart("Precision and recall", RATE, RATE, "recall", "precision")
        yield _curves(chart, diagnostics.precision_recall, "average precision", diagnostics.threshold)
    if diagnostics.separation is not None:
        yield _separation(diagnostics)
    if diagnostics.calibration is not None:
        yield _calibration(diagnostics.calibration, len(diagnostics.classes) == 2)
    if diagnostics.lift is not None:
        yield _lift(diagnostics.lift)
    if len(diagnostics.outputs) > 1:
        yield _errors(diagnostics.outputs)
    for output in diagnostics.outputs[:OUTPUTS]:
        yield from _residuals(output)


def _curves(chart: Chart, curves: Sequence[Curve], area: str, threshold: float) -> Panel:
    # Of many classes the worst ones have a colour.
    coloured = sorted(sorted(range(len(curves)), key=lambda i: curves[i].area)[:COLOURS])
    for i, curve in enumerate(curves):
        named = i in coloured
        style = f"s{coloured.index(i)}" if named else "rest"
        name = f"{curve.name}: {curve.area:.3f}"
        chart.line(curve.x, curve.y, name, style, legend=named)
        if len(curves) == 1 and curve.decision is not None:
            chart.ring(*curve.decision, name=f"predicted above {threshold:.4g}")
    more = f"; the {len(curves) - COLOURS} best in grey" if len(curves) > COLOURS else ""
    return chart.panel(area + (", each class against the rest" if len(curves) > 1 else "") + more)


def _separation(diagnostics: Diagnostics) -> Panel:
    separation, threshold = diagnostics.separation, diagnostics.threshold
    negative, positive = (of_one.name for of_one in diagnostics.classes)
    chart = Chart("KS: the classes' shares by score", RATE, RATE, "probability", "share up to it")
    chart.guide((threshold, threshold), RATE)
    chart.line(np.append(0.0, separation.scores), np.append(0.0, separation.negatives), negative, "s0")
    chart.line(np.append(0.0, separation.scores), np.append(0.0, separation.positives), positive, "s1")
    i = int(np.argmin(np.abs(separation.scores - separation.at)))
    chart.line([separation.at] * 2, [separation.positives[i], separation.negatives[i]], style="mark")
    return chart.panel(
        f"KS {separation.statistic:.3f} at {separation.at:.3g}; grey: the decision threshold {threshold:.4g}"
    )


def _calibration(calibration: Calibration, binary: bool) -> Panel:
    label = "probability" if binary else "probability of the predicted class"
    # Rare classes have small probabilities only, which would be one dot in a corner.
    most = min(1.0, 1.1 * float(max(calibration.predicted.max(), calibration.high.max())))
    chart = Chart("Calibration", (0.0, most), (0.0, most), label, "share that is true")
    chart.guide((0, most), (0, most))
    for at, low, high in zip(calibration.predicted, calibration.low, calibration.high, strict=True):
        chart.line([at, at], [low, high], style="rest")
    chart.line(calibration.predicted, calibration.observed, "observed", "s0", dots=True, legend=False)
    return chart.panel(
        f"expected calibration error {calibration.error:.3f}; {len(calibration.examples)} bins of equally many examples, 95% intervals"
    )


def _lift(lift: Curve) -> Panel:
    chart = Chart(
        "Lift",
        RATE,
        (0.0, max(1.2, 1.05 * float(lift.y.max()))),
        "share of the examples, highest scores first",
        "times chance",
    )
    chart.guide(RATE, (1, 1))
    chart.line(lift.x, lift.y, "lift", "s0", legend=False)
    return chart.panel(f"the first tenth has {lift.area:.2f} times as many as by chance")


def _errors(outputs: Sequence[Residuals]) -> Panel:
    """Return the mean absolute error of each output, beside that of always predicting its median."""
    places = range(len(outputs))
    errors = [float(np.mean(np.abs(o.residuals))) for o in outputs]
    constant = [float(np.mean(np.abs(o.true - np.median(o.true)))) for o in outputs]
    top = 1.05 * max(*errors, *constant)
    chart = Chart("Error by output", (0, len(outputs) - 1), (0, top or 1.0), "output", "mean absolute error")
    chart.line(places, constant, "always the median", "rest", dots=True)
    chart.line(places, errors, "mean absolute error", "s0", dots=True)
    more = len(outputs) > OUTPUTS
    return chart.panel(f"the residuals of the first {OUTPUTS} outputs follow" if more else "")


def _residuals(output: Residuals) -> Iterator[Panel]:
    """Yield predicted against true values, residuals by prediction, and their histogram, on axes that outliers do not stretch."""
    low, high = output.bounds
    end = f", {output.name}" if output.name else ""
    beyond = f"{output.beyond:,} of {len(output.true):,} lie beyond the axis" if output.beyond else ""
    both = span(np.quantile(np.concatenate([output.true, output.predicted]), [0.005, 0.995]))
    chart = Chart(f"Predicted against true{end}", both, both, "true", "predicted")
    chart.guide(both, both)
    chart.points(output.true, output.predicted)
    yield chart.panel()
    across = span(np.quantile(output.predicted, [0.005, 0.995]))
    chart = Chart(f"Residuals by prediction{end}", across, span((low, high)), "predicted", "predicted − true")
    chart.guide(across, (0, 0))
    chart.points(output.predicted, output.residuals)
    yield chart.panel(beyond)
    inside = output.residuals[(output.residuals >= low) & (output.residuals <= high)]
    ends = Axis(low, high, 0.0, 1.0)  # equal ones are moved apart
    bins = int(np.clip(np.sqrt(len(inside)), 5, 30))
    heights, edges = np.histogram(inside, bins, (ends.low, ends.high))
    chart = Chart(
        f"Distribution of the residuals{end}",
        span((low, high)),
        (0, 1.05 * max(heights.max(), 1)),
        "predicted − true",
        "examples",
    )
    chart.bars(edges, heights)
    chart.guide((0, 0), (0, 1.05 * max(heights.max(), 1)))
    yield chart.panel(beyond)


def _confusion(counts: np.ndarray, names: Sequence[str]) -> Panel:
    """Return counts of true against predicted class; the colour is the share of the true class."""
    size, written = len(names), len(names) <= NAMED_CLASSES
    left, bottom = (74, 40) if written else (LEFT, 24)
    side = (WIDTH - left - RIGHT) / size, (HEIGHT - TOP - bottom) / size
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    parts = []
    for i, j in np.ndindex(counts.shape):
        x, y = left + j * side[0], TOP + i * side[1]
        title = escape(f"{names[i]} predicted as {names[j]}: {counts[i, j]:,} ({share[i, j]:.1%})")
        parts.append(
            f'<rect class="cell" x="{x:.1f}" y="{y:.1f}" width="{side[0]:.1f}" height="{side[1]:.1f}" fill-opacity="{share[i, j]:.3f}">'
            f"<title>{title}</title></rect>"
        )
        if size <= 12 and counts[i, j]:
            style = "on" if share[i, j] > 0.55 else "off"
            text = f"{counts[i, j]:,}" if counts[i, j] < 100_000 else f"{counts[i, j]:.1e}"
            parts.append(
                f'<text class="{style}" x="{x + side[0] / 2:.1f}" y="{y + side[1] / 2 + 4:.1f}" text-anchor="middle">{text}</text>'
            )
    for i, name in enumerate(names if written else ()):
        small = ' class="small"' if size > 12 else ""
        x, y = left + (i + 0.5) * side[0], TOP + (i + 0.5) * side[1]
        parts.append(
            f'<text{small} x="{left - 4}" y="{y + 3.5:.1f}" text-anchor="end">{escape(cut(name, 8))}</text>'
        )
        room = max(2, int(side[0] / 6))
        parts.append(
            f'<text{small} x="{x:.1f}" y="{HEIGHT - bottom + 14}" text-anchor="middle">{escape(cut(name, room))}</text>'
        )
    parts.append(
        f'<text x="{(left + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">predicted</text>'
    )
    parts.append(
        f'<text transform="translate(10 {(TOP + HEIGHT - bottom) / 2}) rotate(-90)" text-anchor="middle">true</text>'
    )
    mistakes = np.where(np.eye(size, dtype=bool), 0, counts)
    i, j = np.unravel_index(int(mistakes.argmax()), counts.shape)
    note = (
        f"most frequent mistake: {names[i]} predicted as {names[j]}, {mistakes[i, j]:,} times"
        if mistakes.any()
        else "no mistakes"
    )
    return Panel("Confusion matrix", drawing(parts, "Confusion matrix"), note)
