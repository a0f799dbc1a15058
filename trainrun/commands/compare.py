"""`trainrun compare A B [C …]`: show what differs between runs: config, code, data, metrics."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.artifacts import result_table
from trainrun.commands import _json
from trainrun.commands._parser import RUN, Parser
from trainrun.errors import UserError, first_line
from trainrun.tracking import find
from trainrun.ui import console
from trainrun.ui.quietly import quietly
from trainrun.util import paths, plain_json, redaction

if TYPE_CHECKING:
    from trainrun.after.compare import Comparison, Difference

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
STYLES = ("cyan", "yellow", "magenta", "green", "red", "blue")
HEIGHT = 10  # lines of a chart
WIDTH = 120  # characters of a table in a file
SHORTEST = 8  # to which a value is cut
PATCH_LINES = 60  # that are printed


def main(argv: Sequence[str]) -> int:
    """Compare runs."""
    parser = Parser(
        prog="trainrun compare",
        description="Show only what differs between runs, and whether their metrics do: by the paired bootstrap over the held-out "
        "examples that they share. Example: trainrun compare last best",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help=f"two or more; {RUN}. A sweep means its best trial"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="draw the learning curves over one another: .png, .svg or .pdf"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="read the records only, without the models: intervals of shares such as accuracy alone, and wider ones",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    if not 2 <= len(options.runs) <= len(LETTERS):
        raise UserError(f"expected 2 to {len(LETTERS)} runs, got {len(options.runs)}.")
    from trainrun.after import compare
    from trainrun.sweep import named_run

    run_dirs = named_run.runs(options.runs)
    sweeps = [named_run.sweep(word) for word in options.runs]
    if options.output is not None:
        _draw(Path(options.output), run_dirs)  # before the models are loaded: the path may be wrong
    with quietly(options.json):
        comparison = compare.compare(run_dirs, sweeps, not options.quick)
    if options.json:
        plain = plain_json.without_nan(redaction.tree(comparison.plain()))
        _json.show(plain)
        return 0
    _show(comparison)
    if options.output is not None:
        console.say(f"\nwritten: {options.output}")
    return 0


def _draw(path: Path, run_dirs: Sequence[Path]) -> None:
    paths.require_output(path)
    from trainrun.artifacts import compared_curves
    from trainrun.run.result import RunResult

    names = (f"{letter} {find.name_of(run)}" for letter, run in zip(LETTERS, run_dirs, strict=False))
    histories = {name: RunResult.read(run).history for name, run in zip(names, run_dirs, strict=True)}
    try:
        compared_curves.write(path, histories)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be written: {first_line(error)}") from error


def _show(comparison: Comparison) -> None:
    letters = LETTERS[: len(comparison.runs)]
    for letter, run in zip(letters, comparison.runs, strict=True):
        console.pieces([(f"{letter}  ", "bold"), (os.path.relpath(run), "")])
    sections = ("config", "code", "data", "packages", "machine")
    for title in ("sweeps", *sections):
        _section(title, getattr(comparison, title), letters)
        if title == "code":
            _patches(comparison.patches, letters)
    if same := [title for title in sections if not getattr(comparison, title)]:
        console.say(f"\nthe same: {', '.join(same)}")
    _metrics(comparison, letters)
    for name, curves in comparison.curves.items():
        _chart(name, curves, letters)
    for note in comparison.notes:
        console.note(note)


def _section(title: str, differences: Sequence[Difference], letters: str) -> None:
    if not differences:
        return
    console.say()
    room = (console.columns() or WIDTH) - max(len(d.name) for d in differences)
    room = max(room // len(letters) - 2, SHORTEST)
    rows = [
        [d.name, *(_text(redaction.under(d.name.rpartition(".")[2], v), room) for v in d.values)]
        for d in differences
    ]
    console.table("", [title, *letters], rows)
    for difference in differences:
        if places := [
            f"{letter} {place}" for letter, place in zip(letters, difference.places, strict=False) if place
        ]:
            console.say(f"  {difference.name}: {', '.join(places)}", style="dim")


def _patches(patches: Sequence[str | None], letters: str) -> None:
    """Print the difference of the code, of a long one the beginning."""
    for letter, patch in zip(letters[1:], patches, strict=True):
        lines = (patch or "").splitlines()
        if patch is None:
            console.note(
                f"{letter}: no patch: the repository lacks a commit, or the recorded changes do not apply to it"
            )
        elif lines:
            console.say(f"\nfrom the code of {letters[0]} to that of {letter}")
        for line in lines[:PATCH_LINES]:
            head = line.startswith(("diff ", "index ", "--- ", "+++ ", "@@"))
            console.say(line, "bold" if head else {"+": "green", "-": "red"}.get(line[:1], ""))
        if len(lines) > PATCH_LINES:
            console.note(f"{len(lines) - PATCH_LINES:,} more lines: --json has all")


def _metrics(comparison: Comparison, letters: str) -> None:
    """Print a table for each run but the first: its metrics beside the first one's."""
    rows = [row for row in comparison.metrics if any(d is not None for d in row.differences)]
    for i, letter in enumerate(letters[1:], 1):
        cells = [
            [
                row.name,
                result_table.number(row.values[0]),
                result_table.number(row.values[i]),
                "" if row.differences[i] is None else f"{row.differences[i]:+.3g}",
                "" if row.intervals[i] is None else "{:.3g} to {:.3g}".format(*row.intervals[i]),
                row.verdicts[i],
            ]
            for row in rows
        ]
        columns = ["metric", letters[0], letter, f"{letter} − {letters[0]}", "95% interval", f"{letter} is"]
        if cells:
            console.say()
            console.table("", *result_table.filled(columns, cells))
    if any("no difference" in row.verdicts for row in comparison.metrics):
        console.note("no difference: none that so many held-out examples can show")


def _chart(name: str, curves: Sequence[Sequence[float]], letters: str) -> None:
    """Draw curves over one another, and name the ends of each."""
    from rich.console import Console

    from trainrun.ui import braille_chart

    best = name.startswith("best ")
    console.say(f"\n{name}" if best else f"\n{name} by epoch", style="bold")
    series = [(curve, STYLES[i % len(STYLES)]) for i, curve in enumerate(curves)]
    width = min(console.columns() or 80, 80)
    chart = braille_chart.draw(series, width, HEIGHT, letters)
    for line in chart.split("\n"):
        console.pieces([(s.text, str(s.style)) for s in line.render(Console(), end="")])
    last = f"{max(map(len, curves))} {'trials' if best else 'epochs'}"
    console.say(f"{'1':>{braille_chart.LABEL + 2}}{last:>{width - braille_chart.LABEL - 4}}", "dim")
    for letter, (curve, style) in zip(letters, series, strict=True):
        ends = f"{curve[0]:.4g} … least {min(curve):.4g}, largest {max(curve):.4g} … {curve[-1]:.4g}"
        console.pieces([(f"{letter}  ", style), (ends, "")])


def _text(value: Any, room: int) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= room else f"{text[: room - 1]}…"
