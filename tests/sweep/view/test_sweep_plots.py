"""A sweep's pictures show what the trials' records say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from trainrun.sweep.objective import Objective
from trainrun.sweep.trial import Trial
from trainrun.sweep.view import marginal_plots, sweep_plots
from trainrun.tracking.journal import Journal

LOSS = Objective("val_loss", False)
SETTINGS = {"objective": None, "direction": "auto", "plots": True}


def trial(folder, number, status, losses, overrides=(), **metrics):
    run_dir = folder / str(number)
    run_dir.mkdir(parents=True)
    book = Journal(run_dir / "journal.jsonl")
    book.write("start", config={"note": '"kind":"epoch"'})
    for i, loss in enumerate(losses, 1):
        book.write("epoch", epoch=i, step=i, metrics={"loss": loss / 2, "val_loss": loss})
    book.close()
    made = Trial(number, list(overrides), [], run_dir, {}, status=status)
    if status == "FINISHED":
        made.metrics = {"val_loss": losses[-1], **metrics}
    return made


@pytest.fixture
def trials(tmp_path):
    kinds = ["FINISHED", "FINISHED", "PRUNED", "FINISHED", "FAILED", "FINISHED"]
    losses = [[1.0, 0.8], [0.9, 0.5], [2.0], [0.9, 0.7], [], [0.6, 0.3]]
    rates = [1e-1, 1e-2, 1e-5, 1e-4, 1e-3, 1e-3]
    return [
        trial(tmp_path / "sweep", i, kind, values, [f"optimizer.learning_rate={rate:g}", f"optimizer={'ab'[i % 2]}"])
        for i, (kind, values, rate) in enumerate(zip(kinds, losses, rates, strict=True))
    ]  # fmt: skip


def points(axes, label):
    """Return what stands in a picture under a label of its legend."""
    for artist in (*axes.collections, *axes.lines):
        if artist.get_label() == label:
            return np.asarray(artist.get_offsets() if hasattr(artist, "get_offsets") else artist.get_xydata())
    raise AssertionError(f"no {label!r}")


def test_every_plot_that_applies_is_drawn_unless_switched_off(trials, tmp_path):
    written = sweep_plots.write(tmp_path / "sweep", trials, SETTINGS)
    assert [p.name for p in written] == ["objective.png", "effects.png", "curves.png"]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in written)
    assert sweep_plots.write(tmp_path / "other", trials, {**SETTINGS, "plots": False}) == []
    assert not (tmp_path / "other").exists()


def test_several_objectives_have_a_picture_each_and_a_front(trials, tmp_path):
    for one in trials:
        one.figures = {"seconds.train": 1.0 + one.number}
    settings = {**SETTINGS, "objective": ["val_loss", "seconds.train"], "varying": frozenset(["optimizer"])}
    written = sweep_plots.write(tmp_path / "sweep", trials, settings)
    names = {p.name for p in written}
    assert {
        "objective.png",
        "effects.png",
        "objective_seconds.train.png",
        "curves.png",
        "pareto.png",
    } <= names


def test_the_best_so_far_is_the_running_minimum(trials):
    (axes,) = sweep_plots.history(trials, LOSS).axes
    assert points(axes, "finished").tolist() == [[0, 0.8], [1, 0.5], [3, 0.7], [5, 0.3]]
    assert points(axes, "pruned, where it was").tolist() == [[2, 2.0]]
    assert points(axes, "failed")[:, 0].tolist() == [4]
    steps = points(axes, "best so far")
    assert steps.tolist() == [[0, 0.8], [1, 0.5], [5, 0.3], [5, 0.3]]
    finished = [0.8, 0.5, 0.7, 0.3]
    assert sorted(set(steps[:, 1])) == sorted(set(np.minimum.accumulate(finished)))


def test_the_best_so_far_rises_where_more_is_better(tmp_path):
    made = [trial(tmp_path, i, "FINISHED", [1.0], val_accuracy=v) for i, v in enumerate([0.2, 0.9, 0.4])]
    (axes,) = sweep_plots.history(made, Objective("val_accuracy", True)).axes
    assert points(axes, "best so far").tolist() == [[0, 0.2], [1, 0.9], [2, 0.9]]


def test_every_trial_has_its_curve_and_the_best_stands_out(trials):
    expected = sweep_plots.learned(trials, LOSS)
    assert expected[0][0].number == 5 and expected[0][1:] == ("val_loss", [(1, 0.6), (2, 0.3)])
    (axes,) = sweep_plots.curves(expected, LOSS).axes
    assert points(axes, "best: trial 5").tolist() == [[1, 0.6], [2, 0.3]]
    assert points(axes, "pruned").tolist() == [[1, 2.0]]
    labels = [t.get_text() for t in axes.get_legend().get_texts()]
    assert labels == ["best: trial 5", "finished", "pruned"]


def test_what_a_resumed_trial_did_again_is_drawn_once(tmp_path):
    made = trial(tmp_path, 0, "FINISHED", [1.0, 0.9, 0.8])
    book = Journal(made.run_dir / "journal.jsonl")
    for epoch, loss in ((2, 0.7), (3, math.nan), (4, 0.5)):
        book.write("epoch", epoch=epoch, step=epoch, metrics={"val_loss": loss})
    book.close()
    ((_, name, values),) = sweep_plots.learned([made], LOSS)
    assert name == "val_loss" and [e for e, _ in values] == [1, 2, 3, 4] and values[1][1] == 0.7
    (axes,) = sweep_plots.curves([(made, name, values)], LOSS).axes
    assert points(axes, "best: trial 0").tolist() == [[1, 1.0], [2, 0.7], [4, 0.5]]


def test_of_thousands_of_trials_the_best_and_some_others_are_drawn(tmp_path):
    made = [
        Trial(i, [], [], Path("nowhere"), {}, status="FINISHED", metrics={"val_loss": float(i)})
        for i in range(3000)
    ]
    shown = [t.number for t, _, _ in sweep_plots.learned(made[::-1], LOSS)]
    assert shown[:50] == list(range(50)) and len(shown) <= sweep_plots.MOST_CURVES and shown[-1] > 2900


def test_each_varied_key_has_a_panel_with_the_scale_that_suits_it(trials):
    figure = marginal_plots.draw(trials, LOSS)
    rate, optimizer = figure.axes
    assert rate.get_title("left") == "optimizer.learning_rate" and rate.get_xscale() == "log"
    across = {round(x, 6): y for x, y in rate.collections[0].get_offsets()}
    assert across == {0.1: 0.8, 0.01: 0.5, 0.0001: 0.7, 0.001: 0.3}
    assert [t.get_text() for t in optimizer.get_xticklabels()] == ["b", "a"], "the better one first"


def test_keys_that_do_not_differ_are_left_out_and_seeds_are_no_setting(tmp_path):
    made = [
        trial(tmp_path, i, "FINISHED", [1.0 + i], ["data=iris", f"seed={i}", f"model.units={u}"])
        for i, u in enumerate([8, 16, 8])
    ]
    assert [a.get_title("left") for a in marginal_plots.draw(made, LOSS).axes] == ["model.units"]
    for each in made:
        each.overrides.pop()
    assert [a.get_title("left") for a in marginal_plots.draw(made, LOSS).axes] == ["seed"]


def test_a_conditional_key_is_drawn_for_the_trials_that_have_it(tmp_path):
    made = [
        trial(tmp_path, 0, "FINISHED", [0.1], ["optimizer=adam"]),
        trial(tmp_path, 1, "FINISHED", [0.2], ["optimizer=sgd", "optimizer.momentum=0.5"]),
        trial(tmp_path, 2, "FINISHED", [0.3], ["optimizer=sgd", "optimizer.momentum=0.9"]),
    ]
    _, momentum = marginal_plots.draw(made, LOSS).axes
    assert momentum.collections[0].get_offsets().tolist() == [[0.5, 0.2], [0.9, 0.3]]
    assert len(momentum.lines) == 0, "the best trial, which has none, is not ringed"


def test_what_was_pruned_stands_where_it_was_and_in_no_median(trials):
    (rate, _) = marginal_plots.draw(trials, LOSS, lambda t: 2.0).axes
    assert points(rate, "pruned, where it was").tolist() == [[1e-5, 2.0]]
    assert len(rate.collections[0].get_offsets()) == 4


@pytest.mark.parametrize(("draw", "expected"), [
    (lambda r: 10 ** r.uniform(-5, -1, 200), True), (lambda r: r.uniform(0.001, 0.5, 200), False),
    (lambda r: [1e-4, 1e-3, 1e-2], True), (lambda r: [16, 32, 64], False), (lambda r: r.normal(0, 1, 50), False),
])  # fmt: skip
def test_a_logarithmic_range_is_known_by_its_values(draw, expected):
    assert marginal_plots.logarithmic([float(v) for v in draw(np.random.default_rng(0))]) is expected


def test_the_pareto_front_is_what_no_other_trial_beats_in_both(tmp_path):
    rng = np.random.default_rng(3)
    values = rng.random((40, 2))
    values[:, 1] = values[:, 0] + 0.4 * values[:, 1]  # what is gained in one is paid for in the other
    made = [
        trial(tmp_path, i, "FINISHED", [float(a)], val_accuracy=float(b)) for i, (a, b) in enumerate(values)
    ]
    objectives = [LOSS, Objective("val_accuracy", True)]
    (axes,) = sweep_plots.pareto(made, objectives).axes
    beaten = [any(o[0] < v[0] and o[1] > v[1] for o in values) for v in values]
    expected = sorted(v for v, b in zip(values.tolist(), beaten, strict=True) if not b)
    assert points(axes, "Pareto front").tolist() == expected and len(expected) > 2


def test_a_picture_that_fails_costs_one_warning(trials, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sweep_plots, "history", lambda *a: 1 / 0)
    written = sweep_plots.write(tmp_path / "sweep", trials, SETTINGS)
    assert [p.name for p in written] == ["effects.png", "curves.png"]
    assert "plots/objective.png was not drawn (ZeroDivisionError" in capsys.readouterr().err


def test_nothing_is_drawn_of_trials_that_all_failed(tmp_path):
    made = [trial(tmp_path, i, "FAILED", []) for i in range(3)]
    assert sweep_plots.write(tmp_path, made, SETTINGS) == []
