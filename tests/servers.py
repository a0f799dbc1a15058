"""Real tracking servers for tests and benchmarks, on the loopback: MLflow on SQLite or PostgreSQL, and a proxy with faults."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


class MlflowServer:
    """`mlflow server`, to be started, killed and started again on one port.

    Args:
        folder: for its artifacts and log.
        store: SQLAlchemy's address of its database; None: a SQLite file in `folder`.
        aside: give it only the time that nobody else wants, as if it had a machine of its own.
    """

    def __init__(self, folder: Path, store: str | None = None, aside: bool = False):
        self.folder, self.port, self.aside = folder, free_port(), aside
        self.store = store or f"sqlite:///{folder}/server.db"
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen | None = None

    def start(self) -> MlflowServer:
        """Start it, and wait until it answers."""
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--backend-store-uri", self.store, "--workers", "1"),
            *("--artifacts-destination", str(self.folder / "artifacts"), "--serve-artifacts"),
        ]
        environment = {
            **os.environ,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        environment.pop("MLFLOW_TRACKING_URI", None)
        with open(self.folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
                preexec_fn=_step_aside if self.aside else None,
            )
        for _ in range(600):
            with (
                contextlib.suppress(OSError, urllib.error.URLError),
                urllib.request.urlopen(f"{self.uri}/health", timeout=2),
            ):
                return self
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        self.kill()
        raise RuntimeError((self.folder / "server.log").read_text()[-3000:])

    def kill(self) -> None:
        """Kill it, as a power failure does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def _step_aside() -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with contextlib.suppress(OSError):  # Linux may share the processor among sessions first
        Path("/proc/self/autogroup").write_text("19")


def postgres_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs; as root, where apt is, it is installed if need be."""
    for attempt in (1, 2):
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if programs:
            return programs[-1].parent
        if attempt == 1 and os.geteuid() == 0 and shutil.which("apt-get"):
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": False}
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", "update"], env=environment, **quiet)
            subprocess.run(["apt-get", "install", "-y", "postgresql"], env=environment, **quiet)
    return None


class Postgres:
    """A PostgreSQL database of its own, in a temporary folder, on the loopback.

    Args:
        programs: where initdb and postgres are.
    """

    def __init__(self, programs: Path):
        self.programs, self.port = programs, free_port()
        # Not below pytest's folder: the user that it runs as may not go there.
        self.folder = Path(tempfile.mkdtemp(prefix="trainrun-postgres-"))
        self._as: list[str] = []
        if os.geteuid() == 0:  # it refuses to run as root
            shutil.chown(self.folder, "postgres")
            self._as = ["runuser", "-u", "postgres", "--"]
        self._process: subprocess.Popen | None = None

    @property
    def uri(self) -> str:
        """SQLAlchemy's address."""
        return f"postgresql+psycopg2://mlflow@127.0.0.1:{self.port}/postgres"

    def create(self) -> Postgres:
        """Make the database, and start it."""
        self._run("initdb", "-D", f"{self.folder}/data", "-U", "mlflow", "-A", "trust", "-E", "UTF8")
        return self.start()

    def start(self) -> Postgres:
        """Start it, and wait until it answers."""
        options = [
            "-D",
            f"{self.folder}/data",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-k",
            str(self.folder),
        ]
        with open(os.devnull, "wb") as nowhere:
            self._process = subprocess.Popen(
                [*self._as, str(self.programs / "postgres"), *options, "-c", "fsync=off"],
                stdout=nowhere,
                stderr=nowhere,
                cwd="/",
                start_new_session=True,
            )
        for _ in range(300):
            ready = [str(self.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(ready, check=False).returncode == 0:
                return self
            time.sleep(0.1)
        raise RuntimeError("PostgreSQL does not answer")

    def stop(self) -> None:
        """End it at once, connections and all."""
        if self._process is not None:
            self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop")
            self._process.wait(20)
            self._process = None

    def remove(self) -> None:
        """End it, and take its folder away."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as, str(self.programs / program), *arguments], check=True, capture_output=True, cwd="/"
        )


class FaultyProxy:
    """Stands between us and a server, and does to each request what `fault` says.

    None: passes it on; ``slow``: after `delay` seconds; a number (500, 401): answers with it and passes nothing on;
    ``reset``: breaks the connection off; ``lost``: passes it on, and breaks off instead of answering;
    ``silent``: never answers.

    Args:
        uri: the server's address.
    """

    def __init__(self, uri: str):
        self.server, self.port = uri, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.fault: str | int | None = None
        self.share = 1.0  # of the requests that the fault happens to
        self._dice = random.Random(1)
        self.delay = 5.0
        self.allowed: int | None = None  # requests that are passed on before each is answered with 500
        self.requests = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                proxy.serve(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

            def handle_error(self, *arguments: object) -> None:
                """Connections that break off are what it is for."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Handle one request."""
        self.requests += 1
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        fault = self.fault if self._dice.random() < self.share else None
        if self.allowed is not None:
            self.allowed -= 1
            fault = 500 if self.allowed < 0 else None
        if fault == "slow":
            time.sleep(self.delay)
        elif fault == "silent":
            time.sleep(3600)
        elif fault == "reset":
            self._break_off(handler)
            return
        elif isinstance(fault, int):
            self._answer(handler, fault, {"Content-Type": "text/plain"}, b"no")
            return
        status, headers, content = self._ask(handler, body)
        if fault == "lost":
            self._break_off(handler)
            return
        self._answer(handler, status, headers, content)

    def _ask(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {k: v for k, v in handler.headers.items() if k.lower() not in ("host", "content-length")}
        asked = urllib.request.Request(
            self.server + handler.path, data=body or None, headers=headers, method=handler.command
        )
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()
        except OSError:
            return 502, {}, b"the server does not answer"

    @staticmethod
    def _break_off(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _answer(
        handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], content: bytes
    ) -> None:
        handler.send_response(status)
        kept = ("content-type",)
        for key, value in headers.items():
            if key.lower() in kept:
                handler.send_header(key, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


@contextlib.contextmanager
def mlflow_server(folder: Path, store: str | None = None) -> Iterator[MlflowServer]:
    """A server for the time of a `with`."""
    server = MlflowServer(folder, store).start()
    try:
        yield server
    finally:
        server.kill()
