"""The option `--json` of the verbs: one object on standard output; inside `ui.quietly` nothing else comes there."""

from __future__ import annotations

from typing import Any

from trainrun.ui import console
from trainrun.util import plain_json


def show(content: Any) -> None:
    """Print plain data as JSON."""
    console.say(plain_json.text(content))
