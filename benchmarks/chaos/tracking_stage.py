"""An MLflow server behind a proxy that makes faults, and what it has of runs, compared with their journals."""

from __future__ import annotations

import importlib.util
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

spec = importlib.util.spec_from_file_location("servers", Path(__file__).parents[2] / "tests" / "servers.py")
servers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(servers)


class Stage:
    """A server, a proxy before it, and what a fault may need."""

    def __init__(self, folder: Path, database: Any = None, aside: bool = True):
        self.folder, self.database = folder, database
        folder.mkdir(exist_ok=True)
        self.server = servers.MlflowServer(folder, database.uri if database else None, aside=aside).start()
        self.proxy = servers.FaultyProxy(self.server.uri)
        self._restarting = threading.Lock()

    def close(self) -> None:
        """End both."""
        self.proxy.close()
        self.server.kill()

    def restart(self, pause: float = 1.0) -> None:
        """Kill the server, and its database, and start them again; of two runs that want it, one after the other."""
        with self._restarting:
            self.server.kill()
            if self.database:
                self.database.stop()
            time.sleep(pause)
            if self.database:
                self.database.start()
            self.server.start()

    def forget(self) -> None:
        """Have the server lose the runs that it has."""
        with sqlite3.connect(self.folder / "server.db", timeout=30) as database:
            for table in ("latest_metrics", "metrics", "params", "tags", "runs"):
                database.execute(f"DELETE FROM {table}")


def proxy(fault: str | int | None, share: float = 1.0, delay: float = 5.0) -> Callable[[Stage], None]:
    """Return what sets the proxy's fault."""

    def act(stage: Stage) -> None:
        stage.proxy.fault, stage.proxy.share, stage.proxy.delay = fault, share, delay

    return act


def count(stage: Stage, runs: list[Path]) -> tuple[int, int, int, int]:
    """Compare MLflow with the journals; return values written, delivered, lost and doubled.

    A parameter, an end and a model count as a value each, a second run of the same directory as all of its own.
    """
    from mlflow import MlflowClient

    from trainrun.tracking import journal

    client = MlflowClient(stage.server.uri)
    experiments = [e.experiment_id for e in client.search_experiments()]
    written: Counter = Counter()
    delivered: Counter = Counter()
    for run_dir in runs:
        records = journal.read(run_dir / "journal.jsonl").records
        for record in records:
            step = record.get("step" if record["kind"] == "system" else "epoch")
            for name, value in (record.get("metrics") or {}).items():
                written[run_dir.name, name, step, value, int(record["time"] * 1000)] += 1
            for name in record.get("params") or {}:
                written[run_dir.name, "param", name] += 1
            if record["kind"] == "end":
                written[run_dir.name, "end", record["status"]] += 1
            if record.get("model"):
                written[run_dir.name, "model"] += 1
        for run in client.search_runs(experiments, f"tags.run_dir = '{run_dir}'"):
            for name in run.data.metrics:
                for m in client.get_metric_history(run.info.run_id, name):
                    if name != "step":
                        delivered[run_dir.name, name, m.step, m.value, m.timestamp] += 1
            for name in run.data.params:
                delivered[run_dir.name, "param", name] += 1
            delivered[run_dir.name, "end", run.info.status] += 1
            models = run.outputs.model_outputs if run.outputs else []
            if models:
                delivered[run_dir.name, "model"] += len(models)
    lost = sum((written - delivered).values())
    doubled = sum((delivered - written).values())
    return sum(written.values()), sum(delivered.values()) - doubled, lost, doubled
