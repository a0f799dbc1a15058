"""Names of several targets: they become names of layers and metrics, and keys of a config."""

from __future__ import annotations

import re
from collections.abc import Iterable

from trainrun.data._faults import Fault

OUTPUT_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
# Names of the inputs of tables, and keys of a group's node in the config.
TAKEN = ("numeric", "categorical", "name", "auto")


def output_name_faults(argument: str, names: Iterable[str]) -> list[Fault]:
    """Return the names that no output can bear.

    Args:
        argument: of the dataset, under which they stand.
        names: of the targets.
    """
    return [
        (
            argument,
            f"several targets name outputs, metrics and keys of the config: expected letters, digits and _, and none of "
            f"{', '.join(TAKEN)}; got {name!r}. Rename it.",
        )
        for name in names
        if not OUTPUT_NAME.fullmatch(name) or name in TAKEN
    ]
