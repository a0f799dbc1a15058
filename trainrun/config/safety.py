"""Texts of a config that hold invisible characters or are too long.

Other checks against hostile configs are in `registry.followed_keys` (keys that lead to code) and `hydra_bridge.hydra_node_rules`
(Hydra's own node). docs/security.md has the rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainrun.errors import UNSEEN, Problem
from trainrun.registry.followed_keys import walk

# Maximum of characters of one text.
LONGEST = 100_000
# Texts that may hold control characters: separators of the fields of a file.
DELIMITERS = ("data.delimiter",)


def texts(tree: Any, key: str = "") -> Iterator[Problem]:
    """Yield a problem for each text of a config, key or value, that holds invisible characters or is too long."""
    for path, value in walk(tree, key, inner=True):
        unseen = UNSEEN.search(path.rpartition(".")[2])
        if unseen is None and isinstance(value, str) and path not in DELIMITERS:
            unseen = UNSEEN.search(value)
            if len(value) > LONGEST:
                yield Problem(path, f"a text of {len(value):,} characters; expected at most {LONGEST:,}.")
        if unseen:
            yield Problem(
                path,
                f"it holds the character U+{ord(unseen[0]):04X}, which is invisible or controls a terminal. Take it out.",
            )
