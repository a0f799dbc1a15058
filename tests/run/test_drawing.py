"""Plots and report that a process in the background draws when the run has ended."""

from __future__ import annotations

import json
import time

import pytest

from trainrun.cli import main
from trainrun.run import deferred_plots, drawing
from trainrun.tracking import listing, status
from trainrun.ui import console

QUICK = ["data=iris", "metric=accuracy", "tracking=none", "trainer.epochs=2", "hydra.run.dir=outputs/runs/r"]


def wait_until(condition, timeout=60.0):
    until = time.monotonic() + timeout
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    assert condition()


def test_the_command_ends_before_its_plots_and_resume_draws_those_that_were_lost(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    run_dir = tmp_path / "outputs" / "runs" / "r"
    assert main([*QUICK, "artifacts.wait=false"]) == 0
    lines = (run_dir / "journal.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    end = next(i for i, line in enumerate(lines) if json.loads(line)["kind"] == "end")
    wait_until(lambda: not status.read(run_dir).drawing)
    recorded = (run_dir / "journal.jsonl").read_text(encoding="utf-8").splitlines()[end + 1 :]
    plots = {f"plots/{path.name}" for path in (run_dir / "plots").iterdir()}
    assert {json.loads(line).get("path") for line in recorded} == {"report.html", *plots, None}
    assert {"plots/curves.png", "plots/confusion_matrix.png"} <= plots
    assert 'id="judged"' in (run_dir / "report.html").read_text(encoding="utf-8")
    assert listing.runs("outputs").runs[0].reason is None

    # As if it had been killed before it drew anything.
    (run_dir / "journal.jsonl").write_text("".join(lines[: end + 1]), encoding="utf-8")
    for path in (run_dir / "plots").iterdir():
        path.unlink()
    (row,) = listing.runs("outputs").runs
    assert (row.status, row.reason) == ("FINISHED", status.UNDRAWN)
    capsys.readouterr()
    assert main(["resume", "r"]) == 0
    assert {f"plots/{path.name}" for path in (run_dir / "plots").iterdir()} == plots
    assert listing.runs("outputs").runs[0].reason is None


@pytest.mark.parametrize(("module", "name"), [(drawing, "_let_go"), (deferred_plots, "write")])
def test_a_run_that_is_moved_meanwhile_leaves_nothing_in_its_old_place(tmp_path, monkeypatch, module, name):
    monkeypatch.chdir(tmp_path)
    wrapped = getattr(module, name)
    run_dir, moved = tmp_path / "outputs" / "runs" / "r", tmp_path / "outputs" / "runs" / "moved"

    def after_the_move(*arguments):
        wait_until(lambda: not run_dir.exists())
        return wrapped(*arguments)

    monkeypatch.setattr(module, name, after_the_move)
    assert main([*QUICK, "artifacts.wait=false"]) == 0
    run_dir.rename(moved)
    log = moved / "run.log"
    wait_until(lambda: "to draw them: trainrun report" in log.read_text(encoding="utf-8"))
    assert not run_dir.exists()
    assert status.read(moved).drawing
    assert main(["report", "moved"]) == 0
    assert (moved / "plots" / "curves.png").is_file()


def test_an_error_in_the_background_is_in_the_log(tmp_path):
    def fail():
        raise OSError("no room for it")

    log = tmp_path / "run.log"
    console.attach(log)
    drawing.in_background(tmp_path, fail)
    console.detach()
    wait_until(lambda: "to draw them: trainrun report" in log.read_text(encoding="utf-8"))
    assert "OSError: no room for it" in log.read_text(encoding="utf-8")
