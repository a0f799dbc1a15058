"""Where the warm process of an installation listens, and what it must have in common with a command that uses it."""

from __future__ import annotations

import os
import sys
import zlib
from typing import TYPE_CHECKING, Any

from trainrun.util import user_cache

if TYPE_CHECKING:
    import socket

PACKAGE = user_cache.PACKAGE
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
    return os.path.join(user_cache.folder(), "warm")


def path() -> str:
    """Return the path of the socket: of this machine, interpreter and copy of trainrun."""
    own = "\0".join((os.uname().nodename, sys.executable, sys.prefix, PACKAGE))
    return os.path.join(folder(), f"{zlib.crc32(os.fsencode(own)):08x}.sock")


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
            "trainrun": user_cache.code_version(),
            "packages": [(p, os.stat(p).st_mtime_ns) for p in sys.path if p.endswith("-packages") and os.path.isdir(p)],
            "keras.json": _changed(os.path.expanduser("~/.keras/keras.json")),
            "path": sys.path if sys.flags.safe_path else sys.path[1:],
            "python": [sys.version, sys.warnoptions],
            "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith(AT_IMPORT)},
            "user": [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), sorted(os.getgroups())],
            "namespaces": [os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES],
        }
    )  # fmt: skip


def _changed(file: str) -> int:
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return 0


def packed(message: Any) -> bytes:
    """Return a message of the socket; file names and variables that are no UTF-8 survive."""
    import json

    return json.dumps(message).encode()
