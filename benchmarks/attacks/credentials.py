"""Strangers' addresses and secrets in records: kinds 4 and 5."""

from __future__ import annotations

import http.server
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from attacks.command import FAST, shell

SECRET = "s3cr3tPassw0rd"


def listening() -> http.server.ThreadingHTTPServer:
    """Start a server that refuses everything, and keeps the credentials that it was sent."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.server.seen.append(self.headers.get("Authorization"))
            self.send_error(401)

        do_POST = do_GET

        def log_message(self, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def holding(folder: Path, word: str, own: Sequence[str] = ()) -> list[Path]:
    """Return the files below a folder that hold a word, but for the user's own."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name not in own and ".git" not in p.parts)
    return [p for p in files if word.encode() in p.read_bytes()]


# 4. Credentials and addresses.


def address_of_a_preset(folder: Path) -> None:
    """a stranger's preset names a server: no token, user or password is sent there"""
    server = listening()
    preset = folder / "stranger" / "experiment" / "nice.yaml"
    preset.parent.mkdir(parents=True)
    uri = f"http://127.0.0.1:{server.server_port}"
    preset.write_text(f"# @package _global_\ntracking:\n  uri: {uri}\n  timeout: 20.0\n")
    words = ["--config-dir", "stranger", "experiment=nice", *FAST[:3], "tracking.interval=0.1"]
    for credentials in (
        {"MLFLOW_TRACKING_TOKEN": SECRET},
        {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": SECRET},
    ):
        server.seen.clear()
        done = shell(folder, *words, **credentials)
        assert done.returncode == 0 and server.seen and set(server.seen) == {None}, (done.stderr, server.seen)
        assert f"--trust {uri}" in done.stderr


def variable_of_a_preset(folder: Path) -> None:
    """a stranger's preset reads variables of the environment"""
    preset = folder / "stranger" / "experiment" / "nice.yaml"
    preset.parent.mkdir(parents=True)
    for name in ("SECRETKEY", "JWT", "DSN", "DATABASE_URL", "KUBECONFIG_DATA", "SSHPASS", "SLACK_WEBHOOK"):
        preset.write_text(f"# @package _global_\nname: ${{oc.env:{name}}}\n")
        done = shell(folder, "check", "--config-dir", "stranger", "experiment=nice", **{name: SECRET})
        assert done.returncode == 2 and SECRET not in done.stdout + done.stderr, name


# 5. Secrets in records.


def password_in_an_address(folder: Path) -> None:
    """passwords with / ? # and @ in a tracker's address"""
    for i, character in enumerate("/?#@"):
        place = folder / str(i)
        place.mkdir()
        uri = f"postgresql://me:a{character}{SECRET}@127.0.0.1:9/db"
        done = shell(place, *FAST[:3], f"tracking.uri='{uri}'", "tracking.timeout=0.5")
        assert (
            done.returncode == 0 and SECRET not in done.stdout + done.stderr and holding(place, SECRET) == []
        )


def programs_of_a_repository(folder: Path) -> None:
    """a checkout whose settings and attributes name programs"""
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@localhost"]
    (folder / "s.vault").write_text("CIPHER\n")
    (folder / ".gitattributes").write_text("*.vault diff=vault filter=vault\n")
    program = folder / "program.sh"
    program.write_text(f"#!/bin/sh\necho > {folder}/ran\necho {SECRET}\n")
    program.chmod(0o755)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=folder, check=True)
    for setting in ("diff.vault.textconv", "filter.vault.clean", "core.fsmonitor", "diff.external"):
        subprocess.run([*git, "config", setting, str(program)], cwd=folder, check=True)
    (folder / "s.vault").write_text("CIPHER2\n")
    done = shell(folder, *FAST)
    assert (
        done.returncode == 0 and not (folder / "ran").exists() and holding(folder / "outputs", SECRET) == []
    )


def ray_address_of_a_preset(folder: Path) -> None:
    """a stranger's preset names a Ray cluster: neither token nor code is sent there"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        preset = folder / "stranger" / "experiment" / "nice.yaml"
        preset.parent.mkdir(parents=True)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        preset.write_text(
            f"# @package _global_\ndefaults:\n  - override /hydra/launcher: ray\nhydra:\n  launcher:\n    address: {address}\n"
        )
        words = ["-m", "--config-dir", "stranger", "experiment=nice", *FAST, "seed=1,2"]
        done = shell(folder, *words, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=SECRET)
        assert done.returncode == 2 and f"--trust ray://{address}" in done.stderr, done.stderr
        try:
            server.accept()
        except TimeoutError:
            return
        raise AssertionError("the address was contacted")


def artifact_store_of_a_database(folder: Path) -> None:
    """a received mlflow.db names a server for its files: no token is sent there"""
    from mlflow import MlflowClient

    server = listening()
    MlflowClient(f"sqlite:///{folder}/mlflow.db").create_experiment(
        "trainrun", f"http://127.0.0.1:{server.server_port}/art"
    )
    done = shell(folder, *FAST[:3], "tracking.timeout=10", MLFLOW_TRACKING_TOKEN=SECRET)
    assert done.returncode == 0 and "--trust http://127.0.0.1" in done.stderr, done.stderr
    assert not [seen for seen in server.seen if seen], server.seen


ATTACKS: dict[int, tuple[Callable[[Path], None], ...]] = {
    4: (address_of_a_preset, variable_of_a_preset, ray_address_of_a_preset, artifact_store_of_a_database),
    5: (password_in_an_address, programs_of_a_repository),
}
