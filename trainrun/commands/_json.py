"""The option `--json` of the verbs: one object on standard output, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trainrun.ui import console
from trainrun.util import plain_json


@contextmanager
def alone(on: bool) -> Iterator[None]:
    """Keep everything else from standard output inside the `with`.

    Args:
        on: whether the user asked for JSON; False changes nothing.
    """
    console.quiet(on)
    try:
        yield
    finally:
        console.quiet(False)


def show(content: Any) -> None:
    """Print plain data as JSON."""
    console.say(plain_json.text(content))
