"""Shell completion of verbs and their arguments; Hydra completes groups and keys."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from trainrun.commands import _verbs
from trainrun.commands.ls import GROUPS
from trainrun.registry import option_files
from trainrun.sweep.space import samplers


def _options(group: str) -> Iterable[str]:
    return samplers.SAMPLERS if group == "sampler" else option_files.options(group)


# Group -> its name in `ls` and `show`: the last part of the whole name.
_SHORT = {group: group.rpartition("/")[2] for group in GROUPS}


def write(line: str) -> None:
    """Write the words that may stand at the end of a command line, one a line, as completion scripts read them.

    Args:
        line: as typed so far, the program's name included.
    """
    if words := candidates(line):
        sys.stdout.write("\n".join(words) + "\n")


def candidates(line: str) -> list[str]:
    """Return the words that may stand there; empty for what Hydra completes."""
    typed = line.split(" ")
    if len(typed) <= 2:
        return [verb for verb in _verbs.names() if verb.startswith(typed[-1] if len(typed) == 2 else "")]
    verb, last = typed[1], typed[-1]
    if verb == "ls" and len(typed) == 3:
        return [group for group in _SHORT.values() if group.startswith(last)]
    if verb == "show" and len(typed) == 3:
        named = (f"{_SHORT[group]}/{name}" for group in GROUPS for name in _options(group))
        return [word for word in named if word.startswith(last)]
    return []
