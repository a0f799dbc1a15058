"""`trainrun gc [--keep best,registered,last 10]`: remove all runs that nothing needs, after a question."""

from __future__ import annotations

from collections.abc import Sequence

from trainrun.commands import _removal
from trainrun.commands._parser import Parser


def main(argv: Sequence[str]) -> int:
    """Remove old runs."""
    from trainrun.after import clean

    parser = Parser(
        prog="trainrun gc",
        description="Remove the runs below outputs/, and data and cached images that no other run uses. What trains, could be resumed, has won "
        "a sweep, is the source of a registered model, or of a kept run, stays. Example: trainrun gc --keep last 3 --dry-run",
    )
    parser.add_argument(
        "--keep",
        nargs="+",
        default=[clean.DEFAULT_KEEP],
        metavar="WHAT",
        help="best, registered (both are kept anyhow), and `last N`: the newest N of `trainrun runs`, of which a sweep is one; with commas "
        f"between (default: {clean.DEFAULT_KEEP})",
    )
    _removal.add_arguments(parser)
    options = parser.parse_args(argv)
    plan = clean.old(options.outputs, " ".join(options.keep), options.unfinished)
    return _removal.carry_out(plan, options)
