"""Strangers' addresses, secrets, terminals and processes: kinds 4, 5, 8, 9 and 10."""

from __future__ import annotations

import http.server
import json
import os
import pickle
import platform
import pty
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from attacks.command import QUIET, begun, children, only_run, records, summaries, wait_for

SECRET = "s3cr3tPassw0rd"
FAST = ("data=iris", "trainer.epochs=1", "artifacts=none", "tracking=none")
LEAVES = """
import os, subprocess, time
import keras, trainrun
@trainrun.register("callback", "leaves")
def leaves(how: str = "end"):
    class Leaves(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            subprocess.Popen(["sleep", "86399"])
            subprocess.Popen(["sleep", "86399"], start_new_session=True)
            {"end": lambda: None, "kill": lambda: os.kill(os.getpid(), 9), "hang": lambda: time.sleep(1000)}[how]()
    return Leaves()
"""


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


# 8. Terminals and disks.


def closed_and_full_streams(folder: Path) -> None:
    """a full disk behind the output, closed descriptors, a reader that has left"""
    for redirection in ("> /dev/full 2>&1", "<&- >&- 2>&-", "| true"):
        done = shell(folder, *FAST, redirection=redirection)
        assert done.returncode == 0 and done.stderr == "", (redirection, done.stderr)
    ends = [json.loads(p.read_text().splitlines()[-1])["status"] for p in folder.rglob("journal.jsonl")]
    assert ends == ["FINISHED"] * 3


def _terminal_closed(folder: Path, ignored: bool, epochs: int) -> int:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        if ignored:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        words = ["data=iris", f"trainer.epochs={epochs}", "artifacts=none", "tracking=none"]
        os.execv(sys.executable, [sys.executable, "-P", "-m", "trainrun", *words])
    printed = b""
    while b"epoch" not in printed.lower():
        printed += os.read(terminal, 4096)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def terminal_closed_under_nohup(folder: Path) -> None:
    """the terminal goes away under nohup: the run finishes"""
    assert _terminal_closed(folder, True, 300) == 0
    assert records(only_run(folder))[-1]["status"] == "FINISHED"


def terminal_closed(folder: Path) -> None:
    """the terminal goes away: the run is saved and ends"""
    assert _terminal_closed(folder, False, 100_000) == 129
    assert records(only_run(folder))[-1]["status"] == "KILLED"
    assert list((only_run(folder) / "checkpoints").glob("*.npz"))


def control_characters(folder: Path) -> None:
    """control characters in a received run, in every verb that shows it"""
    run_dir = folder / "outputs" / "runs" / "received"
    run_dir.mkdir(parents=True)
    hostile = "\x1b]0;owned\x07\x1b[2J\u202e"
    start = {"seq": 0, "time": 1.0, "kind": "start", "run_id": hostile, "name": hostile, "host": platform.node(), "pid": 2**22 + 1,
             "overrides": [hostile], "config": {}}  # fmt: skip
    end = {"seq": 1, "time": 2.0, "kind": "end", "status": "FAILED", "reason": hostile}
    (run_dir / "journal.jsonl").write_text("".join(json.dumps(r) + "\n" for r in (start, end)))
    for words in (
        ["runs"],
        ["runs", "--json"],
        ["resume", "received"],
        ["sync", "received", "--timeout", "0"],
    ):
        done = shell(folder, *words)
        assert not set(done.stdout + done.stderr) & {"\x1b", "\x07", "\u202e"}, words


# 9. Processes.


def files_named_like_modules(folder: Path) -> None:
    """files of the project that are named like modules, and a long temporary folder"""
    for name in (
        "random",
        "types",
        "signal",
        "struct",
        "select",
        "socket",
        "ast",
        "token",
        "numpy",
        "keras",
        "json",
    ):
        (folder / f"{name}.py").write_text("raise SystemExit('imported')\n")
    temporary = folder / ("long" * 30)
    temporary.mkdir()
    done = shell(folder, "-m", *QUIET, "trainer.epochs=1", "seed=1,2", TMPDIR=str(temporary))
    assert done.returncode == 0, done.stdout + done.stderr


def what_trials_leave_behind(folder: Path) -> None:
    """children of trials that end, are killed, and hang"""
    (folder / "leaves.py").write_text(LEAVES)
    done = shell(
        folder, "-m", *QUIET, "trainer.epochs=1", "plugins=[./leaves.py]", "callback=leaves", "callback.leaves.how=end,kill,hang",
        "sweep.trial_timeout=15", "checkpoint.grace=1",
    )  # fmt: skip
    assert done.returncode == 1
    left = subprocess.run(["pgrep", "-f", "sleep 86399"], capture_output=True, text=True, check=False).stdout
    assert left == "", left


def fork_server_killed(folder: Path) -> None:
    """fork server killed in the middle of a sweep"""
    process = begun(
        folder,
        "-m",
        *QUIET,
        "seed=1,2,3,4",
        "trainer.epochs=150",
        "hydra.launcher.n_jobs=2",
        "sweep.reuse=never",
    )
    wait_for(lambda: summaries(folder) >= 1, process)
    servers = [pid for pid, command in children(process.pid) if "forkserver" in command]
    assert len(servers) == 1, children(process.pid)
    os.kill(servers[0], signal.SIGKILL)
    assert process.wait() == 0
    ends = [json.loads(p.read_text())["status"] for p in folder.glob("outputs/sweeps/*/[0-9]/summary.json")]
    assert ends == ["FINISHED"] * 4, ends


def damaged_study(folder: Path) -> None:
    """Optuna studies that hold bytes of anything, and a pickle"""
    words = ["-m", *QUIET, "trainer.epochs=1", "hydra/sweeper=optuna", "hydra.sweeper.sampler=cmaes", "sweep.trials=3",
             "optimizer.learning_rate=interval(0.001,0.1)", "optimizer.beta_1=interval(0.1,0.9)"]  # fmt: skip
    assert shell(folder, *words).returncode == 0
    study = next(folder.glob("outputs/sweeps/*/study.journal"))
    whole = study.read_text()
    assert "optimizer" not in whole.replace("optimizer.", "")  # no pickle is written
    program = pickle.dumps(Program(f"touch {folder}/ran")).hex()
    attribute = {"op_code": 9, "worker_id": "x", "trial_id": 0, "system_attr": {"cma:optimizer:0": program}}
    for content in (
        whole + json.dumps(attribute) + "\n",
        whole[:200],
        "[]\n",
        "\0" * 999,
        "9" * 9999 + "\n",
        '{"op_code": 4}\n',
    ):
        study.write_text(content)
        done = shell(folder, "resume", "last", "sweep.trials=5")
        assert done.returncode in (0, 1, 2) and "Traceback" not in done.stderr, (content[:50], done.stderr)
    assert not (folder / "ran").exists()


class Program:
    """Runs a program when it is unpickled.

    Args:
        command: for the shell.
    """

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, (self.command,)


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
    8: (closed_and_full_streams, terminal_closed_under_nohup, terminal_closed, control_characters),
    9: (files_named_like_modules, what_trials_leave_behind, fork_server_killed, damaged_study),
}
