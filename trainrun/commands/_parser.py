"""Argument parser of the verbs: it reports errors like every other user error."""

from __future__ import annotations

import argparse
from typing import NoReturn

from trainrun.errors import UserError

# What the verbs of recorded runs take; `trainrun.sweep.named_run` reads it.
RUN = "a run's directory or id, SWEEP/TRIAL, a tracker's run id, `last`, or `best` (of the last sweep)"


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises a UserError where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        """Raise the error that `cli.main` prints."""
        raise UserError(f"{message}. `{self.prog} --help` lists its arguments.")
