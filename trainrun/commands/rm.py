"""`trainrun rm RUN [RUN …]`: remove runs or sweeps, and the data that only they use."""

from __future__ import annotations

from collections.abc import Sequence

from trainrun.commands import _removal
from trainrun.commands._parser import RUN, Parser


def main(argv: Sequence[str]) -> int:
    """Remove runs; 2 if one of them has to stay, and then all stay."""
    parser = Parser(
        prog="trainrun rm",
        description="Remove runs below outputs/, or whole sweeps. Refused: runs that train, that could be resumed, that another run starts "
        "from, that a registered model comes from, and winners of sweeps that stay. Example: trainrun rm last",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help=f"{RUN}. A sweep means all of it")
    _removal.add_arguments(parser)
    options = parser.parse_args(argv)
    from trainrun.after import clean

    return _removal.carry_out(clean.named(options.runs, options.outputs, options.unfinished), options)
