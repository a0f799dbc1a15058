"""Directories of runs and sweeps without training, through trainrun's own writers."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import yaml

from trainrun.tracking import summary
from trainrun.tracking.journal import Journal
from trainrun.util import liveness

DEAD = {"host": platform.node(), "pid": 2**22 + 1}
CONFIG = {
    "seed": 42, "data": {"name": "iris", "path": None}, "model": {"name": "mlp", "units": [64, 32]}, "metric": {"auc": {"name": "AUC"}},
    "optimizer": {"name": "adam", "learning_rate": 0.001}, "loss": {"name": "auto"}, "trainer": {"name": "fit"},
}  # fmt: skip


def run(
    name: str, *overrides: str, end: str | None = "FINISHED", alive: bool = False, checkpoint: bool = False, tracking=None,
    metrics: dict | None = None, **config: dict,
) -> Path:  # fmt: skip
    """Make a run below `outputs`; `name` is ``runs/NAME`` or ``sweeps/SWEEP/NUMBER``."""
    run_dir = Path("outputs", name)
    run_dir.mkdir(parents=True)
    config = CONFIG | config
    (run_dir / "config.yaml").write_text(yaml.safe_dump(config))
    book = Journal(run_dir / "journal.jsonl")
    book.write(
        "start", run_id=run_dir.name, run_dir=str(run_dir.absolute()), overrides=list(overrides), config=config, tracking=tracking or [],
        **(liveness.identity() if alive else DEAD),
    )  # fmt: skip
    book.write("epoch", epoch=1, step=1, metrics=metrics or {"val_auc": 0.5})
    if end:
        book.write("end", status=end, reason=None)
        content = summary.build(
            run_id=run_dir.name,
            status=end,
            seed=1,
            epochs=1,
            metrics=metrics or {"val_auc": 0.5},
            overrides=overrides,
        )
        summary.write(run_dir, content)
    book.close()
    (run_dir / "model.keras").write_bytes(b"x" * 1000)
    if checkpoint:
        (run_dir / "checkpoints").mkdir()
        (run_dir / "checkpoints" / "last.ckpt").write_bytes(b"x")
    return run_dir


def sweep(name: str, values: list[float], end: str | None = "FINISHED", **settings) -> Path:
    """Make a sweep of `optimizer.learning_rate` with a finished trial for each validation loss."""
    sweep_dir = Path("outputs", "sweeps", name)
    sweep_dir.mkdir(parents=True)
    points = [[i, [f"optimizer.learning_rate={i}", "data=iris"]] for i in range(len(values))]
    record = {
        "format": 1, "started": 1.0, "cwd": str(Path.cwd()), "points": points,
        "settings": {"varying": ["optimizer.learning_rate"], "objective": "val_loss", "direction": "minimize", **settings},
    }  # fmt: skip
    (sweep_dir / "sweep.json").write_text(json.dumps(record))
    book = Journal(sweep_dir / "journal.jsonl")
    book.write("start", run_id=name, sweep={"total": len(values)}, **DEAD)
    if end:
        book.write("end", status=end, reason=None)
    book.close()
    for (number, overrides), value in zip(points, values, strict=True):
        run(f"sweeps/{name}/{number}", *overrides, metrics={"val_loss": value})
    return sweep_dir
