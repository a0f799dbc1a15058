"""`trainrun evaluate RUN [FILE] [--by COLUMN]`: measure a run's model, with intervals and by groups of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainrun.artifacts.result_table import measured
from trainrun.commands import _json
from trainrun.commands._parser import RUN, Parser
from trainrun.ui import console
from trainrun.util import paths, plain_json

if TYPE_CHECKING:
    from trainrun.run.scores import Score


def main(argv: Sequence[str]) -> int:
    """Evaluate."""
    parser = Parser(
        prog="trainrun evaluate",
        description="Loss and every metric of a run, with 95% bootstrap intervals, on its own test part or on a file. Writes "
        "evaluation-….json into the run's directory. Example: trainrun evaluate last new.csv --by region",
    )
    parser.add_argument("run", metavar="RUN", help=RUN)
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="a CSV, Parquet or Feather file with the columns of training and the target (default: the run's test part)",
    )
    parser.add_argument(
        "--by", metavar="COLUMN", help="measure each value of a column, or quarters of its numbers, too"
    )
    parser.add_argument(
        "--against", metavar="RUN", help="compare with another run on the same rows, with paired intervals"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    from trainrun.data import table_rows
    from trainrun.run import drift
    from trainrun.run.result import RunResult
    from trainrun.sweep import named_run

    run_dir = named_run.run(options.run)
    with _json.alone(options.json):
        other = None if options.against is None else RunResult.read(named_run.run(options.against))
        scores = RunResult.read(run_dir).evaluate(options.file, options.by, other)
    content = plain_json.text(scores.plain())
    source = scores.source if options.file is None else Path(options.file).stem.replace("*", "_")
    record = run_dir / f"evaluation-{source}.json"
    with paths.whole(record) as new:
        new.write_text(content + "\n", encoding="utf-8")
    table_rows.warn(scores.unknown, scores.missing)
    if (shifted := drift.warning(scores.drift)) is not None:
        console.warn(shifted)
    if scores.left_out:
        console.warn(f"{scores.left_out:,} rows left out: they have no target, or no prediction.")
    if options.json:
        console.say(content)
        return 0
    where = scores.source if options.file else f"{scores.source} part"
    console.say(
        f"{where}: {scores.rows:,} rows; intervals of 95% by {scores.resamples:,} bootstrap resamples"
    )
    for output, value in scores.thresholds.items():
        of_output = f" of {output}" if output else ""
        console.say(
            f"decision threshold{of_output} {value:.4g}: metrics ending in _at_threshold are at it, others at 0.5"
        )
    rows = [
        [name, measured(s.value), f"{measured(s.low)} to {measured(s.high)}"]
        for name, s in scores.metrics.items()
    ]
    console.table("", ["metric", "value", "interval"], rows)
    if scores.differences:
        console.say()
        rows = [
            [name, f"{s.value:+.4g}", f"{measured(s.low)} to {measured(s.high)}", _clear(s)]
            for name, s in scores.differences.items()
        ]
        console.table("", ["metric", f"{scores.against} minus it", "paired interval", ""], rows)
    if scores.slices:
        console.say()
        names = list(scores.metrics)
        console.table(
            "",
            [scores.by, "rows", *names],
            [[s.name, f"{s.rows:,}", *(_cell(s.metrics, name) for name in names)] for s in scores.slices],
        )
    console.say(f"written: {record}")
    return 0


def _clear(difference: Score) -> str:
    """Return whether a difference is more than the choice of the rows may explain."""
    return "no clear difference" if difference.low <= 0 <= difference.high else "differs"


def _cell(metrics: Mapping[str, Score], name: str) -> str:
    score = metrics[name]
    return f"{measured(score.value)} ({measured(score.low)} to {measured(score.high)})"
