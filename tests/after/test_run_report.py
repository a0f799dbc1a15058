"""`trainrun report RUN`: the page gets what the model and its data tell; nothing that data holds gets onto it as markup."""

from __future__ import annotations

import json
import re

import made_up_runs
import pytest

import trainrun
from trainrun.after import run_report, why
from trainrun.cli import main


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_report_of_a_linear_model_of_a_table(within, tmp_path, capsys):
    path = tmp_path / "page.html"
    assert main(["report", "buyers", "--json", "-o", str(path)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["report"] == str(path) and printed["part"] == "test"
    assert {"accuracy", "balanced accuracy"} <= printed["headline"].keys()
    assert set(printed["worst"][0]["values"]) == {"age", "city", "age is missing"}
    page = path.read_text(encoding="utf-8")
    for name in (
        "judged",
        "charts",
        "asked",
        "curves",
        "importance",
        "coefficients",
        "worst",
        "data",
        "times",
    ):
        assert f'<section id="{name}">' in page
    text = text_of(page)
    assert "model.name linear mlp" in text and "trainer.epochs 4 10" in text
    assert "trainrun data=csv" in text and "trainrun reproduce buyers" in text
    assert "city = Rome" in text and "balanced accuracy" in text


def test_figures_are_those_of_evaluate_and_the_worst_examples_are_of_its_part(within):
    run = trainrun.load("outputs/runs/buyers")
    explained = run_report.explain(run.run_dir)
    headline = {f.label: f.value for f in explained.diagnostics.headline}
    scores = run.evaluate().metrics
    assert headline["accuracy"] == pytest.approx(scores["accuracy"].value)
    assert headline["log loss"] == pytest.approx(scores["loss"].value, rel=1e-4)
    assert {i.column for i in explained.importance} == {"age", "city"}
    assert [w.error for w in explained.worst] == sorted((w.error for w in explained.worst), reverse=True)
    data = run.data()
    for w in explained.worst:
        assert data.target.classes[data.test.y[w.place]] == w.true
    spending = run_report.explain(within / "outputs/runs/spending")
    assert spending.worst[0].error == pytest.approx(abs(spending.worst[0].true - spending.worst[0].predicted))


def test_what_differs_from_the_defaults_is_what_was_set(within):
    differs = {key: (value, default) for key, value, default in why.differing(within / "outputs/runs/second")}
    assert differs["optimizer.name"] == ("SGD", "Adam")
    assert differs["trainer.batch_size"][0] == 16 and differs["trainer.epochs"][0] == 3
    assert not any(key.startswith(("loss", "schedule", "hardware")) for key in differs)


def test_a_run_that_has_not_ended_has_no_report(within, tmp_path, capsys):
    (tmp_path / "journal.jsonl").write_text("")
    assert main(["report", str(tmp_path)]) == 2
    assert "a report is of a run that has ended" in capsys.readouterr().err


def test_what_cannot_be_read_or_written_is_refused(inside, capsys):
    run_dir = made_up_runs.run("runs/done")
    (run_dir / "model.keras").unlink()
    assert main(["report", "done", "-o", "missing/page.html"]) == 2
    assert "there is no folder missing" in capsys.readouterr().err
    content = json.loads((run_dir / "summary.json").read_text())
    (run_dir / "summary.json").write_text(json.dumps({**content, "seconds": [], "versions": 3}))
    assert main(["report", "done"]) == 2
    assert "is damaged, or was edited" in capsys.readouterr().err
