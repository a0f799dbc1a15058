"""`trainrun top`: the screen. What it shows is read by `activity`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Header, Label, Static

from trainrun.errors import UserError
from trainrun.sweep.trial import RUNNING
from trainrun.sweep.view import activity
from trainrun.sweep.view.activity import Activity, LiveRun
from trainrun.sweep.view.trial_table import STYLES, progress
from trainrun.tracking import history, status
from trainrun.ui import braille_chart
from trainrun.util.durations import text as duration

REFRESH_INTERVAL_S = 1.0
# What matters first: a terminal of 80 columns shows all but the setting, which stands below the table, too.
COLUMNS = ("run", "status", "epoch", "val_loss", "left", "pace", "CPU", "memory", "GPU", "setting")
GIB = 2.0**30
_TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ")  # before each line of run.log
TRAIN, VALIDATION = "blue", "yellow"


class Confirm(ModalScreen[bool]):
    """A question that `y` or Enter answers with yes.

    Args:
        question: the text.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "yes"),
        Binding("n,escape,q", "answer(False)", "no"),
    ]
    CSS = "Confirm { align: center middle; } #question { width: auto; max-width: 90%; padding: 1 2; background: $panel; }"

    def __init__(self, question: str):
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """Lay out the question."""
        yield Label(plain(f"{self._question}  [y/n]"), id="question")

    def action_answer(self, answer: bool) -> None:
        """Close with the answer."""
        self.dismiss(answer)


