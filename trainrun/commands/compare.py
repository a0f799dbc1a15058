"""`trainrun compare A B [C …]`: show what differs between runs: config, code, data, metrics."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainrun.artifacts import result_table
from trainrun.commands import _json
from trainrun.commands._parser import RUN, Parser
from trainrun.errors import UserError
from trainrun.ui import console
from trainrun.util import redaction

if TYPE_CHECKING:
    from trainrun.after.compare import Comparison, Difference

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BARS = "▁▂▃▄▅▆▇█"
POINTS = 40  # of a curve in the terminal
LONGEST = 40  # characters of a value


def main(argv: Sequence[str]) -> int:
    """Compare runs."""
    parser = Parser(
        prog="trainrun compare",
        description="Show only what differs between runs. Example: trainrun compare last best",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help=f"two or more; {RUN}. A sweep means its best trial"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    if not 2 <= len(options.runs) <= len(LETTERS):
        raise UserError(f"expected 2 to {len(LETTERS)} runs, got {len(options.runs)}.")
    from trainrun.after import compare
    from trainrun.sweep import named_run

    comparison = compare.compare(named_run.runs(options.runs))
    if options.json:
        plain = redaction.tree(comparison.plain())
        _json.show(plain)
        return 0
    _show(comparison)
    return 0


def _show(comparison: Comparison) -> None:
    letters = LETTERS[: len(comparison.runs)]
    for letter, run in zip(letters, comparison.runs, strict=True):
        console.pieces([(f"{letter}  ", "bold"), (os.path.relpath(run), "")])
    sections = ("config", "code", "data", "packages", "machine")
    for title in sections:
        _section(title, getattr(comparison, title), letters)
    if same := [title for title in sections if not getattr(comparison, title)]:
        console.say(f"\nthe same: {', '.join(same)}")
    _metrics(comparison, letters)
    for name, curves in comparison.curves.items():
        console.say(f"\n{name} by epoch", style="bold")
        for letter, line in zip(letters, _lines(curves), strict=True):
            console.say(f"{letter}  {line}")
    for note in comparison.notes:
        console.warn(note)


def _section(title: str, differences: Sequence[Difference], letters: str) -> None:
    if not differences:
        return
    console.say()
    rows = [
        [d.name, *(_text(redaction.under(d.name.rpartition(".")[2], v)) for v in d.values)]
        for d in differences
    ]
    console.table("", [title, *letters], rows)
    for difference in differences:
        if places := [
            f"{letter} {place}" for letter, place in zip(letters, difference.places, strict=False) if place
        ]:
            console.say(f"  {difference.name}: {', '.join(places)}", style="dim")


def _metrics(comparison: Comparison, letters: str) -> None:
    rows = []
    for row in comparison.metrics:
        cells = [result_table.number(row.values[0])]
        for value, difference, verdict in zip(
            row.values[1:], row.differences[1:], row.verdicts[1:], strict=True
        ):
            change = "" if difference is None else f"{difference:+.4g}"
            cells += [result_table.number(value), f"{change} {verdict}".strip()]
        rows.append([row.name, *cells])
    if rows:
        console.say()
        headings = [
            "metric",
            letters[0],
            *(h for letter in letters[1:] for h in (letter, f"{letter} against A")),
        ]
        console.table("", headings, rows)
        if any("no difference" in row.verdicts for row in comparison.metrics):
            console.note("no difference: smaller than the 95% error of so many examples")


def _lines(curves: Sequence[Sequence[float]]) -> list[str]:
    """Return a line per curve, all on one scale: bars, then the first, the least and the last value."""
    finite = [v for curve in curves for v in curve if math.isfinite(v)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    longest = max(len(curve) for curve in curves)
    lines = []
    for curve in curves:
        every = max(1, math.ceil(longest / POINTS))
        drawn = "".join(_bar(v, low, high) for v in curve[::every])
        width = math.ceil(longest / every)
        lines.append(f"{drawn:<{width}}  {curve[0]:.4g} … least {min(curve):.4g} … {curve[-1]:.4g}")
    return lines


def _bar(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return "?"
    return BARS[round((value - low) / (high - low) * (len(BARS) - 1))] if high > low else BARS[0]


def _text(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
