"""Rules for the node `alert`: it says whether alerts are sent; where to, no file may say."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.errors import Problem
from trainrun.util import grants


def problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem for an address or a command in a config, and for one that the environment lacks."""
    node = config.get("alert")
    for kind, variable in grants.ALERTS.items() if isinstance(node, Mapping) else ():
        value, key = node.get(kind), f"alert.{kind}"
        if value not in (True, False, None):
            text = f"a file cannot name it. Take alert={kind}, and set {variable}, or name it on the command line as {key}."
            yield Problem(key, text)
        elif value and not os.environ.get(variable):
            text = f"it goes nowhere: set {variable}, or name it on the command line as {key}. Without alerts: alert=none."
            yield Problem(key, text)
        elif (
            value and kind == "webhook" and not (grants.origin(os.environ[variable]) or "").startswith("http")
        ):
            yield Problem(key, f"expected a web address in {variable}, as in https://hooks.example.org/x.")
