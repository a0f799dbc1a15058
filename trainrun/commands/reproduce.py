"""`trainrun reproduce RUN`: train a run again and compare the results digit by digit."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.artifacts import environment
from trainrun.commands import _json
from trainrun.commands._parser import RUN, Parser
from trainrun.errors import Problem, UserError
from trainrun.tracking import origin, summary
from trainrun.ui import console
from trainrun.ui.quietly import quietly
from trainrun.util import imports

DIGITS = 5
EXACT = 17  # significant digits that identify a double: the same number


def main(argv: Sequence[str]) -> int:
    """Train a run's config into a new directory and compare the results."""
    options = _parser().parse_args(list(argv))
    if not 1 <= options.digits <= EXACT:
        raise UserError(Problem("--digits", f"expected 1 to {EXACT}, got {options.digits}."))
    from trainrun.sweep import named_run
    from trainrun.tracking import status

    run_dir = named_run.run(options.run)
    now = status.read(run_dir)
    if now.status != "FINISHED":
        raise UserError(
            f"{run_dir} is {now.status} and has no result to compare with. Finish it first: trainrun resume {run_dir}"
        )
    try:
        before = summary.read(run_dir)
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise UserError(f"{run_dir / summary.FILE} cannot be read: {error}") from error  # fmt: skip
    with quietly(options.json):
        warnings, again_dir, after = again(run_dir.absolute(), now.start, before)
    comparison = compare(before, after, options.digits)
    if options.json:
        comparison = {"run": str(run_dir), "again": str(again_dir), **comparison, "warnings": warnings}
        _json.show(comparison)
    else:
        _show(comparison, before, after, options.digits)
    return 0 if comparison["agree"] else 1


def again(
    run_dir: Path, start: Mapping[str, Any], before: Mapping[str, Any]
) -> tuple[list[str], Path, dict[str, Any]]:
    """Train the run again.

    Args:
        run_dir: the run's directory, absolute.
        start: the first record of its journal.
        before: its summary.

    Returns:
        Warnings about changed code, versions and machine; the new run's directory; its summary.

    Raises:
        UserError: the config or something that it names is missing, or the data is different.
        TrainingError: training failed.
    """
    from trainrun.config import saved
    from trainrun.hydra_bridge import registration

    here = Path.cwd()
    if (folder := origin.workplace(run_dir, start)) is not None:
        os.chdir(folder)
    try:
        config = saved.load(run_dir, trains=True)
        warnings = list(differing(run_dir, start, before, config["plugins"]))
        for sentence in warnings:
            console.warn(sentence)
        _check_data(config, before.get("data_sha256"))
        from trainrun.run import runner
        from trainrun.run.context import RunContext

        new = here / "outputs" / "runs" / registration.run_name()
        new.mkdir(parents=True)
        overrides = list(start.get("overrides") or [])
        try:
            result = runner.run(
                config,
                new,
                overrides,
                ["trainrun", "reproduce", str(run_dir)],
                context=RunContext(own_process=True),
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
    """Yield a warning for each change of code, plug-ins, packages or machine, and for a run that was resumed."""
    was, now = before.get("git"), environment.git_state()
    if (was or {}).get("commit") != (now or {}).get("commit"):
        yield f"the commit has changed: {_commit(was)} then, {_commit(now)} now"
    elif was and _lines(environment.read(run_dir).changes) != _lines(
        environment.git_diff() if now["dirty"] else ""
    ):
        yield f"the changes since commit {_commit(was)} have changed ({environment.FILE} has the earlier ones)"
    from trainrun.config.plugin_sources import digests

    then, today = start.get("plugins"), digests(plugins)
    if plugins and then is None:
        yield "the plug-ins of the run were not recorded"
    for name, digest in today.items() if then is not None else ():
        # Versions before 0.2 recorded the plug-ins alone.
        if then.get(name, None if name in plugins else digest) != digest:
            yield f"plug-in {name} has changed"
    versions, of_now = before.get("versions") or {}, environment.versions()
    changed = [
        f"{k} {versions.get(k, 'none')} → {of_now.get(k, 'none')}"
        for k in {**versions, **of_now}
        if versions.get(k) != of_now.get(k)
    ]
    if changed:
        yield f"package versions have changed: {', '.join(changed)}"
    recorded = environment.read(run_dir).machine
    for line in environment.describe().splitlines()[:4]:
        word = line.split(" ")[0]
        if word in ("platform", "cpu") and word in recorded and recorded[word] != line:
            yield f"the machine has changed: {' '.join(recorded[word].split()[1:])} then, {' '.join(line.split()[1:])} now"
    resumed = before.get("resumed_from") or {}
    if resumed.get("changed"):
        yield f"the run was resumed with {' '.join(resumed['changed'])}; this run uses the changed settings from the start"


def compare(before: Mapping[str, Any], after: Mapping[str, Any], digits: int = DIGITS) -> dict[str, Any]:
    """Compare the final metrics and weights of two summaries.

    Returns:
        ``agree`` (every final metric agrees to `digits` significant digits), ``digits`` (metric -> agreeing digits),
        ``weights_equal`` (to the bit), ``criterion``.
    """
    one, other = before["metrics"], after["metrics"]
    digits_by_metric = {name: agreement(one.get(name), other.get(name)) for name in {**one, **other}}
    return {
        "agree": all(n >= digits for n in digits_by_metric.values()),
        "criterion": f"every final metric to {digits} significant digits",
        "digits": digits_by_metric,
        "weights_equal": before.get("weights_sha256") == after.get("weights_sha256"),
    }


def agreement(a: float | None, b: float | None) -> int:
    """Return the number of significant digits to which two numbers agree; `EXACT` if they are equal.

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
        description="Train the config of a run (with its plug-ins and seed) into a new directory and compare the final "
        "metrics. Warns if code, plug-ins, packages or machine have changed; refuses different data. Exit code 0: every "
        "final metric agrees to --digits significant digits; 1: otherwise.",
    )
    parser.add_argument("run", metavar="RUN", help=RUN)
    parser.add_argument("--digits", type=int, default=DIGITS, metavar="N", help=f"significant digits (default: {DIGITS})")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _check_data(config: Mapping[str, Any], digest: str | None) -> None:
    """Raise a UserError if the data is not that of the run."""
    with console.hushed(), imports.collector_paused("tensorflow"):
        from trainrun.run import builders
    if digest is not None and builders.dataset(config).digest() != digest:
        raise UserError(
            Problem(
                "data",
                f"data={config['data']['name']} is not the data that the run was trained on: its digest differs. Restore the earlier "
                "data; training on other data does not reproduce the run.",
            )
        )


def _lines(text: str) -> list[str]:
    # environment.txt is written without trailing whitespace.
    return text.rstrip().splitlines()


def _commit(state: Mapping[str, Any] | None) -> str:
    return str(state["commit"])[:12] if state else "none"


def _show(
    comparison: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], digits: int
) -> None:
    def shown(value: Any) -> str:
        return "none" if value is None else f"{value:.10g}"

    rows = [
        [name, shown(before["metrics"].get(name)), shown(after["metrics"].get(name)), "all" if n == EXACT else str(n)]
        for name, n in comparison["digits"].items()
    ]  # fmt: skip
    console.say()
    console.table("", ["metric", "before", "now", "agreeing digits"], rows)
    console.say("weights: bit-identical" if comparison["weights_equal"] else "weights: different")
    if comparison["agree"]:
        console.say(f"agrees: {comparison['criterion']}", "green")
    else:
        console.say(f"does not agree: {comparison['criterion']}", "bold red")
