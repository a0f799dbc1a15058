"""The table of a sweep on a terminal: how many trials are done, the best one, and a row for each that runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from trainrun.sweep import objective
from trainrun.sweep.trial import Trial
from trainrun.util import redaction
from trainrun.util.durations import text as duration

if TYPE_CHECKING:
    from trainrun.sweep.view.live_table import Board

STYLES = {"FINISHED": "green", "FAILED": "red", "KILLED": "yellow", "PRUNED": "cyan"}
WIDE = 70  # columns of a terminal from which on there are bars, and settings with their full keys
BAR, SMALL_BAR = 24, 10  # columns


def render(board: Board, running: Sequence[Trial], width: int, height: int) -> RenderableType:
    """Return the table, cut at the terminal's height.

    Args:
        board: of the sweep.
        running: the trials that run.
        width, height: of the terminal.
    """
    lines: list[RenderableType] = [_header(board, running, width)]
    if board.best is not None:
        trial, value = board.best
        lines.append(
            _line(
                ("best ", "dim"),
                (f"{board.objective.name} ", "dim"),
                (f"{value:.4g}", "bold green"),
                (f"  [{trial.number}] ", "dim"),
                (setting(trial) if width >= WIDE else brief(trial), ""),
            )
        )
    room = max(height - len(lines) - 2, 1)  # one line for what was printed last, one for the cursor
    rows = sorted(running, key=lambda t: t.number)
    more = len(rows) - room
    lines += _rows(board, rows if more <= 0 else rows[: room - 1], width)
    if more > 0:
        lines.append(Text(f"  and {more + 1} more that run", style="dim"))
    return Group(*lines)


def _header(board: Board, running: Sequence[Trial], width: int) -> RenderableType:
    done = board.counts.total()
    # On a narrow terminal the line is cut at its end, so what matters most comes first.
    rest: list[tuple[str, str]] = []
    if (left := board.left(running)) is not None and left >= 1:
        rest.append((f"  {duration(left)} left", "cyan"))
    rest += [
        (f"  {board.counts[word]} {word.lower()}", STYLES[word])
        for word in ("FAILED", "KILLED", "PRUNED", "FINISHED")
        if board.counts[word]
    ]
    rest.append((f"  {len(running)} running", "dim"))
    count = (f"{done}/{board.total}" if board.total is not None else f"{done} done", "bold")
    if not board.total or width < WIDE:
        return _line(count, *rest)
    grid = _grid(2)
    bar = _bar((done + sum(share(t) for t in running)) / board.total, BAR, "green")
    grid.add_row(Text.assemble(count, "  "), bar, _line(*rest))
    return grid


def _rows(board: Board, running: Sequence[Trial], width: int) -> Iterator[RenderableType]:
    """Yield a line for each trial; on a wide terminal one grid, so that its columns are aligned."""
    digits = len(str((board.total or 1000) - 1))
    grid = _grid(5)
    for trial in running:
        number = (f"[{trial.number:>{digits}}]", "dim")
        measured = objective.measured(board.objective, board.reported.get(trial.number) or {})
        seconds = board.clock() - board.began.get(trial.number, board.clock())
        # Whole seconds: tenths would flicker five times a second.
        spent = (duration(seconds // 1) if seconds >= 10 else f"{int(seconds)}s", "dim")
        at = progress(trial.epochs, trial.config)
        if width < WIDE:
            value = (f"  {measured[1]:.4g}" if measured else "  begins" if trial.epochs == 0 else "", "")
            yield _line(number, f" {at}", value, ("  ", ""), spent, f"  {brief(trial)}")
            continue
        value = Text("begins" if trial.epochs == 0 else "", style="dim")
        if measured is not None:
            value = Text.assemble((f"{measured[0]} ", "dim"), f"{measured[1]:.4g}")
        bar = _bar(share(trial), SMALL_BAR, "blue") if epochs(trial.config) else ""
        text = setting(trial) if width >= 100 else brief(trial)
        grid.add_row(
            Text(*number), bar, Text(at, justify="right"), _apart(value), _apart(Text(*spent, justify="right")), _apart(_line(text))
        )  # fmt: skip
    if grid.row_count:
        yield grid


def _grid(fixed: int) -> Table:
    """Return a grid whose first columns keep their width; the last one is cut where the terminal is too narrow."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    for _ in range(fixed):
        grid.add_column(no_wrap=True)
    grid.add_column()
    return grid


def _apart(text: Text) -> Text:
    return Text.assemble(" ", text, no_wrap=True, overflow="ellipsis", justify=text.justify)


def _line(*parts: str | tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _bar(completed: float, width: int, style: str) -> ProgressBar:
    return ProgressBar(1.0, min(completed, 1.0), width, style="bright_black", complete_style=style, finished_style=style)  # fmt: skip


def setting(trial: Trial) -> str:
    """Return a trial's varied overrides as text."""
    return " ".join(redaction.words(trial.varied or trial.overrides)) or "default"


def brief(trial: Trial) -> str:
    """Return a trial's setting by the last words of its keys, for narrow terminals."""
    words = redaction.words(trial.varied or trial.overrides)
    return (
        " ".join(
            w.partition("=")[0].rpartition(".")[2] + "=" + w.partition("=")[2] if "=" in w else w
            for w in words
        )
        or "default"
    )


def epochs(config: Any) -> int:
    """Return the epochs of a run's config, or 0 if they are not known."""
    try:
        return int(config["trainer"]["epochs"])
    except (LookupError, TypeError, ValueError):
        return 0


def share(trial: Trial) -> float:
    """Return the share of its epochs that a trial has done, from 0 to 1."""
    total = epochs(trial.config)
    return min(trial.epochs / total, 1.0) if total else 0.0


def progress(done: int, config: Any) -> str:
    """Return the epochs done of all epochs as text: ``3/10``.

    Args:
        done: epochs.
        config: of the run.
    """
    total = epochs(config)
    return f"{done}/{total}" if total else str(done)
