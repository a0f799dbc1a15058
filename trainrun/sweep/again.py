"""A sweep that goes on: finished trials stay, interrupted ones continue from their checkpoints, the others begin."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from trainrun import console
from trainrun.errors import Problem, UserError
from trainrun.sweep import record, story
from trainrun.sweep.points import Listed, Point
from trainrun.sweep.pool import Pool
from trainrun.sweep.trial import Trial


def go_on(sweep_dir: Path, given: Sequence[str], command: Sequence[str]) -> story.Ended:
    """Go on with a sweep.

    Args:
        sweep_dir: its directory.
        given: ``retry=failed``: try those again, too, that have failed; ``n_jobs=4``.
        command: as typed.

    Raises:
        UserError: something else was given, or the sweep runs.
    """
    jobs, retry = _options(given)
    sweep_dir = sweep_dir.absolute()
    told = record.read(sweep_dir)
    if Path(told["cwd"]).is_dir():
        os.chdir(told["cwd"])
    trials = [*record.trials(sweep_dir)]
    if running := [t for t in trials if t.status == "RUNNING"]:
        raise UserError(
            f"trial {running[0].number} of {sweep_dir} is still running. Stop the sweep first, or wait."
        )
    again = ("WAITING", "KILLED", "UNKNOWN", *(["FAILED"] if retry else []))
    points = [_point(t) for t in trials if t.status in again]
    done = [t for t in trials if t.status not in again]
    if not points:
        failed = sum(t.status == "FAILED" for t in done)
        console.say(
            f"{sweep_dir.name} is finished: {len(done)} trials"
            + (f", {failed} of them failed" if failed else "")
        )
        if failed:
            console.say(f"To try those again: trainrun resume {os.path.relpath(sweep_dir)} retry=failed")
        return story.Ended(sweep_dir, [t for t in done if t.status == "FINISHED"])
    begun = sum(p.resume is not None for p in points)
    console.note(f"{len(done)} trials stay, {begun} go on, {len(points) - begun} begin")
    settings = {**told["settings"], "command": list(command)}
    return story.run(sweep_dir, Listed(points), settings, Pool.of(settings, jobs, len(points)), done)


def _options(given: Sequence[str]) -> tuple[int | str, bool]:
    jobs: int | str = "auto"
    retry = False
    for text in given:
        key, _, value = text.partition("=")
        if key == "n_jobs" and (value == "auto" or (value.isdigit() and int(value) > 0)):
            jobs = value if value == "auto" else int(value)
        elif text == "retry=failed":
            retry = True
        else:
            raise UserError(Problem(text, "expected retry=failed or n_jobs=4: a sweep goes on as it began."))
    return jobs, retry


def _point(trial: Trial) -> Point:
    if trial.start is None:
        return Point(trial.number, lambda: _fresh(trial))
    digest = (trial.start.get("dataset") or {}).get("digest")
    return Point(trial.number, lambda: _config(trial), {"data_sha256": digest})


def _config(trial: Trial) -> Trial:
    from trainrun.config import again

    trial.config = again.load(trial.run_dir)
    return trial


def _fresh(trial: Trial) -> Trial:
    """Compose a point that never began; what a process left that was killed before its first record is removed."""
    import shutil

    from trainrun.config import check

    config, problems = check.overrides(trial.overrides)
    if problems:
        raise UserError(problems)
    shutil.rmtree(trial.run_dir, ignore_errors=True)
    trial.run_dir.mkdir(parents=True)
    trial.config = config
    return trial
