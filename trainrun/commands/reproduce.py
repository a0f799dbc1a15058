"""`trainrun reproduce RUN`: train a run again and compare the results digit by digit."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.artifacts import environment
from trainrun.commands._parser import Parser
from trainrun.errors import Problem, UserError
from trainrun.tracking import summary
from trainrun.ui import console
from trainrun.util import imports

DIGITS = 5
CHANGES = "Changes since the commit"  # the title in environment.txt
EXACT = 17  # more digits than a double has: the same number


def main(argv: Sequence[str]) -> int:
    """Train a run's config into a new directory, and compare."""
    given = _parser().parse_args(list(argv))
    if not 1 <= given.digits <= EXACT:
        raise UserError(Problem("--digits", f"expected 1 to {EXACT}, got {given.digits}."))
    from trainrun.tracking import find
    from trainrun.tracking.status import status

    run_dir = find.run(given.run)
    now = status(run_dir)
    if now.status != "FINISHED":
        raise UserError(
            f"{run_dir} is {now.status}: there is no result to compare with. First: trainrun resume {run_dir}"
        )
    try:
        before = summary.read(run_dir)
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise UserError(f"{run_dir / summary.FILE} cannot be read, so there is nothing to compare with: {error}") from error  # fmt: skip
    if given.json:
        console.quiet()
    try:
        warnings, again_dir, after = again(run_dir.absolute(), now.start, before)
    finally:
        if given.json:
            console.quiet(False)
    found = compare(before, after, given.digits)
    if given.json:
        found = {"run": str(run_dir), "again": str(again_dir), **found, "warnings": warnings}
        console.say(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _show(found, before, after, given.digits)
    return 0 if found["agree"] else 1


def again(
    run_dir: Path, start: Mapping[str, Any], before: Mapping[str, Any]
) -> tuple[list[str], Path, dict[str, Any]]:
    """Run it again.

    Args:
        run_dir: the run's directory, absolute.
        start: the first record of its journal.
        before: its summary.

    Returns:
        What differs in code, versions and machine, a sentence each; the new run's directory and its summary.

    Raises:
        UserError: the config or what it names is not there any more, or the data is another.
        TrainingError: it failed this time.
    """
    from trainrun.config import saved as config_again
    from trainrun.hydra_bridge import registration

    here = Path.cwd()
    if start.get("cwd") and Path(start["cwd"]).is_dir():
        os.chdir(start["cwd"])
    try:
        config = config_again.load(run_dir)
        warnings = list(differing(run_dir, start, before, config["plugins"]))
        for sentence in warnings:
            console.warn(sentence)
        _check_data(config, before.get("data_sha256"))
        from trainrun.run import runner
        from trainrun.run.context import RunContext

        new = here / "outputs" / "runs" / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{registration.unique()}"
        new.mkdir(parents=True)
        overrides = list(start.get("overrides") or [])
        try:
            result = runner.run(
                config,
                new,
                overrides,
                ["trainrun", "reproduce", str(run_dir)],
                context=RunContext(pause_collector=True),
            )
        except UserError:
            shutil.rmtree(new, ignore_errors=True)
            raise
        return warnings, new, result.summary
    finally:
        os.chdir(here)


def differing(
    run_dir: Path, start: Mapping[str, Any], before: Mapping[str, Any], plugins: Sequence[str]
) -> Iterator[str]:
    """Yield what is not as it was: code, plug-ins, packages, machine; and what cannot be the same."""
    was, now = before.get("git"), environment.git_state()
    if (was or {}).get("commit") != (now or {}).get("commit"):
        yield f"the code is of another commit: {_commit(was)} then, {_commit(now)} now"
    elif was and _lines(_recorded(run_dir)[1]) != _lines(environment.git_diff() if now["dirty"] else ""):
        yield f"the changes since commit {_commit(was)} are not those of then ({environment.FILE} has them)"
    from trainrun.config import plugins as plugs

    then, today = start.get("plugins"), plugs.digests(plugins)
    if plugins and then is None:
        yield "what the plug-ins were then was not recorded"
    for name in plugins if then is not None else ():
        if then.get(name) != today.get(name):
            yield f"plug-in {name} is not what it was"
    versions, of_now = before.get("versions") or {}, environment.versions()
    changed = [
        f"{k} {versions.get(k, 'none')} → {of_now.get(k, 'none')}"
        for k in {**versions, **of_now}
        if versions.get(k) != of_now.get(k)
    ]
    if changed:
        yield f"other versions: {', '.join(changed)}"
    told = _recorded(run_dir)[0]
    for line in environment.describe().splitlines()[:4]:
        word = line.split(" ")[0]
        if word in ("platform", "cpu") and word in told and told[word] != line:
            yield f"another machine: {' '.join(told[word].split()[1:])} then, {' '.join(line.split()[1:])} now"
    resumed = before.get("resumed_from") or {}
    if resumed.get("changed"):
        yield f"the run was resumed with {' '.join(resumed['changed'])}; now all of it is trained so"


def compare(before: Mapping[str, Any], after: Mapping[str, Any], digits: int = DIGITS) -> dict[str, Any]:
    """Return whether two summaries agree.

    Returns:
        ``agree`` (every final metric to so many significant digits), ``digits`` (metric -> how many),
        ``weights_equal`` (to the bit), ``criterion``.
    """
    one, other = before["metrics"], after["metrics"]
    found = {name: agreement(one.get(name), other.get(name)) for name in {**one, **other}}
    return {
        "agree": all(n >= digits for n in found.values()),
        "criterion": f"every final metric to {digits} significant digits",
        "digits": found,
        "weights_equal": before.get("weights_sha256") == after.get("weights_sha256"),
    }


def agreement(a: float | None, b: float | None) -> int:
    """Return to how many significant digits two numbers agree; `EXACT` if they are the same.

    Example:
        >>> agreement(0.12345, 0.12346)
        4
    """
    if a is None or b is None:
        return 0
    if a == b or (a != a and b != b):
        return EXACT
    if not (math.isfinite(a) and math.isfinite(b)):
        return 0
    return max(0, min(EXACT - 1, math.floor(-math.log10(abs(a - b) / max(abs(a), abs(b))))))


def _parser() -> Parser:
    parser = Parser(
        prog="trainrun reproduce",
        description="Run a run again from its directory (config, plug-ins, seed), into a new one, and compare the final "
        "metrics. Warns where code, plug-ins, packages or machine are not what they were; refuses other data. Exit code 0: "
        "every final metric agrees to --digits significant digits; 1: not.",
    )
    parser.add_argument("run", metavar="RUN", help="its directory, its id, its tracker's run id, or `last`")
    parser.add_argument("--digits", type=int, default=DIGITS, metavar="N", help=f"significant digits (default: {DIGITS})")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for programs: one object")
    return parser


def _check_data(config: Mapping[str, Any], digest: str | None) -> None:
    """Refuse data that is not what the run was trained on."""
    with console.hushed(), imports.collector_paused("tensorflow"):
        from trainrun.run import builders
    if digest is not None and builders.dataset(config).digest() != digest:
        raise UserError(
            Problem(
                "data",
                f"data={config['data']['name']} is not what the run was trained on: its digest is another. Put the former "
                "data back; a run on other data is another run.",
            )
        )


def _recorded(run_dir: Path) -> tuple[dict[str, str], str]:
    """Return lines of environment.txt by their first word, and the changes that it holds."""
    try:
        text = (run_dir / environment.FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}, ""
    head, _, changes = text.partition(f"\n{CHANGES}\n{'-' * len(CHANGES)}\n")
    return {line.split(" ")[0]: line for line in head.splitlines()[:6]}, changes


def _lines(text: str) -> list[str]:
    # As they are written down: without blanks at the end of all.
    return text.rstrip().splitlines()


def _commit(state: Mapping[str, Any] | None) -> str:
    return str(state["commit"])[:12] if state else "none"


def _show(found: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], digits: int) -> None:
    def told(value: Any) -> str:
        return "none" if value is None else f"{value:.10g}"

    rows = [
        [name, told(before["metrics"].get(name)), told(after["metrics"].get(name)), "all" if n == EXACT else str(n)]
        for name, n in found["digits"].items()
    ]  # fmt: skip
    console.say()
    console.table("", ["metric", "then", "now", "digits"], rows)
    console.say("weights: the same bits" if found["weights_equal"] else "weights: not the same bits")
    if found["agree"]:
        console.say(f"agrees: {found['criterion']}", "green")
    else:
        console.say(f"does not agree: {found['criterion']} is the measure", "bold red")
