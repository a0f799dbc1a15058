"""What faults meet: a run and a sweep of six, the stages of their lives, and what they are without a fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from attacks.command import epochs, only_run, only_sweep, records, summaries

EPOCHS, TRIALS = 6, 6
_SHARED = ("data=digits", f"trainer.epochs={EPOCHS}", "checkpoint.every=0.5epochs")


@dataclass(frozen=True)
class Subject:
    """A kind of experiment.

    Args:
        name: a run, or a sweep.
        words: of its command line.
        resume: the words that go on with it.
        stages: of its life, in their order.
        stage: the number of the stage that the files of a project show.
        directory: the newest directory of its kind in a project, or None.
    """

    name: str
    words: tuple[str, ...]
    resume: tuple[str, ...]
    stages: tuple[str, ...]
    stage: Callable[[Path], int]
    directory: Callable[[Path], Path | None]

    def begun(self, folder: Path) -> bool:
        """Return whether there is anything to go on with."""
        return any(records(p.parent) for p in folder.glob(f"outputs/{self.name}s/*/journal.jsonl"))


def _stage_of_run(folder: Path) -> int:
    run_dir = only_run(folder)
    if run_dir is None:
        return 0
    written = records(run_dir)
    kinds = {r["kind"] for r in written}
    reached = (
        bool(written),
        epochs(run_dir) > 0,
        epochs(run_dir) >= EPOCHS,
        "metrics" in kinds,
        any(r.get("model") for r in written),
        (run_dir / "summary.json").exists(),
        "end" in kinds,
    )
    return max((i + 2 for i, yes in enumerate(reached) if yes), default=1)


def _stage_of_sweep(folder: Path) -> int:
    sweep_dir = only_sweep(folder)
    if sweep_dir is None:
        return 0
    reached = (
        bool([*sweep_dir.glob("[0-9]*/journal.jsonl")]),
        summaries(folder) >= 1,
        summaries(folder) >= TRIALS // 2,
        summaries(folder) >= TRIALS,
        (sweep_dir / "leaderboard.csv").exists(),
        any(r["kind"] == "end" for r in records(sweep_dir)),
    )
    return max((i + 2 for i, yes in enumerate(reached) if yes), default=1)


RUN = Subject(
    "run",
    (*_SHARED, "model.dropout=0.3"),
    ("resume", "last"),
    ("start", "before its journal", "first epoch", "training", "evaluation", "saving", "pictures", "report", "delivery"),
    _stage_of_run,
    only_run,
)  # fmt: skip
SWEEP = Subject(
    "sweep",
    ("-m", *_SHARED, "optimizer.learning_rate=0.001,0.003,0.01", "model.dropout=0.1,0.3", "hydra.launcher.n_jobs=2", "artifacts.report=false"),
    ("resume", "last", "retry=failed"),
    ("start", "its record", "first trial", "second and third trial", "last trials", "ranking", "pictures", "delivery"),
    _stage_of_sweep,
    only_sweep,
)  # fmt: skip
