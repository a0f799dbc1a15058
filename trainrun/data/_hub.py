"""Whether the Hugging Face Hub answers: its client repeats each request for half a minute before it says that it does not."""

from __future__ import annotations

import contextlib
import os
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

# Seconds for the connection.
CONNECT_S = 2.0
YES = {"1", "ON", "YES", "TRUE"}


def unreachable() -> str | None:
    """Return why the Hub cannot be asked, or None. Behind a proxy, its answer is left to the client."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in YES:
        return "HF_HUB_OFFLINE is set"
    address = urllib.parse.urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    if {address.scheme, "all"} & urllib.request.getproxies().keys() or not address.hostname:
        return None
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname, port), CONNECT_S).close()
    except OSError as error:
        return f"no connection to {address.hostname} ({error.strerror or error})"
    return None


def is_cached(name: str) -> bool:
    """Return whether `datasets` has a copy of a dataset of the Hub."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    cache = Path(os.environ.get("HF_DATASETS_CACHE") or Path(home) / "datasets").expanduser()
    # There, camel case became snake case.
    wanted = name.replace("/", "___").replace("_", "").lower()
    return cache.is_dir() and any(folder.name.replace("_", "") == wanted for folder in cache.iterdir())


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Let `datasets` take its copy without asking the Hub, as by HF_HUB_OFFLINE, which it reads when it is imported."""
    from datasets import config

    before, config.HF_HUB_OFFLINE = config.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = before
