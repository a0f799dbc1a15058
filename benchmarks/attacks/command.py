"""What attacks share: trainrun as a process of its own in a folder, killed when a condition holds; and what it has left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SMALL = ("data=iris", "artifacts.plots=false", "artifacts.report=false")
QUIET = (*SMALL, "tracking=none")
FAST = ("data=iris", "trainer.epochs=1", "artifacts=none", "tracking=none")
TIMEOUT_S = 240.0


def trainrun(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in a folder."""
    command = [sys.executable, "-P", "-m", "trainrun", *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def shell(
    folder: Path, *words: str, redirection: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `trainrun` by a shell, so that its streams can be redirected."""
    return subprocess.run(
        ["bash", "-c", f'exec "$@" {redirection}', "bash", sys.executable, "-P", "-m", "trainrun", *words],
        cwd=folder,
        env={**os.environ, "XDG_CONFIG_HOME": str(folder / "config"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def begun(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """Begin a command line in a folder."""
    command = [sys.executable, "-P", "-m", "trainrun", *map(str, words)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed(folder: Path, *words: str, when: Callable[[], Any]) -> None:
    """Begin a command line, and kill it together with its delivery process once a condition holds."""
    process = begun(folder, *words)
    try:
        wait_for(when, process)
    finally:
        delivery = [p for p in children(process.pid) if "delivery.service" in p[1]]
        for pid in (*(p for p, _ in delivery), process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until a condition holds; the process must live meanwhile."""
    until = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < until, "the condition never held"
        assert process is None or process.poll() is None, f"the process exited with {process.returncode}"
        time.sleep(0.02)


def children(pid: int) -> list[tuple[int, str]]:
    """Return number and command line of the processes that a process has started."""
    started = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if parent(int(path.name)) == pid:
                started.append(
                    (int(path.name), (path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
                )
    return started


def parent(pid: int) -> int:
    """Return the process that has started a process, or 0 where that has ended."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def records(run_dir: Path) -> list[dict[str, Any]]:
    """Return a journal's records; [] while there is none."""
    with contextlib.suppress(OSError):
        lines = (run_dir / "journal.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]
    return []


def epochs(run_dir: Path | None) -> int:
    """Return how many epochs a journal has."""
    return 0 if run_dir is None else sum(r["kind"] == "epoch" for r in records(run_dir))


def only_run(folder: Path) -> Path | None:
    """Return the directory of the run, or None before it is made."""
    return next((folder / "outputs" / "runs").glob("*/"), None)


def only_sweep(folder: Path) -> Path | None:
    """Return the directory of the sweep, or None before it is made."""
    return next((folder / "outputs" / "sweeps").glob("*/"), None)


def summaries(folder: Path) -> int:
    """Return how many trials have a summary."""
    return len([*folder.glob("outputs/sweeps/*/[0-9]*/summary.json")])


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return what a SQLite file answers."""
    with contextlib.closing(sqlite3.connect(database)) as opened:
        return opened.execute(sql).fetchall()


def consistent(folder: Path, run_dir: Path, status: str) -> None:
    """Hold a run's journal and MLflow against each other: no gap, one MLflow run, each metric once, the same status."""
    assert [r["seq"] for r in records(run_dir)] == list(range(len(records(run_dir))))
    assert records(run_dir)[-1]["status"] == status
    database = folder / "mlflow.db"
    runs = query(
        database,
        f"SELECT run_uuid, status FROM runs JOIN tags USING (run_uuid) WHERE key = 'run_dir' AND value = '{run_dir}'",
    )
    assert [s for _, s in runs] == [status], runs
    doubled = query(
        database,
        f"SELECT key, step FROM metrics WHERE run_uuid = '{runs[0][0]}' GROUP BY key, step HAVING count(*) > 1",
    )
    assert not doubled, doubled
    written = {r["epoch"] for r in records(run_dir) if r["kind"] == "epoch"}
    sent = query(
        database, f"SELECT DISTINCT step FROM metrics WHERE run_uuid = '{runs[0][0]}' AND key = 'loss'"
    )
    assert {step for (step,) in sent} == written, (sent, written)
