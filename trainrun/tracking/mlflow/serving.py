"""Serve a .keras file by MLflow's own scoring server, in this process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainrun.errors import Problem, UserError
from trainrun.tracking.mlflow import model_files, store
from trainrun.ui import console

HOST = "127.0.0.1"


def serve(
    folder: Path, path: Path, about: Mapping[str, Any], port: int, ready: Callable[[str, Path], None]
) -> None:
    """Answer requests until SIGINT or SIGTERM.

    Args:
        folder: an empty one, for the MLflow model.
        path: the .keras file; plug-ins whose layers it contains are loaded.
        about: see `model_files.write_model`.
        port: on the loopback interface; 0: a free one.
        ready: is called with the server's address and the model's folder when the server listens.

    Raises:
        UserError: the port is in use, or the file holds code.
    """
    with contextlib.closing(_listening(port)) as listener:
        store.import_quietly()
        with warnings.catch_warnings(), console.hushed():
            warnings.simplefilter("ignore")  # of packages that MLflow would want in other versions
            import mlflow
            import uvicorn
            from mlflow.pyfunc import scoring_server

            from trainrun.model import inspected_file

            # MLflow loads it in Keras' safe mode, which allows more.
            inspected_file.inspect(path, "RUN")
            model_files.write_model(folder, path, about, None)
            application = scoring_server.init(mlflow.pyfunc.load_model(str(folder)))
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning"))
        ready(f"http://{HOST}:{listener.getsockname()[1]}", folder)
        _run(server, listener)


def _run(server: Any, listener: socket.socket) -> None:
    """Run a server of uvicorn until it is interrupted; in a thread where an event loop is running, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        server.run(sockets=[listener])
        return
    ended = threading.Event()  # a `join` that is interrupted takes the thread for one that has ended

    def run() -> None:
        try:
            server.run(sockets=[listener])
        finally:
            ended.set()

    threading.Thread(target=run).start()
    try:
        ended.wait()
    finally:
        server.should_exit = True
        ended.wait()


def _listening(port: int) -> socket.socket:
    """Return a socket that listens; before anything large is loaded."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        text = f"port {port} of {HOST} cannot be used: {error}. Name another one: --port 0 takes a free one."
        raise UserError(Problem("port", text)) from error
    return listener
