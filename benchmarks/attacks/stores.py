"""MLflow's stores that are down, hang, lack something or lie in odd places: kind 6, no head-of-line blocking."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from attacks.command import SMALL, begun, consistent, only_run, query, records, trainrun, wait_for


def artifact_store_down(folder: Path) -> None:
    """artifact store that cannot be reached"""
    from mlflow import MlflowClient

    MlflowClient(f"sqlite:///{folder}/mlflow.db").create_experiment("e", "http://127.0.0.1:1/art")
    done = trainrun(folder, *SMALL, "trainer.epochs=3", "tracking.experiment=e")
    assert done.returncode == 0 and "accepts no files" in done.stderr, done.stderr
    consistent(folder, only_run(folder), "FINISHED")


def artifact_store_hangs(folder: Path) -> None:
    """artifact store that takes files and never answers"""
    from mlflow import MlflowClient

    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"http://127.0.0.1:{server.getsockname()[1]}/art"
        MlflowClient(f"sqlite:///{folder}/mlflow.db").create_experiment("e", place)
        process = begun(folder, *SMALL, "trainer.epochs=3", "tracking.experiment=e", "tracking.timeout=25")
        wait_for(lambda: any(r["kind"] == "end" for r in records(only_run(folder) or folder)), process)
        ended = time.monotonic()
        wait_for(lambda: query(folder / "mlflow.db", "SELECT 1 FROM runs WHERE status = 'FINISHED'"), process)
        assert time.monotonic() - ended < 20  # MLflow itself is imported meanwhile
        assert process.wait() == 0
        consistent(folder, only_run(folder), "FINISHED")
        began = time.monotonic()
        done = trainrun(folder, "sync", "--timeout", "5")
        assert done.returncode == 1 and "no answer in time" in done.stderr, done.stderr
        assert time.monotonic() - began < 60  # of it 5 s; MLflow is imported first


def odd_places(folder: Path) -> None:
    """stores that keep nothing, folders and experiments with odd names"""
    for uri in ("sqlite://", "sqlite:///:memory:", "a?b.db", "sqlite:///a#b.db", "a%20b.db"):
        done = trainrun(folder, *SMALL, "trainer.epochs=1", f"tracking.uri='{uri}'")
        assert done.returncode == 2 and "tracking.uri" in done.stderr, (uri, done.stderr)
    odd = folder / "a?b"
    odd.mkdir()
    assert trainrun(odd, *SMALL, "trainer.epochs=1").returncode == 2
    for name in ("..", ".", "a/../../b", "x" * 300):
        done = trainrun(folder, *SMALL, "trainer.epochs=1", f"tracking.experiment={name}")
        assert done.returncode == 0 and done.stderr == "", (name, done.stderr)
    assert {p.name for p in folder.iterdir()} <= {"mlflow.db", "mlartifacts", "outputs", "a?b"}
    roots = query(folder / "mlflow.db", "SELECT artifact_location FROM experiments WHERE name != 'Default'")
    assert {Path(root).parent.name for (root,) in roots} == {"mlartifacts"}, roots


def database_is_a_folder(folder: Path) -> None:
    """mlflow.db that is a folder: sync --timeout 5"""
    (folder / "mlflow.db").mkdir()
    assert trainrun(folder, *SMALL, "trainer.epochs=1").returncode == 0
    began = time.monotonic()
    done = trainrun(folder, "sync", "--timeout", "5")
    assert done.returncode == 1 and "cannot be opened" in done.stderr and time.monotonic() - began < 20, (
        done.stderr
    )


def experiment_deleted(folder: Path) -> None:
    """experiment deleted in MLflow"""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    client.delete_experiment(client.create_experiment("e"))
    done = trainrun(folder, *SMALL, "trainer.epochs=1", "tracking.experiment=e")
    assert done.returncode == 0 and "was deleted" in done.stderr, done.stderr
    assert "everything is delivered" not in trainrun(folder, "sync", "--all").stdout
    assert query(folder / "mlflow.db", "SELECT lifecycle_stage FROM experiments WHERE name = 'e'") == [
        ("deleted",)
    ]


ATTACKS = {
    6: [artifact_store_down, artifact_store_hangs, odd_places, database_is_a_folder, experiment_deleted],
}
