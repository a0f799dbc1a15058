"""The verbs about recorded runs as functions, `trainrun.compare`, `runs`, `why` …, with the names and arguments of the command line.

A run is a word of the command line (its directory or id, ``SWEEP/TRIAL``, ``last``, ``best``), or an object. What concerns one model is a
method of the run: `predict`, `evaluate`, `export`, `serve`, `register`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.errors import UserError
from trainrun.registry import log_columns
from trainrun.run.result import RunResult
from trainrun.sweep import named_run
from trainrun.tracking import find, status

if TYPE_CHECKING:
    import pandas as pd

    from trainrun.after.clean import Plan
    from trainrun.after.compare import Comparison
    from trainrun.after.remove import Removed
    from trainrun.after.why import Explanation
    from trainrun.sweep.loop import SweepResult

    Run = RunResult | str | Path

# Columns of `runs` that are always there.
FIRST = ("status", "started", "epochs")


def compare(*runs: Run, quick: bool = False, outputs: str | Path = find.OUTPUTS) -> Comparison:
    """Return what differs between runs, or sweeps: config, code, data, packages, machine, metrics, curves.

    Args:
        runs: two or more; of a sweep its best trial.
        quick: read the records only, without the models: no intervals.
        outputs: where runs are.

    Raises:
        UserError: there is no such run, or fewer than two are named.
    """
    from trainrun.after import compare

    if len(runs) < 2:
        raise UserError(f"expected 2 runs or more, got {len(runs)}.")
    sweeps = [None if isinstance(run, RunResult) else named_run.sweep(run, outputs) for run in runs]
    return compare.compare([_folder(run, outputs) for run in runs], sweeps, not quick)


def why(
    key: str, overrides: Sequence[str] = (), run: Run | None = None, outputs: str | Path = find.OUTPUTS
) -> list[Explanation]:
    """Return where a value of a config comes from, of a group an entry for each key: `value`, and `settings` in their order.

    Args:
        key: as in the config: ``optimizer.learning_rate``.
        overrides: as on the command line.
        run: a recorded run, instead of overrides.
        outputs: where runs are.

    Raises:
        UserError: there is no such key or run, or the overrides are wrong.
    """
    from trainrun.after import why

    return why.of_overrides(key, overrides) if run is None else why.of_run(_folder(run, outputs), key)


def runs(
    where: str | None = None,
    sort: str | None = None,
    columns: Sequence[str] | None = None,
    sweep: str | Path | None = None,
    outputs: str | Path = find.OUTPUTS,
) -> pd.DataFrame:
    """Return the recorded runs, trials included, a row each, indexed by the name that `trainrun.load` takes.

    Args:
        where: a condition: ``val_auc > 0.9 and data=csv``.
        sort: a metric, whose best value comes first; another name ascending; ``-`` before it reverses. None: the newest first.
        columns: metrics, keys of the config, ``status``, ``seconds.total`` …; None: settings and metrics in which the runs differ.
        sweep: only the trials of this one: its directory, name, or ``last``.
        outputs: where runs are.

    Raises:
        UserError: the condition cannot be parsed, or no run has a name.

    Example:
        >>> trainrun.runs("data=iris", sort="val_accuracy")
    """
    import pandas as pd

    from trainrun.after import recorded

    folder = None if sweep is None else find.sweep(str(sweep), outputs)
    chosen = recorded.select(recorded.all_runs(outputs, folder), where, sort, columns or ())
    table = pd.DataFrame([r.facts for r in chosen]).set_index("run") if chosen else pd.DataFrame()
    if columns is not None:
        return table[[*columns]] if chosen else table
    figures = {*log_columns.SUMMARY_NUMBERS} - {"epochs"}
    differing = [
        name
        for name in table
        if name not in FIRST
        and name.partition(".")[0] not in figures
        and table[name].astype(str).nunique() > 1
    ]
    return table[[*(name for name in FIRST if name in table), *differing]]


def report(run: Run | SweepResult, output: str | Path | None = None) -> Path:
    """Write the page of a run or a sweep anew, and return its path.

    Args:
        run: a run, or a sweep: its directory, its name, or an object.
        output: of the page; None: ``report.html`` in its directory.

    Raises:
        UserError: there is no such run, or the page cannot be written there.
    """
    from trainrun.after import run_report, sweep_report

    path = None if output is None else Path(output)
    sweep_dir = find.sweep_named(str(getattr(run, "sweep_dir", run)))
    if sweep_dir is not None:
        return sweep_report.write(sweep_dir, path)
    return run_report.write(_folder(run), path)[0]


def resume(run: Run | SweepResult = find.LATEST, overrides: Sequence[str] = ()) -> RunResult | SweepResult:
    """Continue a stopped run or sweep from its checkpoints, and return it.

    Args:
        run: a run, or a sweep: its directory, its name, or an object.
        overrides: of the settings that may change: ``["trainer.epochs=20"]``; of a sweep as behind ``trainrun resume SWEEP``.

    Raises:
        UserError: something that the run needs is missing or has changed, or it has finished and is not to train longer.
        TrainingError: training failed.
    """
    from trainrun.commands import resume
    from trainrun.hydra_bridge import sweep_resume

    sweep_dir = find.sweep_named(str(getattr(run, "sweep_dir", run)))
    with contextlib.chdir(Path.cwd()):  # paths count from where the run began
        if sweep_dir is not None:
            return sweep_resume.go_on(sweep_dir, list(overrides), ["trainrun.resume", str(sweep_dir)])
        run_dir = _folder(run).absolute()
        now = status.read(run_dir)
        finished = now.epochs if now.status == "FINISHED" else None
        if finished is None or overrides:
            resume.go_on(run_dir, now.start, overrides, ["trainrun.resume", str(run_dir)], finished)
        return RunResult.read(run_dir)


def reproduce(run: Run = find.LATEST, digits: int | None = None) -> dict[str, Any]:
    """Train a run again and compare the results: ``agree``, ``digits`` (metric -> digits that agree), ``weights_equal``, ``again``.

    Args:
        run: a finished run.
        digits: significant ones that have to agree; None: 5.

    Raises:
        UserError: something that the run needs is missing or has changed.
    """
    from trainrun.commands import reproduce

    run_dir = _folder(run).absolute()
    before = RunResult.read(run_dir).summary
    if not before:
        raise UserError(f"{run_dir} has not finished and has no result to compare with.")
    warnings, folder, after = reproduce.again(run_dir, status.read(run_dir).start, before)
    compared = reproduce.compare(before, after, reproduce.DIGITS if digits is None else digits)
    return {**compared, "again": folder, "warnings": warnings}


def rm(*runs: Run | SweepResult, yes: bool = False, tracker: bool = False, unfinished: bool = False,
       outputs: str | Path = find.OUTPUTS) -> Removed:  # fmt: skip
    """Remove runs, or sweeps with their trials; return the plan and what was removed.

    Args:
        runs: by their words or objects.
        yes: False: only plan it.
        tracker: also remove them where they were sent.
        unfinished: also what could be resumed.
        outputs: where runs are.

    Raises:
        UserError: there is no such run, or one has to stay; then all stay.
    """
    from trainrun.after import clean

    words = [str(getattr(r, "sweep_dir", None) or getattr(r, "run_dir", r)) for r in runs]
    return _carried_out(clean.named(words, outputs, unfinished), yes, tracker)


def gc(keep: str | None = None, yes: bool = False, tracker: bool = False, unfinished: bool = False,
       outputs: str | Path = find.OUTPUTS) -> Removed:  # fmt: skip
    """Remove all runs that nothing needs; return the plan and what was removed.

    Args:
        keep: ``best``, ``registered`` (both always hold) and ``last N``; None: the newest 10.
        yes, tracker, unfinished, outputs: as of `rm`.

    Raises:
        UserError: `keep` cannot be parsed.
    """
    from trainrun.after import clean

    return _carried_out(clean.old(outputs, keep or clean.DEFAULT_KEEP, unfinished), yes, tracker)


def top(outputs: str | Path = find.OUTPUTS) -> None:
    """Watch all that runs, in a terminal, until ``q``.

    Args:
        outputs: where runs are.

    Raises:
        UserError: there is no terminal, or textual is not installed.
    """
    from trainrun.commands import top

    top.main(["--outputs", str(outputs)])


def _carried_out(plan: Plan, yes: bool, tracker: bool) -> Removed:
    from trainrun.after import remove

    return remove.carry_out(plan, tracker) if yes else remove.Removed(plan)


def _folder(run: Any, outputs: str | Path = find.OUTPUTS) -> Path:
    return run.run_dir if isinstance(run, RunResult) else named_run.run(run, outputs)
