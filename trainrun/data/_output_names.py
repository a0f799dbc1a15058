"""Several targets: their names, which become those of layers and metrics and keys of a config, and settings by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from trainrun.data._columns import LOGS, MULTILABEL, RARER
from trainrun.data._faults import Fault

if TYPE_CHECKING:
    from trainrun.data._table_settings import TableSettings

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


def target_faults(settings: TableSettings, targets: Sequence[str]) -> list[Fault]:
    """Return what does not go with several targets, or with one.

    Args:
        settings: of a table.
        targets: the columns, as the table has them.
    """
    if settings.task == MULTILABEL:
        message = (
            f"{MULTILABEL} needs several columns of 0 and 1, data.target=[a,b,c], or data.label_separator."
        )
        faults = [("target", message)] if len(targets) == 1 and settings.label_separator is None else []
        transform = settings.target_transform
        words = transform.values() if isinstance(transform, Mapping) else [transform]
        if logs := [word for word in words if word in (*LOGS,)]:
            faults.append(
                ("target_transform", f"{logs[0]} is for numbers; the targets are labels. Leave it out.")
            )
        return faults
    by_name = isinstance(settings.positive, Mapping)
    if not targets and settings.target is not None:
        return [("target", "expected a column, got an empty list.")]
    if len(targets) < 2:
        return [("positive", "expected a class of the one target, got keys.")] if by_name else []
    faults = output_name_faults("target", targets)
    if settings.positive not in (None, RARER) and not by_name:
        message = f"of several targets, expected a class by name, {{{targets[0]}: {settings.positive}}}, {RARER} or null, got {settings.positive!r}."
        faults.append(("positive", message))
    return faults
