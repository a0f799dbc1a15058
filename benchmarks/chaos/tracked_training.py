"""The training process of `tracking_faults.py`: one job, trained in turns with and without tracking, in a forked process."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from trainrun.tracking.record import Recorder


def main(task: Mapping[str, Any], output: Connection) -> None:
    """Train, and print a line when each training begins, when it has ended, and after it how long it took.

    Args:
        task: `folder` for the runs, `settings` (overrides), `epochs` of each round, `turns` (the trackers of a round's runs),
            `tracking` (settings of MLflow; None: no tracking at all).
        output: what is printed goes there.
    """
    os.dup2(output.fileno(), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    output.close()
    for i, epochs in enumerate(task["epochs"]):
        for name in task["turns"][:: 1 if i % 2 == 0 else -1]:
            run_dir = Path(task["folder"]) / f"{name}{i}"
            run_dir.mkdir(parents=True)
            tracked = name == "mlflow" and task["tracking"]
            settings = {"name": "mlflow", **task["tracking"]} if tracked else {"name": "none"}
            _train(settings, run_dir, name, [*task["settings"], f"trainer.epochs={epochs}"])
    print("over", flush=True)


def _train(settings: Mapping[str, Any], run_dir: Path, name: str, overrides: list[str]) -> None:
    import tensorflow as tf

    from trainrun.hydra_bridge import preflight
    from trainrun.run import builders
    from trainrun.tracking.record import Recorder
    from trainrun.tracking.settings import TrackingSettings

    config, problems = preflight.overrides(overrides)
    assert not problems, problems
    job = builders.job(config, builders.dataset(config), tf.distribute.get_strategy())
    recorder = Recorder(
        run_dir, TrackingSettings.of(settings), warn=lambda text: print("warning", text, flush=True)
    )
    recorder.start(run_id=run_dir.name, config=config, dataset={"name": "digits", "digest": "ab" * 32})
    print("training", run_dir, flush=True)
    before, began = _processor(recorder), time.perf_counter()
    builders.trainer(config).train(job, [recorder.callback()])
    seconds, after = time.perf_counter() - began, _processor(recorder)
    share = (after[1] - before[1]) / seconds if after[0] == before[0] and after[0] is not None else "-"
    if settings["name"] == "mlflow":
        job.model.save(run_dir / "model.keras")
        recorder.model("model.keras", job.dataset.inputs, [*job.model.output_shape[1:]])
    print("trained", flush=True)
    recorder.end("FINISHED")
    print("seconds", name, seconds, share, flush=True)


def _processor(recorder: Recorder) -> tuple[int | None, float]:
    """Return the delivery process, and the seconds of processor time that it has used."""
    pid = recorder.delivery and recorder.delivery.courier.process_id
    if not pid or not psutil.pid_exists(pid):
        return None, 0.0
    times = psutil.Process(pid).cpu_times()
    return pid, times.user + times.system
