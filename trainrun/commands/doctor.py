"""`trainrun doctor [--quick]`: report the devices, versions and problems of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from trainrun.commands._parser import Parser
from trainrun.inspect import device_checks, machine_checks
from trainrun.inspect.machine_checks import FAULT, OK, WARNING, Finding
from trainrun.ui import console

Check = Callable[[], Iterator[Finding]]
MARKS = {OK: ("✓", "green"), WARNING: ("!", "yellow"), FAULT: ("✗", "bold red")}
QUICK: tuple[Check, ...] = (
    machine_checks.versions,
    machine_checks.threads,
    machine_checks.disk,
    machine_checks.tracker,
    machine_checks.plug_ins,
    machine_checks.warm,
)
SLOW: tuple[Check, ...] = (device_checks.devices, device_checks.precision, device_checks.compiler)


def main(argv: Sequence[str]) -> int:
    """Check everything, print a line each, and return 1 if training cannot work."""
    parser = Parser(
        prog="trainrun doctor",
        description="Report the devices, versions and problems of this machine, a line each.",
    )
    parser.add_argument("--quick", action="store_true", help="skip the checks that load TensorFlow")
    quick = parser.parse_args(argv).quick
    levels = []
    for check in QUICK if quick else (*QUICK, *SLOW):
        for finding in findings(check):
            levels.append(finding.level)
            show(finding)
    faults, warnings = levels.count(FAULT), levels.count(WARNING)
    console.say()
    if faults:
        console.say(
            f"{faults} {'fault' if faults == 1 else 'faults'}: training does not work on this machine",
            "bold red",
        )
    elif warnings:
        console.say(f"ready; {warnings} {'warning' if warnings == 1 else 'warnings'}", "green")
    else:
        console.say("ready", "green")
    return 1 if faults else 0


def show(finding: Finding) -> None:
    """Print a finding, with its advice on a separate line."""
    mark, style = MARKS[finding.level]
    console.pieces(
        [(f"{mark} ", style), (f"{finding.subject:<12}", "bold"), (finding.text, "")],
        logged=f"{finding.level:<8}{finding.subject:<12}{finding.text}",
    )
    if finding.advice:
        console.pieces([("  " + " " * 12, ""), (f"→ {finding.advice}", style)])


def findings(check: Check) -> Iterator[Finding]:
    """Yield the findings of a check; a check that raises is a finding itself."""
    try:
        yield from check()
    except Exception as error:
        yield Finding(FAULT, check.__name__, f"could not be checked: {type(error).__name__}: {error}")
