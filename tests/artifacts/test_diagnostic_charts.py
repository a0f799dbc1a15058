"""The charts of the report: well-formed, escaped, and only those that say something."""

from __future__ import annotations

import xml.etree.ElementTree as xml

import numpy as np
import pytest

from trainrun.artifacts import diagnostic_charts, svg_chart
from trainrun.artifacts.diagnostics import diagnose
from trainrun.artifacts.svg_chart import Axis
from trainrun.data.dataset import TargetSpec

EVIL = "<script>alert(1)</script>\" onload='x"
RANDOM = np.random.default_rng(0)
Y = RANDOM.integers(0, 2, 300)
P = np.clip(0.3 * Y + 0.7 * RANDOM.random(300), 0, 1)


def titles(panels):
    for panel in panels:
        element = xml.fromstring(panel.svg)
        assert not [e for e in element.iter() if e.tag in ("script",) or "onload" in e.attrib]
    return [panel.title for panel in panels]


def test_two_classes_have_all_curves_whatever_their_names():
    diagnostics = diagnose(TargetSpec("binary", ("no", EVIL), 1), Y, P, "test")
    panels = [*diagnostic_charts.charts(diagnostics)]
    assert titles(panels) == [
        "Confusion matrix",
        "ROC",
        "Precision and recall",
        "KS: the classes' shares by score",
        "Calibration",
        "Lift",
    ]


def test_numbers_have_residuals():
    y = RANDOM.normal(size=(50, 1))
    diagnostics = diagnose(TargetSpec("real"), y, y + 0.1, "test")
    assert titles([*diagnostic_charts.charts(diagnostics)])[1:] == [
        "Residuals by prediction",
        "Distribution of the residuals",
    ]


def test_many_classes_stay_readable():
    y = RANDOM.integers(0, 40, 400)
    diagnostics = diagnose(TargetSpec("multiclass", (), 40), y, RANDOM.dirichlet(np.ones(40), 400), "test")
    confusion, roc, *_ = diagnostic_charts.charts(diagnostics)
    assert "<text" in confusion.svg and len(roc.legend) == svg_chart.COLOURS
    worst = sorted(diagnostics.roc, key=lambda c: c.area)[: svg_chart.COLOURS]
    assert {name.partition(":")[0] for _, name in roc.legend} == {c.name for c in worst}


def test_several_numbers_have_the_error_of_each():
    y = RANDOM.normal(size=(50, 6))
    diagnostics = diagnose(TargetSpec("real", (), 6), y, y + np.arange(6) / 10, "test")
    first, *others = diagnostic_charts.charts(diagnostics)
    line = next(e for e in xml.fromstring(first.svg).iter() if e.get("data-name") == "mean absolute error")
    assert [float(v) for v in line.get("data-y").split()] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert len(others) == 3 * diagnostic_charts.OUTPUTS


def test_shares_of_pixels_have_no_interval(tmp_path):
    masks = RANDOM.integers(0, 2, (5, 4, 4))
    diagnostics = diagnose(TargetSpec("binary", (), 1, (4, 4)), masks, RANDOM.random((5, 4, 4, 1)), "test")
    assert (diagnostics.examples, diagnostics.unit) == (80, "pixels")


@pytest.mark.parametrize(
    ("value", "number", "tick"),
    [(0.12345, "0.1235", "0.123"), (2024, "2024", "2,024"), (61749.6, "61,750", "61.75k"), (-2e6, "-2,000,000", "-2M"), (1e20, "1e+20", "1e+20")],
)  # fmt: skip
def test_large_numbers_are_readable(value, number, tick):
    assert (svg_chart.number(value), svg_chart.tick(value)) == (number, tick)


@pytest.mark.parametrize(
    ("rates", "shown"), [([0.1, 0.1, 0.1], False), ([0.1, 0.05, 0.01], True)], ids=["constant", "changing"]
)
def test_a_learning_rate_has_a_panel_if_it_changes(rates, shown):
    history = {
        "loss": [3.0, 2.0, 1.0],
        "val_loss": [3.0, 1.0, 2.0],
        "learning_rate": rates,
        "step": [1, 2, 3],
    }
    panels = [*diagnostic_charts.learning_curves(history)]
    assert titles(panels) == ["loss", *["learning rate"] * shown]
    assert panels[0].legend[-1] == ("mark", "best: 1, epoch 2")


@pytest.mark.parametrize(
    "values", [[np.nan] * 3, [1.0], [0.0, 0.0], [1e308, -1e308, np.inf], [1.0, 1.0 + 1e-16], [5e-324, 0.0]]
)
def test_no_history_is_beyond_drawing(values):
    (panel,) = diagnostic_charts.learning_curves({"loss": values})
    xml.fromstring(panel.svg)
    assert "nan" not in panel.svg


def test_a_long_line_is_thinned_along_its_length_and_keeps_its_ends():
    x = np.linspace(0, 1, 100_000)
    y = np.where(
        x < 0.001, x * 1000, 1.0
    )  # steep, then flat: by number, two points would be left of the rise
    across, up = svg_chart.thinned(x, y)
    assert len(across) <= svg_chart.LINE_POINTS + 2
    assert (across[0], up[0], across[-1], up[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert np.sum(up < 1) > 50


@pytest.mark.parametrize(("low", "high"), [(0.2, 4.0), (0.15, 1.9), (3e-3, 0.3), (1e-5, 1.0), (1e-12, 1e9)])
def test_a_logarithmic_axis_has_three_to_six_ticks_within_its_ends(low, high):
    ticks = Axis(low, high, 0.0, 100.0, log=True).ticks()
    assert 3 <= len(ticks) <= 6 and low * 0.999 <= ticks[0] and ticks[-1] <= high * 1.001
