"""Faults of a dataset's arguments and of its files, by the argument that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trainrun.errors import Problem, UserError

Fault = tuple[str, str]  # the argument at fault and the message, as in `Description.problems`


class Place(NamedTuple):
    """Where a row of a table stands.

    Args:
        words: the place in its file, for messages: ``line 9``.
        argument: the dataset's argument with the path of that file.
    """

    words: str
    argument: str = "path"

    def __str__(self) -> str:
        return self.words


def raise_faults(faults: Sequence[Fault]) -> None:
    """Raise the faults, if there are any.

    Raises:
        UserError: with all of them.
    """
    if faults:
        raise UserError([Problem(f"data.{key}", message) for key, message in faults])
