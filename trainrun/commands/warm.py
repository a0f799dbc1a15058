"""`trainrun warm [--stop]`: start later runs without importing TensorFlow again."""

from __future__ import annotations

from collections.abc import Sequence

from trainrun.commands._parser import Parser, number
from trainrun.ui import console
from trainrun.warm import control


def main(argv: Sequence[str]) -> int:
    """Start the warm process, or end it."""
    parser = Parser(
        prog="trainrun warm",
        description="Keep a process that has imported TensorFlow and run nothing. Until it ends, runs, `resume`, `evaluate`, `predict` and "
        "`reproduce` are forked from it, which saves the seconds of the import. Another environment, version or edited trainrun starts "
        "a fresh one.",
    )
    parser.add_argument("--stop", action="store_true", help="end it; runs go on")
    parser.add_argument(
        "--minutes",
        type=number(float, lambda m: 0 < m < 1e6, "a number of minutes"),
        default=control.IDLE_S / 60,
        metavar="M",
        help="without a run, after which it ends (default: %(default)g)",
    )
    options = parser.parse_args(argv)
    if options.stop:
        last = control.stop()
        console.say(
            "no warm process was running"
            if last is None
            else f"the warm process has ended after {control.runs(last['runs'])}"
        )
        return 0
    before = control.state()
    if before is not None and not before["stale"] and before["idle_s"] == options.minutes * 60:
        console.say(f"already warm: process {before['pid']}, {control.runs(before['runs'])} so far")
        return 0
    control.stop()
    now = control.wait(control.start(options.minutes * 60))
    console.say(
        f"warm: process {now['pid']} has TensorFlow; it ends after {options.minutes:g} minutes without a run"
    )
    console.note("to end it: trainrun warm --stop")
    return 0
