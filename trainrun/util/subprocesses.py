"""Start a module of this package in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ROOT = str(Path(__file__).resolve().parents[2])


def start(
    module: str,
    *arguments: str,
    path: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    own_session: bool = True,
    **options: Any,
) -> subprocess.Popen:
    """Start `python -m module arguments`.

    Args:
        module: of this package.
        arguments: every user of the machine can read them, so they hold no password.
        path: further folders that it imports from, as `sys.path` has them. By itself those of PYTHONPATH, and not the working
            directory: a file there that is named like a library is none.
        environment: variables in addition to this process's.
        own_session: whether it has a session of its own, so that Ctrl-C in the terminal does not reach it.
        options: of `subprocess.Popen`; standard input is closed where nothing is said of it.

    Raises:
        OSError: it cannot be started.
    """
    folders = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")]), *(p or os.getcwd() for p in path)]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(folders)), **(environment or {})},
        start_new_session=own_session,
        **{"stdin": subprocess.DEVNULL, **options},
    )
