"""`trainrun resume RUN [overrides]`: continue a stopped run or sweep from its checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.checkpoint.resume_point import Resume
from trainrun.errors import Problem, UserError
from trainrun.tracking.delivery import state
from trainrun.ui import console

if TYPE_CHECKING:
    from trainrun.tracking.status import RunStatus

TAKE_OVER = "--take-over"
USAGE = """\
trainrun resume RUN [overrides] [--take-over]: continue a stopped run from its newest checkpoint.
trainrun resume SWEEP [retry=failed] [continue=pruned] [n_jobs=4] [overrides] [--take-over]: continue a sweep.

  RUN        a directory, a run id, SWEEP/TRIAL, a tracker's run id, `last`, or `best` (of the last sweep)
  SWEEP      a directory, or `last`: finished trials stay, interrupted trials continue, the remaining trials start.
             continue=pruned continues pruned trials; optimizer.learning_rate=1e-3,1e-5 adds the points of the sweep's
             own command line with this override that it does not have yet
  overrides  settings that may change: trainer.epochs=20 (more epochs), hardware=…, tracking=…, checkpoint.…
  --take-over  the process on another machine is dead: resume without waiting for its lease to expire

Config, plug-ins, seed and position are read from the run's directory."""


def main(argv: Sequence[str]) -> int:
    """Resume a run or a sweep."""
    if not argv or argv[0] in ("-h", "--help"):
        console.say(USAGE)
        return 0 if argv else 2
    from trainrun.sweep import named_run
    from trainrun.tracking import find, lease, status

    command, take_over = ["trainrun", "resume", *argv], TAKE_OVER in argv
    argv = [word for word in argv if word != TAKE_OVER] or [find.LATEST]
    if (sweep_dir := _sweep(argv[0])) is not None:
        from trainrun.hydra_bridge import sweep_resume

        return sweep_resume.go_on(sweep_dir, argv[1:], command, take_over=take_over).exit_code
    run_dir = named_run.run(argv[0])
    # Read only: invalid input must not change the run. The recorder settles the status of a killed run.
    now = status.read(run_dir)
    if now.status == "RUNNING":
        reason = lease.refusal(run_dir, now.start)
        if reason is not None:
            raise UserError(reason)
    overrides = list(argv[1:])
    if now.status == "FINISHED" and not overrides:
        console.say(f"{run_dir.name} is finished: {now.epochs} epochs, {_figures(now.metrics)}".rstrip(", "))
        console.say(f"To train longer: trainrun resume {argv[0]} trainer.epochs={2 * now.epochs or 10}")
        if now.drawing:  # the process in the background was killed, or is still at it
            from trainrun.run import deferred_plots

            console.note("its plots and report are drawn now")
            deferred_plots.complete(run_dir)
            now = status.read(run_dir)
        return _send_owed(run_dir, now)
    finished = now.epochs if now.status == "FINISHED" else None
    go_on(run_dir, now.start, overrides, command, finished, take_over)
    return 0


def _send_owed(run_dir: Path, now: RunStatus) -> int:
    """Deliver what a run's trackers do not have: its process may have been killed, with its delivery, after its end."""
    from trainrun.commands import sync
    from trainrun.tracking import origin, trackers
    from trainrun.tracking.delivery.sync import Where

    count = len(trackers.recorded(now.past["start"]))
    entries = state.latest(run_dir)
    if any(e.get("deleted") for e in entries) or not (
        state.unsent_of(run_dir, count, now.records) or (count and origin.original(run_dir))
    ):
        return 0
    timeout = float((now.past["start"].get("config") or {}).get("tracking", {}).get("timeout", 30.0))
    return sync.deliver(sync.with_sweeps([run_dir]), Where(), timeout, named=False)


def _sweep(word: str) -> Path | None:
    """Return the sweep of a directory or id, or the sweep that the last run belongs to; None for a run."""
    from trainrun.tracking import find

    if word != find.LATEST or (last := find.newest()) is None:
        return find.sweep_named(word)
    return find.sweep_named(str(last)) or find.sweep_named(str(last.parent))


def go_on(
    run_dir: Path,
    start: Mapping[str, Any],
    overrides: Sequence[str],
    command: Sequence[str],
    finished: int | None = None,
    take_over: bool = False,
) -> Any:
    """Resume a run.

    Args:
        run_dir: the run's directory.
        start: the first record of its journal.
        overrides: of the settings that may change.
        command: as typed, for the record.
        finished: epochs of a run that has finished; None: it has not.
        take_over: whether the user passed --take-over: the process on the other machine is dead.

    Raises:
        UserError: something that the run needs is missing or has changed, or a finished run is not to train longer.
    """
    from trainrun.config import plugin_sources, saved
    from trainrun.hydra_bridge import saved_config
    from trainrun.tracking import origin, trackers

    run_dir = run_dir.absolute()
    # Relative paths in the config count from the directory where the run was started, or what has come of that by a move or copy.
    if (folder := origin.workplace(run_dir, start)) is not None:
        os.chdir(folder)
    config = saved_config.load(run_dir, overrides)
    trackers.restore_secrets(config["tracking"], f"trainrun resume {run_dir}")
    was = saved.load_plain(run_dir)
    for name, digest in plugin_sources.digests(config["plugins"]).items():
        if (start.get("plugins") or {}).get(name, digest) != digest:
            console.warn(
                f"plug-in {name} has changed since the run started; the run continues with the changed one."
            )
    before, now = was["trainer"].get("epochs", 1), config["trainer"].get("epochs", 1)
    if now < before:
        raise UserError(
            Problem(
                "trainer.epochs",
                f"expected at least {before}, the epochs that the run was set to train, got {now}: a resumed run trains longer, not "
                f"shorter. To train anew: trainrun … trainer.epochs={now}, with the run's other settings.",
            )
        )
    timed = any(text.startswith("trainer.max_time=") for text in overrides)
    if finished is not None and now == before and not (timed and finished < now):
        longer = f"To train longer: trainrun resume {run_dir.name} trainer.epochs={2 * now}"
        to_send = f"; to send it to a tracker: trainrun sync {run_dir.name}"
        raise UserError(
            [
                Problem(
                    text.partition("=")[0],
                    f"the run is finished, and this would change nothing any more. {longer}"
                    + (to_send if text.startswith("tracking") else "")
                    + ".",
                )
                for text in overrides
            ]
        )
    from trainrun.run import runner
    from trainrun.run.context import RunContext

    digest = (start.get("dataset") or {}).get("digest")
    return runner.run(
        config,
        run_dir,
        overrides=list(start.get("overrides") or []),
        command=command,
        resume=Resume(run_dir, list(overrides), digest, take_over=take_over),
        context=RunContext(own_process=True, draws_later=True),
    )


def _figures(metrics: Mapping[str, float]) -> str:
    first = [(k, v) for k, v in metrics.items() if k.startswith(("test_", "val_"))][:3]
    return ", ".join(f"{k} {v:.4g}" for k, v in first)
