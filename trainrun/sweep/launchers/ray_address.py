"""The address of a Ray cluster's head, and whether the head answers, before the sweep writes anything.

`ray.init` waits forever for a head that does not exist, so a child process tries it first.
"""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.util import decimal_digits, grants, machine, subprocesses

LIMIT = 25.0  # seconds for a head to answer
HIGHEST_PORT = 65_535
# Ray writes the address of this machine's cluster here.
CURRENT = Path("ray") / "ray_current_cluster"
_PROBE = """
import os, sys
os.environ["RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S"] = "10"
import ray
ray.init(address=sys.argv[1], log_to_driver=False, configure_logging=False, logging_level="ERROR")
ray.cluster_resources()
sys.stdout.write("REACHED")
sys.stdout.flush()
os._exit(0)
"""
_AUTH = ("auth", "token", "unauthenticated")
_AUTH_HINT = (
    "Token authentication must be alike on both sides: the same RAY_AUTH_MODE (token, or disabled) where the head was "
    "started and here, and with token the same token: in RAY_AUTH_TOKEN, or in ~/.ray/auth_token, which is the head's to copy."
)


def own(address: str | None) -> bool:
    """Return whether a sweep starts a Ray cluster of its own."""
    return address == "local" or (address is None and not os.environ.get(grants.RAY_ADDRESS))


def fault(address: str | None) -> str | None:
    """Return why there is no cluster at an address, or None; takes half a minute at most.

    Args:
        address: as in `RayConf`.
    """
    if own(address):
        return None
    named = address not in (None, "auto")
    where = address if named else os.environ.get(grants.RAY_ADDRESS) or _current()
    if where is None or where == "auto":
        return (
            "auto: this machine is part of no Ray cluster, and RAY_ADDRESS names none. Start one by `ray start --head`, "
            "name one (host:6379, ray://host:10001), or take hydra.launcher.address=local."
        )
    host, _, digits = where.removeprefix("ray://").rpartition(":")
    port = decimal_digits.number(digits)
    if not host or port is None or port > HIGHEST_PORT:
        return f"expected host:port, ray://host:port, auto or local, got {where!r}."
    if named and not grants.trusted(grants.of_ray(where)):
        return (
            f"{where} would get your code and RAY_AUTH_TOKEN, and its answers are unpickled here, but neither the command line nor "
            f"RAY_ADDRESS names it. To confirm it for good: trainrun --trust {grants.origin(grants.of_ray(where))}"
        )
    try:
        socket.create_connection((host.strip("[]"), port), timeout=10).close()
    except OSError as error:
        return (
            f"no server answers at {where} ({getattr(error, 'strerror', None) or error}). Is the head running (`ray status` on "
            f"it), and may this machine reach its port {port}?"
        )
    return _tried(where)


@functools.cache
def _tried(where: str) -> str | None:
    """Return why Ray cannot join the cluster at an address that answers."""
    try:
        done = subprocesses.run([sys.executable, "-P", "-c", _PROBE, where], LIMIT, start_new_session=True)
    except subprocess.TimeoutExpired as late:
        output = (late.stderr or b"").decode("utf-8", "replace") if isinstance(late.stderr, bytes) else ""
        return (
            f"{where} takes connections, and did not answer as a Ray head within {LIMIT:g} s. Is it one, of the same "
            f"version as here ({_version()})? For ray://, the port is the client server's (10001), else the GCS' (6379). "
            f"{_AUTH_HINT if _about_tokens(output) else ''}".strip()
        )
    if "REACHED" in done.stdout:
        return None
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    output = lines[-1] if lines else f"exit code {done.returncode}"
    return f"Ray at {where} refuses: {output[:300]}" + (
        f" {_AUTH_HINT}" if _about_tokens(done.stderr) else ""
    )


def _about_tokens(text: str) -> bool:
    # The line that says that authentication is on stands in every output.
    text = text.lower().replace("token authentication is enabled for this ray cluster", "")
    return any(word in text for word in _AUTH)


def _current() -> str | None:
    folder = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    try:
        return (Path(folder) / CURRENT).read_text().strip() or None
    except OSError:
        return None


def _version() -> str:
    import importlib.metadata

    return importlib.metadata.version("ray")


def join(launcher: Mapping[str, Any], runtime_env: Mapping[str, Any], jobs: int | None) -> None:
    """Make this process join the cluster, or start one.

    Args:
        launcher: the settings.
        runtime_env: for the workers.
        jobs: trials at once, if known: the minimum of CPUs of a cluster that is started.
    """
    import ray

    quiet = {"log_to_driver": False, "configure_logging": False, "logging_level": "ERROR"}
    if own(launcher["address"]):
        cores = max(machine.cores(), int((jobs or 1) * launcher["num_cpus"] + 0.999))
        ray.init(
            address="local",
            num_cpus=cores,
            include_dashboard=False,
            runtime_env=dict(runtime_env) or None,
            **quiet,
        )
    else:
        # Nothing else: object_store_memory and the like are refused by a cluster that is there.
        ray.init(address=launcher["address"] or "auto", runtime_env=dict(runtime_env) or None, **quiet)
