"""The pictures: which ones for which task, readable as PNG, and never the end of a run."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from trainrun.artifacts import classification_plots, figure_style, plots
from trainrun.data.dataset import Dataset, InputSpec, Split, TargetSpec

HISTORY = {
    "loss": [2.0, 1.0, 0.5],
    "val_loss": [2.1, 1.4, 1.5],
    "accuracy": [0.3, 0.6, 0.8],
    "val_accuracy": [0.3, 0.5, 0.6],
    "learning_rate": [0.1, 0.01, 0.001],
}
N = 60
RNG = np.random.default_rng(0)


def dataset(kind, classes=(), outputs=1, shape=(), image=False, task="classification"):
    size = (16, 16, 1) if image else (3,)
    x = RNG.normal(size=(N, *size)).astype("float32")
    if kind == "real":
        y = RNG.normal(size=(N, outputs)).astype("float32")
    elif kind == "multilabel":
        y = (RNG.random((N, outputs)) < 0.5).astype("float32")
    else:
        y = RNG.integers(0, max(len(classes), 2), (N, *shape))
    split = Split(x, y)
    inputs = (InputSpec("x", "image" if image else "numeric", size),)
    return Dataset("test", task, inputs, TargetSpec(kind, classes, outputs, shape), split, split), split


def probabilities(*shape):
    p = RNG.random(shape)
    return p / p.sum(-1, keepdims=True) if shape[-1] > 1 else p


CASES = {
    "binary": (dataset("binary", ("no", "yes")), probabilities(N, 1)),
    "binary_flat": (dataset("binary", ("no", "yes")), RNG.random(N)),
    "multiclass": (dataset("multiclass", ("a", "b", "c"), 3), probabilities(N, 3)),
    "multiclass_images": (dataset("multiclass", tuple("abc"), 3, image=True), probabilities(N, 3)),
    "multilabel": (dataset("multilabel", ("a", "b"), 2), RNG.random((N, 2))),
    "segmentation": (dataset("binary", ("out", "in"), 1, (16, 16), True), probabilities(N, 16, 16, 1)),
    "segmentation_three": (
        dataset("multiclass", tuple("abc"), 3, (16, 16), True),
        probabilities(N, 16, 16, 3),
    ),
    "real": (dataset("real", task="regression"), RNG.normal(size=(N, 1))),
    "two_outputs": (dataset("real", outputs=2, task="regression"), RNG.normal(size=(N, 2))),
    "many_classes": (dataset("multiclass", tuple(f"class {i}" for i in range(40)), 40), probabilities(N, 40)),
}
CLASSES = ["curves", "confusion_matrix", "roc", "precision_recall"]
EXPECTED = {
    "binary": CLASSES,
    "binary_flat": CLASSES,
    "multiclass": CLASSES,
    "multiclass_images": [*CLASSES, "images"],
    "multilabel": ["curves", "roc", "precision_recall"],
    "segmentation": [*CLASSES, "masks"],
    "segmentation_three": [*CLASSES, "masks"],
    "real": ["curves", "predicted_vs_true", "residuals"],
    "two_outputs": ["curves", "predicted_vs_true", "residuals"],
    "many_classes": CLASSES,
}


def size(path):
    """Return a PNG's width and height, its signature checked."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


@pytest.mark.parametrize("case", CASES)
def test_draws_what_suits_the_task(case, tmp_path):
    (data, split), predictions = CASES[case]
    warnings = []
    written = plots.write(tmp_path, HISTORY, data, split, predictions, warn=warnings.append)
    assert warnings == []
    assert [p.stem for p in written] == EXPECTED[case]
    for path in written:
        assert path.parent == tmp_path / "plots"
        assert min(size(path)) >= 200


