"""`trainrun top`: watch all that runs; stop a run or prune a trial."""

from __future__ import annotations

from collections.abc import Sequence

from trainrun.commands._parser import Parser
from trainrun.errors import UserError
from trainrun.tracking import find
from trainrun.ui import console


def main(argv: Sequence[str]) -> int:
    """Show what runs until `q`."""
    parser = Parser(
        prog="trainrun top",
        description="Show all that runs below outputs/, from its journals, over ssh too. Keys: up and down select, m the metric, s stops the "
        "run (it saves its state), p prunes the trial, S stops its sweep, q quits; what runs goes on. Example: trainrun top",
    )
    parser.add_argument(
        "--outputs", default=find.OUTPUTS, metavar="FOLDER", help="folder of the runs (default: %(default)s)"
    )
    options = parser.parse_args(argv)
    try:
        from trainrun.sweep.view.top_app import TopApp
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        raise UserError(
            'trainrun top needs textual: pip install "trainrun[top]". Without it: trainrun runs --watch'
        ) from error
    if not console.is_terminal():
        raise UserError("trainrun top needs a terminal. For a file or a pipe: trainrun runs --watch")
    TopApp(options.outputs).run()
    return 0
