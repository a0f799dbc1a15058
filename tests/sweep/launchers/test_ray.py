"""Sweeps on a Ray cluster that was there before: a real head on the loopback, with room for two trials."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from trainrun.cli import main
from trainrun.sweep.launchers import file_sync, launcher_settings, ray_address
from trainrun.sweep.launchers.protocol import FilePart
from trainrun.util import grants

TOKEN = "0123456789abcdef0123456789abcdef"


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@pytest.fixture(scope="module")
def cluster():
    """The address of a head that listens on 127.0.0.1 only, and what the environment must say to reach it."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # Ray's sockets: a path of at most 107 characters
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
        # Ray takes 127.0.0.1 for the machine's address on the network, unless it thinks it is on a Mac.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_TMPDIR": folder,
    }
    port = free_port()
    command = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", f"--port={port}"]
    command += ["--node-ip-address=127.0.0.1", "--num-cpus=2", "--include-dashboard=false"]
    command += ["--object-store-memory=100000000", "--disable-usage-stats", f"--temp-dir={folder}"]
    command += [f"--ray-client-server-port={free_port()}", "--min-worker-port=0", "--max-worker-port=0"]
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
    reader.start()
    while not any("block forever" in line for line in lines):
        assert process.poll() is None and time.monotonic() < until, "".join(lines)
        time.sleep(0.2)
    # Sweeps that are resumed have their address from a file.
    yield f"127.0.0.1:{port}", {**environment, grants.ADDRESSES: f"ray://127.0.0.1:{port}"}
    # To the command alone: it ends its processes.
    process.terminate()
    try:
        process.wait(30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join()
        process.stdout.close()


@pytest.fixture
def ray_sweeps(cluster, sweeps_of, tmp_path):
    address, environment = cluster
    return sweeps_of(tmp_path, ["hydra/launcher=ray", f"hydra.launcher.address={address}"], environment)


@pytest.fixture(scope="module")
def broken(cluster, sweeps_of, tmp_path_factory):
    """A sweep whose nodes do not see its directory; a trial dies, one's worker is killed, one is pruned."""
    address, environment = cluster
    launcher = [
        "hydra/launcher=ray",
        f"hydra.launcher.address={address}",
        "hydra.launcher.shared_files=false",
    ]
    sweeps = sweeps_of(tmp_path_factory.mktemp("ray"), launcher, environment)
    return sweeps.sweep(
        "callback.fate.how=no,exit,killed,worker,poor,no2",
        "trainer.epochs=5",
        "sweep/pruner=threshold",
        "sweep.pruner.upper=50",
        "sweep.objective=val_loss",
    )


@pytest.mark.slow
def test_failure_of_a_trial_or_its_worker_affects_no_other(broken):
    rows = broken.rows
    assert broken.code == 1 and "Traceback" not in broken.output
    words = ["FINISHED", "FAILED", "FAILED", "FAILED", "PRUNED", "FINISHED"]
    assert [rows[i]["status"] for i in range(6)] == words, broken.output
    assert "exit code 7" in rows[1]["reason"]
    assert "SIGKILL" in rows[2]["reason"]
    assert "worker on the cluster died" in rows[3]["reason"]


@pytest.mark.slow
def test_what_trials_wrote_elsewhere_is_brought_back(broken):
    records = [json.loads(x) for x in (broken.dir / "0" / "journal.jsonl").read_text().splitlines()]
    assert [r["seq"] for r in records] == [*range(len(records))]
    assert records[0]["run_dir"] == str(broken.dir / "0") and records[-1]["status"] == "FINISHED"
    for name in ("model.keras", "summary.json", "run.log", "checkpoints/last.npz"):
        assert (broken.dir / "0" / name).stat().st_size > 0
    assert (broken.dir / "4" / "checkpoints" / "last.npz").is_file(), "a pruned trial can be continued"
    kinds = [json.loads(x)["kind"] for x in (broken.dir / "2" / "journal.jsonl").read_text().splitlines()]
    assert kinds.count("epoch") == 2 and kinds[-1] == "end", (
        "up to its last epoch, and the end it could not write"
    )
    assert not [*broken.dir.rglob(f"*{file_sync.PART}")]


@pytest.mark.slow
def test_mlflow_has_every_trial(broken):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{broken.folder / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("trainrun").experiment_id])
    by_name = {Path(r.data.tags["run_dir"]).name: r for r in runs if "run_dir" in r.data.tags}
    assert {str(n) for n in range(6)} <= set(by_name)
    assert [by_name[str(n)].info.status for n in (0, 4, 5)] == ["FINISHED"] * 3
    history = client.get_metric_history(by_name["0"].info.run_id, "val_loss")
    assert len([m for m in history if m.step]) >= 5


