"""A region at the bottom of a terminal that is redrawn in place, by `rich.live`."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment

from trainrun.errors import printable

# Columns for the ^C that a terminal writes behind the last line, which must not begin a line of its own.
MARGIN = 4


class _Printable:
    """What is shown, with secrets hidden and control characters escaped."""

    def __init__(self, renderable: RenderableType):
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for text, style, control in console.render(self._renderable, options):
            yield Segment(text if control else printable(text), style, control)


class LiveRegion:
    """The lines at the bottom of a terminal.

    Args:
        console: of the terminal; lines that it prints appear above the region.
    """

    def __init__(self, console: Console):
        self.stream: TextIO = console.file
        self.console = console
        self._columns: list[int] = []  # of each line that is shown
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False, vertical_overflow="crop"
        )  # fmt: skip

    def show(self, renderable: RenderableType) -> None:
        """Replace the region's content, cut at the terminal's size."""
        self._erase_folded_rows()
        constrained = Constrain(_Printable(renderable), self.console.width - MARGIN)
        lines = self.console.render_lines(constrained, pad=False)[: self.console.height]
        self._columns = [sum(segment.cell_length for segment in line) for line in lines]
        if not self._live.is_started:
            self._live.start()
        self._live.update(constrained, refresh=True)

    def close(self) -> None:
        """Remove the region."""
        self._erase_folded_rows()
        self._live.stop()

    def _erase_folded_rows(self) -> None:
        """Erase the rows that a narrowed terminal has added by folding lines; rich counts unfolded lines only."""
        added = sum(max(-(-columns // self.console.width), 1) - 1 for columns in self._columns)
        added = min(added, self.console.height - 1)
        self._columns = []
        if added > 0:
            row = [ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)]
            self.console.control(Control(*row * added))