def test_learning_curves_have_a_panel_for_each_metric_the_loss_first():
    figure = plots.learning_curves({"accuracy": [0.1], "val_accuracy": [0.2], **HISTORY, "step": [1, 2, 3]})
    assert [a._left_title.get_text() for a in figure.axes] == ["loss", "accuracy", "learning rate"]
    loss = figure.axes[0]
    assert [line.get_label() for line in loss.lines] == ["train", "validation", "best: 1.4"]
    np.testing.assert_array_equal(loss.lines[0].get_xdata(), [1, 2, 3])
    assert loss.lines[2].get_xdata()[0] == 2


def test_validation_every_second_epoch_stands_where_it_was():
    figure = plots.learning_curves({"loss": [4.0, 3.0, 2.0, 1.0], "val_loss": [3.0, 1.5]})
    np.testing.assert_array_equal(figure.axes[0].lines[1].get_xdata(), [2, 4])


def test_confusion_matrix_shows_the_counts():
    figure = classification_plots.confusion_matrix(
        np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), ["no", "yes"], "test"
    )
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.texts] == ["1", "1", "2"]
    assert axes._left_title.get_text() == "test: 75.0% of 4 right, 75.0% on average over the classes"


def test_roc_names_the_area_of_each_class():
    y = np.array([0, 0, 1, 1])
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.65, 0.35], [0.2, 0.8]])
    figure = classification_plots.roc(y, scores, ["no", "yes"], "binary", "test")
    assert [t.get_text() for t in figure.axes[0].get_legend().texts] == ["yes: 0.750"]


def test_a_reader_sees_the_old_plot_until_the_new_one_is_whole(tmp_path, monkeypatch):
    (path,) = plots.write(tmp_path, HISTORY)
    old, saved, seen = path.read_bytes(), Figure.savefig, []

    def slow(self, file, **options):
        with open(file, "wb") as half:
            half.write(b"\x89PNG")
        seen.append(path.read_bytes())
        saved(self, file, **options)

    monkeypatch.setattr(Figure, "savefig", slow)
    plots.write(tmp_path, {**HISTORY, "loss": [9.0, 8.0, 7.0]})
    assert seen == [old] and path.read_bytes() not in (old, b"\x89PNG")
    monkeypatch.setattr(
        Figure, "savefig", lambda self, file, **options: Path(file).write_bytes(b"\x89PNG") and 1 / 0
    )
    new = path.read_bytes()
    assert plots.write(tmp_path, HISTORY, warn=lambda text: None) == []
    assert path.read_bytes() == new and [*path.parent.iterdir()] == [path]


def test_single_class_is_noted_in_the_plot(tmp_path):
    (data, split), predictions = CASES["binary"]
    split = Split(split.x, np.zeros(N, int))
    warnings = []
    assert len(plots.write(tmp_path, HISTORY, data, split, predictions, warn=warnings.append)) == 4
    assert warnings == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_picture_that_fails_is_one_warning_each_and_no_more(tmp_path, value):
    (data, split), predictions = CASES["multiclass"]
    warnings = []
    written = plots.write(tmp_path, HISTORY, data, split, predictions * value, warn=warnings.append)
    assert [p.stem for p in written] == ["curves", "confusion_matrix"]
    assert len(warnings) == 2
    assert "plots/roc.png was not drawn" in warnings[0]


@pytest.mark.parametrize("history", [{}, {"loss": []}])
def test_nothing_to_draw_draws_nothing(tmp_path, history):
    assert plots.write(tmp_path, history) == []
    assert not (tmp_path / "plots").exists()


def test_curves_of_numbers_that_are_not_finite(tmp_path):
    warnings = []
    history = {"loss": [np.nan] * 3, "val_loss": [1.0, np.inf, 2.0]}
    assert len(plots.write(tmp_path, history, warn=warnings.append)) == 1
    assert warnings == []


def test_names_in_letters_that_the_font_lacks_are_no_warning(tmp_path):
    figure, (axes,) = figure_style.sheet(1, 3, 2)
    axes.set_title("\U00013080 \u65e5\u672c")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure_style.save(figure, tmp_path / "plot.png")
    assert not caught and (tmp_path / "plot.png").is_file()
