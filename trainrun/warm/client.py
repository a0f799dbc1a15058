"""The command's side: find the warm process, ask whether it fits, and hand the command line over.

A command that finds none loses a millisecond, and imports nothing. Everything here can be imported on every system.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainrun.util import user_cache
from trainrun.warm import address

if TYPE_CHECKING:
    import socket

OFF = "TRAINRUN_WARM"  # =0: train in the command's own process
VERBS = ("evaluate", "predict", "reproduce", "resume")  # which load TensorFlow
# Flags of commands that train nothing, or, as sweeps, have a process to fork from of their own.
COLD = (
    "-h", "--help", "--version", "--hydra-help", "--cfg", "-c", "--info", "-i", "--shell-completion", "-sc", "-m", "--multirun", "--trust",
)  # fmt: skip
ANSWER_TIMEOUT_S = 1.0  # of a process that only has to compare two texts
LARGEST_MESSAGE = 1 << 20


class Stale(Exception):
    """The warm process has imported other code, or in another environment, and has ended.

    Args:
        idle_s: seconds without a run after which it would have ended.
    """

    def __init__(self, idle_s: float):
        self.idle_s = idle_s


def takes(argv: Sequence[str]) -> bool:
    """Return whether a command line is one that the warm process runs, if there is one."""
    if sys.platform != "linux" or os.environ.get(OFF) == "0":
        return False
    first = argv[0] if argv else "="
    is_run = "=" in first or first.startswith(("-", "~"))
    # Variables that must be set before TensorFlow is imported.
    own_variables = any("hydra.job.env_set" in word for word in argv)
    flags = any(word.partition("=")[0] in COLD for word in argv)
    return (is_run or first in VERBS) and not own_variables and not flags


def attempt(argv: Sequence[str]) -> int | None:
    """Have the warm process run a command line, and return its exit code; None: there is none, nothing has been run.

    A run that a signal has killed kills this process likewise.

    Args:
        argv: the words after `trainrun`.

    Raises:
        Stale: there was one that does not fit; nothing has been run.
    """
    if not takes(argv) or _has_interpreter_options(argv):
        return None
    try:
        connection = connect()
        if connection is None:
            return None
        with connection:
            answer = ask(connection, {"ask": "fits", "fingerprint": address.fingerprint()})
            if answer.get("stale"):
                raise Stale(answer["idle_s"])
            from trainrun.warm import handover

            return handover.run(connection, argv)
    except (OSError, ValueError):  # it has ended just now, hangs, or takes no such message
        return None


def connect() -> socket.socket | None:
    """Return a connection to the warm process of this installation; None: there is none, or it is not this user's.

    Raises:
        OSError: there is a socket, and no process that answers.
    """
    path = address.path()
    if not os.path.exists(path) or not user_cache.is_private(os.path.dirname(path)):
        return None
    import socket

    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(ANSWER_TIMEOUT_S)
    try:
        connection.connect(path)
        if address.is_own(connection):
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def ask(connection: socket.socket, question: Any) -> dict[str, Any]:
    """Return the answer to a question.

    Raises:
        OSError, ValueError: there is none.
    """
    import json

    connection.send(address.packed(question))
    return json.loads(connection.recv(LARGEST_MESSAGE))


def _has_interpreter_options(argv: Sequence[str]) -> bool:
    """Return whether Python itself was given options, such as ``-O``, which the warm process has not."""
    before = sys.orig_argv[1 : len(sys.orig_argv) - len(argv)]
    return any(word.startswith("-") and word not in ("-m", "-P") for word in before)
