"""Where the warm process of an installation listens, and what it must have in common with a command that uses it."""

from __future__ import annotations

import os
import stat
import sys
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Variables that Python, the linker and libraries read when they are loaded. Others reach a run as they are.
AT_IMPORT = (
    "PYTHON", "LD_", "MALLOC_", "GLIBC_", "TF_", "XLA_", "KERAS_", "CUDA_", "NVIDIA_", "OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "BLIS_",
    "NUMEXPR_", "MPL", "MLFLOW_", "PROTOCOL_BUFFERS_", "VIRTUAL_ENV", "CONDA_", "LANG", "LC_", "HOME", "XDG_", "SLURM_JOB", "PBS_JOB", "LSB_JOB",
)  # fmt: skip
NAMESPACES = ("mnt", "pid", "net", "user")


def folder() -> str:
    """Return the directory of the sockets, which need not exist: of the session, else of the user's cache."""
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return os.path.join(runtime, "trainrun")
    return os.path.join(cache(), "warm")


def cache() -> str:
    """Return trainrun's directory in the user's cache, which need not exist."""
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "trainrun")


def path() -> str:
    """Return the path of the socket: of this machine, interpreter and copy of trainrun."""
    own = "\0".join((os.uname().nodename, sys.executable, sys.prefix, PACKAGE))
    return os.path.join(folder(), f"{zlib.crc32(os.fsencode(own)):08x}.sock")


def is_private(directory: str) -> bool:
    """Return whether a directory, which is no link, is this user's, and nobody else can enter it."""
    try:
        status = os.lstat(directory)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def is_own(connection: socket.socket) -> bool:
    """Return whether the process at the other end of a connection is this user's."""
    import socket
    import struct

    peer = struct.Struct("3i")  # process, user, group
    content = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, peer.size)
    return peer.unpack(content)[1] == os.geteuid()


def fingerprint() -> str:
    """Return, as a text, what has to be equal for a run to be forked: code, packages, interpreter, environment, rights."""
    import json

    return json.dumps(
        {
            "trainrun": _code(),
            "packages": [(p, os.stat(p).st_mtime_ns) for p in sys.path if p.endswith("-packages") and os.path.isdir(p)],
            "keras.json": _changed(os.path.expanduser("~/.keras/keras.json")),
            "path": sys.path if sys.flags.safe_path else sys.path[1:],
            "python": [sys.version, sys.warnoptions],
            "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith(AT_IMPORT)},
            "user": [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), sorted(os.getgroups())],
            "namespaces": [os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES],
        }
    )  # fmt: skip


def _code() -> list[int]:
    """Return number, bytes and times of change of trainrun's own files."""
    statuses = list(_sources(PACKAGE))
    return [len(statuses), sum(s.st_size for s in statuses), sum(s.st_mtime_ns for s in statuses)]


def _sources(directory: str) -> Iterator[os.stat_result]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from _sources(entry.path)
            else:
                yield entry.stat()


def _changed(file: str) -> int:
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return 0


def packed(message: Any) -> bytes:
    """Return a message of the socket; file names and variables that are no UTF-8 survive."""
    import json

    return json.dumps(message).encode()
