"""Another process of this program, which runs one of its modules and is spoken to through its standard input and output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def begin(module: str, *arguments: str, **given: Any) -> subprocess.Popen:
    """Start `python -m module arguments` with pipes, in a session of its own, so that Ctrl-C does not reach it.

    Args:
        module: of this package.
        arguments: everybody can read them, so they hold no password.
        given: more for `subprocess.Popen`.

    Raises:
        OSError: it cannot be started.
    """
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        # -P: a file in the working directory that is named as a library is none.
        [sys.executable, "-P", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        **given,
    )
