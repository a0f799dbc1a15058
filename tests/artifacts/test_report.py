"""report.html and the table at the end: complete, self-contained, escaped."""

from __future__ import annotations

import html.parser
import re

import pytest

from trainrun.artifacts import plots, report, result_table
from trainrun.tracking import summary
from trainrun.tracking.journal import Journal
from trainrun.util import liveness

HISTORY = {"loss": [2.0, 1.0], "val_loss": [1.5, 1.75], "accuracy": [0.5, 0.75], "val_accuracy": [0.6, 0.625]}


@pytest.fixture
def run_dir(tmp_path):
    built = summary.build(
        run_id="2026-01-01_abc",
        status="FINISHED",
        seed=7,
        overrides=["loss=focal", "name=<script>alert(1)</script>", "tracking.uri=http://me:hunter2@host"],
        metrics={k: v[-1] for k, v in HISTORY.items()} | {"test_loss": 1.25, "learning_rate": 0.1},
        best=summary.best_epochs(HISTORY),
        epochs=2,
        parameters=123456,
        seconds={"train": 1.5, "total": 3.25},
        examples_per_second=1234.5,
        identity={"tracking_uri": "http://host", "experiment_id": "1", "run_id": "f00"},
    )
    summary.write(tmp_path, built)
    book = Journal(tmp_path / "journal.jsonl")
    book.write("start", run_id="2026-01-01_abc", overrides=[], config={}, **liveness.identity())
    for epoch in (1, 2):
        book.write("epoch", epoch=epoch, step=epoch, metrics={k: v[epoch - 1] for k, v in HISTORY.items()})
    book.close()
    plots.write(tmp_path, HISTORY)
    (tmp_path / "config.yaml").write_text(
        "note: </pre><script>alert(2)</script>\nuri: http://me:hunter2@host\n"
    )
    (tmp_path / "environment.txt").write_text("python 3\n")
    return tmp_path


def test_the_table_has_a_row_a_metric_and_its_best_epoch(run_dir):
    assert result_table.rows(summary.read(run_dir)) == [
        ["loss", "1.0000", "1.7500", "1.2500", "1.5000", "1"],
        ["accuracy", "0.7500", "0.6250", "", "0.6250", "2"],
    ]


def test_the_end_of_a_run_names_everything(run_dir, capsys, monkeypatch):
    monkeypatch.chdir(run_dir.parent)
    result_table.show(summary.read(run_dir), run_dir)
    out, _ = capsys.readouterr()
    lines = out.splitlines()
    assert lines[1].split() == ["metric", "train", "validation", "test", "best", "epoch"]
    assert "best epoch  1 of 2, val_loss 1.5000" in lines
    assert "time        3.2 s, of it 1.5 s training, 1,234 examples a second" in lines
    assert f"run         {run_dir.name}" in lines
    assert "tracking    run f00 in http://host" in lines


def test_page_and_table_name_the_epoch_of_the_metric_that_chose_the_weights(run_dir, capsys):
    content = summary.read(run_dir)
    content["weights"] = {"choice": "best", "epoch": 2, "monitor": "val_accuracy", "value": 0.625}
    result_table.show(content, run_dir)
    assert "2 of 2, val_accuracy 0.6250; the model is of this epoch" in capsys.readouterr().out
    page = report.write(run_dir, content).read_text()
    assert "best epoch by val_accuracy<small>the model is of this epoch</small></dt><dd>2</dd>" in page


def test_a_run_without_metrics_ends_without_a_table(tmp_path, capsys):
    result_table.show(summary.build(run_id="r", status="FAILED", seed=1), tmp_path)
    assert "best" not in capsys.readouterr().out


def test_page_refers_to_no_other_file(run_dir):
    page = report.write(run_dir).read_text()
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "http://" not in re.sub(r"http://(\*\*\*@)?host", "", page)
    assert page.count('<svg class="chart"') == 2  # loss and accuracy
    for text in ("2026-01-01_abc", "FINISHED", "1.7500", "123,456", "f00", "python 3"):
        assert text in page


def test_the_page_is_well_formed_and_escapes_what_users_wrote(run_dir):
    page = report.write(run_dir).read_text()
    assert page.count("<script>") == 1 and "alert(2)</script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    stack = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            if tag not in ("meta", "img", "br"):
                stack.append(tag)

        def handle_startendtag(self, tag, attributes):
            assert tag in ("polyline", "path", "circle", "rect")

        def handle_endtag(self, tag):
            assert stack.pop() == tag

    Parser().feed(page)
    assert stack == []


def test_the_page_holds_no_secret(run_dir):
    assert "hunter2" not in report.write(run_dir).read_text()


def test_a_bare_run_has_a_page_too(tmp_path):
    summary.write(tmp_path, summary.build(run_id="r", status="KILLED", seed=1))
    page = report.write(tmp_path).read_text()
    assert "KILLED" in page
    assert "Pictures" not in page


def test_the_page_of_a_trial_names_its_sweep(run_dir, tmp_path):
    sweep = tmp_path / "2026-01-02_lr"
    trial = sweep / "1"
    trial.mkdir(parents=True)
    for name in ("sweep.json", "journal.jsonl"):
        (sweep / name).write_text("{}\n")
    page = report.write(trial, summary.read(run_dir)).read_text(encoding="utf-8")
    assert "<title>trial 1 of 2026-01-02_lr</title>" in page