class TopApp(App[None]):
    """Table of runs, and curves and log of the one that is selected.

    Args:
        outputs: the folder of the runs.
    """

    TITLE = "trainrun top"
    CSS = """
    #runs { height: 40%; }
    #about { height: auto; max-height: 3; padding: 0 1; border-top: solid $primary; }
    #curves { width: 1fr; height: 100%; padding: 0 1; border-top: solid $primary; }
    #log { width: 1fr; height: 100%; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; border-top: solid $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("m", "metric", "metric"),
        Binding("s", "stop", "stop"),
        Binding("p", "prune", "prune trial"),
        Binding("S", "stop_sweep", "stop sweep"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, outputs: str | Path):
        super().__init__()
        self._activity = Activity(outputs)
        self._rows: dict[str, LiveRun] = {}
        self._metric = 0

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield Header()
        with Vertical():
            yield DataTable(id="runs", cursor_type="row")
            yield Static(id="about")
            with Horizontal():
                yield Static(id="curves")
                yield Static(id="log")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        table = self.query_one(DataTable)
        for name in COLUMNS:
            table.add_column(name, key=name)
        self.call_after_refresh(self.refresh_runs)  # the sizes of the parts are known then
        self.set_interval(REFRESH_INTERVAL_S, self.refresh_runs)

    @property
    def selected(self) -> LiveRun | None:
        """The run below the cursor."""
        table = self.screen_stack[0].query_one(DataTable)
        if not table.is_valid_coordinate(table.cursor_coordinate):
            return None
        return self._rows.get(str(table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value))

    def refresh_runs(self) -> None:
        """Read the journals, and show what they have got."""
        runs, table = self._activity.look(), self.screen_stack[0].query_one(DataTable)
        rows = {str(run.run_dir): run for run in runs}
        if list(rows) != list(self._rows):  # one has begun, or has ended and goes below those that run
            chosen = next((k for k, run in self._rows.items() if run is self.selected), None)
            self._rows = rows
            table.clear()
            for key, run in rows.items():
                table.add_row(*_cells(run), key=key)
            if chosen in rows:
                table.move_cursor(row=table.get_row_index(chosen))
        for key, run in rows.items():
            for name, cell in zip(COLUMNS, _cells(run), strict=True):
                table.update_cell(key, name, cell, update_width=True)
        running = sum(run.status == RUNNING for run in runs)
        self.sub_title = f"{running} running, {len(runs) - running} ended" if runs else "nothing runs"
        self.show_selected()

    def on_data_table_row_highlighted(self) -> None:
        """Show the run that is selected now."""
        self.show_selected()

    def show_selected(self) -> None:
        """Draw curves and log of the selected run."""
        bottom = self.screen_stack[0]
        curves, log = bottom.query_one("#curves", Static), bottom.query_one("#log", Static)
        run = self.selected if len(self.screen_stack) == 1 else None
        if run is None:
            return
        bottom.query_one("#about", Static).update(_about(run))
        names = history.metric_names(run.history)
        width, height = curves.content_size
        if names and width > 0:
            name = names[self._metric % len(names)]
            series = [(run.history.get(f"val_{name}", []), VALIDATION), (run.history.get(name, []), TRAIN)]
            chart = Text.assemble((f"{name}  ", "bold"), ("train ", TRAIN), ("validation\n", VALIDATION))
            curves.update(chart + braille_chart.draw(series, width, max(height - 1, 1)))
        else:
            curves.update(Text("no epoch yet", style="dim"))
        lines = status.last_lines(run.run_dir, max(log.content_size.height, 1))
        log.update(Text("\n").join(plain(_TIME.sub("", line)) for line in lines))

    def action_metric(self) -> None:
        """Show the next metric."""
        self._metric += 1
        self.show_selected()

    def action_stop(self) -> None:
        """Stop the selected run, after a question."""
        run = self.selected
        others = [] if run is None else [r for r in self._rows.values() if r is not run and r.pid == run.pid]
        more = f" {len(others)} other trials of its process end, too." if others and run.pid else ""
        self._ask("Stop {}? It saves its state." + more, activity.stop)

    def action_prune(self) -> None:
        """Prune the selected trial, after a question."""
        self._ask("Prune {} after its epoch?", activity.prune)

    def action_stop_sweep(self) -> None:
        """Stop the sweep of the selected trial, after a question."""
        self._ask("Stop the sweep of {}? Its trials save their states.", activity.stop_sweep, ended=True)

    def _ask(self, question: str, do: Callable[[LiveRun], str], ended: bool = False) -> None:
        run = self.selected
        if run is None:
            return
        if run.status != RUNNING and not ended:
            self.notify(f"{plain(run.name).plain} has ended", severity="warning", markup=False)
            return

        def answered(yes: bool | None) -> None:
            if not yes:
                return
            try:
                self.notify(plain(do(run)).plain, markup=False)
            except UserError as error:
                self.notify(plain(str(error)).plain, severity="error", markup=False)

        self.push_screen(Confirm(question.format(run.name)), answered)


def plain(text: str) -> Text:
    """Return a text of a record without what would control the terminal."""
    return Text("".join(c if c.isprintable() else " " for c in text))


def _cells(run: LiveRun) -> list[Text]:
    """Return the cells of a run's row, as in `COLUMNS`."""
    pace, left, system = run.pace, run.left, run.system
    cpu, memory = system.get("process_cpu_percentage"), system.get("process_memory_megabytes")
    return [
        plain(run.short),
        Text(run.status, style=STYLES.get(run.status, "")),
        Text(progress(run.epochs, run.start.get("config"))),
        Text(_newest(run, "val_loss") or _newest(run, "loss")),
        Text("" if left is None else duration(left)),
        Text("" if pace is None else f"{duration(pace)}/ep"),
        Text("" if cpu is None else f"{cpu:.0f}%"),
        Text("" if memory is None else f"{memory * 1e6 / GIB:.1f} GiB"),
        Text("" if run.gpu is None else f"{run.gpu:.0f}%"),
        plain(run.setting),
    ]


def _about(run: LiveRun) -> Text:
    """Return the whole name and setting of a run, and the state of its machine."""
    system = run.system
    parts = [f"{run.start.get('host') or 'machine'}:"]
    for label, name in (("CPU", "cpu_utilization_percentage"), ("memory", "system_memory_usage_percentage")):
        if name in system:
            parts.append(f"{label} {system[name]:.0f}%")
    for number in range(sum(k.endswith("_memory_usage_megabytes") and k.startswith("gpu_") for k in system)):
        memory, watts = (
            system.get(f"gpu_{number}_{n}") for n in ("memory_usage_megabytes", "power_usage_watts")
        )
        busy = system.get(f"gpu_{number}_utilization_percentage")
        parts.append(f"GPU {number} {busy or 0:.0f}% {(memory or 0) * 1e6 / GIB:.1f} GiB {watts or 0:.0f} W")
    machine = "  ".join(parts) if system else ""
    return plain(f"{run.name}  {run.setting}") + Text(f"\n{machine}" if machine else "", style="dim")


def _newest(run: LiveRun, name: str) -> str:
    values = run.history.get(name)
    return f"{values[-1]:.4g}" if values else ""