@pytest.mark.slow
def test_trial_resumes_on_another_node_to_identical_bits(ray_sweeps, monkeypatch):
    """The checkpoints come back at the end, and go along when the trial goes on."""
    common = [
        "hydra.launcher.shared_files=false",
        "tracking=none",
        "trainer.epochs=60",
        "hardware.deterministic=true",
    ]
    ray_sweeps.interrupted(*common, "callback.fate.how=slow", "optimizer.learning_rate=0.01,0.02")
    assert ray_sweeps.code == 130, ray_sweeps.output
    assert [ray_sweeps.summary(n)["status"] for n in (0, 1)] == ["KILLED", "KILLED"]
    ray_sweeps.run("resume", "last", "n_jobs=1")  # one worker imports TensorFlow
    assert ray_sweeps.code == 0, ray_sweeps.output
    content = ray_sweeps.summary(0)
    assert (
        content["status"] == "FINISHED" and content["resumed_from"]["epoch"] > 0 and content["epochs"] == 60
    )
    monkeypatch.chdir(ray_sweeps.folder)
    alone = [
        "data=iris", "artifacts.report=false", "artifacts.plots=false", "tracking=none", "trainer.epochs=60",
        "hardware.deterministic=true", "optimizer.learning_rate=0.01", "hydra.run.dir=alone",
    ]  # fmt: skip
    assert main(alone) == 0
    summary = json.loads((ray_sweeps.folder / "alone" / "summary.json").read_text())
    assert summary["weights_sha256"] == content["weights_sha256"]


@pytest.mark.slow
def test_wrong_token_is_reported_within_half_a_minute(cluster, ray_sweeps):
    ray_sweeps.environment = {**cluster[1], "RAY_AUTH_TOKEN": "f" * 32}
    began = time.monotonic()
    ray_sweeps.sweep("optimizer=adam,sgd", "tracking=none")
    assert time.monotonic() - began < 60  # the limit is 25 s, on a machine that does other things
    assert ray_sweeps.code == 2 and "RAY_AUTH_MODE" in ray_sweeps.output, ray_sweeps.output
    assert not (ray_sweeps.folder / "outputs").exists()


def fault(address):
    """Return what is wrong with an address of the command line."""
    with grants.of_command_line([f"hydra.launcher.address={address}"]):
        return ray_address.fault(address)


def test_address_that_only_a_yaml_names_is_refused(monkeypatch):
    monkeypatch.delenv(grants.ADDRESSES, raising=False)
    assert "trainrun --trust ray://127.0.0.1:1" in ray_address.fault("127.0.0.1:1")


def test_address_without_a_listener_is_refused():
    assert "no server answers at" in fault(f"127.0.0.1:{free_port()}")
    assert "expected host:port" in fault("somewhere")


@pytest.mark.parametrize("port", ["²", "65536", "1" * 30])
def test_address_in_the_environment_with_no_port_number_is_refused(port, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", f"localhost:{port}")
    assert "expected host:port" in ray_address.fault(None)


def test_listener_that_is_no_ray_head_is_refused_after_the_time_limit(monkeypatch):
    monkeypatch.setattr(ray_address, "LIMIT", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert "did not answer as a Ray head" in fault(f"127.0.0.1:{server.getsockname()[1]}")


def test_auto_without_a_cluster(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert "ray start --head" in ray_address.fault("auto")
    assert ray_address.fault(None) is None and ray_address.own(None), "no address: a Ray of the sweep's own"


def test_without_the_package_one_sentence_tells_how_to_install_it(monkeypatch):
    monkeypatch.setattr(launcher_settings.importlib.util, "find_spec", lambda name: None)
    (problem,) = launcher_settings.problems("ray", {"address": "127.0.0.1:1"})
    assert "pip install 'trainrun[ray]'" in problem.message


def test_a_mirror_brings_pieces_replacements_and_deletions(tmp_path):
    remote, here = tmp_path / "there", tmp_path / "here"
    remote.mkdir()
    here.mkdir()
    (here / "journal.jsonl").write_text("one\n")
    twin = file_sync.Mirror(0, remote, str(here), file_sync.pack(here), lambda m: file_sync.receive(here, m))
    with open(remote / "journal.jsonl", "a") as file:
        file.write(f'{{"run_dir":"{remote}"}}\n')
    (remote / "checkpoints").mkdir()
    (remote / "checkpoints" / "a.npz").write_bytes(os.urandom(2 * file_sync.PIECE + 5))
    (remote / "empty").touch()
    twin.end()
    assert (here / "journal.jsonl").read_text() == f'one\n{{"run_dir":"{here}"}}\n'
    assert (here / "checkpoints/a.npz").read_bytes() == (remote / "checkpoints/a.npz").read_bytes()
    assert (here / "empty").exists()
    (remote / "checkpoints" / "a.npz").unlink()
    twin.end()
    assert not (here / "checkpoints/a.npz").exists()
    for name in ("../x", "/etc/x"):
        with pytest.raises(ValueError, match="not inside"):
            file_sync.receive(here, FilePart(0, name, b"", grows=True))
