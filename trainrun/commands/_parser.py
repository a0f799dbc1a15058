"""Arguments of a verb: a mistake is one message, like any other mistake here."""

from __future__ import annotations

import argparse
from typing import NoReturn

from trainrun.errors import UserError


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises what `cli.main` tells, where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments."""
        raise UserError(f"{message}. `{self.prog} --help` tells what it takes.")
