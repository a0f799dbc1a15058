"""`trainrun resume RUN [overrides]`: continue a stopped run or sweep from its checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.errors import Problem, UserError
from trainrun.ui import console

USAGE = """\
trainrun resume RUN [overrides]: go on with a run that was stopped, from its newest checkpoint.
trainrun resume SWEEP [retry=failed] [continue=pruned] [n_jobs=4] [overrides]: go on with a sweep.

  RUN        its directory, its id, its tracker's run id, or `last`
  SWEEP      its directory, or `last`: finished trials stay, interrupted ones go on, the others begin
             continue=pruned brings pruned trials to their end; optimizer.learning_rate=1e-3,1e-5 adds points: those of
             the sweep's own command line with that in it, which it does not have yet
  overrides  what may be different now: trainer.epochs=20 (more of them), hardware=…, tracking=…, checkpoint.…

Config, plug-ins, seed and position come from the run's directory; nothing has to be said again."""


def main(argv: Sequence[str]) -> int:
    """Go on with a run."""
    if not argv or argv[0] in ("-h", "--help"):
        console.say(USAGE)
        return 0 if argv else 2
    from trainrun.tracking import find
    from trainrun.tracking.status import status

    if (sweep_dir := _sweep(argv[0])) is not None:
        from trainrun.hydra_bridge import sweep_resume

        return sweep_resume.go_on(sweep_dir, argv[1:], ["trainrun", "resume", *argv]).exit_code
    run_dir = find.run(argv[0])
    now = status(
        run_dir
    )  # not `settle`: where the input is wrong, nothing is touched; the recorder settles it
    if now.status == "RUNNING":
        raise UserError(
            f"{run_dir} is still running (process {now.start.get('pid')} on {now.start.get('host')}). "
            "Stop it first, or wait."
        )
    given = list(argv[1:])
    if now.status == "FINISHED" and not _asks_for_more(given):
        console.say(f"{run_dir.name} is finished: {now.epochs} epochs, {_figures(now.metrics)}".rstrip(", "))
        console.say(f"To train on: trainrun resume {argv[0]} trainer.epochs={2 * now.epochs or 10}")
        return 0
    go_on(run_dir, now.start, given, ["trainrun", "resume", *argv])
    return 0


def _sweep(word: str) -> Path | None:
    """Return the sweep that is meant: by its directory or id, or the one that the last run belongs to."""
    from trainrun.tracking import find

    return find.sweep_named(str(find.run(word).parent) if word == find.LATEST else word)


def go_on(run_dir: Path, start: Mapping[str, Any], given: Sequence[str], command: Sequence[str]) -> Any:
    """Go on with a run.

    Args:
        run_dir: the run's directory.
        start: the first record of its journal.
        given: overrides of what may be different now.
        command: as typed, for the record.

    Raises:
        UserError: what the run needs is not there any more, or is not what it was.
    """
    from trainrun.config import plugins, saved
    from trainrun.hydra_bridge import saved_config
    from trainrun.tracking import trackers

    run_dir = run_dir.absolute()
    # What the config names by a relative path lies where the run was started.
    if start.get("cwd") and Path(start["cwd"]).is_dir():
        os.chdir(start["cwd"])
    config = saved_config.load(run_dir, given)
    trackers.restore_secrets(config["tracking"], f"trainrun resume {run_dir}")
    was = saved.load_plain(run_dir)
    for name, digest in plugins.digests(config["plugins"]).items():
        if (start.get("plugins") or {}).get(name, digest) != digest:
            console.warn(
                f"plug-in {name} is not what it was when the run began; it goes on with what there is."
            )
    if config["trainer"]["epochs"] < was["trainer"]["epochs"]:
        raise UserError(
            Problem(
                "trainer.epochs",
                f"expected at least {was['trainer']['epochs']}, as the run began with, got {config['trainer']['epochs']}: "
                "what is trained is trained.",
            )
        )
    from trainrun.checkpoint.resume_point import Resume
    from trainrun.run import runner
    from trainrun.run.context import RunContext
    from trainrun.tracking.delivery.state import Lock

    # Held until this process ends: what the journal says of the last attempt's process is known only later.
    held = Lock(run_dir, ".training.lock")
    if not held.acquire():
        raise UserError(f"{run_dir} is being resumed by another process at this moment.")

    digest = (start.get("dataset") or {}).get("digest")
    try:
        return runner.run(
            config,
            run_dir,
            overrides=list(start.get("overrides") or []),
            command=command,
            resume=Resume(run_dir, list(given), digest),
            context=RunContext(pause_collector=True),
        )
    finally:
        held.release()


def _asks_for_more(given: Sequence[str]) -> bool:
    return any(text.split("=", 1)[0] in ("trainer.epochs", "trainer.max_time") for text in given)


def _figures(metrics: Mapping[str, float]) -> str:
    first = [(k, v) for k, v in metrics.items() if k.startswith(("test_", "val_"))][:3]
    return ", ".join(f"{k} {v:.4g}" for k, v in first)
