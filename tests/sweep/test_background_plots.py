"""What a sweep leaves to processes in the background: when, and that it is drawn and recorded once."""

from __future__ import annotations

import json

import pytest

from trainrun.after import sweep_report
from trainrun.cli import main
from trainrun.hydra_bridge import launcher_plugins
from trainrun.hydra_bridge import main as bridge
from trainrun.sweep import background_plots, loop, sweep_record
from trainrun.sweep.loop import SweepResult
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import leaderboard
from trainrun.tracking import journal, status
from trainrun.tracking.delivery import sweep_summary
from trainrun.tracking.journal import Journal
from trainrun.ui import streams
from trainrun.util import subprocesses

SETTINGS = {
    "plugins": [], "command": ["trainrun"], "overrides": ["seed=1,2"], "hydra": [], "varying": ["seed"],
    "tracking": {}, "alert": {}, "swept": {"seed": "1,2"}, "space": None, "sweeper": {"name": "grid"},
    "launcher": {"name": "local"}, "pruner": None, "config": {}, "objective": "val_loss", "direction": "minimize",
    "grace": 30.0, "plots": True,
}  # fmt: skip


@pytest.fixture
def ended(tmp_path):
    """A sweep of two trials that has ended without its plots."""
    sweep_record.write(tmp_path, [(0, ["seed=1"]), (1, ["seed=2"])], SETTINGS)
    for number in (0, 1):
        (tmp_path / str(number) / "plots").mkdir(parents=True)
        book = Journal(tmp_path / str(number) / status.JOURNAL)
        book.write("start", config={})
        for epoch in (1, 2):
            book.write("epoch", epoch=epoch, step=epoch, metrics={"val_loss": (1.0 + number) / epoch})
        book.write("end", status="FINISHED")
        book.close()
        content = {"status": "FINISHED", "metrics": {"val_loss": (1.0 + number) / 2}}
        (tmp_path / str(number) / "summary.json").write_text(json.dumps(content))
    leaderboard.write(tmp_path, [*sweep_record.trials(tmp_path)], Objective("val_loss", maximize=False))
    book = Journal(tmp_path / status.JOURNAL)
    book.write("start", config={})
    book.write("end", status="FINISHED", **{status.DRAWING: True})
    book.close()
    return tmp_path


@pytest.mark.parametrize("by", ["report", "resume"])
def test_what_a_killed_process_has_not_drawn_is_drawn_once(ended, by, capsys):
    assert status.read(ended).drawing
    assert sweep_summary.fold(ended).reason == status.UNDRAWN
    if by == "report":
        sweep_report.write(ended, ended / "page.html")
    else:
        assert main(["resume", str(ended)]) == 0
        assert "its plots are drawn now" in capsys.readouterr().out
    assert (ended / "plots" / "objective.png").stat().st_size > 1000
    now, records = status.read(ended), journal.read(ended / status.JOURNAL).records
    assert (now.status, now.drawing) == ("FINISHED", False)
    assert {"plots/objective.png", "plots/curves.png"} <= {
        r["path"] for r in records if r["kind"] == "artifact"
    }
    background_plots.complete(ended)
    assert journal.read(ended / status.JOURNAL).records == records


@pytest.mark.parametrize(
    ("wait", "terminal", "waits"),
    [(None, True, False), (None, False, True), (True, True, True), (False, False, False)],
)
def test_only_a_terminal_gets_its_prompt_back_before_unless_it_is_set(monkeypatch, wait, terminal, waits):
    monkeypatch.setattr(streams, "is_terminal", lambda: terminal)
    assert background_plots.waits({"wait": wait}) is waits


def test_only_a_process_that_ends_after_its_sweep_leaves_something(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    last = []

    def run(sweep_dir, points, settings, engine, last_=last, **more):
        last_.append((more["last"], settings["wait"]))
        return SweepResult(sweep_dir)

    monkeypatch.setattr(loop, "run", run)
    monkeypatch.setattr(launcher_plugins.SweepLauncher, "engine", lambda *given: None)
    monkeypatch.setattr(subprocesses, "fork_server", lambda: None)
    assert main(["-m", "data=iris", "seed=1,2", "hydra/launcher=local", "artifacts.wait=false"]) == 0
    bridge.sweep(["data=iris", "seed=1,2", "hydra/launcher=local"])
    assert last == [(True, False), (False, None)]
