"""Argument parser of the verbs: it reports errors like every other user error."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from trainrun.errors import UserError

# What the verbs of recorded runs take; `trainrun.sweep.named_run` reads it.
RUN = "a run's directory or id, SWEEP/TRIAL, a tracker's run id, `last`, or `best` (of the last sweep)"


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises a UserError where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        """Raise the error that `cli.main` prints."""
        raise UserError(f"{message}. `{self.prog} --help` lists its arguments.")


def number(
    convert: Callable[[str], Any], is_valid: Callable[[Any], bool], expected: str
) -> Callable[[str], Any]:
    """Return the type of an argument that is a number.

    Args:
        convert: ``int`` or ``float``.
        is_valid: whether a number is accepted.
        expected: which numbers are, in words.
    """

    def parsed(text: str) -> Any:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not is_valid(value):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return parsed
